"""The results on disk: one folder per cell, appended image by image, resumed to the same bytes.

``cells/<data set>/<entry>/`` holds

* ``key.json``: what the numbers depend on, see `rainbench.run.key`; a folder of another key is
  started afresh;
* ``images.csv``: a line per image and protocol, appended and flushed as scored, in the order of
  the pairs, so that after a kill it is a prefix of the final file;
* ``cell.json``: the summary, the provenance and the hash of ``images.csv``, written last by rename:
  where it is, and ``images.csv`` still has these bytes, the cell is complete;
* ``failed.json``: why the last attempt ended early, when it did;
* ``timing.csv``: seconds per image. The only file that differs from run to run.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from rainbench.core.errors import RainbenchError
from rainbench.core.files import lock_folder, write_atomically, writing
from rainbench.core.resume import file_hash, key_of
from rainbench.core.text import json_number
from rainbench.metrics import PROTOCOLS, Score, mean_score
from rainbench.pairs.load import manifest_csv
from rainbench.run.key import stale_reason

if TYPE_CHECKING:
    from rainbench.pairs.load import PairSet
    from rainbench.run.plan import Plan

IMAGES_HEADER = ("image", "protocol", "psnr", "ssim")
FOLDER_KIND = "folder of images"
"""What ``cell.json`` calls the source of a cell whose images somebody else made."""

WARM_UP = 3
"""Images whose times are left out of the median, where there are three times as many."""

Scores = Mapping[str, Score]


class RunResults:
    """A run's folder: the way in for everybody who reads or writes results.

    Args:
        folder: Where it is; nothing is made or read yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the results that lie in a folder.

        Raises:
            RainbenchError: There are none.
        """
        if not (folder / "cells").is_dir():
            raise RainbenchError(f"{folder}: holds no results", hint="Run `rainbench run` first.")
        return cls(folder)

    def cell(self, dataset: str, entry: str) -> CellResult:
        """Return one cell, which need not be there."""
        return CellResult(self.folder / "cells" / dataset / entry)

    def cells(self) -> list[CellResult]:
        """Return every cell that was begun, by data set and entry."""
        return [CellResult(folder) for folder in sorted(self.folder.glob("cells/*/*"))]

    def missing(self) -> list[tuple[str, str, str]]:
        """Return data set, entry and reason of what the last run could not start."""
        content = _read_json(self.folder / "run.json") or {}
        return [(dataset, entry, reason) for dataset, entry, reason in content.get("missing", ())]

    def write_plan(self, plan: Plan) -> None:
        """Write ``run.json``, what could not be started and why, and each data set's manifest.

        Raises:
            StoreError: The folder cannot be written.
        """
        cells = plan.cells
        record = {
            "missing": [(c.pairs.card.name, c.entry.name, c.missing) for c in cells if c.missing],
            "unusable": [(card.name, reason) for card, reason in plan.unusable],
        }
        manifests = self.folder / "manifests"
        with writing(self.folder):
            manifests.mkdir(parents=True, exist_ok=True)
            _write_json(self.folder / "run.json", record)
            for pairs in {cell.pairs.card.name: cell.pairs for cell in cells}.values():
                text = manifest_csv(pairs.manifest)
                write_atomically(manifests / f"{pairs.card.name}.csv", text.encode())


class CellResult:
    """One cell as it lies on disk; each file is read when it is first asked for.

    Args:
        folder: The cell's folder, which need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset, self.entry = folder.parent.name, folder.name

    @cached_property
    def claim(self) -> dict[str, Any] | None:
        """What ``cell.json`` says, whether or not ``images.csv`` bears it out."""
        return _read_json(self.folder / "cell.json")

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What the numbers depend on; empty where nothing says it."""
        return _read_json(self.folder / "key.json") or {}

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """The scores by image and protocol, in the file's order; those of a part of a run, too.

        What a protocol does not define (the PSNR of `rescan-rgb`, any score of an image smaller
        than its window) is None or NaN.
        """
        return read_images_csv(self.folder / "images.csv")

    @cached_property
    def problem(self) -> str:
        """Why a finished cell is not to be trusted; empty where it is, or is not finished."""
        if not (self.folder / "cell.json").exists():
            return ""
        place = "/".join(self.folder.parts[-3:])
        if self.claim is None or not isinstance(self.claim.get("means", {}), dict):
            return f"{place}/cell.json: is damaged: run again"
        if self._is_borne_out(self.claim):
            return ""
        return f"{place}/images.csv: is not what cell.json was written for: run again"

    @property
    def summary(self) -> dict[str, Any] | None:
        """What ``cell.json`` says of a complete cell; None where it is not complete."""
        return None if self.problem else self.claim

    @property
    def label(self) -> str:
        """The data set's name, with the variant behind an @ where there is one."""
        return f"{self.dataset}@{(self.claim or {}).get('variant', '')}".rstrip("@")

    @property
    def is_plain(self) -> bool:
        """Whether a complete cell was run on whole images in full precision."""
        options = (self.claim or {})["options"]
        return bool(options["precision"] == "fp32" and not options["tile"])

    @property
    def stale(self) -> str:
        """Why the numbers are not those of today's code; empty when they are."""
        return stale_reason(self.parts)

    @property
    def failure(self) -> str:
        """Why a cell is not complete."""
        said = (_read_json(self.folder / "failed.json") or {}).get("reason")
        return self.problem or said or "interrupted before it was complete: run again to continue"

    @property
    def seconds(self) -> float | None:
        """The median time of an image, the first ones left out; None where none was measured."""
        try:
            text = (self.folder / "timing.csv").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        seconds = []
        for line in text.splitlines()[1:]:
            with contextlib.suppress(ValueError):  # the last line may be torn
                seconds.append(float(line.rpartition(",")[2]))
        warm = seconds[WARM_UP:] if len(seconds) >= 3 * WARM_UP else seconds
        return statistics.median(warm) if warm else None

    def fits(self, parts: Mapping[str, object], images: Sequence[tuple[str, str]]) -> bool:
        """Return whether the finished result of exactly this key is there."""
        wanted = key_of({**parts, "images": list(images)})
        return self.summary is not None and self.summary.get("key") == wanted

    def _is_borne_out(self, claim: Mapping[str, Any]) -> bool:
        """Return whether ``images.csv`` is the file that ``cell.json`` was written for.

        Cells from before the hash was written down have to have the means that they claim.
        """
        file = self.folder / "images.csv"
        if "images_sha256" in claim:
            try:
                return bool(file_hash(file) == claim["images_sha256"])
            except OSError:
                return False
        return bool(self.scores) and all(
            _same(mean, self.scores, name) for name, mean in claim.get("means", {}).items()
        )


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
        if isinstance(error, RainbenchError):
            with contextlib.suppress(OSError):  # a later run tries again, whatever is written here
                _write_json(self.folder / "failed.json", {"reason": error.message})

    def append(self, image: str, scores: Scores, seconds: float | None) -> None:
        """Write one image's scores, and its time if there is one, and flush them to the system."""
        assert self._file is not None and self._timing is not None
        with writing(self.folder):
            self._file.write(_rows_text(image, {name: scores[name] for name in self._protocols}))
            self._file.flush()
            if seconds is not None:
                csv.writer(self._timing, lineterminator="\n").writerow([image, f"{seconds:.4g}"])
                self._timing.flush()

    def complete(self, summary: Mapping[str, object]) -> None:
        """Write ``cell.json``: the cell is complete from now on."""
        with writing(self.folder):
            assert self._file is not None
            self._file.flush()
            os.fsync(self._file.fileno())
            sha256 = file_hash(self.folder / "images.csv")
            content = {"key": self.key, "images_sha256": sha256, **summary}
            _write_json(self.folder / "cell.json", content)

    def _usable_prefix(self) -> dict[str, Scores]:
        """Return the scores an earlier run left that are still true, as a prefix of the order."""
        cell = CellResult(self.folder)
        before = dict(cell.parts)
        images_before = dict(map(tuple, before.pop("images", [])))
        if cell.problem or key_of(before) != key_of(self._parts):
            return {}
        scored = cell.scores
        kept: dict[str, Scores] = {}
        for image, pixels in self._images:
            if images_before.get(image) != pixels or list(scored.get(image, ())) != self._protocols:
                break
            kept[image] = scored[image]
        return kept

    def _discard(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)


