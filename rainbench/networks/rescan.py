"""RESCAN (Li et al., "Recurrent Squeeze-and-Excitation Context Aggregation Net", ECCV 2018).

Rain is removed in four stages. In each, five layers of growing dilation aggregate context,
squeeze-and-excitation weights their channels, and a decoder predicts a rain layer; recurrent
units carry every layer's features to the next stage.

What the published code does that the paper does not say:

* Squeeze-and-excitation squeezes 24 channels to 6, because its "reduction" is used as a width; it
  is 6 here at every width of the network.
* The convolutions of the hidden state are not dilated, only those of the features are.
* The state that is kept is the one *after* squeeze-and-excitation and LeakyReLU, so a GRU mixes
  its activated state with the new candidate.
* The first stage uses no convolution of the hidden state, not even its bias, and in the LSTM it
  leaves out the tanh of the cell.
* The last convolution of the decoder is 1x1.
* In the additive mode a stage's rain is added to the rain before it, through which no gradient
  flows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.published import convert, layer
from rainbench.networks.rescan_units import UNITS, UnitName, UnitState

_DILATIONS = (1, 1, 2, 4, 8)
"""Dilations of the recurrent units of a stage, in order, as published."""

_SLOPE = 0.2
"""Of all LeakyReLUs, as published."""

_SQUEEZED = 6
"""Channels between the two layers of squeeze-and-excitation, as published; see above."""


class RESCAN(nn.Module):
    """Recurrent squeeze-and-excitation context aggregation net.

    149,823 parameters with the default GRU (LSTM 197,367, RNN 54,735, Conv 28,695; a GRU without
    squeeze-and-excitation 147,915). ``forward`` takes ``(N, 3, H, W)`` of any size; the published
    weights expect BGR in [0, 1]. ``maps`` holds the last stage's ``rain``; a stage's image plus
    its rain is the rainy image.

    Args:
        unit: What carries features from stage to stage; ``Conv`` carries nothing.
        mode: ``Full``: each stage predicts the whole rain layer. ``Add``: what the stages before
            have missed.
        squeeze_excitation: Whether channels are weighted.
        stages: Number of stages.
        width: Channels of the features.

    Raises:
        ValueError: The unit or the mode is unknown.

    Example:
        >>> restoration = RESCAN(unit="RNN", stages=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, len(restoration.stages)
        (torch.Size([1, 3, 17, 23]), 2)
    """

    def __init__(
        self,
        *,
        unit: UnitName = "GRU",
        mode: Literal["Full", "Add"] = "Full",
        squeeze_excitation: bool = True,
        stages: int = 4,
        width: int = 24,
    ) -> None:
        super().__init__()
        if unit not in UNITS:
            raise ValueError(f"unit is {unit!r}, not one of {', '.join(UNITS)}")
        if mode not in ("Full", "Add"):
            raise ValueError(f"mode is {mode!r}, neither Full nor Add")
        self.stages = stages
        self.additive = mode == "Add"
        inputs = (3, *[width] * (len(_DILATIONS) - 1))
        self.units = nn.ModuleList(
            UNITS[unit](channels, width, dilation)
            for channels, dilation in zip(inputs, _DILATIONS, strict=True)
        )
        excited = width if squeeze_excitation else 0
        self.excite = nn.ModuleList(_activation(excited) for _ in _DILATIONS)
        self.decode = nn.Sequential(
            conv3(width, width), _activation(excited), nn.Conv2d(width, 3, 1)
        )

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        restored, rain = rainy, None
        states: list[UnitState | None] = [None] * len(self.units)
        images = []
        for _ in range(self.stages):
            features = restored
            for index, (unit, excite) in enumerate(zip(self.units, self.excite, strict=True)):
                hidden, cell = unit(features, states[index])
                features = excite(hidden)
                states[index] = UnitState(features, cell)
            found = self.decode(features)
            rain = found + rain.detach() if self.additive and rain is not None else found
            restored = rainy - rain
            images.append(restored)
        return Restoration(restored, tuple(images), {} if rain is None else {"rain": rain})

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class, of any unit; see `published.convert`."""
        unit = UNITS["GRU"]
        for each in UNITS.values():  # no two have a published key in common
            if any(key in published for keys in each.plan("", "rnns.0").values() for key in keys):
                unit = each
        excited = any(".fc." in key for key in published)
        plan: dict[str, tuple[str, ...]] = {}
        for index in range(len(_DILATIONS)):
            plan |= unit.plan(f"units.{index}", f"rnns.{index}")
            plan |= _excitation_plan(f"excite.{index}.0", f"rnns.{index}.se") if excited else {}
        plan |= layer("decode.0", "dec.0") | layer("decode.2", "dec.3")
        plan |= _excitation_plan("decode.1.0", "dec.1") if excited else {}
        return convert(published, plan, "RESCAN")


class SqueezeExcitation(nn.Module):
    """Weights channels by what their means say: ``(N, width, H, W)`` to the same.

    Args:
        width: Channels of the features.

    Example:
        >>> SqueezeExcitation(24)(torch.zeros(1, 24, 5, 7)).shape
        torch.Size([1, 24, 5, 7])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, _SQUEEZED)
        self.excite = nn.Linear(_SQUEEZED, width)

    def forward(self, features: Tensor) -> Tensor:
        """Weight the channels."""
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(features.mean((2, 3))))))
        return features * weights[:, :, None, None]


def _activation(excited: int) -> nn.Sequential:
    """Return what follows a convolution: weights of ``excited`` channels, if any, and LeakyReLU."""
    leaky = nn.LeakyReLU(_SLOPE)
    return nn.Sequential(SqueezeExcitation(excited), leaky) if excited else nn.Sequential(leaky)


def _excitation_plan(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
    return layer(f"{ours}.squeeze", f"{theirs}.fc.0") | layer(f"{ours}.excite", f"{theirs}.fc.2")
