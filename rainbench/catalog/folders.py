"""The folders that a user gives to look for data sets, weights and cards in."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from rainbench.core.errors import CardError, RainbenchError

_LOG = logging.getLogger(__name__)

_NO_CARDS = ("reasons.toml", "layouts.toml")
"""What may lie beside cards in a folder of the user's own, see `registry.report_files`."""


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


def card_files(root: Path, *, own: bool, problems: list[CardError]) -> list[Path]:
    """Return the files that a folder offers as cards; hidden ones are none.

    Args:
        root: Holds ``datasets/`` and ``baselines/``.
        own: Whether it is a folder of the user's own, which may hold cards directly.
        problems: Gets an error for each folder that cannot be listed.
    """
    if not root.is_dir():
        _LOG.warning("%s: there is no such folder of cards (RAINBENCH_PATH)", root)
        return []
    found: list[Path] = []
    for folder in [root / "datasets", root / "baselines"] + ([root] if own else []):
        try:
            files = sorted(folder.iterdir())
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(CardError(f"{folder}: cannot be read: {error.strerror}", file=folder))
            continue
        found += [
            file
            for file in files
            if file.name.endswith(".toml")
            and not file.name.startswith(".")
            and (folder != root or file.name not in _NO_CARDS)
        ]
    return found
