"""What the commands that make synthetic rain share: options, plan, progress, summary."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainbench.commands.clusters import builders_at, check_files, cluster_option, pool_of
from rainbench.commands.options import (
    PLACE,
    Function,
    NumberRange,
    also_option,
    dry_run_option,
    json_option,
    print_data_sets,
    with_options,
    workers_option,
)
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of, duration

if TYPE_CHECKING:
    from rainbench.packaging.package import Extras
    from rainbench.rain.ranges import Look
    from rainbench.rain.transform import Blend, Order, StreakModel, Synthesis, SynthesisKind
    from rainbench.synthesis.dataset import SynthPlan, SynthReport


@dataclass(frozen=True, slots=True)
class SynthChoice:
    """What the shared options say, by their names."""

    model: StreakModel
    exaggerate: float | None
    order: Order
    blend: Blend
    look: Look
    mist: bool
    out: Path
    depth: Path | None
    seed: int
    name: str
    test_share: float
    allow_partial: bool
    also: tuple[str, ...]
    workers: int
    cluster: str
    dry_run: bool
    as_json: bool

    def synthesis(self, kind: SynthesisKind, **ranges: Any) -> Synthesis:  # noqa: ANN401
        """Return the rain that is described; ``ranges`` as `Synthesis` takes them."""
        from rainbench.rain.transform import Synthesis

        return Synthesis(
            kind=kind,
            seed=self.seed,
            model=self.model,
            mist=self.mist,
            order=self.order,
            blend=self.blend,
            look=self.look,
            **ranges,
        )


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
            help="How streaks are blended with the image.",
        ),
        click.option(
            "--look",
            type=click.Choice(["natural", "painted"]),
            default="natural",
            show_default=True,
            help="Streaks and rendered drops as films and photographs show them, or as in the "
            "published sets: painted streaks reach pure white.",
        ),
        click.option(
            "--mist",
            is_flag=True,
            help="Add mist, behind everything else (rendered drops only).",
        ),
    )
    return with_options(options, function)


def build_options(make_plan: Callable[..., SynthPlan]) -> Callable[..., None]:
    """Turn a function that makes a plan into one that builds it, and add the options for that.

    The function gets `SynthChoice` as ``choice``.
    """
    options = (
        click.option(
            "--out",
            type=PLACE,
            required=True,
            help="Folder of the data set; an interrupted build continues in it.",
        ),
        click.option(
            "--depth",
            type=PLACE,
            help="Depth maps for --mist, named like the images. [default: made up]",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Seed of all random choices."
        ),
        click.option("--name", default="", help="Of the data set. [default: by its kind]"),
        click.option(
            "--test-share",
            type=NumberRange(0, 1),
            default=0.2,
            show_default=True,
            help="Share of the clean images whose pairs are for testing.",
        ),
        click.option(
            "--allow-partial",
            is_flag=True,
            help="Continue without what is missing or cannot be used, and say so.",
        ),
        also_option,
        workers_option,
        cluster_option,
        dry_run_option,
        json_option,
    )

    @functools.wraps(make_plan)
    def command(**values: Any) -> None:  # noqa: ANN401 - whatever options take
        choice = SynthChoice(
            **{field.name: values.pop(field.name) for field in fields(SynthChoice)}
        )
        click.get_current_context().exit(_build(make_plan(choice=choice, **values), choice))

    return with_options(options, command)


def _build(plan: SynthPlan, choice: SynthChoice) -> int:
    """Print the plan, build, print the summary; return the exit code."""
    import time

    from rainbench.packaging.package import Extras
    from rainbench.run.results import lock_run
    from rainbench.synthesis.dataset import build_set, summarise
    from rainbench.synthesis.options import check_apart

    check_apart(plan.inputs, plan.out)
    extras = Extras.of(choice.also)
    with ExitStack() as stack:
        crew, workers = None, choice.workers
        if choice.cluster:
            opening = builders_at(choice.cluster, plan.out, dry=choice.dry_run)
            crew = stack.enter_context(opening)
        if crew is not None:
            workers = len(crew.looks)
        _print_plan(plan, extras, workers)
        if choice.dry_run:
            check_files(crew, plan.files)
            if choice.as_json:
                show_json(plan.as_table())
            return 0
        begin = time.monotonic()
        bar = progress("scenes", len(plan.sources), quiet=choice.as_json)
        with lock_run(plan.out), bar as advance:
            report = build_set(
                plan,
                extras=extras,
                allow_partial=choice.allow_partial,
                advance=advance,
                pool=pool_of(crew, plan.files, plan.out),
            )
    if choice.as_json:
        show_json(summarise(report))
    else:
        _print_report(plan, report, time.monotonic() - begin)
    if not report.cards:
        return 2
    return 1 if report.left_out else 0


def _print_plan(plan: SynthPlan, extras: Extras, workers: int) -> None:
    from rainbench.synthesis.estimate import estimate_build

    for note in plan.notes:
        say(f"note: {note}")
    counts = ", ".join(
        f"{count_of(count, 'pair')} in {name}" for name, count in plan.counts().items()
    )
    say(f"{count_of(len(plan.sources), 'scene')}: {counts}, in {plan.out}")
    many = replace(plan, options=replace(plan.options, workers=workers))
    estimate = estimate_build(many, shards=extras.webdataset)
    size, time = _megabytes(estimate.bytes), duration(estimate.seconds)
    say(f"about {size} and {time} with {count_of(workers, 'worker')}")


def _megabytes(size: float) -> str:
    """Return a size with two digits at least: ``0.034 MB``, ``2.3 MB``, ``517 MB``."""
    return f"{size / 1e6:.{0 if size >= 1e7 else 1 if size >= 1e6 else 3}f} MB"


_FACTS = (
    ("streak_amount", "noise {:.0%}"),
    ("streak_rate", "rain of {:.3g} mm/h"),
    ("streak_visible", "streaks on {:.0%}"),
    ("drop_coverage", "drops on {:.0%}"),
)
"""What the summary says of a version, where it has it."""


def _print_report(plan: SynthPlan, report: SynthReport, seconds: float) -> None:
    from rainbench.synthesis.dataset import summarise

    for note in report.notes[len(plan.notes) :]:
        say(f"note: {note}")
    for line in report.left_out:
        say(f"cannot use {line}")
    if not report.cards:
        say("No data set was written. Finished scenes are kept: correct the input and run the same")
        say("command again, or give --allow-partial to continue without what cannot be used.")
        return
    rows = summarise(report)["versions"]
    assert isinstance(rows, list)
    for row in rows:
        facts = [
            count_of(int(row["pairs"]), "pair"),
            f"input {row['input_psnr_y']:.1f} dB on luma, {row['input_psnr_rgb']:.1f} dB on RGB",
            *(form.format(row[name]) for name, form in _FACTS if row[name] is not None),
        ]
        show(f"version {row['version']}: {', '.join(facts)} (medians)")
    kept = sum(result.kept for result in report.results)
    before = f", {kept} of the scenes were there before" if kept else ""
    size = _megabytes(sum(path.stat().st_size for path in plan.out.rglob("*") if path.is_file()))
    say(f"{size} in {duration(seconds)}{before}; {plan.out / 'contact_sheet.png'}")
    print_data_sets(report.cards, plan.out)
