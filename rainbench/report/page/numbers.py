"""Numbers as JSON knows them."""

from __future__ import annotations

import math


def plain(value: float | None) -> float | str | None:
    """Return a number as it is, so that it is rounded once; infinity as text, NaN as nothing.

    Example:
        >>> plain(37.481234), plain(float("inf")), plain(float("nan")), plain(None)
        (37.481234, 'inf', None, None)
    """
    if value is None or math.isnan(value):
        return None
    return "inf" if math.isinf(value) else float(value)
