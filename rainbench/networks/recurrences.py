"""Recurrences along the first axis of a tensor, line by line or in blocks of lines.

Line by line is the definition: one step after the other, each over a whole line at once. It is
quickest on a CPU, but on an accelerator a step is a kernel or two that last some microseconds
whatever they do, and an image has thousands of steps.

In blocks, all blocks advance together, and what enters each of them is found first. A block's
steps make one function of what enters: a straight line for the linear recurrence; for the
rectified one a line that is cut off below and above, for composing such functions gives another,
whatever the weight's sign. A first pass finds these functions for all blocks at once. Composed by
doubling - each with its neighbour, each pair with its neighbouring pair - they tell what enters
every block after log2 rounds. A last pass takes the plain steps in all blocks at once. For L lines
this is some ``4 * 8 + 7 log2(L / 8)`` kernels instead of ``2 L``, and the result differs by the
roundings of what enters a block; the passes over memory are about two times as many, so blocks of
eight lines, not of two.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 8
"""Lines of a block. It is even, so that a block's function never falls, whatever the weight."""


def rectified(
    lines: Tensor, weight: Tensor, backwards: bool = False, *, in_blocks: bool = False
) -> None:
    """Turn ``x`` into ``h_t = relu(weight * h_{t-1} + x_t)`` in place, from ``h_{-1} = 0``.

    Args:
        lines: ``(L, ...)``, a view or not.
        weight: Broadcast against a line; any sign.
        backwards: Start at the last line.
        in_blocks: See the module's first lines.

    Example:
        >>> lines = torch.tensor([1.0, -3.0, 2.0, 2.0])
        >>> rectified(lines, torch.tensor(0.5))
        >>> lines
        tensor([1., 0., 2., 3.])
    """
    nothing = torch.zeros_like(lines[0])
    if not in_blocks or len(lines) < 2 * BLOCK:
        _take_rectified_steps(_in_order(lines, backwards), weight, nothing)
        return
    blocks = _split(lines, backwards)
    # In one tensor: the line's offset, and what comes out if zero or something huge enters.
    huge = _huge(lines)
    functions = torch.zeros((3, *blocks.steps[0].shape), dtype=lines.dtype, device=lines.device)
    functions[2] = huge
    for line in blocks.steps:
        torch.addcmul(line, functions, weight, out=functions)
        functions[1:].relu_()
    functions = blocks.ordered(functions, axis=1)
    entering = blocks.ordered(_composed(functions[0], functions[1:], weight**BLOCK, huge))
    _take_rectified_steps(blocks.steps, weight, entering)
    _take_rectified_steps(blocks.rest, weight, blocks.last_line())


def linear(
    lines: Tensor, rates: Tensor, backwards: bool = False, *, in_blocks: bool = False
) -> None:
    """Turn ``x`` into ``s_t = rates_t * s_{t-1} + x_t`` in place, from ``s_{-1} = 0``.

    Args:
        lines: ``(L, ...)``, a view or not.
        rates: Of the same shape; the first one in order has no effect.
        backwards: Start at the last line.
        in_blocks: See the module's first lines.

    Example:
        >>> lines = torch.tensor([1.0, -3.0, 2.0, 2.0])
        >>> linear(lines, torch.tensor([0.0, 1.0, 0.0, 2.0]))
        >>> lines
        tensor([ 1., -2.,  2.,  6.])
    """
    nothing = torch.zeros_like(lines[0])
    if not in_blocks or len(lines) < 2 * BLOCK:
        _take_linear_steps(_in_order(lines, backwards), _in_order(rates, backwards), nothing)
        return
    blocks, of_rates = _split(lines, backwards), _split(rates, backwards)
    offset = torch.zeros_like(blocks.steps[0])
    slope = torch.ones_like(offset)
    for line, rate in zip(blocks.steps, of_rates.steps, strict=True):
        torch.addcmul(line, offset, rate, out=offset)
        slope.mul_(rate)
    offset, slope = blocks.ordered(offset), blocks.ordered(slope)
    reach = 1
    while reach < len(offset):
        longer = torch.addcmul(offset[reach:], offset[:-reach], slope[reach:])
        steeper = slope[reach:] * slope[:-reach]
        offset[reach:], slope[reach:] = longer, steeper
        reach *= 2
    entering = torch.zeros_like(offset)
    entering[1:] = offset[:-1]
    _take_linear_steps(blocks.steps, of_rates.steps, blocks.ordered(entering))
    _take_linear_steps(blocks.rest, of_rates.rest, blocks.last_line())


