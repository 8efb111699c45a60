"""``rainbench derain``: an entry applied to images, folders and videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rainbench.commands.networks import network_options, with_networks
from rainbench.commands.options import (
    PLACE,
    arithmetic_options,
    cards_option,
    json_option,
    open_registry,
    weights_option,
)
from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of
from rainbench.core.watch import watched

if TYPE_CHECKING:
    from rainbench.catalog.registry import Entry
    from rainbench.derain.file import Derained

SHOWN = 10


@click.command(
    "derain",
    epilog="""\b
Examples:
  rainbench derain prenet.rain100l street.jpg --weights DIR --out street-derained.png
  rainbench derain prenet.rain100l photos/ --weights DIR --out derained --side-by-side
  rainbench derain spanet.rain200h rain.mp4 --weights DIR --out derained --lossless
  rainbench derain prenet_r.rain100h huge.tif --weights DIR --out derained --tile 512
  rainbench derain my_net.py:Net photos/ --weights my.pth --out derained --multiple-of 8
  rainbench derain fastderain rain.mp4 --out derained""",
)
@click.argument("entry_name", metavar="ENTRY")
@click.argument("path", type=PLACE)
@click.option(
    "--out",
    type=PLACE,
    required=True,
    help="Folder of the results; for a single file also the file to write.",
)
@weights_option
@cards_option
@network_options
@click.option("--side-by-side", is_flag=True, help="The input to the left of the result.")
@click.option(
    "--tile",
    type=int,
    metavar="N",
    default=1024,
    show_default=True,
    help="Larger images go through in tiles of at most N pixels a side, 64 or more (0: never).",
)
@click.option(
    "--overlap",
    type=int,
    metavar="N",
    help="Pixels that tiles share, 0 to half of --tile. [default: the network's receptive field, "
    "half a tile at most]",
)
@click.option(
    "--lossless", is_flag=True, help="Videos as FFV1 in .mkv, every value kept, not H.264 in .mp4."
)
@click.option("--overwrite", is_flag=True, help="Make results again that exist already.")
@arithmetic_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    entry_name: str,
    path: Path,
    out: Path,
    weight_roots: Sequence[Path],
    card_folders: tuple[Path, ...],
    side_by_side: bool,
    tile: int,
    overlap: int | None,
    lossless: bool,
    overwrite: bool,
    device: str,
    precision: Literal["fp32", "tf32", "bf16", "fp16"],
    threads: int | None,
    as_json: bool,
) -> None:
    """Remove the rain from PATH with ENTRY: an image, a folder of images and videos, or a video.

    Images become PNG, videos H.264 of their frame rate, without sound. An interrupted call
    continues when it is given again: a result that a record beside it proves to be of the same
    file, network and options is kept. A file that cannot be used is reported and the others are
    done. Nothing is ever written into PATH.

    A network restores a video frame by frame. A video method, such as fastderain, needs all of its
    frames at once: a video that is too long for the memory is refused before it is begun.
    """
    with watched() as watch:  # before anything large is loaded
        from rainbench.api.models import one_entry
        from rainbench.catalog.folders import readable_folders
        from rainbench.catalog.weights import find_weights
        from rainbench.derain.file import Style
        from rainbench.derain.folder import derain, find_tasks
        from rainbench.run.clips.predict import ClipPredictor, predictor_of
        from rainbench.run.options import resolve_options

        options = resolve_options(device, precision, tile, threads, overlap)
        registry, names, weight_roots = with_networks(
            open_registry(card_folders), [entry_name], weight_roots, watch
        )
        entry = one_entry(registry, names[0])
        weight_roots = readable_folders(weight_roots)
        style = Style(side_by_side, lossless)
        with failing_alone(f"{path} into {out}"):
            tasks = find_tasks(path, out, style)
        weights = find_weights(entry, weight_roots)
        if death := watch.died.get(entry.name):
            raise RainbenchError(f"{entry.name}: {death}")
        with watch.at(entry.name, "while it was built"):
            predictor = predictor_of(entry, weights, options)
        if isinstance(predictor, ClipPredictor):
            most = count_of(predictor.most_frames(480, 640), "frame")
            say(f"{entry.name} restores a video as a whole, in memory: here {most} of 640x480")
        with progress("files", len(tasks), quiet=as_json) as advance:
            found = derain(
                tasks, predictor, style, overwrite=overwrite, advance=advance, watch=watch
            )
            results = list(found)
        if as_json:
            show_json(_summary(entry, predictor.overlap, results))
        else:
            _print_summary(results, out)
        ctx.exit(1 if any(result.note for result in results) else 0)


def _print_summary(results: list[Derained], out: Path) -> None:
    problems = [result for result in results if result.note]
    for result in problems[:SHOWN]:
        say(f"{result.state}: {result.note}")
    if len(problems) > SHOWN:
        say(f"and {len(problems) - SHOWN} more (--json lists all)")
    if len(results) == 1 and results[0].state == "kept":
        say(f"{results[0].task.target} exists already; --overwrite makes it again")
    counts = Counter(result.state for result in results)
    frames = sum(result.frames for result in results)
    speed = ""
    if frames:
        seconds = sum(result.seconds for result in results) / frames
        speed = f"; {count_of(frames, 'image')}, {seconds:.3g} s each in the network"
    show(f"{', '.join(f'{n} {state}' for state, n in counts.items())} into {out}{speed}")


def _summary(entry: Entry, overlap: int, results: list[Derained]) -> dict[str, object]:
    return {
        "entry": entry.name,
        "overlap": overlap,
        "counts": dict(Counter(result.state for result in results)),
        "files": [
            {
                "source": str(result.task.source),
                "target": str(result.task.target) if result.state != "failed" else None,
                "state": result.state,
                "frames": result.frames,
                "seconds": round(result.seconds, 3),
                "note": result.note,
            }
            for result in results
        ],
    }
