"""Compiling inner loops with numba; importing this module loads the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile on the first call, keep the result on disk, let other threads run meanwhile."""
    return cast("_F", numba.njit(cache=True, nogil=True)(function))
