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
from rainbench.pairs.pixels.drift import drift
from rainbench.pairs.pixels.likeness import (
    LEAST,
    Outline,
    find_better,
    find_scenes,
    likeness,
    outline,
    seen_otherwise,
)
from rainbench.pairs.pixels.relation import Relation, is_veiled, odd_relations, order_of, relate

SSIM_SIDE = 11
"""Side of SSIM's window (Wang 2004): a smaller picture has no SSIM under most protocols."""

_FEWEST_VOTES = 3
_SWAPPED_SHARE, _DECIDED_SHARE = 0.75, 0.5
_DRIFTING_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a pair whose two pictures were decoded.

    Attributes:
        pair: The pair.
        width: Width in pixels.
        height: Height in pixels.
        rainy_sha256: `rainbench.core.images.pixel_hash` of the rainy image.
        clean_sha256: The same of the clean image.
        outlines: Both outlines; None where they are not needed.
        strange: Whether the two pictures do not look like one scene.
        relation: How the levels of the rainy picture depend on those of the clean one.
        drift: By how many pixels the two are moved against each other.
        order: Whether the pictures are the right way round: 1, -1 if swapped, 0 if unknown.
        swapped: What the clean picture is beyond doubt, where that is the rainy one with rain
            added; empty otherwise.
        turned: Whether both were turned, as their files ask for.
        one_gray: Whether one of the two is gray, and the other in colour.
    """

    pair: Pair
    width: int
    height: int
    rainy_sha256: str
    clean_sha256: str
    outlines: tuple[Outline, Outline] | None
    strange: bool
    relation: Relation
    drift: int
    order: int
    swapped: str = ""
    turned: bool = False
    one_gray: bool = False


def inspect(
    pair: Pair,
    rainy: Image,
    clean: Image,
    *,
    streaks: bool,
    real: bool = False,
    keep: bool = True,
    turned: bool = False,
) -> Inspection | str:
    """Return what is known of a pair, or what is wrong with it.

    Args:
        pair: The pair.
        rainy: Its rainy image.
        clean: Its clean image.
        streaks: Whether there are streaks in the rainy images, which only add light.
        real: Whether both are photographs, between which haze may have come and gone.
        keep: Whether the outlines of pictures that look alike are kept, too.
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
    outlines = outline(rainy), outline(clean)
    strange = likeness(*outlines) < LEAST
    relation = relate(rainy, clean)
    order = order_of(relation, streaks=streaks)
    swapped = ""
    if streaks and order < 0 and _only_adds_light(rainy, clean):
        swapped = "with bright streaks added"
    elif is_veiled(relation) and not real:
        swapped = "seen through mist"
    return Inspection(
        pair,
        rainy.shape[1],
        rainy.shape[0],
        pixel_hash(rainy),
        pixel_hash(clean),
        outlines if strange or keep else None,
        strange,
        relation,
        0 if strange else drift(rainy, clean),
        order,
        swapped,
        turned,
        _is_gray(rainy) is not _is_gray(clean),
    )


def problems_between(
    inspections: Sequence[Inspection], *, listed: bool, real: bool, clips: bool = False
) -> dict[str, str]:
    """Return what is wrong with pairs in the light of the others: a sentence by the pair's id.

    A clean image that serves several rainy ones is right, whether it is one file or several, as
    long as it shows the scene of each.

    Args:
        inspections: Of all pairs.
        listed: Whether a list says which files are pairs. There one clean file may stand twice by
            mistake; where a pattern gives it to several rainy ones, it is meant to.
        real: Whether the pairs are photographs both, which never fit to the last pixel and level.
        clips: Whether they are frames of clips, of which neighbours are alike and may be the same.
    """
    by_rainy: dict[str, list[Inspection]] = defaultdict(list)
    by_clean: dict[str, list[Inspection]] = defaultdict(list)
    for each in inspections:
        by_rainy[each.rainy_sha256].append(each)
        by_clean[each.clean_sha256].append(each)
    problems: dict[str, str] = {}
    for first, *others in () if clips else by_rainy.values():
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
                f"{each.pair.clean.path} is {each.pair.rainy.path} {each.swapped}: "
                "rainy and clean seem to be swapped"
            )
        for other in by_clean.get(each.rainy_sha256, ()):
            for wrong in (each, other):
                problems[wrong.pair.id] = (
                    f"{other.pair.clean.path}, which should be clean, is the same picture as "
                    f"{each.pair.rainy.path}, which should be rainy"
                )
    rest = [each for each in inspections if each.pair.id not in problems]
    problems |= _foreign_clean([e for e in rest if e.strange], by_clean, listed=listed)
    for find in (_moved, _odd) if clips else (_better_clean, _moved, _odd):
        rest = [each for each in rest if each.pair.id not in problems]
        problems |= find(rest, real)
    return problems


