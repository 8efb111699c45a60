"""A first look at some pixels: what rain adds, what the noise is, and how light goes over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.voting import Votes, choose_percentile
from rainbench.frames.sources import FrameSource, read_band

FEWEST_FRAMES = 20
"""Frames from which the width of a swing can be told."""

UPPER, LOWER = 0.8, 0.27
"""Parts of the voted percentile, a dry median, between which the width is measured: 0.25 and 1.1
standard deviations below the median where it rains in few frames."""

REPEATED = 0.03
"""Share of the samples that are the same in the next frame from which a codec made them; chosen:
noise leaves none, dense rain at CRF 23 0.07."""

REMAINS = 0.75
"""Share of them that are the same as many frames later from which there is little noise instead:
codecs leave 0.02 to 0.7 of them, frames with noise of half a level or none 0.82 to 1.04."""

COMMON, FAR_OFF = 0.33, 12.0
"""Correlation of most pixels with others a sixteenth of the width apart from which light or mist
drifts; chosen between mist, 0.42 and more, and lamps that light a part, dense rain and waves, to
0.24. Levels from the median that count at most: what is farther off is rain."""

LASTING, MOST, LASTS = 0.45, 0.7, 3.0
"""Shares of the frames that lie close together, and how many times as wide as the first lies the
second where one brightness lasts and others come and go: chosen between headlights and shadows that
pass, 3.6 and more, and mist and clouds, to 2.1."""

SHARED, FLICKERS, EXTREME = 3, 0.5, 4.0
"""Principal components of what all pixels do from frame to frame; what they leave of it, as a
share, below which light flickers, or the camera trembles, faster than frames show: chosen between
0.27, and 0.69 where nothing does; and usual steps that a step counts as at most, as rain's are."""

_SHARED_FRAMES = 96
"""Steps that are asked for them."""

CLEAR = 2.5
"""Deviations of the noise from which rain is told from it: with fewer, a start that is too dark
would make rain of noise, and stay."""

LEAST_CALM = 0.5
"""Levels that the noise, or a usual step, is taken for at least: 8 bits show no less."""

_ROWS, _COLUMNS = 16, 96
"""Rows, and columns of them, spread over the picture, that show what rain adds."""

_WINDOW = 5
"""Frames of the short stretches that show the rain where nothing is still for longer."""

_QUARTER = 0.3186
"""Standard deviations that a quarter of a normal distribution lies within."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What some pixels of all frames say, before all are looked at.

    Attributes:
        sample: ``(rows, columns, 3, N)`` uint8.
        places: Which rows, and which columns.
        brief: What rain adds, and how often, as frames next to each other tell.
        calm: The noise, as they tell.
        share: The voted percentile, as a share.
        coded: Whether the frames come from a video codec, whose errors stay for some frames.
        drifts: Light or mist goes through large parts of the picture, so that what it lingers in is
            voted for, and only frames next to each other tell of rain.
        flickers: Light changes, or the camera trembles, from each frame to the next.
    """

    sample: NDArray[np.uint8]
    places: tuple[NDArray[np.int64], slice]
    brief: NDArray[np.float64]
    calm: float
    share: float
    coded: bool
    drifts: bool
    flickers: bool

    @property
    def between(self) -> tuple[float, float]:
        """The percentiles between which the width of a swing is measured."""
        return 100 * LOWER * self.share, 100 * UPPER * self.share


def glance(steady: FrameSource, votes: Votes) -> Glance:
    """Look at some pixels.

    Args:
        steady: The sequence in steady light.
        votes: Its vote.
    """
    count = steady.shape[0]
    places, seen = look_at_some(steady)
    sample = np.ascontiguousarray(seen.transpose(0, 2, 3, 1))
    brief, calm = _look_briefly(sample) if count >= FEWEST_FRAMES else (np.zeros(256), 0.0)
    light = sample.mean(axis=2, dtype=np.float32)
    alone = _alone(light)
    flickers = alone < FLICKERS
    if flickers:
        calm *= alone
    share = (1 - brief.sum()) / 2
    drifts = _in_common(light) > COMMON and not _lasts(light)
    if not drifts:
        share = min(share, choose_percentile(votes.curve) / 100)
    return Glance(sample, places, brief, calm, share, _coded(sample), drifts, flickers)


