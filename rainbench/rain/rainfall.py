"""Rain as it falls: how many drops of which size a cubic metre holds, and how fast they fall.

Marshall and Palmer (1948) for the sizes, Atlas, Srivastava and Sekhon (1973) for the speeds. All
numbers are rounded, so that the last bit of a mathematical library does not matter.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

SMALLEST, LARGEST = 0.5, 6.0
"""Diameters in mm: smaller drops are mist, larger ones break up as they fall."""

QUANTILE_ONE = 1 << 12
"""One in `exponential_table`, as an integer."""


@dataclass(frozen=True, slots=True)
class DropSizes:
    """The drops in the air at a rain rate: ``N(D) = 8000 exp(-slope D)`` per m^3 and mm.

    Attributes:
        slope: ``4.1 R^-0.21`` per mm, R in mm/h.
        density: Drops of `SMALLEST` or more in a cubic metre.
    """

    slope: float
    density: float

    @property
    def excess(self) -> float:
        """By how many mm the mean drop is larger than the smallest."""
        return 1 / self.slope


def drop_sizes(rate: float) -> DropSizes:
    """Return the distribution of drop sizes.

    Args:
        rate: Rain rate in mm/h, above 0.

    Example:
        >>> drop_sizes(50)
        DropSizes(slope=1.803018, density=1801.232)
    """
    slope = round(4.1 * rate**-0.21, 6)
    return DropSizes(slope, round(8000 / slope * exp(-slope * SMALLEST), 3))


@functools.cache
def exponential_table() -> NDArray[np.int32]:
    """Return the standard exponential quantile of every 16-bit word, in 1 / `QUANTILE_ONE`."""
    values = [round(-log(1 - (word + 0.5) / 65536) * QUANTILE_ONE) for word in range(65536)]
    return np.array(values, np.int32)


@functools.cache
def fall_speeds() -> NDArray[np.float64]:
    """Return the terminal speed of drops in m/s, for every 1/100 mm of diameter to `LARGEST`.

    ``9.65 - 10.3 exp(-0.6 D)``, rounded to mm/s and not below 0.

    Example:
        >>> [float(fall_speeds()[100 * size]) for size in (1, 2, 5)]
        [3.997, 6.548, 9.137]
    """
    steps = range(round(100 * LARGEST) + 1)
    return np.array([max(0.0, round(9.65 - 10.3 * exp(-0.006 * step), 3)) for step in steps])


def extinction(rate: float) -> float:
    """Return the extinction of rain too fine to be drawn, per km: ``0.312 R^0.67``.

    The formula is that of rain-rendering (Halder 2019) for its fog.

    Args:
        rate: Rain rate in mm/h.

    Example:
        >>> extinction(50)
        4.2901
    """
    return round(0.312 * float(rate**0.67), 4)
