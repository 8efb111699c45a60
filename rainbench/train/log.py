"""The log of a training: a CSV row now and then, and TensorBoard's files where it is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rainbench.core.errors import StoreError
from rainbench.core.files import write_atomically


class Log:
    """Rows of numbers by step, appended and flushed.

    A training that resumes from an earlier step first drops the rows beyond that step, so that the
    file ends the same as if it had never been interrupted.

    Args:
        file: The CSV file.
        last_step: Rows beyond it are dropped.
        tensorboard: Folder of TensorBoard's files; used when ``tensorboard`` is installed.

    Raises:
        StoreError: The file cannot be written.
    """

    def __init__(self, file: Path, last_step: int, tensorboard: Path | None = None) -> None:
        self._path = file
        self._names: list[str] = []
        self._board = _board(tensorboard, last_step) if tensorboard else None
        try:
            rows = _read(file, last_step)
            if rows:
                self._names = list(rows[0])
                write_atomically(file, _text(self._names, rows).encode())
            elif file.exists():
                file.unlink()
            self._stream = file.open("a", encoding="utf-8", newline="")
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
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._stream.close()
        if self._board is not None:
            self._board.close()


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


def _board(folder: Path, last_step: int) -> Any:  # noqa: ANN401 (an optional package's class)
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=last_step + 1)
