"""Blocks that several papers share: convolutions, the residual block, the recurrent units.

All of them take and return ``(N, C, H, W)`` and keep height and width. ReLUs work in place on the
fresh output of a convolution, which autograd allows and which saves a pass over memory.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv3(inputs: int, outputs: int, *, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps height and width (zero padding)."""
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=bias)


def mirrored(index: Tensor, length: int) -> Tensor:
    """Fold indices into ``0 ... length - 1`` by mirrors at both ends, as often as needed.

    The border is not repeated (``c b | a b c | b a``); an axis of one pixel repeats that.

    Example:
        >>> mirrored(torch.arange(-3, 6), 3)
        tensor([1, 2, 1, 0, 1, 2, 1, 0, 1])
    """
    if length == 1:
        return torch.zeros_like(index)
    folded = index.remainder(2 * (length - 1))
    return torch.minimum(folded, 2 * (length - 1) - folded)


class ConvReLU(nn.Module):
    """A 3x3 convolution and a ReLU: ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``.

    Example:
        >>> ConvReLU(6, 32)(torch.zeros(1, 6, 5, 7)).shape
        torch.Size([1, 32, 5, 7])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = conv3(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve and rectify."""
        return F.relu_(self.conv(features))


class ResidualBlock(nn.Module):
    """Two rectified convolutions, the input added, rectified again: ``(N, C, H, W)`` to the same.

    PReNet, BRN and SIAN publish it in this form: a ReLU stands *before and after* the sum, where
    the papers draw the usual block with none before it.

    Example:
        >>> ResidualBlock(4)(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3(channels, channels)
        self.conv2 = conv3(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``relu(relu(conv2(relu(conv1(x)))) + x)``."""
        residual = F.relu_(self.conv2(F.relu_(self.conv1(features))))
        if torch.is_grad_enabled():  # the ReLU before still needs its result
            return F.relu_(residual + features)
        return F.relu_(residual.add_(features))


