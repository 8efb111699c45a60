"""From a data set's card and a folder to a checked list of pairs, and the manifest of it."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from rainbench.catalog.cards import DatasetCard, Variant
from rainbench.core.errors import ImageError, PairError, RainbenchError
from rainbench.core.escape import escape_formula
from rainbench.core.images import Image, pixel_hash, read_image
from rainbench.core.progress import Advance, unseen
from rainbench.pairs.checks import (
    Inspection,
    check_order,
    inspect,
    note_small,
    problems_between,
)
from rainbench.pairs.choose import choose_layout, count_problems, problem_text, variant_of
from rainbench.pairs.layouts import Pair, Source

_LOG = logging.getLogger(__name__)

Opened = TypeVar("Opened")

CHANGED = "changed while the run was going on"
"""What is said of a file that is not any more what it was when it was checked."""


@dataclass(frozen=True, slots=True)
class PairInfo:
    """One line of a manifest: a pair as it was found on disk.

    Attributes:
        id: The pair's id.
        rainy: Path of the rainy file, relative to the copy's folder.
        clean: Path of the clean file, likewise.
        width: Width in pixels.
        height: Height in pixels.
        rainy_sha256: `rainbench.core.images.pixel_hash` of the rainy image.
        clean_sha256: The same of the clean image.
    """

    id: str
    rainy: str
    clean: str
    width: int
    height: int
    rainy_sha256: str
    clean_sha256: str


@dataclass(frozen=True, slots=True)
class PairSet:
    """A copy of a data set, every image decoded once and found in order.

    Attributes:
        card: The data set.
        folder: Where the copy lies.
        layout: The name of its packaging.
        pairs: The pairs, in order.
        manifest: What was found, a record per pair, in the same order.
        variant: The recognised altered copy that this is, or None for an original.
        left_out: What was left out, a sentence each; empty unless that was allowed.
        found: How many pairs the whole copy has, whatever a limit cut off or was left out.
    """

    card: DatasetCard
    folder: Path
    layout: str
    pairs: tuple[Pair, ...]
    manifest: tuple[PairInfo, ...]
    variant: Variant | None
    left_out: tuple[str, ...] = ()
    found: int = 0

    @property
    def label(self) -> str:
        """The data set's name, with the variant behind an @ where there is one."""
        return f"{self.card.name}@{self.variant.name}" if self.variant else self.card.name


