"""The part of ``rainbench run`` for real rain without truth: ``--rainy`` without clean pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import find_weights, how_to_get_weights
from rainbench.commands.options import open_named_metrics
from rainbench.core.errors import RainbenchError
from rainbench.core.files import refuse_inside
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of
from rainbench.run.options import RunOptions

METRICS = ("niqe-rainbench", "streaks-left")
"""What is measured where nothing is named: what needs no file of others."""

SHOWN = 4
"""Pictures in the gallery, the first ones."""


def run_real_rain(
    rainy: Path,
    registry: Registry,
    baselines: Sequence[str],
    weight_roots: Sequence[Path],
    out: Path,
    options: RunOptions,
    words: Sequence[str],
    *,
    limit: int | None = None,
    dry_run: bool = False,
    as_json: bool = False,
) -> int:
    """Restore and measure a folder of rainy pictures; return the exit code.

    Raises:
        RainbenchError: Nothing can be measured, or the folder holds no pictures.
    """
    from rainbench.report.page.real_rain import write_real_rain
    from rainbench.report.writers import grid_json
    from rainbench.run.metrics.real_rain import INPUT, REAL_RAIN, find_pictures, restore_all
    from rainbench.run.plan import choose
    from rainbench.run.results import lock_run

    refuse_inside(out, [rainy])
    opened = open_named_metrics(words or METRICS, weight_roots)
    metrics = [each for each in opened.ready if not each.metric.full_reference]
    left_out = [each.metric.name for each in opened.ready if each.metric.full_reference]
    for name in left_out:
        say(f"cannot measure {name}: it needs clean pictures, and there are none")
    if not metrics:
        raise RainbenchError(
            "nothing to measure real rain by", hint=f"Give --metrics {','.join(METRICS)}."
        )
    with progress("pictures checked", None, quiet=as_json) as advance:
        pictures = find_pictures(rainy, limit, advance)
    chosen = choose([INPUT, *baselines], registry.entries)
    found = [(entry, find_weights(entry, weight_roots)) for entry in chosen]
    runnable = [(entry, file) for entry, file in found if not _missing(entry, file)]
    for entry, file in found:
        if reason := _missing(entry, file):
            say(f"{entry.name}: {reason}")
    names = ", ".join(each.metric.name for each in metrics)
    say(
        f"{rainy}: {count_of(len(pictures.files), 'picture')} without truth, "
        f"{count_of(len(runnable), 'entry')}; {names}"
    )
    for problem in pictures.problems:
        say(f"left out: {problem}")
    if dry_run:
        return 0
    shown = list(pictures.files)[:SHOWN]
    with (
        lock_run(out),
        progress("pictures", len(pictures.files) * len(runnable), quiet=as_json) as advance,
    ):
        rows = list(restore_all(pictures, runnable, out, options, metrics, shown, advance=advance))
        grid = write_real_rain(out, pictures, rows, shown)
    problems = [f"{row.entry}: {row.failure}" for row in rows if row.failure]
    problems += [
        f"{row.entry}: {column.name}: {column.problem}"
        for row in rows
        for column in row.columns.values()
        if column.problem
    ]
    if as_json:
        import json

        show_json(json.loads(grid_json(grid)))
    else:
        show("  ".join([f"{'entry':26}", *(f"{each.title:>18}" for each in grid.columns[1:])]))
        for line in grid.rows:
            show("  ".join([f"{line[0].text:26}", *(f"{cell.text:>18}" for cell in line[1:])]))
        folder = out / REAL_RAIN / pictures.name
        say(f"Tables: {folder / 'table'}.md, .csv, .json; pictures: {folder / 'gallery.html'}")
    for problem in problems:
        say(problem)
    incomplete = problems or opened.missing or left_out or len(runnable) < len(found)
    return 1 if incomplete or pictures.problems else 0


def _missing(entry: Entry, file: Path | None) -> str:
    if entry.is_video:
        return "restores videos, and these are single pictures"
    return "" if file is not None else how_to_get_weights(entry)
