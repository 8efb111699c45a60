"""How strong rain is: the PSNR of the rainy image itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled
from rainbench.core.images import Image
from rainbench.metrics.colour import LUMAS
from rainbench.metrics.psnr import psnr

_Y = LUMAS["y601"].weights
_Y_UNIT = float(LUMAS["y601"].unit)


def input_psnr(rainy: Image, clean: Image) -> tuple[float, float]:
    """Return the PSNR of a rainy image in dB, on luma (protocol ``prenet-y``) and on RGB.

    Infinite where nothing differs.

    Args:
        rainy: ``(H, W, 3)`` uint8.
        clean: The same shape.

    Example:
        >>> clean = np.full((4, 4, 3), 100, np.uint8)
        >>> [round(value, 2) for value in input_psnr(clean + np.uint8(1), clean)]
        [49.45, 48.13]
    """
    luma, colour = _squares(rainy, clean)
    pixels = rainy.shape[0] * rainy.shape[1]
    return (
        psnr(luma / pixels / (255 * _Y_UNIT) ** 2),
        psnr(colour / (3 * pixels) / 255**2),
    )


@compiled
def _squares(rainy: NDArray[np.uint8], clean: NDArray[np.uint8]) -> tuple[float, float]:
    """Sum the squared differences of the luma, in its unit, and of the channels."""
    luma, colour = 0.0, 0.0
    for y in range(rainy.shape[0]):
        for x in range(rainy.shape[1]):
            red = np.int64(rainy[y, x, 0]) - np.int64(clean[y, x, 0])
            green = np.int64(rainy[y, x, 1]) - np.int64(clean[y, x, 1])
            blue = np.int64(rainy[y, x, 2]) - np.int64(clean[y, x, 2])
            weighed = np.float64(_Y[0] * red + _Y[1] * green + _Y[2] * blue)
            luma += weighed * weighed
            colour += np.float64(red * red + green * green + blue * blue)
    return luma, colour
