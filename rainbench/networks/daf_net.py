"""DAF-Net (Hu et al., "Depth-attentional Features for Single-image Rain Removal", CVPR 2019).

An encoder like VGG16's; a decoder that predicts the depth of the scene, from which 64 maps of
attention are made; and a decoder of features, 64 groups of four, that are weighted by these before
they become a residual. From the authors' layer files:

* Maps are enlarged with their corners aligned; pools count a window that begins within the image.
* The depth is a quarter of the image's size, and attention is made from it alone.
* Weights of the groups sum to 1 over the 64 in each pixel.
* Pictures are resized to 512x256 before they go in. Here they keep their size.

Layers have the names of the files, with ``_`` for ``-``.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.published import check_keys

GROUPS = 64
_ENCODER = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_DECODED = {5: 512, 4: 384, 3: 256, 2: 160, 1: 128}
"""Channels that a decoder makes beside the features of each stage of the encoder."""

_ENCODED = {stage: widths[-1] for stage, widths in enumerate(_ENCODER, start=1)}


class DAFNet(nn.Module):
    """Depth-attentional features network.

    43,061,697 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, BGR in [0, 1] as the
    authors' layers take it. ``maps`` holds the predicted ``depth``, a quarter of the image's size,
    and the ``attention`` of each group, ``(N, 64, H, W)``.

    Example:
        >>> with torch.device("meta"):
        ...     restoration = DAFNet()(torch.empty(1, 3, 33, 40))
        >>> restoration.image.shape, restoration.maps["depth"].shape
        (torch.Size([1, 3, 33, 40]), torch.Size([1, 1, 9, 10]))
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        for stage, widths in enumerate(_ENCODER, start=1):
            for number, width in enumerate(widths, start=1):
                self.add_module(f"conv{stage}_{number}", _conv(inputs, width))
                inputs = width
        self.conv1_dsn6 = _conv(512, 512)
        for suffix, stages in (("_d", (5, 4, 3)), ("", (5, 4, 3, 2, 1))):
            self.add_module(f"conv2_dsn6{suffix}", _conv(512, 512))
            inputs = 512
            for stage in stages:
                layer = _conv(_ENCODED[stage] + inputs, _DECODED[stage])
                self.add_module(f"conv2_dsn{stage}{suffix}", layer)
                inputs = _DECODED[stage]
        self.depth_predict = nn.Conv2d(256, 1, 1)
        inputs = 1
        for number, width in enumerate((32, 64, 128), start=1):
            self.add_module(f"atten{number}_c1", _conv(inputs, width))
            self.add_module(f"atten{number}_c2", _conv(width, width, 2))
            inputs = width
        self.atten_weight = nn.Conv2d(128, GROUPS, 1)
        self.conv1_group_1x1 = nn.Conv2d(128, 256, 1, bias=False)
        self.conv1_group_3x3 = nn.Conv2d(256, 256, 3, padding=1, bias=False)
        self.conv2_group_1x1 = nn.Conv2d(256, 256, 1, bias=False)
        self.attentional_conv1 = nn.Conv2d(256, 192, 1, groups=GROUPS, bias=False)
        self.attentional_conv2 = nn.Conv2d(192, 192, 3, padding=1, groups=GROUPS)
        self.attentional_conv3 = nn.Conv2d(192, 3, 1, bias=False)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        encoded = self.encode(rainy)
        deep = self._relu("conv1_dsn6", encoded[6])
        depth = torch.sigmoid(self.depth_predict(self.decode(deep, encoded, "_d", (5, 4, 3))))
        attention = self.attend(depth, encoded)
        features = self.decode(deep, encoded, "", (5, 4, 3, 2, 1))
        features = F.relu(self.conv1_group_1x1(features))
        features = self.conv2_group_1x1(F.relu(self.conv1_group_3x3(features)))
        # Each map of attention weights the four channels of its group.
        weighted = features * attention.repeat_interleave(features.shape[1] // GROUPS, 1)
        inner = self.attentional_conv2(F.relu(self.attentional_conv1(weighted)))
        image = rainy + torch.tanh(self.attentional_conv3(inner))
        return Restoration(image, (image,), {"depth": depth, "attention": attention})

    def encode(self, image: Tensor) -> dict[int, Tensor]:
        """Return the last features of stages 1 to 5, and as 6 what the decoders begin with."""
        encoded, features = {}, image
        for stage, widths in enumerate(_ENCODER, start=1):
            for number in range(1, len(widths) + 1):
                features = self._relu(f"conv{stage}_{number}", features)
            encoded[stage] = features
            size, padding = (3, 1) if stage > 3 else (2, 0)
            features = F.max_pool2d(features, size, 2, padding, ceil_mode=True)
        encoded[6] = F.avg_pool2d(features, 3, 1, 1)
        return encoded

    def decode(
        self, deep: Tensor, encoded: Mapping[int, Tensor], suffix: str, stages: tuple[int, ...]
    ) -> Tensor:
        """Return features of the size of the last of the stages."""
        features = self._relu(f"conv2_dsn6{suffix}", deep)
        for stage in stages:
            both = torch.cat((encoded[stage], _enlarged(features, encoded[stage])), 1)
            features = self._relu(f"conv2_dsn{stage}{suffix}", both)
        return features

    def attend(self, depth: Tensor, encoded: Mapping[int, Tensor]) -> Tensor:
        """Return the attention of each group, ``(N, 64, H, W)``."""
        features = depth
        for number, like in ((1, None), (2, 2), (3, 1)):
            features = features if like is None else _enlarged(features, encoded[like])
            for layer in ("c1", "c2"):
                features = self._relu(f"atten{number}_{layer}", features)
        return torch.softmax(self.atten_weight(features), 1)

    def _relu(self, name: str, features: Tensor) -> Tensor:
        return F.relu(self.get_submodule(name)(features))

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the layers of a ``.caffemodel`` of the authors.

        Raises:
            KeyError: Layers are missing or do not belong to this network.
        """
        with torch.device("meta"):
            ours = DAFNet().state_dict()
        kinds = {"weight": "0", "bias": "1"}
        plan = {}
        for key in ours:
            name, _, kind = key.rpartition(".")
            plan[key] = f"{name.replace('_dsn', '-dsn').replace('_d', '-d')}.{kinds[kind]}"
        check_keys(published, list(plan.values()), "DAF-Net")
        return {key: published[theirs].reshape(ours[key].shape) for key, theirs in plan.items()}


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


def _enlarged(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, like.shape[-2:], mode="bilinear", align_corners=True)
