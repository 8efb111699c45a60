"""Writing files: complete or not at all, one process to a folder, a full disk told as such."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from rainbench.core.errors import StoreError


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name beside ``path``, then rename it into place."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:  # an interrupt as well: nothing half written stays
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def lock_folder(folder: Path, what: str) -> Iterator[None]:
    """Keep a second process from writing into the same folder, which is made if need be.

    Args:
        folder: Where to.
        what: What another process would be doing, for the message: ``run``, ``training``.

    Raises:
        StoreError: Another process is at work in it.
        OSError: The folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w", encoding="utf-8") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # not on this system: no lock, no harm
            pass
        except BlockingIOError:
            raise StoreError(
                f"{folder}: another {what} is writing here",
                hint="Wait for it, or give another --out.",
            ) from None
        yield


ALL_KEPT = "What is there is kept: make room and run the same command again to continue."


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder}: cannot be written: {error.strerror}",
            hint=ALL_KEPT,
        ) from None
