"""How the levels of a rainy picture depend on those of its clean partner, and which pair is odd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

_MOST_PIXELS = 1 << 18
_MOST_SAMPLES = 20_000

_FEWEST, _MANY = 4, 100
"""Pairs from which on one can be odd among the others, and from which on it is lost in them."""

_WIDTHS = 2.0
_FLOORS = (0.04, 0.15, 0.04, 4.0)
"""How far beyond all others a value has to be, in widths of their range and on top of these.
Chosen on Rain100L, Rain100H, Raindrop and the mini sets, where no pair is odd, while nearly all
with one picture of other brightness or gamma are, unless heavy rain hides it."""

_FEW = 0.25

_REAL = 3.0
"""Real pairs are less alike: their floors are so much larger, and two values have to be odd."""

_VEILED, _STRONGER = 0.95, 1.1
_STREAKS, _CLEAR_STREAKS, _ALIKE, _FAR_MORE = 0.5, 1.5, 0.6, 2.0
"""Chosen on the same sets, on these with the halves exchanged, and on dark rain made of the mini
sets: all pairs but one of Rain100H, and four of glass with drops that say nothing, are told."""


@dataclass(frozen=True, slots=True)
class Relation:
    """How a rainy picture depends on the clean one. Levels are those of the green channel.

    Attributes:
        gain: How strongly detail of the clean picture shows in the rainy one: 1 where rain is only
            added, less in mist and behind drops. More than 1 does not happen.
        likeness: Correlation of the fine detail of both.
        skew: Skewness of the detail that only the rainy picture has, less that of what only the
            clean one has: above 0 where there are bright streaks in the rainy one.
        detail: Fine detail of the rainy picture, in units of the clean one's.
        equal: Share of pixels that are equal, but for 2 levels.
        darker: Share of pixels that are darker in the rainy picture, by more than 2 levels.
        offset: By how many levels the darker quarter of what was one level is changed, a mean over
            all levels: near 0 where some of each was spared by the rain.
        veil: -1 if the clean picture is a paler one of the rainy picture, 1 if the rainy one is of
            the clean one, 0 if neither is.
    """

    gain: float
    likeness: float
    skew: float
    detail: float
    equal: float
    darker: float
    offset: float
    veil: int


def relate(rainy: Image, clean: Image) -> Relation:
    """Return how a rainy picture, ``(H, W, 3)`` uint8, depends on its clean partner."""
    first, second = (_middle(image[..., 1]) for image in (rainy, clean))
    ours, theirs = _detail(first), _detail(second)
    energy, shared = float((theirs * theirs).mean()), float((ours * theirs).mean())
    gain = shared / energy if energy else 0.0
    own = float((ours * ours).mean())
    step = max(1, first.size // _MOST_SAMPLES)
    one, other = (plane.ravel()[::step].astype(np.int16) for plane in (first, second))
    more = one - other
    return Relation(
        gain=gain,
        likeness=shared / max(own * energy, 1e-12) ** 0.5,
        skew=_skew(ours - gain * theirs) - _skew(theirs - shared / max(own, 1e-6) * ours),
        detail=float(np.abs(ours).mean()) / max(float(np.abs(theirs).mean()), 1e-6),
        equal=float((np.abs(more) <= 2).mean()),
        darker=float((more < -2).mean()),
        offset=_offset(more, other),
        veil=_veil(one, other) - _veil(other, one),
    )


def _middle(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the middle of a large picture, which is enough and in no way scaled."""
    while plane.size > _MOST_PIXELS:
        height, width = plane.shape
        plane = plane[height // 8 : height - height // 8, width // 8 : width - width // 8]
    return plane


def _detail(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    levels = plane.astype(np.float32)
    return np.asarray(levels - cv2.blur(levels, (9, 9)), np.float32)


def _skew(detail: NDArray[np.float32]) -> float:
    squares = detail * detail
    spread = max(float(squares.mean()), 1e-6)
    return float((squares * detail).mean()) / (spread * math.sqrt(spread))


def _offset(more: NDArray[np.int16], clean: NDArray[np.int16]) -> float:
    """Return the mean over clean levels of what the darker quarter of their pixels gained."""
    total = count = 0.0
    for level in range(8):
        changes = more[clean >> 5 == level]
        if len(changes) > 0.02 * len(more):
            total += len(changes) * abs(float(np.quantile(changes, 0.25)))
            count += len(changes)
    return total / max(count, 1)


def _veil(pale: NDArray[np.int16], deep: NDArray[np.int16]) -> bool:
    """Return whether a picture has lighter shadows than another one, and less contrast."""
    lighter = float(np.quantile(pale, 0.02)) - float(np.quantile(deep, 0.02))
    return lighter > 2 and float(pale.std()) < 0.97 * float(deep.std())


def order_of(relation: Relation, *, streaks: bool) -> int:
    """Return whether a rainy picture is the rainy one of its pair: 1, -1 if it is not, 0 unknown.

    Args:
        relation: How it depends on the other one.
        streaks: Whether there are streaks in the rainy one, which add detail; mist and drops take
            some of it away.
    """
    if streaks and not 1 / _FAR_MORE < relation.detail < _FAR_MORE:
        return 1 if relation.detail > 1 else -1
    clear = _STREAKS if relation.likeness > _ALIKE else _CLEAR_STREAKS
    if streaks and abs(relation.skew) > clear:
        return 1 if relation.skew > 0 else -1
    if relation.gain > 1.05:
        return -1
    if streaks and relation.detail != 1:
        return 1 if relation.detail > 1 else -1
    if relation.veil:
        return relation.veil
    return int(relation.likeness > _VEILED and relation.gain < _VEILED)


def is_veiled(relation: Relation) -> bool:
    """Return whether the clean picture is beyond doubt the rainy one seen through mist."""
    clear = relation.likeness > _VEILED and relation.gain > _STRONGER
    return clear and relation.veil < 0


def odd_relations(relations: Sequence[Relation], *, real: bool) -> dict[int, str]:
    """Return which pairs have levels that depend on each other otherwise than in all other pairs.

    Args:
        relations: Of all pairs.
        real: Whether the pairs are photographs both.

    Returns:
        By the pair's number, what is odd about it.
    """
    if len(relations) < _FEWEST:
        return {}
    values = np.array([(each.gain, each.equal, each.darker, each.offset) for each in relations])
    floors = np.array(_FLOORS) * (_REAL if real else 1)
    limits = np.quantile(values, (0.05, 0.95), axis=0)
    found = {}
    for number, value in enumerate(values):
        if len(values) <= _MANY:  # where it would count among the others itself
            limits = np.quantile(np.delete(values, number, axis=0), (0.05, 0.95), axis=0)
        low, high = limits
        beyond = np.maximum(low - value, value - high) > floors + _WIDTHS * (high - low)
        # Shares say something where rain spares much, or darkens little, in all other pairs.
        beyond[1] &= value[1] < low[1]
        beyond[2] &= high[2] < _FEW
        if beyond.sum() > real:
            found[number] = ", ".join(
                text.format(value[index], low[index], high[index])
                for index, text in enumerate(_SAID)
                if beyond[index]
            )
    return found


_SAID = (
    "its contrast is {:.2f} of the clean one's (others {:.2f} to {:.2f})",
    "{:.0%} of its pixels are as in the clean one (others {:.0%} to {:.0%})",
    "{:.0%} of its pixels are darker than in the clean one (others {:.0%} to {:.0%})",
    "its levels are off by {:.0f} (others {:.0f} to {:.0f})",
)
