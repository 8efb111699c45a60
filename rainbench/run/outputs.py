"""A folder of somebody's restored images as an entry of a run: matched by name, then scored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import count_of
from rainbench.metrics import PROTOCOLS
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.pairs.load import PairSet
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.matching import Matched, match_outputs, show_readings
from rainbench.pairs.pixels.likeness import Outline, find_scenes
from rainbench.pairs.pixels.readings import LOOKED_AT
from rainbench.run.key import code_of_folder, protocol_settings
from rainbench.run.metrics.measure import Columns, problems_of
from rainbench.run.restored import Restored, check_readings, check_restored, key_of_image
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
        doubt: What has to be said of images that are far worse than the rainy ones.
        unmeasured: Of the metrics that have no number for an image.
    """

    matched: Matched
    problems: tuple[str, ...]
    copies: str
    doubt: str = ""
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
            other files lie beside them; or they are something else than restored images, see
            `rainbench.run.restored.check_readings`.
    """
    matched = match_outputs(folder, pairs.pairs, pattern)
    infos = {info.id: info for info in pairs.manifest}
    problems = [f"nothing for image {image}" for image in matched.missing]
    usable: list[Restored] = []
    strange: list[tuple[Path, Path, Outline, Outline]] = []
    known = _known_images(RunResults(out).cell(pairs.card.name, name).parts.get("images"))
    with ThreadPoolExecutor(workers) as pool:
        chosen = [pair for pair in pairs.pairs if pair.id in matched.files]
        first = {pair.id for pair in chosen[: LOOKED_AT + 1]}
        checks = pool.map(
            lambda pair: check_restored(
                pair, infos[pair.id], matched.files[pair.id], known, keep=pair.id in first
            ),
            chosen,
        )
        for pair, checked in zip(chosen, checks, strict=True):
            advance(1, name)
            if isinstance(checked, str):
                problems.append(checked)
                continue
            usable.append(checked)
            if checked.outlines:
                strange.append((checked.file, pair.clean.path, *checked.outlines))
    _check_scenes(strange, matched.pattern)
    if problems and (not allow_partial or not usable):
        shown = "\n".join(f"  - {problem}" for problem in problems[:SHOWN])
        more = f"\n  - and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RainbenchError(
            f"{folder}: {_headline(matched, problems, pairs)}:\n{shown}{more}",
            hint="Complete the folder, or give --allow-partial to leave these out and list them. "
            f"Looked for: {matched.pattern}.",
        )
    doubt = check_readings(usable)
    hashes = [(infos[each.pair.id], each.sha256) for each in usable]
    _check_doubles(matched, hashes)
    copies = _copies(hashes)
    if copies and matched.others and not pattern:
        beside = show_readings(matched.others, folder, len(pairs.pairs))
        raise RainbenchError(
            f'{folder}: by the pattern "{matched.pattern}", {copies}, and there are other files:\n'
            f"{beside}",
            hint="Say which are meant with --pattern.",
        )
    _fill_cell(folder, pairs, name, out, usable, matched, problems, copies, doubt, workers)
    unmeasured = _measure(pairs, name, out, usable, metrics)
    return ScoredFolder(matched, tuple(problems), copies, doubt, unmeasured)


def _known_images(recorded: object) -> set[tuple[str, str]]:
    """Return the ids and hashes that an earlier run left; of what is no list of these, none."""
    return {
        (each[0], each[1])
        for each in (recorded if isinstance(recorded, list) else ())
        if isinstance(each, list) and len(each) == 2 and all(isinstance(part, str) for part in each)
    }


def _headline(matched: Matched, problems: Sequence[str], pairs: PairSet) -> str:
    """Return what is wrong with a folder as a whole: what it lacks, what cannot be scored."""
    lacks = f"does not hold all images of {pairs.label}"
    bad = len(problems) - len(matched.missing)
    if not bad:
        return lacks
    unusable = f"{count_of(bad, 'image')} cannot be scored"
    return f"{lacks}, and {unusable}" if matched.missing else f"{unusable} ({pairs.label})"


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


def _images(pairs: PairSet, usable: Sequence[Restored]) -> list[tuple[str, str]]:
    """Return the id of each image and the hash of its three pictures."""
    infos = {info.id: info for info in pairs.manifest}
    return [(each.pair.id, key_of_image(infos[each.pair.id], each.sha256)) for each in usable]


def _measure(
    pairs: PairSet,
    name: str,
    out: Path,
    usable: Sequence[Restored],
    metrics: Sequence[ReadyMetric],
) -> tuple[str, ...]:
    """Measure the images by the metrics that have not seen them; return what went wrong."""
    if not metrics:
        return ()
    folder = RunResults(out).cell(pairs.card.name, name).folder
    with Columns(folder, metrics, _parts(pairs, name), _images(pairs, usable)) as columns:
        for each in usable:
            if each.pair.id in columns.missing:
                columns.measure(each.pair.id, *each.read())
        return problems_of(columns.complete())


def _fill_cell(
    folder: Path,
    pairs: PairSet,
    name: str,
    out: Path,
    usable: Sequence[Restored],
    matched: Matched,
    problems: Sequence[str],
    copies: str,
    doubt: str,
    workers: int,
) -> None:
    parts, images = _parts(pairs, name), _images(pairs, usable)
    cell = RunResults(out).cell(pairs.card.name, name)
    if cell.fits(parts, images, is_complete(pairs, len(images))):
        return
    with CellStore(cell.folder, parts, tuple(PROTOCOLS), images) as store:
        rest = [each for each in usable if each.pair.id not in store.done]
        for image, scores in _scores(rest, workers):
            store.append(image, scores, None)
        scored = read_images_csv(cell.folder / "images.csv")
        store.complete(
            {
                **summarise(pairs, name, scored),
                "source": FOLDER_KIND,
                "title": folder.resolve().name,
                "lossy": sum(each.file.suffix.lower() in LOSSY for each in usable),
                "copies": copies,
                "doubt": doubt,
                "left_out": [*pairs.left_out, *problems],
                "options": {"device": "none", "precision": "fp32", "tile": 0},
                "provenance": {"names": matched.pattern, "layout": pairs.layout},
            }
        )


def _scores(restored: Sequence[Restored], workers: int) -> Iterator[tuple[str, Scores]]:
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(restored), 4 * workers):  # few results wait, whatever the size
            part = restored[start : start + 4 * workers]
            scored = pool.map(Restored.score, part)
            yield from ((each.pair.id, scores) for each, scores in zip(part, scored, strict=True))
