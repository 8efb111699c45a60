"""JRSRD made again: streaks of four strengths over every photograph of the Raindrop set.

DAiAM (section 4.4) says of its data set: images with raindrops from Qian et al., four images with
streaks of different intensity for each of them, "via Photoshop", noise levels between 20 % and
60 %; 3,444 training and 232 test pairs. The images were never published. This builder follows
these sentences; what they leave open is its own choice, so its result is a re-creation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import PairError
from rainbench.packaging.split import SplitName
from rainbench.pairs.copies import find_copies
from rainbench.pairs.layouts import Match, match_layouts
from rainbench.synthesis.cards import synth_layout
from rainbench.synthesis.options import SynthOptions
from rainbench.synthesis.sources import SceneSource

RAINDROP_CARDS: dict[SplitName, str] = {"test": "raindrop-a", "train": "raindrop-train"}
"""The data set that each split is made from."""

RECREATION = (
    "A re-creation of JRSRD, not the authors' images, which were never published: streaks over "
    "photographs of the Raindrop set."
)
STYLE = "JRSRD-style, not a copy of JRSRD: synthetic drops and streaks, rendered over other images."

_DAIAM = (
    "after K. Zhang, D. Li, W. Luo, W. Ren, L. Ma, H. Li: Dual attention-in-attention model for "
    "joint rain streak and raindrop removal (DAiAM)"
)


@dataclass(frozen=True, slots=True)
class RaindropScenes:
    """The scenes of a copy of the Raindrop set.

    Attributes:
        scenes: Of both splits, test before train, each in natural order.
        notes: How the copy differs from a complete one, a sentence each.
    """

    scenes: list[SceneSource]
    notes: list[str]


def raindrop_scenes(folder: Path, *, allow_partial: bool = False) -> RaindropScenes:
    """Find the 861 training and 58 test pairs of the Raindrop set.

    Args:
        folder: Holds both parts, or one of them, in any packaging that their cards name.
        allow_partial: Take what is there and note what is not.

    Raises:
        PairError: Nothing matches, or something is missing and that is not allowed.
    """
    if not folder.is_dir():
        raise PairError(f"{folder}: there is no such folder")
    registry = load_registry()
    cards = {split: registry.dataset(name) for split, name in RAINDROP_CARDS.items()}
    matches = {split: _best_match(card, folder) for split, card in cards.items()}
    _settle(matches, cards)
    scenes: list[SceneSource] = []
    notes: list[str] = []
    for split, match in matches.items():
        found = len(match.pairs) if match else 0
        if match:
            notes += match.problems
            scenes += [
                SceneSource(
                    id=pair.id,
                    split=split,
                    label=f"{RAINDROP_CARDS[split]}/{pair.id}",
                    clean=pair.clean.path,
                    photograph=pair.rainy.path,
                )
                for pair in match.pairs
            ]
        if found != cards[split].count:
            notes.append(
                f"{found} pairs of {RAINDROP_CARDS[split]} instead of {cards[split].count}"
            )
    if not scenes:
        raise PairError(
            f"{folder}: holds no pair of the Raindrop set",
            hint="It should hold train/data, train/gt, test_a/data and test_a/gt.",
        )
    if notes and not allow_partial:
        shown = "\n".join(f"  - {note}" for note in notes[:5])
        more = f"\n  - and {len(notes) - 5} more" if len(notes) > 5 else ""
        raise PairError(
            f"{folder}: this copy of the Raindrop set is not complete:\n{shown}{more}",
            hint="Complete it, or give --allow-partial to continue without what is missing.",
        )
    return RaindropScenes(scenes, notes)


def jrsrd_cards(options: SynthOptions, *, rendered: bool) -> tuple[DatasetCard, DatasetCard]:
    """Return the cards of the test and the training split, to be completed by the package.

    Args:
        options: What was made.
        rendered: The drops are rendered, over images that are not those of the Raindrop set.
    """
    registry = load_registry()
    test, train = (
        _card(options, split, registry.dataset(RAINDROP_CARDS[split]), rendered=rendered)
        for split in ("test", "train")
    )
    return test, train


def _card(
    options: SynthOptions, split: SplitName, raindrop: DatasetCard, *, rendered: bool
) -> DatasetCard:
    names = {"test": options.name, "train": f"{options.name}-train"}
    other = names["train" if split == "test" else "test"]
    synthesis = options.synthesis
    how = (
        f"Each scene carries streaks of {len(options.levels)} strengths ({_strengths(options)}), "
        f"{'in front of' if synthesis.order == 'paper' else 'behind'} the drops, laid on by "
        f"{synthesis.blend}; seed {synthesis.seed}. The clean image is shared by the versions of "
        "a scene, which are all in one split. Angle, length, width, levels and blending are not "
        "in the paper: they are this builder's, and numbers on this set must not stand beside "
        "those on JRSRD as if the images were the same."
    )
    return DatasetCard(
        name=names[split],
        title=(
            f"JRSRD-style rain with synthetic drops ({split})"
            if rendered
            else f"JRSRD, a re-creation ({split})"
        ),
        revision="1",
        degradation=("streaks", "drops", "mist") if synthesis.has_mist else ("streaks", "drops"),
        origin="synthetic",
        split=split,
        count=0,
        protocol="raindrop-y",
        layouts=(synth_layout(options, "strengths", "strength"),),
        licence=(
            "as the clean images; not stated to the builder"
            if rendered
            else f"inherits the terms of the Raindrop set: {raindrop.licence}"
        ),
        sources=("made by `rainbench synth-jrsrd` from the images named in metadata.csv",),
        citation=_DAIAM if rendered else f"{_DAIAM}; {raindrop.citation}",
        confusable=(other, "jrsrd" if split == "test" else "jrsrd-train"),
        notes=f"{STYLE if rendered else RECREATION} {how}",
    )


def _strengths(options: SynthOptions) -> str:
    if options.synthesis.model == "photoshop":
        noise = "noise of " + ", ".join(f"{100 * level:.3g}" for level in options.levels) + " %"
        natural = options.synthesis.look == "natural"
        return f"{noise}, softened to what films of rain show" if natural else noise
    rates = ", ".join(f"{level:g}" for level in options.levels)
    factor = options.synthesis.physical_ranges.exaggerate
    exaggerated = f", opacity exaggerated {factor:g} times" if factor != 1 else ""
    return f"not painted but physical: rain of {rates} mm/h{exaggerated}"


def _best_match(card: DatasetCard, folder: Path) -> Match | None:
    """Return the packaging below a folder that holds most pairs of a data set."""
    copies = list(dict.fromkeys([*find_copies(card, [folder]), folder]))
    matches = [match_layouts(card, copy)[0] for copy in copies]
    best = max(matches, key=lambda match: len(match.pairs))
    return best if best.pairs else None


def _settle(matches: dict[SplitName, Match | None], cards: dict[SplitName, DatasetCard]) -> None:
    """Give files that could belong to either split to the one whose number they have, or train."""
    test, train = matches["test"], matches["train"]
    if not test or not train or test.pairs[0].rainy != train.pairs[0].rainy:
        return
    taken_for: SplitName = "test" if len(test.pairs) == cards["test"].count else "train"
    matches["train" if taken_for == "test" else "test"] = None
