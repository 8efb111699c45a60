"""``rainbench compare``: are the numbers still what they were, and what the papers say?"""

from __future__ import annotations

from pathlib import Path

import click

from rainbench.commands.options import (
    PLACE,
    PlacePath,
    cards_option,
    json_option,
    open_registry,
    run_argument,
)
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import say, show, show_json
from rainbench.core.text import count_of


@click.command(
    "compare",
    epilog="""\b
Examples:
  rainbench compare runs/latest
  rainbench compare runs/latest --json
  rainbench compare runs/before runs/after
  rainbench compare runs/ci --golden golden --guarded 200 --summary "$GITHUB_STEP_SUMMARY\"""",
)
@run_argument
@click.argument("other", type=PLACE, required=False)
@click.option(
    "--golden",
    type=PLACE,
    help="Folder of golden numbers. [default: those of the package]",
)
@click.option(
    "--guarded",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Fail when fewer than N values (PSNR or SSIM of an image under a protocol) were compared "
    "with golden numbers.",
)
@click.option(
    "--summary",
    type=PlacePath(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='Append a summary in Markdown; in GitHub Actions "$GITHUB_STEP_SUMMARY".',
)
@cards_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    run: Path,
    other: Path | None,
    golden: Path | None,
    guarded: int,
    summary: Path | None,
    card_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Compare the run in folder RUN with published and golden numbers, or with the run OTHER.

    Exit code 1 when a number drifted from golden, a cell failed, was changed by hand or was
    computed by other code than today's (`rainbench run` does it again), a gap has no reason, a file
    of golden numbers cannot be used or has other images than the run, or fewer values than
    --guarded were compared. `rainbench accept` makes golden numbers.

    With OTHER: what both runs finished, image by image. By how much the means moved, whether by
    more than chance (paired Wilcoxon test of the PSNR), and what was different: code, weights,
    options, pictures, versions. Exit code 1 when a number moved.
    """
    if other is not None:
        if golden is not None or guarded or summary is not None:
            raise RainbenchError("--golden, --guarded and --summary go with one run alone")
        ctx.exit(_compare_two(run, other, as_json=as_json))
    from rainbench.report.compare import compare_run, describe, summary_markdown
    from rainbench.report.tables import row_dict
    from rainbench.run.results import RunResults

    if next(RunResults.open(run).cells(), None) is None:
        raise RainbenchError(f"{run}: holds no cell", hint="Run `rainbench run` first.")
    if golden is not None and not golden.is_dir():
        raise RainbenchError(f"{golden}: there is no such folder of golden numbers")
    comparison = compare_run(run, open_registry(card_folders, run), golden, guarded)
    if summary is not None:
        try:
            with summary.open("a", encoding="utf-8") as file:
                file.write(summary_markdown(comparison))
        except OSError as error:
            raise RainbenchError(f"{summary}: cannot be written: {error.strerror}") from None
    if as_json:
        show_json(
            {
                "passed": comparison.passed,
                "states": comparison.states,
                "guarded": comparison.guarded,
                "rows": [row_dict(row) for row in comparison.rows],
                "drifts": [str(drift) for drift in comparison.drifts],
                "stale": [f"{cell}: {reason}" for cell, reason in comparison.stale],
                "broken": [f"{cell}: {reason}" for cell, reason in comparison.broken],
            }
        )
    else:
        for line in describe(comparison):
            show(line)
        states = ", ".join(f"{count} {state}" for state, count in comparison.states.items())
        say(f"{states}; {count_of(comparison.guarded, 'value')} compared with golden numbers")
        if comparison.shortage:
            say(f"failed: {comparison.shortage}")
    ctx.exit(0 if comparison.passed else 1)


def _compare_two(run: Path, other: Path, *, as_json: bool) -> int:
    """Print what differs between two runs; return the exit code."""
    import dataclasses

    from rainbench.report.between import compare_runs
    from rainbench.report.grid import number

    between = compare_runs(run, other)
    moved = [change for change in between.changes if change.moved]
    if as_json:
        show_json(
            {
                "changes": [dataclasses.asdict(change) for change in between.changes],
                "alone": list(between.alone),
            }
        )
        return 1 if moved else 0
    for change in moved:
        psnr = " -> ".join(number(value, 4) for value in change.psnr)
        ssim = " -> ".join(number(value, 6) for value in change.ssim)
        show(
            f"{change.dataset}  {change.entry}  {change.protocol}: {psnr} dB, {ssim}; "
            f"{change.moved} of {count_of(change.images, 'image')} moved, p = {change.psnr_p:.2g}"
        )
    for (dataset, entry), why in {(c.dataset, c.entry): c.why for c in between.changes}.items():
        if why:
            say(f"{entry} on {dataset}: different are {'; '.join(why)}")
    for sentence in between.alone:
        say(sentence)
    if not between.changes:
        raise RainbenchError(f"{run} and {other} have finished nothing in common")
    same = len(between.changes) - len(moved)
    say(f"{count_of(len(moved), 'mean')} moved, {same} the same")
    return 1 if moved else 0
