"""Measured numbers: one for each image or each seed, their differences and what these allow to say.

Two kinds of evidence measure. Shipped weights are asked about the images of an embedded set, and
small trainings are repeated with several seeds. What is compared belongs together image by image,
or seed by seed, since all networks see the same patches for the same seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from rainbench.catalog.terms import LossTerm
from rainbench.claims.printed import neighbours
from rainbench.core.errors import CardError
from rainbench.report.stats import LEVEL, paired_test

HOLDS = "holds at this scale"
REVERSED = "reversed"
OPEN = "not distinguishable"


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


def order(*groups: Group) -> list[Comparison]:
    """Compare groups given from the top down.

    Raises:
        CardError: They are of different units, or of unequally many images or seeds.
    """
    levels = [list(group) if isinstance(group, Sequence) else [group] for group in groups]
    found = []
    for upper, lower in neighbours(levels):
        assert isinstance(upper, Quantity)
        difference = upper - lower
        name = lower.name if isinstance(lower, Quantity) else f"{lower:g}"
        found.append(Comparison(upper.name, name, difference.numbers))
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
    found = set(verdicts)
    if len(found) == 1:
        return found.pop()
    if found == {HOLDS, OPEN}:
        return "holds in part at this scale"
    return "reversed in part" if found == {REVERSED, OPEN} else "part holds, part is reversed"


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation of a few numbers; 0 for one.

    Example:
        >>> spread((1.0, 3.0)), spread((2.0,))
        (1.4142135623730951, 0.0)
    """
    return statistics.stdev(values) if len(values) > 1 else 0.0


View = Literal["rain", "without rain", "where it rains"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number per image, by how an entry restores it; its text says which.

    Of the restored images it is the PSNR under the set's default protocol; of a map of the
    network, the area under the curve (AUC) by which it tells the pixels that streaks change from
    all others.

    Attributes:
        entry: Name of the baseline, with the tag of its weights.
        dataset: Name of an embedded set; with a strength, a kind of rain with streaks, which comes
            anew over the clean images of an embedded set.
        stage: Which stage's image, from 1 on; 0 for the network's result.
        map: A map of the network; empty for images.
        strength: Noise amount of the streaks; 0 for the pairs of a set as they are.
        view: ``rain``; ``without rain``, where the network is given the clean images; or ``where it
            rains``, where pixels that no streak changes are put back as they were.

    Example:
        >>> str(Reading(entry="sian.streaks-w12", dataset="mini-streaks", stage=2))
        'sian.streaks-w12 stage 2 on mini-streaks'
    """

    entry: str
    dataset: str
    stage: int = 0
    map: str = ""
    strength: float = 0.0
    view: View = "rain"

    def __post_init__(self) -> None:
        if self.view not in get_args(View) or (self.stage and self.map):
            raise CardError(f'"{self}" is no reading: a stage and a map, or an unknown view')

    @property
    def unit(self) -> str:
        """``dB``, or ``AUC`` of a map."""
        return "AUC" if self.map else "dB"

    def __str__(self) -> str:
        what = f" stage {self.stage}" if self.stage else f" map {self.map}" if self.map else ""
        strength = f" at {self.strength}" if self.strength else ""
        view = f" {self.view}" if self.view != "rain" else ""
        return f"{self.entry}{what} on {self.dataset}{strength}{view}"


@dataclass(frozen=True, slots=True)
class Weights:
    """What shipped weights make of embedded sets, by what a claim asks them.

    Attributes:
        values: What was read so far; anything else is zero.
        asked: The readings that were asked for.
    """

    values: Mapping[Reading, Sequence[float]] = field(default_factory=dict)
    asked: dict[Reading, None] = field(default_factory=dict)

    def __call__(
        self,
        entry: str,
        dataset: str = "mini-streaks",
        *,
        stage: int = 0,
        map_name: str = "",
        strength: float = 0.0,
        view: View = "rain",
    ) -> Quantity:
        """Return a reading, see `Reading`."""
        reading = Reading(
            entry=entry, dataset=dataset, stage=stage, map=map_name, strength=strength, view=view
        )
        self.asked[reading] = None
        return Quantity(str(reading), {reading.unit: tuple(self.values.get(reading, (0.0,)))})


class Scored(NamedTuple):
    """What one training reached."""

    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A network that a claim wants trained.

    Attributes:
        rain: What comes onto the clean images.
        name: What the tables call it.
        baseline: Its card's name; another one where it is a variant.
        arguments: Of the network's class.
        losses: In the place of its recipe's; none for its own.
    """

    rain: str
    name: str
    baseline: str
    arguments: Mapping[str, object]
    losses: tuple[LossTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class Trainings:
    """What small trainings reached, by what a claim asks of them.

    Attributes:
        scores: By rain, name and seed; anything else is zero.
        seeds: How many seeds, from 0 on.
        asked: The networks that were asked for, each once, by name.
    """

    scores: Mapping[tuple[str, str, int], Scored] = field(default_factory=dict)
    seeds: int = 1
    asked: dict[str, Wanted] = field(default_factory=dict)

    def __call__(
        self,
        rain: str,
        name: str,
        *,
        baseline: str = "",
        losses: tuple[LossTerm, ...] = (),
        **arguments: object,
    ) -> Quantity:
        """Return what a network reached on a kind of rain.

        Args:
            rain: The kind of rain.
            name: Of a baseline, or of a variant.
            baseline: Which one it is a variant of.
            losses: Of a variant.
            arguments: Of the network's class.
        """
        self.asked[name] = Wanted(
            rain=rain, name=name, baseline=baseline or name, arguments=arguments, losses=losses
        )
        scores = [
            self.scores.get((rain, name, seed), Scored(0.0, 0.0)) for seed in range(self.seeds)
        ]
        psnr, ssim = tuple(s.psnr for s in scores), tuple(s.ssim for s in scores)
        return Quantity(name, {"psnr": psnr, "ssim": ssim})

    @property
    def missing(self) -> tuple[str, ...]:
        """The networks that were asked for and not trained with every seed."""
        return tuple(
            name
            for name, wanted in self.asked.items()
            if any((wanted.rain, name, seed) not in self.scores for seed in range(self.seeds))
        )
