"""What the page shows, as plain data: a run's cells, distributions, hard images, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rainbench.catalog.published import PublishedCell
from rainbench.catalog.registry import Registry
from rainbench.metrics import PROTOCOLS
from rainbench.report.compare import compare_run
from rainbench.report.grid import number
from rainbench.report.page.numbers import plain
from rainbench.report.rows import Row, build_rows
from rainbench.report.uncertainty import add_statistics
from rainbench.run.cost import COST_SIDE
from rainbench.run.results import CellResult, RunResults
from rainbench.version import __version__

METRICS = ("psnr", "ssim")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 24
EXTREMES = 6
"""How many of the hardest and of the easiest images are listed."""

FEW = 20
"""Below so many images each is drawn as a point: a shape would show what nobody measured."""

PROVENANCE = ("device", "threads", "torch", "numpy", "python", "rainbench", "layout")


def page_content(run: Path, registry: Registry) -> dict[str, Any]:
    """Return everything that the page shows except pictures, ready to be written as JSON.

    Args:
        run: A run's folder, complete or not.
        registry: The cards.
    """
    rows = build_rows(run, registry)
    defaults = add_statistics([row for row in rows if row.is_default], run)
    rows = defaults + [row for row in rows if not row.is_default]
    rows.sort(key=lambda row: (row.dataset, row.entry))
    comparison = compare_run(run, registry)
    return {
        "run": run.resolve().name,
        "version": __version__,
        "protocols": {
            name: {"title": protocol.title, "version": protocol.version}
            for name, protocol in PROTOCOLS.items()
        },
        "states": comparison.states,
        "drifts": [str(drift) for drift in comparison.drifts],
        "unmatched": [_unmatched(row) for row in comparison.rows if row.state != "match"],
        "cost_side": COST_SIDE,
        "entries": {row.entry: _entry(row) for row in sorted(rows, key=lambda row: row.entry)},
        "datasets": [
            _dataset(run, name, list(group), registry)
            for name, group in groupby(rows, key=lambda row: row.dataset)
        ],
    }


def _entry(row: Row) -> dict[str, Any]:
    return {
        "parameters": row.parameters,
        "operations": 2 * row.macs_per_pixel * COST_SIDE**2 or None,
    }


def _dataset(run: Path, name: str, rows: Sequence[Row], registry: Registry) -> dict[str, Any]:
    card = registry.datasets[name]
    tables = {row.entry: row for row in rows}
    scores = {
        entry: table
        for entry in tables
        if (table := _images_table(RunResults(run).cell(name, entry))) is not None
    }
    return {
        "name": name,
        "title": card.title,
        "variant": next((row.variant for row in rows if row.variant), ""),
        "licence": card.licence,
        "default_protocol": card.protocol,
        "images": max(row.images for row in rows),
        "cells": [_cell(row) for row in rows],
        "metrics": _metrics(rows),
        "distributions": {
            protocol: {metric: _distributions(scores, protocol, metric) for metric in METRICS}
            for protocol in PROTOCOLS
        },
        "extremes": _extremes(scores, card.protocol),
        "only": next((str(table.index[0]) for table in scores.values() if len(table) == 1), ""),
        "provenance": _provenance(run, name, tables),
    }


def _metrics(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what is to be known of each metric that any entry was measured by."""
    columns = {name: column for row in rows for name, column in row.metrics.items()}
    return [
        {
            "name": name,
            "heading": column.heading,
            "title": column.title,
            "higher_is_better": column.higher_is_better,
            "digits": column.digits,
        }
        for name, column in sorted(columns.items())
    ]


def _images_table(cell: CellResult) -> pd.DataFrame | None:
    """Return a complete cell's scores: a row per image, columns (metric, protocol)."""
    if cell.summary is None:
        return None
    columns = {
        (metric, protocol): [
            getattr(scores[protocol], metric) if protocol in scores else None
            for scores in cell.scores.values()
        ]
        for metric in METRICS
        for protocol in PROTOCOLS
    }
    return pd.DataFrame(columns, index=list(cell.scores), dtype=np.float64)


