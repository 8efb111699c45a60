"""DDN as its authors released it first, for MATLAB in 2017 (form C): a reconstruction.

The release holds the weights and a program that cannot be read. What it computes was found from
the stored statistics: only this reading makes them those of the features that they normalise
(within 0.1 to 0.2 of a standard deviation, where others miss by 30 to 130), and it takes the rain
off the release's own pairs. The outputs of the authors' program are not known, so nothing here is
compared with them.

Beside the other forms (`ddn`): a norm and a ReLU stand *before* each convolution of a block, the
detail layer has white at 255, and the guided filter is its fast form, on every fourth pixel.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.ddn import EPSILON, LAYERS
from rainbench.networks.guided_filter import fast_guided_filter
from rainbench.networks.published import check_keys

RADIUS, STEP = 16, 4
"""Of the guided filter."""

WHITE = 255
"""Of the detail layer."""


class DDNPreActivation(nn.Module):
    """Deep detail network, form C, reconstructed.

    57,369 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1] for the
    published weights. ``maps`` holds the ``detail`` layer and the ``residual``.

    Args:
        width: Channels of the features.

    Example:
        >>> import torch
        >>> restoration = DDNPreActivation().eval()(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, sorted(restoration.maps)
        (torch.Size([1, 3, 17, 23]), ['detail', 'residual'])
    """

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        sizes = [(3, width), *[(width, width)] * (LAYERS - 2), (width, 3)]
        self.layers = nn.ModuleList(
            nn.ModuleDict({"conv": conv3(inputs, outputs), "norm": nn.BatchNorm2d(outputs)})
            for inputs, outputs in sizes
        )

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        base = fast_guided_filter(rainy, RADIUS, EPSILON, STEP)
        detail = (rainy - base).to(rainy.dtype)
        features = F.relu(self._norm(0, self._conv(0, WHITE * detail)))
        for first in range(1, LAYERS - 1, 2):
            inner = self._conv(first, F.relu(self._norm(first, features)))
            features = features + self._conv(first + 1, F.relu(self._norm(first + 1, inner)))
        residual = self._norm(LAYERS - 1, self._conv(LAYERS - 1, features)) / WHITE
        image = rainy + residual
        return Restoration(image, (image,), {"detail": detail, "residual": residual})

    def _conv(self, number: int, features: Tensor) -> Tensor:
        convolved: Tensor = self.layers[number].get_submodule("conv")(features)
        return convolved

    def _norm(self, number: int, features: Tensor) -> Tensor:
        normed: Tensor = self.layers[number].get_submodule("norm")(features)
        return normed

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the arrays of the published ``network.mat``.

        Caffe keeps sums of statistics and how many they are of, and MATLAB sees its kernels with
        the axes in the opposite order.

        Raises:
            KeyError: Arrays are missing or do not belong to this network.
        """
        kinds = ["weight", "bias", "BatchNorm_1", "BatchNorm_2", "BatchNorm_3"]
        kinds += ["Scale_1", "Scale_2"]
        names = [f"model.{kind}.{number}" for kind in kinds for number in range(1, LAYERS + 1)]
        check_keys(published, names, "DDNPreActivation")
        ours = {}
        for number in range(LAYERS):
            weight, *rest = (published[f"model.{kind}.{number + 1}"] for kind in kinds)
            bias, mean, variance, count, gain, shift = (each.flatten() for each in rest)
            ours[f"layers.{number}.conv.weight"] = weight.permute(3, 2, 1, 0).contiguous()
            ours[f"layers.{number}.conv.bias"] = bias
            ours[f"layers.{number}.norm.weight"] = gain
            ours[f"layers.{number}.norm.bias"] = shift
            ours[f"layers.{number}.norm.running_mean"] = mean / count
            ours[f"layers.{number}.norm.running_var"] = variance / count
        return ours
