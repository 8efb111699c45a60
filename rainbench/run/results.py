"""The results on disk: one folder per cell, appended image by image, resumed to the same bytes.

``cells/<data set>/<entry>/`` holds

* ``key.json``: what the numbers depend on, see `rainbench.run.key`; a folder of another key is
  started afresh;
* ``images.csv``: a line per image and protocol, appended and flushed as scored, in the order of
  the pairs, so that after a kill it is a prefix of the final file;
* ``cell.json``: the summary, the provenance and the hash of ``images.csv``, written last by rename:
  where it is, and ``images.csv`` still has these bytes, the cell is complete;
* ``failed.json``: why the last attempt ended early, when it did;
* ``timing.csv``: seconds per image and a hash of its lines. The only file that differs from run to
  run.

`rainbench.run.store` writes a cell.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import io
import math
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rainbench.core.errors import RainbenchError
from rainbench.core.escape import escape_formula
from rainbench.core.files import is_file, lock_folder, read_regular_file, write_atomically, writing
from rainbench.core.resume import key_of
from rainbench.metrics import PROTOCOLS
from rainbench.pairs.manifest import are_others, manifest_csv, pictures_of
from rainbench.run.documents import hash_of, read_json, write_json
from rainbench.run.key import stale_reason
from rainbench.run.scores import (
    LARGEST_FILE,
    Scores,
    disagreement,
    means_of,
    parse_images_csv,
    wrong_in_summary,
)

if TYPE_CHECKING:
    from rainbench.run.plan import Plan

FOLDER_KIND = "folder of images"
"""What ``cell.json`` calls the source of a cell whose images somebody else made."""

WARM_UP = 3
"""Images whose times are left out of the median, where there are three times as many."""

DAMAGED = "is damaged: run again"
GONE = "is missing: run again"

OTHER_PICTURES = (
    "was scored on other pictures called {} than those of the last run here: run it again, or keep "
    "the two apart by another --out or another name (-d NAME)"
)


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

    def cells(self) -> Iterator[CellResult]:
        """Yield every cell that was begun, by data set and entry.

        What was read of one can be let go before the next: all together they may be large.
        """
        for folder in sorted(self.folder.glob("cells/*/*")):
            if any(map(os.path.lexists, _begun(folder))):
                yield CellResult(folder)

    def missing(self) -> list[tuple[str, str, str]]:
        """Return data set, entry and reason of what the last run could not start."""
        return self._missing() or []

    @property
    def problems(self) -> list[str]:
        """What in the folder is not to be trusted, a sentence each."""
        return [cell.problem for cell in self.cells() if cell.problem] + self.own_problems

    @property
    def own_problems(self) -> list[str]:
        """The same of the files beside the cells: ``run.json`` and the manifests."""
        file = self.folder / "run.json"
        record = read_json(file) or {}
        # Restored images of somebody else's are scored without them.
        sets = {c.dataset for c in self.cells() if not c.is_of_folder}
        if not os.path.lexists(file):
            return [f"{file}: {GONE}"] if sets else []
        hashes = record.get("manifests", {})
        if self._missing() is None or not isinstance(hashes, dict):
            return [f"{file}: {DAMAGED}"]
        manifests = {self.folder / "manifests" / f"{name}.csv": hashes.get(name) for name in sets}
        return [
            f"{manifest}: {DAMAGED if os.path.lexists(manifest) else GONE}"
            for manifest, sha256 in sorted(manifests.items())
            if hash_of(manifest) != sha256 and (sha256 or not is_file(manifest))
        ]

    def _missing(self) -> list[tuple[str, str, str]] | None:
        cells = (read_json(self.folder / "run.json") or {}).get("missing")
        if not isinstance(cells, list):
            return None
        found = [tuple(cell) for cell in cells if isinstance(cell, list) and len(cell) == 3]
        if len(found) < len(cells) or not all(isinstance(text, str) for c in found for text in c):
            return None
        return [(dataset, entry, reason) for dataset, entry, reason in found]

    def pictures(self, dataset: str) -> Mapping[str, tuple[str, str]]:
        """Return the hashes of the rainy and the clean pictures that the last run had, by id.

        Where only restored images of somebody else's were scored, those that they stand for.
        """
        if of_last := _pictures(self.folder / "manifests" / f"{dataset}.csv"):
            return of_last
        found: dict[str, tuple[str, str]] = {}
        for cell in self.cells():
            if cell.dataset == dataset and cell.summary and cell.is_of_folder:
                found |= cell.pictures
        return found

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
        before = (read_json(self.folder / "run.json") or {}).get("manifests")
        hashes = dict(before) if isinstance(before, dict) else {}
        with writing(self.folder):
            manifests.mkdir(parents=True, exist_ok=True)
            # A method for videos may lack a clip that others have.
            every = sorted((cell.pairs for cell in cells), key=lambda pairs: len(pairs.pairs))
            for pairs in {pairs.card.name: pairs for pairs in every}.values():
                data = manifest_csv(pairs.manifest).encode("utf-8", "surrogateescape")
                hashes[pairs.card.name] = hashlib.sha256(data).hexdigest()
                write_atomically(manifests / f"{pairs.card.name}.csv", data)
            write_json(self.folder / "run.json", {**record, "manifests": hashes})


def _pictures(manifest: Path) -> Mapping[str, tuple[str, str]]:
    """Return the pictures of a manifest, see `pictures_of`; none where it cannot be read."""
    try:
        state = manifest.stat()
    except OSError:
        return {}
    return _pictures_at(manifest, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=8)  # all cells of a data set ask for it in turn
def _pictures_at(manifest: Path, _changed: int, _size: int) -> Mapping[str, tuple[str, str]]:
    try:
        return pictures_of(
            read_regular_file(manifest, LARGEST_FILE).decode("utf-8", "surrogateescape")
        )
    except (OSError, ValueError, csv.Error):
        return {}  # which `RunResults.own_problems` tells


def _begun(folder: Path) -> Iterator[Path]:
    """Yield the files of which a cell's folder has one at least once it is begun."""
    return (folder / name for name in ("key.json", "images.csv", "cell.json", "failed.json"))


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
        return read_json(self.folder / "cell.json")

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What the numbers depend on; empty where nothing says it."""
        return read_json(self.folder / "key.json") or {}

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """The scores by image and protocol, in the file's order; those of a part of a run, too.

        What a protocol does not define (the PSNR of `rescan-rgb`, any score of an image smaller
        than its window) is None or NaN.
        """
        return parse_images_csv(self._images_csv)

    @cached_property
    def _images_csv(self) -> bytes:
        try:
            return read_regular_file(self.folder / "images.csv", LARGEST_FILE)
        except OSError:
            return b""

    @cached_property
    def problem(self) -> str:
        """Why a finished cell is not to be trusted; empty where it is, or is not finished."""
        if not os.path.lexists(self.folder / "cell.json"):
            return ""
        place = "/".join(self.folder.parts[-3:])
        if self.claim is None:
            return f"{place}/cell.json: {DAMAGED}"
        if wrong := wrong_in_summary(self.claim):
            return f"{place}/cell.json: {wrong}: run again"
        of = self.claim["dataset"], self.claim["entry"]
        if of != (self.dataset, self.entry):
            return f"{place}/cell.json: is of {of[1]} on {of[0]}, not of its folder: run again"
        if "images_sha256" in self.claim and key_of(self.parts) != self.claim["key"]:
            return f"{place}/key.json: is not what cell.json was written for: run again"
        if not self._is_borne_out(self.claim):
            return f"{place}/images.csv: is not what cell.json was written for: run again"
        if wrong := disagreement(self.claim, self.scores):
            return f"{place}/cell.json: {wrong}: run again"
        if self._is_of_other_pictures():
            return f"{place}: {OTHER_PICTURES.format(self.dataset)}"
        return ""

    def _is_of_other_pictures(self) -> bool:
        """Return whether the last run in the folder had other pictures of the data set.

        A part of them is told by the number of images; but a whole set lacks none. Of a method for
        videos, and of all that restore clips, the clean pictures alone are compared.
        """
        of_last = _pictures(self.folder.parents[2] / "manifests" / f"{self.dataset}.csv")
        claim, own = self.claim or {}, self.pictures
        if own and of_last and claim.get("complete_set") and not own.keys() >= of_last.keys():
            return True
        return are_others(own, of_last, rainy="clips" not in claim)

    @property
    def pictures(self) -> Mapping[str, tuple[str, str]]:
        """The hashes of the rainy and the clean pictures that were scored, by id.

        Of a method for videos the first one is that of the whole clip.
        """
        try:
            images = dict(self.parts.get("images", ()))
            return {escape_formula(name): (sha[:64], sha[64:128]) for name, sha in images.items()}
        except (TypeError, ValueError, AttributeError):
            return {}

    @cached_property
    def summary(self) -> dict[str, Any] | None:
        """What ``cell.json`` says of a complete cell; None where it is not complete.

        The means are those of ``images.csv``, under the protocols that are known today.
        """
        if self.problem or self.claim is None:
            return None
        protocols = [name for name in self.claim["means"] if name in PROTOCOLS]
        return {
            **self.claim,
            "means": means_of(self.scores, protocols, clips="clips" in self.claim),
        }

    @property
    def label(self) -> str:
        """The data set's name, with the variant behind an @ where there is one."""
        variant = (self.claim or {}).get("variant")
        return f"{self.dataset}@{variant}" if variant and not self.problem else self.dataset

    @property
    def is_plain(self) -> bool:
        """Whether a complete cell was run on whole images in full precision."""
        options = (self.claim or {})["options"]
        return bool(options["precision"] == "fp32" and not options["tile"])

    @property
    def is_of_folder(self) -> bool:
        """Whether its images were restored by somebody else."""
        return FOLDER_KIND in (self.parts.get("source"), (self.claim or {}).get("source"))

    @property
    def stale(self) -> str:
        """Why the numbers are not those of today's code; empty when they are."""
        return stale_reason(self.parts)

    @property
    def failure(self) -> str:
        """Why a cell is not complete."""
        said = (read_json(self.folder / "failed.json") or {}).get("reason")
        return (
            self.problem
            or (said if isinstance(said, str) else "")
            or "interrupted before it was complete: run again to continue"
        )

    @property
    def seconds(self) -> float | None:
        """The median time of an image, the first ones left out; None where none was measured."""
        try:
            text = read_regular_file(self.folder / "timing.csv", LARGEST_FILE).decode()
            rows = list(csv.reader(io.StringIO(text)))
        except (OSError, ValueError, csv.Error):
            return None
        seconds = []
        for row in rows[1:]:
            with contextlib.suppress(ValueError, IndexError):  # the last line may be torn
                seconds.append(float(row[1]))
        seconds = [each for each in seconds if 0 < each < math.inf]
        warm = seconds[WARM_UP:] if len(seconds) >= 3 * WARM_UP else seconds
        return statistics.median(warm) if warm else None

    def fits(
        self,
        parts: Mapping[str, object],
        images: Sequence[tuple[str, str]],
        complete: bool | None = True,
    ) -> bool:
        """Return whether the finished result of exactly this key is there.

        Args:
            parts: What the numbers depend on.
            images: Each image's id and hash.
            complete: Whether they are the whole data set, see `rainbench.run.scores.is_complete`;
                a card may have got a count since the cell was made.
        """
        summary = self.summary
        wanted = key_of({**parts, "images": list(images)})
        return (
            summary is not None
            and summary["key"] == wanted == key_of(self.parts)
            and summary["complete_set"] == complete
        )

    def _is_borne_out(self, claim: Mapping[str, Any]) -> bool:
        """Return whether ``images.csv`` is the file that ``cell.json`` was written for.

        Cells from before the hash was written down have to have the means that they claim.
        """
        if "images_sha256" in claim:
            return bool(hashlib.sha256(self._images_csv).hexdigest() == claim["images_sha256"])
        return bool(self.scores) and not disagreement(claim, self.scores)


@contextlib.contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Keep a second process from writing into the same run folder.

    Raises:
        StoreError: The folder cannot be made or written, or another run is at work in it.
    """
    with lock_folder(out, "run"):
        yield
