"""Tables written out as Markdown, CSV or JSON; `rainbench.report.latex` writes LaTeX."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Literal

from rainbench.core.escape import escape_formula, markdown
from rainbench.core.text import json_number
from rainbench.report.grid import Cell, Grid
from rainbench.report.latex import grid_latex

Format = Literal["markdown", "latex", "csv", "json"]


def write_grid(grid: Grid, form: Format) -> str:
    """Return a table as text."""
    write = {"markdown": grid_markdown, "latex": grid_latex, "csv": grid_csv, "json": grid_json}
    return write[form](grid)


def grid_markdown(grid: Grid) -> str:
    r"""Return a table as Markdown: the best bold, the second underlined, footnotes below.

    Example:
        >>> from rainbench.report.grid import Column
        >>> print(grid_markdown(Grid("T", (Column("a|b"),), ((Cell("1", 1, "best"),),))))
        | a\|b |
        |---:|
        | **1** |
        <BLANKLINE>
    """
    notes = grid.notes
    heads = [markdown(f"{column.group} {column.title}".strip()) for column in grid.columns]
    lines = [
        f"| {' | '.join(heads)} |",
        "|" + "|".join("---:" if column.numeric else "---" for column in grid.columns) + "|",
    ]
    marks = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}
    for row in grid.rows:
        texts = []
        for cell in row:
            text = marks[cell.mark].format(markdown(cell.text)) if cell.text else ""
            number = f" [{notes.index(cell.note) + 1}]" if cell.note else ""
            texts.append(text + number)
        lines.append(f"| {' | '.join(texts)} |")
    lines.append("")
    lines += [f"{markdown(remark)}  " for remark in grid.remarks]
    lines += [f"[{index}] {markdown(note)}  " for index, note in enumerate(notes, 1)]
    return "\n".join(lines).rstrip(" ") + ("\n" if grid.remarks or notes else "")


def grid_csv(grid: Grid) -> str:
    """Return a table as CSV: the texts, without marks; footnotes go into a last column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *(escape_formula(f"{column.group} {column.title}".strip()) for column in grid.columns),
            "notes",
        ]
    )
    for row in grid.rows:
        notes = dict.fromkeys(cell.note for cell in row if cell.note)
        writer.writerow(
            [*(escape_formula(cell.text) for cell in row), escape_formula("; ".join(notes))]
        )
    return text.getvalue()


def grid_json(grid: Grid) -> str:
    """Return a table as JSON, with everything that the record holds."""
    content = {
        "title": grid.title,
        "columns": [dataclasses.asdict(column) for column in grid.columns],
        "rows": [[_cell_json(cell) for cell in row] for row in grid.rows],
        "remarks": grid.remarks,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell_json(cell: Cell) -> dict[str, object]:
    return {
        name: json_number(value) if isinstance(value, float) else value
        for name, value in dataclasses.asdict(cell).items()
        if value not in ("", None)
    }