def look_at_some(
    source: FrameSource,
) -> tuple[tuple[NDArray[np.int64], slice], NDArray[np.uint8]]:
    """Read some pixels of all frames: which rows, and which columns; ``(rows, N, columns, 3)``.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> (rows, columns), seen = look_at_some(as_source(np.zeros((5, 31, 200, 3), np.uint8)))
        >>> rows.tolist()[:3], columns.step, seen.shape
        ([0, 2, 4], 3, (16, 5, 67, 3))
    """
    _, height, width, _ = source.shape
    rows = np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int))
    columns = np.s_[:: -(-width // _COLUMNS)]
    seen = [read_band(source, row, row + 1)[:, 0, columns] for row in rows.tolist()]
    return (rows, columns), np.stack(seen)


def _coded(sample: NDArray[np.uint8]) -> bool:
    """Say whether a codec made the frames: samples repeat, more those of the frame before."""

    def repeated(lag: int) -> float:
        return float((sample[..., lag:] == sample[..., :-lag]).all(axis=2).mean())

    count = sample.shape[-1]
    next_ = repeated(1) if count > 1 else 0.0
    return next_ > REPEATED and repeated(max(1, count // 3)) < REMAINS * next_


def _in_common(light: NDArray[np.float32]) -> float:
    """Return the correlation over time of a usual pixel and one some way off."""
    light = light - np.median(light, axis=-1, keepdims=True)
    np.clip(light, -FAR_OFF, FAR_OFF, out=light)
    off = max(1, light.shape[1] // 16)
    own, other = light[:, :-off], light[:, off:]
    if not own.size:
        return 0.0
    energy = np.square(own).mean(axis=-1) * np.square(other).mean(axis=-1)
    return float(np.median((own * other).mean(axis=-1) / np.sqrt(np.maximum(energy, 1e-9))))


def _lasts(light: NDArray[np.float32]) -> bool:
    """Say whether a usual pixel has one brightness for long, whatever goes through the picture."""
    ordered, count = np.sort(light, axis=-1), light.shape[-1]

    def width(share: float) -> NDArray[np.float32]:
        number = max(2, round(share * count))
        ends = ordered[..., number - 1 :], ordered[..., : count - number + 1]
        return np.asarray(np.subtract(*ends).min(axis=-1))

    return bool(np.median(width(MOST) / np.maximum(width(LASTING), LEAST_CALM)) > LASTS)


def _alone(light: NDArray[np.float32]) -> float:
    """Return how much of a usual step from frame to frame no other pixel takes, as a share."""
    if light.shape[-1] < FEWEST_FRAMES:
        return 1.0
    steps = np.diff(light.reshape(-1, light.shape[-1])[:, : _SHARED_FRAMES + 1], axis=1)
    usual = np.median(np.abs(steps), axis=1, keepdims=True)
    most = EXTREME * np.maximum(usual, LEAST_CALM)
    np.clip(steps, -most, most, out=steps)
    _, components = np.linalg.eigh(steps.T @ steps)
    shared = components[:, -SHARED:]
    whole, rest = _small_step(steps), _small_step(steps - (steps @ shared) @ shared.T)
    return rest / whole if whole > LEAST_CALM else 1.0


def _small_step(steps: NDArray[np.generic]) -> float:
    """Return the lower quartile of the steps of each pixel, of a usual one, whatever their sign."""
    quarter = steps.shape[-1] // 4
    return float(np.median(np.partition(np.abs(steps), quarter, axis=-1)[..., quarter]))


def _look_briefly(sample: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
    """Return what rain adds, and the noise, as far as frames next to each other tell."""
    end, half = sample.shape[-1] - _WINDOW + 1, _WINDOW // 2
    first, second, middle, fourth, fifth = (sample[..., k : k + end] for k in range(_WINDOW))
    low, high = np.minimum(first, second), np.maximum(first, second)
    lower, higher = np.minimum(fourth, fifth), np.maximum(fourth, fifth)
    # The least and the largest of the four are none: the median of the other two and the fifth.
    low, high = np.maximum(low, lower), np.minimum(high, higher)
    low, high = np.minimum(low, high), np.maximum(low, high)
    median = np.maximum(low, np.minimum(high, middle))
    wide = sample.astype(np.int16)
    calm = _small_step(np.diff(wide, axis=-1)) / (_QUARTER * 2**0.5)
    return brightening(wide[..., half:-half] - median, CLEAR * calm), calm


def brightening(residual: NDArray[np.int16], least: float) -> NDArray[np.float64]:
    """Return the share of the samples that rain brightens by 0 to 255 levels.

    It is what is there more often than as much darkening.

    Args:
        residual: How much brighter samples are than what is usual, in levels.
        least: Levels from which it is told from the noise.

    Example:
        >>> brightening(np.array([-2, 0, 0, 2, 9], np.int16), 1)[[2, 9]].tolist()
        [0.0, 0.2]
    """
    counts: NDArray[np.int64] = np.bincount((residual + np.int16(256)).ravel(), minlength=513)
    more: NDArray[np.float64] = np.maximum(0, counts[256:512] - counts[256:0:-1]) / residual.size
    more[: int(np.ceil(least))] = 0
    return more
