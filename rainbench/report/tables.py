"""Tables as files: ``table.csv`` and ``table.json`` for machines, Markdown and LaTeX for people.

Times differ from run to run, and so does ``timing.md``, which holds them; the tables do not.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rainbench.catalog.registry import Registry
from rainbench.core.escape import escape_formula, markdown
from rainbench.core.files import write_atomically, writing
from rainbench.core.text import json_number
from rainbench.report.grid import number
from rainbench.report.rows import Row, build_rows
from rainbench.report.writers import grid_markdown

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
    "psnr_low": lambda row: number(row.psnr_interval.low, 4) if row.psnr_interval else "",
    "psnr_high": lambda row: number(row.psnr_interval.high, 4) if row.psnr_interval else "",
    "ssim_low": lambda row: number(row.ssim_interval.low, 6) if row.ssim_interval else "",
    "ssim_high": lambda row: number(row.ssim_interval.high, 6) if row.ssim_interval else "",
    "group": lambda row: row.group,
    "parameters": lambda row: str(row.parameters),
    "macs_per_pixel": lambda row: str(row.macs_per_pixel),
    "peak_bytes": lambda row: str(row.peak_bytes or ""),
}
"""The columns of ``table.csv`` and what stands in them."""

NUMBERS = frozenset(
    {"images", "psnr", "ssim", "reported_psnr", "reported_ssim", "delta_psnr", "delta_ssim"}
    | {"psnr_low", "psnr_high", "ssim_low", "ssim_high", "parameters", "macs_per_pixel"}
    | {"peak_bytes"}
)
"""The columns that hold numbers."""


def write_tables(out: Path, registry: Registry, *, final: bool = True) -> list[Row]:
    """Write a run's tables from its cells; return the rows.

    Args:
        out: The run's folder.
        registry: The cards.
        final: Whether nothing more is to come soon: error bars and groups are worked out, and
            ``table.tex``, ``table.json`` and ``timing.md`` are written beside ``table.csv`` and
            ``table.md``.

    Raises:
        StoreError: A table cannot be written.
    """
    with writing(out):
        return _write_tables(out, registry, final=final)


def _write_tables(out: Path, registry: Registry, *, final: bool) -> list[Row]:
    rows = build_rows(out, registry)
    if final:
        from rainbench.report.uncertainty import add_statistics

        rows = add_statistics(rows, out)
        write_atomically(out / "table.tex", table_latex(rows, registry).encode())
        write_atomically(out / "table.json", table_json(rows).encode())
        write_atomically(out / "timing.md", timing_markdown(rows, registry).encode())
    write_atomically(out / "table.csv", table_csv(rows).encode())
    write_atomically(out / "table.md", table_markdown(rows, registry).encode())
    return rows


def table_csv(rows: Iterable[Row]) -> str:
    """Return rows as CSV with a header line; missing numbers are empty."""
    text = io.StringIO()
    rows = list(rows)
    metrics = metric_names(rows)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *metrics])
    writer.writerows(
        [text if name in NUMBERS else escape_formula(text) for name, text in row_dict(row).items()]
        + [number(row.metrics[name].mean, 6) if name in row.metrics else "" for name in metrics]
        for row in rows
    )
    return text.getvalue()


def metric_names(rows: Iterable[Row]) -> list[str]:
    """Return the names of the metrics that any row has, in order."""
    return sorted({name for row in rows for name in row.metrics})


def row_dict(row: Row) -> dict[str, str]:
    """Return a row by the names of the columns of ``table.csv``."""
    return {name: column(row) for name, column in CSV_COLUMNS.items()}


def table_json(rows: Iterable[Row]) -> str:
    """Return rows as JSON: numbers as numbers, null for none, the text ``inf`` for infinity."""
    texts = [_row_text(row) for row in rows]  # row by row: as objects many rows are large
    inside = "\n" + ",\n".join(texts) + "\n " if texts else ""
    return '{\n "rows": [' + inside + "]\n}\n"


def _row_text(row: Row) -> str:
    content = {
        name: _typed(text) if name in NUMBERS else text for name, text in row_dict(row).items()
    } | _metrics(row)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return "  " + text.replace("\n", "\n  ")


def row_json(row: Row) -> dict[str, object]:
    """Return a row as the commands print it: `row_dict`, and its metrics where it has any."""
    return {**row_dict(row), **_metrics(row)}


def _metrics(row: Row) -> dict[str, object]:
    """Return a row's metrics: the mean of each, or why there is none."""
    metrics = {
        name: {"mean": json_number(column.mean)}
        | ({"problem": column.problem} if column.problem else {})
        for name, column in row.metrics.items()
    }
    return {"metrics": metrics} if metrics else {}


def table_markdown(rows: Sequence[Row], registry: Registry) -> str:
    """Return the paper view per data set, the cross view of everything measured, and the costs."""
    from rainbench.report.views import cost_view, cross_view, paper_views

    grids = [*paper_views(rows, registry), cross_view(rows, registry), cost_view(rows)]
    parts = [f"## {markdown(grid.title)}\n\n{grid_markdown(grid)}" for grid in grids if grid]
    return "\n".join(["# Results\n", *parts])


def timing_markdown(rows: Sequence[Row], registry: Registry) -> str:
    """Return the seconds of every entry on every data set, on the machine of the run."""
    from rainbench.report.views import timing_view

    grid = timing_view(rows, registry)
    return f"# {markdown(grid.title)}\n\n{grid_markdown(grid)}" if grid else "# Speed\n"


def table_latex(rows: Sequence[Row], registry: Registry) -> str:
    r"""Return the same tables as LaTeX floats, to be ``\input`` into a paper."""
    from rainbench.report.latex import grid_latex
    from rainbench.report.views import cost_view, cross_view, paper_views

    grids = [*paper_views(rows, registry), cross_view(rows, registry), cost_view(rows)]
    return "\n".join(grid_latex(grid) for grid in grids if grid)


def _typed(text: str) -> float | int | str | None:
    if not text:
        return None
    value = float(text)
    return int(text) if text.isdigit() else json_number(value)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
