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
  rainbench build-mini --out datasets/mini
  rainbench build-mini --clips --out data""",
)
@click.option(
    "--out",
    type=PLACE,
    required=True,
    help="Where the sets are written; those of the same names in it are replaced.",
)
@click.option("--clips", is_flag=True, help="Make mini-clips instead, which is not embedded.")
@workers_option
def command(out: Path, workers: int, *, clips: bool) -> None:
    """Make the five embedded data sets again; their pixels are the same on every machine.

    With --clips it is mini-clips: two short clips of rain to try video methods on.
    """
    from rainbench.synthesis.mini import SET_CLIPS, SET_FRAMES, write_clips, write_mini

    if clips:
        show(f"{write_clips(out)}: {len(SET_CLIPS)} clips of {SET_FRAMES} frames")
        return
    with progress("sets", 5) as advance:
        folders = write_mini(out, workers=workers, advance=advance)
    for folder in folders:
        show(f"{folder}: 8 pairs")
