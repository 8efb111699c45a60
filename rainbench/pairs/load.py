"""From a data set's card and a folder to a checked list of pairs, and the manifest of it."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from rainbench.catalog.cards import DatasetCard, Variant
from rainbench.core.errors import ImageError, PairError, RainbenchError
from rainbench.core.escape import inert
from rainbench.core.images import Image, pixel_hash, read_image
from rainbench.core.text import did_you_mean
from rainbench.pairs.layouts import Match, Pair, Source, match_layouts

_LOG = logging.getLogger(__name__)

Opened = TypeVar("Opened")

SHOWN_PROBLEMS = 5
_ORDER_SAMPLE = 16

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
    progress: Callable[[], None] = lambda: None,
) -> PairSet:
    """Find, decode and check the pairs of a data set.

    Args:
        card: The data set.
        folder: The folder of one copy of it.
        layout: Take this packaging instead of the one that matches most files.
        limit: Look at the first so many pairs only; the count is still that of the whole copy.
        allow_partial: Leave out and list what is wrong, instead of raising an error.
        workers: Threads that decode.
        progress: Called once per decoded pair.

    Raises:
        PairError: A partner is missing, the count or sizes are wrong, a file cannot be read or
            stands twice, the halves are swapped, or nothing matches at all.

    Example:
        >>> from rainbench.catalog.registry import content_root, load_registry
        >>> card = load_registry().dataset("mini-streaks")
        >>> mini = load_pairs(card, content_root() / "datasets" / card.embedded)
        >>> len(mini.pairs), mini.layout
        (8, 'versions')
    """
    match = _choose(card, folder, layout)
    problems = list(match.problems) + _count_problems(card, match)
    pairs = match.pairs[:limit]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        inspected = list(pool.map(lambda pair: _inspect(pair, folder, progress), pairs))
    manifest = [info for info in inspected if isinstance(info, PairInfo)]
    problems += [info for info in inspected if isinstance(info, str)]
    problems += _repeated(manifest)
    if "streaks" in card.degradation and card.origin == "synthetic":
        _check_order(card, match, pairs)
    if problems and not allow_partial:
        raise PairError(
            _problem_text(card, folder, match, problems),
            hint="Mend the copy, or give --allow-partial to leave these out and list them.",
        )
    if not manifest:
        raise PairError(f"{folder}: no usable pair of {card.name}: {problems[0]}")
    wanted = {info.id for info in manifest}
    return PairSet(
        card=card,
        folder=folder,
        layout=match.layout.name,
        pairs=tuple(pair for pair in pairs if pair.id in wanted),
        manifest=tuple(manifest),
        variant=_variant(card, manifest),
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
    progress: Callable[[], None] = lambda: None,
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
        progress: Called once per decoded pair.

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
            progress=progress,
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
    writer.writerows([inert(str(getattr(info, name))) for name in names] for info in manifest)
    return text.getvalue()


def _choose(card: DatasetCard, folder: Path, wanted: str) -> Match:
    names = [layout.name for layout in card.layouts]
    if wanted and wanted not in names:
        raise PairError(
            f"{card.name} has no layout called {wanted}", hint=did_you_mean(wanted, names)
        )
    matches = match_layouts(card, folder)
    if wanted:
        matches = [match for match in matches if match.layout.name == wanted]
    best = matches[0]
    if not best.pairs:
        if best.problems:
            raise PairError(f"{folder}: no pair of {card.name}: {best.problems[0]}")
        patterns = "; ".join(
            layout.combined or layout.list_file or f"{layout.rainy} with {layout.clean}"
            for layout in card.layouts
        )
        state = "is empty" if not any(folder.iterdir()) else "matches no layout of its card"
        raise PairError(f"{folder}: {state} ({card.name})", hint=f"Looked for: {patterns}.")
    return best


def _count_problems(card: DatasetCard, match: Match) -> list[str]:
    found = len(match.pairs)
    if not card.count or found == card.count:
        return []
    unused = f"; {match.unused_clean[0]} has no rainy partner" if match.unused_clean else ""
    absent = ""
    numbers = {int(pair.id) for pair in match.pairs if pair.id.isdecimal()}
    if len(numbers) == found:
        missing = sorted(set(range(min(numbers), min(numbers) + card.count)) - numbers)
        if missing:
            absent = f"; not found: {', '.join(map(str, missing[:SHOWN_PROBLEMS]))}" + (
                ", ..." if len(missing) > SHOWN_PROBLEMS else ""
            )
    return [f"{found} pairs instead of {card.count}{absent}{unused}"]


def _inspect(pair: Pair, folder: Path, progress: Callable[[], None]) -> PairInfo | str:
    try:
        rainy, clean = load_pair(pair)
    except ImageError as error:
        return str(error)
    finally:
        progress()
    if rainy.shape != clean.shape:
        return (
            f"{pair.rainy.path} is {_size(rainy)} but {pair.clean.path} is {_size(clean)}: "
            "one of the two was cropped or resized"
        )
    return PairInfo(
        pair.id,
        _relative(pair.rainy.path, folder),
        _relative(pair.clean.path, folder),
        rainy.shape[1],
        rainy.shape[0],
        pixel_hash(rainy),
        pixel_hash(clean),
    )


def _relative(path: Path, folder: Path) -> str:
    inside = path.is_relative_to(folder)
    return path.relative_to(folder if inside else folder.parent).as_posix()


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _repeated(manifest: Sequence[PairInfo]) -> list[str]:
    first: dict[str, str] = {}
    problems = []
    for info in manifest:
        if info.rainy_sha256 in first:
            problems.append(f"{info.rainy} is the same picture as {first[info.rainy_sha256]}")
        first.setdefault(info.rainy_sha256, info.rainy)
    return problems


def _check_order(card: DatasetCard, match: Match, pairs: Sequence[Pair]) -> None:
    """Raise when the clean images hold the streaks: halves or folders are swapped."""
    votes = []
    for pair in pairs[:_ORDER_SAMPLE]:
        try:
            rainy, clean = load_pair(pair)
        except ImageError:
            continue
        votes.append(_detail(clean) > _detail(rainy))
    if len(votes) >= 3 and sum(votes) > 0.75 * len(votes):
        others = [
            layout.name
            for layout in card.layouts
            if layout.combined == match.layout.combined and layout.order != match.layout.order
        ]
        hint = f"Give --layout {others[0]}." if others and match.layout.combined else ""
        raise PairError(
            f"{pairs[0].clean.path.parent}: rainy and clean seem to be swapped: the images taken "
            f"for clean have more fine detail in {sum(votes)} of {len(votes)} pairs",
            hint=hint or "Check which folder holds the rainy images.",
        )


def _detail(image: Image) -> float:
    """Return the mean absolute difference of horizontal neighbours, in grey levels."""
    green = image[..., 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=1)).mean())


def _variant(card: DatasetCard, manifest: Sequence[PairInfo]) -> Variant | None:
    found = {(info.width, info.height) for info in manifest}
    if not card.sizes or found <= set(card.sizes):
        return None
    for variant in card.variants:
        if found <= set(variant.sizes):
            return variant
    shown = ", ".join(f"{width}x{height}" for width, height in sorted(found)[:SHOWN_PROBLEMS])
    return Variant(
        name="resized",
        sizes=tuple(sorted(found)),
        note=f"Sizes that no known copy has ({shown}): resized or cropped by someone.",
    )


def _problem_text(card: DatasetCard, folder: Path, match: Match, problems: Sequence[str]) -> str:
    shown = "\n".join(f"  - {problem}" for problem in problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    rest = f"\n  - and {more} more" if more > 0 else ""
    return (
        f'{folder}: this copy of {card.name} (layout "{match.layout.name}") has '
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:\n{shown}{rest}"
    )
