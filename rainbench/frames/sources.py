"""Where the frames of a sequence come from: an array, a list, or a file too large for memory.

Votes and percentiles look at all frames of one place at a time, so a sequence is read in bands:
some rows of every frame. Anything with a `FrameSource`'s three members will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.text import count_of

MOST_FRAMES = 65535
"""Frames of one sequence; counters of the vote are 16 bits wide."""


@runtime_checkable
class FrameSource(Protocol):
    """The frames of one static sequence, readable band by band, from several threads at once."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``: frames, rows, columns, channels R G B."""

    @property
    def band_rows(self) -> int:
        """Rows worth reading at a time."""

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows ``top`` to ``bottom`` (exclusive) of every frame, ``(N, rows, W, 3)``."""


@runtime_checkable
class Divisible(Protocol):
    """A source that makes its frames as they are read, and need not make those left out."""

    def take(self, part: slice) -> FrameSource:
        """Return some of the frames."""


Frames = NDArray[np.uint8] | Sequence[Image] | FrameSource
"""What the clean-frame functions accept as a sequence."""


@dataclass(frozen=True, slots=True)
class ArraySource:
    """Frames in one array, which may be a memory map: bands are views, nothing is copied."""

    frames: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        count, height, width, channels = self.frames.shape
        return count, height, width, channels

    @property
    def band_rows(self) -> int:
        """All rows of an array that needs no copy, else as many as make about 32 MiB."""
        if self.frames.flags.c_contiguous:
            return max(1, int(self.frames.shape[1]))
        return rows_within(self.shape, 32 << 20)

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return a view of rows ``top`` to ``bottom`` of every frame."""
        return self.frames[:, top:bottom]


