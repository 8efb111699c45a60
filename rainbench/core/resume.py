"""Was this made before? One record, written last and checked against the files that it names.

Every long command leaves a record beside what it made: a key, which is the hash of all that the
result depends on, and the SHA-256 of each file. A result counts as made only while the key is the
one wanted now and every file is still there with the bytes that were written. Whatever else lies in
the folder, left by a kill or changed by hand, is made again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rainbench.core.files import refuse_irregular, write_atomically

GIT_DIGITS = 40
"""Of the name that git has for content; a SHA-256 has more."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a record file says.

    Attributes:
        key: Hash of all that the result depends on.
        files: The result's files, by their path from the record's folder: SHA-256 of the bytes.
        facts: What else is to be known without looking at the files; plain values.
    """

    key: str
    files: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


def key_of(parts: object) -> str:
    """Return the hash of plain values: equal parts, equal key, whatever the order of names.

    Example:
        >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
        True
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in pieces.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    refuse_irregular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_hash(path: Path) -> str:
    """Return the name that git has for a file's content, which ``git hash-object`` prints.

    Raises:
        OSError: It cannot be read, or is no regular file.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "empty"
        >>> file.touch()
        >>> git_hash(file)
        'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    refuse_irregular(path)
    with path.open("rb") as file:
        head = f"blob {os.fstat(file.fileno()).st_size}\0".encode()
        begun = functools.partial(hashlib.sha1, head, usedforsecurity=False)
        return hashlib.file_digest(file, begun).hexdigest()


def hash_like(path: Path, other: str) -> str:
    """Return the hash of a file that is of the kind of another one: SHA-256, or git's own.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    return git_hash(path) if len(other) == GIT_DIGITS else file_hash(path)


def short_hash(found: str) -> str:
    """Return the beginning of a hash, and of which kind it is.

    Example:
        >>> short_hash("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        "git's sha1 e69de29bb2d1..."
    """
    kind = "git's sha1" if len(found) == GIT_DIGITS else "sha256"
    return f"{kind} {found[:12]}..."


def write_record(
    file: Path,
    key: str,
    files: Iterable[Path] | Mapping[Path, str] = (),
    facts: Mapping[str, object] | None = None,
) -> Record:
    """Write a record: what it names counts as made from now on.

    Args:
        file: The record. It is written aside and renamed, so that it is whole or not there.
        key: Hash of all that the result depends on, from `key_of`.
        files: The result's files; a mapping gives the SHA-256 of each, where the bytes were in
            memory when they were written and need not be read again.
        facts: What else is to be known; plain values.

    Raises:
        OSError: A file cannot be read, or the record cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "table.csv").write_text("a,b")
        >>> record = write_record(folder / "record.json", "k1", [folder / "table.csv"])
        >>> read_record(folder / "record.json", "k1") == record
        True
        >>> _ = (folder / "table.csv").write_text("a,c")
        >>> read_record(folder / "record.json", "k1") is None
        True
    """
    known = files if isinstance(files, Mapping) else {path: file_hash(path) for path in files}
    hashes = {
        Path(os.path.relpath(path, file.parent)).as_posix(): sha for path, sha in known.items()
    }
    record = Record(key, dict(sorted(hashes.items())), dict(facts or {}))
    content = {"key": record.key, "files": record.files, "facts": record.facts}
    text = json.dumps(content, indent=1, sort_keys=True)  # ASCII: names may be no UTF-8
    write_atomically(file, text.encode() + b"\n")
    return record


def read_record(file: Path, key: str | None = None) -> Record | None:
    """Return a record whose result is there, whole and as it was written; otherwise None.

    Args:
        file: The record.
        key: The key that is wanted; None for any.
    """
    record = read_claim(file)
    if record is None or (key is not None and record.key != key):
        return None
    try:
        whole = all(file_hash(file.parent / name) == sha for name, sha in record.files.items())
    except (OSError, ValueError):
        return None
    return record if whole else None


def read_claim(file: Path) -> Record | None:
    """Return what a record says without a look at the files; None where it is no record."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        key, files, facts = content["key"], content["files"], content["facts"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = isinstance(key, str) and isinstance(files, dict) and isinstance(facts, dict)
    if not sound or not all(isinstance(sha, str) for sha in files.values()):
        return None
    return Record(key, files, facts)
