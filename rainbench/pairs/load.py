"""From a data set's card and a folder to a checked list of pairs, and the manifest of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rainbench.catalog.cards import DatasetCard, Variant
from rainbench.core.errors import ImageError, PairError, RainbenchError
from rainbench.core.orientation import AS_STORED
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import did_you_mean
from rainbench.pairs.checks import (
    Inspection,
    check_order,
    inspect,
    note_drift,
    note_gray,
    note_small,
    note_turned,
    problems_between,
)
from rainbench.pairs.choose import (
    choose_layout,
    count_problems,
    notes_on_unused,
    problem_text,
    variant_of,
)
from rainbench.pairs.frames import note_holes, torn_clips
from rainbench.pairs.layouts import Match, Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_oriented_pair
from rainbench.pairs.pixels.likeness import MOST_COMPARED

_LOG = logging.getLogger(__name__)

Opened = TypeVar("Opened")


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
        frames: Of a set of clips the pairs of all frames in order, those included that a limit or a
            choice of images leaves out of ``pairs``; empty for single images.
        torn: The clips within which frames were left out, each with where; no method for videos
            can restore them.
        partial: Whether what cannot be used is left out.
    """

    card: DatasetCard
    folder: Path
    layout: str
    pairs: tuple[Pair, ...]
    manifest: tuple[PairInfo, ...]
    variant: Variant | None
    left_out: tuple[str, ...] = ()
    found: int = 0
    frames: tuple[Pair, ...] = ()
    torn: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False

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
    images: Collection[str] = (),
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
        images: Look at the pairs of these ids only; none: at all.
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
    return check_match(
        card, folder, match, limit=limit, images=images, allow_partial=allow_partial,
        workers=workers, advance=advance,
    )  # fmt: skip


def check_match(
    card: DatasetCard,
    folder: Path,
    match: Match,
    *,
    limit: int | None = None,
    images: Collection[str] = (),
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> PairSet:
    """Decode and check the pairs that were found in a folder; see `load_pairs`."""
    chosen = _chosen(card, match, images)[:limit]
    problems = list(match.problems) + count_problems(card, match)
    streaks, real = "streaks" in card.degradation, card.origin == "real"
    keep = len(chosen) <= MOST_COMPARED  # of a larger set they are too many to be held
    results = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for result in pool.map(
            lambda pair: _inspect(pair, streaks=streaks, real=real, keep=keep), chosen
        ):
            results.append(result)
            advance(1, card.name)
    inspected = [result for result in results if isinstance(result, Inspection)]
    problems += [result for result in results if isinstance(result, str)]
    unsure = check_order(card, match.layout, inspected)
    listed = bool(match.layout.list_file)
    between = problems_between(inspected, listed=listed, real=real, clips=card.clips)
    problems += between.values()
    problems = list(dict.fromkeys(problems))  # of a video each frame has the same to say
    good = [each for each in inspected if each.pair.id not in between]
    if problems and not allow_partial:
        raise PairError(
            problem_text(card, folder, match.layout, problems),
            hint="Correct the copy, or give --allow-partial to leave these out and list them.",
        )
    if not good:
        raise PairError(f"{folder}: no usable pair of {card.name}: {problems[0]}")
    holes = note_holes([pair.id for pair in match.pairs]) if card.clips else ""
    notes = (holes, unsure, note_small(good), note_turned(good), note_drift(good), note_gray(good))
    for note in (*notes_on_unused(card, match), *notes):
        if note:
            _LOG.warning("%s: %s", card.name, note)
    manifest = tuple(_info(each, folder) for each in good)
    frames = _frames(match.pairs, chosen, good) if card.clips else ()
    return PairSet(
        card=card,
        folder=folder,
        layout=match.layout.name,
        pairs=tuple(each.pair for each in good),
        manifest=manifest,
        variant=variant_of(card, {(each.width, each.height) for each in good}),
        left_out=tuple(problems),
        found=len(match.pairs),
        frames=frames,
        torn=torn_clips([pair.id for pair in match.pairs], {pair.id for pair in frames})
        if problems
        else {},
        partial=allow_partial,
    )


def load_first_copy(
    card: DatasetCard,
    copies: Sequence[Path],
    *,
    layout: str = "",
    limit: int | None = None,
    images: Collection[str] = (),
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> PairSet:
    """Load the first of several copies that is what the card promises.

    Only where none is, and incomplete copies are allowed, the first that has usable pairs is
    taken.

    Args:
        card: The data set.
        copies: Folders, see `rainbench.pairs.copies.copies_of`; at least one.
        layout: As all that follow, see `load_pairs`.
        limit: The first so many pairs only.
        images: The pairs of these ids only.
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
            images=images,
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


def _chosen(card: DatasetCard, match: Match, images: Collection[str]) -> Sequence[Pair]:
    """Return the pairs of these ids, or of the names of their files."""
    if not images:
        return match.pairs
    by_name: dict[str, Pair] = {}
    for pair in match.pairs:
        for name in (pair.id, pair.rainy.path.stem, pair.rainy.path.name):
            by_name.setdefault(name, pair)
    by_name |= {pair.id: pair for pair in match.pairs}
    unknown = [name for name in images if name not in by_name]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise PairError(
            f"{card.name} has no image {unknown[0]}{more}",
            hint=did_you_mean(unknown[0], [pair.id for pair in match.pairs]),
        )
    wanted = {by_name[name].id for name in images}
    return [pair for pair in match.pairs if pair.id in wanted]


def _frames(
    every: Sequence[Pair], chosen: Sequence[Pair], good: Sequence[Inspection]
) -> tuple[Pair, ...]:
    """Return the frames of all clips but those that were looked at and are no good."""
    bad = {pair.id for pair in chosen} - {each.pair.id for each in good}
    return tuple(pair for pair in every if pair.id not in bad)


def _inspect(pair: Pair, *, streaks: bool, real: bool, keep: bool) -> Inspection | str:
    try:
        rainy, clean, orientation = load_oriented_pair(pair)
        turned = orientation != AS_STORED
        return inspect(pair, rainy, clean, streaks=streaks, real=real, keep=keep, turned=turned)
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
