"""What the networks of the PReNet paper share: the loop over stages and the published keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import Repeated, ResidualBlock
from rainbench.networks.published import layer

State = TypeVar("State")
Stage = Callable[[Tensor, Tensor, State | None], tuple[Tensor, State]]
"""(rainy, restored, state) -> (restored, state); the state is None before the first stage."""

BLOCKS = 5
"""Residual blocks in ``f_res``, as published."""


def progress(rainy: Tensor, iterations: int, stage: Stage[State]) -> Restoration:
    """Run the stages one after the other, the rainy image standing in for the first result.

    Args:
        rainy: ``(N, 3, H, W)``.
        iterations: How many stages.
        stage: One stage; the same at every turn.

    Example:
        >>> import torch
        >>> halve = lambda rainy, restored, state: (restored / 2, state)
        >>> [image.item() for image in progress(torch.ones(1, 1, 1, 1), 3, halve).stages]
        [0.5, 0.25, 0.125]
    """
    stages = []
    restored = rainy
    state: State | None = None
    for _ in range(iterations):
        restored, state = stage(rainy, restored, state)
        stages.append(restored)
    return Restoration(restored, tuple(stages))


def residual_blocks(width: int = 32, *, repeated: bool = False) -> nn.Module:
    """Return ``f_res``: five residual blocks, or (repeated) one that is applied five times."""
    if repeated:
        return Repeated(ResidualBlock(width), times=BLOCKS)
    return nn.Sequential(*(ResidualBlock(width) for _ in range(BLOCKS)))


def plan(*, lstm: bool = False, recursive: bool = False) -> dict[str, tuple[str, ...]]:
    """Return which published keys make up ours (see `published.Plan`).

    Args:
        lstm: ``f_recurrent`` is a convolutional LSTM.
        recursive: ``f_res`` is one block, applied repeatedly.

    Example:
        >>> plan(lstm=True)["f_recurrent.gates.bias"]
        ('conv_f.0.bias', 'conv_i.0.bias', 'conv_o.0.bias', 'conv_g.0.bias')
    """
    parts = layer("f_in.conv", "conv0.0")
    if lstm:
        gates = [f"conv_{gate}.0" for gate in ("f", "i", "o", "g")]
        parts |= layer("f_recurrent.gates", *gates)
    for block in range(1 if recursive else BLOCKS):
        ours = "f_res.block" if recursive else f"f_res.{block}"
        parts |= layer(f"{ours}.conv1", f"res_conv{block + 1}.0")
        parts |= layer(f"{ours}.conv2", f"res_conv{block + 1}.2")
    return parts | layer("f_out", "conv.0")
