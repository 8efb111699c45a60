"""Golden numbers: accepted per-image results that later runs are held against."""

from __future__ import annotations

import csv
import glob
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.folders import content_root, report_files
from rainbench.core.errors import RainbenchError
from rainbench.core.escape import escape_formula, unescape_formula
from rainbench.core.files import read_csv, write_atomically
from rainbench.core.text import count_of
from rainbench.metrics import PROTOCOLS
from rainbench.run.results import CellResult, RunResults
from rainbench.run.scores import LARGEST_FILE, Scores

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
        row = [escape_formula(image)]
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
        reason: Why, for the last two; what else has to be said of others.
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
        replace: Whether golden numbers that exist and differ are replaced.
    """
    results = RunResults(out)
    wrong = next(iter(results.own_problems), "")
    return [_accept_cell(cell, golden, wrong, replace=replace) for cell in results.cells()]


def _accept_cell(cell: CellResult, golden: Path, wrong: str, *, replace: bool) -> Accepted:
    label, entry = cell.label, cell.entry
    if reason := wrong or _unfit(cell):
        return Accepted(label, entry, "left out", reason)
    file = golden_file(label, entry, golden)
    there = file.exists()
    differs = _difference(file, cell) if there else ""
    if differs and not replace:
        return Accepted(label, entry, "kept", differs)
    if there and not differs:
        return Accepted(label, entry, "same")
    try:
        write_golden(file, cell.scores)
    except OSError as error:
        return Accepted(label, entry, "left out", f"{file}: cannot be written: {error.strerror}")
    unknown = cell.summary is not None and cell.summary["complete_set"] is None
    images = count_of(len(cell.scores), "image")
    said = f"{images}, whether all is not known: its card has no count" if unknown else ""
    return Accepted(label, entry, "replaced" if there else "new", said)


def _difference(file: Path, cell: CellResult) -> str:
    """Return in what a cell and its golden numbers differ; empty where they do not."""
    try:
        golden = read_golden(file)
    except RainbenchError as error:
        return error.message
    drifts, _ = find_drift(golden, cell.label, cell.entry, cell.scores)
    missing = missing_images(golden, cell.scores, complete=True)
    return f"{drifts[0].protocol}: {drifts[0].message}" if drifts else missing


def _unfit(cell: CellResult) -> str:
    """Return why a cell cannot be made golden; empty where it can."""
    if cell.summary is None:
        return cell.failure
    if not cell.is_plain:
        return "run in tiles or in reduced precision"
    if cell.summary["complete_set"] is False:
        return "not the whole data set"
    return f"{cell.stale}: run it again" if cell.stale else ""


@dataclass(frozen=True, slots=True)
class Golden:
    """A file of golden numbers.

    Attributes:
        file: Where they lie.
        versions: The version of each protocol that they were accepted under.
        values: PSNR and SSIM by image and protocol; None for what has none.
    """

    file: Path
    versions: Mapping[str, int]
    values: Mapping[str, Mapping[str, tuple[float | None, float | None]]]


def read_golden(file: Path) -> Golden:
    """Read golden numbers.

    Raises:
        RainbenchError: The file cannot be read, or is not what `rainbench accept` writes.
    """
    (first, header), *lines = read_csv(file, LARGEST_FILE) or [(1, [])]
    pairs = [tuple(column.split(":")) for column in header[1:]]
    heads = list(zip(pairs[::2], pairs[1::2], strict=False))
    wanted = [((*one[:2], "psnr"), (*one[:2], "ssim")) for one, _ in heads]
    names = [one[0] for one, _ in heads]
    sound = heads == wanted and all(len(one) == 3 and one[1].isdecimal() for one, _ in heads)
    if header[:1] != ["image"] or len(pairs) % 2 or not sound or len(set(names)) < len(names):
        raise _unusable(
            file, f"line {first} has other columns than image and NAME:VERSION:psnr, :ssim"
        )
    if not lines or not names:
        raise _unusable(file, "holds no numbers")
    values: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    for number, line in lines:
        image = unescape_formula(line[0])
        if len(line) != len(header) or image in values:
            what = "is there twice" if image in values else "has another length"
            raise _unusable(file, f"line {number} {what}")
        try:
            numbers = [_golden_number(text) for text in line[1:]]
        except ValueError:
            raise _unusable(file, f"line {number} holds what is no number") from None
        scores = zip(numbers[::2], numbers[1::2], strict=True)
        values[image] = dict(zip(names, scores, strict=True))
    return Golden(file, {one[0]: int(one[1]) for one, _ in heads}, values)


def _unusable(file: Path, what: str) -> RainbenchError:
    return RainbenchError(f"{file}: {what}", hint="Accept the numbers again: `rainbench accept`.")


def _golden_number(text: str) -> float | None:
    value = float(text) if text else None
    if value is not None and math.isnan(value):
        raise ValueError(text)
    return value


def missing_images(golden: Golden, scores: Mapping[str, Scores], *, complete: bool) -> str:
    """Return which images only one of a run and its golden numbers has; empty for none.

    Args:
        golden: The golden numbers.
        scores: The run's.
        complete: Whether the run should have every image that they have.
    """
    here = [image for image in scores if image not in golden.values]
    there = [image for image in golden.values if image not in scores] if complete else []
    for images, what in ((here, "has no numbers of"), (there, "has numbers that the run has not:")):
        if images:
            more = f" and {len(images) - 1} more" if len(images) > 1 else ""
            return f"{golden.file}: {what} image {images[0]}{more}"
    return ""


def find_drift(
    golden: Golden, dataset: str, entry: str, scores: Mapping[str, Scores]
) -> tuple[list[Drift], int]:
    """Return how a cell's numbers left the golden ones, and how many values were compared.

    Only images that are in both are compared, so a limited run is guarded too. Each protocol has
    one `Drift` at most.
    """
    drifts, compared = [], 0
    for protocol, version in golden.versions.items():
        current = PROTOCOLS.get(protocol)
        if current is None or current.version != version:
            now = f"version {current.version}" if current else "gone"
            message = f"accepted under version {version} of the protocol, which is now {now}"
            drifts.append(Drift(dataset, entry, protocol, message))
            continue
        worst, count = _worst(golden, protocol, scores)
        compared += count
        if worst:
            drifts.append(Drift(dataset, entry, protocol, worst))
    return drifts, compared


def _worst(golden: Golden, protocol: str, scores: Mapping[str, Scores]) -> tuple[str, int]:
    """Return the value that moved farthest, in words, and how many were compared."""
    moved: list[tuple[float, str]] = []
    compared = 0
    for image, values in golden.values.items():
        score = scores.get(image, {}).get(protocol)
        if score is None:
            continue
        psnr, ssim = values[protocol]
        for metric, now, then, allowed in (
            ("PSNR", score.psnr, psnr, GOLDEN_PSNR_TOLERANCE),
            ("SSIM", score.ssim, ssim, GOLDEN_SSIM_TOLERANCE),
        ):
            compared += then is not None
            excess = _distance(now, then) / allowed
            if excess > 1:
                moved.append(
                    (excess, _movement(golden.file, f"{metric} of image {image}", now, then))
                )
    if not moved:
        return "", compared
    images = count_of(len(golden.values), "image")
    return f"{max(moved)[1]} ({count_of(len(moved), 'value')} of {images} moved)", compared


def _movement(file: Path, what: str, now: float | None, then: float | None) -> str:
    if _distance(now, then) < math.inf:
        return f"{what} was {then}, is {now}"
    again = "run again, or accept the numbers again with `rainbench accept --replace`"
    if _distance(then, None) == 0:
        return f"{file}: holds no {what}, which the run has: {now}: {again}"
    return f"the run has no {what}, but {file} holds {then}: {again}"


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
