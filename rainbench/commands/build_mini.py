"""``rainbench build-mini``: the embedded data, made again."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.commands.options import PLACE, workers_option
from rainbench.core.progress import progress, show


@click.command(
    "build-mini",
    epilog="""\b
Example:
  rainbench build-mini --out datasets/mini""",
)
@click.option(
    "--out",
    type=PLACE,
    required=True,
    help="Where the sets are written; those of the same names in it are replaced.",
)
@workers_option
def command(out: Path, workers: int) -> None:
    """Make the five embedded data sets again; their pixels are the same on every machine."""
    from rainbench.synthesis.mini import write_mini

    with progress("sets", 5) as advance:
        folders = write_mini(out, workers=workers, advance=advance)
    for folder in folders:
        show(f"{folder}: 8 pairs")
