"""The compiled inner loop of the natural scene statistics; this module loads numba.

Sums are taken in an order that depends on nothing but the picture's size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled_like_numpy

Floats = NDArray[np.float64]


@compiled_like_numpy
def product_moments(blocks: Floats, down: int, right: int) -> Floats:
    """Measure the products of pixels with a neighbour; a block goes on at its opposite edge.

    Args:
        blocks: ``(N, H, W)``.
        down: How many rows above the neighbour is; negative for below.
        right: How many columns to the left of it. 0 and 0 for the pixels themselves, not squared.

    Returns:
        ``(N, 6)``: the sums of magnitudes, of squares, of the squares of negative values and of
        positive ones, and how many there are of these two.
    """
    count, height, width = blocks.shape
    sums = np.zeros((count, 6))
    itself = down == 0 and right == 0
    for n in range(count):
        for row in range(height):
            above = (row - down) % height
            magnitude = left = over = 0.0
            negative = positive = 0
            for column in range(width):
                value = blocks[n, row, column]
                if not itself:
                    value *= blocks[n, above, (column - right) % width]
                square = value * value
                if value < 0.0:
                    magnitude -= value
                    left += square
                    negative += 1
                elif value > 0.0:
                    magnitude += value
                    over += square
                    positive += 1
            sums[n, 0] += magnitude
            sums[n, 1] += left + over
            sums[n, 2] += left
            sums[n, 3] += over
            sums[n, 4] += negative
            sums[n, 5] += positive
    return sums
