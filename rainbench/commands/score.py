"""``rainbench score``: a folder of restored images, from any program, as an entry of a run."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.commands.options import (
    PLACE,
    cards_option,
    data_option,
    json_option,
    metrics_option,
    open_named_metrics,
    open_registry,
    weights_option,
)
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import progress, say, show, show_json


@click.command(
    "score",
    epilog="""\b
Examples:
  rainbench score results/rain100l -d rain100l --data DIR --name my-net
  rainbench score results -d rain100l --data DIR --out runs/full --json
  rainbench score results -d rain100l --data DIR --metrics niqe-rainbench,my.py:sharpness""",
)
@click.argument("folder", type=PLACE)
@click.option("-d", "--dataset", required=True, metavar="NAME", help="The data set they belong to.")
@click.option("--name", help="How the entry is called. [default: the folder's name]")
@click.option(
    "--out",
    type=PLACE,
    default=Path("runs/latest"),
    show_default=True,
    help="The run to add them to.",
)
@data_option
@cards_option
@click.option("--layout", default="", help="Take this packaging of the data set, see `show`.")
@click.option(
    "--pattern",
    default="",
    metavar="TEXT",
    help='Which files count, where names leave a choice: "{id}_output.png". {id} is the id of the '
    "image or the name of its rainy or clean file, * anything but a slash.",
)
@click.option("--allow-partial", is_flag=True, help="Leave out and list what is missing or broken.")
@metrics_option
@weights_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    folder: Path,
    dataset: str,
    name: str | None,
    out: Path,
    data_roots: tuple[Path, ...],
    card_folders: tuple[Path, ...],
    layout: str,
    pattern: str,
    allow_partial: bool,
    metrics: tuple[str, ...],
    weight_roots: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Score the restored images in FOLDER under every protocol, as an entry of a run.

    They are matched to the data set's images by name; names that can be read in several ways are
    refused, and --pattern says which are meant. Files are 8-bit, so how a program rounded when it
    saved them is part of what is scored.
    """
    from rainbench.catalog.folders import readable_folders
    from rainbench.core.files import refuse_inside
    from rainbench.core.images import note_unread
    from rainbench.core.text import count_of
    from rainbench.pairs.copies import copies_of
    from rainbench.pairs.load import load_first_copy
    from rainbench.pairs.matching import unread_below
    from rainbench.report.grid import number
    from rainbench.report.tables import row_json, write_tables
    from rainbench.run.outputs import LOSSY, SHOWN, entry_name, score_folder
    from rainbench.run.plan import how_to_get_dataset
    from rainbench.run.results import lock_run

    refuse_inside(out, [folder])
    registry = open_registry(card_folders, out)
    card = registry.dataset(dataset)
    entry = entry_name(name if name is not None else folder.resolve().name)
    if name is not None and name != entry:  # another could become the same, and take its place
        raise RainbenchError(
            f"--name {name}: a name is made of a-z, 0-9, ., _ and -, and has 64 letters at most",
            hint=f"For example {entry}.",
        )
    if entry in {each.name for each in registry.entries()}:
        raise RainbenchError(f"{entry} is an entry of ours", hint="Give another name with --name.")
    copies = copies_of(card, readable_folders(data_roots), only=True)
    if not copies:
        raise RainbenchError(f"{card.name}: {how_to_get_dataset(card)}")
    opened = open_named_metrics(metrics, readable_folders(weight_roots))
    with lock_run(out):
        pairs = load_first_copy(card, copies, layout=layout, allow_partial=allow_partial)
        with progress("images", len(pairs.pairs), quiet=as_json) as advance:
            scored = score_folder(
                folder, pairs, entry, out, pattern=pattern,
                allow_partial=allow_partial, advance=advance, metrics=opened.ready,
            )  # fmt: skip
        rows = [
            row
            for row in write_tables(out, registry)
            if (row.dataset, row.entry) == (card.name, entry)
        ]
    matched, problems = scored.matched, scored.problems
    if as_json:
        show_json(
            {
                "entry": entry,
                "pattern": matched.pattern,
                "copies": scored.copies,
                "doubt": scored.doubt,
                "left_out": problems,
                "rows": [row_json(row) for row in rows],
            }
        )
        ctx.exit(1 if problems or opened.missing or scored.unmeasured else 0)
    say(f'{count_of(len(matched.files), "image")} matched by "{matched.pattern}"; entry {entry}')
    if scored.copies:
        say(f"Warning: {scored.copies}, pixel for pixel")
    if scored.doubt:
        say(f"Warning: {scored.doubt}")
    lossy = sum(file.suffix.lower() in LOSSY for file in matched.files.values())
    if lossy:
        say(f"{lossy} are JPEG or WebP: what saving them lost is scored too, PNG keeps every value")
    note_unread(unread_below(folder))
    for file in matched.unused[:SHOWN]:
        say(f"not used: {file}")
    for problem in problems[:SHOWN]:
        say(f"left out: {problem}")
    if len(problems) > SHOWN:
        say(f"left out: {len(problems) - SHOWN} more (--json lists all)")
    for row in rows:
        mark = "*" if row.is_default else " "
        show(f"{mark} {row.protocol:18}{number(row.psnr, 2):>6} / {number(row.ssim, 4)}")
    for name, column in (rows[0].metrics if rows else {}).items():
        show(f"  {name:18}{number(column.mean, column.digits) or 'failed':>6}")
    for problem in scored.unmeasured:
        say(problem)
    say(f"* the default protocol of {card.name}. Tables: {out / 'table'}.md, .csv, .json, .tex")
    ctx.exit(1 if problems or opened.missing or scored.unmeasured else 0)
