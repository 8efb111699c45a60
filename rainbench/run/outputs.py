"""A folder of somebody's restored images as an entry of a run: matched by name, then scored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import ImageError, RainbenchError
from rainbench.core.images import IMAGE_SUFFIXES, pixel_hash, read_image
from rainbench.core.text import natural_key
from rainbench.metrics import PROTOCOLS, score_all
from rainbench.pairs.layouts import Pair
from rainbench.pairs.load import CHANGED, PairSet, load_image
from rainbench.run.key import code_of_folder, protocol_settings
from rainbench.run.results import (
    FOLDER_KIND,
    CellStore,
    RunResults,
    Scores,
    read_images_csv,
    summarise,
)

SHOWN = 5
LOOKED_AT = 50
"""Files whose names tell what all names have around them."""

LOSSY = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".jp2", ".j2k", ".gif"})
"""Endings of files that lost something when they were saved."""

_ONE_NUMBER = re.compile(r"\D*?0*(\d+)\D*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Matched:
    """Which file restores which pair.

    Attributes:
        files: The file of every pair that has one, by the pair's id, in the pairs' order.
        missing: The ids of pairs without a file.
        unused: Files that belong to no pair.
        rule: By what the names were compared.
    """

    files: Mapping[str, Path]
    missing: tuple[str, ...]
    unused: tuple[Path, ...]
    rule: str


def match_outputs(folder: Path, pairs: Sequence[Pair]) -> Matched:
    """Find the restored image of every pair by its name.

    Names are compared in turn by: the name of the rainy file, the pair's id, the name of the clean
    file, the only number in the name, the rainy file's name with the same text around it in all
    names (``1-cup_derained``). The first rule that finds most wins; one under which two files claim
    a pair is passed over.

    Args:
        folder: The restored images, at any depth below.
        pairs: The data set's pairs.

    Raises:
        RainbenchError: The folder does not exist or holds no images, or no name fits.
    """
    if not folder.is_dir():
        raise RainbenchError(f"{folder}: there is no such folder of images")
    files = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES),
        key=lambda path: natural_key(path.as_posix()),
    )
    if not files:
        raise RainbenchError(f"{folder}: holds no images")
    best: dict[str, Path] = {}
    best_rule, doubled = "", ""
    for rule, of_pair, of_file in (*_RULES, _around(files, pairs)):
        wanted = {of_pair(pair): pair.id for pair in pairs}
        if len(wanted) < len(pairs) or "" in wanted:
            continue
        found: dict[str, Path] = {}
        twice = ""
        for file in files:
            pair_id = wanted.get(of_file(file, folder))
            if pair_id is not None and pair_id in found:
                twice = f"{found[pair_id]} and {file} both stand for image {pair_id}"
            elif pair_id is not None:
                found[pair_id] = file
        doubled = doubled or twice
        if not twice and len(found) > len(best):
            best, best_rule = found, rule
    if not best:
        example = f"{pairs[0].rainy.path.name}, and so on" if pairs else "the rainy images"
        raise RainbenchError(
            f"{folder}: {doubled or f'no name fits an image of the data set, such as {files[0]}'}",
            hint=f"Name the restored images like the rainy ones: {example}.",
        )
    return Matched(
        files={pair.id: best[pair.id] for pair in pairs if pair.id in best},
        missing=tuple(pair.id for pair in pairs if pair.id not in best),
        unused=tuple(file for file in files if file not in set(best.values())),
        rule=best_rule,
    )


def _only_number(text: str) -> str:
    found = _ONE_NUMBER.fullmatch(text)
    return found[1] if found else ""


_Rule = tuple[str, Callable[[Pair], str], Callable[[Path, Path], str]]
"""What names are compared by, a pair's, and a file's below a folder; an empty name fits none."""

_RULES: tuple[_Rule, ...] = (
    (
        "the rainy file's path",
        lambda pair: "/".join(pair.rainy.path.with_suffix("").parts[-2:]),
        lambda file, _: "/".join(file.with_suffix("").parts[-2:]),
    ),
    ("the rainy file's name", lambda pair: pair.rainy.path.stem, lambda file, _: file.stem),
    (
        "the id",
        lambda pair: pair.id,
        lambda file, folder: file.relative_to(folder).with_suffix("").as_posix(),
    ),
    ("the clean file's name", lambda pair: pair.clean.path.stem, lambda file, _: file.stem),
    (
        "the only number in the name",
        lambda pair: pair.id if pair.id.isdigit() else "",
        lambda file, _: _only_number(file.stem),
    ),
)


def _around(files: Sequence[Path], pairs: Sequence[Pair]) -> _Rule:
    """Return the rule of names that have a text before or after the rainy file's name."""
    names = sorted({pair.rainy.path.stem for pair in pairs}, key=len, reverse=True)
    votes: Counter[tuple[str, str]] = Counter()
    for file in files[:LOOKED_AT]:
        inside = next((name for name in names if name in file.stem), "")
        before, _, after = file.stem.partition(inside) if inside else ("", "", "")
        votes[before, after] += bool(inside)
    before, after = max(votes, key=lambda affixes: votes[affixes], default=("", ""))

    def of_file(file: Path, _: Path) -> str:
        fits = file.stem.startswith(before) and file.stem.endswith(after)
        return file.stem.removeprefix(before).removesuffix(after) if fits else ""

    text = f"the rainy file's name in {before}NAME{after}"
    return text, lambda pair: pair.rainy.path.stem, of_file


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
    allow_partial: bool = False,
    workers: int = 2,
    on_image: Callable[[int], None] = lambda _: None,
) -> tuple[Matched, list[str]]:
    """Score a folder of restored images as a cell of a run.

    Args:
        folder: The images, matched by `match_outputs`.
        pairs: The data set's copy.
        name: The entry's name, see `entry_name`.
        out: The run's folder.
        allow_partial: Leave out and list what is missing or unusable, instead of raising.
        workers: Threads that read and score.
        on_image: Called with how many images have just been finished.

    Returns:
        How names were matched, and what was left out, a sentence each.

    Raises:
        RainbenchError: An image is missing, cannot be read or has another size.
    """
    matched = match_outputs(folder, pairs.pairs)
    problems = [f"nothing for image {image}" for image in matched.missing]
    usable = []
    with ThreadPoolExecutor(workers) as pool:
        chosen = [pair for pair in pairs.pairs if pair.id in matched.files]
        checks = pool.map(lambda pair: _check(pair, matched.files[pair.id]), chosen)
        for pair, found in zip(chosen, checks, strict=True):
            problems += [found[1]] if found[1] else []
            usable += [(pair, found[0])] if not found[1] else []
    if problems and (not allow_partial or not usable):
        shown = "\n".join(f"  - {problem}" for problem in problems[:SHOWN])
        more = f"\n  - and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RainbenchError(
            f"{folder}: cannot stand for {pairs.label}:\n{shown}{more}",
            hint="Mend the folder, or give --allow-partial to leave these out and list them.",
        )
    _fill_cell(folder, pairs, name, out, usable, matched, problems, workers, on_image)
    return matched, problems


