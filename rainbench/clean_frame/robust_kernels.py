"""Compiled loops of the inlier mean (`rainbench.clean_frame.robust`).

A residual is what a frame, brought to common brightness, has above the current estimate: the sum of
R, G and B, in levels. Rain is connected, noise is not: its 3x3 sum shows fainter streaks.

Loops along a row are SIMD only if their arrays are contiguous and few: before a loop that writes
one and reads more than eight others, the compiler gives up on showing that they do not overlap.
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
def _part_colours(frame: _Bytes, begin: int, planes: _Bytes) -> None:
    """Copy a row of R G B R G B ... into three rows, which later loops read by SIMD."""
    red, green, blue = planes[0], planes[1], planes[2]
    row = frame[begin : begin + 3 * red.size]
    for x in range(red.size):
        red[x] = row[3 * x]
        green[x] = row[3 * x + 1]
        blue[x] = row[3 * x + 2]


@compiled
def _add_colours(estimate: _Floats, sums: _Floats) -> None:
    """Add the channels of the estimate: ``(3, rows, W)`` to ``(rows, W)``."""
    for row in range(sums.shape[0]):
        red, green, blue, out = estimate[0, row], estimate[1, row], estimate[2, row], sums[row]
        for x in range(out.size):
            out[x] = red[x] + green[x] + blue[x]


@compiled
def residual_rows(
    frame: _Bytes,
    first_row: int,
    inverse_gain: np.float32,
    sums: _Floats,
    above: int,
    below: int,
    colours: _Bytes,
    residual: _Floats,
    smooth: _Floats,
) -> None:
    """Compute the residual of one frame in a band, and its horizontal sums of three.

    In a frame that is brighter than the others a sample of 255 says no more than "at least".

    Args:
        frame: Bytes of the frame; row ``first_row`` of them is the first of the band.
        first_row: See above.
        inverse_gain: One over the frame's gain.
        sums: ``(rows + above + below, W)``, the sum of the estimate's channels, with the
            neighbouring rows that exist.
        above: 1 if the row above the band exists, else 0: then the first row stands in for it.
        below: The same at the lower end.
        colours: Receives ``(rows + 2, 3, W)``, the frame's rows channel by channel.
        residual: Receives ``(rows + 2, W)``.
        smooth: Receives ``(rows + 2, W)``.
    """
    known, width = sums.shape
    for row in range(known):
        at = row + 1 - above
        planes, out, below_it = colours[at], residual[at], sums[row]
        _part_colours(frame, 3 * width * (first_row - above + row), planes)
        red, green, blue = planes[0], planes[1], planes[2]
        for x in range(width):
            total = np.int32(red[x]) + np.int32(green[x]) + np.int32(blue[x])
            out[x] = np.float32(total) * inverse_gain - below_it[x]
        if inverse_gain < _CLIPS_BELOW:
            for x in range(width):
                if max(red[x], green[x], blue[x]) == 255:
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
        estimate: ``(3, rows + above + below, W)``.
        above: See `residual_rows`.
        below: See `residual_rows`.
        known: ``(rows, W)``, where what lies below the estimate is noise alone.
        widest: Residuals below minus this, or minus nine times this in 3x3 sums, are no noise.
        block: Side of a block in pixels.
        top: The band's first row in the picture.
        sums: ``(2, 2, block rows, block columns)``: number and sum, of residuals and of 3x3 sums.
    """
    rows, width = estimate.shape[1] - above - below, estimate.shape[2]
    below_it = np.empty((rows + above + below, width), np.float32)
    _add_colours(estimate, below_it)
    colours = np.empty((rows + 2, 3, width), np.uint8)
    residual = np.empty((rows + 2, width), np.float32)
    smooth = np.empty((rows + 2, width), np.float32)
    first, least = top // block, -np.float32(9) * widest
    # Whole numbers below 2**53: sums are exact. Rows of blocks are summed column by column.
    found = np.zeros((2, 2, (top + rows - 1) // block - first + 1, width), np.float64)
    unit, one, none = np.float32(32), np.float64(1), np.float64(0)
    for n in range(0, samples.shape[0], step):
        residual_rows(
            samples[n], first_row, inverse_exposure[n], below_it, above, below,
            colours, residual, smooth,
        )  # fmt: skip
        for row in range(rows):
            part, seen, line = (top + row) // block - first, known[row], residual[row + 1]
            upper, middle, lower = smooth[row], smooth[row + 1], smooth[row + 2]
            number, squares = found[0, 0, part], found[0, 1, part]
            for x in range(width):
                value = line[x]
                fine = np.float64(np.rint(value * unit))
                kept = one if seen[x] & (value > -widest) & (value < 0) else none
                number[x] += kept
                squares[x] += kept * fine * fine
            number, squares = found[1, 0, part], found[1, 1, part]
            for x in range(width):
                value = upper[x] + middle[x] + lower[x]
                fine = np.float64(np.rint(value * unit))
                kept = one if seen[x] & (value > least) & (value < 0) else none
                number[x] += kept
                squares[x] += kept * fine * fine
    for part in range(found.shape[2]):
        for kind in range(2):
            for what in range(2):
                for x in range(width):
                    sums[kind, what, first + part, x // block] += np.int64(
                        found[kind, what, part, x]
                    )


@compiled
def average_inliers(
    samples: _Bytes,
    step: int,
    first_row: int,
    inverse_exposure: _Floats,
    estimate: _Floats,
    above: int,
    below: int,
    limits: _Floats,
    darkest: np.float32,
    coloured: np.float32,
    improved: _Floats,
    unseen: NDArray[np.bool_],
) -> float:
    """Move the estimate to the mean of the samples that are not rainy, far too dark, or coloured.

    Returned is the sum over the pixels of one over the number of samples of each.

    Args:
        samples: ``(N, bytes)``; for the rest see `residual_rows`.
        step: Only every ``step``-th frame is used.
        first_row: See `residual_rows`.
        inverse_exposure: ``(N,)``.
        estimate: ``(3, rows + above + below, W)``.
        above: See `residual_rows`.
        below: See `residual_rows`.
        limits: ``(2, rows, W)``: largest residual of a dry sample, alone and as a 3x3 sum.
        darkest: A residual below minus this many limits is left out too.
        coloured: A channel whose residual, three times, is farther than so many limits from that
            of all channels has another colour, and is left out too.
        improved: Receives ``(3, rows, W)``; where nothing is dry, the estimate stays.
        unseen: Receives ``(rows, W)``, where no sample is near the estimate, whatever those around.
    """
    _, rows, width = limits.shape
    below_it = np.empty((rows + above + below, width), np.float32)
    _add_colours(estimate, below_it)
    colours = np.empty((rows + 2, 3, width), np.uint8)
    residual = np.empty((rows + 2, width), np.float32)
    smooth = np.empty((rows + 2, width), np.float32)
    own = np.empty((3, width), np.float32)
    dry, near = np.empty(width, np.float32), np.empty(width, np.float32)
    number, shown = np.zeros((rows, width), np.float32), np.zeros((rows, width), np.float32)
    none, one, three = np.float32(0), np.float32(1), np.float32(3)
    improved[:] = 0
    for n in range(0, samples.shape[0], step):
        scale = inverse_exposure[n]
        residual_rows(
            samples[n], first_row, scale, below_it, above, below, colours, residual, smooth
        )
        for row in range(rows):
            line, single, nine = residual[row + 1], limits[0, row], limits[1, row]
            upper, middle, lower = smooth[row], smooth[row + 1], smooth[row + 2]
            for channel in range(3):
                seen, old, away = (
                    colours[row + 1, channel],
                    estimate[channel, row + above],
                    own[channel],
                )
                for x in range(width):
                    away[x] = np.float32(seen[x]) * scale - old[x]
            red, green, blue, count = own[0], own[1], own[2], number[row]
            for x in range(width):
                value, limit = line[x], single[x]
                around = upper[x] + middle[x] + lower[x]
                kept = (value <= limit) & (value >= -darkest * limit)
                near[x] = one if kept else none
                kept &= (around <= nine[x]) & (around >= -darkest * nine[x])
                dry[x] = one if kept else none
            for x in range(width):
                value, reach = line[x], coloured * single[x]
                kept = abs(three * red[x] - value) <= reach
                kept &= abs(three * green[x] - value) <= reach
                kept &= abs(three * blue[x] - value) <= reach
                dry[x] *= one if kept else none
                near[x] *= one if kept else none
            seen_here = shown[row]
            for x in range(width):
                count[x] += dry[x]
                seen_here[x] += near[x]
            for channel in range(3):
                total, away = improved[channel, row], own[channel]
                for x in range(width):
                    total[x] += dry[x] * away[x]
    alone = 0.0
    for row in range(rows):
        for x in range(width):
            unseen[row, x] = shown[row, x] == none
            number[row, x] = max(number[row, x], one)
            alone += 1 / number[row, x]
    for channel in range(3):
        for row in range(rows):
            for x in range(width):
                mean = improved[channel, row, x] / number[row, x]
                improved[channel, row, x] = mean + estimate[channel, row + above, x]
    return alone


@compiled
def _average_across(line: _Floats, half: int, out: _Floats) -> None:
    """Average over ``half`` pixels to both sides; the last ones stand for what lies beyond."""
    width = line.size
    share = np.float32(1 / (2 * half + 1))
    out[:] = line
    for k in range(1, half + 1):
        before, behind, middle = line[: -2 * k], line[2 * k :], out[k:-k]
        for x in range(width - 2 * k):
            middle[x] += before[x] + behind[x]
        for x in range(min(k, width)):
            out[x] += line[0] + line[min(x + k, width - 1)]
        for x in range(max(k, width - k), width):
            out[x] += line[max(x - k, 0)] + line[width - 1]
    for x in range(width):
        out[x] *= share


@compiled
def look_at_swings(
    samples: _Bytes,
    first_row: int,
    levels: _Floats,
    middle: _Floats,
    reach: _Floats,
    above: int,
    below: int,
    half: int,
    tolerance: _Floats,
    shown: _Floats,
    mean: _Floats,
    alone: _Floats,
    near: _Floats,
) -> None:
    """Say how often each of two colours is seen, and how far pixels swing alone and together.

    What lies farther below than one and a half times the reach passes, and is left out of the mean;
    so does what lies twice as far above, as crests of waves do not.

    Args:
        samples: ``(N, bytes)``.
        first_row: Row ``first_row`` of them is the first of the band.
        levels: ``(3, rows, W)``, one of the colours.
        middle: ``(3, rows + above + below, W)``, the other, from which swings are measured.
        reach: ``(rows + above + below, W)``, how far a pixel swings at most, in levels.
        above: Rows above the band that exist and belong to the surroundings.
        below: The same at the lower end.
        half: Pixels to each side of a pixel that swing together with it.
        tolerance: ``(rows, W)``, levels within which a colour is seen.
        shown: ``(3, rows, W)``, zeros; receives the number of frames that show either, and of
            those that lie within one and a half times the reach.
        mean: ``(3, rows, W)``, zeros; receives the mean of those that are not left out.
        alone: ``(rows, W)``, zeros; receives the sum of the squares of a pixel's swing.
        near: The same for the mean of the pixels around.
    """
    _, rows, width = levels.shape
    known = rows + above + below
    colours = np.empty((known, 3, width), np.uint8)
    swing, across = np.empty((known, width), np.float32), np.empty((known, width), np.float32)
    one, other = np.empty(width, np.float32), np.empty(width, np.float32)
    together, sums = np.empty(width, np.float32), np.empty((known, width), np.float32)
    within, averaged = np.empty((known, width), np.float32), np.empty((known, width), np.float32)
    frames = np.zeros((rows, width), np.float32)
    _add_colours(middle, sums)
    third, share = np.float32(1 / 3), np.float32(1 / (2 * half + 1))
    whole, none, farther = np.float32(1), np.float32(0), np.float32(1.5)
    for n in range(samples.shape[0]):
        for row in range(known):
            _part_colours(samples[n], 3 * width * (first_row - above + row), colours[row])
            red, green, blue = colours[row, 0], colours[row, 1], colours[row, 2]
            line, most, low = swing[row], reach[row], sums[row]
            counts, near_by = averaged[row], within[row]
            for x in range(width):
                total = np.float32(np.int32(red[x]) + np.int32(green[x]) + np.int32(blue[x]))
                away = (total - low[x]) * third
                near_by[x] = whole if abs(away) <= farther * most[x] else none
                kept = (away >= -farther * most[x]) & (away <= np.float32(2) * farther * most[x])
                counts[x] = whole if kept else none
                line[x] = min(max(away, -most[x]), most[x])
            _average_across(line, half, across[row])
        for row in range(rows):
            at = row + above
            together[:] = 0
            for k in range(at - half, at + half + 1):
                beside = across[min(max(k, 0), known - 1)]
                for x in range(width):
                    together[x] += beside[x]
            own, around, line = alone[row], near[row], swing[at]
            for x in range(width):
                own[x] += line[x] * line[x]
            for x in range(width):
                around[x] += (share * together[x]) * (share * together[x])
            one[:] = 1
            other[:] = 1
            counts, number = within[at], shown[2, row]
            for x in range(width):
                number[x] += counts[x]
            limit, counts, number = tolerance[row], averaged[at], frames[row]
            for x in range(width):
                number[x] += counts[x]
            for c in range(3):
                seen, level, low = colours[at, c], levels[c, row], middle[c, at]
                total = mean[c, row]
                for x in range(width):
                    total[x] += counts[x] * np.float32(seen[x])
                for x in range(width):
                    away = abs(np.float32(seen[x]) - level[x])
                    one[x] *= whole if away <= limit[x] else none
                for x in range(width):
                    away = abs(np.float32(seen[x]) - low[x])
                    other[x] *= whole if away <= limit[x] else none
            first, second = shown[0, row], shown[1, row]
            for x in range(width):
                first[x] += one[x]
            for x in range(width):
                second[x] += other[x]
    for c in range(3):
        for row in range(rows):
            for x in range(width):
                mean[c, row, x] /= max(frames[row, x], whole)
