"""What is found out about somebody's network by making it: its size, its work, what it holds."""

from __future__ import annotations

import contextlib
import dataclasses

import torch
from torch import nn

from rainbench.foreign.adapt import ImageFunction
from rainbench.foreign.held import state_hash
from rainbench.networks.isolation import isolated
from rainbench.networks.work import multiply_adds

SIDE = 64
"""Height and width in pixels of the picture on which work is counted."""


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


def call_once(adapted: nn.Module) -> None:
    """Call a network on a small picture, whatever comes of it.

    What it reads only when it is called is then known, see `rainbench.core.own_code.home`.
    """
    refusals = (Exception, SystemExit, GeneratorExit)
    with contextlib.suppress(*refusals), isolated(), torch.inference_mode():
        adapted(torch.full((1, 3, SIDE, SIDE), 0.5))


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
            for module in adapted.modules():  # batches of one have no variance
                module.training = False
            macs = multiply_adds(adapted, torch.full((1, 3, SIDE, SIDE), 0.5)) // SIDE**2
    return Counts(parameters, macs, held, isinstance(network, ImageFunction))
