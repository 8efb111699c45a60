"""Light that drifts: the brightness of every frame, and frames brought to one brightness.

A vote over time takes the darkest frames for the clean ones when a cloud passes. Correct the light
first when it drifts by more than about 3 %; `extract_clean_frame` does so for ``robust`` by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.frames.bands import contiguous_bytes
from rainbench.frames.sources import (
    Frames,
    FrameSource,
    as_source,
    bands,
    read_band,
    rows_within,
    take_frames,
)

SAMPLED_ROWS, SAMPLED_COLUMNS = 48, 192
"""The grid of pixels that is looked at. Whole rows are read anyway, so there are more columns."""

_AT_ONCE = 64 << 20
"""Bytes of all frames that are brightened at once."""

_DARK, _BRIGHT = 24, 235
"""Levels between which a pixel is used: noise dominates below, and samples are clipped above."""

_REFERENCE = 35
"""Percentile over time that is the reference: below the median, as rain only brightens."""

_FEWEST = 100
"""Usable pixels below which the light counts as steady, since it cannot be measured; chosen."""

CAST = 0.008
"""Relative standard deviation of the colour of the light below which it counts as one: with so
little, the mean of all frames is as near to the scene's own colour as a usual one of the light."""

_EVERY, _ENOUGH = 4, 4000
"""Pixels of which one is asked for the colour of the light, where as many are left; chosen."""

_FINE = 32
"""Parts of a level in which brightness is compared: exposures from 0.37 fit into 16 bits."""

_STEP, _REACH = 5e-4, 1.0
"""Bins and half range of the histogram of log ratios: exposures from 0.37 to 2.7 are found."""

_NARROWEST, _WIDEST = 2e-3, 2e-2
"""Bounds of the smoothing of that histogram, which follows the spread of the ratios."""

ALIKE = 0.05
"""Share of the spread of the light within which half of the frames lie where it has a usual state,
as between flashes or with a lamp that is switched, 0.005; 0.5 where it swings."""

UNEVEN, SMALL = 0.5, 0.01
"""Share of the spread by which halves of the picture may disagree, 0.4 of that where light has a
usual state; and the spread below which they disagree by as much behind dense rain."""

CLIPS_ABOVE = 1.01
"""Exposure from which 255 in a frame is taken for a clipped sample, whose true level is higher."""

STEADY = 1.5e-3
"""Relative standard deviation below which the light counts as steady, so that all exposures are 1:
0.2 levels of a middle grey, less than rounding to whole levels changes. What a codec does to still
light is 6e-4.
They are 1 as well where the upper and the lower half of the picture, or the left and the right one,
disagree too much (`UNEVEN`): the light is then not one for the whole of it."""


