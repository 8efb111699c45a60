"""A metric's numbers on disk: two files for each metric, beside the scores of a cell.

``metrics/NAME.csv`` holds a line per image, appended as it is measured: the value, or why there is
none, and a hash of both and of all that they depend on. ``metrics/NAME.json`` is a record as
`rainbench.core.resume` writes them, made last; where it is and the lines still have its hash, the
column is complete. Another metric may be added to a cell at any time, and nothing of it is touched.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rainbench.core.escape import escape_formula, unescape_formula
from rainbench.core.files import read_regular_file, write_atomically, writing
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.core.text import count_of, json_number
from rainbench.metrics.quality.record import ReadyMetric, heading
from rainbench.run.code import code_hash
from rainbench.run.scores import LARGEST_FILE

FOLDER = "metrics"
HEADER = ("image", "value", "problem", "check")


@dataclass(frozen=True, slots=True)
class Value:
    """What a metric says of an image: a number, or why there is none."""

    number: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A metric's result over the images of a cell.

    Attributes:
        name: The metric's name.
        title: One line of it.
        higher_is_better: None where that is not known.
        digits: Decimal places in tables.
        images: How many images there are.
        mean: The mean over all of them; None where one has no number.
        problem: Why there is no mean; empty where there is.
    """

    name: str
    title: str
    higher_is_better: bool | None
    digits: int
    images: int
    mean: float | None
    problem: str = ""

    @property
    def heading(self) -> str:
        """What stands above it."""
        return heading(self.name, self.higher_is_better)


def metric_parts(parts: Mapping[str, object], metric: ReadyMetric) -> dict[str, object]:
    """Return what a metric's numbers depend on, the images apart.

    Args:
        parts: What the restored pictures depend on; protocols are left out of it.
        metric: The metric.
    """
    module = metric.made_of.get("module", metric.metric.load.__module__)
    return {
        **_without_protocols(parts),
        "metric": metric.metric.name,
        "version": metric.metric.version,
        "metric code": code_hash(module),
        "made of": dict(metric.made_of),
    }


def _without_protocols(parts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in parts.items() if name != "protocols"}


