"""The table of videos: what is known of each beforehand, and how it is to be treated.

``videos.csv`` or ``videos.toml`` has a row per video. Some columns are options for that video, in
the place of those of the command line; the others are the record that SPA-Data's authors kept of
their videos, which the data set repeats for each pair. Empty cells say nothing.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rainbench.core.errors import RainbenchError
from rainbench.core.escape import escape_formula
from rainbench.core.files import write_atomically, writing
from rainbench.core.text import did_you_mean, shortened
from rainbench.spa.inputs import VideoInput
from rainbench.spa.options import SpaOptions
from rainbench.spa.table.cells import COLUMNS, RECORD
from rainbench.spa.table.rows import read_rows

NAMES = ("videos.csv", "videos.toml")
"""What a table is called that is found by itself, in a folder that is given."""

_LONGEST = 200
"""Letters of a cell: more is no entry of a table."""

_SHOWN = 5
"""Mistakes that are told at once, and values that are counted."""


@dataclass(frozen=True, slots=True)
class VideoEntry:
    """What the table says of one video.

    Attributes:
        place: Where it says so, for errors; empty where the table does not name the video.
        options: Those of `SpaOptions` that are other ones for this video.
        split: Where its pairs go; empty where it is drawn.
        record: What is known of the video, by the names of `RECORD`.
    """

    place: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    split: Literal["", "train", "test"] = ""
    record: Mapping[str, str] = field(default_factory=dict)

    def applied(self, options: SpaOptions) -> SpaOptions:
        """Return the options for this video."""
        return replace(options, **self.options)


NO_ENTRY = VideoEntry()
"""That of a video which no table names."""


def find_table(paths: Sequence[Path]) -> Path | None:
    """Return the table that lies in one of the folders given, if there is one.

    Raises:
        RainbenchError: There are several.
    """
    found = [path / name for path in paths for name in NAMES if (path / name).is_file()]
    if len(found) > 1:
        raise RainbenchError(
            f"two tables of videos: {found[0]} and {found[1]}", hint="Say which with --videos FILE."
        )
    return found[0] if found else None


def read_table(file: Path, inputs: Sequence[VideoInput]) -> dict[Path, VideoEntry]:
    """Read a table of videos.

    Args:
        file: CSV with a header, as spreadsheets write it, or TOML with a ``[[videos]]`` per video.
        inputs: The videos that there are.

    Returns:
        The entry of each video that the table names, by the video's path.

    Raises:
        RainbenchError: The table cannot be read, or something in it cannot be right: the first
            mistakes are told, each with its line.
    """
    entries: dict[Path, VideoEntry] = {}
    problems: list[str] = []
    for place, cells in read_rows(file):
        try:
            video = _named_video(cells.get("video", ""), file, inputs)
            if video in entries:
                raise RainbenchError(
                    f"{cells['video']} stands there already, in {entries[video].place}"
                )
            entries[video] = _entry(place, cells)
        except RainbenchError as error:
            problems.append(f"{place}: {error}")
    if problems:
        more = [f"and {len(problems) - _SHOWN} more mistakes"] if len(problems) > _SHOWN else []
        raise RainbenchError(f"{file}: " + "\n".join([*problems[:_SHOWN], *more]))
    return entries


def write_template(file: Path, inputs: Iterable[VideoInput]) -> None:
    """Write a table to fill in: all columns, and a row per video.

    Raises:
        RainbenchError: The file exists, or is not to be CSV.
        StoreError: It cannot be written.
    """
    if file.exists():
        raise RainbenchError(f"{file}: exists, and nothing is overwritten")
    if file.suffix.lower() != ".csv":
        raise RainbenchError(f"{file}: the table is written as CSV", hint="Let its name end so.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in inputs:
        inside = item.path.resolve().is_relative_to(file.parent.resolve())
        name = os.path.relpath(item.path, file.parent) if inside else item.label
        writer.writerow([escape_formula(name), *[""] * (len(COLUMNS) - 1)])
    with writing(file.parent):
        write_atomically(file, text.getvalue().encode(errors="replace"))


def counted(values: Iterable[str]) -> str:
    """Return how often each value occurs, the most frequent first.

    Example:
        >>> counted(["iPhone X", "", "iPhone X"])
        'iPhone X (2), not stated (1)'
    """
    counts = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{value or 'not stated'} ({count})" for value, count in counts[:_SHOWN])
    return shown + (", ..." if len(counts) > _SHOWN else "")


def _named_video(name: str, file: Path, inputs: Sequence[VideoInput]) -> Path:
    """Return the video that a row names: by its path from the table, or as the plan names it."""
    if not name:
        raise RainbenchError("names no video")

    def plain(text: str) -> str:
        return unicodedata.normalize("NFC", text).replace("\\", "/").removeprefix("./").rstrip("/")

    wanted = plain(name)
    folder = file.parent.resolve()
    ways: tuple[Callable[[VideoInput], str], ...] = (
        lambda item: os.path.relpath(item.path.resolve(), folder),
        lambda item: str(item.path.resolve()),
        lambda item: item.label,
        lambda item: item.path.name,
    )
    for way in ways:
        found = [item.path for item in inputs if plain(way(item)) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise RainbenchError(f"{name} may be {found[0]} or {found[1]}")
    raise RainbenchError(
        f"there is no video {shortened(name, 100)}",
        hint=did_you_mean(name, [item.label for item in inputs]),
    )


def _entry(place: str, cells: Mapping[str, str]) -> VideoEntry:
    values: dict[str, Any] = {}
    for column, text in cells.items():
        if not text or column in ("video", ""):
            continue
        if len(text) > _LONGEST or not text.isprintable():
            what = "more letters than" if len(text) > _LONGEST else "characters that are not in"
            raise RainbenchError(f"{column} holds {what} a cell of a table")
        values[column] = COLUMNS[column](column, text)
    start, end = values.pop("start", 0), values.pop("end", None)
    if end is not None and end - start < 2:
        raise RainbenchError(
            f"from start {start} to end {end} there are fewer than 2 frames",
            hint="end is the number of the frame after the last.",
        )
    record = {name: values.pop(name) for name in RECORD if name in values}
    split = values.pop("split", "")
    if start or end is not None:
        values["span"] = (start, end)
    SpaOptions(**values)  # says what cannot be right
    return VideoEntry(place, values, split, record)
