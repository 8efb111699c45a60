"""Error bars of means, and which entries cannot be told apart.

A mean over a test set is one draw: other images would have given another. The intervals say how
far it may be off (bootstrap over the images, bias-corrected and accelerated: Efron 1987), the
groups which entries differ beyond that (paired Wilcoxon signed-rank tests over the images, Wilcoxon
1945, corrected for their number: Holm 1979).
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rainbench.core.random import philox

CONFIDENCE = 0.95
RESAMPLES = 10_000
LEVEL = 0.05
"""The chance, over all pairs of a table together, of calling two equal entries different."""

_SAME = 1e-9
"""Share of the values' range by which two equal means may differ in floating point."""

_TESTED = 512
"""Pairs that are tested at once."""

_EXACT = 50
"""Up to so many images SciPy takes the exact distribution, where nothing is tied."""

_BLOCK = 1 << 22
"""Drawn indices that are held at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a mean.

    Attributes:
        low: Its lower end; nan where there is none (fewer than two values, or one is infinite).
        high: Its upper end.
    """

    low: float
    high: float


def resample_indices(count: int, resamples: int, seed: int = 0, first: int = 0) -> NDArray[np.intp]:
    """Draw which values each resample consists of: ``(resamples, count)``, each in 0..count-1.

    The same for every entry, so that resampled means of two entries are paired, and the same with
    every version of NumPy.

    Args:
        count: How many values there are.
        resamples: How many resamples.
        seed: Another seed, another draw.
        first: Number of the first resample: pieces of a draw join to the whole of it.

    Example:
        >>> resample_indices(4, 2).shape
        (2, 4)
        >>> bool((resample_indices(4, 3)[1:] == resample_indices(4, 2, first=1)).all())
        True
    """
    generator = philox("bootstrap", seed, count)
    generator.advance(first * count // 4)
    skipped = first * count % 4
    words = generator.random_raw(resamples * count + skipped)[skipped:] >> np.uint64(32)
    return ((words * np.uint64(count)) >> np.uint64(32)).astype(np.intp).reshape(resamples, count)


def bootstrap_means(
    values: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Interval]:
    """Return the confidence interval of each row's mean (BCa bootstrap).

    Args:
        values: ``(entries, images)``, any unit.
        confidence: How often such an interval holds the true mean.
        resamples: How often the images are drawn again.
        seed: See `resample_indices`.

    Example:
        >>> interval, = bootstrap_means([[1.0, 2.0, 3.0, 4.0, 5.0]])
        >>> 1 < interval.low < 3 < interval.high < 5
        True
    """
    table = np.asarray(values, np.float64)
    entries, count = table.shape
    usable = np.isfinite(table).all(axis=1) & (count > 1)
    table = _summable(table[usable])
    means = np.empty((len(table), resamples))
    step = max(4, _BLOCK // max(1, count) // 4 * 4)
    for first in range(0, resamples, step):
        drawn = resample_indices(count, min(step, resamples - first), seed, first)
        # How often each value is drawn says as much as the draw, and serves all rows at once.
        places = drawn + count * np.arange(len(drawn))[:, None]
        times = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)
        means[:, first : first + len(drawn)] = table @ times.T.astype(np.float64) / count
    found = [Interval(np.nan, np.nan)] * entries
    if not len(table):
        return found
    for row, low, high in zip(np.flatnonzero(usable), *_bca(means, table, confidence), strict=True):
        found[row] = Interval(float(low), float(high))
    return found


def _summable(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to steps so small and so large that all sums of draws are exact.

    So a row's means are the same bits whatever stands beside it, and in whatever order a library
    adds. The steps are some 1e-13 of what is rounded, far below the digits of any score.

    Args:
        table: ``(entries, images)``, finite.

    Example:
        >>> table = _summable(np.array([[0.1, 0.2, 0.3, 33.3]]))
        >>> bool(table.sum() == table[:, ::-1].sum()), bool(abs(table[0, 3] - 33.3) < 1e-12)
        (True, True)
    """
    if not table.size:
        return table
    largest = np.abs(table).max(axis=1, keepdims=True) * table.shape[1]
    steps = np.exp2(np.ceil(np.log2(np.maximum(largest, np.finfo(np.float64).tiny))) - 52)
    return np.asarray(np.round(table / steps) * steps, np.float64)


def _bca(
    means: NDArray[np.float64], table: NDArray[np.float64], confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take intervals from the resampled means (Efron and Tibshirani 1993, Eq. 14.9-14.15).

    Args:
        means: ``(entries, resamples)``; it is sorted.
        table: ``(entries, images)``, the values.
        confidence: How often an interval holds the true mean.

    Returns:
        The lower and the upper end of each row's.
    """
    from scipy import special  # takes long to import; small tables need none

    count = table.shape[1]
    mean = table.sum(axis=1, keepdims=True) / count
    spread = np.ptp(table, axis=1, keepdims=True)
    # A resample of the same images in another order has the same mean but for the last bit.
    off = means - mean
    ties = np.abs(off) <= _SAME * spread
    below = ((off < 0) & ~ties).mean(axis=1) + ties.mean(axis=1) / 2
    bias = special.ndtri(below)[:, None]
    deviation = (table - mean) / (count - 1)  # of the mean of the others, sign turned
    alpha = (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # of values that are all the same
        scale = (deviation**2).sum(axis=1) ** 1.5
        acceleration = ((deviation**3).sum(axis=1) / (6 * scale))[:, None]
        shifted = bias + special.ndtri([alpha, 1 - alpha])
        shares = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    constant = spread[:, 0] == 0
    shares[constant] = 0.5
    means.sort(axis=1)
    ends = _quantiles(means, shares)
    ends[constant] = mean[constant]
    return ends[:, 0], ends[:, 1]


def _quantiles(ordered: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of rows that are in order, as `numpy.quantile` has them, each row its own.

    Example:
        >>> _quantiles(np.array([[1.0, 2.0, 4.0]]), np.array([[0.25, 1.0]])).tolist()
        [[1.5, 4.0]]
    """
    places = shares * (ordered.shape[1] - 1)
    first = np.floor(places).astype(np.intp)
    last = np.minimum(first + 1, ordered.shape[1] - 1)
    low, high = (np.take_along_axis(ordered, each, axis=1) for each in (first, last))
    return np.asarray(low + (high - low) * (places - first), np.float64)


def paired_test(first: ArrayLike, second: ArrayLike) -> float:
    """Return the two-sided p-value of a paired Wilcoxon signed-rank test.

    Args:
        first: One value per image.
        second: The other entry's value on the same images. Equal values, two infinite ones
            included, say nothing and are left out; when all are equal the p-value is 1.

    Example:
        >>> paired_test([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
        0.0625
        >>> paired_test([1.0, 2.0], [1.0, 2.0])
        1.0
    """
    from scipy import stats  # takes a second to import; small tables need none

    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    unequal = one != other
    if not unequal.any():
        return 1.0
    return float(stats.wilcoxon(one[unequal] - other[unequal]).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979); the order is kept.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def pairwise_tests(values: Mapping[str, ArrayLike]) -> dict[tuple[str, str], float]:
    """Test every pair of entries on the same images; return Holm's p-values by pair.

    Args:
        values: For each entry one value per image, all in the same order.
    """
    names = list(values)
    table = np.array([values[name] for name in names], np.float64)
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    found: list[float] = []
    for first in range(0, len(pairs), _TESTED):
        some = pairs[first : first + _TESTED]
        one, other = (table[[pair[side] for pair in some]] for side in (0, 1))
        found += _paired_tests(one, other)
    named = [(names[a], names[b]) for a, b in pairs]
    return dict(zip(named, holm(found), strict=True))


def _paired_tests(one: NDArray[np.float64], other: NDArray[np.float64]) -> list[float]:
    """Return what `paired_test` does for each row, those that need no special care together."""
    from scipy import stats

    with np.errstate(invalid="ignore"):  # two infinite values
        differences = one - other
    sizes = np.sort(np.abs(differences), axis=1)
    plain = (sizes[:, 0] > 0) & np.isfinite(sizes[:, -1])
    if one.shape[1] <= _EXACT:  # where ties decide how the p-value is found
        plain &= (sizes[:, 1:] > sizes[:, :-1]).all(axis=1)
    found = np.empty(len(one))
    if plain.any():
        found[plain] = stats.wilcoxon(differences[plain], axis=1).pvalue
    for row in np.flatnonzero(~plain):
        found[row] = paired_test(one[row], other[row])
    return [float(p_value) for p_value in found]


def enough_images(images: int, entries: int, level: float = LEVEL) -> bool:
    """Return whether so many images can tell any two of so many entries apart.

    The least p-value there is, when one entry is ahead on every image, is ``2 ** (1 - images)``;
    Holm's correction takes it times the number of pairs.

    Example:
        >>> enough_images(8, 17), enough_images(100, 17)
        (False, True)
    """
    pairs = entries * (entries - 1) // 2
    return pairs * 2.0 ** (1 - images) < level


def group_letters(
    names: Sequence[str], corrected: Mapping[tuple[str, str], float], level: float = LEVEL
) -> dict[str, str]:
    """Give letters to entries: two that share one cannot be told apart (Piepho 2004).

    Args:
        names: The entries, the best first, which gets the letter ``a``.
        corrected: The p-value of every pair.
        level: Below this two entries differ.

    Example:
        >>> group_letters(["x", "y", "z"], {("x", "y"): 0.3, ("x", "z"): 0.01, ("y", "z"): 0.2})
        {'x': 'a', 'y': 'ab', 'z': 'b'}
    """
    groups = [set(names)]
    for (first, second), p_value in corrected.items():
        if p_value >= level:
            continue
        split = [
            group - {one}
            for group in groups
            for one in ((first, second) if {first, second} <= group else (None,))
        ]
        unique = [group for index, group in enumerate(split) if group not in split[:index]]
        groups = [group for group in unique if not any(group < other for other in unique)]
    place = {name: index for index, name in enumerate(names)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    return {
        name: "".join(_letter(index) for index, group in enumerate(groups) if name in group)
        for name in names
    }


def _letter(index: int) -> str:
    """Return the index-th letter: a to z, A to Z, then numbers in brackets."""
    letters = string.ascii_letters
    return letters[index] if index < len(letters) else f"({index + 1})"
