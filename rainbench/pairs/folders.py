"""Two folders as a data set without a card: which rainy image belongs to which clean one."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.core.errors import PairError, RainbenchError
from rainbench.core.packed.places import is_folder
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import natural_key, safe_name
from rainbench.pairs.files import name_problem
from rainbench.pairs.layouts import Match, Pair, Source
from rainbench.pairs.load import PairSet, check_match
from rainbench.pairs.matching import images_below, match_outputs, split_name, unread_below

PROTOCOL = "prenet-y"
"""Under which such a data set is shown first: what most deraining papers use."""


def load_folders(
    rainy: Path,
    clean: Path,
    *,
    name: str = "",
    source: str = "",
    limit: int | None = None,
    images: Collection[str] = (),
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> PairSet:
    """Find, decode and check the pairs of two folders, matched by the names of their files.

    Args:
        rainy: Holds the rainy images, at any depth. Like ``clean`` it may be an archive, or a
            folder in one: ``pairs.zip/in``.
        clean: Holds the clean ones: ``1.png`` of ``1.png``, ``norain-1.png`` of ``rain-1.png``,
            ``1_clean.jpg`` of ``1_rain.jpg``.
        name: What the data set is called; an empty text: after the folders.
        source: Where they come from; an empty text: from two folders.
        limit: As all that follow, see `rainbench.pairs.load.load_pairs`.
        images: Only the pairs of these ids.
        allow_partial: Leave out and list what is wrong.
        workers: Threads that decode.
        advance: Called after each decoded pair.

    Raises:
        RainbenchError: A folder cannot be read, names can be read in several ways, or pairs are
            wrong.
    """
    if is_folder(rainy) and is_folder(clean) and rainy.resolve() == clean.resolve():
        raise RainbenchError(
            f"{rainy}: is both --rainy and --clean",
            hint="Where both lie in one folder, a card says which is which: "
            "`rainbench new dataset NAME`.",
        )
    match = _match(rainy, clean)
    folder = Path(os.path.commonpath([rainy.resolve(), clean.resolve()]))
    source = source or f"the folders {rainy.name} and {clean.name}"
    card = _card(name or _name_of(rainy, folder), source, len(match.pairs))
    return check_match(
        card, folder, match, limit=limit, images=images, allow_partial=allow_partial,
        workers=workers, advance=advance,
    )  # fmt: skip


def _name_of(rainy: Path, folder: Path) -> str:
    inside = rainy.resolve().relative_to(folder).as_posix()
    return safe_name(f"{folder.name}-{inside}")[:100] or "folders"


def _card(name: str, source: str, count: int) -> DatasetCard:
    return DatasetCard(
        name=name,
        title=name,
        revision="as it lies there",
        degradation=("streaks",),
        origin="real",
        split="test",
        count=count,
        protocol=PROTOCOL,
        layouts=(_LAYOUT,),
        licence="unknown",
        sources=(source,),
        citation="none",
        notes="Made of two folders that were given with --rainy and --clean.",
    )


_LAYOUT = Layout(name="folders", rainy="rainy/{id}.png", clean="clean/{id}.png")
"""What the card says of files that were matched by their names, whatever these are."""


def _match(rainy: Path, clean: Path) -> Match:
    found = images_below(clean)
    rained = images_below(rainy)
    unread = [name_problem(file, "") for side in (rainy, clean) for file in unread_below(side)]
    if len(found) == len(rained) == 1:
        return _named([Pair(found[0].stem, Source(rained[0]), Source(found[0]))], unread)
    error: RainbenchError | None = None
    for ids in _ways(found, clean):
        wanted = [
            Pair(name, Source(file), Source(file)) for name, file in zip(ids, found, strict=True)
        ]
        try:
            matched = match_outputs(rainy, wanted)
        except RainbenchError as wrong:
            error = error or wrong
            continue
        pairs = [
            Pair(pair.id, Source(matched.files[pair.id]), pair.clean)
            for pair in wanted
            if pair.id in matched.files
        ]
        problems = unread + [f"{file} has no clean partner in {clean}" for file in matched.unused]
        unused = [pair.clean.path for pair in wanted if pair.id not in matched.files]
        problems += [f"{file} has no rainy partner in {rainy}" for file in unused]
        pairs.sort(key=lambda pair: natural_key(pair.id))
        return _named(pairs, problems)
    said = error.message if error else ""
    raise PairError(
        f"{rainy} and {clean}: which images are pairs cannot be told by their names: {said}",
        hint="Give both of a pair the same name; or write a card for the two folders: "
        "`rainbench new dataset NAME`.",
    )


def _named(pairs: Sequence[Pair], problems: Sequence[str]) -> Match:
    """Return the pairs whose names can be written down; the others are problems."""
    wrong = {
        pair.id: [
            problem
            for source in (pair.rainy, pair.clean)
            if (problem := name_problem(source.path, pair.id + source.path.name))
        ]
        for pair in pairs
    }
    return Match(
        _LAYOUT,
        tuple(pair for pair in pairs if not wrong[pair.id]),
        (*problems, *(problem for each in wrong.values() for problem in each)),
    )


def _ways(files: Sequence[Path], folder: Path) -> list[list[str]]:
    """Return ids for files: their names, and what is left where all begin or end alike."""
    names = [file.stem for file in files]
    if len(set(names)) < len(names):
        names = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    parts = [split_name(name) for name in names]
    shortest = min(map(len, parts))
    start = next(
        (n for n in range(shortest) if len({each[n].casefold() for each in parts}) > 1), shortest
    )
    rest, behind = shortest - start, [[word.casefold() for word in each[::-1]] for each in parts]
    end = next((n for n in range(rest) if len({each[n] for each in behind}) > 1), rest)
    # Numbers stay whole, and what differs is never empty.
    cut = ["".join(each[start : len(each) - end]) for each in parts]
    return [names] if not all(cut) or cut == names or len(set(cut)) < len(cut) else [names, cut]
