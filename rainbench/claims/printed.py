"""Printed numbers: cells of published tables by name, and what claims say of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

from rainbench.catalog.published import PublishedCell
from rainbench.catalog.registry import Registry
from rainbench.core.errors import CardError
from rainbench.core.text import did_you_mean

Item = TypeVar("Item")
Metric = Literal["psnr", "ssim"]
BOTH: tuple[Metric, ...] = ("psnr", "ssim")
PSNR: tuple[Metric, ...] = ("psnr",)

_ROUNDING = 1e-9  # differences of decimal fractions: 25.26 - 24.67 is not the float 0.59


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison of a claim.

    Attributes:
        text: With its numbers.
        holds: Whether it is so.
    """

    text: str
    holds: bool

    @property
    def verdict(self) -> str:
        """Whether it is so, in words."""
        return "holds" if self.holds else "does not hold"


@dataclass(frozen=True, slots=True)
class Number:
    """A printed number.

    Attributes:
        value: What it is worth.
        text: Whose it is, and the digits.
        is_difference: Whether it is one of two numbers, so that the text does not show its worth.
    """

    value: float
    text: str
    is_difference: bool = False

    def __str__(self) -> str:
        return f"{self.text} ({self.value:+.4g})" if self.is_difference else self.text


def _no_column(_metric: Metric) -> Number:
    raise CardError("a difference or a plain number has no column to be the best of")


@dataclass(frozen=True, slots=True)
class Term:
    """A cell, a difference of two cells or a plain number: what can be compared.

    Attributes:
        at: Its number under a metric.
        datasets: The data sets of its cells.
        second: The best other number of a cell's column.
    """

    at: Callable[[Metric], Number]
    datasets: frozenset[str] = frozenset()
    second: Callable[[Metric], Number] = _no_column

    def __sub__(self, other: Term) -> Term:
        def at(metric: Metric) -> Number:
            mine, theirs = self.at(metric), other.at(metric)
            return Number(mine.value - theirs.value, f"{mine.text} - {theirs.text}", True)

        return Term(at, self.datasets | other.datasets)


@dataclass(frozen=True, slots=True)
class Column:
    """What one table prints for one data set; called with a method and a variant, it gives a cell.

    Attributes:
        name: Table and data set.
        cells: All of it, by method and variant.
        reader: The paper whose claim is looked at: cells of other papers are shown with theirs.
    """

    name: str
    cells: dict[tuple[str, str], PublishedCell]
    reader: str

    def __call__(self, method: str, variant: str = "") -> Term:
        """Return a cell.

        Raises:
            CardError: There is none of that name.
        """
        cell = self.cells.get((method, variant))
        if cell is None:
            names = {key: " | ".join(filter(None, (self.name, *key))) for key in self.cells}
            wanted = " | ".join(filter(None, (self.name, method, variant)))
            hint = did_you_mean(wanted, names.values())
            raise CardError(f'no published cell "{wanted}"', hint=hint)

        def second(metric: Metric) -> Number:
            others = [
                other
                for other in self.cells.values()
                if other is not cell and getattr(other, metric) is not None
            ]
            best = self._number(max(others, key=lambda other: getattr(other, metric)), metric)
            return Number(best.value, f"the second, {best.text}")

        return Term(lambda metric: self._number(cell, metric), frozenset([cell.dataset]), second)

    def each(self, *methods: str) -> list[Term]:
        """Return the cells of several methods."""
        return [self(method) for method in methods]

    def _number(self, cell: PublishedCell, metric: Metric) -> Number:
        value: float | None = getattr(cell, metric)
        label = f"{cell.method} {cell.variant}".strip()
        label = label if cell.paper == self.reader else f"{label} ({cell.paper})"
        if value is None:
            raise CardError(f"{cell.where}: {label} has no {metric.upper()}")
        return Number(value, f"{label} {getattr(cell, f'{metric}_text')}")


@dataclass(frozen=True, slots=True)
class Tables:
    """All published tables; called with a table and a data set, they give a column.

    Attributes:
        published: All cells.
        registry: The baselines' cards, for their parameters.
        paper: Whose tables are meant where no other paper is named.
    """

    published: Sequence[PublishedCell]
    registry: Registry
    paper: str = ""

    def __call__(self, table: str, dataset: str, paper: str = "") -> Column:
        """Return what a table prints for a data set."""
        wanted = (paper or self.paper, table, dataset)
        cells = {
            (cell.method, cell.variant): cell
            for cell in self.published
            if (cell.paper, cell.table, cell.dataset) == wanted
        }
        return Column(f"{paper} {table} | {dataset}".strip(), cells, self.paper)

    def parameters(self, baseline: str) -> Term:
        """Return how many parameters a baseline has by its card."""
        count = self.registry.baselines[baseline].parameters
        return Term(lambda _metric: Number(count, f"parameters of {baseline} ({count:,.0f})"))


