"""The mean of the rain-free samples: closer to the truth than any one percentile.

1. Start from the percentile that each part of the picture votes for (`local_vote`).
2. Bring the frames to one brightness (`exposure`); those that show a part of the scene in another
   light than most were left out before (`usual_light`).
3. Find where more than rain is seen, people or cars, and what the scene is there (`modes`).
4. Measure the noise below the estimate, where there is no rain, block by block.
5. Call a sample rainy if it, or the 3x3 pixels around it, is brighter than three standard
   deviations, or far darker, or of another colour; average the others of each pixel; repeat with
   the new estimate, the noise as it was. Where light or leaves move, the estimate stays.
6. Where no colour lasts, take the middle of what is seen instead (`swaying`), or the colour next to
   it that a frame shows (`scene.shown`). What a camera's sharpening took is given back (`halos`).

The noise is measured once and the threshold is not lower than three: with less, or with a noise
estimate that shrinks from pass to pass, the picture drifts darker each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.dither import DitheredSource, lacks_noise
from rainbench.clean_frame.halos import take_out_halos
from rainbench.clean_frame.local_vote import (
    between_blocks,
    local_curves,
    percentile_map,
    select_local_percentile,
)
from rainbench.clean_frame.scene.modes import Modes, find_scene
from rainbench.clean_frame.scene.shown import keep_to_shown
from rainbench.clean_frame.stretches import find_changing, usual_and_own
from rainbench.clean_frame.swaying.glance import glance
from rainbench.clean_frame.swaying.settle import settle_swings
from rainbench.clean_frame.swaying.swings import LEAST_WITHIN, WITHIN, measure_swings
from rainbench.clean_frame.voting import Votes, count_votes
from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.exposure import normalise
from rainbench.frames.maps import let_go, mean_of, picture_map, strips
from rainbench.frames.sources import FrameSource, bands, rows_within

FEWEST = 10
"""Frames without which nothing that stands there can be told from rain, nor a mean be better than
what is voted for: with 7, 1 dB worse, from 10 on 1 dB better."""

PASSES = 3
"""How often the rain-free samples are chosen and averaged at most; twice are mostly enough."""

SHIFTED = 0.1
"""Deviations of the noise by which a pass may move the picture as a whole for the next one to be
the last. The start is too bright where it rains nearly all the time, by twice as much: without a
further pass 0.1 dB are lost, where nothing moves a further one changes 0.002 dB."""

DEVIATIONS = 3.0
"""Standard deviations of the noise above which a sample is rainy; with two the picture drifts dark,
by 3 dB from the third to the fifth pass."""

DARKEST = 4.0 / 3.0
"""How much farther below the estimate than above it a sample may lie: four deviations, since rain
only brightens."""

COLOURED = 2.4
"""Limits within which three times a channel's residual must agree with that of all channels: 4.2
standard deviations of it. What has the scene's brightness, but not its colour, is not the scene."""

LEAST_LIMIT = 0.15
"""Residual (sum of R, G and B, in levels) that is never rain; matters only without any noise."""

ANOTHER = 0.5
"""Percentiles by which a vote without what passes must differ to be followed; chosen: they differ
by several where it matters."""

NOISE_BLOCK = 16
"""Pixels a side of the blocks in which the noise is measured: it differs with the brightness."""

NOISE_FRAMES, FIRST_FRAMES = 16, 4
"""Frames, spread over the sequence, on which it is measured, 2,000 samples a block; and those on
which it is measured for the whole picture first."""

DRY_FRAMES = 16
"""Frames that show the scene, as many as all passes but the last average: the mean of so many is
known to a quarter of the noise, enough to tell what is rainy in the next one. Where it rains nearly
everywhere, these are nearly all."""

NOISE_ROUNDS = 6
"""How often it is measured for the whole at most; twice are enough where nothing moves."""

CLIPPED = 2.0
"""Standard deviations of the noise from black and from white within which a mean is off by its
clipping, and a percentile is not; chosen."""

CODED_STEP = 1.0, 0.125
"""Levels below and above the vote beyond which a mean does not count where a codec made the frames:
what it smears of rain is within the limits, and brightens; chosen."""

WHOLE = 2.0
"""Levels within which a vote on frames without any noise is more exact than what was decided."""

