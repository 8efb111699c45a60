"""Whether two pictures show one scene, whatever rain, drops or mist are in one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

LEAST = 0.25
"""Likeness below which two pictures show different scenes. On the test set of Rain100H, the
heaviest rain in use, pairs have more than 0.5, and pictures of different scenes less than 0.15."""

FITTING = 0.4
"""Likeness above which they show the same one."""

_SIDE = 64

Outline = NDArray[np.float32]
"""The edges of a picture over a coarse grid, horizontal ones and vertical ones, of unit length."""


def outline(image: Image) -> Outline:
    """Return the outline of a picture; all zero for one without any edge.

    Args:
        image: ``(H, W, 3)`` uint8.

    Returns:
        ``(2, 4032)`` float32.
    """
    import cv2

    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grid = small.astype(np.float32).mean(axis=2)
    edges = np.stack([np.diff(grid, axis=axis).ravel() for axis in (1, 0)])
    length = np.linalg.norm(edges, axis=1, keepdims=True)
    return np.asarray(edges / np.where(length > 1, length, np.inf), np.float32)


def likeness(first: Outline, second: Outline) -> float:
    """Return how much two pictures look like one scene: 1 for the same, about 0 for others.

    Streaks hide the edges of one direction at most, so the better of the two counts. A picture
    without edges is like any.

    Example:
        >>> ramp = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
        >>> round(likeness(outline(ramp), outline(ramp)), 3)
        1.0
    """
    if not first.any() or not second.any():
        return 1.0
    return float((first * second).sum(axis=1).max())


def best_fit(one: Outline, others: NDArray[np.float32]) -> int | None:
    """Return which of several pictures shows the scene of one, None if no one does.

    Args:
        one: The outline of one.
        others: ``(N, 2, 4032)``, those of the others.
    """
    found = (others * one).sum(axis=2).max(axis=1)
    best = int(found.argmax())
    return best if found[best] > FITTING else None
