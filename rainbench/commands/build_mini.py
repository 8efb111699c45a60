"""``rainbench build-mini``: the embedded data, made anew."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.console import show


@click.command(
    "build-mini",
    epilog="""\b
Example:
  rainbench build-mini --out datasets/mini/streaks""",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Where the pairs are written."
)
def command(out: Path) -> None:
    """Make the embedded streak pairs anew; the pixels are the same on every machine."""
    from rainbench.build.mini import write_mini

    show(f"{write_mini(out)} pairs in {out}")
