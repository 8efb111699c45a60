"""Small expressions over the numbers of tables: a cell, the difference of two, a plain number."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

Value = Callable[[str], float]
"""Looks up what a name stands for."""

MINUS = " minus "


def evaluate(text: str, value: Value) -> float:
    """Return what an expression is worth.

    Args:
        text: A number, a name, or ``A minus B`` of such.
        value: Looks up a name.

    Example:
        >>> round(evaluate("a minus b", {"a": 24.15, "b": 23.41}.__getitem__), 2)
        0.74
        >>> evaluate("0.5", {}.__getitem__)
        0.5
    """
    terms = [_term(term, value) for term in text.split(MINUS)]
    return terms[0] - sum(terms[1:])


def _term(text: str, value: Value) -> float:
    try:
        return float(text)
    except ValueError:
        return value(text)


def comparisons(order: tuple[tuple[str, ...], ...]) -> list[tuple[str, str]]:
    """Return which expression has to be above which, for groups given from the top down.

    Example:
        >>> comparisons((("a", "b"), ("c",), ("d",)))
        [('a', 'c'), ('b', 'c'), ('c', 'd')]
    """
    return [
        (upper, lower) for above, below in pairwise(order) for upper in above for lower in below
    ]
