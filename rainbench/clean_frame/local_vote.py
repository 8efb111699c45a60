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
    from scipy.ndimage import map_coordinates

    columns = (np.arange(width) + 0.5) / side - 0.5
    out = np.empty((height, width), np.float32)
    for top, bottom in bands(height, side):  # The coordinates of all pixels fill six pictures.
        rows = (np.arange(top, bottom) + 0.5) / side - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        out[top:bottom] = map_coordinates(values, grid, order=1, mode="nearest")
    return out


def select_local_percentile(
    source: FrameSource,
    percentiles: NDArray[np.float32],
    *,
    threads: int = 1,
    band_rows: int | None = None,
) -> NDArray[np.float32]:
    """Return each pixel's own percentile over time, channel by channel.

    Args:
        source: The sequence.
        percentiles: ``(H, W)`` float32, 0 to 100.
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
    out = np.empty(height * width * channels, np.float32)

    def select(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        shares = np.repeat(percentiles[top:bottom].ravel().astype(np.float64) / 100, channels)
        own = (shares * (count - 1)).astype(np.float32)
        lowest, highest = int(own.min()), min(int(own.max()) + 1, count - 1)
        network = sorting_network(count, tuple(range(lowest, highest + 1)))
        kernels.select_own_ranks(
            samples, 3 * start, 3 * stop, network, own, tile_block(count, lanes), lanes,
            out[3 * top * width : 3 * bottom * width],
        )  # fmt: skip

    over_bands(source, select, threads, band_rows)
    return out.reshape(height, width, channels)