class PlainResidualBlock(nn.Module):
    """Two convolutions, rectified between, and the input added: the block as papers draw it.

    ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``; nothing rectifies the sum. Where the channels
    change, a 1x1 convolution takes the input to the sum.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the result; None is as many.
        slope: What the rectifier leaves of negative values.

    Example:
        >>> PlainResidualBlock(4, 6)(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 6, 5, 7])
    """

    def __init__(self, inputs: int, outputs: int | None = None, *, slope: float = 0.0) -> None:
        super().__init__()
        outputs = inputs if outputs is None else outputs
        self.slope = slope
        self.conv1 = conv3(inputs, outputs)
        self.conv2 = conv3(outputs, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``conv2(act(conv1(x))) + shortcut(x)``."""
        inner = F.leaky_relu_(self.conv1(features), self.slope)
        residual: Tensor = self.conv2(inner)
        return residual.add_(self.shortcut(features))


class Repeated(nn.Module):
    """One block applied several times with the same weights: the recursive networks' ``f_res``.

    Example:
        >>> double = Repeated(nn.Identity(), times=5)
        >>> double(torch.ones(1)).item()
        1.0
    """

    def __init__(self, block: nn.Module, *, times: int) -> None:
        super().__init__()
        self.block = block
        self.times = times

    def forward(self, features: Tensor) -> Tensor:
        """Apply the block ``times`` times."""
        for _ in range(self.times):
            features = self.block(features)
        return features


class LSTMState(NamedTuple):
    """What a convolutional LSTM carries: ``hidden`` and ``cell``, ``(N, C, H, W)`` each."""

    hidden: Tensor
    cell: Tensor


class ConvLSTM(nn.Module):
    """A convolutional LSTM (Shi 2015, without peepholes), its four gates in one convolution.

    The gates convolve ``[features, hidden, other]`` and are stored in the order forget, input,
    output, candidate. At the first step, where the state is zero, the rows and columns of the
    weight that only meet zeros are left out. Without gradients on a CPU the step runs in strips
    of rows, see `_advance_in_strips`; the result is the same up to rounding.

    Args:
        inputs: Channels of the features.
        hidden: Channels of hidden state and cell.
        others: Channels of a further input to the gates, as BRN has it.

    Example:
        >>> unit = ConvLSTM(6, 4)
        >>> state = unit(torch.zeros(1, 6, 5, 7))
        >>> unit(torch.zeros(1, 6, 5, 7), state).hidden.shape
        torch.Size([1, 4, 5, 7])
    """

    strip_bytes = 4 * 1024 * 1024
    """How large the gates of one strip may be."""

    def __init__(self, inputs: int, hidden: int, *, others: int = 0) -> None:
        super().__init__()
        self.inputs = inputs
        self.hidden = hidden
        self.gates = conv3(inputs + hidden + others, 4 * hidden)

    def forward(
        self, features: Tensor, state: LSTMState | None = None, other: Tensor | None = None
    ) -> LSTMState:
        """Advance one step.

        Args:
            features: ``(N, inputs, H, W)``.
            state: The state of the step before; None is the zero state.
            other: ``(N, others, H, W)``; None is zeros.

        Returns:
            The new state; its ``hidden`` is the output.
        """
        bias = self.gates.bias
        assert bias is not None
        parts, weight = [features], [self.gates.weight[:, : self.inputs]]
        if state is not None:
            parts.append(state.hidden)
            weight.append(self.gates.weight[:, self.inputs : self.inputs + self.hidden])
        if other is not None:
            parts.append(other)
            weight.append(self.gates.weight[:, self.inputs + self.hidden :])
        rows = slice(self.hidden if state is None else 0, None)  # no cell, nothing to forget
        gates = _Gates(torch.cat(weight, 1)[rows], bias[rows])
        cell = None if state is None else state.cell
        exact = features.dtype in (torch.float32, torch.float64)
        if features.device.type == "cpu" and exact and not torch.is_grad_enabled():
            rows_per_strip = self.strip_bytes // max(1, gates.bytes_per_row(features))
            return _advance_in_strips(gates, parts, cell, max(1, rows_per_strip))
        return _advance(gates(parts), cell)


class _Gates(NamedTuple):
    """The 3x3 convolution of several feature maps, concatenated, to the gates."""

    weight: Tensor
    bias: Tensor

    def __call__(self, parts: list[Tensor]) -> Tensor:
        return F.conv2d(_joined(parts), self.weight, self.bias, padding=1)

    def of_rows(self, parts: list[Tensor], top: int, bottom: int) -> Tensor:
        """Return rows ``top`` to ``bottom`` of the gates, computed from these rows' neighbours."""
        height = parts[0].shape[2]
        strip = _joined([part[:, :, max(top - 1, 0) : bottom + 1] for part in parts])
        if top == 0 or bottom == height:
            strip = F.pad(strip, (0, 0, int(top == 0), int(bottom == height)))
        return F.conv2d(strip, self.weight, self.bias, padding=(0, 1))

    def bytes_per_row(self, features: Tensor) -> int:
        batch, _, _, width = features.shape
        return batch * width * self.bias.numel() * features.element_size()


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _advance(gates: Tensor, cell: Tensor | None) -> LSTMState:
    """Return the state after the gates ``(N, 4 C, H, W)``, or ``3 C`` when the cell is zero."""
    if cell is None:
        entering, leaving, candidate = gates.chunk(3, 1)
        cell = torch.sigmoid(entering) * torch.tanh(candidate)
    else:
        kept, entering, leaving, candidate = gates.chunk(4, 1)
        kept_cell = torch.sigmoid(kept) * cell
        cell = torch.addcmul(kept_cell, torch.sigmoid(entering), torch.tanh(candidate))
    return LSTMState(torch.sigmoid(leaving) * torch.tanh(cell), cell)


def _advance_in_strips(
    gates: _Gates, parts: list[Tensor], cell: Tensor | None, rows: int
) -> LSTMState:
    """Do what `_advance` does, a few rows at a time, so that a strip's gates stay in the cache.

    The gates of a whole image are four times as large as its features, and the time goes into
    fetching their memory. And ``tanh x = 2 sigmoid 2x - 1``: with the candidate's weights doubled,
    one sigmoid does for all gates, which is several times as fast as torch's tanh.
    """
    features = parts[0]
    height, hidden = features.shape[2], gates.bias.numel() // (3 if cell is None else 4)
    doubling = torch.ones_like(gates.bias)
    doubling[-hidden:] = 2
    doubled = _Gates(gates.weight * doubling[:, None, None, None], gates.bias * doubling)
    new = _empty_state(features, hidden)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        activated = doubled.of_rows(parts, top, bottom).sigmoid_()
        *kept, entering, leaving, candidate = torch.split(activated, hidden, 1)
        new_cell, new_hidden = new.cell[:, :, top:bottom], new.hidden[:, :, top:bottom]
        if cell is None:
            torch.neg(entering, out=new_cell)
        else:
            torch.mul(kept[0], cell[:, :, top:bottom], out=new_cell).sub_(entering)
        new_cell.addcmul_(entering, candidate, value=2)
        torch.mul(new_cell, 2, out=new_hidden).sigmoid_().mul_(2).sub_(1).mul_(leaving)
    return new


def _empty_state(features: Tensor, hidden: int) -> LSTMState:
    """Return room for a state of the features' size, layout and precision."""
    last = features.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    shape = (features.shape[0], hidden, *features.shape[2:])
    room = [torch.empty(shape, dtype=features.dtype, memory_format=layout) for _ in range(2)]
    return LSTMState(*room)
