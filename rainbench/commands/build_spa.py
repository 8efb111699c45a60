"""``rainbench build-spa``: real rain/clean pairs from static-camera videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rainbench.commands.options import AT_ONCE, device_option, json_option
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of, duration

if TYPE_CHECKING:
    from rainbench.clean_frame.extract import Method
    from rainbench.spa.builder import BuildReport
    from rainbench.spa.plan import SpaPlan
    from rainbench.spa.summary import SummaryRow

METHODS = ("robust", "exact", "notebook", "mode", "median", "mean", "min")


@click.command(
    "build-spa",
    epilog="""\b
Examples:
  rainbench build-spa videos/ --out runs/rain
  rainbench build-spa yard.mp4 street.mov --out runs/rain --layout pairs
  rainbench build-spa videos/ --out runs/rain --review   (then: rainbench review runs/rain)
  rainbench build-spa videos/ --out runs/rain --dry-run
  rainbench run -b prenet -d spa-rain --cards runs/rain/dataset --data runs/rain/dataset""",
)
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the results; an interrupted build continues in it.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="robust",
    show_default=True,
    help="How the clean frame is made.",
)
@click.option(
    "--frames",
    default="",
    metavar="N|auto",
    help="Frames to use; auto: all of a static scene, 300 at most. [default: by density, more "
    "while the judge asks for them]",
)
@click.option(
    "--density",
    type=click.Choice(["auto", "sparse", "normal", "dense"]),
    default="auto",
    show_default=True,
    help="Of the rain: 20, 100 or 200 frames at first, 10, 20 or 50 more in each round.",
)
@click.option(
    "--align/--no-align",
    default=None,
    help="Correct shake and light always or never. [default: where a sequence is not static]",
)
@click.option(
    "--min-psnr",
    type=float,
    default=36.0,
    show_default=True,
    metavar="DB",
    help="Reject clean frames that the judge estimates to be worse.",
)
@click.option(
    "--layout",
    type=click.Choice(["spa", "pairs"]),
    default="spa",
    show_default=True,
    help="Names of SPA-Data, or plain rainy/ clean/ mask/.",
)
@click.option(
    "--crop",
    type=click.IntRange(min=0),
    help="Side of the crops, 0 for whole frames. [default: 256 with spa, 0 with pairs]",
)
@click.option(
    "--max-frames",
    type=click.IntRange(min=1),
    help="Pairs of at most N frames of a sequence, evenly spread. [default: all frames used]",
)
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Share of the videos whose pairs are for testing.",
)
@click.option("--review", is_flag=True, help="A person decides: see `rainbench review`.")
@click.option("--allow-truncated", is_flag=True, help="Use the good frames before a damaged one.")
@click.option(
    "--also",
    type=click.Choice(["hugging-face", "webdataset"]),
    multiple=True,
    help="Write this packaging too; may be repeated.",
)
@click.option("--workers", type=AT_ONCE, help="Processes. [default: cores, at most 8]")
@device_option("Where --method exact counts its votes; the others run on the processor.")
@click.option("--memory", default="", metavar="SIZE", help="For frames. [default: a quarter]")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the test videos.")
@click.option("--name", default="", help="Of the data set. [default: spa- and the folder's name]")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    out: Path,
    method: Method,
    frames: str,
    density: Literal["auto", "sparse", "normal", "dense"],
    align: bool | None,
    min_psnr: float,
    layout: Literal["spa", "pairs"],
    crop: int | None,
    max_frames: int | None,
    test_share: float,
    review: bool,
    allow_truncated: bool,
    also: tuple[str, ...],
    workers: int | None,
    device: str,
    memory: str,
    seed: int,
    name: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make pairs of real rainy frames and one clean frame from videos of a static camera.

    PATH is a video, a folder of images, a .mat stack, or a folder that holds any of them at any
    depth. Every scene becomes a sequence with a clean frame that is judged: accepted, made again
    from more frames, or rejected. What is accepted becomes a data set in OUT/dataset.
    """
    from rainbench.core.machine import default_memory, default_workers
    from rainbench.core.text import parse_size
    from rainbench.packaging.package import Extras
    from rainbench.run.results import lock_run
    from rainbench.spa.builder import build_spa
    from rainbench.spa.options import SpaOptions, choose_device, data_set_name, parse_frames
    from rainbench.spa.plan import plan_build

    options = SpaOptions(
        method=method,
        frames=parse_frames(frames),
        density=None if density == "auto" else density,
        align=align,
        min_psnr=min_psnr,
        layout=layout,
        crop=crop,
        max_frames=max_frames,
        test_share=test_share,
        review=review,
        allow_truncated=allow_truncated,
        seed=seed,
        workers=workers or default_workers(),
        device=choose_device(device, method),
        memory=parse_size(memory) if memory else default_memory(),
        name=data_set_name(name, out),
    )
    extras = Extras(hugging_face="hugging-face" in also, webdataset="webdataset" in also)
    plan = plan_build(paths, out, options)
    _print_plan(plan, options.name, out)
    if dry_run:
        if as_json:
            show_json(plan.as_table())
        ctx.exit(1 if plan.unusable else 0)
    with lock_run(out), progress("videos", len(plan.videos), quiet=as_json) as advance:
        report = build_spa(plan, out, options, extras=extras, on_video=advance)
    _print_report(report, out, as_json=as_json)
    ctx.exit(1 if any(row.state == "failed" for row in report.rows) else 0)


def _print_plan(plan: SpaPlan, name: str, out: Path) -> None:
    for video in plan.videos:
        say(video.line())
    for label, reason in plan.unusable:
        say(f"cannot use {label}: {reason}")
    for label, other in plan.duplicates:
        say(f"left out {label}: the same bytes as {other}")
    videos = count_of(len(plan.videos), "video")
    say(f"{videos} into {name} in {out}: about {duration(plan.seconds)}")


def _print_report(report: BuildReport, out: Path, *, as_json: bool) -> None:
    if as_json:
        show_json(report.as_table())
        return
    for row in report.rows:
        show(_line(row))
    say(report.totals)
    if any(row.state == "waiting" for row in report.rows):
        say(f"Decide with `rainbench review {out}`, then run the same command again.")
    say(f"Summary: {out / 'summary.md'}")
    for card in report.cards:
        root = out / "dataset"
        say(f"{card.name}: {count_of(card.count, 'pair')}; to score on them:")
        say(f"  rainbench run --all -d {card.name} --cards {root} --data {root}")


def _line(row: SummaryRow) -> str:
    where = row.sequence or row.video
    if row.state in ("failed", "duplicate"):
        return f"{row.state}: {where}: {row.reason}"
    judged = f"{row.estimated_psnr:.1f} dB" if row.estimated_psnr is not None else "not judged"
    detail = f"{row.frames} frames, {judged}" + (
        f", {count_of(row.pairs, 'pair')}" if row.pairs else ""
    )
    return f"{row.state}: {where}: {detail}" + (f": {row.reason}" if row.reason else "")
