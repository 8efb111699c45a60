"""A sequence cut into stretches, and what each pixel usually shows in each of them.

Rain falls on other places in every frame, so that each stretch of ten frames or so shows the scene.
Where the stretches show different colours, more than rain is seen: somebody stands there for a
while, a lamp flickers, leaves sway.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.sorting_network import sorting_network
from rainbench.frames.bands import contiguous_bytes, over_bands, tile_block, tile_width
from rainbench.frames.maps import picture_map, strips
from rainbench.frames.sources import FrameSource

STRETCH = 10
"""Frames of a stretch, where there are enough: so many that rain seldom covers all of them."""

FEWEST_STRETCHES, MOST_STRETCHES = 5, 12
"""Stretches of a sequence; more would only cost time."""

APART = 4.0
"""Standard deviations of the stretches' own noise by which two of them must differ."""

MOST_BRIGHT = 0.25
"""Share of the frames that may be brighter than the scene without more ado: no percentile that is
voted for lies so high."""

CODED_SPREAD = 1.75
"""How much wider than is usual in the picture the errors of a codec swing: they differ from place
to place and last for many frames, as swings do, and stay for a stretch. So many times farther two
stretches must differ where a codec made the frames. Chosen between still scenes and what sways or
stands, at CRF 17 to 28."""

SPECK, LARGEST_SPECK = 5, 3
"""Side in pixels of the surroundings in which there must be so many pixels that change; chosen."""

WHITE = 255
"""A level that says no more than "at least", where the light was corrected."""

WHOLE = 192
"""Bytes that are whole pixels, and whole cache lines."""

_NARROWEST = 3
"""Levels within which two stretches always show the same; chosen."""

_LOOKED_AT = 6000
"""Pixels on which stretches are compared where not all need be asked."""

_MEAN_TO_DEVIATION = 1.2533
"""Standard deviation of a normal distribution over the mean of its absolute deviations."""


def stretches(frames: int) -> list[slice]:
    """Cut a sequence into stretches of frames that follow one another.

    Example:
        >>> [part.stop for part in stretches(20)]
        [4, 8, 12, 16, 20]
    """
    number = min(max(round(frames / STRETCH), FEWEST_STRETCHES), MOST_STRETCHES, frames)
    ends = [round(k * frames / number) for k in range(number + 1)]
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def usual_colours(
    source: FrameSource,
    percentiles: NDArray[np.float32],
    *,
    threads: int = 1,
    band_rows: int | None = None,
) -> NDArray[np.uint8]:
    """Return each pixel's own percentile over each stretch, channel by channel.

    Args:
        source: The sequence in steady light.
        percentiles: ``(H, W)`` float32, 0 to 100.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Returns:
        ``(K, H, W, 3)`` uint8.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> video = np.repeat(np.arange(30, dtype=np.uint8), 3).reshape(30, 1, 1, 3)
        >>> middle = np.full((1, 1), 50, np.float32)
        >>> usual_colours(as_source(video), middle)[:, 0, 0, 0].tolist()
        [3, 9, 15, 21, 27]
    """
    return _select(source, percentiles, None, threads, band_rows)[0]


