"""``rainbench synth-jrsrd``: streaks over raindrop photographs, JRSRD made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.synth_common import build_options, default_workers, run_build

if TYPE_CHECKING:
    from rainbench.build.transform import Blend, Order


@click.command(
    "synth-jrsrd",
    epilog="""\b
Examples:
  rainbench synth-jrsrd --raindrop raindrop/ --out sets/jrsrd
  rainbench synth-jrsrd --raindrop raindrop/ --out sets/jrsrd --allow-partial --workers 2
  rainbench synth-jrsrd --clean photos/ --drops lens --order physical --out sets/lens
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
    help="Noise amounts, 0 to 1; one version of each scene for each. "
    "[default: 20, 33.3, 46.7, 60 %]",
)
@click.option(
    "--order",
    type=click.Choice(["paper", "physical"]),
    default="paper",
    show_default=True,
    help="Streaks over the drops, or behind the wet glass (needs --drops lens).",
)
@click.option(
    "--blend",
    type=click.Choice(["screen", "add"]),
    default="screen",
    show_default=True,
    help="How streaks are laid on.",
)
@click.option("--mist", is_flag=True, help="Mist behind the drops (needs --drops lens).")
@build_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    raindrop: Path | None,
    clean: Path | None,
    drops: str | None,
    levels: str,
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
    from rainbench.build.jrsrd import RECREATION, STYLE, jrsrd_cards, raindrop_scenes
    from rainbench.build.synth_dataset import SynthPlan
    from rainbench.build.synth_options import (
        JRSRD_LEVELS,
        SynthOptions,
        checked_name,
        parse_levels,
    )
    from rainbench.build.synth_sources import clean_scenes
    from rainbench.build.transform import Synthesis

    _check_input(raindrop, clean, drops, order=order, mist=mist, depth=depth)
    options = SynthOptions(
        synthesis=Synthesis(kind="joint", seed=seed, mist=mist, order=order, blend=blend),
        levels=parse_levels(levels) if levels else JRSRD_LEVELS,
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
    from rainbench.errors import RainbenchError

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
