"""``rainbench synth-jrsrd``: streaks over raindrop photographs, JRSRD made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.synth_common import build_options, default_workers, rain_options, run_build

if TYPE_CHECKING:
    from rainbench.rain.transform import Blend, Order, StreakModel


@click.command(
    "synth-jrsrd",
    epilog="""\b
Examples:
  rainbench synth-jrsrd --raindrop raindrop/ --out sets/jrsrd
  rainbench synth-jrsrd --raindrop raindrop/ --out sets/jrsrd --allow-partial --workers 2
  rainbench synth-jrsrd --clean photos/ --drops lens --order physical --out sets/lens
  rainbench synth-jrsrd --raindrop raindrop/ --model physical --exaggerate 10 --out sets/physical
  rainbench run -b prenet -d jrsrd-re --cards sets/jrsrd --data sets/jrsrd""",
)
@click.option(
    "--raindrop",
    type=click.Path(path_type=Path),
    help="A copy of the Raindrop set: 861 training pairs and the 58 of test set A.",
)
@click.option(
    "--clean",
    type=click.Path(path_type=Path),
    help="Without such a copy: clean images for --drops lens.",
)
@click.option("--drops", type=click.Choice(["lens"]), help="Render the drops.")
@click.option(
    "--levels",
    default="",
    metavar="A,B,...",
    help="Strengths of the streaks; one version of each scene for each. Painted: noise amounts "
    "[default: 20, 33.3, 46.7, 60 %]. Physical: rain rates in mm/h [default: 12.5, 25, 50, 100].",
)
@rain_options
@build_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    raindrop: Path | None,
    clean: Path | None,
    drops: str | None,
    levels: str,
    model: StreakModel,
    exaggerate: float | None,
    order: Order,
    blend: Blend,
    mist: bool,
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
    """Make JRSRD again: four strengths of streaks over every raindrop photograph.

    JRSRD was never published. From a copy of the Raindrop set this makes its 3,444 training and
    232 test pairs by the paper's description, the same bytes every time, with streak layers, soft
    masks and all parameters. What the paper leaves open is this builder's choice.
    """
    from rainbench.core.errors import RainbenchError
    from rainbench.rain.physical_streaks import PhysicalRanges
    from rainbench.rain.transform import Synthesis
    from rainbench.synthesis.dataset import SynthPlan
    from rainbench.synthesis.jrsrd import RECREATION, STYLE, jrsrd_cards, raindrop_scenes
    from rainbench.synthesis.options import (
        DEFAULT_LEVELS,
        SynthOptions,
        checked_name,
        parse_levels,
    )
    from rainbench.synthesis.sources import clean_scenes

    _check_input(raindrop, clean, drops, order=order, mist=mist, depth=depth)
    if exaggerate is not None and model != "physical":
        raise RainbenchError("--exaggerate is for --model physical")
    options = SynthOptions(
        synthesis=Synthesis(
            kind="joint",
            seed=seed,
            model=model,
            mist=mist,
            order=order,
            blend=blend,
            physical_ranges=PhysicalRanges(exaggerate=1.0 if exaggerate is None else exaggerate),
        ),
        levels=parse_levels(levels) if levels else DEFAULT_LEVELS[model],
        test_share=test_share,
        name=checked_name(name or ("jrsrd-re" if raindrop else "jrsrd-lens")),
        workers=workers or default_workers(),
    )
    if raindrop:
        found = raindrop_scenes(raindrop, allow_partial=allow_partial)
        sources, notes = found.scenes, found.notes
    else:
        assert clean is not None
        sources, notes = clean_scenes(clean, test_share=test_share, seed=seed, depth=depth)
    plan = SynthPlan(
        out=out,
        sources=sources,
        inputs=tuple(folder for folder in (raindrop, clean, depth) if folder),
        options=options,
        cards=jrsrd_cards(options, rendered=raindrop is None),
        heading=RECREATION if raindrop else STYLE,
        notes=tuple(notes),
    )
    ctx.exit(
        run_build(plan, also=also, allow_partial=allow_partial, dry_run=dry_run, as_json=as_json)
    )


def _check_input(
    raindrop: Path | None,
    clean: Path | None,
    drops: str | None,
    *,
    order: str,
    mist: bool,
    depth: Path | None,
) -> None:
    """Raise an error unless the options name one kind of input and what it can give."""
    from rainbench.core.errors import RainbenchError

    if (raindrop is None) == (clean is None):
        raise RainbenchError(
            "give either --raindrop DIR or --clean DIR --drops lens",
            hint="The first lays streaks over drop photographs, the second renders the drops.",
        )
    if clean is not None and drops != "lens":
        raise RainbenchError("clean images have no drops", hint="Add --drops lens to render them.")
    if raindrop is not None and drops:
        raise RainbenchError(
            "the Raindrop set has its own drops", hint="--drops lens goes with --clean DIR."
        )
    if raindrop is not None and (order == "physical" or mist):
        raise RainbenchError(
            "streaks and mist cannot be put behind the drops of a photograph",
            hint="Use --order paper without --mist, or --clean DIR --drops lens.",
        )
    if depth is not None and not mist:
        raise RainbenchError("--depth is for --mist")
