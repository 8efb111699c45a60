"""The contract of a video restorer, and what those that work on luma share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""Frames of one clip in order of time, ``(T, H, W, 3)`` RGB."""

Restored = NDArray[np.float32]
"""As many restored frames of the same size, nominally in 0 to 1."""

Volume = NDArray[np.float64]
"""One plane of each frame, ``(T, H, W)``, in 0 to 1."""

TIME, ROWS, COLUMNS = 0, 1, 2
"""The axes of a volume: the next frame, the pixel below, the pixel to the right."""

_LUMA = np.array([65.481, 128.553, 24.966]) / 255
_BLACK = 16 / 255
_GREY_OF_LUMA = 255 / 219


class VideoRestorer(Protocol):
    """What a baseline card of ``restores = "videos"`` names, made with the card's arguments.

    It has no weights, and the same frames always give the same result. A result depends on all
    frames of the clip, so that a clip is never cut for it: who calls it sees to memory first.

    Attributes:
        bytes_per_pixel: Memory that it needs for each pixel of each frame, at most.
        least_frames: The shortest clip that it takes.
        least_size: The lowest and the narrowest frame that it takes, in pixels; where a class does
            not say it, it takes every size.
    """

    bytes_per_pixel: int
    least_frames: int
    least_size: tuple[int, int]

    def __call__(self, frames: Frames) -> Restored:
        """Restore a clip."""


def restore_luma(frames: Frames, restore: Callable[[Volume], Volume]) -> Restored:
    """Restore the luma of a clip and leave its colour differences as they are.

    Args:
        frames: The clip.
        restore: From luma to luma, BT.601 as MATLAB's ``rgb2ycbcr`` has it: 16 to 235 of 255.

    Returns:
        The clip with the new luma. With the colour differences kept, R, G and B move by the same
        amount; the result is cut to 0 to 1, as ``ycbcr2rgb`` does.
    """
    luma = np.empty(frames.shape[:3])
    for index, frame in enumerate(frames):  # one at a time: a whole clip in float64 is large
        luma[index] = frame @ (_LUMA / 255) + _BLACK
    change = (restore(luma) - luma) * _GREY_OF_LUMA
    restored = np.empty(frames.shape, np.float32)
    for index, frame in enumerate(frames):
        restored[index] = np.clip(frame / 255 + change[index, ..., None], 0, 1)
    return restored