def _composed(offset: Tensor, ends: Tensor, slope: Tensor, huge: float) -> Tensor:
    """Return what enters each block, ``(count, ...)``, if zero enters the first.

    A block's function of what enters is ``clamp(slope * h + offset, *ends)``, for h from 0 on.
    Slope and offset are cut off before they overflow, since infinity times zero is no number.

    Args:
        offset: ``(count, ...)``; overwritten.
        ends: ``(2, count, ...)``, the least and the largest value; overwritten.
        slope: The blocks' own, at least zero.
        huge: Where slope and offset are cut off.
    """
    ends[1, 0] = ends[0, 0]  # zero enters: the first block's function is this value
    reach = 1
    while reach < len(offset):
        slope = slope.clamp(max=huge)
        moved = torch.addcmul(offset[reach:], ends[:, :-reach], slope)
        moved = moved.clamp_(ends[0, reach:], ends[1, reach:])
        longer = torch.addcmul(offset[reach:], offset[:-reach], slope).clamp_(-huge, huge)
        ends[:, reach:], offset[reach:] = moved, longer
        slope, reach = slope.square(), 2 * reach
    entering = torch.zeros_like(offset)
    entering[1:] = ends[0, :-1]
    return entering


def _huge(lines: Tensor) -> float:
    """Return what no state of a sensible network reaches, but whose products do not overflow."""
    return float(torch.finfo(lines.dtype).max ** 0.45)


def _take_rectified_steps(lines: list[Tensor], weight: Tensor, state: Tensor) -> None:
    for line in lines:
        state = line.addcmul_(state, weight).relu_()


def _take_linear_steps(lines: list[Tensor], rates: list[Tensor], state: Tensor) -> None:
    for line, rate in zip(lines, rates, strict=True):
        state = line.addcmul_(state, rate)


class _Blocks(NamedTuple):
    """The lines of equally long blocks, and the lines that are left over.

    Attributes:
        steps: For each step within a block, the lines of all blocks, ``(count, ...)``, the blocks
            in their order in memory.
        rest: The last lines, which make no whole block, in the order of the steps.
        backwards: Whether the blocks follow each other backwards.
    """

    steps: list[Tensor]
    rest: list[Tensor]
    backwards: bool

    def ordered(self, of_blocks: Tensor, axis: int = 0) -> Tensor:
        """Return what there is per block from memory's order in the order of the steps, or back."""
        return of_blocks.flip(axis) if self.backwards else of_blocks

    def last_line(self) -> Tensor:
        """Return the last line of the last block."""
        return self.steps[-1][0 if self.backwards else -1]


def _split(lines: Tensor, backwards: bool) -> _Blocks:
    left = len(lines) % BLOCK
    whole, rest = (
        (lines[left:], lines[:left])
        if backwards
        else (lines[: len(lines) - left], lines[len(lines) - left :])
    )
    steps = _in_order(whole.view(-1, BLOCK, *whole.shape[1:]).movedim(1, 0), backwards)
    return _Blocks(steps, _in_order(rest, backwards), backwards)


def _in_order(lines: Tensor, backwards: bool) -> list[Tensor]:
    """Return the lines in the order of the steps: torch has no views with negative strides."""
    views = list(lines.unbind(0))
    return views[::-1] if backwards else views
