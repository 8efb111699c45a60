"""Frames that do not fit into memory: a temporary file, ordered for reading all frames of a place.

A video is decoded frame by frame, but votes look at some rows of all frames. The cache writes each
frame once, cut into bands, and keeps the bands of up to 64 frames together; a band is then a few
long reads. The file has no name and is gone when the program ends, even if it is killed.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.frames.sources import ArraySource, Frames, FrameSource, ListSource, as_source

BUDGET = 1 << 30
"""Bytes of frames that are kept in memory before a frame cache is used."""

_GROUP = 64
_BAND_BYTES = 64 << 20
_EXPECTED_FRAMES = 300


class FrameCache:
    """A `FrameSource` on disk, filled frame by frame; close it, or use it in a ``with`` block.

    Args:
        folder: Where the temporary file goes; the system's folder for such files when ``None``.
        band_rows: Rows of a band; about 64 MiB of 300 frames when ``None``.

    Example:
        >>> frames = np.random.default_rng(0).integers(0, 256, (5, 9, 4, 3), np.uint8)
        >>> with FrameCache(band_rows=4) as cache:
        ...     for frame in frames:
        ...         cache.add(frame)
        ...     bool((cache.band(3, 7) == frames[:, 3:7]).all())
        True
    """

    def __init__(self, folder: Path | None = None, band_rows: int | None = None) -> None:
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._asked_rows = band_rows
        self._count = 0
        self._size = (0, 0)
        self._rows = 1
        self._lock = threading.Lock()
        try:
            # Unbuffered, so that a full disk is noticed at the frame that does not fit.
            self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (closed by close)
                dir=self._folder, buffering=0
            )
        except OSError as error:
            raise self._unwritable(error) from None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``, the frames added so far."""
        return self._count, *self._size, 3

    @property
    def band_rows(self) -> int:
        """Rows of a band."""
        return self._rows

    def add(self, frame: Image) -> None:
        """Append a frame, ``(H, W, 3)`` uint8.

        Raises:
            RainbenchError: It differs in size from the first, or the disk is full.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise RainbenchError(
                f"frame {self._count} is {frame.dtype} of shape {frame.shape}",
                hint="A frame cache holds 8-bit RGB frames (H, W, 3).",
            )
        if not self._count:
            self._begin(*frame.shape[:2])
        if frame.shape[:2] != self._size:
            raise RainbenchError(
                f"frame {self._count} is {frame.shape[1]}x{frame.shape[0]}, "
                f"the first {self._size[1]}x{self._size[0]}",
                hint="Frames of different size belong to different sequences: split the video.",
            )
        for top in range(0, self._size[0], self._rows):
            self._write(self._offset(self._count, top), frame[top : top + self._rows])
        self._count += 1

    def fill(self, source: FrameSource) -> None:
        """Take all frames of another source into an empty frame cache, band by band."""
        count, height, width, _ = source.shape
        self._begin(height, width)
        for top in range(0, height, self._rows):
            band = source.band(top, min(height, top + self._rows))
            for first in range(0, count, _GROUP):
                self._write(self._offset(first, top), band[first : first + _GROUP])
        self._count = count

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Read rows ``top`` to ``bottom`` of every frame, ``(N, rows, W, 3)``."""
        height, width = self._size
        out = np.empty((self._count, bottom - top, width, 3), np.uint8)
        for start in range(top // self._rows * self._rows, bottom, self._rows):
            stop = min(start + self._rows, height)
            first, last = max(top, start), min(bottom, stop)
            whole = (first, last) == (top, bottom) == (start, stop)
            step = _GROUP if whole else 1  # What lies together in the file and in the result.
            skipped = 3 * width * (first - start)
            for n in range(0, self._count, step):
                part = out[n : n + step, first - top : last - top]
                self._read(self._offset(n, start) + skipped, part)
        return out

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> FrameCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, height: int, width: int) -> None:
        self._size = (height, width)
        within = max(1, _BAND_BYTES // max(1, _EXPECTED_FRAMES * width * 3))
        self._rows = max(1, min(height, self._asked_rows or within))

    def _offset(self, frame: int, top: int) -> int:
        """Return where the band that starts at row ``top`` of a frame lies in the file."""
        height, width = self._size
        group, place = divmod(frame, _GROUP)
        rows = min(self._rows, height - top)
        return 3 * width * (_GROUP * (group * height + top) + place * rows)

    def _write(self, offset: int, values: NDArray[np.uint8]) -> None:
        data = np.ascontiguousarray(values).data.cast("B")
        try:
            with self._lock:
                self._file.seek(offset)
                while data:
                    data = data[self._file.write(data) :]
        except OSError as error:
            raise self._unwritable(error) from None

    def _read(self, offset: int, into: NDArray[np.uint8]) -> None:
        data = into.data.cast("B")
        with self._lock:
            self._file.seek(offset)
            while data:
                read = self._file.readinto(data)  # type: ignore[attr-defined]
                if not read:
                    raise RainbenchError(
                        f"the frame cache in {self._folder} ends too early",
                        hint="Something else changed the temporary file, or the disk is failing.",
                    )
                data = data[read:]

    def _unwritable(self, error: OSError) -> RainbenchError:
        written = 3 * self._count * self._size[0] * self._size[1] / 1e9
        return RainbenchError(
            f"{self._folder}: frames cannot be kept here after {written:.1f} GB: {error.strerror}",
            hint="Free some space, name another temporary folder (TMPDIR), or use fewer frames.",
        )


@contextlib.contextmanager
def collect(
    frames: Iterable[Image], budget: int = BUDGET, folder: Path | None = None
) -> Iterator[FrameSource]:
    """Collect decoded frames, in memory as long as they fit, else in a frame cache.

    Args:
        frames: Images ``(H, W, 3)`` uint8 of one size, such as a decoder gives.
        budget: Bytes of frames to keep in memory.
        folder: Where a frame cache goes.

    Yields:
        A source, valid inside the ``with`` block; what it took is freed when the block is left.

    Example:
        >>> video = (np.full((4, 6, 3), n, np.uint8) for n in range(5))
        >>> with collect(video, budget=100) as source:
        ...     source.shape, source.band(0, 1)[3, 0, 0].tolist()
        ((5, 4, 6, 3), [3, 3, 3])
    """
    kept: list[Image] = []
    room = budget
    with contextlib.ExitStack() as stack:
        cache: FrameCache | None = None
        for frame in frames:
            room -= frame.nbytes
            if cache is None and room < 0:
                cache = stack.enter_context(FrameCache(folder))
                while kept:
                    cache.add(kept.pop(0))
            if cache is None:
                kept.append(frame)
            else:
                cache.add(frame)
        yield ListSource(kept) if cache is None else cache


@contextlib.contextmanager
def keep(frames: Frames, budget: int = BUDGET, folder: Path | None = None) -> Iterator[FrameSource]:
    """Make the frames of a source once and keep them, in memory if they fit, else in a frame cache.

    For sources that make their bands anew each time, such as aligned frames, before a method that
    reads them several times.

    Example:
        >>> with keep(np.zeros((5, 4, 6, 3), np.uint8)) as source:
        ...     source.shape
        (5, 4, 6, 3)
    """
    source = as_source(frames)
    if isinstance(source, ArraySource | ListSource | FrameCache):
        yield source
    elif int(np.prod(source.shape, dtype=np.int64)) <= budget:
        _, height, _, _ = source.shape
        array = np.empty(source.shape, np.uint8)
        for top in range(0, height, source.band_rows):
            bottom = min(height, top + source.band_rows)
            array[:, top:bottom] = source.band(top, bottom)
        yield ArraySource(array)
    else:
        with FrameCache(folder) as cache:
            cache.fill(source)
            yield cache
