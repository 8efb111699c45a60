"""The parts of the DAiAM family: encoder, decoders, and the differential-driven module.

All of them keep height and width, whatever they are. What the paper leaves open is an argument
here; `rainbench.networks.daiam` describes the choices.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.blocks import (
    ConvLSTM,
    LSTMState,
    PlainResidualBlock,
    ResidualBlock,
    conv3,
)

Activation = Literal["tables", "text"]

_ENCODER_BLOCKS, _SLOPE = 3, 0.2
"""Residual blocks of the encoder, and the slope of the leaky ReLUs (Table 1)."""


def check_choice(name: str, value: str, choices: object) -> None:
    """Raise a ValueError unless a value is one of a ``Literal``'s.

    Example:
        >>> check_choice("activation", "sigmoid", Activation)
        Traceback (most recent call last):
        ValueError: activation is one of tables, text, not "sigmoid"
    """
    if value not in get_args(choices):
        raise ValueError(f'{name} is one of {", ".join(get_args(choices))}, not "{value}"')


def residual_block(channels: int, activation: Activation) -> nn.Module:
    """Return a residual block of Tables 1 to 3.

    Args:
        channels: Its channels.
        activation: ``tables``: a leaky ReLU of slope 0.2 between the two convolutions. ``text``:
            a ReLU after each convolution (Sec. 4.1) and, as in the blocks that it cites, after
            the sum.

    Example:
        >>> residual_block(4, "tables")(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 4, 5, 7])
    """
    if activation == "text":
        return ResidualBlock(channels)
    return PlainResidualBlock(channels, slope=_SLOPE)


class Encoder(nn.Module):
    """The encoder E (Fig. 3, Table 1): a convolution, three residual blocks, a recurrent layer.

    The recurrent layer runs over the same features again and again and carries its state; the
    output F is its last hidden state.

    Args:
        inputs: Channels of the images it sees.
        channels: Channels of F; the paper has 32.
        steps: Steps of the recurrent layer.
        activation: See `residual_block`.

    Example:
        >>> Encoder(3, 4, steps=2)(torch.zeros(1, 3, 5, 7)).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(
        self, inputs: int, channels: int, *, steps: int, activation: Activation = "tables"
    ) -> None:
        super().__init__()
        self.steps = steps
        self.conv = conv3(inputs, channels)
        self.blocks = nn.Sequential(
            *(residual_block(channels, activation) for _ in range(_ENCODER_BLOCKS))
        )
        self.lstm = ConvLSTM(channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features F, ``(N, channels, H, W)`` in (-1, 1)."""
        features = self.blocks(F.relu_(self.conv(images)))
        state: LSTMState = self.lstm(features)
        for _ in range(self.steps - 1):
            state = self.lstm(features, state)
        return state.hidden


class Decoder(nn.Module):
    """A decoder: D_heavy and D_light with five blocks (Table 2), D_global with two (Table 3).

    Args:
        inputs: Channels of what it sees.
        width: Channels of its blocks; the paper has 64.
        blocks: Number of residual blocks.
        steps: How often the blocks are applied, with the same weights.
        activation: See `residual_block`.

    Example:
        >>> Decoder(9, 4, blocks=2)(torch.zeros(1, 9, 5, 7)).shape
        torch.Size([1, 3, 5, 7])
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        blocks: int,
        steps: int = 1,
        activation: Activation = "tables",
    ) -> None:
        super().__init__()
        self.steps = steps
        self.conv1 = conv3(inputs, width)
        self.blocks = nn.Sequential(*(residual_block(width, activation) for _ in range(blocks)))
        self.conv2 = conv3(width, 3)

    def forward(self, seen: Tensor) -> Tensor:
        """Return an image, ``(N, 3, H, W)``."""
        features = F.relu_(self.conv1(seen))
        for _ in range(self.steps):
            features = self.blocks(features)
        image: Tensor = self.conv2(features)
        return image


class FilterNet(nn.Module):
    """A FilterNet (Fig. 6): a difference of images to a soft map, ``(N, 1, H, W)`` in (0, 1).

    Three convolutions with 2x2 kernels; the last row and column are repeated before each of them,
    so that the size is kept.

    Args:
        channels: Channels between the convolutions.
        kernel: Side of the kernels: 2, or 3 to follow "the size of all the kernels" of Sec. 4.1.

    Example:
        >>> FilterNet(4)(torch.zeros(1, 3, 5, 7)).shape
        torch.Size([1, 1, 5, 7])
    """

    def __init__(self, channels: int, *, kernel: int = 2) -> None:
        super().__init__()
        self.border = (kernel - 2, 1, kernel - 2, 1)
        self.conv1 = nn.Conv2d(3, channels, kernel)
        self.conv2 = nn.Conv2d(channels, channels, kernel)
        self.conv3 = nn.Conv2d(channels, 1, kernel)

    def forward(self, difference: Tensor) -> Tensor:
        """Return the soft map."""
        features = F.relu_(self.conv1(self._bordered(difference)))
        features = F.relu_(self.conv2(self._bordered(features)))
        return torch.sigmoid(self.conv3(self._bordered(features)))

    def _bordered(self, features: Tensor) -> Tensor:
        return F.pad(features, self.border, mode="replicate")


class Fused(NamedTuple):
    """What the differential-driven module hands to the next stage.

    Attributes:
        image: I_f, ``(N, 3, H, W)``.
        of_output: The soft map A that weights the stage's output, ``(N, 1, H, W)``.
        of_input: The soft map B that weights the rainy image.
    """

    image: Tensor
    of_output: Tensor
    of_input: Tensor


class DifferentialModule(nn.Module):
    """The differential-driven module (Fig. 6, Eq. 14): ``I_f = I_o^t A + w I_i B``.

    Args:
        channels: Channels of the FilterNets.
        input_weight: w.
        swap: False makes A of the difference between output and rainy image and B of that between
            output and the output before; True the other way round.
        kernel: See `FilterNet`.

    Example:
        >>> one = torch.rand(1, 3, 5, 7)
        >>> fused = DifferentialModule(4)(one, one, one)
        >>> torch.equal(fused.image, one * fused.of_output + 0.5 * one * fused.of_input)
        True
    """

    def __init__(
        self, channels: int, *, input_weight: float = 0.5, swap: bool = False, kernel: int = 2
    ) -> None:
        super().__init__()
        self.input_weight = input_weight
        self.swap = swap
        self.filter_output = FilterNet(channels, kernel=kernel)
        self.filter_input = FilterNet(channels, kernel=kernel)

    def forward(self, rainy: Tensor, output: Tensor, before: Tensor) -> Fused:
        """Fuse a stage's output with the rainy image.

        Args:
            rainy: I_i, ``(N, 3, H, W)``.
            output: I_o^t, the same shape.
            before: I_o^(t-1), the output of the stage before, the same shape.
        """
        differences = output - rainy, output - before
        to_rainy, to_before = reversed(differences) if self.swap else differences
        of_output, of_input = self.filter_output(to_rainy), self.filter_input(to_before)
        fused = output * of_output + self.input_weight * rainy * of_input
        return Fused(fused, of_output, of_input)
