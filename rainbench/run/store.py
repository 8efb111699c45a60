"""Writing a cell: appended image by image, resumed to the same bytes.

``timing.csv`` holds a hash of each image's lines beside its seconds, so that a number which was
edited before the cell was finished is found when the run continues.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rainbench.core.errors import RainbenchError
from rainbench.core.escape import escape_formula, unescape_formula
from rainbench.core.files import append_to, read_regular_file, write_atomically, writing
from rainbench.core.resume import file_hash, key_of
from rainbench.run.documents import write_json
from rainbench.run.results import CellResult
from rainbench.run.scores import LARGEST_FILE, Scores, format_image, format_rows

TIMING_HEADER = "image,seconds,lines\n"


class CellStore:
    """One cell's folder, open for appending. A context manager.

    Args:
        folder: The cell's folder; made when absent.
        parts: What the numbers depend on, the images apart.
        protocols: The protocols that every image is scored under, in order.
        images: For each image in order: its id and the hash of its two pictures.

    Raises:
        StoreError: The folder cannot be made or written.
    """

    def __init__(
        self,
        folder: Path,
        parts: Mapping[str, object],
        protocols: Sequence[str],
        images: Sequence[tuple[str, str]],
    ) -> None:
        self.folder = folder
        self._protocols = list(protocols)
        self.key = key_of({**parts, "images": list(images)})
        self._parts = parts
        self._images = images
        self._file: IO[str] | None = None
        self._timing: IO[str] | None = None
        self.done: dict[str, Scores] = {}

    def __enter__(self) -> Self:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            kept = self._usable_prefix()
            if not kept:  # before cell.json, which says that it is not to be trusted
                self._discard("images.csv")
            self._discard("cell.json", "failed.json")
            timing = self.folder / "timing.csv"
            if timing.is_symlink() or not timing.is_file():  # nobody's file, or a pipe
                self._discard("timing.csv")
            write_json(self.folder / "key.json", {**self._parts, "images": list(self._images)})
            text = format_rows(kept)
            write_atomically(self.folder / "images.csv", text.encode())
            scores, times = append_to(self.folder / "images.csv"), append_to(timing)
            self._file = io.TextIOWrapper(scores, encoding="utf-8", newline="")
            self._timing = io.TextIOWrapper(times, encoding="utf-8", newline="")
            if self._timing.tell() == 0:
                self._timing.write(TIMING_HEADER)
        self.done = kept
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._file, self._timing):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        if isinstance(error, RainbenchError):
            with contextlib.suppress(OSError):  # a later run tries again, whatever is written here
                write_json(self.folder / "failed.json", {"reason": error.message})

    def append(self, image: str, scores: Scores, seconds: float | None) -> None:
        """Write one image's scores, and its time if there is one, and flush them to the system."""
        assert self._file is not None and self._timing is not None
        with writing(self.folder):
            lines = format_image(image, {name: scores[name] for name in self._protocols})
            self._file.write(lines)
            self._file.flush()
            time = "" if seconds is None else f"{seconds:.4g}"
            csv.writer(self._timing, lineterminator="\n").writerow(
                [escape_formula(image), time, _hash(lines)]
            )
            self._timing.flush()

    def complete(self, summary: Mapping[str, object]) -> None:
        """Write ``cell.json``: the cell is complete from now on."""
        with writing(self.folder):
            assert self._file is not None
            self._file.flush()
            os.fsync(self._file.fileno())
            sha256 = file_hash(self.folder / "images.csv")
            content = {"key": self.key, "images_sha256": sha256, **summary}
            write_json(self.folder / "cell.json", content)

    def _usable_prefix(self) -> dict[str, Scores]:
        """Return the scores an earlier run left that are still true, as a prefix of the order."""
        cell = CellResult(self.folder)
        before = dict(cell.parts)
        try:
            images_before = dict(before.pop("images", []))
        except (TypeError, ValueError):
            return {}
        if cell.problem or key_of(before) != key_of(self._parts):
            return {}
        written = None if cell.summary else _written_lines(self.folder / "timing.csv")
        kept: dict[str, Scores] = {}
        for image, pixels in self._images:
            scores = cell.scores.get(image, {})
            if images_before.get(image) != pixels or list(scores) != self._protocols:
                break
            if written is not None and written.get(image) != _hash(format_image(image, scores)):
                break
            kept[image] = scores
        return kept

    def _discard(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)


def _hash(lines: str) -> str:
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _written_lines(file: Path) -> dict[str, str]:
    """Return the hash of each image's lines as they were written last."""
    try:
        text = read_regular_file(file, LARGEST_FILE).decode("utf-8", "replace")
        rows = list(csv.reader(io.StringIO(text)))
    except (OSError, csv.Error):
        return {}
    return {unescape_formula(row[0]): row[2] for row in rows if len(row) == 3}
