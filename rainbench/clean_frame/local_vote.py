"""A vote in every part of the picture: the percentile that is clean here, not on average.

Rain is denser before a near wall than before the far sky. Pixels vote as in
`rainbench.clean_frame.voting`, but in blocks; neighbouring blocks' curves are blended, and
between block centres the percentile is interpolated, so that no block shows in the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.sorting_network import sorting_network
from rainbench.clean_frame.voting import Votes, vote_limits
from rainbench.frames.bands import contiguous_bytes, over_bands, tile_block, tile_width
from rainbench.frames.maps import let_go, picture_map
from rainbench.frames.sources import FrameSource, bands

BLOCK = 16
"""Side of a block in pixels: with 16, local votes come 0.2 dB closer to the truth than global."""

BLOCKS_BLENDED = 2.0
"""Standard deviation, in blocks, over which curves are blended across the picture; chosen."""

PERCENTILES_BLENDED = 1.0
"""Standard deviation, in percentiles, over which a curve is smoothed; chosen."""


def local_curves(
    votes: Votes, frames: int, changing: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Count the votes of each block.

    A pixel whose mode is its very largest value, but not its only one, does not vote: it is more
    likely clipped than dry most of the time. Nor does one at which more than rain is seen.

    Args:
        votes: A count that kept its ranges.
        frames: Number of frames, N.
        changing: ``(H, W)``, from `rainbench.clean_frame.stretches.find_changing`.

    Returns:
        ``(block rows, block columns, 101)`` int64.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> from rainbench.clean_frame.voting import count_votes
        >>> still = as_source(np.full((20, 20, 40, 3), 90, np.uint8))
        >>> local_curves(count_votes(still, keep_ranges=True), 20)[..., 50].tolist()
        [[256, 256, 128], [64, 64, 32]]
    """
    if votes.ranges is None:
        raise ValueError("the votes were counted without keep_ranges")
    low, high = vote_limits(frames)
    _, height, width = votes.ranges.shape
    block = np.arange(width) // BLOCK
    size = -(-width // BLOCK) * 102
    curves = []
    for top, bottom in bands(height, BLOCK):
        first, last = votes.ranges[:, top:bottom]
        begin, end = low[first].astype(np.int64), high[last].astype(np.int64)
        at_the_top = (first > 0) & (last == frames - 1)
        voting = (begin <= end) & ~at_the_top
        if changing is not None:
            voting &= ~changing[top:bottom]
        changes = np.bincount((block * 102 + begin)[voting], minlength=size)
        changes -= np.bincount((block * 102 + end + 1)[voting], minlength=size)
        curves.append(np.cumsum(changes.reshape(-1, 102), axis=-1)[:, :101])
    return np.stack(curves)


def percentile_map(curves: NDArray[np.int64], height: int, width: int) -> NDArray[np.float32]:
    """Choose a percentile for every pixel from the curves of the blocks around it.

    Args:
        curves: ``(block rows, block columns, 101)``, from `local_curves`.
        height: H, in pixels.
        width: W, in pixels.

    Returns:
        ``(H, W)`` float32, 0 to 100.

    Example:
        >>> curves = np.zeros((2, 3, 101), np.int64)
        >>> curves[..., 20:41] = 9
        >>> np.unique(percentile_map(curves, 20, 40)).tolist()
        [30.0]
    """
    from scipy.ndimage import gaussian_filter

    spread = (BLOCKS_BLENDED, BLOCKS_BLENDED, PERCENTILES_BLENDED)
    blended = gaussian_filter(curves.astype(np.float64), spread, mode="nearest")
    # Where no pixel near by votes, as behind a parked bus, the whole picture does.
    blended = np.where(blended.any(axis=-1, keepdims=True), blended, curves.mean(axis=(0, 1)))
    top = blended.max(axis=-1, keepdims=True)
    best = blended >= top * (1 - 1e-9)
    place = np.arange(101)
    chosen = (best * place).sum(axis=-1) / best.sum(axis=-1)
    return between_blocks(chosen, height, width)


def between_blocks(
    values: NDArray[np.float64], height: int, width: int, side: int = BLOCK
) -> NDArray[np.float32]:
    """Interpolate from values at the centres of blocks to all pixels, linearly.

    Args:
        values: ``(block rows, block columns)``.
        height: H, in pixels.
        width: W, in pixels.
        side: Of a block, in pixels.

    Returns:
        ``(H, W)`` float32.

    Example:
        >>> between_blocks(np.array([[0.0, 4.0]]), 1, 8, side=4).tolist()
        [[0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0]]
    """

    def along(size: int, blocks: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        place = np.clip((np.arange(size) + 0.5) / side - 0.5, 0, blocks - 1)
        first = np.minimum(place.astype(np.int64), max(0, blocks - 2))
        return first, place - first

    (row, down), (column, right) = along(height, len(values)), along(width, values.shape[1])
    next_row, next_column = (
        np.minimum(row + 1, len(values) - 1),
        np.minimum(column + 1, values.shape[1] - 1),
    )
    rows = values[row] * (1 - down)[:, None] + values[next_row] * down[:, None]
    out: NDArray[np.float32] = picture_map((height, width), np.float32)
    for line, each in zip(out, rows, strict=True):
        line[:] = each[column] * (1 - right) + each[next_column] * right
    let_go()
    return out


def select_local_percentile(
    source: FrameSource,
    percentiles: NDArray[np.float32],
    *,
    where: NDArray[np.bool_] | None = None,
    into: NDArray[np.float32] | None = None,
    threads: int = 1,
    band_rows: int | None = None,
) -> NDArray[np.float32]:
    """Return each pixel's own percentile over time, channel by channel.

    Args:
        source: The sequence.
        percentiles: ``(H, W)`` float32, 0 to 100.
        where: ``(H, W)`` bool, where it is wanted: elsewhere it is 0.
        into: ``(H, W, 3)``, receives it where it is wanted; a new map when ``None``.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Returns:
        ``(H, W, 3)`` float32, in levels, between two frames by linear interpolation.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> ramp = as_source(np.arange(18, dtype=np.uint8).reshape(3, 1, 2, 3) // 6)
        >>> select_local_percentile(ramp, np.array([[50, 75]], np.float32))[0, :, 0].tolist()
        [1.0, 1.5]
    """
    from rainbench.clean_frame import vote_kernels as kernels

    count, height, width, channels = source.shape
    lanes = tile_width(count)
    shape = height, width, channels
    found: NDArray[np.float32] = picture_map(shape, np.float32) if into is None else into
    out = found.reshape(-1, channels)

    def select(top: int, bottom: int) -> None:
        at = slice(top * width, bottom * width)
        wanted = None if where is None else np.flatnonzero(where[top:bottom])
        here = percentiles[top:bottom].ravel()
        own = _ranks(here if wanted is None else here[wanted], count)
        if not own.size:
            return
        samples, start, stop = contiguous_bytes(source, top, bottom)
        if wanted is not None:
            places = 3 * (start + wanted)[:, None] + np.arange(channels)
            samples, start, stop = samples.take(places.ravel(), axis=1), 0, own.size // channels
        chosen = np.empty(own.size, np.float32)
        kernels.select_own_ranks(
            samples, 3 * start, 3 * stop, _network(count, own), own, *_bounds(own, count),
            tile_block(count, lanes), lanes, chosen,
        )  # fmt: skip
        out[at][slice(None) if wanted is None else wanted] = chosen.reshape(-1, channels)

    over_bands(source, select, threads, band_rows)
    return found


def _ranks(percentiles: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the ranks of three channels for each pixel's percentile."""
    shares = percentiles.ravel().astype(np.float64) / 100
    return np.repeat((shares * (count - 1)).astype(np.float32), 3)


def _bounds(ranks: NDArray[np.float32], count: int) -> tuple[int, int]:
    """Return the rows between which all ranks lie."""
    return int(ranks.min()), min(int(ranks.max()) + 1, count - 1)


def _network(count: int, ranks: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the network that puts right what is between the least and the largest rank."""
    lowest, highest = _bounds(ranks, count)
    return sorting_network(count, tuple(range(lowest, highest + 1)))
