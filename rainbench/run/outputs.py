"""A folder of somebody's restored images as an entry of a run: matched by name, then scored."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rainbench.core.errors import ImageError, RainbenchError
from rainbench.core.images import Image, pixel_hash, read_image, read_oriented
from rainbench.core.orientation import as_stored
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import count_of
from rainbench.metrics import PROTOCOLS, score_all
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.pairs.layouts import Pair
from rainbench.pairs.likeness import LEAST, Outline, find_scenes, likeness, outline, seen_otherwise
from rainbench.pairs.load import PairSet
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.matching import Matched, match_outputs, show_readings
from rainbench.pairs.pictures import CHANGED, load_image, load_oriented
from rainbench.run.key import code_of_folder, protocol_settings
from rainbench.run.metrics.measure import Columns, problems_of
from rainbench.run.results import FOLDER_KIND, RunResults
from rainbench.run.scores import Scores, is_complete, read_images_csv, summarise
from rainbench.run.store import CellStore

SHOWN = 5

LOSSY = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".jp2", ".j2k", ".gif"})
"""Endings of files that lost something when they were saved."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ScoredFolder:
    """What became of a folder of restored images.

    Attributes:
        matched: Which file was scored as which image.
        problems: What was left out, a sentence each.
        copies: What has to be said of images that are the rainy or the clean picture itself;
            empty where none is.
        unmeasured: Of the metrics that have no number for an image.
    """

    matched: Matched
    problems: tuple[str, ...]
    copies: str
    unmeasured: tuple[str, ...] = ()


def entry_name(text: str) -> str:
    """Return a name that is safe as a folder and on a command line, as near to a text as may be.

    Raises:
        RainbenchError: Nothing usable is left of it.

    Example:
        >>> entry_name("../My Net <v2>")
        'my-net-v2'
    """
    name = _UNSAFE.sub("-", text).strip("-._").lower()
    if not name:
        raise RainbenchError(
            f"{text!r} cannot be an entry's name", hint="Give one of letters and digits: --name."
        )
    return name[:64]


def score_folder(
    folder: Path,
    pairs: PairSet,
    name: str,
    out: Path,
    *,
    pattern: str = "",
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
    metrics: Sequence[ReadyMetric] = (),
) -> ScoredFolder:
    """Score a folder of restored images as a cell of a run.

    Args:
        folder: The images, matched by `rainbench.pairs.matching.match_outputs`.
        pairs: The data set's copy.
        name: The entry's name, see `entry_name`.
        out: The run's folder.
        pattern: Which files count, see `match_outputs`.
        allow_partial: Leave out and list what is missing or unusable, instead of raising.
        workers: Threads that read and score.
        advance: Called with how many images have just been finished, and the entry's name.
        metrics: What to measure beside the protocols.

    Raises:
        RainbenchError: An image is missing, cannot be read or has another size; the names can be
            read in several ways; or all images are the rainy or the clean ones themselves while
            other files lie beside them.
    """
    matched = match_outputs(folder, pairs.pairs, pattern)
    infos = {info.id: info for info in pairs.manifest}
    problems = [f"nothing for image {image}" for image in matched.missing]
    usable = []
    with ThreadPoolExecutor(workers) as pool:
        chosen = [pair for pair in pairs.pairs if pair.id in matched.files]
        checks = pool.map(lambda pair: _check(pair, matched.files[pair.id]), chosen)
        strange: list[tuple[Path, Path, Outline, Outline]] = []
        for pair, (sha256, problem, outlines) in zip(chosen, checks, strict=True):
            if problem:
                problems.append(problem)
                continue
            usable.append((pair, sha256))
            if outlines:
                strange.append((matched.files[pair.id], pair.clean.path, *outlines))
    _check_scenes(strange, matched.pattern)
    if problems and (not allow_partial or not usable):
        shown = "\n".join(f"  - {problem}" for problem in problems[:SHOWN])
        more = f"\n  - and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RainbenchError(
            f"{folder}: does not hold all images of {pairs.label}:\n{shown}{more}",
            hint="Complete the folder, or give --allow-partial to leave these out and list them. "
            f"Looked for: {matched.pattern}.",
        )
    _check_doubles(matched, [(infos[pair.id], sha256) for pair, sha256 in usable])
    copies = _copies([(infos[pair.id], sha256) for pair, sha256 in usable])
    if copies and matched.others and not pattern:
        beside = show_readings(matched.others, folder, len(pairs.pairs))
        raise RainbenchError(
            f'{folder}: by the pattern "{matched.pattern}", {copies}, and there are other files:\n'
            f"{beside}",
            hint="Say which are meant with --pattern.",
        )
    _fill_cell(folder, pairs, name, out, usable, matched, problems, copies, workers, advance)
    unmeasured = _measure(pairs, name, out, usable, matched, metrics)
    return ScoredFolder(matched, tuple(problems), copies, unmeasured)


