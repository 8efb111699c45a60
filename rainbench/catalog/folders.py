"""The folders that a user gives to look for data sets and weights in."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from rainbench.core.errors import RainbenchError

_LOG = logging.getLogger(__name__)


def readable_folders(roots: Sequence[Path]) -> list[Path]:
    """Return the folders that can be listed; each of the others is a warning in the log.

    Args:
        roots: Folders given with ``--data`` or ``--weights``.

    Raises:
        RainbenchError: One does not exist or is not a folder, which is most likely a slip of the
            pen, or there are some and none can be read.
    """
    readable: list[Path] = []
    problems: list[str] = []
    for root in roots:
        try:
            with os.scandir(root):
                readable.append(root)
        except (FileNotFoundError, NotADirectoryError):
            raise RainbenchError(f"{root}: there is no such folder") from None
        except OSError as error:
            problems.append(f"{root}: cannot be read: {error.strerror}")
    if problems and not readable:
        raise RainbenchError("\n".join(problems), hint="Give a folder that you may read.")
    for problem in problems:
        _LOG.warning("%s; it is left out", problem)
    return readable
