"""``rainbench report``: a run's tables, or a paper's own table with the run beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rainbench.catalog.registry import Registry
from rainbench.commands.clusters import builders_at, cluster_option, pool_of
from rainbench.commands.networks import network_options, with_networks
from rainbench.commands.options import (
    PICTURES,
    PLACE,
    cards_option,
    data_option,
    open_registry,
    weights_option,
)
from rainbench.core.errors import RainbenchError
from rainbench.core.escape import markdown
from rainbench.core.progress import progress, say, show
from rainbench.core.text import count_of, duration
from rainbench.core.watch import Watch

if TYPE_CHECKING:
    from rainbench.cluster.crew import Crew
    from rainbench.core.pool import Pool


@click.command(
    "report",
    epilog="""\b
Examples:
  rainbench report runs/full
  rainbench report runs/full --data DIR --weights DIR --pictures 8
  rainbench report runs/mine --data DIR -b my_net.py:Net --weights my.pth
  rainbench report --paper spanet --table 2
  rainbench report runs/full --paper sian --table 3 --format latex > table3.tex""",
)
@click.argument("run", type=PLACE, default=Path("runs/latest"))
@click.option("--paper", help="Print a table of this paper (`rainbench report --paper sian`).")
@click.option("--table", help="Which table of it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "latex", "csv", "json"]),
    default="markdown",
    show_default=True,
    help="How the paper's table is printed.",
)
@click.option(
    "--pictures",
    type=PICTURES,
    default=4,
    show_default=True,
    help="Images of each data set to show on the page, the hardest and the easiest ones, restored "
    "again by every entry.",
)
@click.option(
    "-b",
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NETWORK",
    help="A network of your own as in the run (my_net.py:Net), for its pictures.",
)
@network_options
@cluster_option
@data_option
@weights_option
@cards_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    run: Path,
    paper: str | None,
    table: str | None,
    form: Literal["markdown", "latex", "csv", "json"],
    pictures: int,
    baselines: tuple[str, ...],
    cluster: str,
    data_roots: tuple[Path, ...],
    weight_roots: Sequence[Path],
    card_folders: tuple[Path, ...],
) -> None:
    """Write the report of the run in folder RUN: a page to open in a browser, and tables.

    The page is report.html, with pictures in report-images beside it when the data sets and the
    weights are there; the tables are Markdown, LaTeX, CSV and JSON.

    With --paper and --table: print that table of the paper, every published number beside the one
    that the run measured; where there is none a note says why.
    """
    registry = open_registry(card_folders, run)
    if paper is not None:
        has_results = (run / "cells").is_dir()
        _show_paper_table(paper, table, form, registry, run if has_results else None)
        return
    if table is not None:
        raise RainbenchError("--table needs --paper", hint="For example: --paper sian --table 3.")
    from rainbench.report.tables import write_tables
    from rainbench.run.results import RunResults

    problems = RunResults.open(run).problems
    for problem in problems:
        say(f"failed: {problem}")
    registry, _, weight_roots = with_networks(registry, baselines, weight_roots, Watch())
    write_tables(run, registry)
    say(f"Tables: {run / 'table'}.md, .csv, .json, .tex")
    with builders_at(cluster, run) if cluster and pictures else nullcontext() as crew:
        _write_page(run, registry, pictures, data_roots, weight_roots, crew)
    ctx.exit(1 if problems else 0)


def _write_page(
    run: Path,
    registry: Registry,
    pictures: int,
    data_roots: Sequence[Path],
    weight_roots: Sequence[Path],
    crew: Crew | None = None,
) -> None:
    from rainbench.report.page.make import make_report
    from rainbench.run.options import resolve_options
    from rainbench.run.results import RunResults

    complete = [
        (min(pictures, cell.summary["images"]), cell.seconds or 0)
        for cell in RunResults(run).cells()
        if cell.summary
    ]
    counts = [count for count, _ in complete]
    seconds = sum(count * each for count, each in complete)
    if seconds and (data_roots or weight_roots or seconds > 1):
        say(f"{count_of(sum(counts), 'picture')} to restore again: {duration(seconds)} at most")
    with progress("pictures", sum(counts)) as advance:
        report = make_report(
            run,
            registry,
            data_roots=data_roots,
            weight_roots=weight_roots,
            pictures=pictures,
            # Workers share the cores of a machine, and know their devices.
            options=resolve_options(threads=1, device="cpu") if crew else resolve_options(),
            advance=advance,
            pool=partial(_pool_of, crew, run) if crew else None,
        )
    for problem in report.problems:
        say(f"No picture: {problem}")
    cells = [cell for cell in RunResults(run).cells() if cell.summary]
    if pictures and not report.pictures and not all(cell.is_of_folder for cell in cells):
        say("No pictures: give the folders of the data sets and weights with --data and --weights.")
    say(f"Page: {report.file}, {count_of(report.pictures, 'image')} in {run / 'report-images'}")


def _pool_of(crew: Crew, run: Path, files: Sequence[Path]) -> Pool:
    found = pool_of(crew, files, run, "cuda" if crew.has_gpus else "cpu")
    assert found is not None
    return found


def _show_paper_table(
    paper: str,
    table: str | None,
    form: Literal["markdown", "latex", "csv", "json"],
    registry: Registry,
    run: Path | None,
) -> None:
    from rainbench.report.papers.layouts import tables_of
    from rainbench.report.papers.scored import paper_table
    from rainbench.report.writers import write_grid

    if table is None:
        for name, title in tables_of(paper, registry.folders):
            show(f"{name:10}{title}")
        return
    if run is None:
        say("No run was given: only the published side is filled in.")
    grid = paper_table(paper, table, registry, run)
    if form == "markdown":
        show(f"**{markdown(grid.title)}**\n")
    show(write_grid(grid, form).rstrip("\n"))
