"""Results as Parquet, for runs whose tables are too large for CSV; by pyarrow, an extra.

``table.parquet`` has the rows and columns of ``table.csv``, ``images.parquet`` every score: a row
for each data set, entry, image and protocol. It is written cell by cell, in little memory.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rainbench.core.errors import needed
from rainbench.core.files import unfinished, writing
from rainbench.report.rows import Row
from rainbench.report.tables import CSV_COLUMNS, NUMBERS, metric_names, row_dict
from rainbench.run.results import RunResults

WHOLE = frozenset({"images", "parameters", "macs_per_pixel", "peak_bytes"})
"""The columns of ``table.csv`` that hold whole numbers."""

_TOGETHER = 1 << 17
"""Rows of ``images.parquet`` that are written at once, some megabytes."""


def open_parquet() -> Any:  # noqa: ANN401
    """Return the library.

    Raises:
        RainbenchError: It is not installed.
    """
    return needed("pyarrow", "parquet", "--parquet")


def write_parquet(out: Path, rows: Sequence[Row]) -> None:
    """Write a run's results as Parquet beside its other tables.

    Args:
        out: The run's folder.
        rows: As `rainbench.report.tables.write_tables` returned them.

    Raises:
        RainbenchError: The library is not installed.
        StoreError: A file cannot be written.
    """
    arrow = open_parquet()
    with writing(out):
        table = _table(arrow, rows)
        with _written(out / "table.parquet", table.schema) as writer:
            writer.write_table(table)
        word = arrow.dictionary(arrow.int32(), arrow.string())
        kinds = {"dataset": word, "entry": word, "image": arrow.string(), "protocol": word}
        schema = arrow.schema({**kinds, "psnr": arrow.float64(), "ssim": arrow.float64()})
        with _written(out / "images.parquet", schema) as writer:
            for scores in _scores(out):
                columns = zip(*scores, strict=True)
                named = {name: [*each] for name, each in zip(schema.names, columns, strict=True)}
                writer.write_table(arrow.table(named, schema=schema))


def _table(arrow: Any, rows: Sequence[Row]) -> Any:  # noqa: ANN401
    kinds = {
        name: arrow.int64() if name in WHOLE else arrow.float64() if name in NUMBERS
        else arrow.string()
        for name in CSV_COLUMNS
    }  # fmt: skip
    metrics = metric_names(rows)
    texts = [row_dict(row) for row in rows]
    columns: dict[str, list[Any]] = {
        name: [_typed(each[name], name) for each in texts] for name in CSV_COLUMNS
    }
    for name in metrics:
        columns[name] = [row.metrics[name].mean if name in row.metrics else None for row in rows]
        kinds[name] = arrow.float64()
    return arrow.table(columns, schema=arrow.schema(kinds))


def _typed(text: str, column: str) -> str | int | float | None:
    if column not in NUMBERS:
        return text
    if not text:
        return None
    return int(text) if column in WHOLE else float(text)


def _scores(out: Path) -> Iterator[list[tuple[object, ...]]]:
    """Yield the scores of all complete cells, some cells at a time."""
    found: list[tuple[object, ...]] = []
    for cell in RunResults(out).cells():
        if cell.summary is None:
            continue
        found += [
            (
                cell.dataset, cell.entry, image, protocol, score.psnr,
                None if math.isnan(score.ssim) else score.ssim,
            )
            for image, scores in cell.scores.items()
            for protocol, score in scores.items()
        ]  # fmt: skip
        if len(found) >= _TOGETHER:
            yield found
            found = []
    if found:
        yield found


@contextlib.contextmanager
def _written(file: Path, schema: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield what writes a file under another name, which it loses when it is whole."""
    from importlib import import_module

    library, aside = import_module("pyarrow.parquet"), unfinished(file)
    try:
        with library.ParquetWriter(aside, schema, compression="zstd") as writer:
            yield writer
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
