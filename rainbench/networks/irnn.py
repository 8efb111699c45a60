"""The four-directional IRNN of SPANet: ReLU recurrences along columns and rows.

Along each direction, per channel, ``h_t = relu(w h_{t-1} + b + x_t)`` (SPANet, Eq. 5, which has
no bias). The published kernel starts at the border with ``h_0 = relu(x_0)``: neither weight nor
bias. A step covers a whole line of pixels, for all other axes at once.
"""

from __future__ import annotations

from typing import Any  # the context of an autograd function has no type of its own

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

DIRECTIONS = ("up", "right", "down", "left")
"""Where a recurrence goes, in the order of the output's channel groups: "up" starts at the bottom
row, "right" at the first column, "down" at the top row, "left" at the last column."""


_STARTS = ((1, -1), (2, 0), (1, 0), (2, -1))
"""Along which axis of ``(N, H, W, ...)`` each direction goes, and where it starts."""


class IRNN(nn.Module):
    """Recurrences in four directions: ``(N, C, H, W)`` to ``(N, 4 C, H, W)``.

    The output's channels are C for each of `DIRECTIONS`. The biases start at zero.

    Args:
        channels: C; each channel has one weight and one bias per direction.
        start: What the weights start at: 0.2 as published, where the paper says identity, 1.

    Example:
        >>> unit = IRNN(1)
        >>> unit(torch.ones(1, 1, 1, 3))[0, 1, 0]  # to the right
        tensor([1.0000, 1.2000, 1.2400], grad_fn=<SelectBackward0>)
    """

    def __init__(self, channels: int, *, start: float = 0.2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((len(DIRECTIONS), channels), start))
        self.bias = nn.Parameter(torch.zeros(len(DIRECTIONS), channels))

    def forward(self, features: Tensor) -> Tensor:
        """Run the four recurrences, in the precision of the weights even under autocast."""
        hidden: Tensor = _Recurrences.apply(  # type: ignore[no-untyped-call]
            features.to(self.weight.dtype), self.weight, self.bias
        )
        return hidden


class _Recurrences(torch.autograd.Function):
    """All four recurrences in one buffer of shape ``(N, H, W, 4, C)``, in place."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401
        pixels = features.permute(0, 2, 3, 1)
        hidden = pixels.new_empty((*pixels.shape[:3], *weight.shape))
        torch.add(pixels[..., None, :], bias, out=hidden)
        for direction, lines in enumerate(_lines(hidden)):
            axis, first = _STARTS[direction]
            previous = lines[0].copy_(pixels.select(axis, first)).relu_()
            for line in lines[1:]:
                previous = line.addcmul_(previous, weight[direction]).relu_()
        ctx.save_for_backward(hidden, weight)
        return hidden.flatten(3).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
        hidden, weight = ctx.saved_tensors
        passed = (hidden > 0).to(hidden)
        grad = grad_hidden.permute(0, 2, 3, 1).reshape(hidden.shape) * passed
        grad_weight = torch.zeros_like(weight)
        grad_bias = torch.zeros_like(weight)
        for direction, (lines, open_lines, states) in enumerate(
            zip(_lines(grad), _lines(passed), _lines(hidden), strict=True)
        ):
            for step in range(len(lines) - 1, 0, -1):
                to_previous = lines[step] * weight[direction]
                lines[step - 1].addcmul_(to_previous, open_lines[step - 1])
                grad_weight[direction] += (lines[step] * states[step - 1]).sum((0, 1))
                grad_bias[direction] += lines[step].sum((0, 1))
        return grad.sum(3).permute(0, 3, 1, 2), grad_weight, grad_bias


def _lines(hidden: Tensor) -> list[tuple[Tensor, ...]]:
    """Return, per direction, the views of ``(N, H, W, 4, C)`` in the order of its steps."""
    lines = []
    for direction in range(4):
        axis, first = _STARTS[direction]
        views = hidden[..., direction, :].unbind(axis)
        lines.append(views if first == 0 else views[::-1])
    return lines
