"""A table as it is printed, whatever it is written out as: fields, heads, rows, footnotes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mark = Literal["", "best", "second"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a table.

    Attributes:
        text: What stands in it.
        value: The number behind it that ranks it; None where it takes no part.
        mark: Whether it is the best or the second of its column.
        note: A footnote; equal ones share a number.
    """

    text: str
    value: float | None = None
    mark: Mark = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column.

    Attributes:
        title: What stands above it.
        group: What stands above several neighbours of the same group.
        numeric: Whether it is set to the right.
    """

    title: str
    group: str = ""
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: a head, rows of as many cells, and sentences below.

    Attributes:
        title: The caption.
        columns: The heads.
        rows: The fields.
        remarks: Sentences below the table, before the footnotes.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The footnotes in the order in which they are met."""
        return tuple(dict.fromkeys(cell.note for row in self.rows for cell in row if cell.note))


def mark_best(cells: Sequence[Cell], *, smallest: bool = False) -> list[Cell]:
    """Mark the best and the second of a column by the numbers as they are printed.

    Cells that print the same share a mark: two best leave the second mark to the next lower number.
    A second needs a third that it is better than, as the best needs a second.

    Args:
        cells: The column; cells without a value are left alone.
        smallest: Whether less is better.

    Example:
        >>> column = [Cell("1.5", 1.5), Cell("1.7", 1.7), Cell("1.7", 1.7), Cell("-"), Cell("1", 1)]
        >>> [cell.mark for cell in mark_best(column)]
        ['second', 'best', 'best', '', '']
    """
    by_text: dict[str, float] = {}
    for cell in cells:
        if cell.value is not None and not math.isnan(cell.value):
            known = by_text.get(cell.text, cell.value)
            by_text[cell.text] = (min if smallest else max)(known, cell.value)
    ranked = sorted(by_text, key=lambda text: by_text[text], reverse=not smallest)
    marks: dict[str, Mark] = {ranked[0]: "best"} if len(ranked) > 1 else {}
    if len(ranked) > 2:
        marks[ranked[1]] = "second"
    return [
        cell if cell.value is None else dataclasses.replace(cell, mark=marks.get(cell.text, ""))
        for cell in cells
    ]


def transpose(grid: Grid, corner: str = "") -> Grid:
    """Turn rows into columns, as papers do that have more methods than measures.

    The first column becomes the head. Groups of columns are put into the names of the new rows.
    """
    columns = [Column(corner, numeric=False)]
    columns += [Column(row[0].text) for row in grid.rows]
    rows = []
    for index, column in enumerate(grid.columns[1:], 1):
        name = f"{column.title}, {column.group}".rstrip(", ")
        rows.append((Cell(name), *(row[index] for row in grid.rows)))
    return Grid(grid.title, tuple(columns), tuple(rows), grid.remarks)


def number(value: float | None, digits: int, sign: str = "") -> str:
    """Return the one text form of a number; empty for none, ``inf`` spelled out, no sign of zero.

    It is rounded once, from the float itself, and half-way to the even digit; every table, figure
    and page writes numbers like this (the page's ``fixed`` is the same in JavaScript).

    Example:
        >>> number(37.4816, 2), number(None, 2), number(float("inf"), 2), number(0.1, 1, "+")
        ('37.48', '', 'inf', '+0.1')
        >>> number(-0.001, 2), number(0.001, 2, "+")
        ('0.00', '0.00')
    """
    if value is None or math.isnan(value):
        return ""
    text = f"{value:{sign}.{digits}f}"
    return text if float(text) else text.lstrip("+-")
