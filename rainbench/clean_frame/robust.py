"""The mean of the rain-free samples: closer to the truth than any one percentile.

1. Start from the percentile that each part of the picture votes for (`local_vote`).
2. Bring the frames to one brightness (`exposure`).
3. Find what passes in front of the scene (`passers`), and start again without it.
4. Measure the noise below the estimate, where there is no rain, block by block.
5. Call a sample rainy if it, or the 3x3 pixels around it, is brighter than three standard
   deviations, or far darker; average the others of each pixel; repeat with the new estimate, the
   noise as it was.

The noise is measured once and the threshold is not lower than three: with less, or with a noise
estimate that shrinks from pass to pass, the picture drifts darker each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.local_vote import (
    between_blocks,
    local_curves,
    percentile_map,
    select_local_percentile,
)
from rainbench.clean_frame.passers import count_hidden, fill_gaps
from rainbench.clean_frame.voting import Votes, choose_percentile, count_votes
from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.exposure import normalise, sample_grid
from rainbench.frames.sources import FrameSource, rows_within

PASSES = 3
"""How often the rain-free samples are chosen and averaged; with three the result was stable."""

DEVIATIONS = 3.0
"""Standard deviations of the noise above which a sample is rainy; with two the picture drifts dark,
by 3 dB from the third to the fifth pass."""

DARKEST = 4.0 / 3.0
"""How much farther below the estimate than above it a sample may lie: four deviations, since rain
only brightens."""

LEAST_LIMIT = 0.15
"""Residual (sum of R, G and B, in levels) that is never rain; matters only without any noise."""

NOISE_BLOCK = 16
"""Pixels a side of the blocks in which the noise is measured: it differs with the brightness."""

NOISE_FRAMES = 32
"""Frames, spread over the sequence, on which it is measured."""

NOISE_ROUNDS = 6
"""How often the noise is measured at most; twice are enough where nothing moves."""

_BAND_ROWS, _FEWEST_ROWS, _BAND_BYTES = 64, 8, 64 << 20
"""Rows of a band, at most and at least, and its bytes; every band reads a row beyond each edge, so
that very low ones would mostly read twice."""

_MEDIAN_TO_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over the median of its absolute deviations."""

_NOISE_STEP = 7
"""Every seventh pixel of the grid gives the first guess at the noise: a median needs no more."""


@dataclass(frozen=True, slots=True, eq=False)
class InlierMean:
    """The result of `average_rain_free`.

    Attributes:
        levels: ``(H, W, 3)`` float32, in levels at the median brightness of the sequence.
        votes: The vote it started from.
        noise: Standard deviation of the noise of one channel, in levels, over the whole picture.
        hidden: ``(H, W, 3)`` uint16, from `rainbench.clean_frame.passers.count_hidden`.
    """

    levels: NDArray[np.float32]
    votes: Votes
    noise: float
    hidden: NDArray[np.uint16]