def _better_clean(inspections: Sequence[Inspection], _real: bool) -> dict[str, str]:
    """Return whose clean image fits worse than that of another pair, though it looks alike."""
    if not all(each.outlines for each in inspections):
        return {}
    found = find_better([each.outlines for each in inspections if each.outlines])
    return {
        inspections[number].pair.id: f"{inspections[number].pair.clean.path} does not show the "
        f"scene of {inspections[number].pair.rainy.path} as well as "
        f"{inspections[other].pair.clean.path} does"
        for number, other in found.items()
        if inspections[number].clean_sha256 != inspections[other].clean_sha256
    }


def _moved(inspections: Sequence[Inspection], real: bool) -> dict[str, str]:
    """Return whose two pictures do not lie upon each other, as those of the other pairs do."""
    drifts = sorted(each.drift for each in inspections)
    if real:
        usual = drifts[int(0.9 * (len(drifts) - 1))] if len(drifts) > 1 else 0
        least = 3 + 2 * usual
    else:
        few = sum(map(bool, drifts)) <= max(1, _DRIFTING_SHARE * len(drifts))
        least = 1 if few else 2
    return {
        each.pair.id: f"{each.pair.rainy.path} and {each.pair.clean.path} are moved against each "
        f"other, by about {count_of(each.drift, 'pixel')}: one of the two was shifted, or cropped "
        "and resized"
        for each in inspections
        if each.drift >= least
    }


def _odd(inspections: Sequence[Inspection], real: bool) -> dict[str, str]:
    """Return whose levels depend on each other otherwise than those of all other pairs."""
    found = odd_relations([each.relation for each in inspections], real=real)
    return {
        inspections[number].pair.id: f"{inspections[number].pair.rainy.path} and "
        f"{inspections[number].pair.clean.path} differ otherwise than the other pairs, {why}: the "
        "brightness, contrast or gamma of one of the two was changed"
        for number, why in found.items()
    }


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
            if not one.strange and (listed or one.pair.clean != pair.clean)
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


def check_order(card: DatasetCard, layout: Layout, inspections: Sequence[Inspection]) -> str:
    """Check that it is not the clean images that are rainy.

    Rain adds streaks, and mist and drops take contrast away; where the pictures do not say which
    of them are rainy, a sentence about that is returned.

    Raises:
        PairError: Halves or folders are swapped.
    """
    orders = [each.order for each in inspections]
    wrong, decided = orders.count(-1), len(orders) - orders.count(0)
    if len(orders) < _FEWEST_VOTES:
        return ""
    folder = inspections[0].pair.clean.path.parent
    if decided < max(_FEWEST_VOTES, _DECIDED_SHARE * len(orders)):
        return f"{folder}: the pictures do not tell which of the two folders or halves is rainy"
    if wrong <= _SWAPPED_SHARE * decided:
        return ""
    others = [
        other.name
        for other in card.layouts
        if other.combined == layout.combined and other.order != layout.order
    ]
    hint = f"Give --layout {others[0]}." if others and layout.combined else ""
    what = (
        f"{folder}: rainy and clean seem to be swapped: what is taken for clean looks like the "
        f"rainier one in {wrong} of {len(orders)} pairs"
    )
    if card.origin == "real":  # haze may have come and gone between two photographs
        return what
    raise PairError(what, hint=hint or "Check which folder holds the rainy images.")


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


def note_drift(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pairs that are moved by 2 pixels or more; empty if there are none."""
    found = [each for each in inspections if each.drift >= 2]
    if not found:
        return ""
    return (
        f"{count_of(len(found), 'pair')} moved against each other by up to "
        f"{max(each.drift for each in found)} pixels, such as {found[0].pair.rainy.path}: "
        "PSNR and SSIM are lower there than the restored pictures are worth"
    )


def note_gray(inspections: Sequence[Inspection]) -> str:
    """Return a sentence about pairs of which one picture is gray; empty if there are none."""
    found = [each for each in inspections if each.one_gray]
    if not found:
        return ""
    first = found[0].pair
    return (
        f"{count_of(len(found), 'pair')} with one picture in gray and the other in colour, such as "
        f"{first.rainy.path} and {first.clean.path}: colour that is lost is scored as rain"
    )


def _is_gray(image: Image) -> bool:
    few = image[::8, ::8]  # nearly every picture in colour is known by these
    return all(
        np.array_equal(part[..., 0], part[..., channel])
        for part in (few, image)
        for channel in (1, 2)
    )


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _only_adds_light(dark: Image, bright: Image) -> bool:
    """Return whether the second picture is the first with bright things put into a part of it."""
    more = bright[..., 1].astype(np.int16) - dark[..., 1]
    return bool((more < -2).mean() < 0.001 and 0.001 < (more > 8).mean() < 0.6)
