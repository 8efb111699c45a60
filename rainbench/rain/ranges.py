"""The looks of rain, and which number, or range of numbers, of a record is out of bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rainbench.core.errors import RainbenchError

Look = Literal["painted", "natural"]
"""``painted``: streaks as in the published sets, up to pure white, and drops as first fitted; what
the shipped sets were made with. ``natural``: streaks as faint as in films of heavy rain, and drops
whose rims and highlights, too, are those of photographs."""


def check_ranges(what: str, record: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise unless every named field of a record lies in its closed range.

    Args:
        what: What the record describes, in the plural, for the message.
        record: Any object with the fields as attributes.
        ranges: Lowest and highest value of each field. NaN is out of every range.

    Raises:
        RainbenchError: A field is out of range.

    Example:
        >>> check_ranges("numbers", 3 + 4j, {"real": (0, 5), "imag": (0, 3)})
        Traceback (most recent call last):
        rainbench.core.errors.RainbenchError: imag of numbers is 4.0: it must be 0 to 3
    """
    for name, (low, high) in ranges.items():
        value = getattr(record, name)
        if not low <= value <= high:
            raise RainbenchError(f"{name} of {what} is {value}: it must be {low} to {high}")


def check_drawn(what: str, record: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise unless every named field is a range, the lower value first, within its bounds.

    Args:
        what: What is drawn from the record, in the plural, for the message.
        record: Any object with the fields, pairs of numbers, as attributes.
        ranges: Lowest and highest value of each field.

    Raises:
        RainbenchError: A range runs backwards or out of bounds.
    """
    for name, (bottom, top) in ranges.items():
        low, high = getattr(record, name)
        if not bottom <= low <= high <= top:
            raise RainbenchError(
                f"{name} of {what} is {low} to {high}: "
                f"it must be {bottom:g} to {top:g}, the lower first"
            )
