"""What a network may change for the whole process: how each is read, and how it is put back."""

from __future__ import annotations

import builtins
import contextlib
import csv
import gc
import io
import json
import locale
import logging
import math
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_Names = tuple[tuple[object, dict[str, object]], ...]

SHARED = (
    builtins, csv, io, json, math, os, time, np, torch, nn, functional, torch.Tensor, nn.Module,
)  # fmt: skip
"""Whose functions everything else calls: one that a network replaces is put back."""

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGPIPE", "SIGCHLD")
    if hasattr(signal, name)
]
_LIMITS = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
_GLOBAL_HOOKS = [
    hooks
    for name, hooks in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(hooks, dict)
]


def names() -> _Names:
    """Return what the names of `SHARED` stand for."""
    return tuple((owner, dict(vars(owner))) for owner in SHARED)


def put_names_back(before: _Names) -> list[str]:
    """Put back what was replaced or taken out; return its names.

    What was added stays, and so does what a package wraps of its own, as PyTorch does when a part
    of it is loaded later.
    """
    changed: list[str] = []
    for owner, known in before:
        now: Mapping[str, object] = vars(owner)
        with contextlib.suppress(ValueError, TypeError, RuntimeError):  # of things without a truth
            if now == known:
                continue
        for name, value in known.items():
            new = now.get(name, changed)
            if new is not value and not _is_wrapped_by_its_own(owner, value, new):
                with contextlib.suppress(AttributeError, TypeError):  # of Python's own making
                    setattr(owner, name, value)
                    if name != "Storage":  # which goes with the default type of numbers
                        changed.append(f"{getattr(owner, '__name__', owner)}.{name}")
    return changed


def _is_wrapped_by_its_own(owner: object, old: object, new: object) -> bool:
    """Return whether a function was wrapped, unchanged, by code of the package that it is of."""
    code = getattr(new, "__code__", None)
    top = sys.modules.get(str(getattr(owner, "__name__", "")).partition(".")[0])
    home = getattr(top, "__file__", None)
    if code is None or home is None or getattr(new, "__wrapped__", None) is not old:
        return False
    return Path(code.co_filename).is_relative_to(Path(home).parent)


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""


def _go_to(folder: str) -> None:
    if folder:
        os.chdir(folder)


def _set_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _alarm() -> tuple[float, float]:
    """Return the moment of an alarm that is set, 0 for none, and its interval."""
    if not hasattr(signal, "getitimer"):  # Windows
        return 0, 0
    rest, interval = signal.getitimer(signal.ITIMER_REAL)
    return round(time.monotonic() + rest, 1) if rest else 0, interval


def _set_alarm(before: tuple[float, float]) -> None:
    moment, interval = before
    rest = max(moment - time.monotonic(), 0.01) if moment else 0
    signal.setitimer(signal.ITIMER_REAL, rest, interval)


def _blocked() -> set[Any]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return set()
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _handlers() -> dict[Any, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _set_handlers(before: dict[Any, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            if handler is not None:  # None: not one of Python's
                signal.signal(number, handler)


def _limits() -> dict[int, int]:
    try:
        import resource
    except ImportError:  # Windows
        return {}
    known = [getattr(resource, name) for name in _LIMITS if hasattr(resource, name)]
    return {number: resource.getrlimit(number)[0] for number in known}


def _set_limits(before: dict[int, int]) -> None:
    import resource

    for number, soft in before.items():
        with contextlib.suppress(ValueError, OSError):  # it lowered what only root may raise
            resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))


def _logging() -> tuple[int, dict[str, tuple[bool, int, bool, list[logging.Handler]]]]:
    manager = logging.root.manager
    ours = {
        name: (logger.disabled, logger.level, logger.propagate, list(logger.handlers))
        for name, logger in list(manager.loggerDict.items())
        if name.partition(".")[0] == "rainbench" and isinstance(logger, logging.Logger)
    }
    return manager.disable, ours


def _set_logging(
    before: tuple[int, dict[str, tuple[bool, int, bool, list[logging.Handler]]]],
) -> None:
    logging.disable(before[0])
    for name, (disabled, level, propagate, handlers) in before[1].items():
        logger = logging.getLogger(name)
        logger.disabled, logger.propagate, logger.handlers = disabled, propagate, list(handlers)
        logger.setLevel(level)


def _hide_handlers() -> tuple[list[Any], dict[str, Any]]:
    """Take the program's handlers out of logging's own lists, and return what these held.

    `logging.shutdown` and a new configuration close every handler that stands there: nothing would
    open them again.
    """
    listed, by_name = logging._handlerList, logging._handlers  # type: ignore[attr-defined]
    before = list(listed), dict(by_name)
    listed.clear()
    by_name.clear()
    return before


def _show_handlers(before: tuple[list[Any], dict[str, Any]]) -> None:
    listed, by_name = logging._handlerList, logging._handlers  # type: ignore[attr-defined]
    listed[:] = [*before[0], *(each for each in listed if each not in before[0])]
    by_name.update(before[1])


def _determinism() -> tuple[bool, bool]:
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled()


def _backends() -> tuple[bool, ...]:
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    return (
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cublas.allow_tf32,
        cublas.allow_fp16_reduced_precision_reduction,
        cublas.allow_bf16_reduced_precision_reduction,
    )  # fmt: skip


def _set_backends(state: tuple[bool, ...]) -> None:
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    (
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cublas.allow_tf32,
        cublas.allow_fp16_reduced_precision_reduction,
        cublas.allow_bf16_reduced_precision_reduction,
    ) = state  # fmt: skip


def _autocast() -> list[tuple[str, bool, torch.dtype]]:
    return [
        (kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
        for kind in ("cpu", "cuda")
    ]


def _set_autocast(before: list[tuple[str, bool, torch.dtype]]) -> None:
    for kind, enabled, dtype in before:
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)


def _set_hooks(before: list[dict[Any, Any]]) -> None:
    for hooks, known in zip(_GLOBAL_HOOKS, before, strict=True):
        hooks.clear()
        hooks.update(known)


def _set_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]


STATES: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (_folder, _go_to),
    (lambda: list(sys.path), lambda old: sys.path.__setitem__(
        slice(None), [*old, *(each for each in sys.path if each not in old)])),
    (lambda: dict(os.environ), _set_environment),
    (_umask, os.umask),
    (_limits, _set_limits),
    (_alarm, _set_alarm),
    (_handlers, _set_handlers),
    (_blocked, lambda old: signal.pthread_sigmask(signal.SIG_SETMASK, old)),
    (_logging, _set_logging),
    (_hide_handlers, _show_handlers),
    (lambda: list(warnings.filters), _set_filters),
    (lambda: locale.setlocale(locale.LC_ALL), lambda old: locale.setlocale(locale.LC_ALL, old)),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable()),
    (random.getstate, random.setstate),
    (np.geterr, lambda old: np.seterr(**old)),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, torch.set_default_device),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (_determinism, lambda old: torch.use_deterministic_algorithms(old[0], warn_only=old[1])),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (_backends, _set_backends),
    (_autocast, _set_autocast),
    (lambda: [dict(hooks) for hooks in _GLOBAL_HOOKS], _set_hooks),
)  # fmt: skip
"""For each part of the state how it is read, and how it is set when it has changed."""
