"""The units that carry RESCAN's features from stage to stage: none, RNN, GRU and LSTM.

Every unit takes the features of this stage and its state of the stage before (None at the first
stage), and returns its new state before activation. Its gates share one convolution of the
features, dilated, and one of the hidden state, which is not. ``width`` channels come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.blocks import conv3
from rainbench.networks.published import layer

UnitName = Literal["Conv", "RNN", "GRU", "LSTM"]


class UnitState(NamedTuple):
    """What a unit carries: ``hidden``, ``(N, width, H, W)``, and an LSTM's ``cell``, the same."""

    hidden: Tensor
    cell: Tensor | None = None


class ConvUnit(nn.Module):
    """A dilated convolution; it carries nothing."""

    def __init__(self, inputs: int, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = conv3(inputs, width, dilation=dilation)

    def forward(self, features: Tensor, _: UnitState | None = None) -> UnitState:
        """Advance one stage."""
        return UnitState(self.conv(features))

    @staticmethod
    def plan(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
        """Return which published keys make up ours (see `published.Plan`)."""
        return layer(f"{ours}.conv", f"{theirs}.conv")


class RNNUnit(nn.Module):
    """A plain recurrent unit: ``tanh(W_x x + W_h h)``."""

    def __init__(self, inputs: int, width: int, dilation: int) -> None:
        super().__init__()
        self.from_features = conv3(inputs, width, dilation=dilation)
        self.from_hidden = conv3(width, width)

    def forward(self, features: Tensor, state: UnitState | None = None) -> UnitState:
        """Advance one stage."""
        total = self.from_features(features)
        if state is not None:
            total = total + self.from_hidden(state.hidden)
        return UnitState(torch.tanh(total))

    @staticmethod
    def plan(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
        """Return which published keys make up ours (see `published.Plan`)."""
        plan = layer(f"{ours}.from_features", f"{theirs}.conv_x")
        return plan | layer(f"{ours}.from_hidden", f"{theirs}.conv_h")


class GRUUnit(nn.Module):
    """A gated recurrent unit; its gates stand in the order reset, update, candidate."""

    def __init__(self, inputs: int, width: int, dilation: int) -> None:
        super().__init__()
        self.width = width
        self.from_features = conv3(inputs, 3 * width, dilation=dilation)
        self.from_hidden = conv3(width, 2 * width)
        self.candidate_from_hidden = conv3(width, width)

    def forward(self, features: Tensor, state: UnitState | None = None) -> UnitState:
        """Advance one stage."""
        if state is None:  # nothing to reset
            update, candidate = _rows_from(self.width, self.from_features, features).chunk(2, 1)
            return UnitState(torch.sigmoid(update) * torch.tanh(candidate))
        gates = self.from_features(features)
        gated = torch.sigmoid(gates[:, : 2 * self.width] + self.from_hidden(state.hidden))
        reset, update = gated.chunk(2, 1)
        from_hidden = self.candidate_from_hidden(reset * state.hidden)
        candidate = torch.tanh(gates[:, 2 * self.width :] + from_hidden)
        return UnitState((1 - update) * state.hidden + update * candidate)

    @staticmethod
    def plan(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
        """Return which published keys make up ours (see `published.Plan`)."""
        plan = layer(f"{ours}.from_features", *(f"{theirs}.conv_x{gate}" for gate in "rzn"))
        plan |= layer(f"{ours}.from_hidden", *(f"{theirs}.conv_h{gate}" for gate in "rz"))
        return plan | layer(f"{ours}.candidate_from_hidden", f"{theirs}.conv_hn")


class LSTMUnit(nn.Module):
    """A long short-term memory; its gates: forget, input, output, candidate."""

    def __init__(self, inputs: int, width: int, dilation: int) -> None:
        super().__init__()
        self.width = width
        self.from_features = conv3(inputs, 4 * width, dilation=dilation)
        self.from_hidden = conv3(width, 4 * width)

    def forward(self, features: Tensor, state: UnitState | None = None) -> UnitState:
        """Advance one stage."""
        if state is None or state.cell is None:  # nothing to forget
            gates = _rows_from(self.width, self.from_features, features)
            entering, leaving, candidate = gates.chunk(3, 1)
            cell = torch.sigmoid(entering) * torch.tanh(candidate)
            return UnitState(torch.sigmoid(leaving) * cell, cell)  # published without the tanh
        gates = self.from_features(features) + self.from_hidden(state.hidden)
        kept, entering, leaving, candidate = gates.chunk(4, 1)
        cell = torch.sigmoid(kept) * state.cell + torch.sigmoid(entering) * torch.tanh(candidate)
        return UnitState(torch.sigmoid(leaving) * torch.tanh(cell), cell)

    @staticmethod
    def plan(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
        """Return which published keys make up ours (see `published.Plan`)."""
        plan = layer(f"{ours}.from_features", *(f"{theirs}.conv_x{gate}" for gate in "fioj"))
        return plan | layer(f"{ours}.from_hidden", *(f"{theirs}.conv_h{gate}" for gate in "fioj"))


UNITS: Mapping[str, type[ConvUnit] | type[RNNUnit] | type[GRUUnit] | type[LSTMUnit]] = {
    "Conv": ConvUnit,
    "RNN": RNNUnit,
    "GRU": GRUUnit,
    "LSTM": LSTMUnit,
}


def _rows_from(first: int, conv: nn.Conv2d, features: Tensor) -> Tensor:
    """Return the output channels of a convolution from ``first`` on."""
    assert conv.bias is not None
    return F.conv2d(
        features,
        conv.weight[first:],
        conv.bias[first:],
        padding=conv.padding,
        dilation=conv.dilation,
    )
