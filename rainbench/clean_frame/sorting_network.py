"""Sorting networks as data: which rows of a tile to compare, in which order.

A clean frame needs, at every pixel, the samples of all frames in order. A network of fixed
compare-exchange steps does that for hundreds of pixels at once: a step is the minimum and the
maximum of two rows of bytes, which a processor does 32 or 64 lanes at a time. Since a network is
an array of row numbers, one compiled loop (`rainbench.clean_frame.vote_kernels`) serves every
frame count.

The network is Batcher's odd-even merge sort (1968). Steps that share rows are grouped, so that
four rows are read once for three or five comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PAIR, MERGE4, SORT4 = 1, 3, 5
"""Kinds of step, by the number of comparisons: two rows, the merge of two sorted pairs, a sort."""

_COMPARISONS = {
    PAIR: ((0, 1),),
    MERGE4: ((0, 2), (1, 3), (1, 2)),
    SORT4: ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)),
}

Step = tuple[int, ...]
"""A kind followed by the two or four rows it works on."""


@lru_cache(maxsize=64)
def sorting_network(rows: int, ranks: tuple[int, ...] | None = None) -> NDArray[np.uint16]:
    """Return the steps that put ``rows`` rows in ascending order, lane by lane.

    Args:
        rows: Number of rows (video frames), 1 to 65535.
        ranks: The rows (0-based) that must be right afterwards; the others may hold anything. Steps
            that none of them needs are left out, about a quarter for one rank. All when ``None``.

    Returns:
        ``(steps, 5)`` uint16, read-only: the kind of step (`PAIR`, `MERGE4`, `SORT4`), then its
        rows, zeros after the last. A comparison leaves the minimum in the first row.

    Example:
        >>> sorting_network(4).tolist()
        [[5, 0, 1, 2, 3]]
        >>> len(comparisons(sorting_network(100))), len(comparisons(sorting_network(100, (30, 31))))
        (1104, 881)
    """
    needed = set(range(rows)) if ranks is None else set(ranks)
    kept: list[Step] = []
    for step in reversed(list(_sort(0, _power_of_two(rows), rows))):
        kept.extend(_needed_part(step, rows, needed))
    network = np.zeros((len(kept), 5), np.uint16)
    for index, step in enumerate(reversed(kept)):
        network[index, : len(step)] = step
    network.flags.writeable = False
    return network


def comparisons(network: NDArray[np.uint16]) -> list[tuple[int, int]]:
    """List the single comparisons of a network, in order: ``(row of minimum, row of maximum)``.

    Example:
        >>> comparisons(sorting_network(3))
        [(0, 1), (0, 2), (1, 2)]
    """
    return [pair for step in network.tolist() for pair in _pairs(step)]


def _power_of_two(rows: int) -> int:
    return 1 << max(rows - 1, 0).bit_length()


def _pairs(step: Iterable[int]) -> list[tuple[int, int]]:
    kind, *rows = step
    return [(rows[low], rows[high]) for low, high in _COMPARISONS[kind]]


def _needed_part(step: Step, rows: int, needed: set[int]) -> list[Step]:
    """Return the step, or what is needed of it, last comparison first; add its rows to needed.

    Rows beyond the last are taken to hold infinity: a comparison with one changes nothing.
    """
    wanted: list[tuple[int, int]] = []
    for low, high in reversed(_pairs(step)):
        if high < rows and (low in needed or high in needed):
            wanted.append((low, high))
            needed.update((low, high))
    if len(wanted) > 1 and max(step[1:]) < rows:
        needed.update(step[1:])
        return [step]
    return [(PAIR, low, high) for low, high in wanted]


def _sort(first: int, count: int, rows: int) -> Iterator[Step]:
    """Sort ``count`` rows (a power of two) from ``first``, depth first to stay in the cache."""
    if first >= rows or count < 2:
        return
    if count == 2:
        yield PAIR, first, first + 1
    elif count == 4:
        yield SORT4, first, first + 1, first + 2, first + 3
    else:
        half = count // 2
        yield from _sort(first, half, rows)
        yield from _sort(first + half, half, rows)
        yield from _merge(first, count, 1)


def _merge(first: int, count: int, stride: int) -> Iterator[Step]:
    """Merge two sorted halves of ``count`` rows that lie ``stride`` apart.

    Two levels of Batcher's recursion are taken at once where they come in twos: four merges of
    every fourth row, then the comparisons of both levels, most of them in groups of four rows.
    """

    def row(index: int) -> int:
        return first + index * stride

    if count == 2:
        yield PAIR, row(0), row(1)
    elif count == 4:
        yield MERGE4, row(0), row(1), row(2), row(3)
    elif count.bit_length() % 2 == 0:
        yield from _merge(row(0), count // 2, 2 * stride)
        yield from _merge(row(1), count // 2, 2 * stride)
        for index in range(1, count - 1, 2):
            yield PAIR, row(index), row(index + 1)
    else:
        for index in range(4):
            yield from _merge(row(index), count // 4, 4 * stride)
        for index in range(2, count - 2, 4):
            yield MERGE4, row(index), row(index + 1), row(index + 2), row(index + 3)
        for index in range(1, count, 4):
            yield PAIR, row(index), row(index + 1)
