"""Whether what is seen in the frames before and after is still there, or has gone out or away.

A person who walks is somewhere near, even where they look like the scene behind. A sign that
blinks, or a car that drives off, stands in one place, and then is gone: in frames between there is
nothing but rain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

MOST_TRACE, MOST_BRIGHT = 0.05, 0.5
"""Share of a thing of which a frame may show a trace, and a bright one, that is gone from there:
rain is no more than bright, and rarely leaves a trace otherwise."""

STANDING = 0.6
"""Share of a thing that is in the same place in two frames, if it stands there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen in a frame.

    Attributes:
        things: ``(h, w)`` bool, pixels of what is no rain.
        around: The same with a rim, as connected regions.
        trace: Pixels that are a little darker than the scene, or coloured a little otherwise.
        bright: Pixels that are a little brighter.
    """

    things: Mask
    around: Mask
    trace: Mask
    bright: Mask


def seen_or_near(now: Seen, near: Sequence[Seen]) -> Mask:
    """Return what is seen in a frame, and what is in others near it and may be there still.

    Args:
        now: The frame.
        near: Frames before and after; may have the frame itself among them.

    Example:
        >>> sign, nothing = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
        >>> sign[10:15, 10:30] = True
        >>> on, again, off = (Seen(it, it, it, it) for it in (sign, sign, nothing))
        >>> seen_or_near(off, [on, again, off]).any(), seen_or_near(off, [on, off]).any()
        (np.False_, np.True_)
    """
    import cv2

    there = now.around.copy()
    for other in near:
        if other is now or not (other.around & ~there).any():
            continue
        number, labels, boxes, _ = cv2.connectedComponentsWithStats(
            other.around.astype(np.uint8), connectivity=8
        )
        for label in range(1, number):
            left, top, width, height = boxes[label, :4].tolist()
            place = np.s_[top : top + height, left : left + width]
            region = labels[place] == label
            thing = other.things[place] & region
            thirds = (each.things[place] & region for each in near if each is not other)
            if not (_gone(now, place, thing) and any(_stands(thing, it) for it in thirds)):
                there[place] |= region
    return there


def _gone(now: Seen, place: tuple[slice, slice], thing: Mask) -> bool:
    trace, bright = now.trace[place][thing].mean(), now.bright[place][thing].mean()
    return bool(trace < MOST_TRACE and bright < MOST_BRIGHT)


def _stands(thing: Mask, again: Mask) -> bool:
    """Whether two frames show a thing in one place, and not a pixel aside."""
    count = min(np.count_nonzero(thing), np.count_nonzero(again))
    alike = np.count_nonzero(thing & again)
    if not count or alike < STANDING * max(np.count_nonzero(thing), np.count_nonzero(again)):
        return False
    height, width = thing.shape
    framed = np.pad(again, 1)
    aside = (
        np.count_nonzero(thing & framed[1 + down :, 1 + across :][:height, :width])
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
        if down or across
    )
    return bool(alike > max(aside))
