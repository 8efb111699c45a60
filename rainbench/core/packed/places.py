"""Paths that lead into archives: ``set.zip/rainy/1.png`` is a file of ``set.zip``.

All that looks for files and reads them asks here, after the disk; so an archive, or a folder in
it, can be given wherever a folder of a data set can.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.packed.arrow import Arrow, is_arrow, state_of
from rainbench.core.packed.kinds import ARCHIVES, Packed, archive_stem
from rainbench.core.packed.tars import Tar
from rainbench.core.packed.zips import Zip

_FILMS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")

_opened: dict[Path, tuple[object, Packed]] = {}
_opening = threading.RLock()


def find_packed(path: Path) -> tuple[Packed, str] | None:
    """Return what a path leads into, and its part inside of that; None for any other path.

    Raises:
        PairError: It leads into an archive that cannot be used.
    """
    found = _outside(path)
    if found is None:
        return None
    place, stamp = found
    with _opening:
        known = _opened.get(place)
        if known is None or known[0] != stamp:
            known = _opened[place] = stamp, _open(place)
    inside = path.relative_to(place).as_posix()
    return known[1], "" if inside == "." else inside


def _outside(path: Path) -> tuple[Path, object] | None:
    """Return the archive or saved data set that a path leads into, and what changes with it."""
    for place in (path, *path.parents):
        try:
            found = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError):
            return None
        if stat.S_ISDIR(found.st_mode) and is_arrow(place):
            found = state_of(place).stat()
        elif not stat.S_ISREG(found.st_mode) or not archive_stem(place.name):
            return None
        return place, (found.st_ino, found.st_size, found.st_mtime_ns)
    return None


def _open(place: Path) -> Packed:
    if place.is_dir():
        return Arrow(place)
    return Zip(place) if place.suffix.lower() == ".zip" else Tar(place)


def stamp_of(path: Path) -> object:
    """Return what changes when a file does: its own, or of the archive that it lies in.

    None for a file that is not there.
    """
    try:
        found = path.stat()
    except OSError:
        outside = _outside(path)
        return outside[1] if outside else None
    return found.st_ino, found.st_size, found.st_mtime_ns


def is_folder(path: Path) -> bool:
    """Return whether there is such a folder, on the disk or in an archive, or such an archive.

    Raises:
        PairError: It is in an archive that cannot be used.
    """
    if os.path.isdir(path):  # noqa: PTH112 - says no, not an error, where it may not look
        return True
    return any(True for _ in files_inside(path))


def check_place(path: Path) -> None:
    """Refuse what is neither a folder nor an archive, nor a folder in one.

    Raises:
        RainbenchError: It is neither, or an archive that cannot be used.
    """
    if is_folder(path):
        return
    if path.is_file() and not archive_stem(path.name):
        hint = f"Archives that are read end with {', '.join(ARCHIVES)}."
        if path.suffix.lower() in _FILMS:
            hint = (
                f"Of a film give its frames: `mkdir frames; ffmpeg -i {path.name} "
                "frames/%05d.png`, then the folder."
            )
        raise RainbenchError(f"{path}: is no folder", hint=hint)
    if find_packed(path) is not None:
        raise RainbenchError(f"{path}: holds no files")
    raise RainbenchError(f"{path}: there is no such folder")


def children(path: Path) -> list[Path]:
    """Return what lies directly in a folder, in order; nothing where it cannot be looked into.

    Raises:
        PairError: It is in an archive that cannot be used.
    """
    if find_packed(path) is not None:
        firsts = dict.fromkeys(name.partition("/")[0] for name in files_inside(path))
        return sorted(path / name for name in firsts)
    try:
        return sorted(path.iterdir())
    except OSError:  # the folder is named when it is looked into
        return []


def files_inside(path: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder in an archive, relative to it; hidden ones, too.

    Nothing for a folder on the disk.

    Raises:
        PairError: The archive cannot be used.
    """
    found = find_packed(path)
    if found is None:
        return
    packed, inside = found
    start = f"{inside}/" if inside else ""
    for name in packed.names:
        if name.startswith(start):
            yield name[len(start) :]


def read_packed(path: Path, most: int) -> bytes | None:
    """Return the bytes of a file in an archive, None for a path that leads into none.

    Raises:
        OSError: There is no such file in it, or it cannot be read, see `Packed.read`.
        PairError: The archive cannot be used.
    """
    found = find_packed(path)
    if found is None:
        return None
    packed, inside = found
    try:
        return packed.read(inside, most)
    except KeyError:
        raise FileNotFoundError(2, "is not in the archive", str(path)) from None
