"""An estimate of our own of how much rain is left in a picture, from the picture alone.

Streaks are narrow, long and nearly upright. What a scene has of such lines is guessed from what it
has of level ones, which rain does not touch: the estimate is the logarithm of the one over the
other, averaged over the picture. It needs no weights and no training.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

ROWS = 480
"""Rows of the pictures for which the sizes below hold; they scale with the rows."""

ACROSS, ALONG = 1.2, 6.0
"""Deviations of the line filters: of a streak 2 pixels wide, over which 25 rows are averaged."""

NARROWEST = 0.8
"""The least of `ACROSS` that pixels can show."""

STEEPEST, STEP = 36, 12
"""Degrees on either side of upright, and between two directions."""

AROUND = 21
"""Pixels along a side of the square over which lines are gathered."""

NOISE = 1.0
"""Grey levels added to both, below which a picture is as good as flat."""


def streaks_left(image: Image) -> float:
    """Return the mean logarithm of upright over level lines: the more rain, the higher.

    A clean scene lies between -0.6 and 0.4, of its own kind; only differences between pictures of
    the same scenes mean something. It sees streaks, not drops on glass and not mist.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.

    Example:
        >>> picture = np.full((240, 240, 3), 90, np.uint8)
        >>> clean = streaks_left(picture)
        >>> picture[40:200, 20::10] += 30
        >>> clean, streaks_left(picture) > 0.5, streaks_left(picture.swapaxes(0, 1)) < -0.5
        (0.0, True, True)
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    scale = image.shape[0] / ROWS
    around = round(AROUND * scale) | 1
    upright, level = (
        cv2.blur(_lines(grey, scale, turn), (around, around)) for turn in (False, True)
    )
    return float(np.log((upright + NOISE) / (level + NOISE)).mean())


def _lines(grey: NDArray[np.float32], scale: float, level: bool) -> NDArray[np.float32]:
    """Return how much brighter or darker than its sides each pixel's line is, in grey levels."""
    filters = _filters(max(NARROWEST, ACROSS * scale), max(NARROWEST, ALONG * scale))
    strongest = np.zeros_like(grey)
    for line in filters:
        turned = np.ascontiguousarray(line.T) if level else line
        found = cv2.filter2D(grey, cv2.CV_32F, turned, borderType=cv2.BORDER_REFLECT)
        np.maximum(strongest, np.abs(found), out=strongest)
    return strongest


@functools.lru_cache(8)
def _filters(across: float, along: float) -> tuple[NDArray[np.float32], ...]:
    """Return a second derivative across and a mean along for each nearly upright direction."""
    reach = int(np.ceil(2.5 * along))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    filters = []
    for degrees in range(-STEEPEST, STEEPEST + 1, STEP):
        sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        over, down = (x * cosine - y * sine) / across, (x * sine + y * cosine) / along
        line = (1 - over**2) * np.exp(-(over**2 + down**2) / 2)
        line -= line.mean()
        filters.append((2 * line / np.abs(line).sum()).astype(np.float32))
    return tuple(filters)
