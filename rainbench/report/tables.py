"""Tables as text: ``table.csv`` for machines, ``table.md`` for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from rainbench.catalog.registry import Registry
from rainbench.images import write_atomically
from rainbench.report.rows import Row, build_rows

CSV_COLUMNS: dict[str, Callable[[Row], str]] = {
    "dataset": lambda row: row.dataset,
    "variant": lambda row: row.variant,
    "entry": lambda row: row.entry,
    "protocol": lambda row: row.protocol,
    "images": lambda row: str(row.images),
    "psnr": lambda row: number(row.psnr, 4),
    "ssim": lambda row: number(row.ssim, 6),
    "reported_psnr": lambda row: _plain(row.reported_psnr),
    "reported_ssim": lambda row: _plain(row.reported_ssim),
    "reported_in": lambda row: row.published.where if row.published else "",
    "reported_protocol": lambda row: row.published.evidence if row.published else "",
    "delta_psnr": lambda row: number(row.delta_psnr, 4),
    "delta_ssim": lambda row: number(row.delta_ssim, 6),
    "state": lambda row: row.state,
    "note": lambda row: row.note,
    "parameters": lambda row: str(row.parameters),
    "seconds_per_image": lambda row: _plain(row.seconds_per_image),
}
"""The columns of ``table.csv`` and what stands in them."""


def write_tables(out: Path, registry: Registry) -> list[Row]:
    """Write ``table.csv`` and ``table.md`` of a run's folder from its cells; return the rows."""
    rows = build_rows(out, registry)
    write_atomically(out / "table.csv", table_csv(rows).encode())
    write_atomically(out / "table.md", table_markdown(rows, registry).encode())
    return rows


def table_csv(rows: Iterable[Row]) -> str:
    """Return rows as CSV with a header line; missing numbers are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows([column(row) for column in CSV_COLUMNS.values()] for row in rows)
    return text.getvalue()


def row_dict(row: Row) -> dict[str, str]:
    """Return a row by the names of the columns of ``table.csv``."""
    return {name: column(row) for name, column in CSV_COLUMNS.items()}


def table_markdown(rows: Sequence[Row], registry: Registry) -> str:
    """Return the paper view per data set, then the cross view of everything measured."""
    parts = ["# Results\n"]
    customary = [row for row in rows if row.customary]
    for dataset, group in groupby(customary, key=lambda row: row.dataset):
        parts.append(_paper_view(dataset, list(group), registry))
    measured = [row for row in customary if row.psnr is not None or row.ssim is not None]
    if len({row.dataset for row in measured}) > 1:
        parts.append(_cross_view(measured))
    return "\n".join(parts)


def _paper_view(dataset: str, rows: Sequence[Row], registry: Registry) -> str:
    card = registry.datasets[dataset]
    shown = [row for row in rows if row.trained_for or row.published]
    shown = sorted(shown, key=lambda row: (row.psnr is None, row.psnr or 0))
    variant = next((f", copy of {row.variant}" for row in rows if row.variant), "")
    images = max((row.images for row in rows), default=0)
    lines = [
        f"## {card.title}{variant}",
        "",
        f"Protocol `{card.protocol}`, {images} images. PSNR in dB / SSIM.",
        "",
        "| entry | measured | reported | difference | reported in | state |",
        "|---|---:|---:|---:|---|---|",
    ]
    notes: list[str] = []
    for row in shown:
        state = row.state
        if row.note and row.state in ("gap", "failed", "missing", "not-comparable"):
            if row.note not in notes:
                notes.append(row.note)
            state += f" [{notes.index(row.note) + 1}]"
        reported = row.published
        lines.append(
            f"| {escape(row.entry)} | {_pair(row.psnr, row.ssim)} | "
            f"{_pair(row.reported_psnr, row.reported_ssim)} | "
            f"{_pair(row.delta_psnr, row.delta_ssim, signed=True)} | "
            f"{escape(reported.where) if reported else ''} | {state} |"
        )
    lines += [""] + [f"[{index}] {escape(note)}  " for index, note in enumerate(notes, 1)]
    return "\n".join(lines) + "\n"


def _cross_view(rows: Sequence[Row]) -> str:
    datasets = sorted({row.dataset for row in rows})
    cells = {(row.entry, row.dataset): row for row in rows}
    lines = [
        "## Every entry on every data set",
        "",
        "PSNR in dB / SSIM under each data set's customary protocol; "
        "bold where the entry was trained for the data set.",
        "",
        f"| entry | {' | '.join(datasets)} |",
        "|---|" + "---:|" * len(datasets),
    ]
    for entry in sorted({row.entry for row in rows}):
        texts = []
        for dataset in datasets:
            row = cells.get((entry, dataset))
            text = _pair(row.psnr, row.ssim) if row else ""
            is_own = row is not None and row.trained_for and "." in entry
            texts.append(f"**{text}**" if is_own else text)
        lines.append(f"| {escape(entry)} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def _pair(psnr: float | None, ssim: float | None, *, signed: bool = False) -> str:
    if psnr is None and ssim is None:
        return ""
    sign = "+" if signed else ""
    return f"{number(psnr, 2, sign) or '-'} / {number(ssim, 4, sign) or '-'}"


def number(value: float | None, digits: int, sign: str = "") -> str:
    """Return the one text form of a number; empty for none, ``inf`` spelled out.

    Example:
        >>> number(37.4816, 2), number(None, 2), number(float("inf"), 2), number(0.1, 1, "+")
        ('37.48', '', 'inf', '+0.1')
    """
    if value is None or math.isnan(value):
        return ""
    return f"{value:{sign}.{digits}f}"


def escape(text: str) -> str:
    """Return a text that is safe inside a Markdown table."""
    for character, written in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, written)
    return " ".join(text.split())


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
