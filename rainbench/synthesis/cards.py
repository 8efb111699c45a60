"""The cards of sets made by ``rainbench synth``: what was added to whose images."""

from __future__ import annotations

from typing import Literal

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.packaging.split import SplitName
from rainbench.rain.transform import SynthesisKind
from rainbench.synthesis.options import SynthOptions

Degradation = Literal["streaks", "drops", "mist"]

_TITLES: dict[SynthesisKind, str] = {
    "streaks": "streaks",
    "drops": "drops on glass",
    "mist": "mist",
    "joint": "streaks and drops",
}


def synth_layout(options: SynthOptions, name: str, version: str) -> Layout:
    """Return where the pairs of a set lie, and the layers that belong to them.

    Args:
        options: What is made.
        name: Of the layout.
        version: The field that tells the rainy versions of a scene apart.

    Example:
        >>> layout = synth_layout(SynthOptions(), "versions", "version")
        >>> layout.streak_mask, layout.drop_mask
        ('streak_mask/{scene}_{version:d}.png', '')
    """
    each = f"{{scene}}_{{{version}:d}}.png"
    scene = "{scene}.png" if options.levels else each  # what the versions of a scene share
    streaks, drops = options.synthesis.has_streaks, options.synthesis.has_drops
    return Layout(
        name=name,
        rainy=f"rainy/{each}",
        clean="clean/{scene}.png",
        streak_mask=f"streak_mask/{each}" if streaks else "",
        drop_mask=f"drop_mask/{scene}" if drops else "",
        streaks=f"streaks/{each}" if streaks else "",
    )


def synth_cards(options: SynthOptions) -> tuple[DatasetCard, DatasetCard]:
    """Return the cards of the test and the training split, to be completed by the package."""
    return _card(options, "test"), _card(options, "train")


def _model(options: SynthOptions) -> str:
    synthesis = options.synthesis
    if synthesis.look == "natural" and synthesis.model == "photoshop" and synthesis.has_streaks:
        return " The streaks are as faint as in films of rain (look natural)."
    if not synthesis.has_streaks or synthesis.model == "photoshop":
        return ""
    factor = synthesis.physical_ranges.exaggerate
    return f" The streaks are physical, their opacity {factor:g} times that of nature."


def _card(options: SynthOptions, split: SplitName) -> DatasetCard:
    names = {"test": options.name, "train": f"{options.name}-train"}
    synthesis = options.synthesis
    degradation: list[Degradation] = []
    if synthesis.has_streaks:
        degradation.append("streaks")
    if synthesis.has_drops:
        degradation.append("drops")
    if synthesis.has_mist:
        degradation.append("mist")
    title = _TITLES[synthesis.kind] + (" in mist" if synthesis.mist else "")
    return DatasetCard(
        name=names[split],
        title=f"{options.name}, synthetic {title} ({split})",
        revision="1",
        degradation=tuple(degradation),
        origin="synthetic",
        split=split,
        count=0,
        protocol="prenet-y" if synthesis.has_streaks else "rgb",
        layouts=(synth_layout(options, "versions", "version"),),
        licence="as the clean images; not stated to the builder",
        sources=(f"made by `rainbench synth {synthesis.kind}` from the images in metadata.csv",),
        citation="made with rainbench",
        confusable=(names["train" if split == "test" else "test"],),
        notes=(
            f"{options.versions} rainy version{'s' if options.versions > 1 else ''} of each clean "
            f"image, seed {synthesis.seed}; all versions of an image are in one split. Every "
            f"parameter stands in metadata.csv.{_model(options)}"
        ),
    )
