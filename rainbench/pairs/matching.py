"""Which file of a folder restores which pair, where the names can be read in one way only.

A name is taken apart into numbers, words and what stands between; zeros in front of a number, case
and the kind of separator do not count. Wherever the name of a pair (its id, or the name of its
rainy or clean file) stands in a file's path, the rest is a pattern, such as ``out/{id}_x2.png``,
and all files of a pattern are a reading of the folder. The reading that finds most images is taken,
unless another one claims other files for the same images, or the same files for other images:
then nobody but the user can know which is meant, and says so with a pattern.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from rainbench.core.packed.places import files_inside, find_packed, is_folder
from rainbench.core.text import count_of, natural_key
from rainbench.pairs.files import is_hidden
from rainbench.pairs.layouts import Pair

SHOWN = 5
"""Readings that an error lists."""

DEEPEST = 4
"""Folders that a pair's name may include, where file names alone are not unique."""

FIELD = "{id}"

_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+|.", re.DOTALL)
_SEPARATORS = frozenset(" _-./")
_HOLE = "\0"
"""Stands for the pair's name in a pattern: no path can hold it."""

_OF_INPUTS = (
    frozenset(("input", "inputs", "in", "rain", "rainy", "lq", "noisy", "degraded", "original"))
    | frozenset(("gt", "groundtruth", "clean", "target", "targets", "norain", "hq", "reference"))
    | frozenset(("label", "mask", "masks", "diff", "residual", "error"))
)
_OF_OUTPUTS = frozenset(
    ["output", "outputs", "out", "restored", "derained", "derain", "result", "results", "pred"]
)
"""Words in names of files that are not, and that are, likely to be restored images."""

_FIELD = re.compile(r"\{(\w+)(?::d)?\}|\*")

Words = tuple[str, ...]
"""A name taken apart."""

Ways = Mapping[str, Mapping[Words, str]]
"""The pairs by their name, for each way in which a file may name them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand the names in a folder.

    Attributes:
        pattern: What the names have in common: ``{id}_output.png``.
        files: The files by pair; more than one where the pattern fits several.
    """

    pattern: str
    files: Mapping[str, tuple[Path, ...]]

    @property
    def claims(self) -> frozenset[tuple[str, Path]]:
        """Every pair with every file that is read as its restored image."""
        return frozenset((pair, file) for pair, files in self.files.items() for file in files)


@dataclass(frozen=True, slots=True)
class Matched:
    """Which file restores which pair.

    Attributes:
        files: The file of every pair that has one, by the pair's id, in the pairs' order.
        missing: The ids of pairs without a file.
        unused: Files that belong to no pair.
        pattern: What the names have in common: ``rain-{id}_out.png``.
        others: Readings of single unused files as images that have another file.
    """

    files: Mapping[str, Path]
    missing: tuple[str, ...]
    unused: tuple[Path, ...]
    pattern: str
    others: tuple[Reading, ...] = ()


