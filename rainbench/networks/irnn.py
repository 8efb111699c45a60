"""The four-directional IRNN of SPANet: ReLU recurrences along columns and rows.

Along each direction, per channel, ``h_t = relu(w h_{t-1} + b + x_t)`` (SPANet, Eq. 5, which has
no bias). The published kernel starts at the border with ``h_0 = relu(x_0)``: neither weight nor
bias. How the steps are taken, line by line or in blocks of lines, is the business of
`recurrences`.
"""

from __future__ import annotations

from typing import Any, Literal  # the context of an autograd function has no type of its own

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rainbench.networks import recurrences

DIRECTIONS = ("up", "right", "down", "left")
"""Where a recurrence goes, in the order of the output's channel groups: "up" starts at the bottom
row, "right" at the first column, "down" at the top row, "left" at the last column."""


_PATHS = ((1, True), (2, False), (1, False), (2, True))
"""Along which axis of ``(N, H, W, ...)`` each direction goes, and whether backwards."""

Steps = Literal["auto", "lines", "blocks"]


class IRNN(nn.Module):
    """Recurrences in four directions: ``(N, C, H, W)`` to ``(N, 4 C, H, W)``.

    The output's channels are C for each of `DIRECTIONS`. The biases start at zero.

    Args:
        channels: C; each channel has one weight and one bias per direction.
        start: What the weights start at: 0.2 as published, where the paper says identity, 1.

    Attributes:
        steps: How the recurrences are computed, see `recurrences`: "lines", "blocks", or "auto",
            which is lines on a CPU and blocks on everything else.

    Example:
        >>> unit = IRNN(1)
        >>> unit(torch.ones(1, 1, 1, 3))[0, 1, 0]  # to the right
        tensor([1.0000, 1.2000, 1.2400], grad_fn=<SelectBackward0>)
    """

    steps: Steps = "auto"

    def __init__(self, channels: int, *, start: float = 0.2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((len(DIRECTIONS), channels), start))
        self.bias = nn.Parameter(torch.zeros(len(DIRECTIONS), channels))

    def forward(self, features: Tensor) -> Tensor:
        """Run the four recurrences, in the precision of the weights even under autocast."""
        on_cpu = features.device.type == "cpu"
        in_blocks = self.steps == "blocks" or (self.steps == "auto" and not on_cpu)
        hidden: Tensor = _Recurrences.apply(  # type: ignore[no-untyped-call]
            features.to(self.weight.dtype), self.weight, self.bias, in_blocks
        )
        return hidden


class _Recurrences(torch.autograd.Function):
    """All four recurrences in one buffer of shape ``(N, H, W, 4, C)``, in place."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        in_blocks: bool,
    ) -> Tensor:
        pixels = features.permute(0, 2, 3, 1)
        hidden = pixels.new_empty((*pixels.shape[:3], *weight.shape))
        torch.add(pixels[..., None, :], bias, out=hidden)
        for direction, (axis, backwards) in enumerate(_PATHS):
            border = -1 if backwards else 0
            lines = hidden[..., direction, :].movedim(axis, 0)
            lines[border].copy_(pixels.select(axis, border))
            recurrences.rectified(lines, weight[direction], backwards, in_blocks=in_blocks)
        ctx.save_for_backward(hidden, weight)
        ctx.in_blocks = in_blocks
        return hidden.flatten(3).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        hidden, weight = ctx.saved_tensors
        rates = (hidden > 0).to(hidden)
        grad = grad_hidden.permute(0, 2, 3, 1).reshape(hidden.shape) * rates
        rates.mul_(weight)
        grad_weight, grad_bias = torch.empty_like(weight), torch.empty_like(weight)
        for direction, (axis, backwards) in enumerate(_PATHS):
            lines, of_lines, states = (
                whole[..., direction, :].movedim(axis, 0) for whole in (grad, rates, hidden)
            )
            recurrences.linear(lines, of_lines, not backwards, in_blocks=ctx.in_blocks)
            inner, before = (lines[:-1], states[1:]) if backwards else (lines[1:], states[:-1])
            grad_weight[direction] = (inner * before).sum((0, 1, 2))
            grad_bias[direction] = inner.sum((0, 1, 2))
        return grad.sum(3).permute(0, 3, 1, 2), grad_weight, grad_bias, None
