"""List files: a line for each pair, the rainy file and the clean one, as people write them."""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rainbench.catalog.patterns import folded
from rainbench.core.errors import PairError
from rainbench.core.files import read_regular_file
from rainbench.pairs.files import Files, name_problem, shown

LARGEST_LIST = 256 << 20
"""Bytes beyond which a list is not read: the longest published one has 50 MB."""

_LONGEST_LINE = 8192
"""Two paths as long as any system allows."""

_BLANKS = " \t\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\u200b"
"""What looks like a blank in an editor, those that web pages and word processors put included."""

_SEPARATOR = re.compile(f"[{_BLANKS},;|]")
_MOST_SEPARATORS = 64
_SHOWN = 100

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_ENCODINGS = ("gb18030", "big5", "shift_jis", "euc_kr", "cp1252", "latin_1")
_CALLED = {
    "gb18030": "GBK",
    "big5": "Big5",
    "shift_jis": "Shift-JIS",
    "euc_kr": "EUC-KR",
    "cp1252": "Windows-1252",
    "latin_1": "Latin-1",
}


@dataclass(slots=True)
class Listed:
    """What a list names.

    Attributes:
        pairs: The rainy and the clean file by the rainy path as the list has it.
        problems: What keeps other lines from being pairs, a sentence each.
    """

    pairs: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_list(name: str, files: Files) -> Listed:
    """Return the pairs of a list file of a data set; nothing if there is no such file.

    Two paths stand in a line, with blanks, a tab, a comma, a semicolon or a bar between them, in
    quotes or not, relative to the data set's folder (a leading slash means that folder) or absolute
    and inside of it, with slashes or backslashes. Where a path has blanks or commas itself, the
    line is divided where both parts are files; where that can be done in two ways the line is a
    problem. Empty lines and lines that begin with ``#`` are passed over, and so is a first line
    that names columns.

    Args:
        name: Of the list, relative to the data set's folder.
        files: What there is.
    """
    listed = Listed()
    found = files.find(name)
    if len(found) > 1:
        listed.problems.append(f"{shown(found[0])} and {shown(found[1])} are the same list file")
    if len(found) != 1:
        return listed
    listing = found[0]
    try:
        text = _text(listing, files)
    except PairError as error:
        listed.problems.append(str(error))
        return listed
    called = shown(listing)
    rainy_lines: dict[Path, tuple[int, str]] = {}
    lines = re.split(r"\r\n|\r|\n", text)
    first = next((number for number, line in enumerate(lines, start=1) if line.strip()), 0)
    for number, line in enumerate(lines, start=1):
        where = f"{called}, line {number}"
        try:
            divided = _divide(line, files)
        except PairError as error:
            if number == first and _is_header(line, files):
                continue
            listed.problems.append(f"{where}: {error}")
            continue
        if divided is None:
            continue
        (rainy_name, rainy), (_, clean) = divided
        if rainy in rainy_lines:
            _note_repeat(listed, where, clean, rainy_lines[rainy])
            continue
        rainy_lines[rainy] = number, rainy_name
        listed.pairs[rainy_name] = rainy, clean
    if not listed.pairs and not listed.problems:
        listed.problems.append(f"{called}: names no pair; a line holds a rainy and a clean path")
    return listed


def _note_repeat(listed: Listed, where: str, clean: Path, first: tuple[int, str]) -> None:
    number, rainy_name = first
    if rainy_name not in listed.pairs:  # left out already
        listed.problems.append(f"{where}: {shown(rainy_name)} stands in line {number}, too")
    elif listed.pairs[rainy_name][1] == clean:
        listed.problems.append(f"{where}: repeats line {number} ({shown(rainy_name)})")
    else:
        other = listed.pairs.pop(rainy_name)[1]
        listed.problems.append(
            f"{where}: {shown(rainy_name)} belongs to {shown(clean)} here, "
            f"but to {shown(other)} in line {number}"
        )


_Named = tuple[str, Path]


