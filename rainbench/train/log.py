"""The log of a training: a CSV row now and then, which other loggers get, too."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from rainbench.core.errors import StoreError
from rainbench.core.files import append_to, write_atomically
from rainbench.train.trackers import Trackers


class Log:
    """Rows of numbers by step, appended and flushed.

    A training that resumes from an earlier step first drops the rows beyond that step, so that the
    file ends the same as if it had never been interrupted.

    Args:
        file: The CSV file.
        last_step: Rows beyond it are dropped.
        trackers: Get the numbers as well.
        group: The name by which they get them.

    Raises:
        StoreError: The file cannot be written.
    """

    def __init__(
        self, file: Path, last_step: int, trackers: Trackers | None = None, group: str = "training"
    ) -> None:
        self._path = file
        self._names: list[str] = []
        self._trackers, self._group = trackers, group
        try:
            rows = _read(file, last_step)
            if rows:
                self._names = list(rows[0])
                write_atomically(file, _text(self._names, rows).encode())
            elif file.exists():
                file.unlink()
            self._stream = io.TextIOWrapper(append_to(file), encoding="utf-8", newline="")
        except OSError as error:
            raise StoreError(f"{file}: cannot be written: {error.strerror}") from None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row.

        Raises:
            StoreError: It cannot be written.
        """
        row = {"step": str(step)} | {name: f"{value:.9g}" for name, value in values.items()}
        header = not self._names
        self._names = self._names or list(row)
        try:
            self._stream.write(_text(self._names, [row], header=header))
            self._stream.flush()
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from None
        if self._trackers is not None:
            self._trackers.add(self._group, step, values)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _read(file: Path, last_step: int) -> list[dict[str, str]]:
    """Return a log's whole rows up to a step; a row that a kill cut short is dropped."""
    if not file.exists():
        return []
    rows = []
    for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines(keepends=True)):
        whole = all(value is not None for value in row.values())
        if whole and row["step"].isdigit() and int(row["step"]) <= last_step:
            rows.append(row)
    return rows


def _text(names: list[str], rows: list[dict[str, str]], *, header: bool = True) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="", extrasaction="ignore")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
