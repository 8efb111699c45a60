"""Reading the small files of a run that may be damaged, or not what their names say."""

from __future__ import annotations

import json
import struct
import unicodedata
from pathlib import Path

LARGEST_JSON = 1 << 20
"""Bytes beyond which a JSON file is refused unread."""

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


class UnreadableError(Exception):
    """A small file cannot be used; the message says why, for the page."""


def read_object(path: Path) -> dict[str, object]:
    """Return the object that a JSON file holds.

    Raises:
        UnreadableError: The file is missing, too large, not a plain file there, or not JSON.
    """
    if not is_own_file(path):
        raise UnreadableError(f"{path.name} is missing, or no plain file of this folder")
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UnreadableError(f"{path.name} is larger than {LARGEST_JSON >> 20} MiB")
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UnreadableError(f"{path.name} is not JSON: cut short or damaged") from None
    except OSError as error:
        raise UnreadableError(f"{path.name} cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise UnreadableError(f"{path.name} does not hold a JSON object")
    return content


def is_own_file(path: Path) -> bool:
    """Whether ``path`` is a plain file, not reached by a link that leads out of its folder."""
    try:
        return path.is_file() and path.resolve().is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError):
        return False


def png_size(path: Path) -> tuple[int, int] | None:
    """Return width and height from the head of a PNG file, or None if it is not one."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError:
        return None
    if len(head) < 24 or not head.startswith(b"\x89PNG\r\n\x1a\n") or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return (width, height) if width and height else None


def printable(text: str, longest: int = 300) -> str:
    r"""Return a name that fits into a line of text: what cannot be seen is spelt out.

    Example:
        >>> printable("a\nb\u202egnp.x")
        'a\\nb\\u202egnp.x'
        >>> printable("x" * 1000, longest=4)
        'xxx…'
    """
    seen = "".join(
        ascii(letter)[1:-1]
        if letter in _BIDI_CONTROLS or unicodedata.category(letter) in _UNSEEN
        else letter
        for letter in text
    )
    return seen if len(seen) <= longest else seen[: longest - 1] + "…"
