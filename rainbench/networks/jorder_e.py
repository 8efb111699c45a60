"""JORDER-E (Yang et al., "... Removal ... with Contextualized Deep Networks", TPAMI 2020).

Two steps of one network with weights of their own. In each, features of growing dilation lead to a
mask of where it rains and to how much; these open and close the features that the image is made of.
The second step sees the first one's image, its features, mask and rain as well.

What the published code does that the paper does not say:

* White is 255, in and out.
* A ReLU stands behind every convolution of a residual block, two of three paths count a tenth.
* Nothing is between the two convolutions of the decoder, nor behind the estimates of mask and rain.
* Both steps add the rainy image, not the image of the step before.
* The code for real rain is of another size (32 channels, three blocks) than that of the paper's
  numbers (64 channels, nine blocks); weights of the first are published in a file of a usual size.

Layers have the names of the published code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.published import check_keys


class JORDERE(nn.Module):
    """JORDER-E: two steps of contextualised detection and removal.

    4,169,024 parameters at the paper's size, 406,784 with ``width=32, blocks=3``. ``forward`` takes
    ``(N, 3, H, W)`` of any size, RGB in 0..255 for the published weights, and returns the image of
    both steps. ``maps`` holds ``mask``, the probability of rain, ``level``, its strength as
    ``clean - rainy``, and ``rain``, the same as ``rainy - clean`` with 1 standing for 255.

    Args:
        width: Channels of the features.
        blocks: Residual blocks of a step.

    Example:
        >>> restoration = JORDERE(width=8, blocks=1)(255 * torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, sorted(restoration.maps)
        (torch.Size([1, 3, 17, 23]), ['level', 'mask', 'mask_logits', 'rain'])
    """

    def __init__(self, *, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.jorder1, self.jorder2 = (_Step(width, blocks) for _ in range(2))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        first = self.jorder1(rainy, None)
        second = self.jorder2(rainy, first)
        maps = {
            "mask": torch.softmax(second.mask, 1)[:, 1:],
            "mask_logits": second.mask,
            "level": second.level,
            "rain": -second.level / 255,
        }
        return Restoration(second.image, (first.image, second.image), maps)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take a state dict of the published class, whose names are ours.

        Raises:
            KeyError: Keys are missing or do not belong to this network, of whatever size.
        """
        blocks = len({key.split(".")[2] for key in published if ".updater." in key})
        width = published["jorder1.encoder.bias"].numel() if blocks else 1
        with torch.device("meta"):
            expected = list(JORDERE(width=width, blocks=max(blocks, 1)).state_dict())
        check_keys(published, expected, "JORDERE")
        return dict(published)


class _Found:
    """What a step hands to the next one: image, mask, level, and the features of each block."""

    def __init__(self, image: Tensor, mask: Tensor, level: Tensor, features: list[Tensor]) -> None:
        self.image, self.mask, self.level, self.features = image, mask, level, features


class _Step(nn.Module):
    """One step of detection and removal."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.encoder = conv3(6, width)
        self.updater = nn.ModuleDict({f"res{k}": _Block(width) for k in range(1, blocks + 1)})
        self.mask_estimator1, self.mask_estimator2 = conv3(width, 8), conv3(8, 2)
        self.level_estimator1, self.level_estimator2 = conv3(width, 8), conv3(8, 3)
        for what, channels in (("mask", 2), ("level", 3)):
            for way in ("w", "b"):
                self.add_module(f"{what}_F_{way}_encoder1", conv3(channels, 16))
                self.add_module(f"{what}_F_{way}_encoder2", conv3(16, width))
            gate = self.get_submodule(f"{what}_F_w_encoder2")  # open at first
            nn.init.zeros_(gate.weight)  # type: ignore[arg-type]
            nn.init.ones_(gate.bias)  # type: ignore[arg-type]
        self.decoder = nn.Sequential(conv3(width, width), conv3(width, 3))

    def forward(self, rainy: Tensor, before: _Found | None) -> _Found:
        """Run the step on the rainy image and what the step before found."""
        features = self.encoder(torch.cat((rainy, before.image if before else rainy), 1))
        of_blocks = []
        for number, block in enumerate(self.updater.values()):
            features = block(features)
            if before:
                features = features + before.features[number]
            of_blocks.append(features)
        mask = self.mask_estimator2(self.mask_estimator1(features))
        level = self.level_estimator2(self.level_estimator1(features))
        if before:
            mask, level = mask + before.mask, level + before.level
        moved = self._led("mask", "b", mask) + features + self._led("level", "b", level)
        opened = self._led("mask", "w", mask) * features * self._led("level", "w", level)
        image = self.decoder(moved + opened) + rainy
        return _Found(image, mask, level, of_blocks)

    def _led(self, what: str, way: str, found: Tensor) -> Tensor:
        """Return what a mask or level does to features: added (b), or multiplied by (w)."""
        inner = F.relu(self.get_submodule(f"{what}_F_{way}_encoder1")(found))
        led: Tensor = self.get_submodule(f"{what}_F_{way}_encoder2")(inner)
        return led


class _Block(nn.Module):
    """A residual block of three paths: contexts of 5, 9 and 13 pixels a side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv3(width, width), conv3(width, width)
        self.conv3, self.conv4 = (conv3(width, width, dilation=2) for _ in range(2))
        self.conv5 = conv3(width, width, dilation=2)
        self.conv6 = conv3(width, width, dilation=4)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same size."""
        near = F.relu(self.conv2(F.relu(self.conv1(features))))
        middle = F.relu(self.conv4(F.relu(self.conv3(features))))
        far = F.relu(self.conv6(F.relu(self.conv5(features))))
        return features + near + 0.1 * middle + 0.1 * far
