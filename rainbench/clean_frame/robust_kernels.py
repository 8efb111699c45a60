"""Compiled loops of the inlier mean (`rainbench.clean_frame.robust`).

A residual is what a frame, brought to common brightness, has above the current estimate: the sum of
R, G and B, in levels. Rain is connected, noise is not: its 3x3 sum shows fainter streaks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled
from rainbench.frames.exposure import CLIPS_ABOVE

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]

_CLIPS_BELOW = np.float32(1 / CLIPS_ABOVE)
_UNKNOWN = np.float32(765)
"""Residual of a clipped sample: as bright as can be, so that it is neither dry nor noise."""


@compiled
def residual_rows(
    frame: _Bytes,
    first_row: int,
    inverse_gain: np.float32,
    estimate: _Floats,
    above: int,
    below: int,
    residual: _Floats,
    smooth: _Floats,
) -> None:
    """Compute the residual of one frame in a band, and its horizontal sums of three.

    In a frame that is brighter than the others a sample of 255 says no more than "at least".

    Args:
        frame: Bytes of the frame; row ``first_row`` of them is the first of the band.
        first_row: See above.
        inverse_gain: One over the frame's gain.
        estimate: ``(3, rows + above + below, W)``, with the neighbouring rows that exist.
        above: 1 if the row above the band exists, else 0: then the first row stands in for it.
        below: The same at the lower end.
        residual: Receives ``(rows + 2, W)``.
        smooth: Receives ``(rows + 2, W)``.
    """
    _, known, width = estimate.shape
    for row in range(known):
        begin = 3 * width * (first_row - above + row)
        source = frame[begin : begin + 3 * width]
        red, green, blue = estimate[0, row], estimate[1, row], estimate[2, row]
        out = residual[row + 1 - above]
        for x in range(width):
            total = np.float32(int(source[3 * x]) + int(source[3 * x + 1]) + int(source[3 * x + 2]))
            out[x] = total * inverse_gain - (red[x] + green[x] + blue[x])
        if inverse_gain < _CLIPS_BELOW:
            for x in range(width):
                if max(source[3 * x], source[3 * x + 1], source[3 * x + 2]) == 255:
                    out[x] = _UNKNOWN
    last = residual.shape[0] - 1
    if not above:
        residual[0] = residual[1]
    if not below:
        residual[last] = residual[last - 1]
    for row in range(last + 1):
        line, out = residual[row], smooth[row]
        for x in range(1, width - 1):
            out[x] = line[x - 1] + line[x] + line[x + 1]
        end = width - 1
        out[0] = line[0] + line[0] + line[min(1, end)]
        out[end] = line[max(0, end - 1)] + line[end] + line[end]


@compiled
def add_noise(
    samples: _Bytes,
    first_row: int,
    step: int,
    inverse_exposure: _Floats,
    estimate: _Floats,
    above: int,
    below: int,
    known: NDArray[np.bool_],
    widest: np.float32,
    block: int,
    top: int,
    sums: NDArray[np.int64],
) -> None:
    """Add the squares of the negative residuals of every ``step``-th frame, block by block.

    Rain only brightens, so that what lies below the estimate is noise. Squares are summed as
    integers (a unit is 1/32 level): the order of bands does not matter.

    Args:
        samples: ``(N, bytes)``; for the rest see `residual_rows`.
        first_row: See `residual_rows`.
        step: Only every ``step``-th frame is used.
        inverse_exposure: ``(N,)``.
        estimate: See `residual_rows`.
        above: See `residual_rows`.
        below: See `residual_rows`.
        known: ``(rows, W)``, where what lies below the estimate is noise alone.
        widest: Residuals below minus this, or minus nine times this in 3x3 sums, are no noise.
        block: Side of a block in pixels.
        top: The band's first row in the picture.
        sums: ``(2, 2, block rows, block columns)``: number and sum, of residuals and of 3x3 sums.
    """
    rows, width = estimate.shape[1] - above - below, estimate.shape[2]
    residual = np.empty((rows + 2, width), np.float32)
    smooth = np.empty((rows + 2, width), np.float32)
    for n in range(0, samples.shape[0], step):
        residual_rows(
            samples[n], first_row, inverse_exposure[n], estimate, above, below, residual, smooth
        )
        for row in range(rows):
            part = (top + row) // block
            for x in range(width):
                single = residual[row + 1, x]
                nine = smooth[row, x] + smooth[row + 1, x] + smooth[row + 2, x]
                if not known[row, x]:
                    continue
                if -widest < single < 0:
                    fine = int(np.rint(single * 32))
                    sums[0, 0, part, x // block] += 1
                    sums[0, 1, part, x // block] += fine * fine
                if -9 * widest < nine < 0:
                    fine = int(np.rint(nine * 32))
                    sums[1, 0, part, x // block] += 1
                    sums[1, 1, part, x // block] += fine * fine


@compiled
def average_inliers(
    samples: _Bytes,
    first_row: int,
    inverse_exposure: _Floats,
    estimate: _Floats,
    above: int,
    below: int,
    limits: _Floats,
    darkest: np.float32,
    coloured: np.float32,
    improved: _Floats,
) -> None:
    """Move the estimate to the mean of the samples that are not rainy, far too dark, or coloured.

    Args:
        samples: ``(N, bytes)``; for the rest see `residual_rows`.
        first_row: See `residual_rows`.
        inverse_exposure: ``(N,)``.
        estimate: See `residual_rows`.
        above: See `residual_rows`.
        below: See `residual_rows`.
        limits: ``(2, rows, W)``: largest residual of a dry sample, alone and as a 3x3 sum.
        darkest: A residual below minus this many limits is left out too.
        coloured: A channel whose residual, three times, is farther than so many limits from that
            of all channels has another colour, and is left out too.
        improved: Receives ``(3, rows, W)``; where nothing is dry, the estimate stays.
    """
    _, rows, width = limits.shape
    residual = np.empty((rows + 2, width), np.float32)
    smooth = np.empty((rows + 2, width), np.float32)
    dry = np.empty(width, np.float32)
    number = np.zeros((rows, width), np.float32)
    improved[:] = 0
    for n in range(samples.shape[0]):
        scale = inverse_exposure[n]
        residual_rows(samples[n], first_row, scale, estimate, above, below, residual, smooth)
        for row in range(rows):
            line, single, nine = residual[row + 1], limits[0, row], limits[1, row]
            upper, middle, lower = smooth[row], smooth[row + 1], smooth[row + 2]
            for x in range(width):
                value = line[x]
                kept = (value <= single[x]) & (value >= -darkest * single[x])
                around = upper[x] + middle[x] + lower[x]
                kept &= (around <= nine[x]) & (around >= -darkest * nine[x])
                dry[x] = np.float32(kept)
            count = number[row]
            begin = 3 * width * (first_row + row)
            source = samples[n, begin : begin + 3 * width]
            for channel in range(3):
                old = estimate[channel, row + above]
                for x in range(width):
                    own = np.float32(source[3 * x + channel]) * scale - old[x]
                    dry[x] *= abs(3 * own - line[x]) <= coloured * single[x]
            for x in range(width):
                count[x] += dry[x]
            for channel in range(3):
                total, old = improved[channel, row], estimate[channel, row + above]
                for x in range(width):
                    total[x] += dry[x] * (np.float32(source[3 * x + channel]) * scale - old[x])
    for channel in range(3):
        for row in range(rows):
            for x in range(width):
                mean = improved[channel, row, x] / max(number[row, x], np.float32(1))
                improved[channel, row, x] = mean + estimate[channel, row + above, x]
