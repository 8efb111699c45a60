"""The blocks of DID-MDN: dense blocks, streams of six of them, the pyramid behind the streams."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.blocks import conv3

Statistics = Literal["image", "stored"]

POOLS = (32, 16, 8, 4)
"""Sides of the pyramid's pools."""


class OwnNorm(nn.BatchNorm2d):
    """A norm by the features' own statistics over each image, while training over the batch.

    Example:
        >>> normed = OwnNorm(2).eval()(torch.rand(1, 2, 9, 9))
        >>> bool((normed.mean((2, 3)).abs() < 1e-5).all())
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise."""
        if self.training:
            return super().forward(features)
        return F.instance_norm(features, weight=self.weight, bias=self.bias, eps=self.eps)


def norm_of(statistics: Statistics) -> type[nn.Module]:
    """Return the class of norms by the statistics of images, or by those of a training."""
    return OwnNorm if statistics == "image" else nn.BatchNorm2d


def leaky(features: Tensor) -> Tensor:
    """Return features of which the negative are a fifth."""
    return F.leaky_relu(features, 0.2)


def map_of(label: Tensor, image: Tensor, channels: int) -> Tensor:
    """Return the label of each image as so many maps."""
    return label[:, None, None, None].expand(-1, channels, *image.shape[-2:])


class Bottleneck(nn.Module):
    """Norm, ReLU, 1x1, norm, ReLU and a convolution, beside what came in."""

    def __init__(self, inputs: int, new: int, size: int, norm: type[nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(4 * new)
        self.conv1 = nn.Conv2d(inputs, 4 * new, 1, bias=False)
        self.conv2 = nn.Conv2d(4 * new, new, size, padding=size // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(N, inputs + new, H, W)``."""
        inner = self.conv1(F.relu(self.norm1(features)))
        return torch.cat((features, self.conv2(F.relu(self.norm2(inner)))), 1)


class Transition(nn.Module):
    """Norm, ReLU, 1x1, then half, the same or twice the size."""

    def __init__(self, inputs: int, outputs: int, scale: int, norm: type[nn.Module]) -> None:
        super().__init__()
        self.norm, self.scale = norm(inputs), scale
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(N, outputs, ...)``."""
        found: Tensor = self.conv(F.relu(self.norm(features)))
        if self.scale < 0:
            return F.avg_pool2d(found, 2)
        return F.interpolate(found, scale_factor=2.0) if self.scale else found


class Stream(nn.Module):
    """Six blocks, the fourth and fifth joined with the second and first.

    Args:
        size: Side of the kernels.
        blocks: Of each block the channels in, new and out, and whether it halves (-1), keeps (0)
            or doubles (1) the size.
        joined: Channels are put side by side, or added.
        norm: Class of the norms.
    """

    def __init__(
        self,
        size: int,
        blocks: tuple[tuple[int, int, int, int], ...],
        joined: Literal["beside", "added"],
        norm: type[nn.Module],
    ) -> None:
        super().__init__()
        self.joined = joined
        self.blocks = nn.ModuleList(
            nn.Sequential(
                Bottleneck(inputs, new, size, norm), Transition(inputs + new, outputs, scale, norm)
            )
            for inputs, new, outputs, scale in blocks
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of the first block and of the last."""
        found: list[Tensor] = []
        features = image
        for number, block in enumerate(self.blocks):
            if number >= 4:
                other = found[5 - number]
                beside = self.joined == "beside"
                features = torch.cat((features, other), 1) if beside else features + other
            features = block(features)
            found.append(features)
        return found[0], features


class Head(nn.Module):
    """From features to three channels, with a pyramid of pools beside them.

    Args:
        inputs: Channels that come in.
        width: Channels of the features.
        pooled: Channels of each pool.
    """

    def __init__(self, inputs: int, width: int, pooled: int) -> None:
        super().__init__()
        self.features = conv3(inputs, width)
        self.pools = nn.ModuleList(nn.Conv2d(width, pooled, 1) for _ in POOLS)
        self.out = conv3(width + len(POOLS) * pooled, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``(N, 3, H, W)`` in -1 to 1."""
        features = leaky(self.features(inputs))
        size = features.shape[-2:]
        pyramid = [
            F.interpolate(leaky(conv(F.avg_pool2d(features, pool))), size)
            for pool, conv in zip(POOLS, self.pools, strict=True)
        ]
        return torch.tanh(self.out(torch.cat((*pyramid, features), 1)))