def _cell(row: Row) -> dict[str, Any]:
    interval = None
    if row.is_default:
        interval = [
            [plain(ends.low), plain(ends.high)] if ends else None
            for ends in (row.psnr_interval, row.ssim_interval)
        ]
    return {
        "entry": row.entry,
        "protocol": row.protocol,
        "images": row.images,
        "psnr": plain(row.psnr),
        "ssim": plain(row.ssim),
        "interval": interval,
        "group": row.group,
        "reported": _reported(row.published) if row.published else None,
        "state": row.state,
        "note": row.note,
        "own": row.trained_for,
        "seconds": row.seconds_per_image,
        "peak": row.peak_bytes or None,
        "metrics": {
            name: {"mean": plain(column.mean), "problem": column.problem}
            for name, column in row.metrics.items()
        },
    }


def _unmatched(row: Row) -> str:
    """Return in one line where a number is not the published one, and why."""
    beside = ""
    if row.published and row.images:
        texts = _reported(row.published)["texts"]
        beside = (
            f": {number(row.psnr, 2)} / {number(row.ssim, 4)} beside "
            f"{' / '.join(text or '–' for text in texts)} in {row.published.where}"
        )
    note = f" ({row.note})" if row.note else ""
    return f"{row.state}: {row.entry} on {row.dataset}, {row.protocol}{beside}{note}"


def _reported(cell: PublishedCell) -> dict[str, Any]:
    """Return a published number as it is printed, its value and its place."""
    return {
        "texts": [cell.psnr_text or number(cell.psnr, 2), cell.ssim_text or number(cell.ssim, 4)],
        "values": [cell.psnr, cell.ssim],
        "where": cell.where,
    }


def _distributions(
    scores: Mapping[str, pd.DataFrame], protocol: str, metric: str
) -> dict[str, Any] | None:
    """Return quantiles and a histogram per entry, all over the same range."""
    values = {
        entry: column
        for entry, table in scores.items()
        if (metric, protocol) in table and len(column := _finite(table[metric, protocol]))
    }
    if not values:
        return None
    low = min(column.min() for column in values.values())
    high = max(column.max() for column in values.values())
    return {
        "range": [plain(low), plain(high)],
        "entries": {
            entry: {
                "quantiles": [plain(value) for value in np.quantile(column, QUANTILES)],
                "ends": [plain(column.min()), plain(column.max())],
                "counts": np.histogram(column, BINS, (low, high))[0].tolist(),
                "points": [plain(value) for value in column] if len(column) < FEW else None,
            }
            for entry, column in values.items()
        },
    }


def _extremes(scores: Mapping[str, pd.DataFrame], protocol: str) -> dict[str, Any]:
    """Return the images that are hardest and easiest for all entries together.

    Entries are first centred on their own mean, so that one that lacks images does not shift
    the order of those that it has.
    """
    metric = "psnr" if PROTOCOLS[protocol].has_psnr else "ssim"
    columns = [table[metric, protocol] for table in scores.values() if (metric, protocol) in table]
    columns = [column.replace([np.inf, -np.inf], np.nan).dropna() for column in columns]
    columns = [column for column in columns if len(column)]
    if not columns:
        return {"metric": metric, "hardest": [], "easiest": []}
    together = pd.concat([column - column.mean() for column in columns], axis=1).mean(axis=1)
    overall = float(np.mean([column.mean() for column in columns]))
    ordered = (together + overall).sort_values(kind="stable")
    few = min(EXTREMES, len(ordered) // 2)
    pairs = [{"image": str(image), "mean": plain(mean)} for image, mean in ordered.items()]
    return {"metric": metric, "hardest": pairs[:few], "easiest": pairs[::-1][:few]}


def _provenance(run: Path, dataset: str, entries: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Return the distinct ways in which a data set's cells were computed, with their entries."""
    ways: dict[tuple[tuple[str, Any], ...], list[str]] = {}
    for entry in entries:
        summary = RunResults(run).cell(dataset, entry).summary
        if summary is not None:
            made = {**summary["options"], **summary.get("provenance", {})}
            shown = (*PROVENANCE, "precision", "tile")
            ways.setdefault(tuple((name, made.get(name)) for name in shown), []).append(entry)
    return [{"entries": names, "how": dict(way)} for way, names in ways.items()]


def _finite(column: pd.Series[float]) -> NDArray[np.float64]:
    values = column.to_numpy(np.float64)
    return np.asarray(values[np.isfinite(values)], np.float64)
