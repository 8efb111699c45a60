"""``rainbench synth-jrsrd``: streaks over raindrop photographs, JRSRD made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.options import PLACE
from rainbench.commands.synth_common import SynthChoice, build_options, rain_options

if TYPE_CHECKING:
    from rainbench.synthesis.dataset import SynthPlan


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
    type=PLACE,
    help="A copy of the Raindrop set: 861 training pairs and the 58 of test set A. This, or "
    "--clean with --drops lens, is required.",
)
@click.option(
    "--clean",
    type=PLACE,
    help="Without such a copy: a folder of clean images, for --drops lens.",
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
def command(
    *,
    raindrop: Path | None,
    clean: Path | None,
    drops: str | None,
    levels: str,
    choice: SynthChoice,
) -> SynthPlan:
    """Make JRSRD again: four strengths of streaks over every raindrop photograph.

    JRSRD was never published. From a copy of the Raindrop set this makes its 3,444 training and
    232 test pairs by the paper's description, the same bytes every time, with streak layers, soft
    masks and all parameters. What the paper leaves open is this builder's choice.
    """
    from rainbench.core.errors import RainbenchError
    from rainbench.packaging.names import checked_name
    from rainbench.rain.physical_streaks import PhysicalRanges
    from rainbench.synthesis.dataset import SynthPlan
    from rainbench.synthesis.jrsrd import RECREATION, STYLE, jrsrd_cards, raindrop_scenes
    from rainbench.synthesis.options import (
        DEFAULT_LEVELS,
        SynthOptions,
        parse_levels,
    )
    from rainbench.synthesis.sources import clean_scenes

    _check_input(raindrop, clean, drops, choice)
    if choice.exaggerate is not None and choice.model != "physical":
        raise RainbenchError("--exaggerate is for --model physical")
    options = SynthOptions(
        synthesis=choice.synthesis(
            "joint",
            physical_ranges=PhysicalRanges(
                exaggerate=1.0 if choice.exaggerate is None else choice.exaggerate
            ),
        ),
        levels=parse_levels(levels) if levels else DEFAULT_LEVELS[choice.model],
        test_share=choice.test_share,
        name=checked_name(choice.name or ("jrsrd-re" if raindrop else "jrsrd-lens")),
        workers=choice.workers,
    )
    if raindrop:
        found = raindrop_scenes(raindrop, allow_partial=choice.allow_partial)
        sources, notes = found.scenes, found.notes
    else:
        assert clean is not None
        sources, notes = clean_scenes(
            clean, test_share=choice.test_share, seed=choice.seed, depth=choice.depth
        )
    return SynthPlan(
        out=choice.out,
        sources=sources,
        inputs=tuple(folder for folder in (raindrop, clean, choice.depth) if folder),
        options=options,
        cards=jrsrd_cards(options, rendered=raindrop is None),
        heading=RECREATION if raindrop else STYLE,
        notes=tuple(notes),
    )


def _check_input(
    raindrop: Path | None,
    clean: Path | None,
    drops: str | None,
    choice: SynthChoice,
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
    if raindrop is not None and (choice.order == "physical" or choice.mist):
        raise RainbenchError(
            "streaks and mist cannot be put behind the drops of a photograph",
            hint="Use --order paper without --mist, or --clean DIR --drops lens.",
        )
    if choice.depth is not None and not choice.mist:
        raise RainbenchError("--depth is for --mist")
