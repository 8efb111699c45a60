"""Light that drifts: the brightness of every frame, and frames brought to one brightness.

A vote over time takes the darkest frames for the clean ones when a cloud passes. Correct the light
first when it drifts by more than about 3 %; `extract_clean_frame` does so for ``robust`` by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.frames.sources import Frames, FrameSource, as_source, read_band, rows_within

SAMPLED_ROWS, SAMPLED_COLUMNS = 48, 192
"""The grid of pixels that is looked at. Whole rows are read anyway, so there are more columns."""

_DARK, _BRIGHT = 24, 235
"""Levels between which a pixel is used: noise dominates below, and samples are clipped above."""

_REFERENCE = 35
"""Percentile over time that is the reference: below the median, as rain only brightens."""

_FEWEST = 100
"""Usable pixels below which the light counts as steady, since it cannot be measured; chosen."""

_STEP, _REACH = 5e-4, 1.0
"""Bins and half range of the histogram of log ratios: exposures from 0.37 to 2.7 are found."""

_NARROWEST, _WIDEST = 2e-3, 2e-2
"""Bounds of the smoothing of that histogram, which follows the spread of the ratios."""

CLIPS_ABOVE = 1.01
"""Exposure from which 255 in a frame is taken for a clipped sample, whose true level is higher."""

STEADY = 5e-4
"""Relative standard deviation below which the light counts as steady, so that all exposures are 1.
They are 1 as well where the upper and the lower half of the picture disagree by half of their
spread."""


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
        flicker moves only a little. Exactly 1 where the light is steady. Divide frame n by
        ``exposure[n]``.

    Example:
        >>> scene = np.random.default_rng(0).integers(40, 160, (1, 48, 64, 3))
        >>> light = np.linspace(0.9, 1.1, 21)
        >>> video = (scene * light[:, None, None, None]).round().astype(np.uint8)
        >>> bool(np.abs(estimate_exposure(video) - light).max() < 2e-3)
        True
    """
    samples = sample_grid(as_source(frames))
    half = (len(samples) - 1) // 2
    middle = np.partition(samples, half, axis=0)[half]
    usable = (middle.min(axis=-1) > _DARK) & (middle.max(axis=-1) < _BRIGHT)
    brightness = samples[:, usable].sum(axis=-1, dtype=np.float32)
    exposure = np.ones(len(brightness))
    if brightness.shape[1] < _FEWEST:
        return exposure
    middle_row = brightness.shape[1] // 2
    for _ in range(rounds):
        corrected = brightness / exposure[:, None].astype(np.float32)
        reference = np.percentile(corrected, _REFERENCE, axis=0).astype(np.float32)
        halves = [
            _most_frequent_ratios(brightness[:, part], reference[part])
            for part in (np.s_[:middle_row], np.s_[middle_row:])
        ]
        first, second = (half / _usual(half) for half in halves)
        exposure = (first + second) / 2
        exposure /= _usual(exposure)
    doubt = float((first - second).std()) / 2
    return exposure if exposure.std() > max(STEADY, 2 * doubt) else np.ones(len(exposure))


def _usual(exposure: NDArray[np.float64]) -> float:
    """Return the mean of the middle half."""
    ordered = np.sort(exposure)
    quarter = len(ordered) // 4
    return float(ordered[quarter : len(ordered) - quarter].mean())


def sample_grid(source: FrameSource) -> NDArray[np.uint8]:
    """Read a regular grid of pixels of all frames, ``(N, pixels, 3)``."""
    _, height, width, _ = source.shape
    rows = np.unique(np.linspace(0, height - 1, min(height, SAMPLED_ROWS)).astype(int))
    columns = np.unique(np.linspace(0, width - 1, min(width, SAMPLED_COLUMNS)).astype(int))
    picked = [read_band(source, row, row + 1)[:, 0, columns] for row in rows.tolist()]
    return np.concatenate(picked, axis=1)


def _most_frequent_ratios(
    values: NDArray[np.float32], reference: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mode of each row of ``values / reference``: the peak of a histogram of its log."""
    from scipy.ndimage import gaussian_filter1d

    ratios = np.log(np.maximum(values, 1) / reference)
    frames, pixels = ratios.shape
    bins = round(2 * _REACH / _STEP)
    place = ((ratios + np.float32(_REACH)) * np.float32(1 / _STEP)).astype(np.int64)
    # One bin before and one behind take what lies farther off.
    place = np.clip(place, -1, bins) + 1 + np.arange(frames)[:, None] * (bins + 2)
    weights = np.broadcast_to(reference, ratios.shape)
    counts = np.bincount(place.ravel(), weights.ravel(), frames * (bins + 2))
    counts = counts.reshape(frames, bins + 2)[:, 1:-1]
    middle, quarter = pixels // 2, pixels // 4
    ordered = np.partition(ratios, (quarter, middle), axis=1)
    spread = np.clip(ordered[:, middle] - ordered[:, quarter], _NARROWEST, _WIDEST)
    modes = np.empty(frames)
    for n in range(frames):
        smooth = gaussian_filter1d(counts[n], spread[n] / _STEP, mode="constant")
        peak = int(np.clip(smooth.argmax(), 1, smooth.size - 2))
        left, top, right = smooth[peak - 1 : peak + 2]
        bend = left - 2 * top + right
        offset = (left - right) / (2 * bend) if bend else 0.0
        modes[n] = np.exp((peak + 0.5 + offset) * _STEP - _REACH)
    return modes


@dataclass(frozen=True, slots=True)
class NormalisedSource:
    """A sequence with its light corrected: frame n divided by ``exposure[n]``, rounded to 8 bits.

    Clipped samples of frames that are too bright stay 255: a vote then takes them for rain, not
    for a darker scene.
    """

    source: FrameSource
    exposure: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        return self.source.shape

    @property
    def band_rows(self) -> int:
        """Rows worth reading at a time: each band is computed on reading, so not all at once."""
        return min(self.source.band_rows, rows_within(self.shape, 32 << 20))

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the corrected rows ``top`` to ``bottom`` of every frame."""
        import cv2

        band = self.source.band(top, bottom)
        corrected = np.empty(band.shape, np.uint8)
        for frame, level, out in zip(band, self.exposure, corrected, strict=True):
            table = np.clip(np.rint(np.arange(256) / level), 0, 255).astype(np.uint8)
            if level > CLIPS_ABOVE:
                table[255] = 255
            cv2.LUT(frame, table, dst=out)
        return corrected


def normalise(frames: Frames, exposure: NDArray[np.float64]) -> FrameSource:
    """Bring all frames to one brightness, band by band as they are read.

    Where all exposures are 1 the frames come as they are, without a copy.

    Args:
        frames: The sequence.
        exposure: ``(N,)``, from `estimate_exposure`.

    Raises:
        RainbenchError: There is not one positive exposure for each frame.

    Example:
        >>> frames = np.full((2, 1, 1, 3), 100, np.uint8)
        >>> normalise(frames, np.array([0.5, 1.0])).band(0, 1)[:, 0, 0, 0].tolist()
        [200, 100]
    """
    source = as_source(frames)
    exposure = np.asarray(exposure, np.float64)
    if exposure.shape != (source.shape[0],) or not (exposure > 0).all():
        raise RainbenchError(
            f"exposure of shape {exposure.shape}, not all positive, or not for "
            f"{source.shape[0]} frames",
            hint="Give one positive exposure for each frame, as estimate_exposure does.",
        )
    return source if (exposure == 1).all() else NormalisedSource(source, exposure)