def usual_and_own(
    source: FrameSource,
    percentiles: NDArray[np.float32],
    between: tuple[float, float],
    *,
    threads: int = 1,
    band_rows: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return what `usual_colours` does, each pixel's percentile over all frames, and a spread.

    Args:
        source: The sequence in steady light.
        percentiles: ``(H, W)`` float32, 0 to 100.
        between: Two percentiles, the lower one first, of which is told how far they lie apart.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Returns:
        ``(K, H, W, 3)`` uint8, ``(H, W, 3)`` float32, and ``(H, W)`` float32, the mean of the
        channels; in levels, between two frames by linear interpolation.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> video = np.repeat(np.arange(30, dtype=np.uint8), 3).reshape(30, 1, 1, 3)
        >>> middle = np.full((1, 1), 50, np.float32)
        >>> _, own, spread = usual_and_own(as_source(video), middle, (25, 75))
        >>> own.ravel().tolist(), spread.tolist()
        ([14.5, 14.5, 14.5], [[14.5]])
    """
    return _select(source, percentiles, between, threads, band_rows)


def _select(
    source: FrameSource,
    percentiles: NDArray[np.float32],
    between: tuple[float, float] | None,
    threads: int,
    band_rows: int | None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    from rainbench.clean_frame import vote_kernels as kernels

    count, height, width, channels = source.shape
    ends = np.array([0, *(part.stop for part in stretches(count))])
    shortest = int(np.diff(ends).min())
    networks = sorting_network(shortest), sorting_network(shortest + 1)
    lanes = tile_width(count) // WHOLE * WHOLE
    usual = picture_map((len(ends) - 1, height * width * channels), np.uint8)
    own = picture_map((usual.shape[1] if between else 0,), np.float32)
    spread = picture_map((own.size // channels,), np.float32)
    low, high = (share / 100 * (count - 1) for share in between or (0, 0))

    def select(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        shares = np.repeat(percentiles[top:bottom].ravel() / np.float32(100), channels)
        ranks = int(shares.min() * (count - 1)), int(shares.max() * (count - 1)) + 1
        wanted = {*range(ranks[0], ranks[1] + 1), int(low), int(low) + 1, int(high), int(high) + 1}
        rows = np.s_[width * top : width * bottom]
        part = np.s_[channels * rows.start : channels * rows.stop]
        shown = np.empty((len(usual), shares.size), np.uint8)
        kernels.select_usual_and_own(
            samples, channels * start, channels * stop, ends, networks,
            sorting_network(count, tuple(sorted(k for k in wanted if k < count))), shares,
            ranks[0], min(ranks[1], count - 1), low, high, tile_block(count, lanes), lanes,
            shown, own[part], spread[rows],
        )  # fmt: skip
        usual[:, part] = shown

    over_bands(source, select, threads, band_rows)
    shape = (height, width, channels)
    return (
        usual.reshape(-1, *shape),
        own.reshape(shape if between else (0,)),
        spread.reshape(shape[:2] if between else (0,)),
    )


def find_changing(
    usual: NDArray[np.uint8], frames: int, *, clipped: bool = False, coded: bool = False
) -> NDArray[np.bool_]:
    """Return where the stretches show more than one colour and some rain, ``(H, W)``.

    Args:
        usual: ``(K, H, W, 3)``, from `usual_colours`.
        frames: Number of frames.
        clipped: 255 says no more than "at least": the light was corrected.
        coded: The frames come from a video codec.

    Example:
        >>> usual = np.full((5, 2, 6, 3), 90, np.uint8)
        >>> usual[0, :, :2] = 200  # rain, or something bright for a fifth of the time
        >>> usual[0, :, 4:] = 90, 60, 90  # of another colour
        >>> find_changing(usual, 50)[0].astype(int).tolist()
        [0, 0, 0, 0, 1, 1]
    """
    from rainbench.clean_frame.scene import mode_kernels

    number, height, width, _ = usual.shape
    changing = np.zeros(height * width, np.bool_)
    if number < FEWEST_STRETCHES:
        return changing.reshape(height, width)
    lengths = [part.stop - part.start for part in stretches(frames)]
    weights = (np.array(lengths) / frames).astype(np.float32)
    white = WHITE if clipped else WHITE + 1
    changing = changing.reshape(height, width)
    tolerance = _tolerance(usual, APART * (CODED_SPREAD if coded else 1))
    for strip in strips((height, width)):
        mode_kernels.find_changing(
            np.ascontiguousarray(usual[:, strip.rows]).reshape(number, -1, 3),
            tolerance,
            MOST_BRIGHT,
            weights,
            white,
            changing[strip.rows].reshape(-1),
        )
    return _without_specks(changing)


def _without_specks(changing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out what is no larger than chance makes it, which the vote deals with."""
    import cv2

    if not changing.any():
        return changing
    around = cv2.boxFilter(
        changing.view(np.uint8), cv2.CV_8U, (SPECK, SPECK), normalize=False,
        borderType=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    return np.asarray(changing & (np.asarray(around) >= LARGEST_SPECK))


def some_pixels(usual: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what the stretches show at some thousand pixels, spread over the picture.

    Example:
        >>> some_pixels(np.zeros((5, 720, 1280, 3), np.uint8)).shape
        (5, 60, 107, 3)
    """
    step = max(1, int((usual[0].size / 3 / _LOOKED_AT) ** 0.5))
    return usual[:, ::step, ::step]


def _tolerance(usual: NDArray[np.uint8], apart: float) -> int:
    """Return how far the colours of two stretches lie apart by their noise alone, in levels."""
    few = some_pixels(usual).astype(np.float32)
    away = np.abs(few - np.median(few, axis=0)).mean(axis=(0, 3))
    return max(_NARROWEST, int(np.ceil(apart * _MEAN_TO_DEVIATION * float(np.median(away)))))
