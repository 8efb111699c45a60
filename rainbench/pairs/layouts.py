"""Recognising a packaging: the patterns of a card against the files of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from rainbench.catalog.cards import DatasetCard, Layout
from rainbench.catalog.patterns import Fields, Pattern, parse_pattern
from rainbench.catalog.terms import LAYERS
from rainbench.core.errors import PairError
from rainbench.core.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from rainbench.core.text import natural_key
from rainbench.pairs.files import Files, files_below, name_problem, shown, text_problem
from rainbench.pairs.frames import are_videos, frames_of_clips
from rainbench.pairs.lists import read_list

Half = Literal["", "left", "right"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image is: a file, the left or right half of one, or a frame of a video.

    Attributes:
        path: The file.
        half: Which half of it.
        frame: The number of the frame, from 0; None where the file is an image.
    """

    path: Path
    half: Half = ""
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A rainy image and its clean partner.

    Attributes:
        id: The same in every packaging of the data set: numbers without padding. No two pairs of a
            data set have the same.
        rainy: The rainy image.
        clean: The clean image.
        clip: Of the frame of a clip the clip's name, with which the id begins; empty for an image.
        layers: The gray pictures that belong to the rainy one, by their names in `LAYERS`, as far
            as the copy holds them.
    """

    id: str
    rainy: Source
    clean: Source
    clip: str = ""
    layers: Mapping[str, Path] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Match:
    """What a layout makes of a folder.

    Attributes:
        layout: The layout.
        pairs: The complete pairs, in natural order of their ids.
        problems: What keeps other files from being pairs, a sentence each.
        unused_clean: Clean files that no rainy file asks for.
        aside: Images that would be members but for their endings.
    """

    layout: Layout
    pairs: tuple[Pair, ...]
    problems: tuple[str, ...] = ()
    unused_clean: tuple[str, ...] = ()
    aside: tuple[Path, ...] = ()


def match_layouts(card: DatasetCard, folder: Path) -> list[Match]:
    """Return what each layout of a card finds in a folder, the most pairs first.

    Raises:
        PairError: The folder cannot be read.
    """
    return match_files(card, files_below(folder))


def match_files(card: DatasetCard, files: Files) -> list[Match]:
    """Return what each layout of a card makes of files, the most pairs first."""
    matches = [_match(layout, files, clips=card.clips) for layout in card.layouts]
    return sorted(matches, key=lambda match: -len(match.pairs))


def _match(layout: Layout, files: Files, *, clips: bool) -> Match:
    if layout.list_file:
        match = _match_list(layout, files)
    elif layout.combined:
        match = _match_combined(layout, files)
    else:
        match = _match_two(layout, files, clips=clips)
    once: dict[str, Pair] = {}
    for pair in match.pairs:
        if once.setdefault(pair.id, pair) is not pair:
            raise PairError(
                f"{pair.rainy.path} and {once[pair.id].rainy.path} have the same id, {pair.id}",
                hint="Rename one of them.",
            )
    return match if clips else replace(match, pairs=_in_order(match.pairs))


def _match_list(layout: Layout, files: Files) -> Match:
    listed = read_list(layout.list_file, files)
    short = Counter(Path(name).stem for name in listed.pairs)
    clear = not short or max(short.values()) == 1
    pairs = tuple(
        Pair(Path(name).stem if clear else name, Source(rainy), Source(clean))
        for name, (rainy, clean) in listed.pairs.items()
    )
    return Match(layout, pairs, tuple(listed.problems))


def _match_combined(layout: Layout, files: Files) -> Match:
    first, second = layout.order.split("-")
    halves: dict[str, Half] = {first: "left", second: "right"}
    found = _find(layout.combined, files)
    single = [(each.readings[0], each.paths[0]) for each in found.members if len(each.paths) == 1]
    pairs = tuple(
        Pair(name, Source(path, halves["rainy"]), Source(path, halves["clean"]))
        for name, (_, path) in zip(_ids(single), single, strict=True)
    )
    return Match(layout, pairs, tuple(found.problems), aside=tuple(found.aside))


def _match_two(layout: Layout, files: Files, *, clips: bool) -> Match:
    rainy, clean = (
        _find(text, files, videos=clips and are_videos(text))
        for text in (layout.rainy, layout.clean)
    )
    shared = {field.name for field in clean.pattern.fields}
    by_values: dict[Fields, list[_Member]] = {}
    for member in clean.members:
        for reading in member.readings:
            by_values.setdefault(tuple(sorted(reading)), []).append(member)
    clean_paths = {path for member in clean.members for path in member.paths}
    problems = [*rainy.problems, *clean.problems]
    found: list[tuple[Fields, Path, Path]] = []
    used: set[Path] = set()
    for member in rainy.members:
        partners: dict[Path, tuple[Fields, _Member]] = {}
        for reading in member.readings:
            wanted = tuple(sorted(part for part in reading if part[0] in shared))
            for partner in by_values.get(wanted, []):
                partners.setdefault(partner.paths[0], (reading, partner))
        path = member.paths[0]
        if len(partners) > 1:
            first, second = list(partners)[:2]
            problems.append(
                f"{path} can be read in two ways, as the partner of {first} or of {second}: "
                "rename them, or write a layout with other text between its fields"
            )
        elif not partners and path not in clean_paths:
            partner_name = clean.pattern.fill(member.readings[0])
            problems.append(f"{path} has no clean partner ({partner_name})")
        for reading, partner in partners.values() if len(partners) == 1 else ():
            used.update(partner.paths)
            if len(member.paths) == len(partner.paths) == 1 and path != partner.paths[0]:
                found.append((reading, path, partner.paths[0]))
    if clips:
        pairs = tuple(
            Pair(
                each.id,
                Source(each.rainy, frame=each.rainy_frame),
                Source(each.clean, frame=each.clean_frame),
                each.clip,
            )
            for each in frames_of_clips(layout, found, problems)
        )
    else:
        names = _ids([(reading, path) for reading, path, _ in found])
        layers = [_LayerFiles(kind, layout, files) for kind in LAYERS if getattr(layout, kind)]
        pairs = tuple(
            Pair(name, Source(path), Source(partner), layers=_belonging(layers, reading))
            for name, (reading, path, partner) in zip(names, found, strict=True)
        )
    unused = tuple(str(m.paths[0]) for m in clean.members if m.paths[0] not in used)
    members = {path for member in rainy.members for path in member.paths} | clean_paths
    aside = [path for path in (*rainy.aside, *clean.aside) if path not in members]
    return Match(layout, pairs, tuple(problems), unused, tuple(dict.fromkeys(aside)))


class _LayerFiles:
    """The files of one kind of gray picture, by the values of their fields."""

    def __init__(self, kind: str, layout: Layout, files: Files) -> None:
        found = _find(getattr(layout, kind), files)
        self.kind = kind
        self._fields = {field.name for field in found.pattern.fields}
        self._by_values = {
            tuple(sorted(reading)): member.paths[0]
            for member in found.members
            for reading in member.readings
            if len(member.paths) == 1
        }

    def of(self, reading: Fields) -> Path | None:
        """Return the file that belongs to a rainy file of these values."""
        return self._by_values.get(
            tuple(sorted(part for part in reading if part[0] in self._fields))
        )


def _belonging(layers: list[_LayerFiles], reading: Fields) -> Mapping[str, Path]:
    found = {files.kind: files.of(reading) for files in layers}
    return {kind: path for kind, path in found.items() if path is not None}


@dataclass(frozen=True, slots=True)
class _Member:
    """What is one member of the data set by its name: one file, or by mistake several."""

    readings: list[Fields]
    paths: list[Path]


@dataclass(frozen=True, slots=True)
class _Found:
    pattern: Pattern
    members: list[_Member]
    problems: list[str]
    aside: list[Path]


def _find(text: str, files: Files, *, videos: bool = False) -> _Found:
    """Return the files that a pattern matches, and what is wrong with others that it is about."""
    pattern = parse_pattern(text)
    members: dict[Fields, _Member] = {}
    problems = [why for folder, why in files.unreadable if pattern.may_lie_in(folder)]
    suffix = PurePosixPath(text).suffix
    aside = []
    for name in files.by_name:
        readings = pattern.read(name)
        if not readings:
            if not name.isascii() and pattern.read(_with_plain_digits(name)):
                where = shown(files.by_name[name])
                problems.append(f"{where}: its number has characters that are no digits: rename it")
            elif _is_image(name) and pattern.read(f"{name.rpartition('.')[0]}{suffix}"):
                aside += files.called(name)
            continue
        for path in files.called(name):
            if problem := (text_problem if videos else name_problem)(path, name):
                problems.append(problem)
            else:
                members.setdefault(readings[0], _Member(readings, [])).paths.append(path)
    problems += [
        f"{member.paths[1]} and {member.paths[0]} are the same member of the data set"
        for member in members.values()
        if len(member.paths) > 1
    ]
    return _Found(pattern, list(members.values()), problems, aside)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix in IMAGE_SUFFIXES | UNREAD_SUFFIXES


def _with_plain_digits(name: str) -> str:
    """Return a name with zeros in place of superscripts and other digits without a place value."""
    return "".join(
        "0" if letter.isdigit() and not letter.isdecimal() else letter for letter in name
    )


def _ids(found: list[tuple[Fields, Path]]) -> list[str]:
    """Return the ids of pairs: their fields' values with ``_`` between them.

    Where two would be the same (``cam_1/2`` and ``cam/1_2``), all are joined by a slash, which no
    value has.
    """
    for joint in "_/":
        names = [
            joint.join(str(value) for _, value in key if value != "" or joint == "/") or path.stem
            for key, path in found
        ]
        if len(set(names)) == len(names):
            break
    return names


def _in_order(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: natural_key(pair.id)))
