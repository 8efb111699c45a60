"""Writing files: complete or not at all, one process to a folder, a full disk told as such."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

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


def read_regular_file(path: Path, most: int) -> bytes:
    """Return the bytes of a file, never waiting for a pipe nor reading a device without an end.

    Args:
        path: The file; links are followed.
        most: Bytes beyond which it is refused unread.

    Raises:
        OSError: It cannot be read, is no regular file, or is too large.

    Example:
        >>> read_regular_file(Path("/dev/null"), 100)
        Traceback (most recent call last):
        OSError: [Errno 22] it is a device, a pipe or a folder, not a file: '/dev/null'
    """
    # Asked before it is opened, which a pipe without a writer would let wait for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        what = "it is a device, a pipe or a folder, not a file"
        raise OSError(errno.EINVAL, what, str(path))
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return data


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
    # Never through a link, never cut: what another has put there is not ours to write to.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(folder / ".lock", flags, 0o644)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StoreError(
            f"{folder / '.lock'}: is a link, which is not followed", hint="Remove the link."
        ) from None
    with os.fdopen(handle, "r+b") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            raise StoreError(
                f"{folder}: another {what} is writing here",
                hint="Wait for it, or give another --out.",
            ) from None
        yield


def _lock(file: IO[bytes]) -> None:
    """Lock an open file until it is closed, or raise what the system says where it is locked."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        windows: Any = importlib.import_module("msvcrt")
        windows.locking(file.fileno(), windows.LK_NBLCK, 1)


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
