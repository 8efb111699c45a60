"""What the commands that make synthetic rain share: options, plan, progress, summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainbench.commands.options import AT_ONCE, Function, with_options
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of, duration

if TYPE_CHECKING:
    from rainbench.synthesis.dataset import SynthPlan, SynthReport


def rain_options(function: Function) -> Function:
    """Add the options that say how rain comes over an image."""
    options = (
        click.option(
            "--model",
            type=click.Choice(["photoshop", "physical"]),
            default="photoshop",
            show_default=True,
            help="Painted streaks, as in the published sets, or drops that fall while the "
            "shutter is open: their sizes, speeds and opacity are those of real rain.",
        ),
        click.option(
            "--exaggerate",
            type=float,
            metavar="G",
            help="Factor on the opacity of physical drops, which are nearly invisible; 8 to 20 "
            "looks painted. Recorded with every pair. [default: 1]",
        ),
        click.option(
            "--order",
            type=click.Choice(["paper", "physical"]),
            default="paper",
            show_default=True,
            help="Streaks over the drops, or behind the wet glass (rendered drops only).",
        ),
        click.option(
            "--blend",
            type=click.Choice(["screen", "add"]),
            default="screen",
            show_default=True,
            help="How streaks are laid on.",
        ),
        click.option(
            "--mist",
            is_flag=True,
            help="Mist as well, behind everything else (rendered drops only).",
        ),
    )
    return with_options(options, function)


def build_options(function: Function) -> Function:
    """Add the options that every such build has."""
    options = (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            required=True,
            help="Folder of the data set; an interrupted build continues in it.",
        ),
        click.option(
            "--depth",
            type=click.Path(path_type=Path),
            help="Depth maps for --mist, named like the images. [default: made up]",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Any number."),
        click.option("--name", default="", help="Of the data set. [default: by what it is]"),
        click.option(
            "--test-share",
            type=click.FloatRange(0, 1),
            default=0.2,
            show_default=True,
            help="Share of the clean images whose pairs are for testing.",
        ),
        click.option(
            "--allow-partial",
            is_flag=True,
            help="Continue without what is missing or cannot be used, and say so.",
        ),
        click.option(
            "--also",
            type=click.Choice(["hugging-face", "webdataset"]),
            multiple=True,
            help="Write this packaging too; may be repeated.",
        ),
        click.option("--workers", type=AT_ONCE, help="Processes. [default: cores, at most 8]"),
        click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON for machines."),
    )
    return with_options(options, function)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def default_workers() -> int:
    """Return how many processes to use: the available cores, eight at most."""
    from rainbench.core.machine import usable_cores

    return min(8, usable_cores())


def run_build(
    plan: SynthPlan,
    *,
    also: tuple[str, ...],
    allow_partial: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Print the plan, build, print the summary; return the exit code."""
    import time

    from rainbench.packaging.package import Extras
    from rainbench.run.results import lock_run
    from rainbench.synthesis.dataset import build_set, summarise
    from rainbench.synthesis.options import check_apart

    check_apart(plan.inputs, plan.out)
    _print_plan(plan)
    if dry_run:
        if as_json:
            show_json(plan.as_table())
        return 0
    extras = Extras(hugging_face="hugging-face" in also, webdataset="webdataset" in also)
    begin = time.monotonic()
    with lock_run(plan.out), progress("scenes", len(plan.sources), quiet=as_json) as advance:
        report = build_set(
            plan,
            extras=extras,
            allow_partial=allow_partial,
            on_scene=lambda result: advance(1, result.label),
        )
    if as_json:
        show_json(summarise(report))
    else:
        _print_report(plan, report, time.monotonic() - begin)
    if not report.cards:
        return 2
    return 1 if report.left_out else 0


def _print_plan(plan: SynthPlan) -> None:
    for note in plan.notes:
        say(f"note: {note}")
    counts = ", ".join(
        f"{count_of(count, 'pair')} in {name}" for name, count in plan.counts().items()
    )
    say(f"{count_of(len(plan.sources), 'scene')}: {counts}, in {plan.out}")
    size, seconds = plan.estimate()
    workers = count_of(plan.options.workers, "worker")
    say(f"about {size / 1e6:.0f} MB and {duration(seconds)} with {workers}")


def _print_report(plan: SynthPlan, report: SynthReport, seconds: float) -> None:
    from rainbench.synthesis.dataset import summarise

    for line in report.left_out:
        say(f"cannot use {line}")
    if not report.cards:
        say("No data set was written. Finished scenes are kept: correct the input and run the same")
        say("command again, or give --allow-partial to continue without what cannot be used.")
        return
    rows = summarise(report)["versions"]
    assert isinstance(rows, list)
    for row in rows:
        facts = [count_of(int(row["pairs"]), "pair"), f"input {row['input_psnr_y']:.1f} dB on luma"]
        facts[1] += f", {row['input_psnr_rgb']:.1f} dB on RGB"
        if row["streak_amount"] is not None:
            facts.append(f"noise {row['streak_amount']:.0%}")
        if row["streak_rate"] is not None:
            facts.append(f"rain of {row['streak_rate']:.3g} mm/h")
        if row["streak_visible"] is not None:
            facts.append(f"streaks on {row['streak_visible']:.0%}")
        if row["drop_coverage"] is not None:
            facts.append(f"drops on {row['drop_coverage']:.0%}")
        show(f"version {row['version']}: {', '.join(facts)} (medians)")
    kept = sum(result.kept for result in report.results)
    before = f", {kept} of the scenes were there before" if kept else ""
    size = sum(size for result in report.results for size in result.bytes.values())
    say(f"{size / 1e6:.1f} MB in {duration(seconds)}{before}; {plan.out / 'contact_sheet.png'}")
    for card in report.cards:
        say(f"{card.name}: {count_of(card.count, 'pair')}; to score on them:")
        say(f"  rainbench run --all -d {card.name} --cards {plan.out} --data {plan.out}")
