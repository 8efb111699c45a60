"""sRGB bytes to linear light and back, by tables that are the same on every machine.

The tables are worked out in whole numbers (IEC 61966-2-1, the exponent 2.4 being 12 / 5), so no
mathematical library's last bit enters, and going there and back is the identity on all 256 levels.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

LINEAR_ONE = 65535
"""White in linear light."""


@functools.cache
def linear_table() -> NDArray[np.uint16]:
    """Return the linear light of every sRGB byte, in units of 1 / `LINEAR_ONE`.

    Example:
        >>> linear_table()[[0, 1, 128, 255]].tolist()
        [0, 20, 14146, 65535]
    """
    return np.array([_linear(2 * level) for level in range(256)], np.uint16)


@functools.cache
def srgb_table() -> NDArray[np.uint8]:
    """Return the nearest sRGB byte of every linear value, ``0 ... LINEAR_ONE``.

    Nearest in sRGB: the border between two bytes is the light half way between their codes.

    Example:
        >>> bool((srgb_table()[linear_table()] == np.arange(256)).all())
        True
    """
    borders = np.array([_linear(2 * level + 1) for level in range(255)])
    table: NDArray[np.uint8] = np.searchsorted(
        borders, np.arange(LINEAR_ONE + 1), side="right"
    ).astype(np.uint8)
    return table


def _linear(half_levels: int) -> int:
    """Return ``round(LINEAR_ONE * light)`` of an sRGB code given in halves of a byte's step."""
    if half_levels * 1000 <= 2 * 255 * 40.45:  # code <= 0.04045: the straight part, / 12.92
        return round(LINEAR_ONE * half_levels / (2 * 255 * 12.92))
    # ((code + 0.055) / 1.055) ** (12 / 5) = (a / b) ** (12 / 5)
    a, b = 1000 * half_levels + 2 * 255 * 55, 2 * 255 * 1055
    low, high = 0, LINEAR_ONE
    while low < high:  # the largest n with n - 1/2 <= LINEAR_ONE (a / b) ** (12 / 5)
        n = (low + high + 1) // 2
        if (2 * n - 1) ** 5 * b**12 <= (2 * LINEAR_ONE) ** 5 * a**12:
            low = n
        else:
            high = n - 1
    return low
