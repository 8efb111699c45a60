"""Writing files: complete or not at all, one process to a folder, a full disk told as such."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import importlib
import io
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.packed.places import read_packed

_AN_INSTANT = 0.5
"""Seconds that a lock may be held by somebody who only asks whether it is."""

_LONGEST_NAME = 255
"""Bytes of a file's name that the usual file systems take."""

_SHOWN_OF_A_NAME = 40
"""Letters of a long name that its temporary one keeps, of up to four bytes each."""

_UNFINISHED = re.compile(r"\..+\.(\d{1,10})\.part", re.DOTALL)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name beside ``path``, then rename it into place."""
    temporary = unfinished(path)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:  # an interrupt as well: nothing half written stays
        temporary.unlink(missing_ok=True)
        raise


def unfinished(path: Path) -> Path:
    """Return the name beside ``path`` under which it is written, which `sweep` knows."""
    name, ending = path.name, f".{os.getpid()}.part"
    if len(os.fsencode(name)) + len(ending) >= _LONGEST_NAME:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()
        name = f"{name[:_SHOWN_OF_A_NAME]}-{digest[:16]}"
    return path.with_name(f".{name}{ending}")


def read_regular_file(path: Path, most: int) -> bytes:
    """Return the bytes of a file, never waiting for a pipe nor reading a device without an end.

    Args:
        path: The file; links are followed, and it may lie in an archive.
        most: Bytes beyond which it is refused unread.

    Raises:
        OSError: It cannot be read, is no regular file, or is too large.

    Example:
        >>> read_regular_file(Path("/dev/null"), 100)
        Traceback (most recent call last):
        OSError: [Errno 22] it is a device, a pipe or a folder, not a file: '/dev/null'
    """
    try:
        refuse_irregular(path)
    except (FileNotFoundError, NotADirectoryError):
        data = read_packed(path, most)
        if data is None:
            raise
        return data
    with path.open("rb") as file:  # Python takes as much memory as is asked for, before it reads
        size = os.fstat(file.fileno()).st_size
        data = file.read(min(size, most) + 1)
        if size < len(data) <= most:  # it grows, or its system does not tell its size
            data += file.read(most + 1 - len(data))
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return data


def refuse_irregular(path: Path) -> None:
    """Refuse what is no regular file, before it is opened: a pipe would be waited for, for ever.

    Raises:
        OSError: It is none, or is not there.
    """
    _refuse_irregular(path.stat().st_mode, path)


def _refuse_irregular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        what = "it is a device, a pipe or a folder, not a file"
        raise OSError(errno.EINVAL, what, str(path))


def read_csv(file: Path, most: int) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV file, which an editor or a spreadsheet may have saved.

    Args:
        file: UTF-8 with or without a mark; blank lines are passed over.
        most: Bytes beyond which it is refused unread.

    Returns:
        Each row with the number of the line where it ends.

    Raises:
        RainbenchError: The file cannot be read, or is no CSV file.
    """
    number = 1
    try:
        text = read_regular_file(file, most).decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        found = []
        for row in rows:
            number = rows.line_num
            if any(field.strip() for field in row):
                found.append((number, row))
    except OSError as error:
        raise RainbenchError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RainbenchError(
            f"{file}: line {line} is not UTF-8 text", hint="Save the file as UTF-8."
        ) from None
    except csv.Error as error:
        raise RainbenchError(
            f"{file}: is no CSV file: {error} (after line {number})",
            hint="Fields with commas or quotes stand in double quotes.",
        ) from None
    return found


