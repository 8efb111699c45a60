"""The scale space of SIAN: differences of Gaussians over the octaves of a feature map.

Each octave has six layers, blurred more and more; the next octave starts from the fourth of them,
max-pooled (SIAN, Eqs. 9 to 11). The factor between two layers is the cube root of 2, so that the
fourth is blurred twice as much as the first, which the paper does not say but its k^3 asks for.
The kernels are fixed, each channel is blurred on its own, and zeros lie beyond the border.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Blur = Literal["incremental", "literal"]
"""Where a layer comes from. "incremental": from the layer before it, blurred by what is missing,
as SIFT and the published code do it; the same kernels in every octave. "literal": from the first
layer, blurred by that layer's whole standard deviation, as Eq. 7 reads."""

Kernels = Literal["3x3", "full"]
"""How far a kernel reaches: one pixel, as published, whatever its standard deviation; or three
standard deviations."""

LAYERS, OCTAVES = 6, 3
"""Layers of an octave, and octaves (SIAN, Eqs. 9 to 12)."""

_SIGMA, _K = 1.6, 2 ** (1 / 3)
"""Blur of the first layer (the paper's), and the factor between layers (the published code's)."""

_ASSUMED_SIGMA = 0.5
"""Blur that an image is taken to have already, as in SIFT; what is left is the paper's 1.52."""

_NEXT_OCTAVE = 3
"""The layer, counted from 0, that the next octave starts from."""


class ScaleSpace(nn.Module):
    """The differences of Gaussians of a feature map, octave by octave.

    ``forward`` takes ``(N, C, H, W)`` and returns, for full, half and quarter resolution, the five
    differences of an octave's six layers as ``(N, 5 C, H / s, W / s)``, the finest first (Eq. 12).
    It has no parameters.

    Args:
        blur: See `Blur`.
        kernels: See `Kernels`.

    Raises:
        ValueError: `blur` or `kernels` is unknown.

    Example:
        >>> [tuple(dog.shape) for dog in ScaleSpace()(torch.zeros(1, 2, 9, 8))]
        [(1, 10, 9, 8), (1, 10, 4, 4), (1, 10, 2, 2)]
    """

    kernels: Tensor

    def __init__(self, *, blur: Blur = "incremental", kernels: Kernels = "3x3") -> None:
        super().__init__()
        for value, known in ((blur, get_args(Blur)), (kernels, get_args(Kernels))):
            if value not in known:
                raise ValueError(f"{value!r} is not one of {', '.join(known)}")
        self.incremental = blur == "incremental"
        steps = range(LAYERS - 1)
        if self.incremental:
            sigmas = [_SIGMA * _K**step * (_K**2 - 1) ** 0.5 for step in steps]
        else:
            sigmas = [_SIGMA * _K ** (step + 1) for step in steps]
        sigmas = [(_SIGMA**2 - _ASSUMED_SIGMA**2) ** 0.5, *sigmas]
        self.radii = [1 if kernels == "3x3" else math.ceil(3 * sigma) for sigma in sigmas]
        widest = max(self.radii)
        padded = [
            F.pad(gaussian_kernel(sigma, radius), [widest - radius] * 4)
            for sigma, radius in zip(sigmas, self.radii, strict=True)
        ]
        self.register_buffer("kernels", torch.stack(padded), persistent=False)

    def forward(self, features: Tensor) -> list[Tensor]:
        """Return the differences of each octave."""
        first = self._blurred(features, 0)
        octaves = []
        for octave in range(OCTAVES):
            layers = self.layers(first)
            differences = [coarse - fine for fine, coarse in pairwise(layers)]
            octaves.append(torch.cat(differences, 1))
            if octave + 1 < OCTAVES:
                first = F.max_pool2d(layers[_NEXT_OCTAVE], 2)
        return octaves

    def layers(self, first: Tensor) -> list[Tensor]:
        """Return the six layers of an octave, ``(N, C, h, w)`` each, from its first one."""
        layers = [first]
        for step in range(1, LAYERS):
            layers.append(self._blurred(layers[-1] if self.incremental else first, step))
        return layers

    def _blurred(self, features: Tensor, step: int) -> Tensor:
        channels, radius = features.shape[1], self.radii[step]
        margin = (self.kernels.shape[-1] - 1) // 2 - radius
        side = 2 * radius + 1
        kernel = self.kernels[step].narrow(0, margin, side).narrow(1, margin, side)
        kernel = kernel.to(features.dtype).expand(channels, 1, side, side)
        return F.conv2d(features, kernel, padding=radius, groups=channels)


def gaussian_kernel(sigma: float, radius: int = 1) -> Tensor:
    """Return a Gaussian over ``2 radius + 1`` pixels a side that sums to one.

    Example:
        >>> gaussian_kernel(1.0)[1, 1].item()
        0.20417...
    """
    squares = torch.arange(-radius, radius + 1, dtype=torch.float64).square()
    kernel = torch.exp(-(squares[:, None] + squares) / (2 * sigma**2))
    return (kernel / kernel.sum()).float()
