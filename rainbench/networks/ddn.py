"""DDN (Fu et al., "Removing Rain from Single Images via a Deep Detail Network", CVPR 2017).

A guided filter splits the image into a base and a detail layer; a residual network of 26 layers
looks at the detail layer alone, where there is little but edges and rain, and says what to add to
the image (Sec. 3).

The authors published three networks under this name, and all of them are quoted:

=====  =======================================  =================================  ==============
Form   Release                                  Statistics of the normalisation    Blocks
=====  =======================================  =================================  ==============
A      TensorFlow, 2017; the code of SIRR, too  of the image itself                convolution
                                                                                   first
B      TensorFlow, 2018                         stored, as usual                   the same
C      MATLAB, 2017: `ddn_preactivation`        stored                             norm first
=====  =======================================  =================================  ==============

What the published code does that the paper does not say:

* Form A has no stored statistics. Mean and variance are those of the batch at hand, when training
  and when testing: a part of an image, a padded image, or another image beside it gives another
  result.
* The residual is added to the image, not to its base.
* Nothing rectifies the sum at the end of a block, and the last layer has a norm, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.guided_filter import guided_filter
from rainbench.networks.published import from_tensorflow

LAYERS = 26
RADIUS, EPSILON = 15, 1.0
"""Of the guided filter."""

_OF_REAL_IMAGES = re.compile(r"conv_\d+_1/")
"""Names of what SIRR's training keeps for real images, beside the kernels that both share."""


class DDN(nn.Module):
    """Deep detail network, forms A and B.

    57,369 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1] for the
    published weights. ``maps`` holds the ``detail`` layer and the ``residual``.

    Args:
        statistics: What features are normalised by: ``image``, by their own mean and variance over
            the image (form A; over the batch while training, as the authors train); ``stored``, by
            what was collected while training (form B).
        width: Channels of the features.

    Example:
        >>> restoration = DDN().eval()(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, sorted(restoration.maps)
        (torch.Size([1, 3, 17, 23]), ['detail', 'residual'])
    """

    def __init__(
        self, *, statistics: Literal["image", "stored"] = "image", width: int = 16
    ) -> None:
        super().__init__()
        if statistics not in ("image", "stored"):
            raise ValueError(f"statistics is {statistics!r}, not image or stored")
        norm = ImageNorm if statistics == "image" else stored_norm
        sizes = [(3, width), *[(width, width)] * (LAYERS - 2), (width, 3)]
        self.layers = nn.ModuleList(
            nn.ModuleDict({"conv": conv3(inputs, outputs), "norm": norm(outputs)})
            for inputs, outputs in sizes
        )

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        detail = (rainy - guided_filter(rainy, RADIUS, EPSILON)).to(rainy.dtype)
        features = F.relu(self._normed(0, detail))
        for first in range(1, LAYERS - 1, 2):
            inner = F.relu(self._normed(first, features))
            features = features + F.relu(self._normed(first + 1, inner))
        residual = self._normed(LAYERS - 1, features)
        image = rainy + residual
        return Restoration(image, (image,), {"detail": detail, "residual": residual})

    def _normed(self, number: int, features: Tensor) -> Tensor:
        layer = self.layers[number]
        normed: Tensor = layer.get_submodule("norm")(layer.get_submodule("conv")(features))
        return normed

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the variables of a published checkpoint, of either form.

        SIRR's holds biases, gains and shifts a second time, for real images: they only serve its
        training.

        Raises:
            KeyError: Variables are missing or do not belong to this network.
        """
        if any(name.startswith("layer_") for name in published):
            return from_tensorflow(published, _plan_of_2018(), "DDN")
        own = {key: value for key, value in published.items() if not _OF_REAL_IMAGES.match(key)}
        names = {"conv.weight": "weights", "conv.bias": "biases"}
        names |= {"norm.weight": "scale", "norm.bias": "beta"}
        plan = {
            f"layers.{number}.{ours}": (f"conv_{number + 1}/{theirs}_{number + 1}",)
            for number in range(LAYERS)
            for ours, theirs in names.items()
        }
        return from_tensorflow(own, plan, "DDN")


class ImageNorm(nn.Module):
    """A norm by the features' own mean and variance: ``(N, C, H, W)`` to the same.

    Over each image; while training over the batch.

    Args:
        channels: Of the features.

    Example:
        >>> normed = ImageNorm(2).eval()(torch.rand(1, 2, 9, 9))
        >>> bool((normed.mean((2, 3)).abs() < 1e-5).all())
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise."""
        exact = features.float() if features.element_size() < 4 else features
        over = (0, 2, 3) if self.training else (2, 3)
        variance, mean = torch.var_mean(exact, over, correction=0, keepdim=True)
        normed = (exact - mean) * torch.rsqrt(variance + 1e-5)
        scaled = normed * self.weight[:, None, None] + self.bias[:, None, None]
        return scaled.to(features.dtype)


def stored_norm(channels: int) -> nn.BatchNorm2d:
    """Return a norm as TensorFlow's layers have it."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _plan_of_2018() -> dict[str, tuple[str, ...]]:
    names = {"conv.weight": "conv/kernel", "conv.bias": "conv/bias"}
    names |= {"norm.weight": "bn/gamma", "norm.bias": "bn/beta"}
    names |= {"norm.running_mean": "bn/moving_mean", "norm.running_var": "bn/moving_variance"}
    return {
        f"layers.{number}.{ours}": (f"layer_{number + 1}/{kind}_{number + 1}/{theirs}",)
        for number in range(LAYERS)
        for ours, name in names.items()
        for kind, theirs in [name.split("/")]
    }
