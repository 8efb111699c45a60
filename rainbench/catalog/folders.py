"""Where content lies: the folders that come with the package, and those that a user gives."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from rainbench.core.errors import CardError, RainbenchError
from rainbench.core.packed.places import check_place
from rainbench.core.packed.remote import places_here

_PACKAGE = Path(__file__).resolve().parents[1]

_LOG = logging.getLogger(__name__)

_NO_CARDS = ("reasons.toml", "layouts.toml")
"""What may lie beside cards in a folder of the user's own, see `report_files`."""


def content_root() -> Path:
    """Return the folder that holds ``datasets/``, ``baselines/`` and ``reports/``.

    In an installed wheel they lie inside the package, in a checkout beside it.
    """
    return _PACKAGE if (_PACKAGE / "datasets").is_dir() else _PACKAGE.parent


def is_installed(file: Path) -> bool:
    """Return whether a file came with an installed package, so that nothing may be written there.

    In a checkout the cards lie beside the package and are there to be worked on.
    """
    return file.resolve().is_relative_to(_PACKAGE)


def report_files(pattern: str, folders: Sequence[Path] = ()) -> list[Path]:
    """Return files of what is known: those of the package, then those of the user's folders.

    Args:
        pattern: Such as ``papers/*.csv`` or ``reasons.toml``.
        folders: Each holds them directly or in ``reports/``, see
            `rainbench.catalog.registry.Registry.folders`.

    Example:
        >>> [file.name for file in report_files("reasons.toml")]
        ['reasons.toml']
    """
    roots = [content_root() / "reports"]
    roots += [place for folder in folders for place in (folder / "reports", folder)]
    found: dict[Path, Path] = {}
    for root in roots:
        for file in sorted(root.glob(pattern)):
            found.setdefault(file.resolve(), file)
    return list(found.values())


PLUG_INS = ("rainbench.models", "rainbench.datasets")
"""Groups of entry points by which an installed package offers a folder of cards in it."""


def plug_in_folders() -> list[Path]:
    """Return the folders of cards of installed packages; nothing of these is imported.

    An entry point names a folder as a module: ``mypackage.cards``.
    """
    found: list[Path] = []
    for group in PLUG_INS:
        for point in metadata.entry_points(group=group):
            top, *rest = point.value.partition(":")[0].split(".")
            try:
                spec = importlib.util.find_spec(top)
            except (ImportError, ValueError):
                spec = None
            places = spec.submodule_search_locations if spec is not None else None
            folders = [Path(place, *rest) for place in places or ()]
            there = [folder for folder in folders if folder.is_dir()]
            if not there:
                _LOG.warning("%s: the folder of cards %s is not there", point.name, point.value)
            found += there[:1]
    return list(dict.fromkeys(found))


def run_cards(run: Path | None) -> list[Path]:
    """Return the folder in a run's that holds cards of data sets that have none elsewhere."""
    return [run / "cards"] if run is not None and (run / "cards").is_dir() else []


def readable_folders(roots: Sequence[Path]) -> list[Path]:
    """Return the folders that can be listed; each of the others is a warning in the log.

    Args:
        roots: Folders given with ``--data`` or ``--weights``, archives included, and addresses,
            of which a copy is made first.

    Raises:
        RainbenchError: One does not exist or is not a folder, which is most likely a slip of the
            pen, or there are some and none can be read.
    """
    readable: list[Path] = []
    problems: list[str] = []
    for root in places_here(roots):
        try:
            with os.scandir(root):
                readable.append(root)
        except (FileNotFoundError, NotADirectoryError):
            check_place(root)  # an archive, or a folder in one
            readable.append(root)
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