def load_pairs(
    card: DatasetCard,
    folder: Path,
    *,
    layout: str = "",
    limit: int | None = None,
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> PairSet:
    """Find, decode and check the pairs of a data set.

    Args:
        card: The data set.
        folder: The folder of one copy of it.
        layout: Take this packaging instead of the one that matches most files.
        limit: Look at the first so many pairs only; the count is still that of the whole copy.
        allow_partial: Leave out and list what is wrong, instead of raising an error.
        workers: Threads that decode.
        advance: Called after each decoded pair with 1 and the data set's name.

    Raises:
        PairError: A partner is missing, the count or sizes are wrong, a file cannot be read or
            stands twice, the halves are swapped, or nothing matches at all.

    Example:
        >>> from rainbench.catalog.folders import content_root
        >>> from rainbench.catalog.registry import load_registry
        >>> card = load_registry().dataset("mini-streaks")
        >>> mini = load_pairs(card, content_root() / "datasets" / card.embedded)
        >>> len(mini.pairs), mini.layout
        (8, 'versions')
    """
    match = choose_layout(card, folder, layout)
    problems = list(match.problems) + count_problems(card, match)
    streaks = "streaks" in card.degradation
    results = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for result in pool.map(lambda pair: _inspect(pair, streaks=streaks), match.pairs[:limit]):
            results.append(result)
            advance(1, card.name)
    inspected = [result for result in results if isinstance(result, Inspection)]
    problems += [result for result in results if isinstance(result, str)]
    if streaks and card.origin == "synthetic":
        check_order(card, match.layout, inspected)
    between = problems_between(inspected, listed=bool(match.layout.list_file))
    problems += between.values()
    good = [each for each in inspected if each.pair.id not in between]
    if problems and not allow_partial:
        raise PairError(
            problem_text(card, folder, match.layout, problems),
            hint="Correct the copy, or give --allow-partial to leave these out and list them.",
        )
    if not good:
        raise PairError(f"{folder}: no usable pair of {card.name}: {problems[0]}")
    if note := note_small(good):
        _LOG.warning("%s: %s", card.name, note)
    manifest = tuple(_info(each, folder) for each in good)
    return PairSet(
        card=card,
        folder=folder,
        layout=match.layout.name,
        pairs=tuple(each.pair for each in good),
        manifest=manifest,
        variant=variant_of(card, {(each.width, each.height) for each in good}),
        left_out=tuple(problems),
        found=len(match.pairs),
    )


def load_first_copy(
    card: DatasetCard,
    copies: Sequence[Path],
    *,
    layout: str = "",
    limit: int | None = None,
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> PairSet:
    """Load the first of several copies that is what the card promises.

    Only where none is, and incomplete copies are allowed, the first that has usable pairs is
    taken.

    Args:
        card: The data set.
        copies: Folders, see `rainbench.pairs.layouts.copies_of`; at least one.
        layout: As all that follow, see `load_pairs`.
        limit: The first so many pairs only.
        allow_partial: Whether incomplete copies will do.
        workers: Threads that decode.
        advance: Called after each decoded pair with 1 and the data set's name.

    Raises:
        PairError: No copy can be used; what is wrong with each of them.
    """

    def load(folder: Path, *, partial: bool) -> PairSet:
        return load_pairs(
            card,
            folder,
            layout=layout,
            limit=limit,
            allow_partial=partial,
            workers=workers,
            advance=advance,
        )

    several = len(copies) > 1
    try:
        if several or not allow_partial:
            return first_that_fits(card, copies, lambda folder: load(folder, partial=False))
    except RainbenchError:
        if not allow_partial:
            raise
    return first_that_fits(card, copies, lambda folder: load(folder, partial=True))


def first_that_fits(
    card: DatasetCard, copies: Sequence[Path], open_copy: Callable[[Path], Opened]
) -> Opened:
    """Return what the first usable copy opens as; each one before it is a warning in the log.

    Raises:
        RainbenchError: No copy can be used; what is wrong with each of them.
    """
    problems: list[RainbenchError] = []
    for folder in copies:
        try:
            opened = open_copy(folder)
        except RainbenchError as problem:
            problems.append(problem)
            continue
        _LOG.info("%s: the copy in %s", card.name, folder)
        for passed in problems:
            _LOG.warning("%s: another copy is used, %s: %s", card.name, folder, passed.message)
        return opened
    if len(problems) == 1:
        raise problems[0]
    every = dict.fromkeys(problem.message for problem in problems)
    raise PairError("\n".join(every), hint=problems[0].hint)


def load_pair(pair: Pair, info: PairInfo | None = None) -> tuple[Image, Image]:
    """Read the rainy and the clean picture of a pair; a file that holds both is decoded once.

    Args:
        pair: The pair.
        info: What it was when it was checked: the pictures have to be the same still.

    Raises:
        ImageError: A file cannot be used, or changed since it was checked.
    """
    rainy_sha256, clean_sha256 = (info.rainy_sha256, info.clean_sha256) if info else ("", "")
    if pair.rainy.path != pair.clean.path:
        return load_image(pair.rainy, rainy_sha256), load_image(pair.clean, clean_sha256)
    both = read_image(pair.rainy.path)
    return (
        _checked(pair.rainy, _part(pair.rainy, both), rainy_sha256),
        _checked(pair.clean, _part(pair.clean, both), clean_sha256),
    )


def load_image(source: Source, sha256: str = "") -> Image:
    """Read an image of a pair, a half of a file included.

    Args:
        source: Where it is.
        sha256: `rainbench.core.images.pixel_hash` that it had when it was checked; empty for any.

    Raises:
        ImageError: The file cannot be used, cannot be cut into halves, or changed since it was
            checked.
    """
    return _checked(source, _part(source, read_image(source.path)), sha256)


def _checked(source: Source, image: Image, sha256: str) -> Image:
    if sha256 and pixel_hash(image) != sha256:
        raise ImageError(source.path, CHANGED, hint="Run again.")
    return image


def _part(source: Source, image: Image) -> Image:
    if not source.half:
        return image
    width = image.shape[1]
    if width % 2:
        raise ImageError(
            source.path, f"should hold two images side by side, but its width {width} is odd"
        )
    half = image[:, : width // 2] if source.half == "left" else image[:, width // 2 :]
    return np.ascontiguousarray(half)


def manifest_csv(manifest: Iterable[PairInfo]) -> str:
    """Return a manifest as CSV text with a header line."""
    text = io.StringIO()
    names = [field.name for field in fields(PairInfo)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(
        [escape_formula(str(getattr(info, name))) for name in names] for info in manifest
    )
    return text.getvalue()


def _inspect(pair: Pair, *, streaks: bool) -> Inspection | str:
    try:
        rainy, clean = load_pair(pair)
        return inspect(pair, rainy, clean, streaks=streaks)
    except ImageError as error:
        return str(error)


def _info(each: Inspection, folder: Path) -> PairInfo:
    return PairInfo(
        each.pair.id,
        _relative(each.pair.rainy.path, folder),
        _relative(each.pair.clean.path, folder),
        each.width,
        each.height,
        each.rainy_sha256,
        each.clean_sha256,
    )


def _relative(path: Path, folder: Path) -> str:
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    # Behind a link that was checked out as text, which may lead as far as beside the folder.
    return Path(os.path.relpath(path, os.path.realpath(folder.parent))).as_posix()
