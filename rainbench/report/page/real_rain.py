"""The tables and the gallery of real rain without truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rainbench.core.files import write_atomically, writing
from rainbench.core.text import count_of
from rainbench.report.grid import Cell, Column, Grid, mark_best, number
from rainbench.report.writers import grid_csv, grid_json, grid_markdown
from rainbench.run.metrics.real_rain import INPUT, RainyPictures, Restored

INPUT_TITLE = "rainy input"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<title>rainbench: {{ grid.title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1300px; padding: 0 1rem; }
div.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
.best { font-weight: bold; } .second { text-decoration: underline; }
section { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(260px, 100%), 1fr)); gap: .7rem; }
figure { margin: 0; } img { width: 100%; height: auto; display: block; }
figcaption { overflow-wrap: anywhere; }
</style>
<h1>{{ grid.title }}</h1>
<div class="scroll"><table>
<tr>{% for column in grid.columns %}<th>{{ column.title }}</th>{% endfor %}</tr>
{% for row in grid.rows %}
<tr>{% for cell in row %}<td><span class="{{ cell.mark }}">{{ cell.text }}</span>{{ " (" + cell.note + ")" if cell.note }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% for remark in grid.remarks %}<p>{{ remark }}</p>{% endfor %}
{% for picture in gallery %}
<h2>{{ picture.name }}</h2>
<section>
{% for shown in picture.shown %}
<figure><a href="{{ shown.file }}"><img loading="lazy" src="{{ shown.file }}" alt="{{ picture.name }} by {{ shown.entry }}"></a><figcaption>{{ shown.entry }}</figcaption></figure>
{% endfor %}
</section>
{% endfor %}
</html>
"""  # noqa: E501


def real_rain_grid(pictures: RainyPictures, rows: Sequence[Restored]) -> Grid:
    """Return the table: the rainy input first, the entries by name, a column for each metric."""
    ordered = sorted(rows, key=lambda row: (row.entry != INPUT, row.entry))
    metrics = {name: column for row in ordered for name, column in row.columns.items()}
    fields = [[Cell(_title(row), note=row.failure) for row in ordered]]
    heads = [Column("entry", numeric=False)]
    remarks = [
        f"{count_of(len(pictures.files), 'picture')} of real rain in {pictures.folder.name}; there "
        "is no truth, so no PSNR and no SSIM."
    ]
    for name, metric in sorted(metrics.items()):
        cells = [_cell(row, name) for row in ordered]
        if metric.higher_is_better is not None:
            cells = mark_best(cells, smallest=not metric.higher_is_better)
        fields.append(cells)
        heads.append(Column(metric.heading))
        remarks.append(f"{metric.heading}: {metric.title.rstrip('.')}.")
    remarks += pictures.problems
    lines = tuple(zip(*fields, strict=True))
    return Grid(f"Real rain: {pictures.folder.name}", tuple(heads), lines, tuple(remarks))


def _title(row: Restored) -> str:
    return INPUT_TITLE if row.entry == INPUT else row.entry


def _cell(row: Restored, metric: str) -> Cell:
    column = row.columns.get(metric)
    if column is None:
        return Cell("–")
    if column.problem:
        return Cell("–", note=f"{metric}: {column.problem}")
    return Cell(number(column.mean, column.digits), column.mean)


def write_real_rain(
    out: Path, pictures: RainyPictures, rows: Sequence[Restored], shown: Sequence[str]
) -> Grid:
    """Write ``real-rain/FOLDER/table`` as Markdown, CSV and JSON, and the gallery's page.

    Raises:
        StoreError: They cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    from rainbench.run.metrics.real_rain import REAL_RAIN

    grid = real_rain_grid(pictures, rows)
    folder = out / REAL_RAIN / pictures.name
    ordered = sorted(rows, key=lambda row: (row.entry != INPUT, row.entry))
    gallery: list[dict[str, Any]] = [
        {
            "name": name,
            "shown": [
                {"entry": _title(row), "file": _link(row.shown[name], folder)}
                for row in ordered
                if name in row.shown
            ],
        }
        for name in shown
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    page = environment.from_string(_PAGE).render(grid=grid, gallery=gallery)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        text = f"# {grid.title}\n\n{grid_markdown(grid)}"
        write_atomically(folder / "table.md", text.encode("utf-8", "replace"))
        write_atomically(folder / "table.csv", grid_csv(grid).encode("utf-8", "replace"))
        write_atomically(folder / "table.json", grid_json(grid).encode("utf-8", "replace"))
        write_atomically(folder / "gallery.html", page.encode("utf-8", "replace"))
    return grid


def _link(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()
