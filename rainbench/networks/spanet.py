"""SPANet (Wang et al., "Spatial Attentive Single-Image Deraining ...", CVPR 2019).

Three residual blocks extract features, four spatial attentive blocks (SAB) take the rain out of
them, two residual blocks reconstruct. A SAB is a spatial attentive module (SAM), which finds out
by two rounds of a four-directional IRNN where rain is, and three residual blocks whose residual is
weighted by that map. One SAM serves all four SABs.

What the published code does that the paper does not say, or says otherwise:

* The SAM's branch that weights the four directions is computed, and its product thrown away: it
  never had an effect or a gradient, 7,012 dead parameters of 283,716. ``gate=False`` reproduces
  that; ``gate=True`` weights the directions, as the paper has it, and needs its own training.
  ``gate=False, dead=False`` leaves the branch out.
* The IRNN has a bias, except on its first pixel (see `irnn`).
* Nothing rectifies between the first IRNN and the next convolution, nor before the second IRNN.
* The residual blocks are 1x1, 3x3 with dilation 2, 1x1 convolutions of 32 channels without bias,
  and the image is predicted directly.

The networks of the paper's Table 4 are arguments: `attention` "none" is B_a, whose blocks are
plain residual ones; "once" B_b, which takes the map of the first SAB for all four; "own" B_c, with
a SAM for each SAB; without the branch "shared" is B_d, with it B_e and B_f, which differ by their
losses. "Once" against "shared" is our reading of "only one SAM for four times" against "four SAMs
that share the same weights".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.irnn import DIRECTIONS, IRNN
from rainbench.networks.published import convert, layer

Attention = Literal["none", "once", "own", "shared"]

_BEFORE, _ATTENTIVE, _PER_SAB, _AFTER = 3, 4, 3, 2
"""Residual blocks before the SABs, SABs, residual blocks of each, and after them."""


class SPANet(nn.Module):
    """Spatial attentive network.

    283,716 parameters, of which 7,012 are dead as published (``gate=False``). ``forward`` takes
    ``(N, 3, H, W)`` of any size; the published weights expect BGR in [0, 1]. ``maps`` holds the
    attention maps, ``(N, 1, H, W)`` in (0, 1): ``attention``, the first SAB's, which is the one
    that is supervised by the rain mask, and, where they are maps of their own, ``attention_2`` to
    ``attention_4``.

    Args:
        width: Channels of the features.
        attention: Which SAMs there are: "shared" is one that looks at each SAB's features, "own"
            one for each SAB, "once" one whose first map serves all SABs; "none" is without.
        gate: Whether the weights of the four directions take effect, as the paper has it.
        dead: Whether the branch that makes these weights exists even where it has no effect, as
            published.
        irnn_start: What the weights of the IRNNs start at, see `irnn.IRNN`.

    Raises:
        ValueError: `attention` is none of the four, or `width` is too small to be halved.

    Example:
        >>> restoration = SPANet()(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["attention"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 1, 17, 23]))
    """

    def __init__(
        self,
        *,
        width: int = 32,
        attention: Attention = "shared",
        gate: bool = False,
        dead: bool = True,
        irnn_start: float = 0.2,
    ) -> None:
        super().__init__()
        if attention not in get_args(Attention):
            raise ValueError(f"attention is {attention!r}, not one of {get_args(Attention)}")
        if width < 2:
            raise ValueError(f"SPANet needs a width of at least 2, not {width}")

        def attend() -> SpatialAttention:
            return SpatialAttention(width, gate=gate, dead=dead, irnn_start=irnn_start)

        self.own = attention == "own"
        self.maps = {"none": 0, "once": 1}.get(attention, _ATTENTIVE)
        self.extract = conv3(3, width, bias=False)
        self.before = nn.Sequential(*(ResidualUnit(width) for _ in range(_BEFORE)))
        if attention in ("once", "shared"):
            self.attend = attend()
        elif attention == "own":
            self.attend_each = nn.ModuleList(attend() for _ in range(_ATTENTIVE))
        self.attentive = nn.ModuleList(ResidualUnit(width) for _ in range(_ATTENTIVE * _PER_SAB))
        self.after = nn.Sequential(*(ResidualUnit(width) for _ in range(_AFTER)))
        self.reconstruct = conv3(width, 3, bias=False)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        features = self.before(F.relu_(self.extract(rainy)))
        maps: dict[str, Tensor] = {}
        attention: Tensor | None = None
        for index, unit in enumerate(self.attentive):
            block, position = divmod(index, _PER_SAB)
            if position == 0 and block < self.maps:
                attend = self.attend_each[block] if self.own else self.attend
                attention = attend(features)
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

    ``relu(x + A * block(x))`` with the block 1x1, 3x3 dilated, 1x1. ``(N, C, H, W)`` to the same.

    Example:
        >>> ResidualUnit(8)(torch.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1, bias=False)
        self.conv2 = conv3(width, width, dilation=2, bias=False)
        self.conv3 = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, features: Tensor, attention: Tensor | None = None) -> Tensor:
        """Add the block's residual, weighted by ``attention``, ``(N, 1, H, W)``, if given."""
        residual = self.conv3(F.relu_(self.conv2(F.relu_(self.conv1(features)))))
        if attention is None:
            return F.relu_(features + residual)
        return F.relu_(torch.addcmul(features, residual, attention))


class SpatialAttention(nn.Module):
    """The spatial attentive module (SAM): features to the map of where rain is (Fig. 5).

    Args:
        width: Channels of the features.
        gate: Whether the weights of the four directions take effect.
        dead: Whether the branch that makes them exists even where they do not.
        irnn_start: What the weights of the IRNNs start at.

    Example:
        >>> SpatialAttention(8, gate=True)(torch.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 1, 5, 7])
    """

    def __init__(
        self, width: int, *, gate: bool, dead: bool = False, irnn_start: float = 0.2
    ) -> None:
        super().__init__()
        self.gate = gate
        if gate or dead:
            self.directions = nn.Sequential(
                conv3(width, width // 2),
                nn.ReLU(inplace=True),
                conv3(width // 2, width // 2),
                nn.ReLU(inplace=True),
                nn.Conv2d(width // 2, len(DIRECTIONS), 1),
                nn.Sigmoid(),
            )
        self.conv1 = conv3(width, width, bias=False)
        self.irnn1 = IRNN(width, start=irnn_start)
        self.conv2 = conv3(len(DIRECTIONS) * width, width, bias=False)
        self.irnn2 = IRNN(width, start=irnn_start)
        self.conv3 = conv3(len(DIRECTIONS) * width, width, bias=False)
        self.out = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the attention map, ``(N, 1, H, W)`` in (0, 1), of ``(N, width, H, W)``."""
        weights = self.directions(features) if self.gate else None
        context = self.conv2(_weighted(self.irnn1(self.conv1(features)), weights))
        context = self.conv3(_weighted(self.irnn2(context), weights))
        return torch.sigmoid(self.out(F.relu_(context)))


def _weighted(context: Tensor, weights: Tensor | None) -> Tensor:
    """Weight the four channel groups of ``(N, 4 C, H, W)`` by ``(N, 4, H, W)``, if given."""
    if weights is None:
        return context
    return context * weights.repeat_interleave(context.shape[1] // len(DIRECTIONS), 1)