def _check_scenes(strange: Sequence[tuple[Path, Path, Outline, Outline]], pattern: str) -> None:
    """Refuse restored images that show the scenes of other images, as shifted numbers do.

    Args:
        strange: Of each that does not look like its clean image: both files and outlines.
        pattern: By which they were matched.
    """
    for number, found in find_scenes([each[2:] for each in strange]).items():
        file, clean = strange[number][:2]
        if strange[found][1] != clean:
            raise RainbenchError(
                f"{file} does not show the scene of {clean}, but that of {strange[found][1]}",
                hint=f'By the pattern "{pattern}" it stands for the first: are the images numbered '
                "in another way? Rename them as the rainy ones.",
            )


def _check_doubles(matched: Matched, images: Sequence[tuple[PairInfo, str]]) -> None:
    """Refuse one picture that stands for two scenes, as a loop that saves the wrong one leaves."""
    seen: dict[str, PairInfo] = {}
    for info, sha256 in images:
        first = seen.setdefault(sha256, info)
        if first.clean_sha256 != info.clean_sha256:
            raise RainbenchError(
                f"{matched.files[info.id]} is the same picture as {matched.files[first.id]}, but "
                "their scenes are not",
                hint="Restore the images once more: a network gives each its own.",
            )


def _check(pair: Pair, file: Path) -> tuple[str, str, tuple[Outline, Outline] | None]:
    """Return the hash of a restored image, what is wrong with it, and outlines that differ."""
    try:
        restored, flag = read_oriented(file)
        clean, flag_of_clean = load_oriented(pair.clean)
    except ImageError as error:
        return "", str(error), None
    if flag != flag_of_clean and (
        _apart(as_stored(restored, flag), clean) * 2 < _apart(restored, clean)
        or _apart(restored, as_stored(clean, flag_of_clean)) * 2 < _apart(restored, clean)
    ):
        problem = (
            f"{file} (orientation flag {flag}) shows the scene another way up than "
            f"{pair.clean.path} (flag {flag_of_clean}): it was turned once too often, or not at "
            "all; turn it as the flags ask (EXIF) and save it without one"
        )
        return "", problem, None
    if restored.shape == clean.shape:
        otherwise = seen_otherwise(restored, clean)
        if otherwise:
            return "", f"{file} shows the scene of {pair.clean.path} {otherwise}", None
        outlines = outline(restored), outline(clean)
        alike = likeness(*outlines) >= LEAST
        return pixel_hash(restored), "", None if alike else outlines
    (height, width), (wanted_height, wanted_width) = restored.shape[:2], clean.shape[:2]
    across, down = width / wanted_width, height / wanted_height
    several = across * down > 1 and across.is_integer() and down.is_integer()
    what = f", {across * down:.0f} pictures in one?" if several else ""
    return (
        "",
        f"{file} is {width}x{height}{what}, but {pair.clean.path} is "
        f"{wanted_width}x{wanted_height}",
        None,
    )


def _apart(one: Image, other: Image) -> float:
    """Return the mean absolute difference of two pictures; without an end for two sizes."""
    if one.shape != other.shape:
        return math.inf
    return float(np.abs(one.astype(np.int16) - other).mean())


def _copies(images: Sequence[tuple[PairInfo, str]]) -> str:
    """Return what has to be said of restored images that are a picture of their pair, or empty."""
    parts = []
    for what, hashes in (
        ("rainy", [info.rainy_sha256 for info, _ in images]),
        ("clean", [info.clean_sha256 for info, _ in images]),
    ):
        same = sum(sha256 == own for (_, sha256), own in zip(images, hashes, strict=True))
        if same:
            are = "is" if same == 1 else "are"
            parts.append(f"{same} of {count_of(len(images), 'image')} {are} the {what} one itself")
    return ", ".join(parts)


