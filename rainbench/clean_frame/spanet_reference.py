"""The clean-frame code that was published with SPANet, reproduced bit by bit for comparison.

It differs from Eqs. 2 to 4 in ways that change the result:

- Luma is a float64 sum, truncated. The published code leaves the order of summation to a matrix
  product, in which one colour in 3,600 falls on the other side of a whole number from one machine
  to another. Here the three products are rounded and then added from left to right,
  ``(0.299 R + 0.587 G) + 0.114 B``, on every machine.
- An offset meant for the two chroma channels is added, on a stack of frames, to all columns but the
  first of *every* channel: luma becomes luma + 128 modulo 256 there, and a pixel whose rain crosses
  128 has its rain sorted below its background. The conversion of values above 255 is undefined in
  C; this is what x86 does, on any machine.
- Percentiles and ranges are compared as floats, both ends included; of equal counts the lowest
  percentile wins.
- The image is voted on in 4 x 2 tiles with fractional bounds, and a tile collects only as many
  votes as its rounded-down width times its rounded-down height, so that at sizes that 4 and 2 do
  not divide the last pixels of a tile may not be counted.
- The percentile is truncated to 8 bits, not rounded.

Use it to reproduce the published data set, not to build one.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.sorting_network import sorting_network
from rainbench.clean_frame.voting import Limits, Votes, count_votes, neighbours
from rainbench.core.images import Image
from rainbench.frames.bands import contiguous_bytes, over_bands, tile_block, tile_width
from rainbench.frames.sources import FrameSource

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Of R, G and B, by BT.601."""


@cache
def luma_products() -> NDArray[np.float64]:
    """Return the products of the luma weights with 0 to 255, ``(3, 256)`` float64.

    Their sum from left to right, R, G, B, is the luma of this module on every machine.

    Example:
        >>> luma_products()[:, 255].round(3).tolist()
        [76.245, 149.685, 29.07]
    """
    products: NDArray[np.float64] = np.array(LUMA_WEIGHTS)[:, None] * np.arange(256.0)
    return products


def float_limits(frames: int) -> Limits:
    """Return `rainbench.clean_frame.voting.vote_limits` as float comparisons give them.

    Example:
        >>> low, high = float_limits(100)
        >>> int(low[7]), int(high[7])  # 7 / 100 * 100 > 7: place 7 does not vote for 7
        (8, 7)
    """
    percents = np.arange(frames) / frames * 100
    return np.ceil(percents).astype(np.int16), np.floor(percents).astype(np.int16)


def voters(height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels have their votes counted, ``(H, W)``.

    Example:
        >>> voters(4, 9).astype(int)[1].tolist()  # the last tile has 2 x 3 pixels but 4 slots
        [1, 1, 1, 1, 1, 1, 1, 0, 0]
    """
    counted = np.zeros((height, width), np.bool_)
    rows, columns = (0.0, height / 2, float(height)), [width / 4 * step for step in range(5)]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            tile = counted[int(top) : int(bottom), int(left) : int(right)]
            slots = int(bottom - top) * int(right - left)
            tile[...] = (np.arange(tile.size) < slots).reshape(tile.shape)
    return counted


def count_published_votes(
    source: FrameSource, *, threads: int = 1, band_rows: int | None = None
) -> Votes:
    """Count the votes as the published code does.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> still = as_source(np.full((20, 3, 9, 3), 90, np.uint8))
        >>> votes = count_published_votes(still)
        >>> votes.voters, votes.curve[[0, 50, 95, 96]].tolist()
        (16, [16, 16, 16, 0])
    """
    count, height, width, _ = source.shape
    places = count_votes(
        source, threads=threads, keep_ranges=True, products=luma_products(), band_rows=band_rows
    ).ranges
    assert places is not None
    counted = voters(height, width)
    low, high = float_limits(count)
    begin, end = low[places[0][counted]], high[places[1][counted]]
    some = begin <= end
    changes = np.bincount(begin[some], minlength=102) - np.bincount(end[some] + 1, minlength=102)
    return Votes(np.cumsum(changes)[:101], int(counted.sum()))


def select_published_percentile(
    source: FrameSource, percentile: int, *, threads: int = 1, band_rows: int | None = None
) -> Image:
    """Return ``np.percentile`` over time of every channel, truncated to 8 bits.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> ramp = np.arange(9, dtype=np.uint8).reshape(3, 1, 1, 3) // 3
        >>> select_published_percentile(as_source(ramp), 90).ravel().tolist()
        [1, 1, 1]
    """
    from rainbench.clean_frame import vote_kernels as kernels

    count, height, width, channels = source.shape
    rank = percentile / 100 * (count - 1)
    below = int(rank)
    network = sorting_network(count, neighbours(below, count))
    table = _interpolated(rank - below)
    lanes = tile_width(count)
    out = np.empty(height * width * channels, np.uint8)

    def select(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        part = out[3 * top * width : 3 * bottom * width]
        block = tile_block(count, lanes)
        kernels.select_pairs(
            samples, 3 * start, 3 * stop, network, below, block, lanes, table, part
        )

    over_bands(source, select, threads, band_rows)
    return out.reshape(height, width, channels)


def _interpolated(weight: float) -> NDArray[np.uint8]:
    """Return NumPy's interpolation between two values, truncated, as a table of both.

    NumPy steps from the nearer value, which decides the last bit and so what truncation gives.
    """
    low, high = np.arange(256.0)[:, None], np.arange(256.0)
    step = high - low
    value = high - step * (1 - weight) if weight >= 0.5 else low + step * weight
    return np.clip(value, 0, 255).astype(np.uint8)
