"""Dark rims that a camera's sharpening draws along streaks, and what they take from a mean.

Such rims hide in the noise: no limit leaves them out, and a mean of what is not rain is too dark,
by a third of the noise where much is sharpened. Samples far from any streak have none. Where those
close to one are darker than those far from all, the clean frame is brightened to what the latter
show, block by block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.local_vote import BLOCK, between_blocks
from rainbench.frames.maps import strips
from rainbench.frames.sources import FrameSource, bands, read_band, take_frames

DARKER, TOO_DARK = 0.2, 0.08
"""Deviations of the noise by which samples next to streaks are darker than those far from any where
a camera sharpens, and by which the clean frame is then too dark at least: chosen between 0.21 to
0.43 with 0.09 to 0.36, and 24 other sequences, where it is one of the two at most: nights 0.16 with
0.43, water 0.19 with -0.03."""

STREAK = 3.0
"""Deviations of the noise of a mean of the channels above which rain is seen."""

REACHES = 1, 3, 6
"""Pixels within which a streak's own light falls off, within which rims lie, and beyond which none
do."""

FEWEST, LEAST_SHARE = 200, 0.01
"""Samples far from streaks without which a block takes part in what its surroundings say; share of
all without which nothing is said."""

_GLANCE, _GLANCE_BANDS, _LOOK = 12, 4, 48
"""Frames, and bands of them, that are asked first; and frames that then are."""


@dataclass(slots=True)
class _Sums:
    """Sums of residuals and their numbers, by blocks far from streaks, and next to them."""

    far: NDArray[np.float64]
    number: NDArray[np.int64]
    rim: float = 0.0
    in_rim: int = 0


def take_out_halos(
    source: FrameSource, levels: NDArray[np.float32], noise: float
) -> NDArray[np.float32] | None:
    """Brighten a clean frame where sharpened streaks made it too dark.

    Args:
        source: The frames in steady light.
        levels: ``(H, W, 3)`` float32, the clean frame; changed.
        noise: Standard deviation of the mean of a pixel's channels, in levels.

    Returns:
        ``(H, W)``, by how many levels it was too dark; ``None`` where it was not.
    """
    count, height, width, _ = source.shape
    starts = list(bands(height, BLOCK))
    some = starts[:: -(-len(starts) // _GLANCE_BANDS)]
    first = _sum_up(take_frames(source, np.s_[:: -(-count // _GLANCE)]), levels, noise, some)
    if not _darkens(first, noise, _GLANCE * sum(stop - top for top, stop in some) * width):
        return None
    few = take_frames(source, np.s_[:: -(-count // _LOOK)])
    sums = _sum_up(few, levels, noise, starts)
    if not _darkens(sums, noise, few.shape[0] * height * width):
        return None
    whole = sums.far.sum() / sums.number.sum()
    own = np.where(sums.number >= FEWEST, sums.far / np.maximum(sums.number, 1), whole)
    too_dark = between_blocks(_smooth(own), height, width)
    for strip in strips(too_dark.shape):
        levels[strip.rows] += too_dark[strip.rows, :, None]
    return too_dark


def _darkens(sums: _Sums, noise: float, samples: int) -> bool:
    number = int(sums.number.sum())
    if number < max(FEWEST, LEAST_SHARE * samples) or sums.in_rim < FEWEST:
        return False
    far = float(sums.far.sum()) / number
    return far > TOO_DARK * noise and sums.rim / sums.in_rim < far - DARKER * noise


def _sum_up(
    few: FrameSource, levels: NDArray[np.float32], noise: float, some: list[tuple[int, int]]
) -> _Sums:
    """Look at rows of blocks, and at as many rows around them as rims reach."""
    import cv2

    height, width, _ = levels.shape
    shape = -(-height // BLOCK), -(-width // BLOCK)
    sums = _Sums(np.zeros(shape), np.zeros(shape, np.int64))
    near, rim, beyond = (np.ones((2 * reach + 1,) * 2, np.uint8) for reach in REACHES)
    block = np.arange(width) // BLOCK
    for top, bottom in some:
        above, below = max(0, top - REACHES[2]), min(height, bottom + REACHES[2])
        clean = levels[above:below].mean(axis=-1)
        own = np.s_[top - above : bottom - above]
        for frame in read_band(few, above, below):
            residual = frame.mean(axis=-1, dtype=np.float32) - clean
            wet = (cv2.blur(residual, (3, 3)) > STREAK * noise).view(np.uint8)
            dry = np.abs(residual[own]) < (STREAK + 1) * noise
            within = [cv2.dilate(wet, side)[own] == 1 for side in (near, rim, beyond)]
            far = dry & ~within[2]
            row = top // BLOCK
            places = np.broadcast_to(block, far.shape)[far]
            sums.far[row] += np.bincount(places, residual[own][far], shape[1])
            sums.number[row] += np.bincount(places, minlength=shape[1])
            beside = dry & within[1] & ~within[0]
            sums.rim += float(residual[own][beside].sum(dtype=np.float64))
            sums.in_rim += int(np.count_nonzero(beside))
    return sums


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, 1.0, mode="nearest"))