SHOWN = 3.0
"""Standard deviations of the noise beyond which the colour of what sways is shown by no frame."""

_BAND_ROWS, _FEWEST_ROWS, _BAND_BYTES = 64, 8, 64 << 20
"""Rows of a band, at most and at least, and its bytes; every band reads a row beyond each edge, so
that very low ones would mostly read twice."""

_STRIP = 20000
"""Pixels of a band that are worked on at a time: what is kept of them stays in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class InlierMean:
    """The result of `average_rain_free`.

    Attributes:
        levels: ``(H, W, 3)`` float32, in levels at the median brightness of the sequence.
        votes: The vote it started from.
        noise: Standard deviation of the noise of one channel, in levels, over the whole picture.
        modes: Where more than rain was seen, and what the scene was taken to be there.
        usual: ``(K, H, W, 3)`` uint8, what the stretches usually show.
        averaged: Number of samples of a pixel that were averaged, the harmonic mean.
    """

    levels: NDArray[np.float32]
    votes: Votes
    noise: float
    modes: Modes
    usual: NDArray[np.uint8]
    averaged: float


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
    noisy, clipped = source, steady is not source
    if lacks_noise(source):
        steady, noisy = DitheredSource(steady), DitheredSource(source)
    votes = count_votes(steady, threads=threads, keep_ranges=True, half=True, band_rows=band_rows)
    rows = band_rows or min(_BAND_ROWS, max(_FEWEST_ROWS, rows_within(source.shape, _BAND_BYTES)))
    passes = _Passes(source, (1 / exposure).astype(np.float32), threads, rows)

    percentiles = percentile_map(local_curves(votes, count), height, width)
    seen = glance(steady, votes)
    usual, start, spread = usual_and_own(
        steady, percentiles, seen.between, threads=threads, band_rows=band_rows
    )
    changing = find_changing(usual, count, clipped=clipped, coded=seen.coded)
    if count < FEWEST:
        changing[:] = False
    select = partial(select_local_percentile, steady, threads=threads, band_rows=band_rows)
    if changing.any():
        others = percentile_map(local_curves(votes, count, changing), height, width)
        select(others, where=np.abs(others - percentiles) > ANOTHER, into=start)
        del others
    whole = None
    if noisy is not source and not clipped:
        whole = select_local_percentile(source, percentiles, threads=threads, band_rows=band_rows)
    del percentiles  # pictures of 4K are large, on disk too
    moving = changing
    middle = start
    swings = measure_swings(seen, spread, usual, start)
    if swings is not None and swings.wide.any():
        moving = changing | swings.wide
        middle = select(swings.percentile, where=swings.wide)
        _copy(middle, start, swings.wide & ~changing)
    estimate = picture_map((3, height, width), np.float32)
    _copy(start, estimate.transpose(1, 2, 0))
    noise = replace(passes, source=noisy).measure_noise(estimate, _measurable(estimate, moving))
    limits = _limits(noise, height, width)
    deviations = picture_map((height, width), np.float32)
    np.divide(limits[0], np.float32(DEVIATIONS * 3**0.5), out=deviations)

    def settle_scene() -> Modes:
        found = find_scene(
            steady, usual, changing, start, deviations,
            clipped=clipped, threads=threads, band_rows=band_rows,
        )  # fmt: skip
        _copy(found.levels, estimate.transpose(1, 2, 0), changing)
        return found

    modes = settle_scene()
    improved, alone = estimate, 1 / count
    if count >= FEWEST:
        step = max(1, int(count * 2 * seen.share / DRY_FRAMES))  # what is voted for is a median
        for turn in range(PASSES - 1):
            before, (improved, _, unseen) = improved, passes.improve(improved, limits, step)
            unseen &= ~moving
            if turn == 0 and unseen.any():  # channels of several things, which no frame shows
                changing |= _and_next_to(unseen) & ~moving
                modes = settle_scene()
                improved, *_ = passes.improve(estimate, limits, step)
            if abs(mean_of(np.subtract, improved, before)) <= SHIFTED * _deviation(noise) / 3**0.5:
                break
        improved, alone, _ = passes.improve(improved, limits)
    steps = CODED_STEP if seen.coded else (np.inf, np.inf)
    levels = _kept_near(improved, estimate, deviations, modes, steps)
    mixed = modes.unsteady | modes.faint
    if swings is not None:
        mixed |= settle_swings(steady, swings, middle, levels, modes, threads=threads)
    keep_to_shown(steady, levels, mixed, SHOWN * _deviation(noise) / 3**0.5, threads=threads)
    if not (seen.coded or seen.drifts):
        take_out_halos(steady, levels, _deviation(noise) / 3)
    if whole is not None and passes.finds_no_noise(whole, _measurable(estimate, moving)):
        # What is still is whole levels, which the faintest rain brightens.
        _copy(whole, levels, ~changing & (np.abs(levels - whole).max(axis=-1) < WHOLE))
    for strip in strips(levels.shape):  # the last: a mean of what swings may lie beyond white
        np.clip(levels[strip.rows], 0, 255, out=levels[strip.rows])
    return InlierMean(levels, votes, _deviation(noise) / 3**0.5, modes, usual, 1 / alone)


def _kept_near(
    improved: NDArray[np.float32],
    start: NDArray[np.float32],
    deviations: NDArray[np.float32],
    modes: Modes,
    steps: tuple[float, float],
) -> NDArray[np.float32]:
    """Return the levels: the estimate, near its start where more than rain is seen.

    In unsteady parts it is the start. Where an edge sways, means of what is alike wander off to one
    side of it; and where the noise is clipped, at black and at white, to the other side of these.
    """
    _, height, width = improved.shape
    levels: NDArray[np.float32] = picture_map((height, width, 3), np.float32)
    changes = modes.changing.any()
    for strip in strips((height, width)):
        rows = strip.rows
        near, begun = improved[:, rows], start[:, rows]
        least = CLIPPED * deviations[rows]
        clipped = (begun < least) | (begun > 255 - least)
        near = np.where(clipped, begun, np.clip(near, begun - steps[0], begun + steps[1]))
        if changes:
            far = np.where(modes.faint[rows], np.maximum(1, deviations[rows]), np.float32(255))
            far[modes.unsteady[rows]] = 0
            near = np.clip(near, begun - far, begun + far)
        np.clip(near.transpose(1, 2, 0), 0, 255, out=levels[rows])
    return levels


def _copy(
    source: NDArray[np.float32],
    into: NDArray[np.float32],
    where: NDArray[np.bool_] | None = None,
) -> None:
    """Copy a picture ``(H, W, 3)``, or a part of it, strip by strip."""
    for strip in strips(source.shape):
        part = True if where is None else where[strip.rows, :, None]
        np.copyto(into[strip.rows], source[strip.rows], where=part)


def _measurable(estimate: NDArray[np.float32], moving: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels at which, and next to which, nothing but rain is seen; else all.

    And of these, where there are enough, those whose noise is not clipped.
    """
    from scipy.ndimage import maximum_filter

    near: NDArray[np.bool_] = maximum_filter(moving, 3, mode="nearest")
    known = np.ones_like(near) if near.all() else ~near
    within = np.empty_like(known)
    for strip in strips(known.shape):
        rows = strip.rows
        within[rows] = (estimate[:, rows] > WITHIN).all(axis=0)
        within[rows] &= (estimate[:, rows] < 255 - WITHIN).all(axis=0)
        within[rows] &= known[rows]
    return within if within.mean() > LEAST_WITHIN else known


