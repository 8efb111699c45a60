"""Walkers, cyclists, cars: what passes in front of the scene and hides it in some of the frames.

Rain only brightens, so a percentile below the median is clean. A person in dark clothes is darker
than the scene: where one stands for a third of the frames, that percentile shows the person. What
tells people from the dry moments of dense rain:

- What is seen longest, within the noise, is brighter than they are: that is the scene. Where
  nothing is seen for half of the frames, the scene around it counts too.
- They come once and go, so the frames that show them follow one another. Rain falls in other
  places in every frame.

What is brighter than the scene counts as rain, which percentile and inlier mean leave out. What
hides the scene for most of the time can be told from it only by what surrounds it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled
from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.sources import FrameSource

REACH = 3.0
"""Standard deviations of the noise around a value within which samples count as that value: all but
0.3 % of them."""

NARROWEST = 3
"""Levels that count as one value at least, however little noise there is; chosen."""

SURE = 0.5
"""What is seen in at least this share of the frames is the scene, whatever surrounds it: nothing
else can be seen longer."""

SURROUNDINGS = 6.0
"""Standard deviation, in pixels, of the surroundings that count where nothing is sure; chosen."""

FARTHEST = 3.0
"""How far a value may lie from its surroundings, in their own spread, to count as quite unlike
them: it must then be seen ``e`` times as long as one that is just like them."""

FEWEST_ROWS = 4
"""Height in rows of what is sure to be found: one row in so many is searched before all are."""

GAP = 5
"""Side in pixels of the surroundings of a pixel that `fill_gaps` looks at; chosen."""

_LEAST_WEIGHT = 1e-5
"""Weight of all sure pixels around one, below which there are none near enough to count."""

FEWER_VISITS = 2.0
"""Standard deviations by which visits must be fewer than those of as many random frames: chance
alone does that once in 44 times."""


def count_hidden(
    source: FrameSource,
    noise: float,
    *,
    clipped: bool = False,
    threads: int = 1,
    band_rows: int | None = None,
) -> NDArray[np.uint16]:
    """Count the frames in which something darker than the scene stands in front of each pixel.

    Channels are looked at one by one: somebody may be as bright as the scene, but not as red.

    Args:
        source: The sequence in steady light, its frames in the order in which they were filmed.
        noise: Standard deviation of the noise of one channel, in levels.
        clipped: 255 says no more than "at least": the light was corrected.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Returns:
        ``(H, W, 3)`` uint16; these are its darkest samples. 0 where nothing passes.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> video = np.full((20, 4, 6, 3), 120, np.uint8)
        >>> video[::3, 0] += 60  # rain
        >>> video[5:12, :, 2] = 30  # somebody stands here for a while
        >>> count_hidden(as_source(video), noise=1.0)[1, :, 0].tolist()
        [0, 0, 7, 0, 0, 0]
    """
    count, height, width, channels = source.shape
    across = width * channels
    window = max(NARROWEST, int(np.ceil(2 * REACH * noise)))
    scene = np.zeros(height * across, np.int16)
    seen = np.zeros(height * across, np.uint16)
    hidden = np.zeros(height * across, np.uint16)
    usual = np.full(height * across, np.nan, np.float32)
    spread = np.ones(height * across, np.float32)

    def find(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        part = np.s_[top * across : bottom * across]
        _find_scene(
            samples, 3 * start, 3 * stop, window, clipped,
            usual[part], spread[part], scene[part], seen[part],
        )  # fmt: skip

    def count_dark(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        part = np.s_[top * across : bottom * across]
        _count_dark(samples, 3 * start, 3 * stop, window, scene[part], hidden[part])

    def seen_in(row: int) -> bool:
        find(row, row + 1)
        count_dark(row, row + 1)
        return bool(hidden[row * across : (row + 1) * across].any())

    if not any(seen_in(row) for row in range(0, height, FEWEST_ROWS)):
        return hidden.reshape(height, width, channels)
    over_bands(source, find, threads, band_rows)
    sure = (seen >= SURE * count).reshape(height, width, channels)
    if not sure.all():
        around, deviations = (x.reshape(height, width, channels) for x in (usual, spread))
        for channel in range(channels):  # one by one, for the memory that blurring takes
            one = np.s_[..., channel]
            values = scene.reshape(height, width, channels)[one]
            around[one], deviations[one] = _surroundings(values, sure[one])
        np.maximum(spread, window / 2, out=spread)
        spread *= FARTHEST
        usual[sure.ravel()] = np.nan
        over_bands(source, find, threads, band_rows)
    hidden[:] = 0
    over_bands(source, count_dark, threads, band_rows)
    return hidden.reshape(height, width, channels)


def fill_gaps(hidden: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Take a pixel amid hidden ones for as hidden as they are: one that was hidden for too long.

    Args:
        hidden: ``(H, W, 3)``, from `count_hidden`.

    Example:
        >>> hidden = np.full((5, 5, 3), 7, np.uint16)
        >>> hidden[2, 2] = 0
        >>> int(fill_gaps(hidden).min())
        7
    """
    from scipy.ndimage import median_filter

    around = median_filter(hidden, (GAP, GAP, 1), mode="nearest")
    return np.where(hidden == 0, around, hidden)


