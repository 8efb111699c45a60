"""Running a kernel over the bands of a sequence: contiguous bytes, scratch space, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.maps import let_go
from rainbench.frames.sources import ArraySource, FrameSource, bands, read_band

_T = TypeVar("_T")

LANES = 1024
"""Lanes of a tile: enough to make the bookkeeping of a step small against its work."""

TILE_BYTES = 320 << 10
"""Bytes of a tile, beyond which it gets fewer lanes: it should stay in the second-level cache."""

BLOCK_BYTES = 512 << 10
"""Bytes of the tiles that are filled at once, which should not leave the cache either."""

MOST_TILES = 4
"""Tiles that are filled at once at most: still longer reads bring nothing more."""

_LINE = 64
"""Bytes of a cache line, on nearly all processors."""


def over_bands(
    source: FrameSource,
    work: Callable[[int, int], _T],
    threads: int = 1,
    band_rows: int | None = None,
    within: tuple[int, int] | None = None,
) -> list[_T]:
    """Call ``work(top, bottom)`` for every band of a sequence, on several threads if asked.

    Args:
        source: The sequence.
        work: Reads rows ``top`` to ``bottom`` and returns its part of the result.
        threads: Number of threads; work that releases the interpreter lock runs side by side.
        band_rows: Rows of a band; the source's own choice, cut so that every thread has
            some, when ``None``.
        within: The rows to go through; all of them when ``None``.

    Returns:
        What ``work`` returned, from the top band to the bottom one.
    """
    first, last = within or (0, source.shape[1])
    height = last - first
    if band_rows is None:
        share = height if threads <= 1 else -(-height // (4 * threads))
        band_rows = min(source.band_rows, share)
    parts = [(first + top, first + end) for top, end in bands(height, max(1, band_rows))]
    let_go()

    def work_on(part: tuple[int, int]) -> _T:
        done = work(*part)
        let_go()
        return done

    if threads <= 1 or len(parts) == 1:
        return [work_on(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work_on, parts))


def apart(
    where: NDArray[np.bool_], reach: int
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """Cut what is worked on into parts that can be worked on by themselves.

    Args:
        where: ``(H, W)``, what is worked on.
        reach: Pixels within which others may have a say in what is found.

    Yields:
        A rectangle with all pixels that have a say, and ``(rows, columns)`` which of it belongs to
        the part: no pixel belongs to two.

    Example:
        >>> where = np.zeros((9, 40), bool)
        >>> where[4, 3] = where[4, 5] = where[4, 33] = True
        >>> [(part[1].start, part[1].stop, int(own.sum())) for part, own in apart(where, 4)]
        [(0, 12, 32), (28, 40, 16)]
    """
    from scipy.ndimage import find_objects, label

    height, width = where.shape
    rows, columns = (np.arange(0, side, reach) for side in where.shape)
    cells = np.logical_or.reduceat(np.logical_or.reduceat(where, rows, axis=0), columns, axis=1)
    # A cell between two parts is as wide as what a pixel depends on.
    regions, _ = label(cells, np.ones((3, 3)))
    for number, found in enumerate(find_objects(regions), 1):
        top, left = (max(0, part.start - 1) for part in found)
        bottom, right = (part.stop + 1 for part in found)
        own = (regions[top:bottom, left:right] == number).repeat(reach, axis=0)
        top, left = top * reach, left * reach
        own = own.repeat(reach, axis=1)[: height - top, : width - left]
        yield (slice(top, top + own.shape[0]), slice(left, left + own.shape[1])), own


def contiguous_bytes(
    source: FrameSource, top: int, bottom: int
) -> tuple[NDArray[np.uint8], int, int]:
    """Return a band as contiguous ``(N, bytes)``, with the first pixel and the one after the last.

    An array in memory is not copied: its bytes come whole, and the two numbers say where the band
    lies in them.
    """
    count, _, width, _ = source.shape
    if isinstance(source, ArraySource) and source.frames.flags.c_contiguous:
        return source.frames.reshape(count, -1), top * width, bottom * width
    band = np.ascontiguousarray(read_band(source, top, bottom))
    return band.reshape(count, -1), 0, (bottom - top) * width


def tile_width(frames: int) -> int:
    """Return how many lanes a tile with a row per frame should have, a multiple of 64.

    Example:
        >>> tile_width(100), tile_width(1000)
        (1024, 320)
    """
    return max(_LINE, min(LANES, TILE_BYTES // frames // _LINE * _LINE))


def tile_block(frames: int, lanes: int) -> NDArray[np.uint8]:
    """Return uninitialised tiles to be filled at once, ``(tiles, frames, lanes + padding)``.

    Example:
        >>> tile_block(100, 1024).shape, tile_block(1000, 320).shape
        ((4, 100, 1088), (1, 1000, 384))
    """
    number = max(1, min(MOST_TILES, BLOCK_BYTES // ((lanes + _LINE) * frames)))
    return scratch(number * frames, lanes).reshape(number, frames, -1)


def scratch(rows: int, lanes: int, dtype: type[np.generic] = np.uint8) -> NDArray[Any]:
    """Return an uninitialised ``(rows, lanes + padding)`` array that starts on a cache line.

    The padding keeps rows from lying a power of two apart, which would make them share cache sets.
    """
    columns = lanes + _LINE
    size = rows * columns * np.dtype(dtype).itemsize
    raw = np.empty(size + _LINE, np.uint8)
    offset = -raw.ctypes.data % _LINE
    tile: NDArray[Any] = raw[offset : offset + size].view(dtype).reshape(rows, columns)
    return tile


def counters(frames: int, lanes: int) -> NDArray[Any]:
    """Return the scratch counters of the mode search, wide enough to count to ``frames``."""
    return scratch(3, lanes, np.uint8 if frames < 256 else np.uint16)
