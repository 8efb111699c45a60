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
    means = np.empty((entries, resamples))
    step = max(4, _BLOCK // max(1, count) // 4 * 4)
    for first in range(0, resamples, step):
        drawn = resample_indices(count, min(step, resamples - first), seed, first)
        for row in np.flatnonzero(usable):
            means[row, first : first + len(drawn)] = table[row][drawn].mean(axis=1)
    return [
        _bca(means[row], table[row], confidence) if usable[row] else Interval(np.nan, np.nan)
        for row in range(entries)
    ]


def _bca(means: NDArray[np.float64], values: NDArray[np.float64], confidence: float) -> Interval:
    """Take the interval from the resampled means (Efron and Tibshirani 1993, Eq. 14.9-14.15)."""
    from scipy import special  # takes long to import; small tables need none

    mean = values.mean()
    if np.ptp(values) == 0:
        return Interval(float(mean), float(mean))
    # A resample of the same images in another order has the same mean but for the last bit.
    ties = np.abs(means - mean) <= _SAME * np.ptp(values)
    below = ((means < mean) & ~ties).mean() + ties.mean() / 2
    bias = special.ndtri(below)
    deviation = (values - mean) / (len(values) - 1)  # of the mean of the others, sign turned
    acceleration = (deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5)
    alpha = (1 - confidence) / 2
    shifted = bias + special.ndtri([alpha, 1 - alpha])
    ends = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.percentile(means, 100 * ends)
    return Interval(float(low), float(high))


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


def pairwise_tests(values: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], float]:
    """Test every pair of entries on the same images; return Holm's p-values by pair.

    Args:
        values: For each entry one value per image, all in the same order.
    """
    names = list(values)
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    return dict(
        zip(pairs, holm([paired_test(values[a], values[b]) for a, b in pairs]), strict=True)
    )


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
