"""Where copies of a data set lie: folders and archives of its names."""

from __future__ import annotations

import os
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.folders import content_root
from rainbench.catalog.patterns import folded
from rainbench.core.packed.kinds import archive_stem
from rainbench.core.packed.places import children, is_folder
from rainbench.pairs.files import is_hidden


def find_copies(
    card: DatasetCard, roots: list[Path], *, only_one_wanted: bool = False
) -> list[Path]:
    """Return the folders below ``roots`` that may hold a copy of a data set, by their names.

    An archive is a folder, too, called as it is without its ending.

    Args:
        card: Its ``name``, ``aliases`` and ``folders`` are compared without regard to case.
        roots: Folders given with ``--data``. A root that bears such a name counts itself.
        only_one_wanted: Take a root of any other name that holds no copy by name for a copy too:
            right when the user asked for this data set alone. These come last.
    """
    names = {name.casefold() for name in (card.name, *card.aliases, *card.folders)}
    found: list[Path] = []
    others: list[Path] = []
    for root in roots:
        named = [each for each in children(root) if _called(each) in names and is_folder(each)]
        nested = [
            root.joinpath(*folder.split("/"))
            for folder in card.folders
            if "/" in folder and is_folder(root.joinpath(*folder.split("/")))
        ]
        own_name = _called(Path(os.path.realpath(root)))
        itself = [root] if own_name in names and is_folder(root) else []
        copies = [*itself, *named, *nested]
        found += copies
        if not copies and only_one_wanted and is_folder(root):
            others.append(root)
    once: dict[str, Path] = {}  # links give one folder several names
    for copy in (_within(copy, card) for copy in (*found, *others)):
        once.setdefault(os.path.realpath(copy), copy)
    return list(once.values())


def _called(place: Path) -> str:
    """Return the name that a folder or an archive has for a data set."""
    return (archive_stem(place.name) or place.name).casefold()


def _within(copy: Path, card: DatasetCard) -> Path:
    """Return the folder in an archive that holds the rest, if that is no part of the layouts."""
    texts = [text for each in card.layouts for text in (each.rainy, each.clean, each.combined)]
    heads = {folded(text.partition("/")[0]) for text in texts if "/" in text}
    if not archive_stem(copy.name) or any("{" in head for head in heads):
        return copy
    while True:
        inside = [each for each in children(copy) if not is_hidden(each.name)]
        if len(inside) != 1 or folded(inside[0].name) in heads or not is_folder(inside[0]):
            return copy
        copy = inside[0]


def copies_of(card: DatasetCard, roots: list[Path], *, only: bool) -> list[Path]:
    """Return the folders that may hold a data set, the embedded one for a set that ships.

    Args:
        card: The data set.
        roots: Folders to look in.
        only: Whether it is the only one asked for, see `find_copies`.
    """
    if card.embedded:
        return [content_root() / "datasets" / card.embedded]
    return find_copies(card, roots, only_one_wanted=only)
