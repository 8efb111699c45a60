"""Copies between the machine's memory and a device's that go on while the device computes.

All that the pipeline knows of streams, events and pinned memory is `Transfers`. The CPU backend
does the same at once, so that the pipeline is tested where there is no GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Transfers(Protocol):
    """Copies to and from a device, in the order of its computing but beside it."""

    def upload(self, picture: NDArray[Any]) -> Callable[[], Tensor]:
        """Begin to copy an array up, in any thread.

        Returns:
            What gives the tensor to the computing that follows, which waits for the copy; the
            caller does not.
        """

    def download(self, tensor: Tensor) -> Callable[[], NDArray[Any]]:
        """Begin to copy a tensor down, as soon as the computing so far is done.

        Returns:
            What waits for the copy and returns it.
        """

    def mark(self) -> object:
        """Return a mark of this place in the computing."""

    def seconds(self, first: object, last: object) -> float:
        """Return the time between two marks that the computing has passed."""


class CpuTransfers:
    """The CPU backend: every copy is done when it is asked for.

    Example:
        >>> transfers = CpuTransfers()
        >>> tensor = transfers.upload(np.array([1, 2], np.uint8))()
        >>> transfers.download(tensor + 1)().tolist()
        [2, 3]
    """

    def upload(self, picture: NDArray[Any]) -> Callable[[], Tensor]:
        """Take an array as it is."""
        tensor = torch.from_numpy(np.ascontiguousarray(picture))
        return lambda: tensor

    def download(self, tensor: Tensor) -> Callable[[], NDArray[Any]]:
        """Copy a tensor: what is computed later must not change it."""
        copied: NDArray[Any] = tensor.clone(memory_format=torch.contiguous_format).numpy()
        return lambda: copied

    def mark(self) -> object:
        """Return the time."""
        return time.perf_counter()

    def seconds(self, first: object, last: object) -> float:
        """Return the difference of two times."""
        assert isinstance(first, float) and isinstance(last, float)
        return last - first


class CudaTransfers:
    """Copies on two streams of their own, from and to pinned memory.

    Args:
        device: ``cuda`` or ``cuda:N``.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._up = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._down = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def upload(self, picture: NDArray[Any]) -> Callable[[], Tensor]:
        """Begin to copy an array up."""
        # The allocator of pinned memory keeps it until the copies from it are done.
        pinned = torch.from_numpy(np.ascontiguousarray(picture)).pin_memory()
        with torch.cuda.stream(self._up):
            tensor = pinned.to(self._device, non_blocking=True)
            copied = self._up.record_event()

        def arrived() -> Tensor:
            computing = torch.cuda.current_stream(self._device)
            computing.wait_event(copied)
            tensor.record_stream(computing)
            return tensor

        return arrived

    def download(self, tensor: Tensor) -> Callable[[], NDArray[Any]]:
        """Begin to copy a tensor down."""
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._down.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._down):
            pinned.copy_(tensor, non_blocking=True)
            copied = self._down.record_event()
        tensor.record_stream(self._down)

        def arrived() -> NDArray[Any]:
            copied.synchronize()
            found: NDArray[Any] = pinned.numpy()
            return found

        return arrived

    def mark(self) -> object:
        """Record an event on the stream that computes."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, first: object, last: object) -> float:
        """Return the time between two events."""
        assert isinstance(first, torch.cuda.Event) and isinstance(last, torch.cuda.Event)
        return float(first.elapsed_time(last)) / 1000
