"""The rows of a table of videos, from CSV as spreadsheets write it, or from TOML."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rainbench.catalog.tables import read_toml
from rainbench.core.errors import RainbenchError
from rainbench.core.escape import unescape_formula
from rainbench.core.files import read_regular_file
from rainbench.core.text import did_you_mean, folded, shortened
from rainbench.spa.table.cells import COLUMNS

_MOST_BYTES = 1 << 24

Row = tuple[str, Mapping[str, str]]
"""Where a row stands, and its cells by column."""


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a table, those that are not empty.

    Raises:
        RainbenchError: It cannot be read, or has columns that there are not.
    """
    return _read_toml(file) if file.suffix.lower() == ".toml" else _read_csv(file)


def _read_csv(file: Path) -> list[Row]:
    text = _text(file)
    first = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    rows: list[Row] = []
    try:
        header = [folded(name).replace(" ", "_") for name in next(reader, [])]
        _check_columns(file, "line 1", header)
        for cells in reader:
            place = f"line {reader.line_num}"
            if any(cell.strip() for cell in cells[len(header) :]):
                raise RainbenchError(
                    f"{file}: {place}: has more cells than the header has columns",
                    hint="A value with a comma stands in double quotes.",
                )
            stripped = (unescape_formula(cell.strip()).strip() for cell in cells)
            row = dict(zip(header, stripped, strict=False))
            if any(row.values()):
                rows.append((place, row))
    except csv.Error as error:
        raise RainbenchError(f"{file}: line {reader.line_num}: is not valid CSV: {error}") from None
    return rows


def _text(file: Path) -> str:
    """Return the text of a file in the encodings that spreadsheets write."""
    try:
        data = read_regular_file(file, _MOST_BYTES)
    except FileNotFoundError:
        raise RainbenchError(
            f"{file}: there is no such file",
            hint="--write-videos FILE writes a table to fill in.",
        ) from None
    except OSError as error:
        raise RainbenchError(f"{file}: cannot be read: {error.strerror}") from None
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise RainbenchError(
            f"{file}: is not UTF-8 text", hint='Save it as "CSV UTF-8" in the spreadsheet.'
        ) from None
    if "\0" in text:
        raise RainbenchError(f"{file}: is no table, but binary")
    return text


def _read_toml(file: Path) -> list[Row]:
    content = read_toml(file)
    videos = content.pop("videos", None)
    if content or not isinstance(videos, list) or not all(isinstance(row, dict) for row in videos):
        raise RainbenchError(
            f"{file}: a table of videos has one [[videos]] per video and nothing else"
        )
    rows: list[Row] = []
    for number, row in enumerate(videos, start=1):
        place = f"entry {number}"
        _check_columns(file, place, list(row))
        for column, value in row.items():
            if isinstance(value, list | dict):
                raise RainbenchError(f"{file}: {place}: {column} is a list or a table, not a value")
        words = {True: "yes", False: "no"}
        cells = {
            column: words[value] if isinstance(value, bool) else str(value).strip()
            for column, value in row.items()
        }
        rows.append((place, cells))
    return rows


def _check_columns(file: Path, place: str, names: Sequence[str]) -> None:
    for name in names:
        if name and name not in COLUMNS:
            raise RainbenchError(
                f"{file}: {place}: there is no column {shortened(name, 60)!r}",
                hint=did_you_mean(name, COLUMNS),
            )
        if name and names.count(name) > 1:
            raise RainbenchError(f"{file}: {place}: the column {name} is there twice")
    if "video" not in names:
        raise RainbenchError(
            f"{file}: {place}: has no column video, which names the videos",
            hint=f"The columns are {', '.join(COLUMNS)}.",
        )
