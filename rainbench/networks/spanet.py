"""SPANet (Wang et al., "Spatial Attentive Single-Image Deraining ...", CVPR 2019).

Three residual blocks extract features, four spatial attentive blocks (SAB) take the rain out of
them, two residual blocks reconstruct. A SAB is a spatial attentive module (SAM), which finds out
by two rounds of a four-directional IRNN where rain is, and three residual blocks whose residual is
weighted by that map. One SAM serves all four SABs.

What the published code does that the paper does not say, or says otherwise:

* The SAM's branch that weights the four directions is computed, and its product thrown away: it
  never had an effect or a gradient, 7,012 dead parameters of 283,716. ``gate=False`` reproduces
  that; ``gate=True`` weights the directions, as the paper has it, and needs its own training.
* The IRNN has a bias, except on its first pixel (see `irnn`).
* Nothing rectifies between the first IRNN and the next convolution, nor before the second IRNN.
* The residual blocks are 1x1, 3x3 with dilation 2, 1x1 convolutions of 32 channels without bias,
  and the image is predicted directly.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.irnn import DIRECTIONS, IRNN
from rainbench.networks.published import convert, layer

_CHANNELS = 32
_BEFORE, _ATTENTIVE, _PER_SAB, _AFTER = 3, 4, 3, 2


class SPANet(nn.Module):
    """Spatial attentive network.

    283,716 parameters, of which 7,012 are dead as published (``gate=False``). ``forward`` takes
    ``(N, 3, H, W)`` of any size; the published weights expect BGR in [0, 1]. ``maps`` holds the
    attention maps, ``(N, 1, H, W)`` in (0, 1): ``attention``, the first SAB's, which is the one
    that is supervised by the rain mask, and ``attention_2`` to ``attention_4``.

    Args:
        gate: Whether the weights of the four directions take effect, as the paper has it.

    Example:
        >>> restoration = SPANet()(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["attention"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 1, 17, 23]))
    """

    def __init__(self, *, gate: bool = False) -> None:
        super().__init__()
        self.extract = conv3(3, _CHANNELS, bias=False)
        self.before = nn.Sequential(*(ResidualUnit() for _ in range(_BEFORE)))
        self.attend = SpatialAttention(gate=gate)
        self.attentive = nn.ModuleList(ResidualUnit() for _ in range(_ATTENTIVE * _PER_SAB))
        self.after = nn.Sequential(*(ResidualUnit() for _ in range(_AFTER)))
        self.reconstruct = conv3(_CHANNELS, 3, bias=False)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        features = self.before(F.relu_(self.extract(rainy)))
        maps = {}
        for index, unit in enumerate(self.attentive):
            block, position = divmod(index, _PER_SAB)
            if position == 0:
                attention = self.attend(features)
                maps["attention" if block == 0 else f"attention_{block + 1}"] = attention
            features = unit(features, attention)
        image = self.reconstruct(self.after(features))
        return Restoration(image, (image,), maps)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class; see `published.convert`."""
        plan = layer("extract", "conv_in.0", bias=False)
        for name, published_name in (("conv1", "conv_in"), ("conv2", "conv2"), ("conv3", "conv3")):
            plan |= layer(f"attend.{name}", f"SAM1.{published_name}", bias=False)
        for turn in ("irnn1", "irnn2"):
            sources = [f"SAM1.{turn}.{direction}_weight" for direction in DIRECTIONS]
            plan |= layer(f"attend.{turn}", *sources)
        for ours, theirs in enumerate(("conv1", "conv2", "conv3")):
            plan |= layer(f"attend.directions.{2 * ours}", f"SAM1.attention_layer.{theirs}")
        plan |= layer("attend.out", "SAM1.conv_out", bias=False)
        middle = _ATTENTIVE * _PER_SAB
        groups = (("before", _BEFORE), ("attentive", middle), ("after", _AFTER))
        names = [f"{group}.{index}" for group, count in groups for index in range(count)]
        for number, name in enumerate(names, start=1):
            for conv in ("conv1", "conv2", "conv3"):
                theirs = f"res_block{number}.group1.{conv}"
                plan |= layer(f"{name}.{conv}", theirs, bias=False)
        plan |= layer("reconstruct", "conv_out.0", bias=False)

        converted = convert(published, plan, "SPANet")
        for turn in ("irnn1", "irnn2"):
            for kind in ("weight", "bias"):
                key = f"attend.{turn}.{kind}"
                converted[key] = converted[key].reshape(len(DIRECTIONS), -1)
        return converted


class ResidualUnit(nn.Module):
    """A residual block of SPANet, weighted by the attention map in a SAB.

    ``relu(x + A * block(x))`` with the block 1x1, 3x3 dilated, 1x1: ``(N, 32, H, W)`` to the same.

    Example:
        >>> ResidualUnit()(torch.zeros(1, 32, 5, 7)).shape
        torch.Size([1, 32, 5, 7])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(_CHANNELS, _CHANNELS, 1, bias=False)
        self.conv2 = conv3(_CHANNELS, _CHANNELS, dilation=2, bias=False)
        self.conv3 = nn.Conv2d(_CHANNELS, _CHANNELS, 1, bias=False)

    def forward(self, features: Tensor, attention: Tensor | None = None) -> Tensor:
        """Add the block's residual, weighted by ``attention``, ``(N, 1, H, W)``, if given."""
        residual = self.conv3(F.relu_(self.conv2(F.relu_(self.conv1(features)))))
        if attention is None:
            return F.relu_(features + residual)
        return F.relu_(torch.addcmul(features, residual, attention))


class SpatialAttention(nn.Module):
    """The spatial attentive module (SAM): features to the map of where rain is (Fig. 5).

    Args:
        gate: Whether the weights of the four directions take effect.

    Example:
        >>> SpatialAttention(gate=True)(torch.zeros(1, 32, 5, 7)).shape
        torch.Size([1, 1, 5, 7])
    """

    def __init__(self, *, gate: bool) -> None:
        super().__init__()
        self.gate = gate
        half = _CHANNELS // 2
        self.directions = nn.Sequential(
            conv3(_CHANNELS, half),
            nn.ReLU(inplace=True),
            conv3(half, half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, len(DIRECTIONS), 1),
            nn.Sigmoid(),
        )
        self.conv1 = conv3(_CHANNELS, _CHANNELS, bias=False)
        self.irnn1 = IRNN(_CHANNELS)
        self.conv2 = conv3(len(DIRECTIONS) * _CHANNELS, _CHANNELS, bias=False)
        self.irnn2 = IRNN(_CHANNELS)
        self.conv3 = conv3(len(DIRECTIONS) * _CHANNELS, _CHANNELS, bias=False)
        self.out = nn.Conv2d(_CHANNELS, 1, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the attention map, ``(N, 1, H, W)`` in (0, 1), of ``(N, 32, H, W)``."""
        weights = self.directions(features) if self.gate else None
        context = self.conv2(_weighted(self.irnn1(self.conv1(features)), weights))
        context = self.conv3(_weighted(self.irnn2(context), weights))
        return torch.sigmoid(self.out(F.relu_(context)))


def _weighted(context: Tensor, weights: Tensor | None) -> Tensor:
    """Weight the four channel groups of ``(N, 4 C, H, W)`` by ``(N, 4, H, W)``, if given."""
    if weights is None:
        return context
    return context * weights.repeat_interleave(context.shape[1] // len(DIRECTIONS), 1)