def match_outputs(folder: Path, pairs: Sequence[Pair], pattern: str = "") -> Matched:
    """Find the restored image of every pair by its name.

    Args:
        folder: The restored images, at any depth below.
        pairs: The data set's pairs.
        pattern: The files that count, by their path in the folder: ``{id}`` is the pair's id or the
            name of its rainy or clean file (``{rainy}`` and ``{clean}`` are the latter alone),
            ``*`` anything but a slash.

    Raises:
        RainbenchError: The folder does not exist, cannot be read or holds no images, no name fits,
            or the names can be read in several ways.
    """
    files = images_below(folder)
    ways = _names_of(pairs)
    search = _by_pattern(pattern) if pattern else _readings
    readings = search(folder, files, ways)
    if not readings and not ways and len(pairs) > 1:
        first, second = _of_one_name(pairs)
        raise RainbenchError(
            f"{first} and {second} have one name but for case, zeros and separators: nobody can "
            "tell which image is whose",
            hint="Rename one of the two.",
        )
    if not readings:
        example = f"{pairs[0].rainy.path.name}, and so on" if pairs else "the rainy images"
        fits = f'the pattern "{pattern}"' if pattern else "an image of the data set"
        raise RainbenchError(
            f"{folder}: no name fits {fits}, such as {files[0]}",
            hint=f"Name the restored images like the rainy ones ({example}), or say with --pattern "
            f'how they are called: --pattern "{FIELD}_output.png".',
        )
    best = readings[0]
    used = {file for _, file in best.claims}
    rivals: list[Reading] = []
    others: list[Reading] = []
    for other in readings[1:]:
        if len(other.files) < len(best.files) and not _conflict(best, other):
            continue
        if len(other.files) == len(best.files):
            rivals.append(other)
        elif any(file not in used for _, file in other.claims):
            (rivals if len(other.files) > 1 else others).append(other)
    if rivals or len(best.claims) > len(best.files):
        choices = sorted([best, *rivals], key=_implausible)
        raise RainbenchError(
            _ambiguity(folder, choices, len(pairs)), hint=_choice(choices if rivals else [])
        )
    return Matched(
        files={pair.id: best.files[pair.id][0] for pair in pairs if pair.id in best.files},
        missing=tuple(pair.id for pair in pairs if pair.id not in best.files),
        unused=tuple(file for file in files if file not in used),
        pattern=best.pattern,
        others=tuple(others),
    )


def show_readings(readings: Sequence[Reading], folder: Path, of: int) -> str:
    """Return readings as lines of an error, each with its pattern, its share and a file."""
    lines = []
    for reading in readings[:SHOWN]:
        pair, files = next(iter(reading.files.items()))
        file = files[0].relative_to(folder).as_posix()
        found = f"{len(reading.files)} of {count_of(of, 'image')}"
        lines.append(f'  - "{reading.pattern}": {found}; {file} is image {pair}')
    if len(readings) > SHOWN:
        lines.append(f"  - and {len(readings) - SHOWN} more")
    return "\n".join(lines)


def _ambiguity(folder: Path, readings: Sequence[Reading], of: int) -> str:
    first = readings[0]
    for pair, files in first.files.items():
        both = dict.fromkeys((*files, *(f for r in readings[1:] for f in r.files.get(pair, ()))))
        if len(both) > 1:
            one, other = list(both)[:2]
            what = f"{one} and {other} both stand for image {pair}"
            break
    else:
        what = "the names can be read in several ways"
    if len(readings) == 1:
        return f"{folder}: {what}"
    return f"{folder}: {what}:\n{show_readings(readings, folder, of)}"


def _choice(choices: Sequence[Reading]) -> str:
    if not choices:
        return "Remove one of the two."
    return f'Say which are meant, for example --pattern "{choices[0].pattern}".'


def _implausible(reading: Reading) -> tuple[bool, int, bool]:
    """Return by what readings are sorted: no inputs, many images, outputs by their names."""
    words = set(_words(reading.pattern))
    return bool(words & _OF_INPUTS), -len(reading.files), not words & _OF_OUTPUTS


def _conflict(one: Reading, other: Reading) -> bool:
    """Return whether two readings give an image to two files, or a file to two images."""
    by_file = {file: pair for pair, file in one.claims}
    return any(
        by_file.get(file, pair) != pair or (pair in one.files and file not in one.files[pair])
        for pair, file in other.claims
    )