def _parts(pairs: PairSet, name: str) -> dict[str, object]:
    return {
        "dataset": pairs.card.name,
        "entry": name,
        "source": FOLDER_KIND,
        "code": code_of_folder(),
        "protocols": protocol_settings(),
    }


def _images(pairs: PairSet, usable: Sequence[tuple[Pair, str]]) -> list[tuple[str, str]]:
    """Return the id of each image and the hash of its three pictures."""
    infos = {info.id: info for info in pairs.manifest}
    return [
        (pair.id, infos[pair.id].rainy_sha256 + infos[pair.id].clean_sha256 + sha256)
        for pair, sha256 in usable
    ]


def _measure(
    pairs: PairSet,
    name: str,
    out: Path,
    usable: Sequence[tuple[Pair, str]],
    matched: Matched,
    metrics: Sequence[ReadyMetric],
) -> tuple[str, ...]:
    """Measure the images by the metrics that have not seen them; return what went wrong."""
    if not metrics:
        return ()
    folder = RunResults(out).cell(pairs.card.name, name).folder
    clean = {info.id: info.clean_sha256 for info in pairs.manifest}
    with Columns(folder, metrics, _parts(pairs, name), _images(pairs, usable)) as columns:
        for pair, sha256 in usable:
            if pair.id in columns.missing:
                each = _Restored(pair, clean[pair.id], matched.files[pair.id], sha256)
                columns.measure(pair.id, *each.read())
        return problems_of(columns.complete())


def _fill_cell(
    folder: Path,
    pairs: PairSet,
    name: str,
    out: Path,
    usable: Sequence[tuple[Pair, str]],
    matched: Matched,
    problems: Sequence[str],
    copies: str,
    workers: int,
    advance: Advance,
) -> None:
    parts, images = _parts(pairs, name), _images(pairs, usable)
    cell = RunResults(out).cell(pairs.card.name, name)
    if cell.fits(parts, images, is_complete(pairs, len(images))):
        advance(len(images), name)
        return
    with CellStore(cell.folder, parts, tuple(PROTOCOLS), images) as store:
        advance(len(store.done), name)
        infos = {info.id: info for info in pairs.manifest}
        rest = [
            _Restored(pair, infos[pair.id].clean_sha256, matched.files[pair.id], sha256)
            for pair, sha256 in usable
            if pair.id not in store.done
        ]
        for image, scores in _scores(rest, workers):
            store.append(image, scores, None)
            advance(1, name)
        scored = read_images_csv(cell.folder / "images.csv")
        store.complete(
            {
                **summarise(pairs, name, scored),
                "source": FOLDER_KIND,
                "title": folder.resolve().name,
                "lossy": sum(matched.files[pair.id].suffix.lower() in LOSSY for pair, _ in usable),
                "copies": copies,
                "left_out": [*pairs.left_out, *problems],
                "options": {"device": "none", "precision": "fp32", "tile": 0},
                "provenance": {"names": matched.pattern, "layout": pairs.layout},
            }
        )


@dataclass(frozen=True, slots=True)
class _Restored:
    """A restored image's file and its pair, with the hashes from when they were checked."""

    pair: Pair
    clean_sha256: str
    file: Path
    sha256: str

    def read(self) -> tuple[Image, Image]:
        restored = read_image(self.file)
        if pixel_hash(restored) != self.sha256:
            raise ImageError(self.file, CHANGED, hint="Run again.")
        return restored, load_image(self.pair.clean, self.clean_sha256)

    def score(self) -> Scores:
        return score_all(*self.read())


def _scores(restored: Sequence[_Restored], workers: int) -> Iterator[tuple[str, Scores]]:
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(restored), 4 * workers):  # few results wait, whatever the size
            part = restored[start : start + 4 * workers]
            scored = pool.map(_Restored.score, part)
            yield from ((each.pair.id, scores) for each, scores in zip(part, scored, strict=True))
