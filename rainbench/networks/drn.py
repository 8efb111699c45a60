"""DRN (Cai et al., "Dual Recursive Network for Fast Image Deraining", ICIP 2019).

By authors of PReNet: one small residual network restores the image again and again, and within
each stage its two residual blocks are repeated, all with the same weights.

What the published code does that the paper does not say:

* The residual blocks have a ReLU before the sum as well as after it.
* The rainy image is added to the last convolution's result in every stage.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvReLU, ResidualBlock, conv3
from rainbench.networks.progressive import progress
from rainbench.networks.published import convert, layer


class DRN(nn.Module):
    """Dual recursive network: recursions of a stage, and recursions of blocks within it.

    10,595 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1] for the
    published weights, and returns one image per stage.

    Args:
        iterations: Number of stages.
        recursions: Times that the two blocks are applied within a stage.
        width: Channels of the features.

    Example:
        >>> restoration = DRN(iterations=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, len(restoration.stages)
        (torch.Size([1, 3, 17, 23]), 2)
    """

    def __init__(self, *, iterations: int = 7, recursions: int = 7, width: int = 16) -> None:
        super().__init__()
        self.iterations, self.recursions = iterations, recursions
        self.f_in = ConvReLU(6, width)
        self.f_res = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        self.f_out = conv3(width, 3)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        return progress(rainy, self.iterations, self._stage)

    def _stage(self, rainy: Tensor, restored: Tensor, _: None) -> tuple[Tensor, None]:
        features = self.f_in(torch.cat((rainy, restored), 1))
        for _turn in range(self.recursions):
            features = self.f_res(features)
        return rainy + self.f_out(features), None

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class; see `published.convert`."""
        plan = {**layer("f_in.conv", "conv0.0"), **layer("f_out", "conv.0")}
        for block in range(2):
            plan |= layer(f"f_res.{block}.conv1", f"res_conv{block + 1}.0")
            plan |= layer(f"f_res.{block}.conv2", f"res_conv{block + 1}.2")
        return convert(published, plan, "DRN")
