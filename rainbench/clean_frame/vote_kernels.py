"""Compiled inner loops of the clean-frame extraction; importing this module loads the compiler.

Pixels (or single bytes) are lanes: a tile holds a few hundred of them in each of its rows, one row
a frame, and every inner loop runs along a row, which the compiler turns into SIMD. All of it is
integer arithmetic: results do not depend on the processor, the tile or the number of threads. They
are in one module since what numba keeps on disk is renewed only with the module that it lies in.

Names used throughout: ``samples`` is ``(N, bytes)`` uint8, the frames of a band with the bytes of a
row of pixels R G B R G B ...; ``tile`` is a ``(N, >= lanes)`` uint8 scratch array. Frames lie far
apart in memory, and a kilobyte here and a kilobyte there are read slowly: some tiles of ``width``
lanes, a ``block`` of shape ``(tiles, N, >= width)``, are filled at once, from longer reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled

_Bytes = NDArray[np.uint8]
_Rows = NDArray[np.uint16]
_Counters = NDArray[Any]

_MOST_ROWS = 12
"""Rows among which each lane's own is found by going through all of them."""


@compiled
def run_network(tile: _Bytes, network: _Rows, lanes: int) -> None:
    """Apply a sorting network (`sorting_network`) to the first ``lanes`` of a tile."""
    for step in range(network.shape[0]):
        kind = network[step, 0]
        i, j, k, m = network[step, 1], network[step, 2], network[step, 3], network[step, 4]
        if kind == 1:
            for t in range(lanes):
                a, b = tile[i, t], tile[j, t]
                tile[i, t] = min(a, b)
                tile[j, t] = max(a, b)
        elif kind == 3:
            for t in range(lanes):
                a, b, c, d = tile[i, t], tile[j, t], tile[k, t], tile[m, t]
                low, high = min(b, d), max(a, c)
                tile[i, t] = min(a, c)
                tile[j, t] = min(low, high)
                tile[k, t] = max(low, high)
                tile[m, t] = max(b, d)
        else:
            for t in range(lanes):
                a, b, c, d = tile[i, t], tile[j, t], tile[k, t], tile[m, t]
                first, second, third, fourth = min(a, b), max(a, b), min(c, d), max(c, d)
                low, high = min(second, fourth), max(first, third)
                tile[i, t] = min(first, third)
                tile[j, t] = min(low, high)
                tile[k, t] = max(low, high)
                tile[m, t] = max(second, fourth)