@dataclass(frozen=True, slots=True)
class ListSource:
    """Frames in a list of images: a band is gathered from them, the whole is never stacked."""

    frames: Sequence[Image]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        height, width, channels = self.frames[0].shape if self.frames else (1, 1, 3)
        return len(self.frames), height, width, channels

    @property
    def band_rows(self) -> int:
        """As many rows as make about 16 MiB."""
        return rows_within(self.shape, 16 << 20)

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows ``top`` to ``bottom`` of every frame."""
        return np.stack([frame[top:bottom] for frame in self.frames])


@dataclass(frozen=True, slots=True)
class PartSource:
    """Some frames of another source: every second, the first so many, or those at some places."""

    source: FrameSource
    part: slice | NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        count, height, width, channels = self.source.shape
        if isinstance(self.part, slice):
            return len(range(*self.part.indices(count))), height, width, channels
        return self.part.size, height, width, channels

    @property
    def band_rows(self) -> int:
        """The other source's rows, at most as many as make about 32 MiB."""
        return min(self.source.band_rows, rows_within(self.source.shape, 32 << 20))

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows ``top`` to ``bottom`` of the chosen frames."""
        return self.source.band(top, bottom)[self.part]


def take_frames(source: FrameSource, part: slice | NDArray[np.int64]) -> FrameSource:
    """Return some frames of a source, without copying them.

    Args:
        source: The sequence.
        part: Which ones, or their places.

    Example:
        >>> take_frames(as_source(np.zeros((9, 4, 6, 3), np.uint8)), np.s_[1::2]).shape
        (4, 4, 6, 3)
    """
    if isinstance(part, np.ndarray):
        return PartSource(source, part)
    if isinstance(source, ArraySource):
        return ArraySource(source.frames[part])
    if isinstance(source, ListSource):
        return ListSource(source.frames[part])
    if isinstance(source, Divisible):
        return source.take(part)
    return PartSource(source, part)


def rows_within(shape: tuple[int, int, int, int], size: int) -> int:
    """Return how many rows of all frames fit into ``size`` bytes, at least one.

    Example:
        >>> rows_within((300, 2160, 3840, 3), 64 << 20)
        19
    """
    count, height, width, channels = shape
    return max(1, min(height, size // max(1, count * width * channels)))


def as_source(frames: object, least: int = 1) -> FrameSource:
    """Accept a sequence of frames in any of its forms, or say what is wrong with it.

    Args:
        frames: ``(N, H, W, 3)`` uint8, a list of ``(H, W, 3)`` uint8 images of one size, or an
            object with the members of `FrameSource`.
        least: The fewest frames that make sense.

    Raises:
        RainbenchError: It is empty, too short or too long, or of the wrong type, shape or dtype.

    Example:
        >>> as_source(np.zeros((20, 4, 6, 3), np.uint8)).shape
        (20, 4, 6, 3)
        >>> as_source(np.zeros((4, 6, 3), np.uint8))
        Traceback (most recent call last):
        ...
        rainbench.core.errors.RainbenchError: the sequence has shape (4, 6, 3), not (N, H, W, 3)
          Stack the RGB frames of one scene along a new first axis.
    """
    source: FrameSource
    if isinstance(frames, np.ndarray):
        _check_array(frames)
        source = ArraySource(frames)
    elif isinstance(frames, FrameSource):
        source = frames
    elif isinstance(frames, Sequence) and not isinstance(frames, str | bytes):
        _check_images(frames)
        source = ListSource(frames)
    else:
        raise RainbenchError(
            f"a {type(frames).__name__} is not a sequence of frames",
            hint="Pass a uint8 array (N, H, W, 3), a list of images, or a FrameSource.",
        )
    _check_counts(source.shape, least)
    return source


def _check_array(frames: NDArray[Any]) -> None:
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise RainbenchError(
            f"the sequence has shape {frames.shape}, not (N, H, W, 3)",
            hint="Stack the RGB frames of one scene along a new first axis.",
        )
    _check_dtype(frames, "the sequence")


def _check_dtype(values: NDArray[Any], what: str) -> None:
    if values.dtype != np.uint8:
        raise RainbenchError(
            f"{what} holds {values.dtype}, not uint8",
            hint="Decode to 8-bit RGB; scaled or float frames would change the votes.",
        )


def _check_images(frames: Sequence[Image]) -> None:
    for index, frame in enumerate(frames):
        what = f"frame {index}"
        if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[-1] != 3:
            found = getattr(frame, "shape", type(frame).__name__)
            raise RainbenchError(
                f"{what} is not an (H, W, 3) image: {found}", hint="Decode all frames to RGB."
            )
        _check_dtype(frame, what)
        if frame.shape != frames[0].shape:
            size, first = (f"{image.shape[1]}x{image.shape[0]}" for image in (frame, frames[0]))
            raise RainbenchError(
                f"{what} is {size} but frame 0 is {first}",
                hint="Frames of different size belong to different sequences: split the video.",
            )


def _check_counts(shape: tuple[int, int, int, int], least: int) -> None:
    count, height, width, _ = shape
    if count < least:
        raise RainbenchError(
            f"the sequence has {count_of(count, 'frame')}, at least {least} needed",
            hint="A clean frame is voted for by many frames: give 20, better 100 or more.",
        )
    if count > MOST_FRAMES:
        raise RainbenchError(
            f"the sequence has {count} frames, at most {MOST_FRAMES} can vote",
            hint="Take every n-th frame, or split the video.",
        )
    if height < 1 or width < 1:
        raise RainbenchError(
            f"the frames are {width}x{height}: they have no pixels", hint="Check the decoder."
        )


def read_band(source: FrameSource, top: int, bottom: int) -> NDArray[np.uint8]:
    """Read a band and check that the source keeps its promise of dtype and shape."""
    band = source.band(top, bottom)
    count, _, width, channels = source.shape
    promised = (count, bottom - top, width, channels)
    if band.shape != promised or band.dtype != np.uint8:
        raise RainbenchError(
            f"rows {top} to {bottom} of the sequence came as {band.dtype} {band.shape}, "
            f"not uint8 {promised}",
            hint="A FrameSource must return the same uint8 frames for every band.",
        )
    return band


def bands(height: int, rows: int) -> Iterator[tuple[int, int]]:
    """Split ``height`` rows into bands of ``rows``: pairs of first row and row after the last.

    Example:
        >>> list(bands(10, 4))
        [(0, 4), (4, 8), (8, 10)]
    """
    for top in range(0, height, rows):
        yield top, min(height, top + rows)
