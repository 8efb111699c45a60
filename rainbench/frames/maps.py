"""Pictures and maps of a sequence: arrays in memory, or on disk where memory is short.

A picture of 4K in 32-bit floats is 100 MB, and a clean frame takes a dozen of them. Inside
`maps_on_disk` large ones are arrays that lie in temporary files. What is looked at of them is in
memory for that time only: work goes strip by strip, and lets go of each strip when it is done.
Values are the same in both cases.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError

LEAST_BYTES = 4 << 20
"""Bytes from which a map goes to disk; many small ones would only cost time."""

STRIP_PIXELS = 1 << 20
"""Pixels of a strip: a picture of 720p is one. It depends on nothing else, so that averages over
strips are the same whatever the memory."""

_SUMMED = 128 * 8192
"""Values that are added at a time; NumPy itself adds 8192, and sums of these one by one."""


@dataclass(frozen=True, slots=True)
class _Disk:
    """Where maps go, and from which size."""

    folder: Path
    least: int


_DISK: ContextVar[_Disk | None] = ContextVar("maps", default=None)
_MAPPED: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_LOCK = threading.Lock()


@contextlib.contextmanager
def maps_on_disk(folder: Path | None = None, *, least: int = LEAST_BYTES) -> Iterator[None]:
    """Keep large maps in files within a ``with`` block; they have no name and outlast the block.

    Args:
        folder: Where the files go; the system's folder for such files when ``None``.
        least: Bytes from which a map is large.

    Example:
        >>> with maps_on_disk(least=1):
        ...     picture_map((2, 3), np.float32).flags.owndata
        False
    """
    chosen = Path(tempfile.gettempdir()) if folder is None else folder
    token = _DISK.set(_Disk(chosen, least))
    try:
        yield
    finally:
        _DISK.reset(token)


def picture_map(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Return zeros, on disk where `maps_on_disk` says so.

    Raises:
        RainbenchError: The disk is full, or the folder cannot be written to.

    Example:
        >>> picture_map((2, 3), np.uint8).tolist()
        [[0, 0, 0], [0, 0, 0]]
    """
    disk = _DISK.get()
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if disk is None or size < max(1, disk.least):
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=disk.folder) as file:
            _reserve(file, size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise RainbenchError(
            f"{disk.folder}: {size / 1e6:.0f} MB cannot be kept here: {error.strerror}",
            hint="Free some space, name another temporary folder (TMPDIR), or give more --memory.",
        ) from None
    with _LOCK:
        _MAPPED.add(mapped)
    return np.frombuffer(mapped, dtype).reshape(shape)


def put_away(values: NDArray[Any]) -> NDArray[Any]:
    """Return a map that is not wanted for now: itself, or its copy on disk.

    Example:
        >>> put_away(np.arange(3)).tolist()
        [0, 1, 2]
    """
    disk = _DISK.get()
    if disk is None or values.nbytes < disk.least:
        return values
    kept = picture_map(values.shape, values.dtype.type)
    kept[:] = values
    let_go()
    return kept


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the space now: a disk that is full when a page is written would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        for first in range(0, size, LEAST_BYTES):
            file.write(bytes(min(LEAST_BYTES, size - first)))
        file.flush()


def let_go() -> None:
    """Take what was looked at of maps on disk out of memory; it stays in the files.

    Example:
        >>> with maps_on_disk(least=1):
        ...     kept = picture_map((9,), np.uint8)
        >>> kept[:] = 7
        >>> let_go()
        >>> int(kept.sum())
        63
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    with _LOCK:
        mapped = list(_MAPPED)
    for each in mapped:
        each.madvise(mmap.MADV_DONTNEED)  # lossless, as the mapping is shared with the file


class Strip(NamedTuple):
    """Some rows of a picture.

    Attributes:
        rows: The rows.
        around: They and those above and below that they depend on.
        inside: The rows, among those around.
    """

    rows: slice
    around: slice
    inside: slice


def strips(shape: tuple[int, ...], margin: int = 0) -> Iterator[Strip]:
    """Cut a picture into strips of equal height, and let go of each when the next is asked for.

    Args:
        shape: Of the picture, ``(H, W)`` or ``(H, W, 3)``.
        margin: Rows above and below that a row depends on.

    Example:
        >>> [strip.around for strip in strips((1000, 2000), margin=2)]
        [slice(0, 502, None), slice(498, 1000, None)]
    """
    height, width = shape[:2]
    number = max(1, -(-height * width // STRIP_PIXELS))
    step = max(1, -(-height // number))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        above, below = max(0, top - margin), min(height, bottom + margin)
        yield Strip(slice(top, bottom), slice(above, below), slice(top - above, bottom - above))
        let_go()


def mean_of(work: Callable[..., NDArray[Any]], *maps: NDArray[Any]) -> float:
    """Return the mean of what ``work`` makes of parts of maps, to the bit as NumPy's of the whole.

    Args:
        work: Takes flat parts of the maps and returns as many values.
        maps: Contiguous, and of one size.

    Example:
        >>> one = np.random.default_rng(0).random((1100, 1000), np.float32)
        >>> bool(mean_of(np.square, one) == np.square(one).mean(dtype=np.float64))
        True
    """
    flat = [each.reshape(-1) for each in maps]
    total = np.float64(0)
    for first in range(0, flat[0].size, _SUMMED):
        values = work(*(each[first : first + _SUMMED] for each in flat))
        total = np.add.reduce(values, dtype=np.float64, initial=total)
        let_go()
    return float(total / flat[0].size)
