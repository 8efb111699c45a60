"""Whether the pictures of pairs can be what their card says: a rainy one and its clean partner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.core.errors import PairError
from rainbench.core.images import Image, pixel_hash
from rainbench.core.text import count_of
from rainbench.pairs.layouts import Pair

SSIM_SIDE = 11
"""Side of SSIM's window (Wang 2004): a smaller picture has no SSIM under most protocols."""

_LEAST_LIKENESS = 0.5
"""Pictures of one scene are far above it, also in heavy rain; those of two scenes below."""

_LIKENESS_SIDE = 16
_FEWEST_VOTES = 3
_SWAPPED_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a pair whose two pictures were decoded.

    Attributes:
        pair: The pair.
        width: Width in pixels.
        height: Height in pixels.
        rainy_sha256: `rainbench.core.images.pixel_hash` of the rainy image.
        clean_sha256: The same of the clean image.
        likeness: How much the two look like one scene, up to 1.
        clean_has_detail: Whether the clean picture has more fine detail than the rainy one.
        swapped: Whether the clean picture is the rainy one with bright streaks added.
    """

    pair: Pair
    width: int
    height: int
    rainy_sha256: str
    clean_sha256: str
    likeness: float
    clean_has_detail: bool
    swapped: bool


def inspect(pair: Pair, rainy: Image, clean: Image, *, streaks: bool) -> Inspection | str:
    """Return what is known of a pair, or what is wrong with it.

    Args:
        pair: The pair.
        rainy: Its rainy image.
        clean: Its clean image.
        streaks: Whether there are streaks in the rainy images, which only add light.
    """
    if rainy.shape != clean.shape:
        return (
            f"{pair.rainy.path} is {_size(rainy)} but {pair.clean.path} is {_size(clean)}: "
            "one of the two was cropped or resized"
        )
    if np.array_equal(rainy, clean):
        return (
            f"{pair.rainy.path} and {pair.clean.path} have the same pixels: "
            "one of the two is a copy of the other, there is no truth to compare with"
        )
    more_detail = _detail(clean) > _detail(rainy)
    return Inspection(
        pair,
        rainy.shape[1],
        rainy.shape[0],
        pixel_hash(rainy),
        pixel_hash(clean),
        _likeness(rainy, clean),
        more_detail,
        streaks and more_detail and _only_adds_light(rainy, clean),
    )


def problems_between(inspections: Sequence[Inspection]) -> dict[str, str]:
    """Return what is wrong with pairs in the light of the others: a sentence by the pair's id.

    A clean image that serves several rainy ones is right, whether it is one file or several, as
    long as it shows the scene of each.
    """
    by_rainy: dict[str, list[Inspection]] = defaultdict(list)
    by_clean: dict[str, list[Inspection]] = defaultdict(list)
    for each in inspections:
        by_rainy[each.rainy_sha256].append(each)
        by_clean[each.clean_sha256].append(each)
    problems: dict[str, str] = {}
    for first, *others in by_rainy.values():
        for other in others:
            same = f"{other.pair.rainy.path} is the same picture as {first.pair.rainy.path}"
            if other.clean_sha256 == first.clean_sha256:
                problems[other.pair.id] = same
            else:  # nothing tells which of the two clean images is right
                for each in (first, other):
                    problems[each.pair.id] = f"{same}, with another clean image"
    for each in inspections:
        if each.swapped:
            problems[each.pair.id] = (
                f"{each.pair.clean.path} is {each.pair.rainy.path} with bright streaks added: "
                "rainy and clean seem to be swapped"
            )
        for other in by_clean.get(each.rainy_sha256, ()):
            for wrong in (each, other):
                problems[wrong.pair.id] = (
                    f"{other.pair.clean.path}, which should be clean, is the same picture as "
                    f"{each.pair.rainy.path}, which should be rainy"
                )
    for sharing in by_clean.values():
        for each in sharing if len(sharing) > 1 else ():
            if each.likeness < _LEAST_LIKENESS and each.pair.id not in problems:
                other = next(other for other in sharing if other is not each)
                problems[each.pair.id] = _foreign_clean(each.pair, other.pair)
    return problems


def _foreign_clean(pair: Pair, other: Pair) -> str:
    same_file = pair.clean.path == other.clean.path
    also = f"also given to {other.rainy.path}" if same_file else f"a copy of {other.clean.path}"
    return f"{pair.clean.path} does not show the scene of {pair.rainy.path}: it is {also}"


def check_order(card: DatasetCard, layout: Layout, inspections: Sequence[Inspection]) -> None:
    """Check that it is not the clean images that hold the streaks.

    Raises:
        PairError: Halves or folders are swapped.
    """
    votes = [each.clean_has_detail for each in inspections]
    if len(votes) < _FEWEST_VOTES or sum(votes) <= _SWAPPED_SHARE * len(votes):
        return
    others = [
        other.name
        for other in card.layouts
        if other.combined == layout.combined and other.order != layout.order
    ]
    hint = f"Give --layout {others[0]}." if others and layout.combined else ""
    raise PairError(
        f"{inspections[0].pair.clean.path.parent}: rainy and clean seem to be swapped: the images "
        f"taken for clean have more fine detail in {sum(votes)} of {len(votes)} pairs",
        hint=hint or "Check which folder holds the rainy images.",
    )


def note_small(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pictures that are too small for SSIM; empty if there are none."""
    small = [each for each in inspections if min(each.width, each.height) < SSIM_SIDE]
    if not small:
        return ""
    first = small[0]
    return (
        f"{count_of(len(small), 'pair')} with a side below SSIM's window of {SSIM_SIDE} pixels, "
        f"such as {first.pair.rainy.path} ({first.width}x{first.height}): "
        "SSIM is not defined there and stays empty"
    )


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _detail(image: Image) -> float:
    """Return the mean absolute difference of horizontal neighbours, in grey levels."""
    green = image[..., 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=1)).mean()) if image.shape[1] > 1 else 0.0


def _only_adds_light(dark: Image, bright: Image) -> bool:
    """Return whether the second picture is the first with bright things put into a part of it."""
    more = bright[..., 1].astype(np.int16) - dark[..., 1]
    return bool((more < -2).mean() < 0.001 and 0.001 < (more > 8).mean() < 0.6)


def _likeness(one: Image, other: Image) -> float:
    """Return the correlation of two pictures' brightness over a coarse grid; 1 if one is flat."""
    first, second = _coarse(one), _coarse(other)
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / spread if spread > 1 else 1.0


def _coarse(image: Image) -> NDArray[np.float64]:
    import cv2

    grid = cv2.resize(image, (_LIKENESS_SIDE, _LIKENESS_SIDE), interpolation=cv2.INTER_AREA).mean(
        axis=2
    )
    grey: NDArray[np.float64] = grid - grid.mean()
    return grey
