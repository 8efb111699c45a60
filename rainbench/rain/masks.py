"""Soft masks: how much of a picture's light each pixel owes to the rain (DAiAM, Section 3.2).

"We calculate the difference of images between the rainy and non-rainy versions and then normalize
to the range between 0 and 1." The paper does not say how channels are reduced and over what the
difference is normalised: here it is the mean over the channels, over the image. Masks are worked
out in whole numbers, the same bytes on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled
from rainbench.core.images import Image


@dataclass(frozen=True, slots=True, eq=False)
class SoftMask:
    """A soft mask with what was lost by normalising it.

    Attributes:
        values: ``(H, W)`` float32 in [0, 1]; zero throughout where the difference is constant.
        lowest: The mean absolute difference, in grey levels, that became 0.
        highest: The one that became 1.
    """

    values: NDArray[np.float32]
    lowest: float
    highest: float

    @property
    def levels(self) -> NDArray[np.uint8]:
        """The mask as a grey picture, ``(H, W)`` uint8: 255 stands for 1."""
        return as_levels(self.values)


def as_levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a mask in [0, 1] as a grey picture: 255 stands for 1.

    Example:
        >>> as_levels(np.array([0.0, 0.5, 1.0], np.float32)).tolist()
        [0, 128, 255]
    """
    levels: NDArray[np.uint8] = np.rint(values * np.float32(255)).astype(np.uint8)
    return levels


def exact_soft_mask(rainy: Image, clean: Image) -> SoftMask:
    """Return where, and how much, an 8-bit picture differs from the one without rain.

    Args:
        rainy: ``(H, W, 3)`` uint8.
        clean: The same shape.

    Example:
        >>> clean = np.full((1, 4, 3), 9, np.uint8)
        >>> rainy = np.array([[[9, 9, 9], [12, 12, 12], [15, 15, 15], [3, 3, 3]]], np.uint8)
        >>> exact_soft_mask(rainy, clean).values.tolist()
        [[0.0, 0.5, 1.0, 1.0]]
    """
    difference = np.empty(rainy.shape[:2], np.uint16)
    lowest, highest = _differences(rainy, clean, difference)
    values = np.zeros(difference.shape, np.float32)
    if highest > lowest:
        _stretch(difference, lowest, 1 / (highest - lowest), values)
    return SoftMask(values, lowest / 3, highest / 3)


@compiled
def _differences(
    rainy: NDArray[np.uint8], clean: NDArray[np.uint8], out: NDArray[np.uint16]
) -> tuple[int, int]:
    """Fill the absolute differences, summed over the channels; return lowest and highest."""
    lowest, highest = 765, 0
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            total = 0
            for channel in range(3):
                # Compiled, int() of an unsigned number stays unsigned.
                above, below = np.int32(rainy[y, x, channel]), np.int32(clean[y, x, channel])
                total += int(abs(above - below))
            out[y, x] = total
            lowest, highest = min(lowest, total), max(highest, total)
    return lowest, highest


@compiled
def _stretch(
    difference: NDArray[np.uint16], lowest: int, scale: float, out: NDArray[np.float32]
) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = np.float32((difference[y, x] - lowest) * scale)
