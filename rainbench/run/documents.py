"""The JSON files of a run's folder: each bears a hash of what it says, which tells of damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rainbench.core.files import read_regular_file, write_atomically
from rainbench.core.resume import key_of
from rainbench.run.scores import LARGEST_FILE

_OWN_HASH = "sha256"
"""The key of the hash of all others."""


def write_json(file: Path, content: Mapping[str, object]) -> None:
    """Write one of a run's JSON files, whole or not at all, with a hash of what it says."""
    content = {**content, _OWN_HASH: key_of(content)}
    write_atomically(file, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def read_json(file: Path) -> dict[str, Any] | None:
    """Return what such a file says; None where it is not as it was written.

    Those of earlier versions have no hash.
    """
    try:
        content = json.loads(read_regular_file(file, LARGEST_FILE).decode())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    own = content.pop(_OWN_HASH, None)
    try:
        return content if own is None or own == key_of(content) else None
    except (ValueError, RecursionError):  # numbers or nests that no run writes
        return None


def hash_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes; empty where it cannot be read."""
    try:
        return hashlib.sha256(read_regular_file(file, LARGEST_FILE)).hexdigest()
    except OSError:
        return ""