def read_images_csv(file: Path) -> dict[str, Scores]:
    """Read an ``images.csv``; a torn last line is ignored, and so is a file of another kind.

    Returns:
        The scores by image and protocol, in the file's order. What a protocol does not define
        (the PSNR of `rescan-rgb`, any score of an image smaller than its window) is None or NaN.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
        rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    except (OSError, csv.Error):
        return {}
    if not rows or tuple(rows[0]) != IMAGES_HEADER:
        return {}
    scores: dict[str, dict[str, Score]] = {}
    for row in rows[1:]:
        if len(row) == 4 and row[1] in PROTOCOLS:
            try:
                score = Score(float(row[2]) if row[2] else None, float(row[3] or "nan"))
            except ValueError:  # not what we wrote: nothing from here on is
                break
            scores.setdefault(row[0], {})[row[1]] = score
    return dict(scores)


def summarise(pairs: PairSet, entry: str, scores: Mapping[str, Scores]) -> dict[str, object]:
    """Return what ``cell.json`` says of every cell.

    Args:
        pairs: The data set's copy.
        entry: The entry's name.
        scores: Those of ``images.csv``, so that a resumed run gives the same as a whole one.
    """
    variant = pairs.variant
    return {
        "dataset": pairs.card.name,
        "variant": variant.name if variant else "",
        "variant_note": variant.note if variant else "",
        "comparable": variant is None or variant.comparable,
        "entry": entry,
        "images": len(scores),
        "complete_set": len(scores) == pairs.found and pairs.card.count in (0, pairs.found),
        "left_out": list(pairs.left_out),
        "means": means_of(scores),
    }


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


@contextlib.contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Keep a second process from writing into the same run folder.

    Raises:
        StoreError: The folder cannot be made or written, or another run is at work in it.
    """
    with lock_folder(out, "run"):
        yield


def _write_json(file: Path, content: Mapping[str, object]) -> None:
    write_atomically(file, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def _read_json(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _same(mean: Mapping[str, Any], scores: Mapping[str, Scores], protocol: str) -> bool:
    """Return whether the scores of a protocol have a mean, up to the digits of ``images.csv``."""
    if protocol not in PROTOCOLS:
        return True
    try:
        now = mean_score(each[protocol] for each in scores.values())
        means = mean["psnr"], mean["ssim"]
        claimed = [math.nan if value is None else float(value) for value in means]
    except (KeyError, TypeError, ValueError, RainbenchError):
        return False
    found = [math.nan if value is None else value for value in (now.psnr, now.ssim)]
    return all(
        (math.isnan(was) and math.isnan(value)) or math.isclose(was, value, abs_tol=1e-5)
        for was, value in zip(claimed, found, strict=True)
    )
