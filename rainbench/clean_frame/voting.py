"""The vote of SPANet: which percentile of the frames is rain-free at most pixels (Eqs. 2 to 4).

Every pixel's luma over time has a most frequent value, the mode; the pixel votes for all
percentiles that fall on it. The percentile with most votes, taken of each channel, is the clean
frame. All of it is integer arithmetic and runs band by band, on as many threads as asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.sorting_network import sorting_network
from rainbench.core.images import Image
from rainbench.frames.bands import (
    contiguous_bytes,
    counters,
    over_bands,
    scratch,
    tile_block,
    tile_width,
)
from rainbench.frames.maps import picture_map
from rainbench.frames.sources import FrameSource

VoteRule = Literal["inclusive", "strict"]
"""Whether a pixel also votes for the percentiles on the ends of its range (as the published code
does) or only for those strictly inside it (one reading of the paper)."""

TieRule = Literal["plateau", "lowest"]
"""Which of several equally good percentiles wins: the middle of the longest run of them, or the
lowest (as in the published code), which one dark frame can spoil when there is no noise."""

Limits = tuple[NDArray[np.int16], NDArray[np.int16]]

HALF_ROWS = 8
"""Rows that are asked one after the other where half of the picture is: as many of each block of
16 rows that votes by itself, and enough for reads of all frames that are not too short."""

NO_PRODUCTS = np.empty((3, 0), np.float64)
"""Tells the kernel to use the luma of the specification, not the published one."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """The outcome of a vote.

    Attributes:
        curve: ``(101,)`` int64, votes for percentile 0 to 100.
        voters: Number of pixels asked; one whose range holds no whole percentile (it happens with
            more than 100 frames) gives no vote.
        ranges: ``(2, H, W)`` uint16, the first and last place (0-based) of each pixel's mode
            among its sorted frames; ``None`` unless asked for.
    """

    curve: NDArray[np.int64]
    voters: int
    ranges: NDArray[np.uint16] | None = None

    @property
    def share(self) -> float:
        """Share of the pixels that voted for the best percentile: low if the scene moved."""
        return float(self.curve.max()) / max(1, self.voters)


def vote_limits(frames: int, rule: VoteRule = "inclusive") -> Limits:
    """Return the percentiles at which the vote of a mode at given places begins and ends.

    Args:
        frames: Number of frames, N.
        rule: See `VoteRule`. With ``first`` and ``last`` the places (0-based) of the mode among
            the sorted samples, ``inclusive`` is ``100 first <= p N <= 100 last`` and ``strict``
            ``100 first < p N < 100 (last + 1)``.

    Returns:
        Two ``(N,)`` int16: the lowest percentile by first place, the highest by last place.

    Example:
        >>> low, high = vote_limits(200)
        >>> low[:4].tolist(), high[:4].tolist()
        ([0, 1, 1, 2], [0, 0, 1, 1])
    """
    places = np.arange(frames, dtype=np.int64)
    if rule == "strict":
        low, high = 100 * places // frames + 1, (100 * (places + 1) - 1) // frames
    else:
        low, high = -(-100 * places // frames), 100 * places // frames
    return low.astype(np.int16), high.astype(np.int16)


def count_votes(
    source: FrameSource,
    limits: Limits | None = None,
    *,
    threads: int = 1,
    keep_ranges: bool = False,
    half: bool = False,
    products: NDArray[np.float64] = NO_PRODUCTS,
    band_rows: int | None = None,
) -> Votes:
    """Let every pixel vote for the percentiles of its most frequent luma (SPANet, Eqs. 2 to 4).

    Luma is ``floor((299 R + 587 G + 114 B) / 1000)``; the smallest of equally frequent values is
    the mode.

    Args:
        source: The sequence.
        limits: What each place votes for; `vote_limits` of the source when ``None``.
        threads: Number of threads.
        keep_ranges: Also return the place of every pixel's mode.
        half: Ask the pixels of `HALF_ROWS` rows, then none of as many, and so on.
        products: The table of `rainbench.clean_frame.spanet_reference`, for the luma of the
            published code.
        band_rows: Rows read at a time; never changes the result.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> still = as_source(np.full((20, 4, 6, 3), 90, np.uint8))
        >>> votes = count_votes(still)
        >>> votes.voters, votes.curve[[0, 50, 95, 96]].tolist(), votes.share
        (24, [24, 24, 24, 0], 1.0)
    """
    from rainbench.clean_frame import vote_kernels as kernels

    count, height, width, _ = source.shape
    low, high = vote_limits(count) if limits is None else limits
    ranges = picture_map((2, height * width if keep_ranges else 0), np.uint16)
    ranges[0], ranges[1] = count - 1, 0  # whoever is not asked votes for nothing
    network, lanes = sorting_network(count), tile_width(count)

    def vote_in_turns(top: int, bottom: int) -> NDArray[np.int64]:
        if not half:
            return vote(top, bottom)
        turns = range(-(-top // (2 * HALF_ROWS)) * 2 * HALF_ROWS, bottom, 2 * HALF_ROWS)
        parts = [vote(turn, min(turn + HALF_ROWS, height)) for turn in turns]
        return np.sum(parts, axis=0, dtype=np.int64) + np.zeros(102, np.int64)

    def vote(top: int, bottom: int) -> NDArray[np.int64]:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        first, last = (places[top * width : bottom * width] for places in ranges)
        block, runs = tile_block(count, lanes), counters(count, lanes)
        planes, sums = scratch(3, lanes), scratch(2, lanes, np.uint16)
        changes = np.zeros(102, np.int64)
        kernels.count_votes(
            samples, start, stop, network, low, high, products, width,
            block, planes, sums, runs, lanes, changes, first, last,
        )  # fmt: skip
        return changes

    changes = np.sum(over_bands(source, vote_in_turns, threads, band_rows), axis=0)
    kept = ranges.reshape(2, height, width) if keep_ranges else None
    rows = int((np.arange(height) // HALF_ROWS % 2 == 0).sum()) if half else height
    return Votes(np.cumsum(changes)[:101], rows * width, kept)


def choose_percentile(curve: NDArray[np.int64], ties: TieRule = "plateau") -> int:
    """Return the percentile with most votes (SPANet, Eq. 4).

    Example:
        >>> curve = np.zeros(101, np.int64)
        >>> curve[10:41] = 7
        >>> choose_percentile(curve), choose_percentile(curve, ties="lowest")
        (25, 10)
    """
    best = np.flatnonzero(curve == curve.max())
    if ties == "lowest":
        return int(best[0])
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    plateau = max(runs, key=len)
    return int(plateau[0] + plateau[-1]) // 2


def select_percentile(
    source: FrameSource, percentile: int, *, threads: int = 1, band_rows: int | None = None
) -> NDArray[np.uint16]:
    """Return a percentile over time of every channel, in hundredths of a level.

    The rank is ``percentile / 100 (N - 1)``, between two frames by linear interpolation; all in
    integers, so the value is exact.

    Args:
        source: The sequence.
        percentile: 0 to 100.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Returns:
        ``(H, W, 3)`` uint16, 0 to 25500.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> ramp = np.arange(9, dtype=np.uint8).reshape(3, 1, 1, 3) // 3
        >>> select_percentile(as_source(ramp), 30).ravel().tolist()
        [60, 60, 60]
    """
    from rainbench.clean_frame import vote_kernels as kernels

    count, height, width, channels = source.shape
    rank, hundredths = divmod(percentile * (count - 1), 100)
    network = sorting_network(count, neighbours(rank, count))
    lanes = tile_width(count)
    out: NDArray[np.uint16] = picture_map((height * width * channels,), np.uint16)

    def select(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        part = out[3 * top * width : 3 * bottom * width]
        block = tile_block(count, lanes)
        kernels.select_ranks(
            samples, 3 * start, 3 * stop, network, rank, hundredths, block, lanes, part
        )

    over_bands(source, select, threads, band_rows)
    return out.reshape(height, width, channels)


def neighbours(rank: int, count: int) -> tuple[int, ...]:
    """Return the rank and the next one, if there is one: what an interpolation needs.

    Example:
        >>> neighbours(3, 10), neighbours(9, 10)
        ((3, 4), (9,))
    """
    return tuple(sorted({rank, min(rank + 1, count - 1)}))


def select_mode(source: FrameSource, *, threads: int = 1, band_rows: int | None = None) -> Image:
    """Return the most frequent value over time of every channel, the lowest on ties (Eq. 2).

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> values = np.array([7, 7, 9, 9, 8], np.uint8).reshape(5, 1, 1, 1)
        >>> select_mode(as_source(np.repeat(values, 3, axis=3))).ravel().tolist()
        [7, 7, 7]
    """
    from rainbench.clean_frame import vote_kernels as kernels

    count, height, width, channels = source.shape
    network, lanes = sorting_network(count), tile_width(count)
    out = np.empty(height * width * channels, np.uint8)

    def select(top: int, bottom: int) -> None:
        samples, start, stop = contiguous_bytes(source, top, bottom)
        part = out[3 * top * width : 3 * bottom * width]
        block, runs = tile_block(count, lanes), counters(count, lanes)
        kernels.select_modes(samples, 3 * start, 3 * stop, network, block, runs, lanes, part)

    over_bands(source, select, threads, band_rows)
    return out.reshape(height, width, channels)


def to_image(hundredths: NDArray[np.uint16]) -> Image:
    """Round hundredths of a level to 8 bits, half up.

    Example:
        >>> to_image(np.array([49, 50, 149, 25500], np.uint16)).tolist()
        [0, 1, 1, 255]
    """
    return ((hundredths + np.uint16(50)) // np.uint16(100)).astype(np.uint8)


def to_levels(hundredths: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return hundredths of a level as levels, 0 to 255, without rounding to 8 bits.

    Example:
        >>> to_levels(np.array([49, 25500], np.uint16)).tolist()
        [0.49000000953674316, 255.0]
    """
    return hundredths.astype(np.float32) / np.float32(100)
