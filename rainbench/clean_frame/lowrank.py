"""Low-rank recovery of the background, as a comparison: a static scene plus something sparse.

Guo et al. ("From Sky to the Ground: A Large-scale Benchmark and Simple Baseline Towards Real Rain
Removal", ICCV 2023) made the clean frames of LHP-Rain by low-rank tensor recovery, which parts a
static background from rain. This is the core that methods of that family share, not their model,
whose further terms and constants are not reproduced: principal component pursuit (Candès et al.,
"Robust Principal Component Analysis?", Journal of the ACM 58, 2011, Eq. 1.1, with the weight of
Theorem 1.1),

    minimise ``|L|_* + lambda |S|_1`` subject to ``D = L + S``, ``lambda = 1 / sqrt(max(P, N))``,

with a column of ``D`` for each of ``N`` frames, by inexact augmented Lagrange multipliers (Lin,
Chen and Ma, "The Augmented Lagrange Multiplier Method for Exact Recovery of Corrupted Low-Rank
Matrices", 2010, Algorithm 5, with its start and growth of ``mu``).

Ours: some rows of the picture are one problem, so that memory stays bounded; R, G and B are rows of
one matrix; singular vectors come from the small ``N x N`` product; light and camera are corrected
before; and the clean frame is the median of ``L`` over time.

Sums are those of the machine's linear algebra, so that the last digits may differ elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.bands import over_bands
from rainbench.frames.sources import FrameSource, read_band, rows_within

_SAMPLES = 2 << 20
"""Samples of a problem: some 60 MB with the arrays that the method keeps. With four times as many
the picture was no better, with a sixteenth 0.3 dB worse."""

_GROWTH = 1.5
"""Factor by which the weight of the constraint grows in each step (Lin et al.: rho)."""

_CLOSE, _MOST_STEPS = 1e-5, 100
"""Relative error of ``D = L + S`` at which it ends, a thousandth of a level, and the most steps,
which are never reached: some thirty are enough."""


def recover_background(source: FrameSource, *, threads: int = 1) -> NDArray[np.float32]:
    """Return the median over time of the low-rank part, ``(H, W, 3)`` in levels.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> scene = np.random.default_rng(0).integers(0, 200, (8, 12, 3), np.uint8)
        >>> frames = np.repeat(scene[None], 20, axis=0)
        >>> for n in range(20):  # a streak that moves
        ...     frames[n, :, n % 12] += 50
        >>> bool(np.abs(recover_background(as_source(frames)) - scene).max() < 0.5)
        True
    """

    def work(top: int, bottom: int) -> NDArray[np.float32]:
        band = read_band(source, top, bottom)
        samples = band.reshape(len(band), -1).T.astype(np.float32)
        median = np.median(low_rank_part(samples), axis=1, overwrite_input=True)
        return median.reshape(band.shape[1:]).clip(0, 255).astype(np.float32)

    return np.concatenate(over_bands(source, work, threads, rows_within(source.shape, _SAMPLES)))


def low_rank_part(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``L`` of principal component pursuit of ``(P, N)`` samples, in their precision.

    Example:
        >>> still = np.outer([10.0, 200.0, 90.0, 30.0, 60.0, 40.0], np.ones(8))
        >>> rain = np.zeros((6, 8))
        >>> rain[2, 3] = 40
        >>> bool(np.abs(low_rank_part(still + rain) - still).max() < 0.01)
        True
    """
    largest = float(np.sqrt(max(0.0, np.linalg.eigvalsh(samples.T @ samples)[-1])))
    if largest == 0:
        return samples.copy()
    weight = float(1 / np.sqrt(max(samples.shape)))  # a NumPy scalar would widen the arrays
    multiplier = samples / max(largest, float(np.abs(samples).max()) / weight)
    sparse = np.zeros_like(samples)
    size, strength = float(np.linalg.norm(samples)), 1.25 / largest
    for _ in range(_MOST_STEPS):
        wanted = samples + multiplier / strength
        low = _shrink_singular_values(wanted - sparse, 1 / strength)
        rest = wanted - low
        limit = weight / strength
        # Shrinking towards zero by the limit is the same as taking away what lies within it.
        np.subtract(rest, np.clip(rest, -limit, limit), out=sparse)
        error = samples - low - sparse
        multiplier += strength * error
        strength *= _GROWTH
        if float(np.linalg.norm(error)) < _CLOSE * size:
            break
    return low


def _shrink_singular_values(matrix: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    squares, vectors = np.linalg.eigh(matrix.T @ matrix)
    values = np.sqrt(squares.clip(0))
    kept = values > by
    chosen = vectors[:, kept]
    product: NDArray[np.float32] = (matrix @ (chosen * (1 - by / values[kept]))) @ chosen.T
    return product
