"""The results on disk: one folder per cell, appended image by image, resumed to the same bytes.

``cells/<data set>/<entry>/`` holds

* ``key.json``: what the numbers depend on, see `rainbench.run.key`; a folder of another key is
  started afresh;
* ``images.csv``: a line per image and protocol, appended and flushed as scored, in the order of
  the pairs, so that after a kill it is a prefix of the final file;
* ``cell.json``: the summary and the provenance, written last by rename: where it is, the cell
  is complete;
* ``failed.json``: why the last attempt ended early, when it did;
* ``timing.csv``: seconds per image. The only file that differs from run to run.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from rainbench.core.errors import StoreError
from rainbench.core.files import lock_folder, write_atomically
from rainbench.core.text import json_number
from rainbench.metrics import PROTOCOLS, Score, mean_score
from rainbench.pairs.load import manifest_csv

if TYPE_CHECKING:
    from rainbench.run.plan import Plan

IMAGES_HEADER = ("image", "protocol", "psnr", "ssim")
FOLDER_KIND = "folder of images"
"""What ``cell.json`` calls the source of a cell whose images somebody else made."""

Scores = Mapping[str, Score]


def cell_folder(out: Path, dataset: str, entry: str) -> Path:
    """Return the folder of one cell."""
    return out / "cells" / dataset / entry


def key_of(parts: Mapping[str, object]) -> str:
    """Return the hash of what a result depends on: equal parts, equal key, whatever the order.

    Example:
        >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(_json(parts).encode()).hexdigest()[:16]


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
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            kept = self._usable_prefix()
            self._discard("cell.json", "failed.json")
            _write_json(self.folder / "key.json", {**self._parts, "images": list(self._images)})
            text = format_rows(kept)
            write_atomically(self.folder / "images.csv", text.encode())
            self._file = (self.folder / "images.csv").open("a", encoding="utf-8", newline="")
            self._timing = (self.folder / "timing.csv").open("a", encoding="utf-8", newline="")
            if self._timing.tell() == 0:
                self._timing.write("image,seconds\n")
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

    def append(self, image: str, scores: Scores, seconds: float | None) -> None:
        """Write one image's scores, and its time if there is one, and flush them to the system."""
        assert self._file is not None and self._timing is not None
        with _writing(self.folder):
            self._file.write(_rows_text(image, {name: scores[name] for name in self._protocols}))
            self._file.flush()
            if seconds is not None:
                csv.writer(self._timing, lineterminator="\n").writerow([image, f"{seconds:.4g}"])
                self._timing.flush()

    def complete(self, summary: Mapping[str, object]) -> None:
        """Write ``cell.json``: the cell is complete from now on."""
        with _writing(self.folder):
            assert self._file is not None
            self._file.flush()
            os.fsync(self._file.fileno())
            _write_json(self.folder / "cell.json", {"key": self.key, **summary})

    def fail(self, reason: str) -> None:
        """Write down why the cell ended early; a later run tries again."""
        with contextlib.suppress(OSError):
            _write_json(self.folder / "failed.json", {"reason": reason})

    def _usable_prefix(self) -> dict[str, Scores]:
        """Return the scores an earlier run left that are still true, as a prefix of the order."""
        try:
            before = json.loads((self.folder / "key.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        images_before = dict(map(tuple, before.pop("images", [])))
        if _json(before) != _json(self._parts):
            return {}
        scored = read_images_csv(self.folder / "images.csv")
        kept: dict[str, Scores] = {}
        for image, pixels in self._images:
            if images_before.get(image) != pixels or list(scored.get(image, ())) != self._protocols:
                break
            kept[image] = scored[image]
        return kept

    def _discard(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)


def read_cell(folder: Path) -> dict[str, object] | None:
    """Return a complete cell's summary, or None where the cell is not complete."""
    try:
        summary = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None


def is_complete(
    folder: Path, parts: Mapping[str, object], images: Sequence[tuple[str, str]]
) -> bool:
    """Return whether a cell's folder holds the finished result of exactly this key."""
    summary = read_cell(folder)
    return summary is not None and summary["key"] == key_of({**parts, "images": list(images)})


def read_images_csv(file: Path) -> dict[str, Scores]:
    """Read an ``images.csv``; a torn last line is ignored, and so is a file of another kind.

    Returns:
        The scores by image and protocol, in the file's order. What a protocol does not define
        (the PSNR of `rescan-rgb`, any score of an image smaller than its window) is None or NaN.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    if not rows or tuple(rows[0]) != IMAGES_HEADER:
        return {}
    scores: dict[str, dict[str, Score]] = {}
    for row in rows[1:]:
        if len(row) == 4 and row[1] in PROTOCOLS:
            psnr = float(row[2]) if row[2] else None
            scores.setdefault(row[0], {})[row[1]] = Score(psnr, float(row[3] or "nan"))
    return dict(scores)


def means_of(scores: Mapping[str, Scores]) -> dict[str, dict[str, float | str | None]]:
    """Return the means over a cell's images by protocol, as ``cell.json`` holds them."""
    means = {name: mean_score(each[name] for each in scores.values()) for name in PROTOCOLS}
    return {
        name: {part: json_number(value) for part, value in mean._asdict().items()}
        for name, mean in means.items()
    }


def format_rows(scores: Mapping[str, Scores]) -> str:
    """Return the text of an ``images.csv``."""
    header = ",".join(IMAGES_HEADER) + "\n"
    return header + "".join(
        _rows_text(image, per_protocol) for image, per_protocol in scores.items()
    )


def _rows_text(image: str, scores: Scores) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for protocol, score in scores.items():
        psnr = "" if score.psnr is None else f"{score.psnr:.6f}"
        ssim = "" if math.isnan(score.ssim) else f"{score.ssim:.8f}"
        writer.writerow([image, protocol, psnr, ssim])
    return text.getvalue()


def write_run_record(out: Path, plan: Plan) -> None:
    """Write ``run.json``, what could not be started and why, and each data set's manifest.

    Raises:
        StoreError: The folder cannot be written.
    """
    missing = [
        (cell.pairs.card.name, cell.entry.name, cell.missing) for cell in plan.cells if cell.missing
    ]
    record = {
        "missing": missing,
        "unusable": [(card.name, reason) for card, reason in plan.unusable],
    }
    with _writing(out):
        (out / "manifests").mkdir(parents=True, exist_ok=True)
        _write_json(out / "run.json", record)
        for pairs in {cell.pairs.card.name: cell.pairs for cell in plan.cells}.values():
            text = manifest_csv(pairs.manifest)
            write_atomically(out / "manifests" / f"{pairs.card.name}.csv", text.encode())


@contextlib.contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Keep a second process from writing into the same run folder.

    Raises:
        StoreError: The folder cannot be made or written, or another run is at work in it.
    """
    with contextlib.ExitStack() as stack:
        with _writing(out):
            stack.enter_context(lock_folder(out, "run"))
        yield


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into a user's error."""
    try:
        yield
    except OSError as error:
        free = _free_space(folder)
        full = free is not None and free < 1 << 20
        raise StoreError(
            f"{error.filename or folder}: cannot be written: {error.strerror}",
            hint="The disk is full: free some space and run again; what is there is kept."
            if full or error.errno in (27, 28, 122)
            else "Give another --out, or change the folder's permissions.",
        ) from None


def _free_space(folder: Path) -> int | None:
    for place in (folder, *folder.parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return None


def _write_json(file: Path, content: Mapping[str, object]) -> None:
    write_atomically(file, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=list)
