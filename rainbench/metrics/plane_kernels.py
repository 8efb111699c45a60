"""The compiled loops over whole planes: weighing colours, rounding, block means, squared errors.

As in `rainbench.metrics.kernels`: lock released, order of additions fixed, imported late.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled_like_numpy

Plane = NDArray[np.float64]


@compiled_like_numpy
def squared_error(x: Plane, y: Plane) -> float:
    """Add up ``(x - y)^2`` over two planes ``(H, W)``, float64 and C-contiguous, row by row."""
    total = 0.0
    for row in range(x.shape[0]):
        of_row = 0.0
        for column in range(x.shape[1]):
            difference = x[row, column] - y[row, column]
            of_row += difference * difference
        total += of_row
    return total


@compiled_like_numpy
def weigh(image: NDArray[np.uint8], weights: tuple[int, int, int], offset: int) -> Plane:
    """Return ``weights[0] R + weights[1] G + weights[2] B + offset``: integers, as float64."""
    height, width = image.shape[:2]
    plane = np.empty((height, width))
    red, green, blue = np.int32(weights[0]), np.int32(weights[1]), np.int32(weights[2])
    start = np.int32(offset)
    for row in range(height):
        for column in range(width):
            plane[row, column] = (
                red * np.int32(image[row, column, 0])
                + green * np.int32(image[row, column, 1])
                + blue * np.int32(image[row, column, 2])
                + start
            )
    return plane


@compiled_like_numpy
def round_half_up(numerators: Plane, unit: float) -> tuple[Plane, int]:
    """Divide integers by ``unit`` and round, halves up; return how many halves there were, too.

    The division cannot reach the next integer by rounding: ``unit`` times the quotient stays far
    below 2^53.
    """
    height, width = numerators.shape
    plane = np.empty((height, width))
    halves = 0
    for row in range(height):
        for column in range(width):
            shifted = (2.0 * numerators[row, column] + unit) / (2.0 * unit)
            rounded = math.floor(shifted)
            halves += rounded == shifted
            plane[row, column] = rounded
    return plane, halves


@compiled_like_numpy
def find_halves(numerators: Plane, unit: float, count: int) -> NDArray[np.int64]:
    """Return the flat indices of the ``count`` halves that `round_half_up` counted."""
    halves = np.empty(count, np.int64)
    found = 0
    for row in range(numerators.shape[0]):
        for column in range(numerators.shape[1]):
            shifted = (2.0 * numerators[row, column] + unit) / (2.0 * unit)
            if math.floor(shifted) == shifted:
                halves[found] = row * numerators.shape[1] + column
                found += 1
    return halves


@compiled_like_numpy
def block_means(plane: Plane, factor: int, start: int, height: int, width: int) -> Plane:
    """Average blocks of ``factor x factor`` samples, the first from ``(start, start)`` on.

    Beyond its border the plane is mirrored, edge samples repeated. Returns ``(height, width)``.
    """
    means = np.zeros((height, width))
    tall, wide = plane.shape
    for row in range(height):
        for down in range(factor):
            i = row * factor + start + down
            i = -1 - i if i < 0 else (2 * tall - 1 - i if i >= tall else i)
            for column in range(width):
                for across in range(factor):
                    j = column * factor + start + across
                    j = -1 - j if j < 0 else (2 * wide - 1 - j if j >= wide else j)
                    means[row, column] += plane[i, j]
    return means / (factor * factor)
