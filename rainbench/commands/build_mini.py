"""``rainbench build-mini``: the embedded data, made again."""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.core.progress import show


@click.command(
    "build-mini",
    epilog="""\b
Example:
  rainbench build-mini --out datasets/mini""",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Where the sets are written; those of the same names in it are replaced.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True,
              help="Processes.")  # fmt: skip
def command(out: Path, workers: int) -> None:
    """Make the five embedded sets again; the pixels are the same on every machine."""
    from rainbench.synthesis.mini import write_mini

    write_mini(out, workers=workers, on_set=lambda name: show(f"{out / name}: 8 pairs"))
