"""Compiled loops of streaks, painted and physical, and of blending; importing loads the compiler.

Sums and products are integers, and the one float product per pixel is not contracted, so the bytes
are the same on every processor. The tests hold each loop against plain NumPy.
"""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint16]
_Integers = NDArray[Any]
_Floats = NDArray[np.float64]


@compiled
def fill_noise(table: _Integers, factor: float, white: int, noise: _Integers) -> tuple[int, int]:
    """Fill the clipped noise of every 16-bit word; return its sum and its sum of squares.

    Args:
        table: The normal quantiles, `rainbench.core.random.normal_table`.
        factor: Noise levels per unit of the table.
        white: The level at which noise is clipped.
        noise: int32, as long as the table; filled.
    """
    total, squares = 0, 0
    for word in range(table.size):
        level = int(np.rint(table[word] * factor))
        level = min(max(level, 0), white)
        noise[word] = level
        total += level
        squares += level * level
    return total, squares


@compiled
def blur_down(words: _Words, noise: _Integers, taps: int, blurred: _Integers) -> None:
    """Sum ``taps`` noise values below each other.

    Args:
        words: ``(rows + taps, columns)`` random words.
        noise: The noise of every word.
        taps: How many values each sum has.
        blurred: ``(rows, columns)`` int32; row ``y`` gets the sum of rows ``y + 1 ... y + taps``.
    """
    rows, columns = blurred.shape
    sums = np.zeros(columns, np.int32)
    for y in range(1, taps):
        for x in range(columns):
            sums[x] += noise[words[y, x]]
    for y in range(rows):
        for x in range(columns):
            sums[x] += noise[words[y + taps, x]]
            blurred[y, x] = sums[x]
            sums[x] -= noise[words[y + 1, x]]


@compiled
def shade(
    blurred: _Integers,
    step: int,
    shifts: _Integers,
    black: float,
    slope: float,
    full: float,
    softness: float,
    layer: _Bytes,
) -> None:
    """Enlarge a blurred grid to pixels, each row shifted along the fall, and apply Levels.

    Args:
        blurred: ``(rows, columns)`` int32.
        step: Grid cells per pixel, in 1/256.
        shifts: Shift of each row of pixels, in 1/256 of a cell.
        black: The sum, times 65536, that becomes black.
        slope: Share of a full streak per unit above black.
        full: Grey level of a full streak.
        softness: 0 cuts off at a full streak, as Levels does. Otherwise a curve rises with the
            square of the share times this, and bends towards a full streak without reaching it.
        layer: ``(H, W)`` uint8; filled.
    """
    height, width = layer.shape
    columns = blurred.shape[1]
    line = np.empty(columns, np.int64)
    for y in range(height):
        row, part = divmod(y * step, 256)
        for x in range(columns):
            line[x] = blurred[row, x] * np.int64(256 - part) + blurred[row + 1, x] * np.int64(part)
        for x in range(width):
            place = x * step + shifts[y]
            column, part = place >> 8, place & 255
            value = line[column] * (256 - part) + line[column + 1] * part
            share = max((value - black) * slope, 0.0)
            if softness > 0:
                share = softness * share * share
                share /= 1 + share
            share = min(share, 1.0)
            layer[y, x] = np.uint8(np.rint(share * full))


@compiled
def _boxes(longest: float, squares: float) -> tuple[float, float]:
    """Return the widths of the two boxes, wider first, whose convolution stands for many.

    Args:
        longest: The widest of the many.
        squares: The sum of all their squares, which the two have too.
    """
    rest = max(sqrt(max(squares - longest * longest, 0.0)), 1e-3)
    return max(longest, rest), min(longest, rest)


