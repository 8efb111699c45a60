"""Clean frames from the backgrounds of video methods, for comparison with what is made for it.

A video method restores every frame of a clip. Of a static scene these should all be the same
picture; the clean frame is their median over time. The methods run with the options of their
demonstrations, without the search for objects that move: what moves is in no background, either.
They see a sequence as a whole, so that it has to fit into memory, and take seconds to minutes for a
frame, see `SECONDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.machine import free_memory
from rainbench.frames.sources import FrameSource, read_band
from rainbench.video_methods.base import VideoRestorer
from rainbench.video_methods.load import restore_clip

VideoMethod = Literal["fastderain", "jiang2017", "wei2017", "ms-csc"]

SECONDS: Mapping[VideoMethod, float] = {
    "fastderain": 14.0,
    "jiang2017": 140.0,
    "wei2017": 45.0,
    "ms-csc": 75.0,
}
"""Seconds of one core for a million pixels of a frame, as the methods' cards state them."""


def restored_background(source: FrameSource, method: VideoMethod) -> NDArray[np.float32]:
    """Return the median over time of what a video method restores, ``(H, W, 3)`` in levels.

    Args:
        source: The frames.
        method: The method.

    Raises:
        RainbenchError: There are too few frames, or too many for the memory.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> scene = np.random.default_rng(0).integers(60, 180, (8, 12, 3), np.uint8)
        >>> frames = np.repeat(scene[None], 12, axis=0)
        >>> bool(np.abs(restored_background(as_source(frames), "wei2017") - scene).max() < 1)
        True
    """
    restorer = _made(method)
    count, height, width, _ = source.shape
    most = free_memory() // (restorer.bytes_per_pixel * height * width)
    if count > most:
        raise RainbenchError(
            f"the clean-frame method {method} sees {count} frames of {width}x{height} at once, and "
            f"the memory that is free is enough for {most}",
            hint="Use fewer frames, or a method that reads them in bands, such as 'robust'.",
        )
    restored = restore_clip(method, restorer, read_band(source, 0, height))
    median = np.median(restored, axis=0, overwrite_input=True)
    return np.clip(255 * median, 0, 255).astype(np.float32)


def _made(method: VideoMethod) -> VideoRestorer:
    """Make a method, of which only this one is imported."""
    if method == "fastderain":
        from rainbench.video_methods.fastderain import FastDeRain

        return FastDeRain()
    if method == "jiang2017":
        from rainbench.video_methods.jiang2017 import Jiang2017

        return Jiang2017()
    if method == "wei2017":
        from rainbench.video_methods.wei2017 import Wei2017

        return Wei2017(objects=False)
    from rainbench.video_methods.ms_csc import MSCSC

    return MSCSC(objects=False)
