"""``rainbench status``: how far a run is."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from rainbench.commands.options import PLACE, json_option
from rainbench.core.progress import show, show_json
from rainbench.core.text import count_of, duration

SHOWN = 8
"""Cells of a kind that are named."""


@click.command(
    "status",
    epilog="""\b
Examples:
  rainbench status runs/full
  watch -n 5 rainbench status runs/full
  rainbench status runs/full --json""",
)
@click.argument("run", type=PLACE)
@json_option
def command(*, run: Path, as_json: bool) -> None:
    """Say of the run in RUN what is done, what runs, what failed, and how long the rest may take.

    It may be asked at any time and from any machine that sees the folder. The time left is that of
    the estimate, at the pace of what was done since the run began.
    """
    from rainbench.run.cluster.status import read_standing

    standing = read_standing(run)
    done, images = standing.images
    if as_json:
        show_json({**asdict(standing), "images": images, "images_done": done})
        return
    counts = Counter(part.state or "waiting" for part in standing.cells.values())
    if not standing.at_work:
        unfinished = counts["waiting"] + counts["running"]
        show(f"{run}: " + ("stopped: run again to go on" if unfinished else "nothing at work"))
    else:
        where = f" on {standing.where}" if standing.where else ""
        show(f"{run}: at work{where}, for {duration(standing.seconds)}")
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()) if count)
    show(f"  {count_of(len(standing.cells), 'cell')}: {told}")
    show(f"  {done:,} of {count_of(images, 'image')}")
    for state, word in (("running", "runs"), ("failed", "failed")):
        named = [(name, part) for name, part in standing.cells.items() if part.state == state]
        for name, part in named[:SHOWN]:
            more = f": {part.note}" if part.note else f", {part.done} of {part.images}"
            show(f"  {word if standing.at_work or state == 'failed' else 'begun'}: {name}{more}")
        if len(named) > SHOWN:
            show(f"  and {len(named) - SHOWN} more")
    if standing.at_work:
        left = standing.seconds_left
        show("  time left: " + ("not known yet" if left is None else f"about {duration(left)}"))
