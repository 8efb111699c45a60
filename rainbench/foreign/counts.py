"""What is found out about somebody's network by making it: its size, its work, what it holds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from rainbench.foreign.adapt import ImageFunction
from rainbench.foreign.held import state_hash
from rainbench.networks.isolation import isolated


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """What is found out about a network by making it.

    Attributes:
        parameters: How many it has; 0 where it cannot be made.
        macs_per_pixel: Multiply-adds per input pixel; 0 where they cannot be counted.
        state: A hash of its parameters and buffers.
        is_function: Whether it is a function from an image to an image.
    """

    parameters: int = 0
    macs_per_pixel: int = 0
    state: str = ""
    is_function: bool = False


def count(network: nn.Module, adapted: nn.Module, *, state: bool = True) -> Counts:
    """Return what can be counted of a network, on a small picture.

    Args:
        network: The network itself.
        adapted: The same as it is called.
        state: Whether to hash what it holds, too.
    """
    parameters = sum(parameter.numel() for parameter in network.parameters())
    held = state_hash(network) if state and not isinstance(network, ImageFunction) else ""
    macs = 0
    if parameters:
        # Not in inference mode: there layers are not taken apart into what can be counted.
        with contextlib.suppress(Exception, SystemExit), isolated(), torch.no_grad():
            macs = _multiply_adds(adapted)
    return Counts(parameters, macs, held, isinstance(network, ImageFunction))


def _multiply_adds(network: nn.Module, side: int = 64) -> int:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    operations = 0

    class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """Keep PyTorch from loading its compiler, which takes seconds."""
            return False

        def __torch_dispatch__(
            self,
            func: Any,  # noqa: ANN401
            types: Sequence[type],
            args: tuple[object, ...] = (),
            kwargs: dict[str, object] | None = None,
        ) -> object:
            nonlocal operations
            result = func(*args, **(kwargs or {}))
            if counted := flop_registry.get(func._overloadpacket):
                operations += counted(*args, **(kwargs or {}), out_val=result)
            return result

    for module in network.modules():  # batches of one have no variance
        module.training = False
    with Counting():  # type: ignore[no-untyped-call]
        network(torch.full((1, 3, side, side), 0.5))
    return operations // 2 // side**2
