"""The compiled inner loop of `rainbench.frames.motion`: small pictures registered to references.

This module imports numba, so it is itself imported late.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_TUKEY = 4.7
"""Deviations from which Tukey's biweight gives no weight (4.685: 95 % efficiency on noise)."""

_CLOSE = 2e-3
"""A step, in pixels, that is too small to matter."""

_LOWEST, _HIGHEST = 0.5, 3.0
"""Contrast of a block, as a multiple of its reference's, between which it shows the same. Something
else has none in common, about 0; a flash has more."""


@compiled
def register_blocks(
    blocks: NDArray[np.uint8],
    points: NDArray[np.float32],
    starts: NDArray[np.float64],
    steps: int,
    reach: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find how far the content of blocks lies from that of their references (Lucas and Kanade).

    Least squares on the shift, brightness and contrast, with little weight for what does not fit.

    Args:
        blocks: ``(N, B, S, S)`` pictures.
        points: ``(G, P, 6)``: for each group of blocks the points to compare: which block, row and
            column in it, the reference's level, and its slopes to the right and down.
        starts: ``(N, G, 2)`` shifts to start from, right and down.
        steps: Steps at most.
        reach: Largest shift, in pixels; beyond it lies nothing of the block.

    Returns:
        ``(N, G, 2)`` shifts, and ``(N, G, 4)``: their inverse covariance as xx, xy and yy, and the
        share of the points that fit. All zero, and the shift as it was, where nothing fits.
    """
    count, groups, number = blocks.shape[0], points.shape[0], points.shape[1]
    shifts, trust = starts.copy(), np.zeros((count, groups, 4))
    difference, sizes = np.empty(number, np.float32), np.empty(number, np.float32)
    normal, right = np.empty((4, 4)), np.empty(4)
    for n in range(count):
        for g in range(groups):
            x, y = shifts[n, g]
            spread, fitting, last, contrast = 1.0, 0.0, False, 1.0
            for step in range(steps + 1):
                # The last turn only measures how well the shift found fits.
                last = last or step == steps
                middle = _differences(blocks[n], points[g], x, y, difference)
                for p in range(number):
                    sizes[p] = abs(difference[p] - middle)
                spread = 1.48 * float(np.median(sizes)) + 0.3
                fitting = _sum_up(points[g], difference, middle, spread, normal, right)
                solved = _solve(normal.copy(), right)
                contrast = 1 + right[2]
                if last or not solved:
                    break
                across, down = min(max(right[0], -1.0), 1.0), min(max(right[1], -1.0), 1.0)
                x, y = x - across, y - down
                last = max(abs(across), abs(down)) < _CLOSE
                if max(abs(x), abs(y)) > reach:
                    break
            if last and max(abs(x), abs(y)) <= reach and _LOWEST < contrast < _HIGHEST:
                shifts[n, g, 0], shifts[n, g, 1] = x, y
                trust[n, g, 0] = normal[0, 0] / spread**2
                trust[n, g, 1] = normal[0, 1] / spread**2
                trust[n, g, 2] = normal[1, 1] / spread**2
                trust[n, g, 3] = fitting
    return shifts, trust


@compiled
def _differences(
    blocks: NDArray[np.uint8],
    points: NDArray[np.float32],
    x: float,
    y: float,
    out: NDArray[np.float32],
) -> float:
    """Compare the points, moved, with their references; return the median difference."""
    left, top = int(np.floor(x)), int(np.floor(y))
    fx, fy = np.float32(x - left), np.float32(y - top)
    side = blocks.shape[1]
    for p in range(len(points)):
        block = int(points[p, 0])
        row = min(max(int(points[p, 1]) + top, 0), side - 2)
        column = min(max(int(points[p, 2]) + left, 0), side - 2)
        above = blocks[block, row, column] * (1 - fx) + blocks[block, row, column + 1] * fx
        below = blocks[block, row + 1, column] * (1 - fx) + blocks[block, row + 1, column + 1] * fx
        out[p] = above * (1 - fy) + below * fy - points[p, 3]
    return float(np.median(out))


@compiled
def _sum_up(
    points: NDArray[np.float32],
    difference: NDArray[np.float32],
    middle: float,
    spread: float,
    normal: NDArray[np.float64],
    right: NDArray[np.float64],
) -> float:
    """Set up the normal equations; return the sum of the weights, as a share of the points."""
    normal[:] = 0
    right[:] = 0
    total = 0.0
    values = np.empty(4)
    for p in range(len(points)):
        far = (difference[p] - middle) / (_TUKEY * spread)
        if abs(far) >= 1:
            continue
        weight = (1 - far**2) ** 2
        total += weight
        values[0], values[1], values[2], values[3] = points[p, 4], points[p, 5], points[p, 3], 1
        for i in range(4):
            right[i] += weight * values[i] * difference[p]
            for j in range(4):
                normal[i, j] += weight * values[i] * values[j]
    return total / len(points)


@compiled
def _solve(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    """Solve four equations in place; return whether they can be solved (Gauss and Jordan)."""
    size = len(right)
    trace = 0.0
    for i in range(size):
        trace += matrix[i, i]
    for i in range(size):
        matrix[i, i] += 1e-9 * trace
    for i in range(size):
        if not abs(matrix[i, i]) > 1e-12 * trace:
            return False
        for j in range(size):
            if j != i:
                factor = matrix[j, i] / matrix[i, i]
                for k in range(i, size):
                    matrix[j, k] -= factor * matrix[i, k]
                right[j] -= factor * right[i]
    for i in range(size):
        right[i] /= matrix[i, i]
    return True
