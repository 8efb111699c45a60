"""``rainbench accept``: a run's numbers become the golden ones, deliberately."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.commands.options import PLACE, run_argument
from rainbench.core.progress import say, show
from rainbench.core.text import count_of


@click.command(
    "accept",
    epilog="""\b
Examples:
  rainbench accept runs/full --golden reports/golden
  rainbench accept runs/full --golden reports/golden --replace""",
)
@run_argument
@click.option(
    "--golden",
    type=PLACE,
    required=True,
    help="Folder of golden numbers to write into.",
)
@click.option("--replace", is_flag=True, help="Also replace golden numbers that exist and differ.")
@click.pass_context
def command(ctx: click.Context, run: Path, golden: Path, replace: bool) -> None:
    """Accept the complete cells of the run in folder RUN as golden numbers.

    Cells that are not complete, were run in tiles or reduced precision, or were computed by other
    code than today's, are left out. Golden numbers that exist already are kept, unless --replace
    is given. Exit code 1 when some were kept, or when there was nothing to accept.
    """
    from rainbench.report.golden import accept_run
    from rainbench.run.results import RunResults

    RunResults.open(run)
    accepted = accept_run(run, golden, replace=replace)
    for cell in accepted:
        reason = f": {cell.reason}" if cell.reason else ""
        show(f"{cell.action:9}{cell.dataset} / {cell.entry}{reason}")
    kept = [cell for cell in accepted if cell.action == "kept"]
    if kept:
        say(f"{count_of(len(kept), 'cell')} unlike their golden numbers: --replace accepts the new")
    nothing = all(cell.action == "left out" for cell in accepted)
    if nothing:
        say(f"{run}: nothing was accepted: no cell can be made golden")
    ctx.exit(1 if kept or nothing else 0)
