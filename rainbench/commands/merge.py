"""``rainbench merge``: several runs as one."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.commands.options import PLACE, cards_option
from rainbench.core.progress import say
from rainbench.core.text import count_of


@click.command(
    "merge",
    epilog="""\b
Examples:
  rainbench merge runs/machine-1 runs/machine-2 --out runs/all
  rainbench merge runs/* --out merged""",
)
@click.argument("runs", type=PLACE, nargs=-1, required=True)
@click.option("--out", type=PLACE, required=True, help="Folder of the whole; it may hold a part.")
@cards_option
def command(*, runs: tuple[Path, ...], out: Path, card_folders: tuple[Path, ...]) -> None:
    """Put the finished results of RUNS into one folder, and write its tables.

    Two runs that scored one entry in different ways, or on different pictures of one data set, are
    refused; nothing is copied then.
    """
    from rainbench.api.results import merge_results
    from rainbench.run.results import RunResults

    merge_results(runs, out, cards=card_folders)
    cells = sum(cell.summary is not None for cell in RunResults(out).cells())
    say(f"{count_of(cells, 'cell')} of {count_of(len(runs), 'run')} in {out}")
    say(f"Tables: {out / 'table'}.md, .csv, .json, .tex")