Group = Term | float | Sequence[Term]
"""What stands at one level of an order: all of a group are above all of the next."""


def second(cell: Term) -> Term:
    """Return the best other cell of a cell's column."""
    return Term(cell.second, cell.datasets)


def order(*groups: Group, metrics: Iterable[Metric] = BOTH) -> Iterator[Part]:
    """Compare groups given from the top down; what fails is named, or all numbers if nothing does.

    Each metric is a part by itself.
    """
    levels = [_terms(group) for group in groups]
    datasets = frozenset[str]().union(*(term.datasets for level in levels for term in level))
    where = f" on {next(iter(datasets))}" if len(datasets) == 1 else ""
    for metric in metrics:
        numbers = [[term.at(metric) for term in level] for level in levels]
        wrong = [
            f"{upper} is not above {lower}"
            for upper, lower in neighbours(numbers)
            if not upper.value > lower.value + _ROUNDING
        ]
        shown = "; ".join(wrong) or " > ".join(", ".join(map(str, level)) for level in numbers)
        yield Part(f"{metric.upper()}{where}: {shown}", not wrong)


def best(*cells: Term, metrics: Iterable[Metric] = BOTH) -> Iterator[Part]:
    """Say whether cells are strictly the best of their columns."""
    for metric in metrics:
        for cell in cells:
            first, other = cell.at(metric), cell.second(metric)
            gain = first.value - other.value
            sign = ">" if gain > 0 else "=" if gain == 0 else "<"
            (dataset,) = cell.datasets
            yield Part(f"{metric.upper()} on {dataset}: {first} {sign} {other}", gain > 0)


def equal(*pairs: tuple[Term, Term]) -> Iterator[Part]:
    """Say whether pairs of cells print the same numbers."""
    for metric in BOTH:
        for one, other in ((one.at(metric), other.at(metric)) for one, other in pairs):
            same = one.value == other.value
            yield Part(f"{metric.upper()}: {one} {'=' if same else '≠'} {other}", same)


def stated(term: Term, printed: str) -> Iterator[Part]:
    """Hold a number in a paper's text, to its last digit, against the PSNR that it is about."""
    number = term.at("psnr")
    found = f"{number.value:.{len(printed.partition('.')[2])}f}"
    yield Part(f"{number.text} = {found}, stated: {printed}", found == printed)


def neighbours(levels: Sequence[Sequence[Item]]) -> list[tuple[Item, Item]]:
    """Return what has to be above what, for groups given from the top down.

    Example:
        >>> neighbours([["a", "b"], ["c"], ["d"]])
        [('a', 'c'), ('b', 'c'), ('c', 'd')]
    """
    return [
        (upper, lower) for above, below in pairwise(levels) for upper in above for lower in below
    ]


def _terms(group: Group) -> Sequence[Term]:
    if isinstance(group, Term):
        return [group]
    if isinstance(group, Sequence):
        return group
    number = Number(group, f"{group:g}")
    return [Term(lambda _metric: number)]


@dataclass(frozen=True, slots=True)
class Spread:
    """Several published numbers of what goes by one name on one data set.

    Attributes:
        dataset: The data set.
        method: The method.
        low: The lowest PSNR and where it stands.
        high: The highest PSNR and where it stands.
    """

    dataset: str
    method: str
    low: tuple[float, str]
    high: tuple[float, str]


def spreads(published: Sequence[PublishedCell], least: float = 0.5) -> list[Spread]:
    """Return where papers differ in PSNR by more than so many dB under one name, widest first.

    Ablations and named variants are left out.
    """
    groups: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for cell in published:
        if cell.psnr is not None and not cell.variant:
            groups[cell.dataset, cell.method].append((cell.psnr, cell.where))
    found = [
        Spread(dataset, method, min(values), max(values))
        for (dataset, method), values in groups.items()
        if max(values)[0] - min(values)[0] > least
    ]
    return sorted(found, key=lambda spread: spread.low[0] - spread.high[0])
