"""What is left of an error that nobody foresaw: a file to send with the report."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rainbench import __version__


def write_crash_log(error: BaseException) -> Path | None:
    """Write an error's traceback, the call and the versions into the user's folder of logs.

    Returns:
        The file, in the folder of temporary files where the other cannot be written; None where
        neither can.
    """
    import platformdirs

    text = "\n".join(
        [
            f"rainbench {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"call: {sys.argv}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    own = platformdirs.user_log_path("rainbench", appauthor=False)
    for folder in (own, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
            return folder / name
    return None