def _check(pair: Pair, file: Path) -> tuple[str, str]:
    """Return the hash of a restored image's file and what is wrong with it."""
    try:
        restored, clean = read_image(file), load_image(pair.clean)
    except ImageError as error:
        return "", str(error)
    if restored.shape != clean.shape:
        return "", (
            f"{file} is {restored.shape[1]}x{restored.shape[0]}, but {pair.clean.path} is "
            f"{clean.shape[1]}x{clean.shape[0]}"
        )
    return pixel_hash(restored), ""


def _fill_cell(
    folder: Path,
    pairs: PairSet,
    name: str,
    out: Path,
    usable: Sequence[tuple[Pair, str]],
    matched: Matched,
    problems: Sequence[str],
    workers: int,
    on_image: Callable[[int], None],
) -> None:
    infos = {info.id: info for info in pairs.manifest}
    images = [
        (pair.id, infos[pair.id].rainy_sha256 + infos[pair.id].clean_sha256 + sha256)
        for pair, sha256 in usable
    ]
    parts = {
        "dataset": pairs.card.name,
        "entry": name,
        "source": FOLDER_KIND,
        "code": code_of_folder(),
        "protocols": protocol_settings(),
    }
    cell = RunResults(out).cell(pairs.card.name, name)
    if cell.fits(parts, images):
        on_image(len(images))
        return
    with CellStore(cell.folder, parts, tuple(PROTOCOLS), images) as store:
        on_image(len(store.done))
        rest = [
            _Restored(pair, infos[pair.id].clean_sha256, matched.files[pair.id], sha256)
            for pair, sha256 in usable
            if pair.id not in store.done
        ]
        for image, scores in _scores(rest, workers):
            store.append(image, scores, None)
            on_image(1)
        scored = read_images_csv(cell.folder / "images.csv")
        store.complete(
            {
                **summarise(pairs, name, scored),
                "source": FOLDER_KIND,
                "title": folder.resolve().name,
                "lossy": sum(matched.files[pair.id].suffix.lower() in LOSSY for pair, _ in usable),
                "left_out": [*pairs.left_out, *problems],
                "options": {"device": "none", "precision": "fp32", "tile": 0},
                "provenance": {"names": matched.rule, "layout": pairs.layout},
            }
        )


@dataclass(frozen=True, slots=True)
class _Restored:
    """A restored image's file and its pair, with the hashes from when they were checked."""

    pair: Pair
    clean_sha256: str
    file: Path
    sha256: str

    def score(self) -> Scores:
        restored = read_image(self.file)
        if pixel_hash(restored) != self.sha256:
            raise ImageError(self.file, CHANGED, hint="Run again.")
        return score_all(restored, load_image(self.pair.clean, self.clean_sha256))


def _scores(restored: Sequence[_Restored], workers: int) -> Iterator[tuple[str, Scores]]:
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(restored), 4 * workers):  # few results wait, whatever the size
            part = restored[start : start + 4 * workers]
            scored = pool.map(_Restored.score, part)
            yield from ((each.pair.id, scores) for each, scores in zip(part, scored, strict=True))
