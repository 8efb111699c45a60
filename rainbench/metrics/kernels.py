"""The compiled inner loops of SSIM, in float64.

Every kernel releases the interpreter lock, allocates its own scratch space and adds up in an order
that depends on nothing but the image size: the same bytes on every call, in any thread. They are
compiled on first use and kept on disk. This module imports numba, so it is itself imported late.

A plane is cut into tiles small enough for the second-level cache. Of planes ``x`` and ``y`` SSIM
needs four moments only, the means of ``x``, ``y``, ``x^2 + y^2`` and ``xy``: they are formed in the
tile, filtered down the columns, then along the rows, and the map is added up without ever being
stored. Variances are taken about a sample of the tile, not about zero: the map is the same, and
what cancels is small. Offsets into the scratch space are compile-time constants, which is what lets
the loops vectorise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled_like_numpy, inlined

Plane = NDArray[np.float64]

ROWS = 32
"""Rows of output of one tile."""
COLUMNS = 128
"""Columns of output of one tile."""
PITCH = COLUMNS + 16
"""Samples from one row of the scratch space to the next: room for the widest window."""
TALL = (ROWS + 10) * PITCH
"""Samples of one moment before the filter."""
FLAT = ROWS * PITCH
"""Samples of one moment after the filter down the columns."""


def _gaussian_taps() -> tuple[float, ...]:
    taps = [math.exp(-(distance**2) / (2 * 1.5**2)) for distance in range(6)]
    total = taps[0] + 2 * sum(taps[1:])
    return tuple(tap / total for tap in taps)


G0, G1, G2, G3, G4, G5 = _gaussian_taps()
"""The 11-tap Gaussian of sigma 1.5, normalised, from its centre outwards."""


@compiled_like_numpy
def _load(x: Plane, y: Plane, top: int, left: int, taps: int, tall: Plane) -> tuple[float, float]:
    """Fill ``tall`` with the moments' samples around a tile; zeros surround the planes.

    Returns:
        The samples of x and y that were subtracted first.
    """
    height, width = x.shape
    first = max(0, -left)
    last = max(first, min(COLUMNS + taps - 1, width - left))
    middle = min(top + taps // 2, height - 1), min(left + taps // 2, width - 1)
    of_x, of_y = x[middle], y[middle]
    for row in range(ROWS + taps - 1):
        at = row * PITCH
        source = top + row
        if 0 <= source < height:
            _fill_zeros(tall, at, at + first, of_x, of_y)
            _fill_zeros(tall, at + last, at + PITCH, of_x, of_y)
            for column in range(first, last):
                a = x[source, left + column] - of_x
                b = y[source, left + column] - of_y
                tall[at + column] = a
                tall[TALL + at + column] = b
                tall[2 * TALL + at + column] = a * a + b * b
                tall[3 * TALL + at + column] = a * b
        else:
            _fill_zeros(tall, at, at + PITCH, of_x, of_y)
    return of_x, of_y


@compiled_like_numpy
def _fill_zeros(tall: Plane, start: int, stop: int, of_x: float, of_y: float) -> None:
    tall[start:stop] = -of_x
    tall[TALL + start : TALL + stop] = -of_y
    tall[2 * TALL + start : 2 * TALL + stop] = of_x * of_x + of_y * of_y
    tall[3 * TALL + start : 3 * TALL + stop] = of_x * of_y


@compiled_like_numpy
def gaussian_ssim(x: Plane, y: Plane, c1: float, c2: float) -> Plane:
    """Add up the SSIM map under the 11x11 Gaussian window, the planes surrounded by five zeros.

    Args:
        x: One plane, ``(H, W)`` float64, C-contiguous.
        y: The other, same shape.
        c1: ``(0.01 L)^2`` in the planes' units.
        c2: ``(0.03 L)^2`` in the planes' units.

    Returns:
        Three sums over the map: all ``H * W`` of it; its part whose window lies within the image,
        ``(H - 10) * (W - 10)``; and that part with the contrast term clipped at zero.
    """
    height, width = x.shape
    tall = np.empty(4 * TALL)
    flat = np.empty(4 * FLAT)
    columns = np.empty(3 * COLUMNS)
    sums = np.zeros(3)
    for top in range(0, height, ROWS):
        rows = min(ROWS, height - top)
        for left in range(0, width, COLUMNS):
            of_x, of_y = _load(x, y, top - 5, left - 5, 11, tall)
            for part in range(4):
                for row in range(rows):
                    at = part * TALL + row * PITCH
                    to = part * FLAT + row * PITCH
                    for j in range(COLUMNS + 10):
                        k = at + j
                        flat[to + j] = (
                            G0 * tall[k + 5 * PITCH]
                            + G1 * (tall[k + 4 * PITCH] + tall[k + 6 * PITCH])
                            + G2 * (tall[k + 3 * PITCH] + tall[k + 7 * PITCH])
                            + G3 * (tall[k + 2 * PITCH] + tall[k + 8 * PITCH])
                            + G4 * (tall[k + PITCH] + tall[k + 9 * PITCH])
                            + G5 * (tall[k] + tall[k + 10 * PITCH])
                        )
            columns[:] = 0.0
            for row in range(rows):
                inside = 1.0 if 5 <= top + row < height - 5 else 0.0
                at = row * PITCH
                for j in range(COLUMNS):
                    k = at + j
                    mx = _along(flat, k)
                    my = _along(flat, FLAT + k)
                    squares = _along(flat, 2 * FLAT + k)
                    products = _along(flat, 3 * FLAT + k)
                    contrast = 2.0 * (products - mx * my) + c2
                    spread = squares - (mx * mx + my * my) + c2
                    mx += of_x
                    my += of_y
                    alike = 2.0 * mx * my + c1
                    value = (alike * contrast) / ((mx * mx + my * my + c1) * spread)
                    clipped = value if contrast > 0.0 else 0.0
                    columns[j] += value
                    columns[COLUMNS + j] += value * inside
                    columns[2 * COLUMNS + j] += clipped * inside
            for j in range(min(COLUMNS, width - left)):
                sums[0] += columns[j]
                if 5 <= left + j < width - 5:
                    sums[1] += columns[COLUMNS + j]
                    sums[2] += columns[2 * COLUMNS + j]
    return sums


@inlined
def _along(flat: Plane, k: int) -> float:
    return float(
        G0 * flat[k + 5]
        + G1 * (flat[k + 4] + flat[k + 6])
        + G2 * (flat[k + 3] + flat[k + 7])
        + G3 * (flat[k + 2] + flat[k + 8])
        + G4 * (flat[k + 1] + flat[k + 9])
        + G5 * (flat[k] + flat[k + 10])
    )


@compiled_like_numpy
def box_ssim(x: Plane, y: Plane, c1s: Plane, c2s: Plane) -> Plane:
    """Add up the SSIM map under the 7x7 uniform window with sample (49/48) moments.

    Args:
        x: One plane, ``(H, W)`` float64, C-contiguous.
        y: The other, same shape.
        c1s: ``(0.01 L)^2`` for each L asked for, in the planes' units.
        c2s: ``(0.03 L)^2`` for each L, in the planes' units.

    Returns:
        The sum over the windows that lie within the image, for each L.
    """
    height, width = x.shape[0] - 6, x.shape[1] - 6
    tall = np.empty(4 * TALL)
    flat = np.empty(4 * FLAT)
    columns = np.empty(COLUMNS)
    sums = np.zeros(len(c1s))
    for top in range(0, height, ROWS):
        rows = min(ROWS, height - top)
        for left in range(0, width, COLUMNS):
            of_x, of_y = _load(x, y, top, left, 7, tall)
            for part in range(4):
                for row in range(rows):
                    at = part * TALL + row * PITCH
                    to = part * FLAT + row * PITCH
                    for j in range(COLUMNS + 6):
                        k = at + j
                        flat[to + j] = (
                            (tall[k] + tall[k + PITCH])
                            + (tall[k + 2 * PITCH] + tall[k + 3 * PITCH])
                            + (tall[k + 4 * PITCH] + tall[k + 5 * PITCH])
                            + tall[k + 6 * PITCH]
                        )
            for choice in range(len(c1s)):
                c1, c2 = c1s[choice], c2s[choice]
                columns[:] = 0.0
                for row in range(rows):
                    at = row * PITCH
                    for j in range(COLUMNS):
                        k = at + j
                        mx = _sum_along(flat, k) / 49.0
                        my = _sum_along(flat, FLAT + k) / 49.0
                        squares = _sum_along(flat, 2 * FLAT + k) / 49.0
                        products = _sum_along(flat, 3 * FLAT + k) / 49.0
                        contrast = 2.0 * (products - mx * my) * (49.0 / 48.0) + c2
                        spread = (squares - (mx * mx + my * my)) * (49.0 / 48.0) + c2
                        mx += of_x
                        my += of_y
                        alike = 2.0 * mx * my + c1
                        columns[j] += (alike * contrast) / ((mx * mx + my * my + c1) * spread)
                for j in range(min(COLUMNS, width - left)):
                    sums[choice] += columns[j]
    return sums


@inlined
def _sum_along(flat: Plane, k: int) -> float:
    pairs = (flat[k] + flat[k + 1]) + (flat[k + 2] + flat[k + 3]) + (flat[k + 4] + flat[k + 5])
    return float(pairs + flat[k + 6])
