"""The frames of one video for the rounds: looked at once, kept where there is room."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.core.machine import return_freed_memory
from rainbench.frames.cache import collect, keep
from rainbench.frames.maps import maps_on_disk
from rainbench.frames.repeats import Changes, find_new
from rainbench.frames.sources import FrameSource, ListSource, bands
from rainbench.spa.options import SpaOptions
from rainbench.video.read import Frame, VideoError, VideoInfo, decode

MAP_BYTES = 120
"""Bytes that a clean frame and its judge take for each pixel, beside the frames."""

THUMBNAIL_SIDE = 256
"""Longest side of the small grey pictures on which scenes and the camera's path are found;
large enough to find its place to half a pixel of most videos."""


class VideoFrames:
    """The frames of a video: the first pass looks at all of them, later ones read parts.

    Frames that repeat the one before, in a slow video stored as a fast one, are left out.

    Frames that fit the memory budget are kept from the first pass. Otherwise a part is decoded
    again, into memory or, where it does not fit either, into a frame cache on disk.

    Args:
        path: The video.
        options: The options; the memory budget is one worker's.
        scratch: A folder for large temporary files.

    Attributes:
        numbers: The numbers in the video of its frames, repeats left out.
        stop: The number after that of the last frame looked at.
        prints: A hash of each frame, by its number, by which two videos of one recording are
            known; none of a frame of one colour, which any two videos may have.
        info: What is known of the video.
        damage: Why the frames end before the video does; empty unless truncation is allowed.

    Raises:
        VideoError: The video cannot be decoded to its end, or has a single frame.
    """

    def __init__(self, path: Path, options: SpaOptions, scratch: Path) -> None:
        self._path = path
        self._options = options
        self._scratch = scratch
        self._kept: dict[int, Image] | None = {}
        self._held = 0
        self.prints: dict[int, str] = {}
        first, stop = options.span or (0, None)
        with tempfile.TemporaryFile(dir=scratch) as file:
            size, change = self._look(file, slice(first, stop))
            self._first, self.stop = first, first + len(change)
            # A long video has millions of pixels even in thumbnails: they stay in the file.
            self._thumbnails = np.memmap(file, np.uint8, "r", shape=(len(change), *size))
        self.numbers: tuple[int, ...] = tuple((first + np.flatnonzero(find_new(change))).tolist())
        if self._kept is not None:
            self._kept = {number: self._kept[number] for number in self.numbers}
            self._held = sum(image.nbytes for image in self._kept.values())

    def _look(self, file: IO[bytes], wanted: slice) -> tuple[tuple[int, int], list[float]]:
        """Decode the video once; write the thumbnails, return their size and all changes."""
        changes, size = Changes(), (0, 0)
        with decode(
            self._path, frames=wanted, allow_truncated=self._options.allow_truncated
        ) as stream:
            number = len(range(*wanted.indices(stream.info.frames or 0)))
            if 3 * stream.info.width * stream.info.height * number > self._options.frame_budget:
                self._kept = None
            for frame in stream:
                thumbnail = _shrink(frame.image)
                file.write(thumbnail.tobytes())
                changes.add(frame.image)
                # The thumbnail tells of nearly all frames, and is small.
                if np.ptp(thumbnail) or (frame.image != frame.image[0, 0]).any():
                    pixels = np.ascontiguousarray(frame.image).data
                    self.prints[frame.number] = blake2b(pixels, digest_size=8).hexdigest()
                size = thumbnail.shape
                self._keep(frame)
            self.info: VideoInfo = stream.info
            self.damage: str = stream.damage
        file.flush()
        if len(changes.found) < 2:
            raise VideoError(
                self._path,
                "has a single frame",
                hint="A clean frame is voted for by many frames: give 20, better 100 or more.",
            )
        return size, changes.found

    def _keep(self, frame: Frame) -> None:
        """Keep a frame, or release all when they are too many."""
        self._held += frame.image.nbytes
        if self._kept is not None and self._held <= self._options.frame_budget:
            self._kept[frame.number] = frame.image
        else:
            self._kept, self._held = None, 0

    def thumbnails(self) -> Iterator[NDArray[np.uint8]]:
        """Yield a small grey picture of each of the frames, ``(h, w)``."""
        for number in self.numbers:
            yield self._thumbnails[number - self._first]

    def within(self, scene: tuple[int, int]) -> tuple[int, ...]:
        """Return the numbers of the frames of a scene, whose end is excluded."""
        first, stop = (bisect.bisect_left(self.numbers, edge) for edge in scene)
        return self.numbers[first:stop]

    @contextlib.contextmanager
    def part(self, numbers: Sequence[int]) -> Iterator[FrameSource]:
        """Provide the frames of some numbers, in order, within a ``with`` block."""
        if self._kept is not None:
            yield ListSource([self._kept[number] for number in numbers])
            return
        options = self._options
        chosen = pick_numbers(self._path, numbers, allow_truncated=options.allow_truncated)
        frames = (frame.image for frame in chosen)
        with collect(frames, self._options.frame_budget, self._scratch) as source:
            in_memory = isinstance(source, ListSource)
            self._held = int(np.prod(source.shape, dtype=np.int64)) if in_memory else 0
            yield source
            self._held = 0

    def room_for_maps(self, source: FrameSource) -> contextlib.AbstractContextManager[None]:
        """Keep the maps of a clean frame on disk where memory has no room for them, in a block."""
        room = max(0, self._options.frame_budget - self._held)
        return room_for_maps(source.shape[1:], room, self._scratch)

    @contextlib.contextmanager
    def kept(self, source: FrameSource) -> Iterator[FrameSource]:
        """Keep frames that would be computed again at every reading, where there is room."""
        room = max(0, self._options.frame_budget - self._held)
        with keep(source, room, self._scratch) as steady:
            yield steady


@contextlib.contextmanager
def room_for_maps(shape: tuple[int, ...], room: int, scratch: Path) -> Iterator[None]:
    """Keep maps on disk, within a ``with`` block, where they do not fit into memory.

    Args:
        shape: Of the picture, ``(H, W, 3)``.
        room: Bytes of memory that are left for maps.
        scratch: A folder for large temporary files.
    """
    with contextlib.ExitStack() as stack:
        if MAP_BYTES * shape[0] * shape[1] > room:
            return_freed_memory()
            stack.enter_context(maps_on_disk(scratch))
        yield


def pick_numbers(path: Path, numbers: Sequence[int], *, allow_truncated: bool) -> Iterator[Frame]:
    """Decode the frames of some numbers, which are in order.

    Raises:
        VideoError: The video cannot be decoded.
    """
    chosen = frozenset(numbers)
    span = slice(numbers[0], numbers[-1] + 1)
    with decode(path, frames=span, allow_truncated=allow_truncated) as stream:
        for frame in stream:
            if frame.number in chosen:
                yield frame


def _shrink(image: Image) -> NDArray[np.uint8]:
    """Return a small grey picture, each pixel the mean of those it stands for."""
    import cv2

    height, width = image.shape[:2]
    ratio = min(1.0, THUMBNAIL_SIDE / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    small: NDArray[np.uint8] = np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8
    )
    grey: NDArray[np.uint8] = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    return grey


def pick_frames(source: FrameSource, numbers: Sequence[int]) -> list[Image]:
    """Return whole frames of a source, read band by band.

    Example:
        >>> source = ListSource([np.full((5, 6, 3), n, np.uint8) for n in range(4)])
        >>> [int(frame[4, 5, 2]) for frame in pick_frames(source, [1, 3])]
        [1, 3]
    """
    height = source.shape[1]
    parts = [
        source.band(top, bottom)[list(numbers)] for top, bottom in bands(height, source.band_rows)
    ]
    return list(np.concatenate(parts, axis=1))


def about_repeats(used: Sequence[int], whole: int) -> str:
    """Say how many frames of a scene are new where some repeat the one before.

    Example:
        >>> about_repeats([8, 12, 16], 12), about_repeats([0, 2, 5], 7)
        ('one frame in 4 is new: 3 of 12 used', 'frames repeat the one before: 3 of 7 used')
    """
    distances = {after - before for before, after in itertools.pairwise(used)}
    new = f"one frame in {distances.pop()} is new" if len(distances) == 1 else ""
    return f"{new or 'frames repeat the one before'}: {len(used)} of {whole} used"
