"""Which packaging a copy of a data set is in, and whether it is complete and unaltered."""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import islice
from pathlib import Path

from rainbench.catalog.cards import DatasetCard, Layout, Variant
from rainbench.core.errors import PairError
from rainbench.core.text import count_of, did_you_mean
from rainbench.pairs.files import files_below, suffixes_of
from rainbench.pairs.layouts import Match, match_files

SHOWN_PROBLEMS = 5


def choose_layout(card: DatasetCard, folder: Path, wanted: str = "") -> Match:
    """Return what the layout that most files fit makes of a folder.

    Args:
        card: The data set.
        folder: The folder of one copy of it.
        wanted: Take this layout.

    Raises:
        PairError: There is no such layout, the folder cannot be read, or no layout finds a pair.
    """
    names = [layout.name for layout in card.layouts]
    if wanted and wanted not in names:
        raise PairError(
            f"{card.name} has no layout called {wanted}", hint=did_you_mean(wanted, names)
        )
    files = files_below(folder)
    matches = [match for match in match_files(card, files) if wanted in ("", match.layout.name)]
    if matches[0].pairs:
        return matches[0]
    # Nothing fits: said is what is wrong with the packaging that most files were found of.
    problems = max((match.problems for match in matches), key=len)
    if problems:
        raise PairError(
            f"{folder}: no pair of {card.name}:\n{_enumerated(problems)}",
            hint="Correct the copy.",
        )
    patterns = "; ".join(
        match.layout.combined
        or match.layout.list_file
        or f"{match.layout.rainy} with {match.layout.clean}"
        for match in matches
    )
    if not files.by_name:
        raise PairError(f"{folder}: is empty ({card.name})", hint=f"Looked for: {patterns}.")
    raise PairError(
        f"{folder}: matches no layout of its card ({card.name})",
        hint=f"Looked for: {patterns}. There are files with these endings: {suffixes_of(files)}.",
    )


def count_problems(card: DatasetCard, match: Match) -> list[str]:
    """Return how the number of pairs differs from the card's, and what seems to lack."""
    found = len(match.pairs)
    if not card.count or found == card.count:
        return []
    unused = f"; {match.unused_clean[0]} has no rainy partner" if match.unused_clean else ""
    absent = ""
    numbers = {int(pair.id) for pair in match.pairs if pair.id.isdecimal()}
    if found and len(numbers) == found:
        wanted = range(min(numbers), min(numbers) + card.count)
        missing = list(islice((n for n in wanted if n not in numbers), SHOWN_PROBLEMS + 1))
        if missing:
            absent = f"; not found: {', '.join(map(str, missing[:SHOWN_PROBLEMS]))}" + (
                ", ..." if len(missing) > SHOWN_PROBLEMS else ""
            )
    return [f"{found} pairs instead of {card.count}{absent}{unused}"]


def notes_on_unused(card: DatasetCard, match: Match) -> list[str]:
    """Return what has to be said of files that are part of no pair, though they seem to be meant.

    A wrong count is a problem already; where a card has none, nothing else would tell.
    """
    notes = []
    if match.aside:
        layout = match.layout
        patterns = [text for text in (layout.combined, layout.rainy, layout.clean) if text]
        notes.append(
            f"{count_of(len(match.aside), 'image')} not used, such as {match.aside[0]}: the layout "
            f'"{layout.name}" has names such as {" and ".join(patterns)}, with these endings'
        )
    if match.unused_clean and not card.count:
        notes.append(
            f"{count_of(len(match.unused_clean), 'clean image')} not used, such as "
            f"{match.unused_clean[0]}: no rainy partner"
        )
    return notes


def variant_of(card: DatasetCard, found: Set[tuple[int, int]]) -> Variant | None:
    """Return the altered copy that has these sizes, widths first; None for an original."""
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


def problem_text(card: DatasetCard, folder: Path, layout: Layout, problems: Sequence[str]) -> str:
    """Return one message about all that is wrong with a copy."""
    return (
        f'{folder}: this copy of {card.name} (layout "{layout.name}") has '
        f"{count_of(len(problems), 'problem')}:\n{_enumerated(problems)}"
    )


def _enumerated(problems: Sequence[str]) -> str:
    shown = "\n".join(f"  - {problem}" for problem in problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    return shown + (f"\n  - and {more} more" if more > 0 else "")
