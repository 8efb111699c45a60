"""Numbers as JSON knows them."""

from __future__ import annotations

import math


def plain(value: float | None) -> float | str | None:
    """Return a number with as many digits as are read; infinity as text, NaN as nothing.

    Example:
        >>> plain(37.481234), plain(float("inf")), plain(float("nan")), plain(None)
        (37.4812, 'inf', None, None)
    """
    if value is None or math.isnan(value):
        return None
    return "inf" if math.isinf(value) else float(f"{value:.6g}")
