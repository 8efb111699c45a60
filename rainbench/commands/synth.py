"""``rainbench synth``: rain of one kind over a folder of clean images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rainbench.commands.synth_common import (
    build_options,
    default_workers,
    given,
    rain_options,
    run_build,
)

if TYPE_CHECKING:
    from rainbench.rain.transform import Blend, Order, StreakModel, SynthesisKind

Function = TypeVar("Function", bound=Callable[..., Any])


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
@click.argument("clean", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--versions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Rainy versions of each clean image.",
)
@rain_options
@_range("--amount", "0.2 0.6", "Painted: noise amount of the streaks, 0 to 1.")
@_range("--angle", "-25 25", "Painted: fall in degrees from vertical.")
@_range("--length", "20 50", "Painted: length of streaks in pixels at 480 rows.")
@_range("--width", "1.2 2", "Painted: width of streaks in pixels at 480 rows.")
@_range("--opacity", "0.85 0.85", "Painted: brightness of a full streak, 0 to 1.")
@_range("--rate", "10 100", "Physical: rain rate in mm/h.")
@_range("--wind", "-2.5 2.5", "Physical: wind across the view in m/s.")
@_range("--exposure", "0.002 0.0167", "Physical: how long the shutter is open, in seconds.")
@_range("--drop-count", "500 1200", "Drops on 720x480 pixels.", int)
@_range("--defocus", "5 9", "Blur of the glass in pixels at 480 rows.")
@_range("--sky", "0.85 1", "Share of sky in the light from above.")
@_range("--beta", "0.2 0.8", "Density of the mist.")
@_range("--light", "0.75 0.95", "Brightness of the mist, 0 to 1.")
@build_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    kind: SynthesisKind,
    clean: Path,
    versions: int,
    model: StreakModel,
    exaggerate: float | None,
    order: Order,
    blend: Blend,
    mist: bool,
    amount: tuple[float, float] | None,
    angle: tuple[float, float] | None,
    length: tuple[float, float] | None,
    width: tuple[float, float] | None,
    opacity: tuple[float, float] | None,
    rate: tuple[float, float] | None,
    wind: tuple[float, float] | None,
    exposure: tuple[float, float] | None,
    drop_count: tuple[int, int] | None,
    defocus: tuple[float, float] | None,
    sky: tuple[float, float] | None,
    beta: tuple[float, float] | None,
    light: tuple[float, float] | None,
    out: Path,
    depth: Path | None,
    seed: int,
    name: str,
    test_share: float,
    allow_partial: bool,
    also: tuple[str, ...],
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Rain on the clean images of DIR: streaks, drops, mist, or joint (streaks and drops).

    Every version gets parameters of its own from the ranges below, and the same ones every time.
    Beside the pairs there are streak layers, soft masks and all parameters.
    """
    from dataclasses import replace

    from rainbench.core.errors import RainbenchError
    from rainbench.rain.drops import DropRanges
    from rainbench.rain.mist import MistRanges
    from rainbench.rain.physical_streaks import PhysicalRanges
    from rainbench.rain.streaks import StreakRanges
    from rainbench.rain.transform import Synthesis
    from rainbench.synthesis.cards import synth_cards
    from rainbench.synthesis.dataset import SynthPlan
    from rainbench.synthesis.options import SynthOptions, checked_name
    from rainbench.synthesis.sources import clean_scenes

    streaks = {
        "amount": amount, "angle": angle, "length": length, "width": width, "opacity": opacity,
    }  # fmt: skip
    rain = {"rate": rate, "wind": wind, "exposure": exposure, "exaggerate": exaggerate}
    drops = {"count": drop_count, "defocus": defocus, "sky": sky}
    veil = {"beta": beta, "light": light}
    synthesis = Synthesis(
        kind=kind,
        seed=seed,
        model=model,
        mist=mist,
        order=order,
        blend=blend,
        streak_ranges=replace(StreakRanges(), **given(streaks)),
        physical_ranges=replace(PhysicalRanges(), **given(rain)),
        drop_ranges=replace(DropRanges(), **given(drops)),
        mist_ranges=replace(MistRanges(), **given(veil)),
    )
    for used, what, ranges in (
        (synthesis.has_streaks and model == "photoshop", "painted streaks", streaks),
        (synthesis.has_streaks and model == "physical", "physical streaks", rain),
        (synthesis.has_drops, "drops", drops),
        (synthesis.has_mist, "mist", veil | {"depth": depth}),
    ):
        if not used and given(ranges):
            name = next(iter(given(ranges)))
            raise RainbenchError(
                f"{name} is of {what}, which {kind} with --model {model} does not have"
            )
    options = SynthOptions(
        synthesis=synthesis,
        versions=versions,
        test_share=test_share,
        name=checked_name(name or f"synth-{kind}"),
        workers=workers or default_workers(),
    )
    sources, notes = clean_scenes(clean, test_share=test_share, seed=seed, depth=depth)
    plan = SynthPlan(
        out=out,
        sources=sources,
        inputs=tuple(folder for folder in (clean, depth) if folder),
        options=options,
        cards=synth_cards(options),
        notes=tuple(notes),
    )
    ctx.exit(
        run_build(plan, also=also, allow_partial=allow_partial, dry_run=dry_run, as_json=as_json)
    )
