"""``rainbench synth``: rain of one kind over a folder of clean images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainbench.commands.options import PLACE, Function
from rainbench.commands.synth_common import SynthChoice, build_options, rain_options

if TYPE_CHECKING:
    from rainbench.rain.transform import Synthesis, SynthesisKind
    from rainbench.synthesis.dataset import SynthPlan

Range = tuple[float, float]


def _range(
    flag: str, default: str, text: str, kind: type = float
) -> Callable[[Function], Function]:
    """Add an option that takes the lowest and the highest value."""
    return click.option(
        flag, type=kind, nargs=2, metavar="LOW HIGH", help=f"{text} [default: {default}]"
    )


@click.command(
    "synth",
    epilog="""\b
Examples:
  rainbench synth streaks photos/ --out sets/streaks --versions 3
  rainbench synth streaks photos/ --out sets/light --amount 0.2 0.3 --angle -10 10
  rainbench synth streaks photos/ --model physical --exaggerate 10 --out sets/physical
  rainbench synth drops photos/ --out sets/drops --drop-count 400 800
  rainbench synth streaks photos/ --mist --blend add --depth depth/ --out sets/veiled
  rainbench synth joint photos/ --order physical --out sets/joint --test-share 1""",
)
@click.argument("kind", type=click.Choice(["streaks", "drops", "mist", "joint"]))
@click.argument("clean", metavar="DIR", type=PLACE)
@click.option(
    "--versions",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Rainy versions of each clean image.",
)
@rain_options
@_range("--amount", "0.2 0.6", "Painted: noise amount of the streaks, 0 to 1.")
@_range("--angle", "-25 25", "Painted: direction of the fall, in degrees from vertical.")
@_range("--length", "20 50", "Painted: length of streaks in pixels at 480 rows.")
@_range("--width", "1.2 2", "Painted: width of streaks in pixels at 480 rows.")
@_range("--opacity", "0.85 0.85", "Painted: brightness of a full streak, 0 to 1.")
@_range("--rate", "10 100", "Physical: rain rate in mm/h.")
@_range("--wind", "-2.5 2.5", "Physical: wind across the view in m/s.")
@_range("--exposure", "0.002 0.0167", "Physical: how long the shutter is open, in seconds.")
@_range("--drop-count", "435 1040", "Drops on 720x480 pixels; painted: 500 1200.", int)
@_range("--defocus", "3.8 5.9", "Blur of the glass in pixels at 480 rows; painted: 5 9.")
@_range("--sky", "0.85 1", "Share of sky in the light from above.")
@_range("--beta", "0.2 0.8", "Density of the mist.")
@_range("--light", "0.75 0.95", "Brightness of the mist, 0 to 1.")
@build_options
def command(
    *,
    kind: SynthesisKind,
    clean: Path,
    versions: int,
    choice: SynthChoice,
    **ranges: Range | None,
) -> SynthPlan:
    """Rain on the clean images of DIR: streaks, drops, mist, or joint (streaks and drops).

    Every version gets parameters of its own from the ranges below, and the same ones every time.
    Beside the pairs there are streak layers, soft masks and all parameters.
    """
    from rainbench.packaging.names import checked_name
    from rainbench.synthesis.cards import synth_cards
    from rainbench.synthesis.dataset import SynthPlan
    from rainbench.synthesis.options import SynthOptions
    from rainbench.synthesis.sources import clean_scenes

    options = SynthOptions(
        synthesis=_synthesis(kind, choice, ranges),
        versions=versions,
        test_share=choice.test_share,
        name=checked_name(choice.name or f"synth-{kind}"),
        workers=choice.workers,
    )
    sources, notes = clean_scenes(
        clean, test_share=choice.test_share, seed=choice.seed, depth=choice.depth
    )
    return SynthPlan(
        out=choice.out,
        sources=sources,
        inputs=tuple(folder for folder in (clean, choice.depth) if folder),
        options=options,
        cards=synth_cards(options),
        notes=tuple(notes),
    )


def _synthesis(
    kind: SynthesisKind, choice: SynthChoice, ranges: dict[str, Range | None]
) -> Synthesis:
    """Return the rain that the options describe; refuse ranges of what it has none of."""
    from dataclasses import replace

    from rainbench.core.errors import RainbenchError
    from rainbench.rain.drops import DROP_RANGES
    from rainbench.rain.mist import MistRanges
    from rainbench.rain.physical_streaks import PhysicalRanges
    from rainbench.rain.streaks import StreakRanges

    def given(*names: str, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - of any record
        values = {name: ranges[name] for name in names} | others
        return {name: value for name, value in values.items() if value is not None}

    painted = given("amount", "angle", "length", "width", "opacity")
    physical = given("rate", "wind", "exposure", exaggerate=choice.exaggerate)
    drops = given("defocus", "sky", count=ranges["drop_count"])
    mist = given("beta", "light")
    synthesis = choice.synthesis(
        kind,
        streak_ranges=replace(StreakRanges(), **painted),
        physical_ranges=replace(PhysicalRanges(), **physical),
        drop_ranges=replace(DROP_RANGES[choice.look], **drops),
        mist_ranges=replace(MistRanges(), **mist),
    )
    for used, what, values in (
        (synthesis.has_streaks and choice.model == "photoshop", "painted streaks", painted),
        (synthesis.has_streaks and choice.model == "physical", "physical streaks", physical),
        (synthesis.has_drops, "drops", drops),
        (synthesis.has_mist, "mist", mist | given(depth=choice.depth)),
    ):
        if not used and values:
            flag = next(iter(values)).replace("count", "drop-count")
            raise RainbenchError(
                f"--{flag} is for {what}, which {kind} with --model {choice.model} does not have"
            )
    return synthesis
