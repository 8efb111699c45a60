"""``rainbench leaderboard``: a site to publish."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.commands.options import (
    PICTURES,
    PLACE,
    cards_option,
    data_option,
    open_registry,
    weights_option,
)
from rainbench.core.progress import progress, say


@click.command(
    "leaderboard",
    epilog="""\b
Examples:
  rainbench leaderboard runs/latest --out site
  rainbench leaderboard runs/a runs/b --out site --data DIR --weights DIR --title Rain""",
)
@click.argument("runs", type=PLACE, nargs=-1, required=True)
@click.option("--out", type=PLACE, required=True, help="Folder of the site.")
@click.option("--title", default="Deraining leaderboard", show_default=True, help="Its title.")
@click.option(
    "--pictures",
    type=PICTURES,
    default=2,
    show_default=True,
    help="Images of each data set on the models' pages, restored again by every model.",
)
@data_option
@weights_option
@cards_option
def command(
    *,
    runs: tuple[Path, ...],
    out: Path,
    title: str,
    pictures: int,
    data_roots: tuple[Path, ...],
    weight_roots: tuple[Path, ...],
    card_folders: tuple[Path, ...],
) -> None:
    """Make a static site of the results of RUNS: tables with filters, a page for each model.

    It is to be put on any web server, or opened from the disk; nothing is loaded from elsewhere.
    Pages hold card, BibTeX, results and pictures; the same numbers are in results.json. A result
    that runs have alike stands once, those that differ stand each with its run.
    """
    from rainbench.catalog.folders import readable_folders, run_cards
    from rainbench.report.site.make import make_site
    from rainbench.run.options import resolve_options

    with progress("pictures", None) as advance:
        index, problems = make_site(
            runs,
            out,
            open_registry([*card_folders, *(card for run in runs for card in run_cards(run))]),
            title=title,
            data_roots=readable_folders(data_roots),
            weight_roots=readable_folders(weight_roots),
            pictures=pictures,
            options=resolve_options(),
            advance=advance,
        )
    for problem in problems:
        say(f"No picture: {problem}")
    say(f"Site: {index}")