def _surroundings(
    scene: NDArray[np.int16], sure: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the mean deviation of the sure values around each pixel of a channel.

    Both are ``(H, W)``, and NaN where none is near.
    """
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(sure.astype(np.float32), SURROUNDINGS, mode="nearest")

    def average(values: NDArray[np.float32]) -> NDArray[np.float32]:
        weighted = gaussian_filter(
            np.where(sure, values, np.float32(0)), SURROUNDINGS, mode="nearest"
        )
        mean: NDArray[np.float32] = np.full(scene.shape, np.nan, np.float32)
        np.divide(weighted, weight, out=mean, where=weight > _LEAST_WEIGHT)
        return mean

    mean = average(scene.astype(np.float32))
    return mean, average(np.abs(scene - mean))


@compiled
def _find_scene(
    samples: NDArray[np.uint8],
    start: int,
    stop: int,
    window: int,
    clipped: bool,
    usual: NDArray[np.float32],
    spread: NDArray[np.float32],
    scene: NDArray[np.int16],
    seen: NDArray[np.uint16],
) -> None:
    """Find the value that each byte shows in most frames: the lowest of ``window`` levels.

    Where ``usual`` is a number, the logarithm of the frames counts less by up to one, in proportion
    to the distance from it in units of ``spread``.
    """
    counts = np.zeros(256 + window, np.int64)
    for byte in range(start, stop):
        lowest, highest = 255, 0
        for n in range(samples.shape[0]):
            level = int(samples[n, byte])
            counts[level] += 1
            lowest, highest = min(lowest, level), max(highest, level)
        if clipped:
            counts[255] = 0
        inside = 0
        for level in range(lowest, lowest + window):
            inside += counts[level]
        place = byte - start
        most, best = 0, np.float32(-1e9)
        for level in range(lowest, highest + 1):
            if counts[level]:
                if np.isnan(usual[place]):
                    score = np.float32(inside)
                else:
                    far = abs(np.float32(level) - usual[place]) / spread[place]
                    score = np.log(np.float32(inside)) - min(far, np.float32(1))
                if score > best:
                    best, most = score, inside
                    scene[place] = level
            inside += counts[level + window] - counts[level]
        seen[place] = most
        for n in range(samples.shape[0]):
            counts[samples[n, byte]] = 0


@compiled
def _count_dark(
    samples: NDArray[np.uint8],
    start: int,
    stop: int,
    window: int,
    scene: NDArray[np.int16],
    hidden: NDArray[np.uint16],
) -> None:
    """Count the samples far below the scene, where they follow one another."""
    frames = samples.shape[0]
    for byte in range(start, stop):
        darkest = scene[byte - start] - window // 2
        dark, visits, before = 0, 0, False
        for n in range(frames):
            now = samples[n, byte] < darkest
            dark += now
            visits += now and not before
            before = now
        if dark > 1 and _few_visits(visits, dark, frames):
            hidden[byte - start] = dark


@compiled
def _few_visits(visits: int, dark: int, frames: int) -> bool:
    """Say whether so many dark frames would form more runs if they came in random order.

    Mean and variance are those of the number of runs of one of two kinds (Wald and Wolfowitz 1940).
    """
    light = frames - dark
    expected = dark * (light + 1) / frames
    variance = expected * (dark - 1) * light / (frames * max(1, frames - 1))
    return bool(expected - visits >= FEWER_VISITS * np.sqrt(variance))