@compiled
def fill_bytes(samples: _Bytes, start: int, stop: int, block: _Bytes, width: int) -> None:
    """Copy bytes ``start ... stop`` of every frame into the tiles of a block."""
    for n in range(samples.shape[0]):
        for at in range(start, stop, width):
            lanes = min(width, stop - at)
            row = samples[n, at : at + lanes]
            out = block[(at - start) // width, n]
            for t in range(lanes):
                out[t] = row[t]


@compiled
def fill_luma(
    samples: _Bytes,
    start: int,
    stop: int,
    planes: _Bytes,
    sums: _Rows,
    block: _Bytes,
    width: int,
) -> None:
    """Write the luma of pixels ``start ... stop`` of every frame into the tiles of a block.

    ``floor((299 R + 587 G + 114 B) / 1000)`` in 16 bits, which is twice as many lanes as 32: a
    guess from weights in 256ths is right or one too small, and the remainder, which is below 2000
    whatever wraps around on the way, says which. ``planes`` is ``(3, >= width)`` and ``sums``
    ``(2, >= width)`` scratch: taken in steps, every loop is SIMD.
    """
    red, green, blue = planes[0], planes[1], planes[2]
    guesses, rests = sums[0], sums[1]
    for n in range(samples.shape[0]):
        for at in range(start, stop, width):
            lanes = min(width, stop - at)
            row = samples[n, 3 * at : 3 * (at + lanes)]
            out = block[(at - start) // width, n]
            for t in range(lanes):
                red[t] = row[3 * t]
                green[t] = row[3 * t + 1]
                blue[t] = row[3 * t + 2]
            for t in range(lanes):
                guesses[t] = 76 * red[t] + 150 * green[t] + 29 * blue[t]
            for t in range(lanes):
                rests[t] = 299 * red[t] + 587 * green[t] + 114 * blue[t]
            for t in range(lanes):
                guess = guesses[t] >> 8
                out[t] = guess + (np.uint16(rests[t] - 1000 * guess) >= 1000)


@compiled
def fill_published_luma(
    samples: _Bytes,
    start: int,
    stop: int,
    products: NDArray[np.float64],
    image_width: int,
    block: _Bytes,
    width: int,
) -> None:
    """Write the luma of the published code into a block.

    See `rainbench.clean_frame.spanet_reference`.

    ``products`` is ``(3, 256)``: the products of each channel's weight with 0 to 255. Here they
    are only added, so that no processor can fuse a product with a sum and round differently.
    The first column of the image, which is ``image_width`` wide, is luma, all others luma plus 128.
    """
    for n in range(samples.shape[0]):
        for at in range(start, stop, width):
            lanes = min(width, stop - at)
            row = samples[n, 3 * at : 3 * (at + lanes)]
            out = block[(at - start) // width, n]
            for t in range(lanes):
                luma = products[0, row[3 * t]] + products[1, row[3 * t + 1]]
                luma += products[2, row[3 * t + 2]]
                if (at + t) % image_width:
                    luma += 128.0
                out[t] = int(luma) & 255


@compiled
def find_modes(tile: _Bytes, frames: int, lanes: int, counters: _Counters) -> None:
    """Find the longest run of equal values in every sorted lane; the smallest value on ties.

    Args:
        tile: Sorted rows.
        frames: Number of rows, N.
        lanes: Number of lanes.
        counters: ``(3, >= lanes)``, uint8 up to 255 frames and uint16 beyond: scratch, the length
            of the longest run, the row where it ends.
    """
    run, longest, last = counters[0], counters[1], counters[2]
    for t in range(lanes):
        run[t] = 1
        longest[t] = 1
        last[t] = 0
    for n in range(1, frames):
        for t in range(lanes):
            run[t] = run[t] * (tile[n, t] == tile[n - 1, t]) + 1
            better = -(run[t] > longest[t])
            last[t] = (last[t] & ~better) | (n & better)
            longest[t] = max(longest[t], run[t])


@compiled
def add_votes(
    lowest: NDArray[np.int16],
    highest: NDArray[np.int16],
    counters: _Counters,
    lanes: int,
    changes: NDArray[np.int64],
) -> None:
    """Add the pixels of `find_modes` to the vote curve, kept as its differences ``(102,)``.

    ``lowest[first]`` and ``highest[last]`` are the percentiles between which a mode of rows
    ``first ... last`` votes.
    """
    for t in range(lanes):
        last = int(counters[2, t])
        low, high = lowest[last + 1 - int(counters[1, t])], highest[last]
        if low <= high:
            changes[low] += 1
            changes[high + 1] -= 1


@compiled
def count_votes(
    samples: _Bytes,
    start: int,
    stop: int,
    network: _Rows,
    lowest: NDArray[np.int16],
    highest: NDArray[np.int16],
    products: NDArray[np.float64],
    image_width: int,
    block: _Bytes,
    planes: _Bytes,
    sums: _Rows,
    counters: _Counters,
    width: int,
    changes: NDArray[np.int64],
    first_places: _Rows,
    last_places: _Rows,
) -> None:
    """Vote with pixels ``start ... stop`` of a band, ``width`` to a tile.

    The places of the modes go to the two last arrays, unless they are empty; ``products`` and
    ``image_width`` are those of `fill_published_luma`, empty for the luma of `fill_luma`.
    """
    frames = samples.shape[0]
    for begin in range(start, stop, block.shape[0] * width):
        end = min(stop, begin + block.shape[0] * width)
        if products.shape[1]:
            fill_published_luma(samples, begin, end, products, image_width, block, width)
        else:
            fill_luma(samples, begin, end, planes, sums, block, width)
        for at in range(begin, end, width):
            tile, lanes = block[(at - begin) // width], min(width, end - at)
            run_network(tile, network, lanes)
            find_modes(tile, frames, lanes, counters)
            add_votes(lowest, highest, counters, lanes, changes)
            if first_places.shape[0]:
                for t in range(lanes):
                    last = int(counters[2, t])
                    first_places[at - start + t] = last + 1 - int(counters[1, t])
                    last_places[at - start + t] = last


@compiled
def sort_tile(
    samples: _Bytes,
    start: int,
    at: int,
    stop: int,
    network: _Rows,
    block: _Bytes,
    width: int,
) -> tuple[_Bytes, int, int]:
    """Sort the tile that begins at byte ``at`` of a band; all selectors go through a band like so.

    To be called for ``at`` in ``range(start, stop, width)``, in this order: a whole block is filled
    when its first tile is due, and the other calls find theirs in it.

    Returns:
        The sorted tile, its first byte counted from ``start``, the number of its lanes.
    """
    tiles = block.shape[0]
    number = (at - start) // width % tiles
    if number == 0:
        fill_bytes(samples, at, min(stop, at + tiles * width), block, width)
    tile, lanes = block[number], min(width, stop - at)
    run_network(tile, network, lanes)
    return tile, at - start, lanes


@compiled
def select_ranks(
    samples: _Bytes,
    start: int,
    stop: int,
    network: _Rows,
    rank: int,
    hundredths: int,
    block: _Bytes,
    width: int,
    out: NDArray[np.uint16],
) -> None:
    """Write the value at rank ``rank + hundredths / 100`` of each byte, in hundredths of a level.

    ``network`` must put rows ``rank`` and ``rank + 1`` right (``rank`` alone if it is the last).
    """
    above = min(rank + 1, samples.shape[0] - 1)
    for at in range(start, stop, width):
        tile, first, lanes = sort_tile(samples, start, at, stop, network, block, width)
        for t in range(lanes):
            out[first + t] = tile[rank, t] * (100 - hundredths) + tile[above, t] * hundredths


@compiled
def select_modes(
    samples: _Bytes,
    start: int,
    stop: int,
    network: _Rows,
    block: _Bytes,
    counters: _Counters,
    width: int,
    out: _Bytes,
) -> None:
    """Write the most frequent value of each byte, the smallest on ties (SPANet, Eq. 2)."""
    for at in range(start, stop, width):
        tile, first, lanes = sort_tile(samples, start, at, stop, network, block, width)
        find_modes(tile, samples.shape[0], lanes, counters)
        for t in range(lanes):
            out[first + t] = tile[int(counters[2, t]), t]


@compiled
def select_pairs(
    samples: _Bytes,
    start: int,
    stop: int,
    network: _Rows,
    rank: int,
    block: _Bytes,
    width: int,
    table: NDArray[np.uint8],
    out: _Bytes,
) -> None:
    """Write ``table[value at rank, value at rank + 1]`` of each byte; ``table`` is (256, 256)."""
    above = min(rank + 1, samples.shape[0] - 1)
    for at in range(start, stop, width):
        tile, first, lanes = sort_tile(samples, start, at, stop, network, block, width)
        for t in range(lanes):
            out[first + t] = table[tile[rank, t], tile[above, t]]


@compiled
def _between_rows(
    tile: _Bytes, ranks: NDArray[np.float32], lowest: int, highest: int, out: NDArray[np.float32]
) -> None:
    """Interpolate each lane of a sorted tile at its own rank, ``lowest`` to ``highest``.

    Where ranks differ little, as they do, going through all rows is faster than picking two.
    """
    lanes = out.size
    if highest - lowest > _MOST_ROWS:
        for t in range(lanes):
            row = int(ranks[t])
            below = np.float32(tile[row, t])
            above = np.float32(tile[min(row + 1, highest), t])
            out[t] = below + (above - below) * (ranks[t] - np.float32(row))
        return
    none, one = np.float32(0), np.float32(1)
    first = tile[lowest]
    for t in range(lanes):
        out[t] = first[t]
    for row in range(lowest, highest):
        lower, upper, start = tile[row], tile[row + 1], np.float32(row)
        for t in range(lanes):
            part = min(max(ranks[t] - start, none), one)
            out[t] += part * np.float32(np.int32(upper[t]) - np.int32(lower[t]))


@compiled
def select_own_ranks(
    samples: _Bytes,
    start: int,
    stop: int,
    network: _Rows,
    ranks: NDArray[np.float32],
    lowest: int,
    highest: int,
    block: _Bytes,
    width: int,
    out: NDArray[np.float32],
) -> None:
    """Write the value of each byte at its own rank, interpolated between two rows.

    ``network`` must put rows ``lowest`` to ``highest`` right, between which ``ranks`` lie, one for
    each byte.
    """
    for at in range(start, stop, width):
        tile, first, lanes = sort_tile(samples, start, at, stop, network, block, width)
        part = slice(first, first + lanes)
        _between_rows(tile, ranks[part], lowest, highest, out[part])


@compiled
def select_usual_and_own(
    samples: _Bytes,
    start: int,
    stop: int,
    ends: NDArray[np.int64],
    networks: tuple[_Rows, _Rows],
    network: _Rows,
    shares: NDArray[np.float32],
    lowest: int,
    highest: int,
    low: float,
    high: float,
    block: _Bytes,
    width: int,
    usual: _Bytes,
    out: NDArray[np.float32],
    spread: NDArray[np.float32],
) -> None:
    """Write each byte's own share of each stretch and of all frames, and how far two lie apart.

    Sorted stretches are as good as any order for the network that sorts all frames.

    Args:
        samples: See above.
        start: First byte, the first of three.
        stop: The one after the last.
        ends: ``(K + 1,)``, frames at which stretches begin and end.
        networks: They sort the shortest stretches, and those with one frame more.
        network: It puts rows ``lowest`` to ``highest`` right, between which the ranks of all
            ``shares`` lie, and those around the ranks ``low`` and ``high``.
        shares: Of the frames, 0 to 1, one for each byte.
        lowest: See above.
        highest: See above.
        low: See above.
        high: See above.
        block: Scratch tiles.
        width: Lanes of a tile, a multiple of three.
        usual: ``(K, bytes)``, receives what stretches show.
        out: Receives what all frames show, unless it is empty.
        spread: Receives how far the ranks ``low`` and ``high`` lie apart, the mean of three bytes.
    """
    frames = samples.shape[0]
    shortest = (ends[1:] - ends[:-1]).min()
    lower, upper = int(low), int(high)
    low_share, share = np.float32(low - lower), np.float32(high - upper)
    third, half = np.float32(1 / 3), np.float32(0.5)
    apart, ranks, between = np.empty((3, width), np.float32)
    for begin in range(start, stop, block.shape[0] * width):
        fill_bytes(samples, begin, min(stop, begin + block.shape[0] * width), block, width)
        for at in range(begin, min(stop, begin + block.shape[0] * width), width):
            tile, first, lanes = block[(at - begin) // width], at - start, min(width, stop - at)
            own = shares[first : first + lanes]
            least, most = own.min(), own.max()
            for k in range(ends.size - 1):
                part, last = tile[ends[k] : ends[k + 1]], ends[k + 1] - ends[k] - 1
                run_network(part, networks[1 if last >= shortest else 0], lanes)
                for t in range(lanes):
                    ranks[t] = own[t] * np.float32(last)
                _between_rows(
                    part, ranks[:lanes], int(least * np.float32(last)),
                    min(int(most * np.float32(last)) + 1, last), between[:lanes],
                )  # fmt: skip
                shown = usual[k, first : first + lanes]
                for t in range(lanes):
                    shown[t] = np.uint8(between[t] + half)
            if not out.size:
                continue
            run_network(tile, network, lanes)
            for t in range(lanes):
                ranks[t] = own[t] * np.float32(frames - 1)
            _between_rows(tile, ranks[:lanes], lowest, highest, out[first : first + lanes])
            one, two = tile[lower], tile[min(lower + 1, frames - 1)]
            three, four = tile[upper], tile[min(upper + 1, frames - 1)]
            for t in range(lanes):
                rest = np.float32(np.int32(two[t]) - np.int32(one[t]))
                apart[t] = -np.float32(one[t]) - low_share * rest
            for t in range(lanes):
                rest = np.float32(np.int32(four[t]) - np.int32(three[t]))
                apart[t] += np.float32(three[t]) + share * rest
            for t in range(lanes // 3):
                total = apart[3 * t] + apart[3 * t + 1] + apart[3 * t + 2]
                spread[first // 3 + t] = total * third