def refuse_inside(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write into a folder that is read: results would be inputs of the next call.

    Args:
        out: The folder to be written.
        inputs: What is read; only folders count.

    Raises:
        RainbenchError: ``out`` is one of the folders, or lies in one at any depth.
    """
    target = out.resolve()
    for folder in inputs:
        if folder.is_dir() and target.is_relative_to(folder.resolve()):
            raise RainbenchError(
                f"--out {out}: lies in the input folder {folder}",
                hint="Give an --out outside of it: what is written there would be an input, too.",
            )


def is_file(path: Path) -> bool:
    """Return whether a path leads to a file; no where its folder may not be looked into.

    Example:
        >>> is_file(Path("x" * 5000))
        False
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def lock_folder(folder: Path, what: str) -> Iterator[None]:
    """Keep a second process from writing into the same folder, which is made if need be.

    Args:
        folder: Where to.
        what: What another process would be doing, for the message: ``run``, ``training``.

    Raises:
        StoreError: Another process is at work in it, or it cannot be made or written.
    """
    # Never through a link, never cut: what another has put there is not ours to write to.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder / ".lock", flags, 0o644)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise StoreError(
                f"{folder / '.lock'}: is a link, which is not followed", hint="Remove the link."
            ) from None
    with os.fdopen(handle, "rb") as file:
        with writing(folder):
            _refuse_irregular(os.fstat(handle).st_mode, folder / ".lock")
        try:
            _lock_patiently(file)
        except (BlockingIOError, PermissionError):
            raise StoreError(
                f"{folder}: another {what} is writing here",
                hint="Wait for it, or give another --out.",
            ) from None
        sweep(folder)
        yield


def append_to(file: Path) -> BinaryIO:
    """Open a file of a folder of ours to write at its end; it is made if need be.

    Never through a link: what another has put there is not ours to write to.

    Raises:
        StoreError: It is a link.
        OSError: It is no file, or cannot be written.

    Example:
        >>> import tempfile
        >>> with append_to(Path(tempfile.mkdtemp()) / "log") as file:
        ...     file.write(b"a line")
        6
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # no pipe is waited for
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(file, flags, 0o644)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StoreError(
            f"{file}: is a link, which is not followed", hint="Remove the link."
        ) from None
    try:
        _refuse_irregular(os.fstat(handle).st_mode, file)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "ab")


def is_locked(folder: Path) -> bool:
    """Return whether a process is at work in a folder, see `lock_folder`; no where none can be."""
    try:
        import fcntl

        # A pipe of that name would be waited for.
        handle = os.open(folder / ".lock", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ImportError):
        return False
    return False


def sweep(folder: Path, pattern: str = "**/.*.part", *, whoever: bool = False) -> None:
    """Remove what processes that were killed have left half written, in a folder of results.

    Only what is named as `write_atomically` names it, by a process that is gone.

    Args:
        folder: Need not be there.
        pattern: Of the files and folders, for one folder without those in it.
        whoever: Of processes that are there, too: numbers of other machines say nothing here. For
            when nobody writes any more.
    """
    for unfinished in list(folder.glob(pattern)):
        named = _UNFINISHED.fullmatch(unfinished.name)
        if not named or unfinished.is_symlink():
            continue
        if not whoever and _is_running(int(named[1])):
            continue
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        elif is_file(unfinished):
            with contextlib.suppress(OSError):
                unfinished.unlink()


def _is_running(pid: int) -> bool:
    """Return whether a process is there; yes where that cannot be asked."""
    if os.name != "posix":  # elsewhere this call would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return pid != os.getpid()  # an earlier process had our number


def _lock_patiently(file: IO[bytes]) -> None:
    """Lock an open file; who asks by `is_locked` has it for an instant, which is waited for.

    Raises:
        OSError: It stays locked.
    """
    until = time.monotonic() + _AN_INSTANT
    while True:
        try:
            return _lock(file)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                raise
        time.sleep(0.02)


def _lock(file: IO[bytes]) -> None:
    """Lock an open file until it is closed, or raise what the system says where it is locked."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        windows: Any = importlib.import_module("msvcrt")
        windows.locking(file.fileno(), windows.LK_NBLCK, 1)


ALL_KEPT = "The disk is full: free some space and run again; what is there is kept."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a disk that has no room for more."""


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into a user's error that says what to do."""
    try:
        yield
    except OSError as error:
        hint = "Give another --out, or change the folder's permissions."
        if error.errno in FULL:
            hint = ALL_KEPT
        elif error.errno in (errno.EEXIST, errno.ENOTDIR):
            hint = "There is a file where a folder is needed: give another --out."
        elif error.errno == errno.EISDIR:
            hint = "There is a folder where a file is needed: move it away, or give another --out."
        elif error.errno == errno.ENAMETOOLONG:
            hint = "Give a shorter --out."
        raise StoreError(
            # A file is written under another name, which nobody knows: the second one is its own.
            f"{error.filename2 or error.filename or folder}: cannot be written: "
            f"{error.strerror or error}",
            hint=hint,
        ) from None
