"""Which of two colours is the scene, where both are there for long: told by their seams.

How long each is there does not tell near one half, and it is what the extraction went by. So the
judge looks at the picture: whatever stands before a scene ends somewhere, and differs there from
the scene around it, while the scene goes on. The pixels of a region in which two colours compete
are compared with those just outside, once with the clean frame's colour and once with its rival.
A region may also be patched together from both; its pixels are then there at different times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.scene.seams import compare_seams
from rainbench.frames.maps import strips

CONTESTED, BOTH = 0.2, 0.7
"""Share of the frames, of those that show the scene elsewhere, that a rival needs, and the two
together: less is nothing that lasts. Chosen: streaks that hardly move stay below the first."""

CROSSED = 0.15
"""The same, above which a pixel is not known well enough to compare others with; chosen."""

AGREED = 0.75
"""Share of a region that must be there at a time, or not, for other pixels to differ from it."""

HALF, MAYBE = 0.5, 0.4
"""Share of a rival, of both, from which it is the scene, or may be, where there is no seam; and
where the seam speaks for it, from which it is the scene, since rain and soft edges hide some."""

SURE, EVIDENT, PASSER = 0.65, 0.55, 0.35
"""The same, from which it may be the scene although the seam speaks against it, clearly or not, and
where the seam speaks for it; chosen."""

CLEAR = 0.3
"""Logarithm of how much better one of two colours fits the surroundings from which the seam speaks
clearly; chosen."""

AGREEING, DISPUTED = 0.75, 0.47
"""Share of what cells along a seam say that must say the same for it to speak, and share of a
rival, of both, from which it may be the scene where they contradict each other; chosen. Seams of
single things agree to 0.85 and more, with one exception, those of two things that stood there in
turns to 0.7 and less."""

CONTRADICTORY = 2
"""What seams say that contradict each other; others say -2 to 1, from the clean frame's to its
rival's colour."""


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """What competes with the clean frame.

    Attributes:
        seen: ``(H, W)`` float32, share of the frames that show the clean frame's colour, over that
            of a pixel at which nothing but rain is seen.
        share: ``(H, W)`` float32, the same for the other colour that most frames show.
        colour: ``(H, W, 3)`` float32, that colour; the clean frame's where there is none.
        there: ``(K, H, W)`` bool, whether a stretch of the sequence shows the clean frame's colour.
    """

    seen: NDArray[np.float32]
    share: NDArray[np.float32]
    colour: NDArray[np.float32]
    there: NDArray[np.bool_]


def settle(
    rivals: Rivals, levels: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Say where a clean frame has competition, where it is wrong, and where it may be.

    Args:
        rivals: What competes.
        levels: ``(H, W, 3)`` float32, the clean frame.

    Returns:
        Three masks ``(H, W)``.

    Example:
        >>> levels = np.full((24, 24, 3), 90, np.float32)
        >>> levels[8:16, 8:16] = 200  # stands there for half of the time
        >>> share = np.zeros((24, 24), np.float32)
        >>> share[8:16, 8:16] = 0.5
        >>> there = np.ones((4, 24, 24), bool)
        >>> there[:2, 8:16, 8:16] = False
        >>> wall = np.full_like(levels, 90)
        >>> contested, wrong, _ = settle(Rivals(1 - share, share, wall, there), levels)
        >>> int(contested.sum()), int(wrong.sum())
        (64, 64)
        >>> int(settle(Rivals(1 - share, share, levels, there), wall)[2].sum())
        0
    """
    from scipy.ndimage import label

    square = np.ones((3, 3), np.bool_)
    both = (rivals.share > CONTESTED) & (rivals.share + rivals.seen > BOTH)
    contested = without_thin(both)
    if not contested.any():
        return contested, contested, contested
    regions, number = label(contested, square)
    part = rivals.share / np.maximum(rivals.share + rivals.seen, 1e-6)
    known = ~grown(rivals.share > CROSSED, 3)
    pair = levels[contested], rivals.colour[contested]
    seams = compare_seams(regions, number, pair, levels, known | contested)
    speaks = np.where(seams.worse < -CLEAR, -2, np.sign(seams.worse))
    sign = np.where(seams.agreed < AGREEING, CONTRADICTORY, speaks).astype(np.int8)[regions]
    patch = _at_other_times(rivals.there[:, contested], regions[contested], number)
    patch &= sign[contested] != CONTRADICTORY
    sign[contested] = np.where(patch, (-sign[contested]).clip(-1, 1), sign[contested])
    is_wrong, may_be = contested.copy(), contested.copy()
    for strip in strips(sign.shape):
        rows = strip.rows
        kind = sign[rows] + 2
        is_wrong[rows] &= part[rows] > np.choose(kind, (2, 2, HALF, MAYBE, HALF))
        may_be[rows] &= part[rows] > np.choose(kind, (SURE, EVIDENT, MAYBE, PASSER, DISPUTED))
    return contested, is_wrong, may_be


def without_thin(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what there is of 3x3 pixels and more.

    Example:
        >>> without_thin(np.ones((2, 5), bool)).any(), without_thin(np.ones((3, 5), bool)).all()
        (np.False_, np.True_)
    """
    return grown(~grown(~where, 3, beyond=True), 3)


def grown(where: NDArray[np.bool_], side: int, *, beyond: bool = False) -> NDArray[np.bool_]:
    """Return where some of ``side`` times ``side`` pixels are; ``beyond`` is outside the picture.

    Example:
        >>> grown(np.eye(3, 5, dtype=bool)[:1], 3).astype(int).tolist()
        [[1, 1, 0, 0, 0]]
    """
    import cv2

    square = np.ones((side, side), np.uint8)
    found = cv2.dilate(
        where.view(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=(int(beyond),)
    )
    return np.asarray(found, np.uint8).astype(np.bool_)


def _at_other_times(
    there: NDArray[np.bool_], inside: NDArray[np.int32], number: int
) -> NDArray[np.bool_]:
    """Return which pixels are there when nearly all of their region is not, and the reverse."""
    size = np.bincount(inside, minlength=number + 1)
    alike, clear = np.zeros((2, inside.size), np.int64)
    for stretch in there:
        share = np.bincount(inside, stretch, number + 1) / np.maximum(size, 1)
        agreed = (np.abs(share - 0.5) > AGREED - 0.5)[inside]
        alike += agreed & (stretch == (share[inside] > 0.5))
        clear += agreed
    other: NDArray[np.bool_] = (2 * alike < clear) & (2 * clear >= len(there))
    return other
