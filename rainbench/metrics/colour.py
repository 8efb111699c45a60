"""The luma planes of the protocols, exact: integer weights over integer units.

A plane is held in a unit that makes it whole. MATLAB's luma is a multiple of 1/255000 grey levels,
so its planes hold ``255000 Y``; differences and products of such planes are exact in float64, and
only the divisions at the very end round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.metrics.record import Colour

Plane = NDArray[np.float64]
"""One plane of a picture, ``(H, W)``, in a unit that stands beside it."""

Rounding = Literal["none", "up", "even", "octave", "float32"]


@dataclass(frozen=True, slots=True)
class Luma:
    """A weighted sum of R, G and B, ``weights . (R, G, B) + offset`` over ``unit``.

    Attributes:
        weights: Integer weights of 8-bit R, G and B.
        offset: Added to the weighted sum.
        unit: What one grey level is in the sum.
        rounding: Whether the quotient is rounded to a whole level, and what becomes of halves.
    """

    weights: tuple[int, int, int]
    offset: int
    unit: int
    rounding: Rounding = "none"


_MATLAB = ((65481, 128553, 24966), 16 * 255000, 255000)
_YIQ = ((299, 587, 114), 0, 1000)
"""Weights, offset and unit by BT.601: MATLAB's 65.481, 128.553 and 24.966 for R, G and B of 0 to 1,
plus 16; and .299, .587 and .114, which span 0 to 255."""

LUMAS: Mapping[Colour, Luma] = MappingProxyType(
    {
        "y601": Luma(*_MATLAB),
        "y601-octave": Luma(*_MATLAB, rounding="octave"),
        "y601-even": Luma(*_MATLAB, rounding="even"),
        "ycv": Luma((4899, 9617, 1868), 0, 1 << 14, rounding="up"),  # OpenCV's 14-bit weights
        "yiq": Luma(*_YIQ),
        "yiq-float32": Luma(*_YIQ, rounding="float32"),
    }
)
"""Each luma of `rainbench.metrics.record.Colour`."""

OCTAVE_ROUNDS_DOWN = (
    (123, 251, 249),
    (201, 227, 168),
    (209, 109, 9),
    (218, 58, 248),
    (220, 208, 216),
    (242, 210, 148),
)
"""The colours half-way between two levels that Octave's ``rgb2ycbcr`` rounds down.

Of the 194 colours whose MATLAB luma is exactly half-way, the other 188 round up. It is a matter of
floating-point error in ``.299 r + .587 g + .114 b``, evaluated in this order on R, G, B / 255 and
followed by ``* 219 / 255 + 16 / 255``; which of them MATLAB rounds down is not known.
"""

_PACKING = np.array((1 << 16, 1 << 8, 1))
"""Makes one number of R, G and B, so that colours can be looked up."""


def weigh(image: NDArray[np.uint8], colour: Colour) -> Plane:
    """Compute the weighted sum of one of `LUMAS`, not yet divided by its unit.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        colour: One of `LUMAS`. Those that differ only in rounding have the same sum.

    Returns:
        ``(H, W)`` whole numbers.
    """
    from rainbench.metrics import plane_kernels

    luma = LUMAS[colour]
    plane: Plane = plane_kernels.weigh(np.ascontiguousarray(image), luma.weights, luma.offset)
    return plane


def luma_plane(
    image: NDArray[np.uint8], colour: Colour, weighed: Plane | None = None
) -> tuple[Plane, float]:
    """Compute one luma of a picture.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        colour: One of `LUMAS`.
        weighed: What `weigh` returns for them, where it has been computed already.

    Returns:
        The plane ``(H, W)``, and its unit: divide by it to get grey levels, 0..255. The plane's
        values are whole numbers.

    Example:
        >>> plane, unit = luma_plane(np.full((1, 1, 3), (255, 0, 128), np.uint8), "y601")
        >>> round(float(plane[0, 0] / unit), 6), unit
        (94.012953, 255000.0)
    """
    from rainbench.metrics import plane_kernels

    luma = LUMAS[colour]
    if weighed is None:
        weighed = weigh(image, colour)
    if luma.rounding == "none":
        return weighed, float(luma.unit)
    plane, count = plane_kernels.round_half_up(weighed, float(luma.unit))
    if count and luma.rounding != "up":
        halves = plane_kernels.find_halves(weighed, float(luma.unit), count)
        levels = plane.reshape(-1)
        levels[halves] = _settle(levels[halves], image.reshape(-1, 3)[halves], luma)
    return plane, 1.0


def _settle(
    rounded_up: Plane, colours: NDArray[np.uint8], luma: Luma
) -> NDArray[np.float32] | NDArray[np.float64]:
    """Round the lumas of colours ``(N, 3)`` that are half-way between two levels."""
    if luma.rounding == "even":
        return rounded_up - rounded_up % 2
    if luma.rounding == "octave":
        packed = colours.astype(np.int32) @ _PACKING
        return rounded_up - np.isin(packed, np.array(OCTAVE_ROUNDS_DOWN) @ _PACKING)
    # As torch does it: float32, on pictures in 0..1.
    weights = np.array(luma.weights, np.float32) / np.float32(luma.unit)
    red, green, blue = (colours / np.float32(255)).astype(np.float32).T
    summed = weights[0] * red + weights[1] * green + weights[2] * blue
    in_float32: NDArray[np.float32] = np.rint(summed * np.float32(255))
    return in_float32