@compiled
def draw_falling(
    words: _Words,
    quantiles: tuple[_Integers, _Integers],
    speeds: _Floats,
    rain: _Floats,
    scales: _Floats,
    blurs: _Floats,
    window: _Floats,
    clear: NDArray[np.float32],
) -> None:
    """Draw the drops of a depth shell, each as the streak that it leaves.

    A streak's opacity is a trapezoid along and a trapezoid across its fall, of the drop's width,
    its circle of confusion, a pixel and, along, its path. It is sheared, not turned, into its
    direction. Its sum over all pixels is the drop's width squared, however it is spread, unless it
    saturates.

    Args:
        words: ``(N + 1, 5)`` random words: place across, gap to the drop above, size, depth,
            direction; the last row has only a gap.
        quantiles: Of the exponential and of the normal distribution for every word.
        speeds: Speed of fall in m/s for every 1/100 mm.
        rain: Millimetres of size per unit of the exponential, exposure in s, wind in m/s, slope of
            the fall per unit of the normal, exaggeration.
        scales: ``(256,)`` pixels per metre at each depth.
        blurs: ``(256,)`` circle of confusion in pixels at each depth.
        window: Left, top, width and height in pixels of where the middles of streaks lie.
        clear: ``(H, W)``, the share of light that passes; every drop takes its part of it.
    """
    height, width = clear.shape
    zero, one = np.float32(0), np.float32(1)
    largest = (speeds.size - 1) * 0.01
    # From top to bottom, which is kind to the cache: the sums of exponential gaps between drops.
    total, reached = 1, 0
    for n in range(words.shape[0]):
        total += quantiles[0][words[n, 1]]
    for n in range(words.shape[0] - 1):
        reached += quantiles[0][words[n, 1]]
        size = min(0.5 + rain[0] * quantiles[0][words[n, 2]], largest)
        speed = speeds[int(size * 100 + 0.5)]
        depth = words[n, 3] >> 8
        slope = rain[2] / speed + rain[3] * quantiles[1][words[n, 4]]
        stretch = sqrt(1 + slope * slope)
        wide = size * 1e-3 * scales[depth]
        path = speed * rain[1] * scales[depth] * stretch
        still = wide * wide + blurs[depth] * blurs[depth] + 1
        across_a, across_b = _boxes(max(wide, blurs[depth], 1.0), still)
        along_a, along_b = _boxes(max(path, wide, blurs[depth], 1.0), still + path * path)
        peak = np.float32(min(1.0, rain[4] * (wide / along_a) * (wide / across_a)))
        x = window[0] + window[2] * (words[n, 0] + 0.5) / 65536
        y = window[1] + window[3] * (reached / total)
        tall = (along_a + along_b) / 2 / stretch
        broad = (across_a + across_b) / 2 * stretch
        first, last = max(0, ceil(y - tall - 0.5)), min(height - 1, floor(y + tall - 0.5))
        edge_along = np.float32((along_a + along_b) / 2 / along_b)
        edge_across = np.float32((across_a + across_b) / 2 / across_b)
        slope_along = np.float32(stretch / along_b)
        slope_across = np.float32(1 / (stretch * across_b))
        for row in range(first, last + 1):
            down = row + 0.5 - y
            middle = x - 0.5 + down * slope
            left, right = max(0, int(middle - broad + 1)), min(width - 1, int(middle + broad))
            opacity = edge_along - np.float32(abs(down)) * slope_along
            opacity = peak * min(one, max(zero, opacity))
            aside = np.float32(left - middle)
            for column in range(left, right + 1):
                share = min(one, max(zero, edge_across - abs(aside) * slope_across))
                clear[row, column] *= one - opacity * share
                aside += one


@compiled
def shade_clear(clear: NDArray[np.float32], full: float, layer: _Bytes) -> None:
    """Fill a layer with the light of drops, of which `draw_falling` made ``clear``."""
    for y in range(layer.shape[0]):
        for x in range(layer.shape[1]):
            layer[y, x] = np.uint8(np.rint((1 - clear[y, x]) * full))


@compiled
def screen_blend(image: _Bytes, layer: _Bytes, out: _Bytes) -> None:
    """``B + S (255 - B) / 255``, rounded: no quotient of 255 lies half way between two integers."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            streak = np.uint32(layer[y, x])
            for channel in range(3):
                value = np.uint32(image[y, x, channel])
                scaled = (np.uint32(255) - value) * streak + np.uint32(128)
                out[y, x, channel] = value + ((scaled + (scaled >> 8)) >> 8)


@compiled
def add_blend(image: _Bytes, layer: _Bytes, out: _Bytes) -> None:
    """``min(B + S, 255)``."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            streak = np.uint32(layer[y, x])
            for channel in range(3):
                out[y, x, channel] = min(np.uint32(image[y, x, channel]) + streak, np.uint32(255))
