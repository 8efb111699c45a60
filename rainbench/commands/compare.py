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
  rainbench compare runs/ci --golden golden --guarded 200 --summary "$GITHUB_STEP_SUMMARY\"""",
)
@run_argument
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
    golden: Path | None,
    guarded: int,
    summary: Path | None,
    card_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Compare the run in folder RUN with published and golden numbers.

    Exit code 1 when a number drifted from golden, a cell failed, was changed by hand or was
    computed by other code than today's (`rainbench run` does it again), a gap has no reason, a file
    of golden numbers cannot be used or has other images than the run, or fewer values than
    --guarded were compared. `rainbench accept` makes golden numbers.
    """
    from rainbench.report.compare import compare_run, describe, summary_markdown
    from rainbench.report.tables import row_dict
    from rainbench.run.results import RunResults

    if not RunResults.open(run).cells():
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
