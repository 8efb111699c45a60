"""Somebody's network is called here: what it changes for the whole process is put back.

A network that sets the default precision, the working folder or a seed would otherwise change the
numbers of those after it, or where they are written. A function of Python, NumPy or PyTorch that it
replaces is put back too, at once and with a warning: else the same network would have other numbers
on the second data set.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import torch

import rainbench.core.compiled  # noqa: F401 - its cache folder is in the environment before
from rainbench.networks.process_state import STATES, names, put_names_back
from rainbench.networks.streams import streams_lent

_LOG = logging.getLogger(__name__)

_TOLD: set[tuple[str, str]] = set()


@contextlib.contextmanager
def isolated(who: str = "a network") -> Iterator[None]:
    """Put back the state of the process afterwards; what is printed goes to standard error.

    ``os._exit``, which would end a run as if it were done, raises `SystemExit` instead.

    Args:
        who: Its name, for what is said of functions that it replaces.

    Example:
        >>> with isolated():
        ...     torch.set_default_dtype(torch.float64)
        >>> torch.get_default_dtype()
        torch.float32
    """
    known = names()
    states = [read() for read, _ in STATES]
    chance = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    ends = [(module, module._exit) for module in (os, sys.modules[os.name])]
    try:
        for module, end in ends:
            module._exit = _refused(end)  # type: ignore[attr-defined]
        with streams_lent():
            yield
    finally:
        for module, end in ends:
            module._exit = end  # type: ignore[attr-defined]
        for name in put_names_back(known):
            if (who, name) not in _TOLD:
                _TOLD.add((who, name))
                _LOG.warning("%s replaced %s for all networks: it was put back", who, name)
        for (read, write), before in zip(STATES, states, strict=True):
            _put_back(read, write, before)
        torch.set_rng_state(chance[0])
        np.random.set_state(chance[1])  # noqa: NPY002


def _put_back(
    read: Callable[[], Any],
    write: Callable[[Any], object],
    before: Any,  # noqa: ANN401
) -> None:
    """Set a part of the state where it has changed, or can no longer be asked for."""
    try:
        changed = read() != before
    except Exception:
        changed = True
    if changed:
        try:
            write(before)
        except Exception:
            _LOG.debug("a network's change cannot be put back", exc_info=True)


def _refused(end: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    """Return what stands for ``os._exit`` in this process; a child that it forks may end itself."""
    process = os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            end(status)
        raise SystemExit(f"os._exit({status})")

    return refuse
