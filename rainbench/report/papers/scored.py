"""A paper's own table, every printed number beside the one measured here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from rainbench.catalog.published import PublishedCell, load_reasons
from rainbench.catalog.registry import Registry
from rainbench.report.grid import Cell, Column, Grid, Mark, mark_best, number, transpose
from rainbench.report.papers.counted import NONE, count_table, layer_table
from rainbench.report.papers.layouts import Metric, TableLayout, find_table
from rainbench.report.rows import Row, build_rows, set_beside
from rainbench.run.results import RunResults
from rainbench.run.scores import best_frames_of

STACKED = 2
"""Data sets beyond which measured numbers stand below the published ones instead of beside them."""

_DIGITS: Mapping[str, int] = {"PSNR": 2, "SSIM": 4}
_MARKS: Mapping[str, Mark] = {"bold": "best", "colour": "best", "underline": "second"}


def paper_table(paper: str, table: str, registry: Registry, out: Path | None = None) -> Grid:
    """Return a paper's table with what was measured beside it.

    Args:
        paper: The paper's name, see `rainbench.report.papers.layouts.find_table`.
        table: The table's number or name.
        registry: The cards.
        out: A run's folder; None, or one without results, leaves the measured side empty.

    Raises:
        RainbenchError: There is no such paper or table, or it holds no PSNR and SSIM.
    """
    layout, cells = find_table(paper, table, registry.folders)
    if layout.counts:
        return count_table(layout, registry)
    if layout.layers:
        return layer_table(layout, registry)
    rows = build_rows(out, registry) if out is not None else []
    measured = _Measured(rows, registry, out)
    methods = [(cell.method, cell.variant) for cell in cells]
    by_place: dict[tuple[str, str], list[PublishedCell]] = {}
    for cell in cells:
        by_place.setdefault((layout.label(cell, methods), cell.dataset), []).append(cell)
    labels = list(dict.fromkeys(label for label, _ in by_place))
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    stacked = len(datasets) > STACKED
    columns = [Column("Methods", numeric=False)]
    fields = [_stack([Cell(label) for label in labels], [Cell("measured")] * len(labels), stacked)]
    for dataset in datasets:
        name = registry.datasets[dataset].title if dataset in registry.datasets else dataset
        places = [_in_order(by_place.get((label, dataset), []), layout) for label in labels]
        printed = [_published(places, metric) for metric in layout.numbers]
        printed[0] = list(map(_with_notes, printed[0], places))
        found = [
            mark_best([measured.cell(place, metric) for place in places])
            for metric in layout.numbers
        ]
        heads = list[str](layout.numbers)
        if layout.joined:
            heads = [layout.joined.join(heads)]
            printed, found = [_join(printed, layout.joined)], [_join(found, layout.joined)]
        if stacked:
            columns += [Column(head, name) for head in heads]
            fields += [_stack(*both, stacked) for both in zip(printed, found, strict=True)]
            continue
        for side, lists in (("published", printed), ("measured", found)):
            group = f"{name}, {side}" if len(datasets) > 1 else side
            columns += [Column(head, group) for head in heads]
            fields += lists
    grid = Grid(
        title=layout.caption,
        columns=tuple(columns),
        rows=tuple(zip(*fields, strict=True)),
        remarks=(
            "Published numbers and their marks as printed, PSNR in dB; measured ones under the same"
            " protocol, the best and the second of them marked.",
        ),
    )
    return grid if layout.methods == "rows" else _with_features(transpose(grid, "Methods"), layout)


def _stack(upper: Sequence[Cell], lower: Sequence[Cell], stacked: bool) -> list[Cell]:
    """Return two columns as one, a cell of the one above a cell of the other; or the first."""
    if not stacked:
        return list(upper)
    return [cell for both in zip(upper, lower, strict=True) for cell in both]


def _in_order(cells: Sequence[PublishedCell], layout: TableLayout) -> list[PublishedCell]:
    """Put what stands in brackets last."""
    return sorted(cells, key=lambda cell: cell.variant in layout.bracketed)


def _published(places: Sequence[Sequence[PublishedCell]], metric: Metric) -> list[Cell]:
    made = []
    for place in places:
        texts = [cell.psnr_text if metric == "PSNR" else cell.ssim_text for cell in place]
        value = (place[0].psnr if metric == "PSNR" else place[0].ssim) if place else None
        words = place[0].mark.split() if place else []
        applies = len(words) == 1 or metric.casefold() in words[1:]
        mark = _MARKS.get(words[0], "") if words and applies else ""
        made.append(Cell(_bracketed(texts), value, mark))
    return made


def _with_notes(printed: Cell, cells: Sequence[PublishedCell]) -> Cell:
    """Return a printed number with what else is known of it, which is no reason for anything."""
    notes = dict.fromkeys(cell.note for cell in cells if cell.note)
    about = f"of the published number: {'; '.join(notes)}" if notes else ""
    return dataclasses.replace(printed, note=about)


def _bracketed(texts: Sequence[str]) -> str:
    first, *others = [text or NONE for text in texts] or [NONE]
    return " ".join([first, *(f"({text})" for text in others)])


def _join(parts: Sequence[Sequence[Cell]], between: str) -> list[Cell]:
    """Put the numbers of a place into one field, marked where all of them are."""
    joined = []
    for cells in zip(*parts, strict=True):
        marks = {cell.mark for cell in cells}
        joined.append(
            Cell(
                between.join(cell.text for cell in cells),
                mark=marks.pop() if len(marks) == 1 else "",
                note=next((cell.note for cell in cells if cell.note), ""),
            )
        )
    return joined


def _with_features(grid: Grid, layout: TableLayout) -> Grid:
    names = [column.title for column in grid.columns[1:]]
    rows = tuple(
        (Cell(feature.name), *(Cell("✓" if name in feature.has else "") for name in names))
        for feature in layout.features
    )
    return dataclasses.replace(grid, rows=rows + grid.rows)


class _Measured:
    """A run's numbers by place, or why there is none."""

    def __init__(self, rows: Sequence[Row], registry: Registry, out: Path | None) -> None:
        self._rows = {(row.dataset, row.entry, row.protocol): row for row in rows}
        self._unmeasured = {
            (row.dataset, row.entry): row for row in rows if row.state in ("missing", "failed")
        }
        self._registry = registry
        self._out = out
        self._entries = {entry.name: entry for entry in registry.entries()}
        self._reasons = load_reasons(registry.folders)

    def cell(self, place: Sequence[PublishedCell], metric: Metric) -> Cell:
        """Return what stands beside the numbers of one place."""
        found = [self._one(cell, metric) for cell in place]
        if not found:
            return Cell(NONE)
        notes = dict.fromkeys(cell.note for cell in found if cell.note)
        return Cell(
            _bracketed([cell.text for cell in found]), found[0].value, note="; ".join(notes)
        )

    def _one(self, cell: PublishedCell, metric: Metric) -> Cell:
        row = self._rows.get((cell.dataset, cell.entry, cell.protocol))
        if row is None or not row.images:
            return Cell(NONE, note=self._why_not(cell))
        if not cell.is_mean:
            row = self._of_best_frames(row)
        beside = set_beside(row, cell, self._reasons)
        value = row.psnr if metric == "PSNR" else row.ssim
        note = beside.note or beside.state if beside.state != "match" else ""
        return Cell(number(value, _DIGITS[metric]), value, note=note)

    def _of_best_frames(self, row: Row) -> Row:
        """Return a row with the means over the best frames of the clips."""
        assert self._out is not None  # where the row was read
        scores = RunResults(self._out).cell(row.dataset, row.entry).scores
        best = best_frames_of(scores, row.protocol)
        return dataclasses.replace(row, psnr=best.psnr, ssim=best.ssim)

    def _why_not(self, cell: PublishedCell) -> str:
        if cell.psnr is None and cell.ssim is None:
            return "nothing published"
        if cell.dataset not in self._registry.datasets:
            return f"there is no data set card for {cell.dataset}"
        if not cell.entry:
            return self._why_no_entry(cell)
        if cell.entry not in self._entries:
            return f"the card of {cell.method} knows no weights of this kind ({cell.entry})"
        if cell.protocol == "unknown":
            return "under which protocol the number was made is not known"
        unmeasured = self._unmeasured.get((cell.dataset, cell.entry))
        if unmeasured is not None:
            return f"{unmeasured.state}: {unmeasured.note}"
        run = f"rainbench run -b {cell.entry} -d {cell.dataset}"
        weights = self._entries[cell.entry].weights
        if weights is not None and weights.training is None:
            run = f"rainbench fetch {cell.entry}; {run} --weights weights"
        return f"not in this run: {run}"

    def _why_no_entry(self, cell: PublishedCell) -> str:
        """Return why no entry claims a number, and how weights for it can be made."""
        card = self._registry.printed_as(cell.method, cell.variant)
        if card is None:
            return "no entry here for this method"
        why = f"no weights of {cell.method} here are those of this number"
        if card.recipe is None:
            return why
        stem = cell.dataset
        sets = [each for each in (f"{stem}-train", f"{stem.rpartition('-')[0]}-train")
                if each in self._registry.datasets]  # fmt: skip
        on = f" -d {sets[0]}" if sets else ""
        return f"{why}; rainbench train {card.name}{on} trains its network"
