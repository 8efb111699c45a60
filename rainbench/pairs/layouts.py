"""Recognising a packaging: the patterns of a card against the files of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.catalog.registry import content_root
from rainbench.core.errors import PairError
from rainbench.core.files import read_regular_file
from rainbench.core.images import IMAGE_SUFFIXES
from rainbench.core.text import natural_key

Half = Literal["", "left", "right"]
Fields = tuple[tuple[str, str | int], ...]

_FIELD = re.compile(r"\{(\w+)(:d)?\}")
_LINK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image is: a file, or the left or right half of one."""

    path: Path
    half: Half = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A rainy image and its clean partner.

    Attributes:
        id: The same in every packaging of the data set: numbers without padding.
        rainy: The rainy image.
        clean: The clean image.
    """

    id: str
    rainy: Source
    clean: Source


@dataclass(frozen=True, slots=True)
class Match:
    """What a layout makes of a folder.

    Attributes:
        layout: The layout.
        pairs: The complete pairs, in natural order of their ids.
        problems: What keeps other files from being pairs, a sentence each.
        unused_clean: Clean files that no rainy file asks for.
    """

    layout: Layout
    pairs: tuple[Pair, ...]
    problems: tuple[str, ...]
    unused_clean: tuple[str, ...]


def find_copies(
    card: DatasetCard, roots: list[Path], *, only_one_wanted: bool = False
) -> list[Path]:
    """Return the folders below ``roots`` that may hold a copy of a data set, by their names.

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
        children = sorted(root.iterdir()) if root.is_dir() else []
        named = [child for child in children if child.name.casefold() in names and child.is_dir()]
        nested = [
            root.joinpath(*folder.split("/"))
            for folder in card.folders
            if "/" in folder and root.joinpath(*folder.split("/")).is_dir()
        ]
        itself = [root] if root.resolve().name.casefold() in names and root.is_dir() else []
        copies = [*itself, *named, *nested]
        found += copies
        if not copies and only_one_wanted and root.is_dir():
            others.append(root)
    return list(dict.fromkeys([*found, *others]))


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


def match_layouts(card: DatasetCard, folder: Path) -> list[Match]:
    """Return what each layout of a card finds in a folder, the most pairs first.

    Raises:
        PairError: A folder of the copy cannot be read.
    """
    try:
        files = dict(_files_below(folder))
    except OSError as error:
        where = error.filename or folder
        raise PairError(f"{where}: cannot be read: {error.strerror}") from None
    matches = [_match(layout, folder, files) for layout in card.layouts]
    return sorted(matches, key=lambda match: -len(match.pairs))


def _match(layout: Layout, folder: Path, files: dict[str, Path]) -> Match:
    if layout.list_file:
        return _match_list(layout, folder, files)
    if layout.combined:
        first, second = layout.order.split("-")
        halves: dict[str, Half] = {first: "left", second: "right"}
        found, problems = _find(layout.combined, files)
        pairs = [
            Pair(_id(key), Source(path, halves["rainy"]), Source(path, halves["clean"]))
            for key, path in found.items()
        ]
        return Match(layout, _in_order(pairs), tuple(problems), ())
    rainy, rainy_problems = _find(layout.rainy, files)
    clean, clean_problems = _find(layout.clean, files)
    clean_fields = {name for name, _ in _FIELD.findall(layout.clean)}
    by_fields = {tuple(sorted(key)): path for key, path in clean.items()}
    pairs, lonely, used = [], [], set()
    for key, path in rainy.items():
        wanted = tuple(sorted(part for part in key if part[0] in clean_fields))
        partner = by_fields.get(wanted)
        if partner is None:
            lonely.append(f"{path} has no clean partner ({_fill(layout.clean, wanted)})")
        elif partner != path:
            used.add(wanted)
            pairs.append(Pair(_id(key), Source(path), Source(partner)))
    unused = tuple(str(path) for key, path in by_fields.items() if key not in used)
    problems = rainy_problems + clean_problems + lonely
    return Match(layout, _in_order(pairs), tuple(problems), unused)


def _match_list(layout: Layout, folder: Path, files: dict[str, Path]) -> Match:
    listing = folder / layout.list_file
    pairs, problems = [], []
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for number, line in enumerate(lines, start=1):
        names = [name.removeprefix("./").lstrip("/") for name in line.split()]
        if not names:
            continue
        where = f"{listing}, line {number}"
        if len(names) != 2:
            problems.append(f"{where}: expected a rainy and a clean path, found {len(names)} words")
        elif missing := [name for name in names if name.casefold() not in files]:
            problems.append(f"{where}: {missing[0]} is not a file of this folder")
        else:
            rainy, clean = (files[name.casefold()] for name in names)
            pairs.append(Pair(Path(names[0]).stem, Source(rainy), Source(clean)))
    return Match(layout, _in_order(pairs), tuple(problems), ())


def _find(pattern: str, files: dict[str, Path]) -> tuple[dict[Fields, Path], list[str]]:
    """Return the files that a pattern matches by their fields' values, and duplicates."""
    expression = re.compile(_as_regex(pattern.casefold()))
    found: dict[Fields, Path] = {}
    problems: list[str] = []
    numeric = {name for name, kind in _FIELD.findall(pattern.casefold()) if kind}
    for name, path in files.items():
        matched = expression.fullmatch(name)
        if not matched:
            continue
        key = tuple(
            (field, int(value) if field in numeric else value)
            for field, value in matched.groupdict().items()
        )
        if key in found:
            problems.append(f"{path} and {found[key]} are the same member of the data set")
        else:
            found[key] = path
    return found, problems


def _as_regex(pattern: str) -> str:
    expression, position, seen = "", 0, set()
    for field in _FIELD.finditer(pattern):
        expression += re.escape(pattern[position : field.start()])
        name, kind = field.groups()
        if name in seen:
            expression += f"(?P={name})"
        else:
            expression += rf"(?P<{name}>\d+)" if kind else f"(?P<{name}>[^/]+?)"
        seen.add(name)
        position = field.end()
    return expression + re.escape(pattern[position:])


def _fill(pattern: str, key: Fields) -> str:
    values = dict(key)
    return _FIELD.sub(lambda field: str(values.get(field[1], "?")), pattern)


def _id(key: Fields) -> str:
    return "_".join(str(value) for _, value in key)


def _in_order(pairs: list[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: natural_key(pair.id)))


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file of use, by its case-folded path relative to the folder.

    A symbolic link that was checked out as a small text file (as happens to archives unpacked
    where links are not supported) is followed, as long as it stays near: below the folder's
    parent.
    """
    visited: set[Path] = set()

    def walk(directory: Path, prefix: str) -> Iterator[tuple[str, Path]]:
        real = directory.resolve()
        if real in visited:
            return
        visited.add(real)
        for item in sorted(os.scandir(directory), key=lambda item: item.name):
            path, name = Path(item.path), prefix + item.name.casefold()
            if item.is_dir():
                yield from walk(path, f"{name}/")
            elif path.suffix.lower() in IMAGE_SUFFIXES or path.suffix == ".txt":
                yield name, path
            elif target := _link_as_text(path, folder.resolve().parent):
                yield from walk(target, f"{name}/")

    yield from walk(folder, "")


def _link_as_text(path: Path, limit: Path) -> Path | None:
    if path.suffix:
        return None
    try:  # a pipe or a device is refused, not waited for
        text = read_regular_file(path, _LINK_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text or "\n" in text or "\0" in text:
        return None
    target = (path.parent / text).resolve()
    return target if target.is_dir() and target.is_relative_to(limit) else None
