"""Whether the pictures of pairs can be what their card says: a rainy one and its clean partner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.core.errors import PairError
from rainbench.core.images import Image, pixel_hash
from rainbench.core.text import count_of
from rainbench.pairs.layouts import Pair
from rainbench.pairs.likeness import LEAST, Outline, find_scenes, likeness, outline, seen_otherwise

SSIM_SIDE = 11
"""Side of SSIM's window (Wang 2004): a smaller picture has no SSIM under most protocols."""

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
        outlines: Of a pair whose two pictures do not look like one scene: both outlines.
        clean_has_detail: Whether the clean picture has more fine detail than the rainy one.
        swapped: Whether the clean picture is the rainy one with bright streaks added.
        turned: Whether both were turned, as their files ask for.
    """

    pair: Pair
    width: int
    height: int
    rainy_sha256: str
    clean_sha256: str
    outlines: tuple[Outline, Outline] | None
    clean_has_detail: bool
    swapped: bool
    turned: bool = False


def inspect(
    pair: Pair, rainy: Image, clean: Image, *, streaks: bool, turned: bool = False
) -> Inspection | str:
    """Return what is known of a pair, or what is wrong with it.

    Args:
        pair: The pair.
        rainy: Its rainy image.
        clean: Its clean image.
        streaks: Whether there are streaks in the rainy images, which only add light.
        turned: Whether both were turned, as their files ask for.
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
    otherwise = seen_otherwise(rainy, clean)
    if otherwise:
        return f"{pair.rainy.path} shows the scene of {pair.clean.path} {otherwise}"
    more_detail = _detail(clean) > _detail(rainy)
    outlines = outline(rainy), outline(clean)
    return Inspection(
        pair,
        rainy.shape[1],
        rainy.shape[0],
        pixel_hash(rainy),
        pixel_hash(clean),
        outlines if likeness(*outlines) < LEAST else None,
        more_detail,
        streaks and more_detail and _only_adds_light(rainy, clean),
        turned,
    )


def problems_between(inspections: Sequence[Inspection], *, listed: bool) -> dict[str, str]:
    """Return what is wrong with pairs in the light of the others: a sentence by the pair's id.

    A clean image that serves several rainy ones is right, whether it is one file or several, as
    long as it shows the scene of each.

    Args:
        inspections: Of all pairs.
        listed: Whether a list says which files are pairs. There one clean file may stand twice by
            mistake; where a pattern gives it to several rainy ones, it is meant to.
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
    problems |= _foreign_clean(
        [each for each in inspections if each.outlines and each.pair.id not in problems],
        by_clean,
        listed=listed,
    )
    return problems


def _foreign_clean(
    strange: Sequence[Inspection], by_clean: Mapping[str, Sequence[Inspection]], *, listed: bool
) -> dict[str, str]:
    """Return which clean images that look like another scene are proved to be wrong.

    The look alone is no proof: rain may hide a scene. It is one that the image fits another pair,
    or that another of these images fits.
    """
    problems: dict[str, str] = {}
    scenes = find_scenes([each.outlines for each in strange if each.outlines])
    for number, each in enumerate(strange):
        pair, why = each.pair, ""
        fitting = [
            one.pair
            for one in by_clean[each.clean_sha256]
            if one.outlines is None and (listed or one.pair.clean != pair.clean)
        ]
        if fitting and fitting[0].clean == pair.clean:
            why = f": it is also the partner of {fitting[0].rainy.path}"
        elif fitting:
            why = f": it is a copy of {fitting[0].clean.path}"
        elif number in scenes:
            why = f", but {strange[scenes[number]].pair.clean.path} does"
        if why:
            what = f"{pair.clean.path} does not show the scene of {pair.rainy.path}"
            problems[pair.id] = what + why
    return problems


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


def note_turned(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pairs that were turned; empty if there are none."""
    found = [each for each in inspections if each.turned]
    if not found:
        return ""
    return (
        f"{count_of(len(found), 'pair')} with an orientation flag (EXIF), "
        f"such as {found[0].pair.rainy.path}: turned upright, as cv2.imread does; "
        "programs that read with PIL.Image.open get other numbers"
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
