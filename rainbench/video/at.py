"""One frame of a video by its number, for those who look at them in about their order.

A video is decoded from its first frame on. So the last decoders are kept, each with the frames that
it gave last: who goes forwards, with a few threads too, decodes every frame once.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from pathlib import Path

from rainbench.core.errors import ImageError
from rainbench.core.images import Image
from rainbench.core.packed.places import stamp_of
from rainbench.video.read import decode
from rainbench.video.stream import FrameStream

_DECODERS = 4
"""Videos that are read at once: rainy and clean, of the clip that ends and of the next."""

_KEPT = 16
"""Frames of each that are kept: threads may ask for the one before the last."""


def count_frames(path: Path) -> int:
    """Return how many frames a video has, by decoding it: what files say of themselves is unsure.

    Raises:
        VideoError: It cannot be decoded, or is damaged.
    """
    with decode(path) as stream:
        return sum(1 for _ in stream)


def frame_at(path: Path, number: int) -> Image:
    """Return a frame of a video, counted from 0.

    Raises:
        VideoError: The video cannot be decoded so far.
        ImageError: It is shorter.
    """
    return _decoder(path.absolute()).frame(number)


class _Decoder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stream: FrameStream | None = None
        self._stamp: object = None
        self._last = -1
        self._kept: OrderedDict[int, Image] = OrderedDict()

    def frame(self, number: int) -> Image:
        with self._lock:
            stamp = stamp_of(self._path)
            if stamp != self._stamp:  # what was kept is of another file
                self._end()
            if number in self._kept:
                return self._kept[number]
            if self._stream is None or number <= self._last:
                self._end()
                self._stream, self._stamp = decode(self._path), stamp
            for frame in self._stream:
                self._last = frame.number
                self._kept[frame.number] = frame.image
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                if frame.number == number:
                    return frame.image
            raise ImageError(self._path, f"has no frame {number} any more: it changed meanwhile")

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._kept.clear()
        self._last = -1


@functools.lru_cache(_DECODERS)
def _decoder(path: Path) -> _Decoder:
    return _Decoder(path)