def images_below(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order; hidden ones are the system's, not ours."""
    files = _files_of(folder, IMAGE_SUFFIXES)
    if not files:
        unread = unread_below(folder)
        raise RainbenchError(
            f"{folder}: holds no images" + (f" but such as {unread[0].name}" if unread else ""),
            hint=f"Files that end with {unread[0].suffix} are not read: convert them to PNG."
            if unread
            else "",
        )
    return files


def unread_below(folder: Path) -> list[Path]:
    """Return the pictures of a folder that `images_below` leaves out, as their kind is not read."""
    return _files_of(folder, UNREAD_SUFFIXES)


def _files_of(folder: Path, suffixes: Set[str]) -> list[Path]:
    if not is_folder(folder):
        raise RainbenchError(f"{folder}: there is no such folder of images")
    names = files_inside(folder) if find_packed(folder) else _files_below(folder)
    files = [
        folder / name
        for name in names
        if Path(name).suffix.lower() in suffixes and not any(map(is_hidden, name.split("/")))
    ]
    return sorted(files, key=lambda path: natural_key(path.as_posix()))


def _files_below(folder: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise RainbenchError(f"{error.filename}: cannot be read: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in names:
            yield Path(place, name).relative_to(folder).as_posix()


def split_name(text: str) -> list[str]:
    """Return the numbers, words and separators that a name is made of.

    Example:
        >>> split_name("norain-012")
        ['norain', '-', '012']
    """
    return [found[0] for found in _TOKEN.finditer(text)]


def _words(text: str) -> Words:
    return tuple(_word(found[0]) for found in _TOKEN.finditer(text))


def _word(text: str) -> str:
    if text.isascii() and text.isdigit():
        return text.lstrip("0") or "0"
    return "_" if text in _SEPARATORS else text.casefold()


def _composed(path: str) -> str:
    """Return a path with accents in the one form in which they are compared."""
    return unicodedata.normalize("NFC", path)


def _names_of(pairs: Sequence[Pair]) -> Ways:
    """Return in which ways a file may name a pair: for each the pair's id by name.

    A way in which two pairs have one name is none; folders are made part of it where that helps.
    """
    ways: dict[str, dict[Words, str]] = {}
    for field in ("rainy", "id", "clean"):
        for depth in range(1, DEEPEST + 1):
            names = {_words(_composed(_name(pair, field, depth))): pair.id for pair in pairs}
            if len(names) == len(pairs) and () not in names:
                ways[field] = names
                break
    return ways


def _of_one_name(pairs: Sequence[Pair]) -> tuple[str, str]:
    """Return two images that `_names_of` cannot tell apart by the names of their rainy files."""
    first: dict[Words, str] = {}
    for pair in pairs:
        name = _words(_composed(_name(pair, "rainy", DEEPEST)))
        other = first.setdefault(name, str(pair.rainy.path))
        if other != str(pair.rainy.path):
            return other, str(pair.rainy.path)
    return pairs[0].id, pairs[1].id


def _name(pair: Pair, field: str, depth: int) -> str:
    if field == "id":
        return pair.id
    path = (pair.rainy if field == "rainy" else pair.clean).path
    return "/".join([*path.parts[:-1], path.stem][-depth:])


def _claims(text: str, names: Mapping[Words, str]) -> Iterator[tuple[str, str]]:
    """Yield each pair that a path may name, with the path that is left around the name.

    Where a name stands inside a longer one, the longer one is meant. A name that stands there more
    than once is taken out at each place alone, and at all of them.
    """
    tokens = [(_word(found[0]), *found.span()) for found in _TOKEN.finditer(text)]
    words = tuple(word for word, _, _ in tokens)
    spans = [
        (start, start + length, names[words[start : start + length]])
        for length in {len(name) for name in names}
        for start in range(len(words) - length + 1)
        if words[start : start + length] in names
    ]
    places: dict[str, list[tuple[int, int]]] = {}
    for start, end, pair in spans:
        if not any(a <= start and end <= b and b - a > end - start for a, b, _ in spans):
            places.setdefault(pair, []).append((tokens[start][1], tokens[end - 1][2]))
    for pair, found in places.items():
        for start, end in found:
            yield pair, text[:start] + _HOLE + text[end:]
        if len(found) > 1:
            rest, last = "", 0
            for start, end in found:
                rest += text[last:start] + _HOLE if start >= last else ""
                last = max(last, end)
            yield pair, rest + text[last:]


def _inside(folder: Path, file: Path) -> str:
    """Return a file's path in the folder, without its suffix, in the form that is compared."""
    return _composed(file.relative_to(folder).with_suffix("").as_posix())


def _readings(folder: Path, files: Sequence[Path], ways: Ways) -> list[Reading]:
    """Return every reading of a folder's names once, the one that finds most images first."""
    found: dict[tuple[str, str], tuple[str, dict[str, dict[Path, None]]]] = {}
    for file in files:
        text = _inside(folder, file)
        for field, names in ways.items():
            for pair, rest in _claims(text, names):
                _, by_pair = found.setdefault((field, rest.casefold()), (rest, {}))
                by_pair.setdefault(pair, {})[file] = None
    readings: dict[frozenset[tuple[str, Path]], Reading] = {}
    patterns: set[str] = set()
    for (field, _), (rest, by_pair) in found.items():
        for pattern, by_suffix in _by_suffix(rest, by_pair):
            shown = pattern.replace(_HOLE, FIELD)
            if shown in patterns:  # by the name of another of the pair's files
                shown = pattern.replace(_HOLE, f"{{{field}}}")
            reading = Reading(shown, by_suffix)
            if readings.setdefault(reading.claims, reading) is reading:
                patterns.add(shown)
    return sorted(readings.values(), key=lambda reading: -len(reading.files))


def _by_suffix(
    rest: str, by_pair: Mapping[str, Mapping[Path, None]]
) -> Iterator[tuple[str, dict[str, tuple[Path, ...]]]]:
    """Yield a pattern with its files: all kinds of files at once unless a pair has two of them."""
    suffixes = dict.fromkeys(file.suffix.lower() for files in by_pair.values() for file in files)
    if len(suffixes) == 1 or all(len(files) == 1 for files in by_pair.values()):
        end = next(iter(suffixes)) if len(suffixes) == 1 else ".*"
        yield rest + end, {pair: tuple(files) for pair, files in by_pair.items()}
        return
    for suffix in suffixes:
        of_kind = {
            pair: tuple(file for file in files if file.suffix.lower() == suffix)
            for pair, files in by_pair.items()
        }
        yield rest + suffix, {pair: files for pair, files in of_kind.items() if files}


def _by_pattern(pattern: str) -> Callable[[Path, Sequence[Path], Ways], list[Reading]]:
    """Return the search for the one reading that a user's pattern says.

    Raises:
        RainbenchError: The pattern has no field or an unknown one; a file fits as two images.
    """
    fields = {found[1] for found in _FIELD.finditer(pattern) if found[1]}
    if len(fields) != 1 or not fields <= {"id", "rainy", "clean"}:
        raise RainbenchError(
            f"--pattern {pattern}: has to hold {FIELD} where the name of an image stands",
            hint=f'For example "{FIELD}_output.png"; * stands for anything but a slash, {{rainy}} '
            "and {clean} for the names of these files.",
        )
    (field,) = fields
    expression, position = "", 0
    for found in _FIELD.finditer(pattern):
        expression += re.escape(_composed(pattern[position : found.start()]))
        expression += _HOLE if found[1] else rf"[^/{_HOLE}]*"
        position = found.end()
    expression += re.escape(_composed(pattern[position:]))
    fits = re.compile(expression, re.IGNORECASE)
    whole = re.compile(expression.replace(_HOLE, "(.+)"), re.IGNORECASE | re.DOTALL)

    def claims(path: str, suffix: str, names: Mapping[Words, str]) -> Iterator[str]:
        if "*" in pattern:
            found = _claims(path, names)
            yield from (pair for pair, rest in found if fits.fullmatch(rest + suffix))
        elif match := whole.fullmatch(path + suffix):  # the pattern alone decides where a name ends
            yield from filter(None, [names.get(_words(match[1]))])

    def search(folder: Path, files: Sequence[Path], ways: Ways) -> list[Reading]:
        by_pair: dict[str, tuple[Path, ...]] = {}
        for file in files:
            claimed = {
                pair
                for way, names in ways.items()
                if field in ("id", way)
                for pair in claims(_inside(folder, file), file.suffix, names)
            }
            if len(claimed) > 1:
                raise RainbenchError(
                    f"{file}: stands for the images {' and '.join(sorted(claimed))} by the pattern "
                    f'"{pattern}"',
                    hint="Write out more of the name, or {rainy} or {clean} for {id}.",
                )
            for pair in claimed:
                by_pair[pair] = (*by_pair.get(pair, ()), file)
        return [Reading(pattern, by_pair)] if by_pair else []

    return search
