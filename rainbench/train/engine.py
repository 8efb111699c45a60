"""The devices of a training: one by itself, or several that a launcher has started."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from rainbench.core.errors import RainbenchError

Precision = Literal["fp32", "bf16"]


class Engine(Protocol):
    """What the loop needs of the devices.

    Attributes:
        device: Where this process computes.
        rank: Which of the processes this is; 0 writes files.
        processes: How many there are.
    """

    device: torch.device
    rank: int
    processes: int

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network as the loop calls it; its parameters stay where they are."""

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients, averaged over the processes."""

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over the processes."""

    def agree(self, value: float) -> float:
        """Return process 0's value in all of them."""


class OneDevice:
    """A single CPU or GPU.

    Example:
        >>> engine = OneDevice("cpu")
        >>> engine.processes, engine.agree(0.5)
        (1, 0.5)
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.rank, self.processes = 0, 1

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network itself."""
        return network

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients."""
        loss.backward()  # type: ignore[no-untyped-call]

    def mean(self, value: Tensor) -> Tensor:
        """Return the tensor itself."""
        return value

    def agree(self, value: float) -> float:
        """Return the value itself."""
        return value


class Accelerated:
    """One of several processes that ``accelerate launch`` or ``torchrun`` has started."""

    def __init__(self, device: str) -> None:
        try:
            from accelerate import Accelerator, DistributedDataParallelKwargs
            from accelerate.utils import broadcast
        except ImportError:
            raise RainbenchError(
                "this is one of several processes, and accelerate is not installed",
                hint="Install it with: pip install 'rainbench[train]'",
            ) from None
        # Some published networks have parameters that take no part in the result.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator: Any = Accelerator(
            cpu=device == "cpu", mixed_precision="no", kwargs_handlers=[unused]
        )
        self._broadcast: Callable[[Tensor], Tensor] = broadcast
        self.device: torch.device = self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.processes: int = self._accelerator.num_processes

    def prepare(self, network: nn.Module) -> nn.Module:
        """Wrap the network so that gradients are averaged over the processes."""
        wrapped: nn.Module = self._accelerator.prepare(network)
        return wrapped

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients, averaged over the processes."""
        self._accelerator.backward(loss)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over the processes."""
        reduced: Tensor = self._accelerator.reduce(value, reduction="mean")
        return reduced

    def agree(self, value: float) -> float:
        """Return process 0's value in all of them."""
        return float(self._broadcast(torch.tensor([value], device=self.device)))


def process_rank() -> int:
    """Return which of several processes this is, as the launcher says; 0 by itself.

    Example:
        >>> process_rank()
        0
    """
    return int(os.environ.get("RANK", "0"))


def make_engine(device: str) -> Engine:
    """Return the engine for how this process was started."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if ":" in device:
            raise RainbenchError(
                f"--device {device}: each of several processes has a card of its own",
                hint="Give --device cuda, and the cards with CUDA_VISIBLE_DEVICES.",
            )
        return Accelerated(device)
    return OneDevice(device)


def kept_bytes(forward: Callable[[], object]) -> int:
    """Return how many bytes a forward pass keeps for the backward one; parameters count, too.

    Example:
        >>> layer = nn.Linear(4, 4)
        >>> kept_bytes(lambda: layer(torch.zeros(1000, 4)).relu())  # the input and the output
        32000
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = forward()  # held until all is counted, so that no memory is taken for new one
    del result
    return sum(kept.values())


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a forward pass runs in a precision."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
