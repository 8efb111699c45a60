"""What a run's tables show: per data set beside the papers, and every entry on every data set."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import groupby

from rainbench.catalog.registry import Registry
from rainbench.report.grid import Cell, Column, Grid, mark_best, number
from rainbench.report.rows import Row
from rainbench.report.stats import CONFIDENCE, LEVEL, Interval, enough_images
from rainbench.run.cost import COST_SIDE
from rainbench.run.metrics.columns import Column as MetricColumn

NOTED_STATES = ("gap", "failed", "missing", "not-comparable")

_PAPER_COLUMNS = (
    Column("entry", numeric=False),
    Column("PSNR", "measured"),
    Column(f"{CONFIDENCE:.0%} interval", "measured"),
    Column("SSIM", "measured"),
    Column("like", "measured", numeric=False),
    Column("PSNR", "reported"),
    Column("SSIM", "reported"),
    Column("PSNR", "difference"),
    Column("SSIM", "difference"),
    Column("reported in", numeric=False),
    Column("state", numeric=False),
)


def paper_views(rows: Sequence[Row], registry: Registry) -> list[Grid]:
    """Return a table per data set: the entries trained for it, beside the published numbers."""
    defaults = [row for row in rows if row.is_default]
    return [
        _paper_view(dataset, list(group), registry)
        for dataset, group in groupby(defaults, key=lambda row: row.dataset)
    ]


def _paper_view(dataset: str, rows: Sequence[Row], registry: Registry) -> Grid:
    card = registry.datasets[dataset]
    shown = [row for row in rows if row.trained_for or row.published]
    shown.sort(key=lambda row: (row.psnr is None, row.psnr or 0))
    variant = next((f", the {row.variant} copy" for row in rows if row.variant), "")
    images = max((row.images for row in rows), default=0)
    remarks = [f"Protocol {card.protocol}, {images} images. PSNR in dB."]
    if any(row.psnr_interval for row in shown):
        remarks.append(
            f"{CONFIDENCE:.0%} interval: bootstrap interval of the mean PSNR over the images; it "
            "says how far other images of the same kind would move the mean, not which of two "
            "entries is the better one."
        )
    letters = [letter for row in shown for letter in row.group]
    alike = len(letters) > len(set(letters))
    if letters and not alike:
        remarks.append(
            "All entries with the same images differ (paired Wilcoxon tests of PSNR, Holm's "
            f"correction, level {LEVEL:.0%})."
        )
    if alike:
        remarks.append(
            "like: entries that share a letter cannot be told apart on these images (paired "
            f"Wilcoxon tests of PSNR, Holm's correction, level {LEVEL:.0%})."
        )
        if not enough_images(images, lettered := sum(bool(row.group) for row in shown)):
            remarks.append(
                f"{images} images are too few to tell any of {lettered} entries apart, whatever "
                "they score."
            )
    psnr = mark_best([_measured(row.psnr, 2) for row in shown])
    ssim = mark_best([_measured(row.ssim, 4) for row in shown])
    metrics = metric_fields(shown)
    remarks += [f"{column.title}: {about}." for column, about, _ in metrics if about]
    grid = Grid(
        title=f"{card.title}{variant}",
        columns=(*_PAPER_COLUMNS[:4], *(column for column, _, _ in metrics), *_PAPER_COLUMNS[4:]),
        rows=tuple(
            (
                Cell(row.entry),
                psnr[index],
                Cell(interval_text(row.psnr_interval)),
                ssim[index],
                *(cells[index] for _, _, cells in metrics),
                Cell(row.group),
                Cell(row.published.psnr_text if row.published else ""),
                Cell(row.published.ssim_text if row.published else ""),
                Cell(number(row.delta_psnr, 2, "+")),
                Cell(number(row.delta_ssim, 4, "+")),
                Cell(row.published.where if row.published else ""),
                Cell(row.state, note=row.note if _is_noted(row) else ""),
            )
            for index, row in enumerate(shown)
        ),
        remarks=tuple(remarks),
    )
    return grid if alike else _without(grid, "like")


def metric_fields(rows: Sequence[Row]) -> list[tuple[Column, str, list[Cell]]]:
    """Return head, description and fields of a column for each metric that was measured."""
    found: dict[str, MetricColumn] = {}
    for row in rows:
        found |= row.metrics
    fields = []
    for name, metric in sorted(found.items()):
        cells = [_metric_cell(row.metrics.get(name)) for row in rows]
        if metric.higher_is_better is not None:
            cells = mark_best(cells, smallest=not metric.higher_is_better)
        about = "" if metric.title == name else metric.title.rstrip(".")
        fields.append((Column(metric.heading, "measured"), about, cells))
    return fields


def _metric_cell(column: MetricColumn | None) -> Cell:
    if column is None:
        return Cell("")
    if column.problem:
        return Cell("–", note=f"{column.name}: {column.problem}")
    return Cell(number(column.mean, column.digits), column.mean)


def _without(grid: Grid, title: str) -> Grid:
    """Return a table without the column of this title."""
    kept = [index for index, column in enumerate(grid.columns) if column.title != title]
    return dataclasses.replace(
        grid,
        columns=tuple(grid.columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in grid.rows),
    )


def _is_noted(row: Row) -> bool:
    """Return whether the table has to say more than the state."""
    if row.state in NOTED_STATES or row.origin or (row.images and row.ssim is None):
        return True
    return bool(row.images) and not row.comparable


def cost_view(rows: Sequence[Row]) -> Grid | None:
    """Return what the entries cost on any machine; None where nothing was measured."""
    by_entry = {row.entry: row for row in rows if row.images and row.parameters}
    if not by_entry:
        return None
    columns = (
        Column("entry", numeric=False),
        Column("parameters"),
        Column("GFLOPs"),
        Column("peak MB"),
    )
    lines = [
        (
            Cell(entry),
            Cell(f"{row.parameters:,}"),
            Cell(number(gflops(row.macs_per_pixel), 1)),
            Cell(number(row.peak_bytes / 1e6, 0) if row.peak_bytes else ""),
        )
        for entry, row in sorted(by_entry.items())
    ]
    remarks = (
        f"GFLOPs: for one picture of {COST_SIDE}x{COST_SIDE}, two operations per multiply-add.",
        "Peak MB: weights and all results alive at once, for that picture in fp32, without the "
        "workspaces of convolutions.",
    )
    grid = Grid(title="Cost", columns=columns, rows=tuple(lines), remarks=remarks)
    if any(row.peak_bytes for row in by_entry.values()):
        return grid
    return dataclasses.replace(_without(grid, "peak MB"), remarks=remarks[:1])


def timing_view(rows: Sequence[Row], registry: Registry) -> Grid | None:
    """Return the seconds of every entry on every data set; None where nothing was measured."""
    measured = [row for row in rows if row.is_default and row.images and row.parameters]
    if not measured:
        return None
    seconds = {(row.entry, row.dataset): row.seconds_per_image for row in measured}
    datasets = sorted({row.dataset for row in measured})
    return Grid(
        title="Speed",
        columns=(
            Column("entry", numeric=False),
            *(Column(registry.datasets[dataset].title, "seconds") for dataset in datasets),
        ),
        rows=tuple(
            (Cell(entry), *(Cell(_significant(seconds.get((entry, name)))) for name in datasets))
            for entry in sorted({row.entry for row in measured})
        ),
        remarks=(
            "Seconds: median per image, the first ones left out; comparable only between entries "
            "that ran on the same machine with the same number of threads and nothing beside them.",
        ),
    )


def cross_view(rows: Sequence[Row], registry: Registry) -> Grid | None:
    """Return every measured entry on every data set; None where there is only one data set."""
    measured = [
        row for row in rows if row.is_default and (row.psnr is not None or row.ssim is not None)
    ]
    datasets = sorted({row.dataset for row in measured})
    if len(datasets) < 2:
        return None
    entries = sorted({row.entry for row in measured})
    cells = {(row.entry, row.dataset): row for row in measured}
    columns: list[Column] = [Column("entry", numeric=False)]
    fields: list[list[Cell]] = [[Cell(entry) for entry in entries]]
    for dataset in datasets:
        here = [cells.get((entry, dataset)) for entry in entries]
        for title, digits in (("PSNR", 2), ("SSIM", 4)):
            values = [(row.psnr if title == "PSNR" else row.ssim) if row else None for row in here]
            marked = mark_best([_measured(value, digits) for value in values])
            fields.append([cell if cell.text else Cell("–") for cell in marked])
            columns.append(Column(title, registry.datasets[dataset].title))
    return Grid(
        title="Every entry on every data set",
        columns=tuple(columns),
        rows=tuple(zip(*fields, strict=True)),
        remarks=("Under each data set's default protocol. PSNR in dB. –: not in this run.",),
    )


def gflops(macs_per_pixel: int, pixels: int = COST_SIDE * COST_SIDE) -> float:
    """Return 10^9 operations for a picture, two per multiply-add.

    Example:
        >>> gflops(1000, 10**6)
        2.0
    """
    return 2 * macs_per_pixel * pixels / 1e9


def interval_text(interval: Interval | None, digits: int = 2) -> str:
    """Return an interval as text; empty for none."""
    if interval is None:
        return ""
    return f"{number(interval.low, digits)}–{number(interval.high, digits)}"


def _measured(value: float | None, digits: int) -> Cell:
    return Cell(number(value, digits), value)


def _significant(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits that tell something; ``–`` for none.

    Example:
        >>> _significant(14.66), _significant(5.0), _significant(0.0234), _significant(None)
        ('14.7', '5.00', '0.0234', '–')
    """
    if not value:
        return "–"
    return number(value, max(0, digits - 1 - math.floor(math.log10(value))))
