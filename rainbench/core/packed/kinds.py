"""What is packed: files under names, each read on its own, nothing of it unpacked to disk."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from rainbench.core.errors import PairError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Endings of archives that are read."""

LARGEST_RATIO, ALWAYS_ALLOWED = 64, 1 << 30
"""Beyond both an archive is not read: pictures do not shrink that much, files meant to fill
memories and disks do."""

_DRIVE = re.compile(r"[A-Za-z]:")
_UNPACK = "Unpack it and give the folder, if you trust it."


class Packed(Protocol):
    """An archive, or a data set that is a table."""

    @property
    def names(self) -> Iterable[str]:
        """Every file by its path inside, plain parts with slashes between them."""

    def read(self, name: str, most: int) -> bytes:
        """Return a file's bytes.

        Raises:
            OSError: There is no such file, it is damaged, or has more than ``most`` bytes.
        """


def archive_stem(name: str) -> str:
    """Return an archive's name without its ending, an empty text for what is none.

    Example:
        >>> archive_stem("Rain100L.tar.gz"), archive_stem("rain.zip"), archive_stem("rain.7z")
        ('Rain100L', 'rain', '')
    """
    for ending in ARCHIVES:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return ""


def plain_name(name: str, archive: Path) -> str:
    r"""Return a member's name in plain parts; a backslash is Windows' slash.

    Raises:
        PairError: It leads out of the archive.

    Example:
        >>> plain_name("./rainy\\1.png", Path("a.zip"))
        'rainy/1.png'
    """
    slashed = name.replace("\\", "/")
    parts = PurePosixPath(slashed).parts
    if slashed.startswith("/") or ".." in parts or _DRIVE.match(slashed):
        raise PairError(
            f"{archive}: holds the name {name!r}, which leads out of it",
            hint="Pack it again from within the folder, with relative names.",
        )
    return "/".join(parts)


def check_ratio(archive: Path, unpacked: int, packed: int) -> None:
    """Refuse an archive that unpacks to far more than pictures do.

    Raises:
        PairError: It does.
    """
    if unpacked > max(ALWAYS_ALLOWED, LARGEST_RATIO * packed):
        raise PairError(
            f"{archive}: its {packed / 1e6:,.1f} MB unpack to more than {unpacked / 1e6:,.0f} MB, "
            "as those of archives that are meant to fill disks do",
            hint=_UNPACK,
        )


def no_plain_file(archive: Path, name: str, what: str) -> PairError:
    """Return the error of a member that is a link, a device or another thing that is no file."""
    return PairError(
        f"{archive}: {name} is {what}, not a file",
        hint="Pack it again with the files themselves: `zip -r`, or `tar -c --dereference "
        "--hard-dereference`.",
    )


def twice(archive: Path, name: str) -> PairError:
    """Return the error of two members of one name."""
    return PairError(
        f"{archive}: holds {name} twice, and nothing tells which is meant", hint="Pack it again."
    )
