"""Somebody's network is called here: what it changes for the whole process is put back.

A network that sets the default precision, the working folder or a seed would otherwise change the
numbers of those after it, or where they are written.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Put back the state of the process afterwards; what is printed goes to standard error.

    ``os._exit``, which would end a run as if it were done, raises `SystemExit` instead.

    Example:
        >>> with isolated():
        ...     torch.set_default_dtype(torch.float64)
        >>> torch.get_default_dtype()
        torch.float32
    """
    folder, places = _folder(), list(sys.path)
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    gradients, threads = torch.is_grad_enabled(), torch.get_num_threads()
    deterministic, only_warn = _determinism()
    backends = _backends()
    chance = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    ends = [(module, module._exit) for module in (os, sys.modules[os.name])]
    try:
        for module, end in ends:
            module._exit = _refused(end)  # type: ignore[attr-defined]
        with contextlib.redirect_stdout(sys.stderr):  # `--json` is for machines
            yield
    finally:
        for module, end in ends:
            module._exit = end  # type: ignore[attr-defined]
        sys.path[:] = [*places, *(place for place in sys.path if place not in places)]
        if folder != _folder() and folder:
            os.chdir(folder)
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        torch.set_grad_enabled(gradients)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if _determinism() != (deterministic, only_warn):  # the call loads PyTorch's compiler
            torch.use_deterministic_algorithms(deterministic, warn_only=only_warn)
        _set_backends(backends)
        torch.set_rng_state(chance[0])
        np.random.set_state(chance[1])  # noqa: NPY002
        random.setstate(chance[2])


def _refused(end: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    """Return what stands for ``os._exit`` in this process; a child that it forks may end itself."""
    process = os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            end(status)
        raise SystemExit(f"os._exit({status})")

    return refuse


def _determinism() -> tuple[bool, bool]:
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled()


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""


def _backends() -> tuple[bool, ...]:
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cublas.allow_tf32


def _set_backends(state: tuple[bool, ...]) -> None:
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cublas.allow_tf32 = state