class ColumnStore:
    """One metric's files of a cell, open for appending. A context manager.

    Args:
        cell: The cell's folder.
        metric: The metric.
        parts: What the restored pictures depend on.
        images: For each image in order: its id and the hash of its pictures.

    Attributes:
        done: What was measured before and still holds, by image.
    """

    def __init__(
        self,
        cell: Path,
        metric: ReadyMetric,
        parts: Mapping[str, object],
        images: Sequence[tuple[str, str]],
    ) -> None:
        self.metric = metric
        self._csv = cell / FOLDER / f"{metric.metric.name}.csv"
        self._record = self._csv.with_suffix(".json")
        self._parts = key_of(metric_parts(parts, metric))
        self._images = dict(images)
        self._key = key_of([self._parts, list(images)])
        self._cell = key_of(_without_protocols({**parts, "images": list(images)}))
        self._file: IO[str] | None = None
        self.done: dict[str, Value] = {}
        self._is_complete = read_record(self._record, self._key) is not None
        lines = read_values(self._csv) if self._csv.is_file() else {}
        for image in self._images:
            if image in lines and lines[image][1] == self._check(image, lines[image][0]):
                self.done[image] = lines[image][0]

    def __enter__(self) -> Self:
        if not self._is_complete or self.missing:
            with writing(self._csv.parent):
                self._csv.parent.mkdir(parents=True, exist_ok=True)
                self._record.unlink(missing_ok=True)
                write_atomically(self._csv, self._text().encode("utf-8", "surrogateescape"))
                self._file = self._csv.open(
                    "a", encoding="utf-8", errors="surrogateescape", newline=""
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def missing(self) -> list[str]:
        """The images that are still to be measured."""
        return [image for image in self._images if image not in self.done]

    def append(self, image: str, value: Value) -> None:
        """Write what a metric says of an image, and flush it to the system."""
        assert self._file is not None
        if value.number is not None:  # the mean is the same when the lines are read again
            value = Value(float(_written(value)))
        with writing(self._csv.parent):
            self._file.write(self._line(image, value))
            self._file.flush()
        self.done[image] = value

    def complete(self) -> Column:
        """Write the record, all images being measured, and return the result."""
        column = summarise(self.metric, [self.done[image] for image in self._images])
        if self._file is not None:
            facts = {
                "cell": self._cell,
                "title": column.title,
                "version": self.metric.metric.version,
                "source": self.metric.metric.source,
                "full_reference": self.metric.metric.full_reference,
                "higher_is_better": column.higher_is_better,
                "digits": column.digits,
                "images": column.images,
                "mean": json_number(column.mean),
                "problem": column.problem,
                "made_of": dict(self.metric.made_of),
            }
            with writing(self._csv.parent):
                self._file.close()
                # In the order of the images, however they were measured.
                write_atomically(self._csv, self._text().encode("utf-8", "surrogateescape"))
                write_record(self._record, self._key, [self._csv], facts)
        return column

    def _text(self) -> str:
        done = [image for image in self._images if image in self.done]
        return ",".join(HEADER) + "\n" + "".join(self._line(each, self.done[each]) for each in done)

    def _line(self, image: str, value: Value) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(
            [escape_formula(each) for each in (image, _written(value), value.problem)]
            + [self._check(image, value)]
        )
        return text.getvalue()

    def _check(self, image: str, value: Value) -> str:
        return key_of([self._parts, image, self._images[image], _written(value), value.problem])


def _written(value: Value) -> str:
    return "" if value.number is None else f"{value.number:.9g}"


def read_values(file: Path) -> dict[str, tuple[Value, str]]:
    """Return what the lines of a ``metrics/NAME.csv`` say, each with its hash; torn ones apart."""
    try:
        text = read_regular_file(file, LARGEST_FILE).decode("utf-8", "surrogateescape")
        rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    except (OSError, csv.Error):
        return {}
    found: dict[str, tuple[Value, str]] = {}
    for row in rows[1:] if rows and tuple(rows[0]) == HEADER else []:
        try:
            image, number, problem, check = row
            value = Value(float(number) if number else None, unescape_formula(problem))
        except ValueError:
            continue
        found[unescape_formula(image)] = value, check
    return found


def summarise(metric: ReadyMetric, values: Sequence[Value]) -> Column:
    """Return the result over images; a mean over some of them would be of another set."""
    failed = [value for value in values if value.number is None]
    numbers = [value.number for value in values if value.number is not None]
    problem = ""
    if failed:
        problem = f"{len(failed)} of {count_of(len(values), 'image')}: {failed[0].problem}"
    mean = None if failed or not numbers else _mean(numbers)
    of = metric.metric
    better = of.higher_is_better
    return Column(of.name, of.title, better, of.digits, len(values), mean, problem)


def _mean(numbers: Sequence[float]) -> float | None:
    """Return the mean; None of infinities of both signs."""
    if all(map(math.isfinite, numbers)):
        return statistics.fmean(numbers)
    mean = sum(numbers)
    return None if math.isnan(mean) else mean


def read_columns(cell: Path, parts: Mapping[str, object]) -> dict[str, Column]:
    """Return the complete columns of a cell by name; what was altered since is left out.

    Args:
        cell: The cell's folder.
        parts: What its ``key.json`` says: a column of other images, or of pictures that were
            restored otherwise, is not of this cell any more.
    """
    columns: dict[str, Column] = {}
    wanted = key_of(_without_protocols(parts))
    for file in sorted((cell / FOLDER).glob("*.json"), key=lambda file: file.stem):
        record = read_record(file)
        if record is None or record.facts.get("cell") != wanted:
            continue
        if f"{file.stem}.csv" in record.files:
            try:
                columns[file.stem] = _column(file.stem, record.facts)
            except (KeyError, TypeError, ValueError):
                continue
    return columns


def _column(name: str, facts: Mapping[str, object]) -> Column:
    title, better, digits, images = (
        facts[key] for key in ("title", "higher_is_better", "digits", "images")
    )
    mean, problem = facts["mean"], facts["problem"]
    if not (isinstance(title, str) and isinstance(problem, str) and isinstance(digits, int)):
        raise TypeError
    if not (isinstance(images, int) and (better is None or isinstance(better, bool))):
        raise TypeError
    if mean is not None and not isinstance(mean, float | int | str):
        raise TypeError
    return Column(
        name, title, better, digits, images, None if mean is None else float(mean), problem
    )
