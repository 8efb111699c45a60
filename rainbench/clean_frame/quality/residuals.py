"""How far a clean frame lies, block by block, off what most frames show there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame
from rainbench.frames.exposure import to_one_colour
from rainbench.frames.sources import FrameSource, bands, read_band

BLOCK = 16
"""Pixels a side of the blocks whose residuals are counted together: enough samples for a mode."""

_LOOKED_AT = 40
"""Frames whose residuals are counted, spread over the sequence: 5,000 samples a block."""

_MANY, _LEAST_SHARE = 300, 4
"""Blocks of which the mean is known well enough, and every how many rows of them are looked at, at
least, where there are more."""

_REACH, _STEP, _WIDTH = 24.0, 0.125, 0.5
"""Half range, bins and smoothing of the histogram of residuals, in levels; chosen: dry residuals
lie within a few levels, and a mode is wanted to a fraction of one."""


def systematic_error(
    source: FrameSource, clean: CleanFrame, still: NDArray[np.bool_] | None
) -> float:
    """Return the mean square of the residuals' modes in blocks, in squared levels.

    At a dry pixel a frame differs from a right clean frame by noise alone, most often by nothing.
    """
    from rainbench.clean_frame.quality import kernels

    count, height, width, _ = source.shape
    few = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int))
    exposure = np.ones(count) if clean.exposure is None else clean.exposure
    source, exposure = to_one_colour(source, exposure)
    gains = (1 / exposure).astype(np.float32)
    bins, modes = round(2 * _REACH / _STEP), []
    number = -(-width // BLOCK) * -(-height // BLOCK)
    every = max(1, min(_LEAST_SHARE, number // _MANY))
    for top, bottom in list(bands(height, BLOCK))[every // 2 :: every]:
        band = read_band(source, top, bottom)
        level = clean.levels[top:bottom].mean(axis=-1)
        known = np.ones(level.shape, np.bool_) if still is None else still[top:bottom]
        blocks = np.zeros((-(-width // BLOCK), bins))
        for n in few:
            kernels.count_residuals(
                np.ascontiguousarray(band[n]), level, gains[n], known, BLOCK,
                np.float32(_REACH), np.float32(_STEP), blocks,
            )  # fmt: skip
        blocks = blocks[blocks.any(axis=1)]
        modes.append(_peaks(blocks) * _STEP - _REACH)
    found = np.concatenate(modes)
    return float(np.mean(np.square(found))) if found.size else 0.0


def _peaks(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each row of counts, smoothed, is largest, to a fraction of a place."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(counts, _WIDTH / _STEP, axis=1)
    row = np.arange(len(smooth))
    peak = np.clip(smooth.argmax(axis=1), 1, smooth.shape[1] - 2)
    left, top, right = smooth[row, peak - 1], smooth[row, peak], smooth[row, peak + 1]
    bend = 2 * top - left - right
    offset = np.divide(right - left, 2 * bend, out=np.zeros(len(row)), where=bend > 0)
    return np.asarray(peak + np.clip(offset, -0.5, 0.5), np.float64)