def _divide(line: str, files: Files) -> tuple[_Named, _Named] | None:
    """Return the two files that a line names, each with its path; None for a line without any.

    Raises:
        PairError: It does not name two files, or can be divided in two ways.
    """
    line = line.strip().lstrip("\ufeff")  # a mark stands inside of lists that were joined
    if len(line) > _LONGEST_LINE or len(_SEPARATOR.findall(line)) > _MOST_SEPARATORS:
        raise PairError(f"expected a rainy and a clean path, found {_short(line)}")
    divisions: dict[tuple[Path, Path], tuple[_Named, _Named]] = {}
    for halves in _halves(line):
        rainy, clean = (_inside(name, files) for name in halves)
        rainy_files = files.find(rainy)
        clean_files = files.find(clean) if rainy_files else []
        if not clean_files:
            continue
        for several in (rainy_files, clean_files):
            if len(several) > 1:
                raise PairError(f"means {shown(several[0])} or {shown(several[1])}")
        divisions[rainy_files[0], clean_files[0]] = (rainy, rainy_files[0]), (clean, clean_files[0])
    if len(divisions) > 1:
        first, second = [clean for clean, _ in (pair[1] for pair in divisions.values())][:2]
        raise PairError(f"can be divided before {shown(first)} or before {shown(second)}")
    for (rainy, rainy_file), (clean, clean_file) in divisions.values():
        for name, file in ((rainy, rainy_file), (clean, clean_file)):
            if problem := name_problem(file, name):
                raise PairError(problem)
        return (rainy, rainy_file), (clean, clean_file)
    if not line or line.startswith("#"):
        return None
    raise PairError(_why_not(line, files))


def _halves(line: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to divide a line; a remark behind a ``#`` is taken off as well."""
    remark = line.find(" #")
    for text in (line, line[:remark].rstrip()) if remark > 0 else (line,):
        seen = set()
        for place in _SEPARATOR.finditer(text):
            halves = _plain(text[: place.start()]), _plain(text[place.end() :])
            if all(halves) and halves not in seen:
                seen.add(halves)
                yield halves


def _plain(path: str) -> str:
    path = path.strip(f"{_BLANKS},;|")
    for quote in ('"', "'"):
        if len(path) > 1 and path[0] == path[-1] == quote:
            path = path[1:-1].strip()
    path = path.replace("\\", "/")
    while "//" in path:
        path = path.replace("//", "/")
    return path.removeprefix("./").lstrip("/")


def _inside(name: str, files: Files) -> str:
    """Return a path relative to the folder: of an absolute one that leads into it, the rest."""
    for start in _absolute(files.folder):
        if name.startswith(start):
            return name[len(start) :]
    return name


@functools.cache
def _absolute(folder: Path) -> tuple[str, ...]:
    places = dict.fromkeys((folder.absolute().as_posix(), folder.resolve().as_posix()))
    return tuple(f"{place.strip('/')}/" for place in places)


def _words(line: str) -> list[str]:
    return [word for word in re.split(f"[{_BLANKS}\\s,;|]+", line) if _plain(word)]


def _is_header(line: str, files: Files) -> bool:
    """Return whether a line names columns: words without a folder and an ending."""
    words = [_plain(word) for word in _words(line)]
    return len(words) > 1 and not any(set(word) & set("./") or files.find(word) for word in words)


def _why_not(line: str, files: Files) -> str:
    words = _words(line)
    missing = [word for word in words if not files.find(_inside(_plain(word), files))]
    if len(words) != 2 or not missing:
        return f"expected a rainy and a clean path, found {_short(line)} ({len(words)} words)"
    name = _plain(missing[0])
    what = f"{_short(name)} is not a file of this folder"
    for folder, why in files.unreadable:
        if folded(name).startswith(f"{folder}/"):
            return f"{what} ({why})"
    if ".." in name.split("/") or re.match(r"/|~|\\|[A-Za-z]:", missing[0]):
        return f"{what}; paths are relative to it and stay in it"
    return what


def _short(text: str) -> str:
    return shown(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _text(listing: Path, files: Files) -> str:
    """Return the text of a list in UTF-8, or say which encoding it seems to be in.

    Raises:
        PairError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        data = read_regular_file(listing, LARGEST_LIST)
    except OSError as error:
        raise PairError(f"{shown(listing)}: cannot be read: {error.strerror}") from None
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and b"\0" in data:
        encoding = "UTF-16" if data.count(0) * 3 > len(data) else "no text"
    if not encoding:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            encoding = _likely(data, files)
    raise PairError(
        f"{shown(listing)}: is not UTF-8 text but, it seems, {encoding}; save it as UTF-8, "
        "so that no name is misread"
    )


def _likely(data: bytes, files: Files) -> str:
    """Return the encodings in which most lines name files that there are."""
    scores: dict[str, int] = {}
    lines = [line for line in data.splitlines() if not line.isascii()][:_SHOWN]
    for encoding in _ENCODINGS:
        try:
            texts = [line.decode(encoding) for line in lines]
        except UnicodeDecodeError:
            continue
        halves = [list(_halves(text.strip())) for text in texts]
        scores[encoding] = sum(
            any(files.find(rainy) and files.find(clean) for rainy, clean in each) for each in halves
        )
    best = max(scores.values())
    return " or ".join(_CALLED[name] for name, score in scores.items() if score == best)
