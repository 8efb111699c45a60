"""Frames made to match their clean frame: moved to one place, brought to one brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.frames.alignment import AlignedSource
from rainbench.frames.exposure import normalise
from rainbench.frames.sources import ArraySource, FrameSource

_Value = TypeVar("_Value", bound=np.generic)

LIGHT = 0.01
"""Change of the light, as a share, below which frames are left as they were filmed. One percent of
white is 2.5 levels; drift of up to some 3 % does a vote no harm."""

FARTHEST = 12.0
"""Pixels between two places, beyond which a camera is taken to move rather than to shake or drift;
chosen: motion itself is followed over 16 either way (`rainbench.frames.motion`)."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is done to the frames of a sequence before they vote, and to those of its pairs.

    Attributes:
        shifts: ``(N, 2)`` pixels by which each frame's content lies to the right and below, or
            None where they are left in place.
        exposure: ``(N,)`` brightness of each frame relative to the clean frame, ``(N, 3)`` of its
            channels, or None where the light is left as it was filmed.
        crop: Left, top, right, bottom of what all frames show, once moved.
        turns: ``(N,)`` radians by which each frame's content is turned, or None where none is.
    """

    shifts: NDArray[np.float64] | None
    exposure: NDArray[np.float64] | None
    crop: tuple[int, int, int, int]
    turns: NDArray[np.float64] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Which corrections are made: ``shake``, ``light``."""
        shake, light = self.shifts is not None, self.exposure is not None
        return ("shake",) * shake + ("light",) * light

    def cut(self, image: NDArray[_Value]) -> NDArray[_Value]:
        """Return the part of a picture, or of a mask, that all frames show."""
        left, top, right, bottom = self.crop
        return np.ascontiguousarray(image[top:bottom, left:right])


def correct_frame(image: Image, index: int, correction: Correction) -> Image:
    """Return a frame as it matches the clean frame: moved, brightened, cropped.

    Args:
        image: ``(H, W, 3)`` uint8, as decoded.
        index: Its place among the frames that voted.
        correction: That of the sequence.

    Example:
        >>> image = np.full((4, 6, 3), 100, np.uint8)
        >>> half = Correction(None, np.array([0.5]), (1, 0, 6, 4))
        >>> corrected = correct_frame(image, 0, half)
        >>> corrected.shape, int(corrected.max())
        ((4, 5, 3), 200)
    """
    source: FrameSource = ArraySource(image[None])
    if correction.shifts is not None:
        one = slice(index, index + 1)
        turns = None if correction.turns is None else correction.turns[one]
        source = AlignedSource(source, correction.shifts[one], turns)
    if correction.exposure is not None:
        source = normalise(source, correction.exposure[index : index + 1])
    return correction.cut(source.band(0, image.shape[0])[0])
