"""Compiling inner loops with numba; importing this module loads the compiler.

What is compiled is kept on disk for the next process, beside the package where that can be written,
otherwise in the user's cache folder, otherwise in a temporary folder of the user's: containers and
clusters have read-only packages and often no home.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])

_VARIABLE = "NUMBA_CACHE_DIR"


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_private(folder: Path) -> bool:
    """Return whether a folder is the user's own: compiled code of somebody else is never loaded."""
    if not hasattr(os, "getuid"):
        return True
    facts = folder.lstat()
    mine = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
    return mine and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def cache_folder(package: Path) -> Path | None:
    """Return where compiled code is kept; None for beside the package, numba's own choice.

    Args:
        package: The folder of the package.
    """
    import platformdirs

    wanted = os.environ.get(_VARIABLE)
    if wanted and _can_write(Path(wanted)):
        return Path(wanted)
    if not wanted and _can_write(package / "core" / "__pycache__"):
        return None
    cache = Path(platformdirs.user_cache_dir("rainbench", appauthor=False)) / "compiled"
    if _can_write(cache):
        return cache
    user = os.getuid() if hasattr(os, "getuid") else "user"
    shared = Path(tempfile.gettempdir()) / f"rainbench-compiled-{user}"
    with contextlib.suppress(OSError):
        shared.mkdir(mode=0o700, exist_ok=True)
        if _is_private(shared) and _can_write(shared):
            return shared
    own = Path(tempfile.mkdtemp(prefix="rainbench-compiled-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def _choose_cache() -> None:
    chosen = cache_folder(Path(__file__).resolve().parents[1])
    if chosen is None:
        return
    os.environ[_VARIABLE] = str(chosen)  # for numba, and for processes that are started from here
    import numba

    numba.config.CACHE_DIR = str(chosen)  # where it had been imported before


_choose_cache()


def _compile(function: _F, **options: str) -> _F:
    import numba  # after its cache's place was chosen

    return cast("_F", numba.njit(cache=True, nogil=True, **options)(function))


def compiled(function: _F) -> _F:
    """Compile on the first call, keep the result on disk, let other threads run meanwhile."""
    return _compile(function)


def compiled_like_numpy(function: _F) -> _F:
    """Compile as `compiled` does; a division by zero gives infinity or NaN, as in NumPy."""
    return _compile(function, error_model="numpy")


def inlined(function: _F) -> _F:
    """Compile as `compiled_like_numpy` does, into the body of whatever calls it."""
    return _compile(function, error_model="numpy", inline="always")