def average_rain_free(
    source: FrameSource,
    exposure: NDArray[np.float64],
    *,
    threads: int = 1,
    band_rows: int | None = None,
) -> InlierMean:
    """Average the samples of every pixel that are free of rain.

    Args:
        source: The sequence, as it was filmed.
        exposure: ``(N,)``, the brightness of the frames from
            `rainbench.frames.exposure.estimate_exposure`.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> rng = np.random.default_rng(0)
        >>> video = rng.normal(100.3, 2, (60, 24, 24, 3))
        >>> for n in range(60):  # a streak that moves
        ...     video[n, :, n % 24] += 40
        >>> mean = average_rain_free(as_source(video.round().astype(np.uint8)), np.ones(60))
        >>> bool(np.abs(mean.levels - 100.3).mean() < 0.25), round(mean.noise)
        (True, 2)
    """
    count, height, width, _ = source.shape
    steady = normalise(source, exposure)
    votes = count_votes(steady, threads=threads, keep_ranges=True, band_rows=band_rows)
    rows = band_rows or min(_BAND_ROWS, max(_FEWEST_ROWS, rows_within(source.shape, _BAND_BYTES)))
    passes = _Passes(source, (1 / exposure).astype(np.float32), threads, rows)

    def start(hidden: NDArray[np.uint16]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        percentiles = percentile_map(local_curves(votes, count, hidden), height, width)
        levels = select_local_percentile(
            steady, percentiles, hidden, threads=threads, band_rows=band_rows
        )
        estimate = np.ascontiguousarray(levels.transpose(2, 0, 1))
        return estimate, passes.measure_noise(estimate, _undisturbed(hidden))

    estimate, noise = start(np.zeros((height, width, 3), np.uint16))
    hidden = count_hidden(
        steady,
        _channel_noise(steady, choose_percentile(votes.curve)),
        clipped=steady is not source,
        threads=threads,
        band_rows=band_rows,
    )
    if hidden.any():
        hidden = fill_gaps(hidden)
        estimate, noise = start(hidden)
    limits = _limits(noise, height, width)
    for _ in range(PASSES):
        estimate = passes.improve(estimate, limits)
    levels = np.ascontiguousarray(estimate.transpose(1, 2, 0)).clip(0, 255)
    return InlierMean(levels, votes, _deviation(noise) / 3**0.5, hidden)


def _undisturbed(hidden: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return the pixels before which, and next to which, nothing passes."""
    from scipy.ndimage import maximum_filter

    near: NDArray[np.bool_] = maximum_filter(hidden.any(axis=-1), 3, mode="nearest")
    return ~near


def _channel_noise(source: FrameSource, percentile: int) -> float:
    """Return the standard deviation of the noise of one channel, in levels.

    It is taken from the median of what lies below the percentile, in which passers-by and the
    leaves of a few trees count for little.
    """
    samples = sample_grid(source)[:, ::_NOISE_STEP].astype(np.float32)
    below = np.percentile(samples, percentile, axis=0) - samples
    below = below[below > 0]
    return _MEDIAN_TO_DEVIATION * float(np.median(below)) if below.size else 0.0


def _deviation(noise: NDArray[np.int64]) -> float:
    """Return the standard deviation of the residuals of the whole picture, in levels."""
    number, squares = noise[0].sum(axis=(1, 2))
    return float(np.sqrt(squares / max(1, number))) / 32


@dataclass(frozen=True, slots=True)
class _Passes:
    """Passes over the bands of a sequence, each with a row of the estimate above and below."""

    source: FrameSource
    inverse_exposure: NDArray[np.float32]
    threads: int
    band_rows: int

    def measure_noise(
        self, estimate: NDArray[np.float32], known: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return numbers and sums of squares, see `robust_kernels.add_noise`."""
        from rainbench.clean_frame import robust_kernels

        count, height, width, _ = self.source.shape
        shape = (2, 2, -(-height // NOISE_BLOCK), -(-width // NOISE_BLOCK))
        step = max(1, count // NOISE_FRAMES)

        def work(widest: float, top: int, bottom: int) -> NDArray[np.int64]:
            samples, first_row, above, below = self._rows(top, bottom)
            sums = np.zeros(shape, np.int64)
            robust_kernels.add_noise(
                samples, first_row, step, self.inverse_exposure,
                estimate[:, top - above : bottom + below], above, below,
                known[top:bottom], np.float32(widest), NOISE_BLOCK, top, sums,
            )  # fmt: skip
            return sums

        # Again and again without what the last time shows to be no noise.
        widest, narrower = 64.0, 64.0  # levels, of three channels together: wide
        for _ in range(NOISE_ROUNDS):
            widest = narrower
            parts = over_bands(self.source, partial(work, widest), self.threads, self.band_rows)
            sums: NDArray[np.int64] = np.sum(parts, axis=0)
            narrower = max(1.0, 4 * _deviation(sums))
            if narrower > 0.9 * widest:
                break
        return sums

    def improve(
        self, estimate: NDArray[np.float32], limits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the mean of the samples within the limits."""
        from rainbench.clean_frame import robust_kernels

        improved = np.empty_like(estimate)

        def work(top: int, bottom: int) -> None:
            samples, first_row, above, below = self._rows(top, bottom)
            robust_kernels.average_inliers(
                samples, first_row, self.inverse_exposure,
                estimate[:, top - above : bottom + below], above, below,
                limits[:, top:bottom], np.float32(DARKEST), improved[:, top:bottom],
            )  # fmt: skip

        over_bands(self.source, work, self.threads, self.band_rows)
        return improved

    def _rows(self, top: int, bottom: int) -> tuple[NDArray[np.uint8], int, int, int]:
        """Return a band's bytes, which row of them it starts at, and which neighbours exist."""
        _, height, width, _ = self.source.shape
        above, below = int(top > 0), int(bottom < height)
        samples, start, _ = contiguous_bytes(self.source, top - above, bottom + below)
        return samples, start // width + above, above, below


def _limits(noise: NDArray[np.int64], height: int, width: int) -> NDArray[np.float32]:
    """Return the largest residual of a dry sample, alone and in 3x3 sums, ``(2, H, W)``.

    The noise of a block is that of its surroundings, kept within half and three times the whole
    picture's.
    """
    from scipy.ndimage import gaussian_filter

    limits = np.empty((2, height, width), np.float32)
    for limit, (number, squares) in zip(limits, noise, strict=True):
        whole = np.sqrt(squares.sum() / max(1, number.sum())) / 32
        count, total = (gaussian_filter(x.astype(np.float64), 1.5) for x in (number, squares))
        local = np.sqrt(total / np.maximum(count, 1e-9)) / 32
        local = np.clip(local, 0.5 * whole, 3 * whole)
        limit[:] = between_blocks(local, height, width, NOISE_BLOCK)
    np.maximum(DEVIATIONS * limits, np.float32(LEAST_LIMIT), out=limits)
    return limits
