"""The arithmetic of a network's call: autocast, and the tf32 of NVIDIA cards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from rainbench.run.options import Precision

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextlib.contextmanager
def arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute in a precision; CUDA's tf32 is off in all others.

    Args:
        device: Where a network computes.
        precision: One that `rainbench.run.options.check_precision` allows there.

    Example:
        >>> with arithmetic(torch.device("cpu"), "bf16"):
        ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
        torch.bfloat16
    """
    with contextlib.ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(_tf32(precision == "tf32"))
        if precision in _AUTOCAST:
            stack.enter_context(torch.autocast(device.type, _AUTOCAST[precision]))
        yield


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Set both switches, and put them back: two networks of one process may differ."""
    parts: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [part.allow_tf32 for part in parts]
    try:
        for part in parts:
            part.allow_tf32 = allowed
        yield
    finally:
        for part, value in zip(parts, before, strict=True):
            part.allow_tf32 = value
