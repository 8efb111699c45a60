"""What is left of an error that nobody foresaw: a file to send with the report."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rainbench.core.errors import told
from rainbench.core.escape import without_secrets
from rainbench.core.files import FULL
from rainbench.version import __version__

_OF_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)
"""What is wrong with a name alone, whatever is done with it."""

BUG = 70
"""The exit code of an error that nobody foresaw: EX_SOFTWARE of sysexits.h."""


def explain(error: Exception) -> tuple[str, int]:
    """Return what to tell of an error that nobody foresaw, in one line, and the exit code.

    What the system refuses, a name that is too long or a disk that is full, is no bug of ours.
    """
    if isinstance(error, OSError) and error.errno in _OF_NAMES and error.filename:
        return f"{error.filename}: cannot be used: {error.strerror}", 2
    if isinstance(error, OSError) and error.errno in FULL:
        place = error.filename or "standard output or a file"
        return f"{place}: cannot be written: {error.strerror}", 2
    log = write_crash_log(error)
    where = f"; the details are in {log}" if log else ""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}{where}", 2
    if isinstance(error, MemoryError):
        return f"memory ran out{where}", BUG
    return f"this is a bug of ours: {told(error)}{where}", BUG


def write_crash_log(error: BaseException) -> Path | None:
    """Write an error's traceback, the call and the versions into the user's folder of logs.

    Returns:
        The file, in the folder of temporary files where the other cannot be written; None where
        neither can.
    """
    import platformdirs

    lines = [
        f"rainbench {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"call: {sys.argv}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    text = without_secrets("\n".join(lines))
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for of_user in (True, False):
        with contextlib.suppress(OSError):  # the place for temporary files may be missing as well
            own = platformdirs.user_log_path("rainbench", appauthor=False)
            folder = own if of_user else Path(tempfile.gettempdir())
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
            return folder / name
    return None
