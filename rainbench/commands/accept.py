"""``rainbench accept``: a run's numbers become the golden ones, deliberately."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.core.errors import RainbenchError
from rainbench.core.progress import say, show


@click.command(
    "accept",
    epilog="""\b
Examples:
  rainbench accept --out runs/full --golden reports/golden
  rainbench accept --out runs/full --golden reports/golden --replace""",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The run's folder.")
@click.option(
    "--golden",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of golden numbers to write into.",
)
@click.option("--replace", is_flag=True, help="Also replace golden numbers that exist and differ.")
@click.pass_context
def command(ctx: click.Context, out: Path, golden: Path, replace: bool) -> None:
    """Accept a run's complete cells as golden numbers.

    Cells that are not complete, were run in tiles or reduced precision, or were computed by other
    code than today's, are passed over. Golden numbers that exist already are kept, unless --replace
    is given.
    """
    from rainbench.report.golden import accept_run

    if not (out / "cells").is_dir():
        raise RainbenchError(f"{out}: holds no results", hint="Run `rainbench run` first.")
    accepted = accept_run(out, golden, replace=replace)
    for cell in accepted:
        show(f"{cell.action:9}{cell.dataset} / {cell.entry}{cell.reason}")
    kept = [cell for cell in accepted if cell.action == "kept"]
    if kept:
        say(f"{len(kept)} cells differ from their golden numbers: --replace accepts the new ones")
    ctx.exit(1 if kept else 0)
