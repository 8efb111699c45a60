"""Measured numbers: one for each image or each seed, their differences and what these allow to say.

Two kinds of evidence measure. Shipped weights are asked about the images of an embedded set, and
small trainings are repeated with several seeds. What is compared belongs together image by image,
or seed by seed, since all networks see the same patches for the same seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rainbench.claims.printed import neighbours
from rainbench.core.errors import CardError
from rainbench.report.stats import LEVEL, paired_test

HOLDS = "holds at this scale"
REVERSED = "reversed"
OPEN = "not distinguishable"

_MIXED = {
    frozenset({"holds", "does not hold"}): "part",
    frozenset({HOLDS, OPEN}): "holds in part at this scale",
    frozenset({REVERSED, OPEN}): "reversed in part",
}

DIGITS: Mapping[str, int] = {"psnr": 2, "ssim": 4, "dB": 2, "AUC": 3}
"""Decimals of each measure: PSNR and SSIM of trainings, decibels and areas of single images."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something measured.

    Attributes:
        name: What was measured.
        numbers: By measure, a number for each image or seed.
    """

    name: str
    numbers: Mapping[str, tuple[float, ...]]

    def __sub__(self, other: Quantity | float) -> Quantity:
        if not isinstance(other, Quantity):
            same = {name: (float(other),) * len(own) for name, own in self.numbers.items()}
            other = Quantity(f"{other:g}", same)
        if self.numbers.keys() != other.numbers.keys():
            raise CardError(f"{self.name} and {other.name} are of different units")
        try:
            numbers = {
                name: tuple(one - two for one, two in zip(own, other.numbers[name], strict=True))
                for name, own in self.numbers.items()
            }
        except ValueError:
            raise CardError(f"{self.name} and {other.name} cannot be compared one by one") from None
        return Quantity(f"{self.name} minus {other.name}", numbers)


Group = Quantity | float | Sequence[Quantity]
"""What stands at one level of an order: all of a group are above all of the next."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity that should be above another.

    Attributes:
        upper: What should be above.
        lower: What should be below.
        differences: By measure, a number for each image or seed.
    """

    upper: str
    lower: str
    differences: Mapping[str, tuple[float, ...]]

    @property
    def verdict(self) -> str:
        """What the differences allow to say: those of PSNR where there are two measures.

        Example:
            >>> Comparison("a", "b", {"psnr": (0.4, 0.5, 0.3), "ssim": (0.0, 0.0, 0.0)}).verdict
            'holds at this scale'
            >>> Comparison("a", "b", {"dB": (0.4, 0.5, 0.3)}).verdict
            'not distinguishable'
        """
        if "psnr" in self.differences:
            return by_seeds(self.differences["psnr"])
        (differences,) = self.differences.values()
        return by_images(differences)

    @property
    def text(self) -> str:
        """What is compared, with the mean difference, and how many images differ so."""
        if "psnr" in self.differences:
            psnr, ssim = (
                mean_text(self.differences[name], DIGITS[name] + 1, "+")
                for name in ("psnr", "ssim")
            )
            return f"{self.upper} > {self.lower}: PSNR {psnr} SSIM {ssim}"
        ((unit, values),) = self.differences.items()
        mean, agreeing = mean_text(values, DIGITS[unit], "+"), agreeing_text(values)
        return f"{self.upper} > {self.lower}: {mean} {unit}, {agreeing} images"


def order(*groups: Group) -> list[Comparison]:
    """Compare groups given from the top down.

    Raises:
        CardError: They are of different units, or of unequally many images or seeds.
    """
    levels = [list(group) if isinstance(group, Sequence) else [group] for group in groups]
    found = []
    for upper, lower in neighbours(levels):
        assert isinstance(upper, Quantity)
        name = lower.name if isinstance(lower, Quantity) else f"{lower:g}"
        found.append(Comparison(upper.name, name, (upper - lower).numbers))
    return found


def by_seeds(differences: Sequence[float]) -> str:
    """Return what differences over seeds allow to say.

    Three seeds are few: where all of them agree and their mean is beyond their spread, chance alone
    would have done so in at most one of four comparisons.

    Example:
        >>> by_seeds((0.4, 0.5, 0.3)), by_seeds((0.4, -0.1, 0.3))
        ('holds at this scale', 'not distinguishable')
    """
    clear = len(differences) > 1 and abs(statistics.fmean(differences)) > spread(differences)
    if clear and min(differences) > 0:
        return HOLDS
    return REVERSED if clear and max(differences) < 0 else OPEN


def by_images(differences: Sequence[float]) -> str:
    """Return what differences over images allow to say.

    A paired Wilcoxon test, as in the tables of a run: five images or fewer are never enough.

    Example:
        >>> by_images((0.4, 0.5, 0.3, 0.1, 0.2, 0.6)), by_images((0.4, 0.5, 0.3))
        ('holds at this scale', 'not distinguishable')
    """
    if paired_test(differences, [0.0] * len(differences)) >= LEVEL:
        return OPEN
    return HOLDS if statistics.fmean(differences) > 0 else REVERSED


def summary(verdicts: Iterable[str]) -> str:
    """Return the verdicts of a claim's comparisons as one.

    Example:
        >>> summary([HOLDS, OPEN]), summary([HOLDS, HOLDS]), summary([HOLDS, REVERSED])
        ('holds in part at this scale', 'holds at this scale', 'part holds, part is reversed')
    """
    found = frozenset(verdicts)
    if len(found) == 1:
        return next(iter(found))
    return _MIXED.get(found, "part holds, part is reversed")


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation of a few numbers; 0 for one.

    Example:
        >>> spread((1.0, 3.0)), spread((2.0,))
        (1.4142135623730951, 0.0)
    """
    return statistics.stdev(values) if len(values) > 1 else 0.0


def mean_text(values: Sequence[float], digits: int, sign: str = "") -> str:
    """Return the mean and the standard deviation as they are printed.

    Example:
        >>> mean_text((1.0, 3.0), 2), mean_text((2.0,), 1, "+")
        ('2.00 ± 1.41', '+2.0')
    """
    text = f"{statistics.fmean(values):{sign}.{digits}f}"
    return f"{text} ± {spread(values):.{digits}f}" if len(values) > 1 else text


def agreeing_text(differences: Sequence[float]) -> str:
    """Return how many differ in the claimed direction.

    Example:
        >>> agreeing_text((0.1, -0.2, 0.0))
        '1 of 3'
    """
    return f"{sum(value > 0 for value in differences)} of {len(differences)}"