def _and_next_to(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return them with the pixels around each."""
    import cv2

    wider = cv2.dilate(places.view(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(wider, np.bool_)


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

        def work(widest: float, step: int, first: int, last: int) -> NDArray[np.int64]:
            sums = np.zeros(shape, np.int64)
            for strip in self._strips(first, last):
                top, bottom = strip.rows
                robust_kernels.add_noise(
                    strip.samples, strip.first_row, step, self.inverse_exposure,
                    strip.of(estimate), strip.above, strip.below,
                    known[top:bottom], np.float32(widest), NOISE_BLOCK, top, sums,
                )  # fmt: skip
            return sums

        def measure(widest: float, frames: int) -> NDArray[np.int64]:
            part = partial(work, widest, max(1, count // frames))
            parts = over_bands(self.source, part, self.threads, self.band_rows)
            sums: NDArray[np.int64] = np.sum(parts, axis=0)
            return sums

        # Again and again without what the last time shows to be no noise.
        narrower = 64.0  # levels, of three channels together: wide
        for _ in range(NOISE_ROUNDS):
            widest = narrower
            narrower = max(1.0, 4 * _deviation(measure(widest, FIRST_FRAMES)))
            if narrower > 0.9 * widest:
                break
        return measure(min(widest, narrower), NOISE_FRAMES)

    def finds_no_noise(self, levels: NDArray[np.float32], known: NDArray[np.bool_]) -> bool:
        """Say whether the frames are these levels ``(H, W, 3)`` exactly, where it is dry."""
        estimate = np.ascontiguousarray(levels.transpose(2, 0, 1))
        return _deviation(self.measure_noise(estimate, known)) < LEAST_LIMIT

    def improve(
        self, estimate: NDArray[np.float32], limits: NDArray[np.float32], step: int = 1
    ) -> tuple[NDArray[np.float32], float, NDArray[np.bool_]]:
        """Average the samples of every ``step``-th frame that lie within the limits.

        Returned is the mean of one over their number at each pixel, too, and where there is none.
        """
        from rainbench.clean_frame import robust_kernels

        improved: NDArray[np.float32] = picture_map(estimate.shape, np.float32)
        unseen = np.zeros(estimate.shape[1:], np.bool_)

        def work(first: int, last: int) -> float:
            alone = 0.0
            for strip in self._strips(first, last):
                top, bottom = strip.rows
                out = np.empty((3, bottom - top, estimate.shape[2]), np.float32)
                alone += robust_kernels.average_inliers(
                    strip.samples, step, strip.first_row, self.inverse_exposure,
                    strip.of(estimate), strip.above, strip.below,
                    np.ascontiguousarray(limits[:, top:bottom]),
                    np.float32(DARKEST), np.float32(COLOURED), out, unseen[top:bottom],
                )  # fmt: skip
                improved[:, top:bottom] = out
            return alone

        alone = sum(over_bands(self.source, work, self.threads, self.band_rows))
        return improved, alone / estimate[0].size, unseen

    def _strips(self, top: int, bottom: int) -> Iterator[_Strip]:
        """Read a band, and cut it."""
        _, height, width, _ = self.source.shape
        samples, start, _ = contiguous_bytes(self.source, max(0, top - 1), min(height, bottom + 1))
        row_of_top = start // width + int(top > 0)
        for first, last in bands(bottom - top, max(1, _STRIP // width)):
            rows = top + first, top + last
            yield _Strip(samples, row_of_top + first, rows, int(rows[0] > 0), int(rows[1] < height))


@dataclass(frozen=True, slots=True, eq=False)
class _Strip:
    """Some rows: bytes of all frames, which row of them is the first, which neighbours exist."""

    samples: NDArray[np.uint8]
    first_row: int
    rows: tuple[int, int]
    above: int
    below: int

    def of(self, estimate: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows and their neighbours, contiguous: other layouts are not SIMD."""
        return np.ascontiguousarray(
            estimate[:, self.rows[0] - self.above : self.rows[1] + self.below]
        )


def _limits(noise: NDArray[np.int64], height: int, width: int) -> NDArray[np.float32]:
    """Return the largest residual of a dry sample, alone and in 3x3 sums, ``(2, H, W)``.

    The noise of a block is that of its surroundings, kept within half and three times the whole
    picture's.
    """
    from scipy.ndimage import gaussian_filter

    limits = picture_map((2, height, width), np.float32)
    for limit, (number, squares) in zip(limits, noise, strict=True):
        whole = np.sqrt(squares.sum() / max(1, number.sum())) / 32
        count, total = (gaussian_filter(x.astype(np.float64), 1.5) for x in (number, squares))
        local = np.where(count > 1e-3, np.sqrt(total / np.maximum(count, 1e-9)) / 32, whole)
        local = np.clip(local, 0.5 * whole, 3 * whole)
        limit[:] = between_blocks(local, height, width, NOISE_BLOCK)
        np.multiply(limit, DEVIATIONS, out=limit)
        np.maximum(limit, np.float32(LEAST_LIMIT), out=limit)
        let_go()
    return limits
