"""Compiled loops of the painted streaks and of blending; importing this loads the compiler.

Sums and products are integers, and the one float product per pixel is not contracted, so the bytes
are the same on every processor. The tests hold each loop against plain NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.build.kernels import compiled

_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint16]
_Integers = NDArray[Any]


@compiled
def fill_noise(table: _Integers, factor: float, white: int, noise: _Integers) -> tuple[int, int]:
    """Fill the clipped noise of every 16-bit word; return its sum and its sum of squares.

    Args:
        table: The normal quantiles, `rainbench.build.randomness.normal_table`.
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
    gain: float,
    full: float,
    layer: _Bytes,
) -> None:
    """Enlarge a blurred grid to pixels, each row shifted along the fall, and apply Levels.

    Args:
        blurred: ``(rows, columns)`` int32.
        step: Grid cells per pixel, in 1/256.
        shifts: Shift of each row of pixels, in 1/256 of a cell.
        black: The sum, times 65536, that becomes black.
        gain: Share of full streak per unit above black.
        full: Grey level of a full streak.
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
            share = min(max((value - black) * gain, 0.0), 1.0)
            layer[y, x] = np.uint8(np.rint(share * full))


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
