"""Compiled loops of the correction of light (`rainbench.frames.exposure`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Words = NDArray[np.uint16]
_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]


@compiled
def select_rank(values: NDArray[np.uint8] | _Words, rank: int) -> _Words:
    """Return the value at a rank of each column, by halving what it may be.

    Args:
        values: ``(N, columns)``.
        rank: 0 to N - 1.
    """
    frames, columns = values.shape
    low, high = np.zeros(columns, np.uint16), np.zeros(columns, np.uint16)
    middle, number = np.empty(columns, np.uint16), np.empty(columns, np.uint16)
    for n in range(frames):
        for x in range(columns):
            high[x] = max(high[x], np.uint16(values[n, x]))
    widest = high.max()
    while widest > 0:
        for x in range(columns):
            middle[x] = low[x] + ((high[x] - low[x]) >> np.uint16(1))
            number[x] = 0
        for n in range(frames):
            line = values[n]
            for x in range(columns):
                number[x] += np.uint16(line[x] <= middle[x])
        for x in range(columns):
            if number[x] > rank:
                high[x] = middle[x]
            elif low[x] < high[x]:
                low[x] = middle[x] + np.uint16(1)
        widest >>= 1
    return high


@compiled
def add_colours(samples: NDArray[np.uint8], chosen: NDArray[np.int64]) -> _Words:
    """Return the sum of R, G and B of the chosen pixels: ``(N, pixels, 3)`` to ``(N, chosen)``."""
    sums = np.empty((samples.shape[0], chosen.size), np.uint16)
    for n in range(samples.shape[0]):
        for k in range(chosen.size):
            red, green, blue = samples[n, chosen[k]]
            sums[n, k] = np.uint16(red) + np.uint16(green) + np.uint16(blue)
    return sums


@compiled
def scale_rows(values: _Words, factors: _Floats) -> _Words:
    """Multiply each row by its factor, and round; what does not fit is the largest word."""
    scaled = np.empty_like(values)
    half, most = np.float32(0.5), np.float32(65535)
    for n in range(values.shape[0]):
        factor, line, out = factors[n], values[n], scaled[n]
        for x in range(line.size):
            out[x] = np.uint16(min(np.float32(line[x]) * factor + half, most))
    return scaled


@compiled
def _crowded(places: NDArray[np.int64], width: int) -> int:
    """Return the middle of the ``width`` bins that hold most."""
    bins = places.size
    within, most, best = np.int64(0), np.int64(-1), 0
    for k in range(bins):
        within += places[k]
        if k >= width:
            within -= places[k - width]
        if within > most:
            most, best = within, k
    return best - width // 2


@compiled
def most_frequent_ratios(
    values: _Words,
    reference: _Floats,
    step: float,
    reach: float,
    narrowest: float,
    widest: float,
) -> _Doubles:
    """Return the mode of each row of ``values / reference``: the peak of a histogram of its log.

    The histogram is smoothed as far as the ratios spread.

    Args:
        values: ``(N, pixels)``, the sum of R, G and B.
        reference: ``(pixels,)``, the usual one, which is a pixel's weight as well.
        step: Width of a bin of the histogram.
        reach: Half of its range.
        narrowest: Least standard deviation by which it is smoothed.
        widest: The largest.
    """
    frames, pixels = values.shape
    bins = round(2 * reach / step)
    logs = np.log(np.maximum(np.arange(766), 1))
    offset = reach - np.log(reference.astype(np.float64))
    modes = np.empty(frames, np.float64)
    counts, weighed = np.empty(bins + 2, np.int64), np.empty(bins + 2, np.float64)
    for n in range(frames):
        counts[:] = 0
        weighed[:] = 0
        for x in range(pixels):
            # One bin before and one behind take what lies farther off.
            place = int(np.floor((logs[values[n, x]] + offset[x]) / step)) + 1
            place = min(max(place, 0), bins + 1)
            counts[place] += 1
            weighed[place] += reference[x]
        below, quarter, middle = 0, -1, -1
        for k in range(bins + 2):
            below += counts[k]
            if quarter < 0 and below > pixels // 4:
                quarter = k
            if middle < 0 and below > pixels // 2:
                middle = k
        spread = min(max((middle - quarter) * step, narrowest), widest) / step
        # Where most lies, the smoothed histogram has its peak: nowhere else it is computed.
        near = _crowded(counts[1:-1], int(2 * spread) + 1)
        radius, around = int(4 * spread + 0.5), int(2 * spread) + 2
        weights = np.exp(-0.5 * (np.arange(radius + 1) / spread) ** 2)
        best, peak = -1.0, 1
        smooth = np.zeros(2 * around + 3)
        first = near - around - 1
        for k in range(smooth.size):
            centre = first + k
            for at in range(max(0, centre - radius), min(bins, centre + radius + 1)):
                smooth[k] += weighed[at + 1] * weights[abs(at - centre)]
            if 0 < k < smooth.size - 1 and 0 < centre < bins - 1 and smooth[k] > best:
                best, peak = smooth[k], centre
        left = smooth[max(0, peak - first - 1)]
        right = smooth[min(smooth.size - 1, peak - first + 1)]
        bend = left - 2 * best + right
        beside = (left - right) / (2 * bend) if bend != 0 else 0.0
        modes[n] = np.exp((peak + 0.5 + beside) * step - reach)
    return modes


@compiled
def brighten(
    samples: NDArray[np.uint8],
    start: int,
    factors: _Floats,
    tables: NDArray[np.uint8],
    exact: NDArray[np.bool_],
    out: NDArray[np.uint8],
) -> None:
    """Look up each row's bytes in its table; where a product says the same, that is faster.

    Where there are three tables for each row, they are those of R, G and B.

    Args:
        samples: ``(N, bytes)``.
        start: Its first byte that is wanted, which is red.
        factors: ``(N,)`` or ``(3 N,)``, of which the rounded products with 0 to 254 are those of
            the table.
        tables: ``(N, 256)`` or ``(3 N, 256)``.
        exact: ``(N,)`` or ``(3 N,)`` bool, whether they are.
        out: Receives ``(N, bytes)``, as many as are wanted.
    """
    for n in range(samples.shape[0]):
        source, line, table = samples[n, start : start + out.shape[1]], out[n], tables[n]
        if factors.size > out.shape[0]:
            red, green, blue = tables[3 * n], tables[3 * n + 1], tables[3 * n + 2]
            for k in range(0, source.size, 3):
                line[k] = red[source[k]]
                line[k + 1] = green[source[k + 1]]
                line[k + 2] = blue[source[k + 2]]
        elif exact[n]:
            factor, white, most = factors[n], table[255], np.uint8(255)
            for k in range(source.size):
                level = np.uint8(np.rint(np.float32(source[k]) * factor))
                line[k] = white if source[k] == most else level
        else:
            for k in range(source.size):
                line[k] = table[source[k]]
