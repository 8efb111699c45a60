"""LPNet (Fu et al., "Lightweight Pyramid Networks for Image Deraining", TNNLS 2019).

The rainy image becomes a Laplacian pyramid of five levels; a tiny recursive network cleans each
level, the coarsest first, and the cleaned levels are put together again to an image (Sec. III).

What the published code does that the paper does not say:

* The pyramid is TensorFlow's: the image shrinks by a convolution with stride 2 whose zeros are
  laid as ``SAME`` lays them, the smaller half first, and grows by the transposed one. Borders are
  black, not mirrored.
* The middle one of the three convolutions that are repeated, and the last one, are 1x1.
* Every level is rectified after the coarser one was added to it.
* The weights of all levels are their own; the finer a level, the more channels: 1, 2, 4, 8, 16.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.published import from_tensorflow

LEVELS = 5
_SIDE = (0.0625, 0.25, 0.375, 0.25, 0.0625)
"""The blur of Burt and Adelson's pyramid, along one axis."""


class LPNet(nn.Module):
    """Lightweight pyramid network: five small recursive networks on a Laplacian pyramid.

    7,548 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1] for the
    published weights. ``maps`` holds the cleaned images of the coarser levels, ``level_1`` the
    coarsest.

    Args:
        recursions: Times that the convolutions of a level are repeated.

    Example:
        >>> restoration = LPNet()(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["level_1"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 3, 2, 2]))
    """

    kernel: Tensor

    def __init__(self, *, recursions: int = 5) -> None:
        super().__init__()
        side = torch.tensor(_SIDE)
        kernel = torch.outer(side, side).expand(3, 1, 5, 5).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)
        self.subnets = nn.ModuleList(_Subnet(2**level, recursions) for level in range(LEVELS))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        images: list[Tensor] = []
        for level, subnet in zip(self.pyramid(rainy), self.subnets, strict=True):
            cleaned = subnet(level)
            if images:
                cleaned = cleaned + self._enlarged(images[-1], level)
            images.append(F.relu(cleaned))
        maps = {f"level_{number}": image for number, image in enumerate(images[:-1], start=1)}
        return Restoration(images[-1], (images[-1],), maps)

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Return the Laplacian pyramid of ``(N, 3, H, W)``, the coarsest level first."""
        levels = []
        for _ in range(LEVELS - 1):
            smaller = F.conv2d(F.pad(image, _same(image)), self.kernel, stride=2, groups=3)
            levels.append(image - self._enlarged(smaller, image))
            image = smaller
        return [image, *reversed(levels)]

    def _enlarged(self, image: Tensor, like: Tensor) -> Tensor:
        """Return an image of twice the size: the transpose of shrinking, brightness kept."""
        full = F.conv_transpose2d(image, 4 * self.kernel, stride=2, groups=3)
        left, _, top, _ = _same(like)
        height, width = like.shape[-2:]
        return full[..., top : top + height, left : left + width]

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the variables of the published checkpoint; see `published.from_tensorflow`."""
        plan: dict[str, tuple[str, ...]] = {}
        for level in range(LEVELS):
            for number in range(5):
                ours, theirs = f"subnets.{level}.conv{number}", f"inference/subnet{level + 1}"
                plan[f"{ours}.weight"] = (f"{theirs}/weights_{number}",)
                plan[f"{ours}.bias"] = (f"{theirs}/biases_{number}",)
        return from_tensorflow(published, plan, "LPNet")


class _Subnet(nn.Module):
    """The network of one level: ``(N, 3, H, W)`` to the same."""

    def __init__(self, channels: int, recursions: int) -> None:
        super().__init__()
        self.recursions = recursions
        self.conv0 = conv3(3, channels)
        self.conv1 = conv3(channels, channels)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.conv3 = conv3(channels, channels)
        self.conv4 = nn.Conv2d(channels, 3, 1)

    def forward(self, level: Tensor) -> Tensor:
        """Clean a level of the pyramid."""
        first = features = F.leaky_relu(self.conv0(level), 0.2)
        for _ in range(self.recursions):
            for conv in (self.conv1, self.conv2, self.conv3):
                features = F.leaky_relu(conv(features), 0.2)
            features = features + first
        cleaned: Tensor = self.conv4(features) + level
        return cleaned


def _same(image: Tensor) -> tuple[int, int, int, int]:
    """Return TensorFlow's padding ``SAME`` for a kernel of 5 and a stride of 2."""
    before_after = []
    for length in (image.shape[-1], image.shape[-2]):
        total = max((-(-length // 2) - 1) * 2 + 5 - length, 0)
        before_after += [total // 2, total - total // 2]
    left, right, top, bottom = before_after
    return left, right, top, bottom
