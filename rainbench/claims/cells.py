"""Published cells by name, and what is computed from them: the operands of claims."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from rainbench.catalog.published import PublishedCell
from rainbench.catalog.registry import Registry
from rainbench.core.errors import CardError
from rainbench.core.text import did_you_mean

Metric = Literal["psnr", "ssim"]

SEPARATOR = " | "
SECOND = "second to "
PARAMETERS = "parameters of "


class Tables:
    """Published cells by name, and what is computed from them.

    Args:
        published: All cells.
        registry: The baselines' cards, for their parameters.
        paper: Whose tables are meant where a name says nothing else.
    """

    def __init__(
        self, published: Sequence[PublishedCell], registry: Registry, paper: str = ""
    ) -> None:
        self._cells = {
            (cell.paper, cell.table, cell.dataset, cell.method, cell.variant): cell
            for cell in published
        }
        self._registry, self._paper = registry, paper

    def value(self, name: str, metric: Metric) -> float:
        """Return what an operand stands for, see `rainbench.claims.evaluate.Check`.

        Raises:
            CardError: There is no such cell, or it is empty.
        """
        if name.startswith(PARAMETERS):
            return self._registry.baselines[name.removeprefix(PARAMETERS)].parameters
        if name.startswith(SECOND):
            return self._number(self._second(name.removeprefix(SECOND), metric), metric)
        return self._number(self.cell(name), metric)

    def cell(self, name: str) -> PublishedCell:
        """Return a published cell.

        Raises:
            CardError: There is none of that name.
        """
        table, *others = name.split(SEPARATOR)
        paper, _, table = table.rpartition(" ")
        key = (paper or self._paper, table, *others, *[""] * (3 - len(others)))
        if key not in self._cells:
            known = {
                SEPARATOR.join(key[1:]) for key in self._cells if key[0] == (paper or self._paper)
            }
            raise CardError(f'no published cell "{name}"', hint=did_you_mean(name, known))
        return self._cells[key]

    def _second(self, name: str, metric: Metric) -> PublishedCell:
        """Return the best other cell of a cell's column."""
        best = self.cell(name)
        column = [
            cell
            for cell in self._cells.values()
            if (cell.paper, cell.table, cell.dataset) == (best.paper, best.table, best.dataset)
            and cell is not best
            and getattr(cell, metric) is not None
        ]
        return max(column, key=lambda cell: self._number(cell, metric))

    def text(self, name: str, metric: Metric) -> str:
        """Return an operand's name and number as they are printed."""
        if name.startswith(PARAMETERS):
            return f"{name} ({self.value(name, metric):,.0f})"
        if name.startswith(SECOND):
            cell = self._second(name.removeprefix(SECOND), metric)
            return f"the second, {self._named(cell)} {getattr(cell, f'{metric}_text')}"
        try:
            float(name)
        except ValueError:
            cell = self.cell(name)
            return f"{self._named(cell)} {getattr(cell, f'{metric}_text')}"
        return name

    def _named(self, cell: PublishedCell) -> str:
        """Return a cell's method, with its paper where that is another one."""
        label = f"{cell.method} {cell.variant}".strip()
        return label if cell.paper == self._paper else f"{label} ({cell.paper})"

    def _number(self, cell: PublishedCell, metric: Metric) -> float:
        number: float | None = getattr(cell, metric)
        if number is None:
            raise CardError(f"{cell.where}: {self._named(cell)} has no {metric.upper()}")
        return number


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """Several published numbers of what goes by one name on one data set.

    Attributes:
        dataset: The data set.
        method: The method.
        low: The lowest PSNR and where it stands.
        high: The highest.
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
