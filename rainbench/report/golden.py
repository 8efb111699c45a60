"""Golden numbers: accepted per-image results that later runs are held against."""

from __future__ import annotations

import csv
import glob
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.registry import content_root, report_files
from rainbench.core.errors import RainbenchError
from rainbench.core.files import write_atomically
from rainbench.metrics import PROTOCOLS
from rainbench.run.results import CellResult, RunResults
from rainbench.run.scores import Scores

GOLDEN_PSNR_TOLERANCE = 0.005
"""dB that one image may differ by between machines: rounding to 8 bits flips single pixels."""

GOLDEN_SSIM_TOLERANCE = 5e-5


@dataclass(frozen=True, slots=True)
class Drift:
    """A measured number that left its golden value.

    Attributes:
        dataset: The data set, with its variant.
        entry: The entry.
        protocol: The protocol.
        message: Which image moved, from what to what; or what else changed.
    """

    dataset: str
    entry: str
    protocol: str
    message: str

    def __str__(self) -> str:
        return f"{self.dataset} / {self.entry} / {self.protocol}: {self.message}"


def golden_file(
    dataset: str, entry: str, folder: Path | None = None, own: Sequence[Path] = ()
) -> Path:
    """Return where the golden numbers of a cell lie, or would lie.

    Args:
        dataset: The data set's name, its variant included.
        entry: The entry's name.
        folder: The one folder that counts, where one was given.
        own: Folders of the user's that count as well as the package where none was, see
            `rainbench.catalog.registry.Registry.folders`.

    Raises:
        RainbenchError: Several folders have numbers of this cell.
    """
    if folder is not None:
        return folder / dataset / f"{entry}.csv"
    places = report_files(f"golden/{glob.escape(dataset)}/{glob.escape(entry)}.csv", own)
    if len(places) > 1:
        raise RainbenchError(
            f"{places[1]}: {places[0]} has golden numbers of {entry} on {dataset} already",
            hint="Remove one of the two, or give the folder that counts with --golden.",
        )
    return places[0] if places else content_root() / "reports/golden" / dataset / f"{entry}.csv"


def format_golden(scores: Mapping[str, Scores]) -> str:
    """Return golden numbers as CSV: a line per image, two columns per protocol and version."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [
        f"{name}:{protocol.version}:{metric}"
        for name, protocol in PROTOCOLS.items()
        for metric in ("psnr", "ssim")
    ]
    writer.writerow(["image", *names])
    for image, per_protocol in scores.items():
        row = [image]
        for name in PROTOCOLS:
            score = per_protocol[name]
            row += [_text(score.psnr, 4), _text(score.ssim, 6)]
        writer.writerow(row)
    return text.getvalue()


def write_golden(file: Path, scores: Mapping[str, Scores]) -> None:
    """Accept a cell's numbers as golden."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, format_golden(scores).encode())


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one cell when a run was accepted.

    Attributes:
        dataset: The data set, with its variant.
        entry: The entry.
        action: ``new``, ``same``, ``replaced``, ``kept`` (golden numbers differ and stay) or
            ``left out``.
        reason: Why, for the last two; empty for others.
    """

    dataset: str
    entry: str
    action: str
    reason: str = ""


def accept_run(out: Path, golden: Path, *, replace: bool = False) -> list[Accepted]:
    """Make the complete cells of a run's folder golden.

    Args:
        out: The run's folder.
        golden: The folder of golden numbers.
        replace: Whether golden numbers that exist and differ are written anew.
    """
    return [_accept_cell(cell, golden, replace=replace) for cell in RunResults(out).cells()]


def _accept_cell(cell: CellResult, golden: Path, *, replace: bool) -> Accepted:
    label, entry = cell.label, cell.entry
    if reason := _unfit(cell):
        return Accepted(label, entry, "left out", reason)
    file = golden_file(label, entry, golden)
    drifts = find_drift(file, label, entry, cell.scores) if file.is_file() else []
    if drifts and not replace:
        return Accepted(label, entry, "kept", f"{drifts[0].protocol}: {drifts[0].message}")
    if file.is_file() and not drifts:
        return Accepted(label, entry, "same")
    write_golden(file, cell.scores)
    return Accepted(label, entry, "replaced" if drifts else "new")


def _unfit(cell: CellResult) -> str:
    """Return why a cell cannot be made golden; empty where it can."""
    if cell.summary is None:
        return cell.failure
    if not cell.is_plain:
        return "run in tiles or in reduced precision"
    if not cell.summary["complete_set"]:
        return "not the whole data set"
    return f"{cell.stale}: run it again" if cell.stale else ""


def find_drift(file: Path, dataset: str, entry: str, scores: Mapping[str, Scores]) -> list[Drift]:
    """Return how a cell's numbers left the golden ones, one `Drift` per protocol at most.

    Only images that are in both are compared, so a limited run is guarded too.
    """
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    versions = _versions(rows[0]) if rows else {}
    drifts = []
    for protocol, version in versions.items():
        current = PROTOCOLS.get(protocol)
        if current is None or current.version != version:
            now = f"version {current.version}" if current else "gone"
            message = f"accepted under version {version} of the protocol, which is now {now}"
            drifts.append(Drift(dataset, entry, protocol, message))
            continue
        worst = _worst(rows, protocol, version, scores)
        if worst:
            drifts.append(Drift(dataset, entry, protocol, worst))
    return drifts


def _versions(row: Mapping[str, str]) -> dict[str, int]:
    return {column.split(":")[0]: int(column.split(":")[1]) for column in row if ":" in column}


def _worst(
    rows: Sequence[Mapping[str, str]], protocol: str, version: int, scores: Mapping[str, Scores]
) -> str:
    moved: list[tuple[float, str]] = []
    for row in rows:
        score = scores.get(row["image"], {}).get(protocol)
        if score is None:
            continue
        for metric, now, allowed in (
            ("psnr", score.psnr, GOLDEN_PSNR_TOLERANCE),
            ("ssim", score.ssim, GOLDEN_SSIM_TOLERANCE),
        ):
            text = row[f"{protocol}:{version}:{metric}"]
            then = float(text) if text else None
            excess = _distance(now, then) / allowed
            if excess > 1:
                moved.append(
                    (excess, f"{metric.upper()} of image {row['image']} was {then}, is {now}")
                )
    if not moved:
        return ""
    return f"{max(moved)[1]} ({len(moved)} values of {len(rows)} images moved)"


def _distance(now: float | None, then: float | None) -> float:
    absent = [value is None or math.isnan(value) for value in (now, then)]
    if any(absent):
        return 0 if all(absent) else math.inf
    assert now is not None and then is not None
    return 0 if now == then else abs(now - then)


def _text(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def iterate_golden(folder: Path | None = None) -> Iterable[tuple[str, str, Path]]:
    """Yield data set, entry and file of every golden cell."""
    root = folder if folder is not None else content_root() / "reports" / "golden"
    for file in sorted(root.glob("*/*.csv")):
        yield file.parent.name, file.stem, file
