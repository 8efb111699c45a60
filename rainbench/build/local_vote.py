"""A vote in every part of the picture: the percentile that is clean here, not on average.

Rain is denser before a near wall than before the far sky. Pixels vote as in
`rainbench.build.voting`, but in blocks; neighbouring blocks' curves are blended, and between block
centres the percentile is interpolated, so that no block shows in the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.build.sorting_network import sorting_network
from rainbench.build.sources import FrameSource
from rainbench.build.tiles import contiguous_bytes, over_bands, tile_block, tile_width
from rainbench.build.voting import Votes, vote_limits

BLOCK = 16
"""Side of a block in pixels."""

BLOCKS_BLENDED = 2.0
"""Standard deviation, in blocks, over which curves are blended across the picture."""

PERCENTILES_BLENDED = 1.0
"""Standard deviation, in percentiles, over which a curve is smoothed."""


def local_curves(
    votes: Votes, frames: int, hidden: NDArray[np.uint16] | None = None
) -> NDArray[np.int64]:
    """Count the votes of each block.

    A pixel whose mode is its very largest value, but not its only one, does not vote: it is rather
    clipped than dry most of the time. Nor does one before which something passes.

    Args:
        votes: A count that kept its ranges.
        frames: Number of frames, N.
        hidden: ``(H, W, 3)``, from `rainbench.build.foreground.count_hidden`.

    Returns:
        ``(block rows, block columns, 101)`` int64.

    Example:
        >>> from rainbench.build.sources import as_source
        >>> from rainbench.build.voting import count_votes
        >>> still = as_source(np.full((20, 20, 40, 3), 90, np.uint8))
        >>> local_curves(count_votes(still, keep_ranges=True), 20)[..., 50].tolist()
        [[256, 256, 128], [64, 64, 32]]
    """
    if votes.ranges is None:
        raise ValueError("the votes were counted without keep_ranges")
    low, high = vote_limits(frames)
    begin, end = low[votes.ranges[0]].astype(np.int64), high[votes.ranges[1]].astype(np.int64)
    height, width = begin.shape
    across = -(-width // BLOCK)
    block = np.arange(height)[:, None] // BLOCK * across + np.arange(width) // BLOCK
    at_the_top = (votes.ranges[0] > 0) & (votes.ranges[1] == frames - 1)
    voting = (begin <= end) & ~at_the_top
    if hidden is not None:
        voting &= ~hidden.any(axis=-1)
    size = -(-height // BLOCK) * across * 102
    changes = np.bincount((block * 102 + begin)[voting], minlength=size)
    changes -= np.bincount((block * 102 + end + 1)[voting], minlength=size)
    curves = np.cumsum(changes.reshape(-1, across, 102), axis=-1)
    return curves[..., :101]


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
    from scipy.ndimage import gaussian_filter, map_coordinates

    spread = (BLOCKS_BLENDED, BLOCKS_BLENDED, PERCENTILES_BLENDED)
    blended = gaussian_filter(curves.astype(np.float64), spread, mode="nearest")
    # Where nobody votes far and wide, as before a bus, the whole picture does.
    blended = np.where(blended.any(axis=-1, keepdims=True), blended, curves.mean(axis=(0, 1)))
    top = blended.max(axis=-1, keepdims=True)
    best = blended >= top * (1 - 1e-9)
    place = np.arange(101)
    chosen = (best * place).sum(axis=-1) / best.sum(axis=-1)
    rows = (np.arange(height) + 0.5) / BLOCK - 0.5
    columns = (np.arange(width) + 0.5) / BLOCK - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    between: NDArray[np.float32] = map_coordinates(chosen, grid, order=1, mode="nearest")
    return between.astype(np.float32)


def select_local_percentile(
    source: FrameSource,
    percentiles: NDArray[np.float32],
    hidden: NDArray[np.uint16] | None = None,
    *,
    threads: int = 1,
    band_rows: int | None = None,
) -> NDArray[np.float32]:
    """Return each pixel's own percentile over time, channel by channel.

    Args:
        source: The sequence.
        percentiles: ``(H, W)`` float32, 0 to 100.
        hidden: ``(H, W, 3)``, how many of the darkest samples of each channel to leave out.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Returns:
        ``(H, W, 3)`` float32, in levels, between two frames by linear interpolation.

    Example:
        >>> from rainbench.build.sources import as_source
        >>> ramp = as_source(np.arange(18, dtype=np.uint8).reshape(3, 1, 2, 3) // 6)
        >>> select_local_percentile(ramp, np.array([[50, 75]], np.float32))[0, :, 0].tolist()
        [1.0, 1.5]
    """
    from rainbench.build import kernels

    count, height, width, channels = source.shape
    darkest = np.zeros((1, 1, channels)) if hidden is None else hidden.astype(np.float64)
    places = percentiles.astype(np.float64)[..., None] / 100 * (count - 1 - darkest) + darkest
    ranks = places.astype(np.float32).ravel()
    lanes = tile_width(count)
    out = np.empty(height * width * channels, np.float32)

    def select(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        own = ranks[channels * top * width : channels * bottom * width]
        lowest, highest = int(own.min()), min(int(own.max()) + 1, count - 1)
        network = sorting_network(count, tuple(range(lowest, highest + 1)))
        kernels.select_own_ranks(
            samples, 3 * start, 3 * stop, network, own, tile_block(count, lanes), lanes,
            out[3 * top * width : 3 * bottom * width],
        )  # fmt: skip

    over_bands(source, select, threads, band_rows)
    return out.reshape(height, width, channels)
