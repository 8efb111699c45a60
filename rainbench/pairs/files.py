"""The files below a folder, under the names by which patterns and lists know them."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from rainbench.catalog.patterns import folded
from rainbench.core.errors import PairError
from rainbench.core.files import read_regular_file
from rainbench.core.images import IMAGE_SUFFIXES
from rainbench.core.packed.places import files_inside, find_packed

_LOG = logging.getLogger(__name__)

_OF_SYSTEMS = {
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "lost+found",
    "system volume information",
    "thumbs.db",
    "desktop.ini",
    "icon\r",
}
"""What operating systems and network drives put beside people's files."""

_LINK_BYTES = 1024
_MOST_ENTRIES = 16
"""How often one folder is looked through when links lead to it under several names; without an
end, folders full of links to each other would have more paths than there is time for."""


@dataclass(slots=True)
class Files:
    """What was found below a folder.

    Attributes:
        folder: Where it was looked for.
        by_name: Every file by its path relative to the folder, as `folded` returns it.
        twins: The other files of a name in ``by_name``: they differ in case or Unicode form.
        unreadable: Folders that cannot be listed: the folded name and a sentence each.
    """

    folder: Path
    by_name: dict[str, Path] = field(default_factory=dict)
    twins: dict[str, list[Path]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def called(self, name: str) -> list[Path]:
        """Return the files of a folded name: none, one, or several."""
        return [self.by_name[name], *self.twins.get(name, [])] if name in self.by_name else []

    def find(self, name: str) -> list[Path]:
        """Return the file of exactly this relative path, or else those of its folded name."""
        near = self.called(folded(name))
        if len(near) < 2:
            return near
        exact = [path for path in near if path == self.folder / name]
        return exact or near


def files_below(folder: Path) -> Files:
    """Return the files below a folder; what systems and archives hide beside them is passed over.

    Links to folders are followed, but not in circles. So is a link that was checked out as a small
    text file (as happens to archives unpacked where links are not supported), as long as it stays
    below the folder's parent.

    Args:
        folder: May be an archive, or a folder in one.

    Raises:
        PairError: The folder itself cannot be read.
    """
    found = Files(folder)
    if find_packed(folder) is not None:
        _add_packed(found)
        return found
    entered: Counter[str] = Counter()
    limit = os.path.dirname(os.path.realpath(folder))  # noqa: PTH120
    waiting: deque[tuple[Path, str, frozenset[str]]] = deque([(folder, "", frozenset())])
    links: deque[tuple[Path, str, frozenset[str]]] = deque()
    while waiting or links:  # folders before links, so that these do not use up the limit
        directory, prefix, above = waiting.popleft() if waiting else links.popleft()
        real = os.path.realpath(directory)
        if real in above:
            continue
        entered[real] += 1
        if entered[real] > _MOST_ENTRIES:
            if entered[real] == _MOST_ENTRIES + 1:
                _LOG.warning("%s: has too many links to it; some are not followed", real)
            continue
        try:
            with os.scandir(directory) as items:
                entries = sorted(items, key=lambda item: item.name)
        except OSError as error:
            what = f"{shown(directory)}: cannot be read: {error.strerror}"
            if not prefix:
                raise PairError(what) from None
            found.unreadable.append((prefix.rstrip("/"), what))
            continue
        for item in entries:
            name = folded(item.name)
            if is_hidden(name):
                continue
            path, name = Path(item.path), prefix + name
            if _is_folder(item):
                into = links if item.is_symlink() else waiting
                into.append((path, f"{name}/", above | {real}))
            elif target := _link_as_text(path, limit):
                links.append((target, f"{name}/", above | {real}))
            else:
                _add(found, name, path)
    return found


def _add(found: Files, name: str, path: Path) -> None:
    if name in found.by_name:
        found.twins.setdefault(name, []).append(path)
    else:
        found.by_name[name] = path


def is_hidden(part: str) -> bool:
    """Return whether a file or folder of this name is the system's, not the user's."""
    return part.startswith(".") or part.casefold() in _OF_SYSTEMS


def _add_packed(found: Files) -> None:
    for name in sorted(files_inside(found.folder)):
        if any(map(is_hidden, name.split("/"))):
            continue
        _add(found, folded(name), found.folder / name)


def name_problem(path: Path, name: str) -> str:
    """Return why a file cannot be used for its name or ending; empty when it can.

    Args:
        path: The file.
        name: Its path below the data set's folder, folded or not.
    """
    if why := text_problem(path, name):
        return why
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return (
            f"{shown(path)}: files that end with {path.suffix or 'no suffix'} are not read: "
            "convert them to PNG"
        )
    return ""


def text_problem(path: Path, name: str) -> str:
    """Return why a name cannot be printed, or stand in a table; empty when it can.

    Args:
        path: The file.
        name: Its path below the data set's folder, folded or not.
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        return f"{shown(path)}: its name is not plain text (UTF-8, in one line): rename it"
    return ""


def shown(path: Path | str) -> str:
    r"""Return a path as text that can be printed: what is no text in it as ``\x..``.

    Example:
        >>> shown("a\nb\udcff.png")
        'a\\nb\\xff.png'
    """
    whole = os.fsencode(path).decode("utf-8", "backslashreplace")
    if whole.isprintable():
        return whole
    return "".join(
        repr(letter)[1:-1] if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter
        for letter in whole
    )


def suffixes_of(files: Files) -> str:
    """Return which endings the files have, the most frequent first, for a message."""
    counts = Counter(Path(name).suffix or "no suffix" for name in files.by_name)
    return ", ".join(f"{shown(suffix)} ({count})" for suffix, count in counts.most_common(5))


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link in a circle
        return False


def _link_as_text(path: Path, limit: str) -> Path | None:
    if path.suffix:
        return None
    try:  # a pipe or a device is refused, not waited for
        text = read_regular_file(path, _LINK_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text or "\n" in text or "\0" in text:
        return None
    target = os.path.realpath(path.parent / text)
    inside = target == limit or target.startswith(limit.rstrip(os.sep) + os.sep)
    try:
        return Path(target) if inside and os.path.isdir(target) else None  # noqa: PTH112
    except (OSError, ValueError):
        return None