def estimate_exposure(frames: Frames, rounds: int = 2) -> NDArray[np.float64]:
    """Estimate how bright each frame is, relative to the usual one.

    The ratio of a frame to a reference picture is the same at all its dry pixels, and larger where
    it rains. The most frequent ratio is therefore the exposure, however dense the rain; a mean
    would follow the rain.

    Args:
        frames: The sequence; a grid of up to 48 rows and 192 columns of it is read.
        rounds: How often the reference is recomputed from the corrected frames.

    Returns:
        ``(N,)`` float64; the middle half of them has mean 1, which a flash does not move and
        flicker moves only a little. Exactly 1 where the light is steady. ``(N, 3)``, that of each
        channel, where its colour changes as well, as with a white balance that the camera sets
        anew. Divide frame n by ``exposure[n]``.

    Example:
        >>> scene = np.random.default_rng(0).integers(40, 160, (1, 48, 64, 3))
        >>> light = np.linspace(0.9, 1.1, 21)
        >>> video = (scene * light[:, None, None, None]).round().astype(np.uint8)
        >>> bool(np.abs(estimate_exposure(video) - light).max() < 2e-3)
        True
    """
    from rainbench.frames import exposure_kernels as kernels

    source = as_source(frames)
    samples = sample_grid(source)
    places = measurable(samples)
    steady = np.ones(source.shape[0])
    if places.size < _FEWEST:
        return steady
    columns = places % min(SAMPLED_COLUMNS, source.shape[2])
    light = _measure(kernels.add_colours(samples, places), columns, rounds)
    every = np.s_[:: max(1, min(_EVERY, places.size // _ENOUGH))]
    few = samples[:, places[every]].astype(np.uint16)
    colours = np.stack(
        [
            _measure(np.ascontiguousarray(one), columns[every], rounds)
            for one in np.moveaxis(few, -1, 0)
        ],
        axis=-1,
    )
    casts = colours / light[..., None]
    if _changes(casts) and casts[0].std() > CAST:
        return np.asarray(colours[0])
    return np.asarray(light[0]) if _changes(light[..., None]) else steady


def _measure(
    values: NDArray[np.uint16], columns: NDArray[np.int64], rounds: int
) -> NDArray[np.float64]:
    """Return the brightness of each frame, of the whole picture and of four halves, ``(5, N)``.

    Args:
        values: ``(N, pixels)``, of a channel, or the sum of all.
        columns: ``(pixels,)``, in which column each lies; their rows ascend.
        rounds: How often the reference is recomputed.
    """
    from rainbench.frames import exposure_kernels as kernels

    def ratios(part: slice | NDArray[np.bool_]) -> NDArray[np.float64]:
        found = kernels.most_frequent_ratios(
            np.ascontiguousarray(values[:, part]), reference[part],
            _STEP, _REACH, _NARROWEST, _WIDEST,
        )  # fmt: skip
        return found / _usual(found)

    exposure = np.ones(len(values))
    middle_pixel = values.shape[1] // 2
    for _ in range(rounds):
        reference = usual_brightness(values, exposure)
        above, below = ratios(np.s_[:middle_pixel]), ratios(np.s_[middle_pixel:])
        exposure = (above + below) / 2
        exposure /= _usual(exposure)
    left = columns < np.median(columns)
    few = min(left.sum(), (~left).sum()) < _FEWEST
    sides = (above, below) if few else (ratios(left), ratios(~left))
    return np.stack([exposure, above, below, *sides])


def _changes(light: NDArray[np.float64]) -> bool:
    """Say whether the light changes, and both halves of the picture say how.

    Where light has a usual state they must say it better: without any correction, what the other
    frames show is as good as something that passes.

    Args:
        light: ``(5, N, channels)``, of the whole picture, and of its halves.
    """
    spread = float(light[0].std())
    uneven = UNEVEN if spread > SMALL else 1.0
    if any(_usual_state(one) is not None for one in light[0].T):
        uneven = 0.4 * UNEVEN
    apart = max(float((light[k] - light[k + 1]).std()) for k in (1, 3))
    return spread > max(STEADY, apart / uneven)


def _usual(exposure: NDArray[np.float64]) -> float:
    """Return the mean of the middle half, or of the half that is alike where light has a state."""
    state = _usual_state(exposure)
    if state is not None:
        return float(state.mean())
    quarter = len(exposure) // 4
    return float(np.sort(exposure)[quarter : len(exposure) - quarter].mean())


def _usual_state(exposure: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the half of the frames that lie closest together, if light has a usual state."""
    ordered, count = np.sort(exposure), len(exposure)
    half, few = count // 2 + 1, count // 20
    first = int((ordered[half - 1 :] - ordered[: count - half + 1]).argmin())
    closest, most = ordered[first : first + half], ordered[count - 1 - few] - ordered[few]
    return closest if np.ptp(closest) < ALIKE * most else None


def sample_grid(source: FrameSource) -> NDArray[np.uint8]:
    """Read a regular grid of pixels of all frames, ``(N, pixels, 3)``."""
    _, height, width, _ = source.shape
    rows = np.unique(np.linspace(0, height - 1, min(height, SAMPLED_ROWS)).astype(int))
    columns = np.unique(np.linspace(0, width - 1, min(width, SAMPLED_COLUMNS)).astype(int))
    # Taken, and not indexed, since that would not lie in order.
    picked = [read_band(source, row, row + 1)[:, 0].take(columns, axis=1) for row in rows.tolist()]
    return np.concatenate(picked, axis=1)


def measurable(samples: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return which pixels of `sample_grid` are usually neither dark nor clipped.

    Args:
        samples: ``(N, pixels, 3)``.

    Example:
        >>> measurable(np.array([[[9, 9, 9], [90, 90, 90]]], np.uint8)).tolist()
        [1]
    """
    from rainbench.frames import exposure_kernels as kernels

    count, pixels, _ = samples.shape
    middle = kernels.select_rank(samples.reshape(count, -1), (count - 1) // 2).reshape(pixels, 3)
    return np.flatnonzero((middle.min(axis=-1) > _DARK) & (middle.max(axis=-1) < _BRIGHT))


def usual_brightness(
    brightness: NDArray[np.uint16], exposure: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return how bright each pixel usually is, without rain, in frames at one brightness.

    Args:
        brightness: ``(N, pixels)``, of a channel, or the sum of all.
        exposure: ``(N,)``, by which the frames are divided.

    Returns:
        ``(pixels,)`` float32.

    Example:
        >>> usual_brightness(np.array([[90], [90], [180]], np.uint16), np.array([1, 1, 2.0]))
        array([90.], dtype=float32)
    """
    from rainbench.frames import exposure_kernels as kernels

    corrected = kernels.scale_rows(brightness, (_FINE / exposure).astype(np.float32))
    rank, between = divmod(_REFERENCE * (len(exposure) - 1) / 100, 1)
    low = kernels.select_rank(corrected, int(rank)).astype(np.float32)
    high = kernels.select_rank(corrected, min(int(rank) + 1, len(exposure) - 1))
    return np.asarray((low + (high - low) * np.float32(between)) / np.float32(_FINE))


@dataclass(frozen=True, slots=True)
class NormalisedSource:
    """A sequence with its light corrected: frame n divided by ``exposure[n]``, rounded to 8 bits.

    Of ``(N, 3)`` exposures each channel has its own. Clipped samples of frames that are too bright
    stay 255: a vote then takes them for rain, not for a darker scene.
    """

    source: FrameSource
    exposure: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        return self.source.shape

    @property
    def band_rows(self) -> int:
        """Rows worth reading at a time: few, since what is corrected should stay in the cache."""
        return min(self.source.band_rows, rows_within(self.shape, 8 << 20))

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the corrected rows ``top`` to ``bottom`` of every frame."""
        from rainbench.frames import exposure_kernels as kernels

        count, _, width, _ = self.shape
        corrected = np.empty((count, bottom - top, width, 3), np.uint8)
        factors, tables, exact = _tables(self.exposure.tobytes())
        rows = rows_within(self.shape, _AT_ONCE)
        for first, last in bands(bottom - top, rows):  # else a high band would be there twice
            samples, start, _ = contiguous_bytes(self.source, top + first, top + last)
            whole = last - first == bottom - top
            part = corrected if whole else np.empty((count, last - first, width, 3), np.uint8)
            kernels.brighten(samples, 3 * start, factors, tables, exact, part.reshape(count, -1))
            if not whole:
                corrected[:, first:last] = part
        return corrected

    def take(self, part: slice) -> FrameSource:
        """Return some of the frames."""
        return NormalisedSource(take_frames(self.source, part), self.exposure[part])


def to_one_colour(
    source: FrameSource, exposure: NDArray[np.float64]
) -> tuple[FrameSource, NDArray[np.float64]]:
    """Return frames whose light has one colour, and the brightness, ``(N,)``, that they keep.

    Where channels have exposures of their own, the frames are corrected; else they come as they
    are.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> source = as_source(np.full((2, 1, 1, 3), 100, np.uint8))
        >>> frames, light = to_one_colour(source, np.array([[1, 1, 1], [0.5, 1, 2]]))
        >>> frames.band(0, 1)[1].ravel().tolist(), light.tolist()
        ([200, 100, 50], [1.0, 1.0])
    """
    if exposure.ndim == 1:
        return source, exposure
    return normalise(source, exposure), np.ones(len(exposure))


@lru_cache(maxsize=8)
def _tables(
    exposure: bytes,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Return each factor, what it makes of each level, and whether products say the same.

    There is one for each frame, or for each channel of each. Products of 32 bits may round the
    other way.
    """
    light = np.frombuffer(exposure, np.float64)
    levels = np.arange(256)
    tables = np.clip(np.rint(levels / light[:, None]), 0, 255).astype(np.uint8)
    tables[light > CLIPS_ABOVE, 255] = 255
    factors = (1 / light).astype(np.float32)
    products = np.rint(levels[:255].astype(np.float32) * factors[:, None])
    return factors, tables, (products == tables[:, :255]).all(axis=1)


def normalise(frames: Frames, exposure: NDArray[np.float64]) -> FrameSource:
    """Bring all frames to one brightness, band by band as they are read.

    Where all exposures are 1 the frames come as they are, without a copy.

    Args:
        frames: The sequence.
        exposure: ``(N,)``, or ``(N, 3)``, from `estimate_exposure`.

    Raises:
        RainbenchError: There is not one positive exposure for each frame, or for each channel.

    Example:
        >>> frames = np.full((2, 1, 1, 3), 100, np.uint8)
        >>> normalise(frames, np.array([0.5, 1.0])).band(0, 1)[:, 0, 0, 0].tolist()
        [200, 100]
    """
    source = as_source(frames)
    exposure = np.asarray(exposure, np.float64)
    count = source.shape[0]
    if exposure.shape not in ((count,), (count, 3)) or not (exposure > 0).all():
        raise RainbenchError(
            f"exposure of shape {exposure.shape}, not all positive, or not for {count} frames",
            hint="Give one positive exposure for each frame, or three, as estimate_exposure does.",
        )
    return source if (exposure == 1).all() else NormalisedSource(source, exposure)
