"""DeRaindrop (Qian et al., "Attentive Generative Adversarial Network ...", CVPR 2018).

The generator, which is all that restoring an image needs. A recurrent network looks for the drops
in four steps, each with a map of its own (Sec. 4.1); an autoencoder with dilated convolutions
restores the image from the rainy one and the last map, and gives smaller images on its way, for
the loss (Eq. 5). What the published code has that the paper does not say:

* The residual blocks stand before the recurrent layer and have a ReLU before the sum as well as
  after it, as in `Generator_lstm`.
* The map is 0.5 before the first step and is not squeezed into [0, 1].
* A transposed convolution is followed by a mean over 2x2 pixels, with one row above and one column
  on the left mirrored; what the encoder had is added after its ReLU.
* Images are cut to sides that can be divided by 4, and are in the order B, G, R.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, ConvReLU, LSTMState, conv3
from rainbench.networks.progressive import BLOCKS, residual_blocks
from rainbench.networks.published import convert, layer

STEPS = 4
DILATIONS = (2, 4, 8, 16)
FIRST_MAP = 0.5


class DeRaindrop(nn.Module):
    """The generator: attention in four steps, then the autoencoder.

    6,244,362 parameters. ``forward`` takes ``(N, 3, H, W)`` with sides that can be divided by 4,
    BGR in [0, 1] for the published weights. ``maps`` holds ``attention_1`` to ``attention_4`` and,
    as ``attention``, the last of them, ``(N, 1, H, W)``, and the smaller images ``quarter`` and
    ``half``, ``(N, 3, H / 4, W / 4)`` and ``(N, 3, H / 2, W / 2)``.

    Args:
        width: Channels of the attention network; the autoencoder begins with twice as many.

    Example:
        >>> restoration = DeRaindrop(width=4)(torch.rand(1, 3, 16, 24))
        >>> restoration.image.shape, restoration.maps["quarter"].shape
        (torch.Size([1, 3, 16, 24]), torch.Size([1, 3, 4, 6]))
    """

    def __init__(self, *, width: int = 32) -> None:
        super().__init__()
        self.f_in = ConvReLU(4, width)
        self.f_res = residual_blocks(width)
        self.f_recurrent = ConvLSTM(width, width)
        self.f_map = conv3(width, 1)
        self.autoencoder = Autoencoder(2 * width)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``, H and W multiples of 4."""
        found = torch.full_like(rainy[:, :1], FIRST_MAP)
        state: LSTMState | None = None
        maps = {}
        for step in range(1, STEPS + 1):
            features = self.f_res(self.f_in(torch.cat((rainy, found), 1)))
            state = self.f_recurrent(features, state)
            found = self.f_map(state.hidden)
            maps[f"attention_{step}"] = found
        quarter, half, image = self.autoencoder(torch.cat((rainy, found), 1))
        maps |= {"attention": found, "quarter": quarter, "half": half}
        return Restoration(image, (), maps)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``Generator``; see `published.convert`."""
        plan = layer("f_in.conv", "det_conv0.0")
        for block in range(BLOCKS):
            plan |= layer(f"f_res.{block}.conv1", f"det_conv{block + 1}.0")
            plan |= layer(f"f_res.{block}.conv2", f"det_conv{block + 1}.2")
        plan |= layer("f_recurrent.gates", *(f"conv_{gate}.0" for gate in "fiog"))
        plan |= layer("f_map", "det_conv_mask.0")
        for ours, theirs in _NAMES.items():
            plan |= layer(f"autoencoder.{ours}", f"{theirs}.0")
        return convert(published, plan, "DeRaindrop")


_NAMES = {
    **{f"down.{n}": f"conv{n + 1}" for n in range(6)},
    **{f"dilated.{n}": f"diconv{n + 1}" for n in range(len(DILATIONS))},
    "plain.0": "conv7",
    "plain.1": "conv8",
    "to_quarter": "outframe1",
    "up_to_half.conv": "deconv1",
    "at_half": "conv9",
    "to_half": "outframe2",
    "up_to_full.conv": "deconv2",
    "at_full": "conv10",
    "to_full": "output",
}
"""Our layers of the autoencoder and the published ones."""


class Autoencoder(nn.Module):
    """The contextual autoencoder: from image and map to the image and two smaller ones.

    Args:
        width: Channels at full size; there are twice and four times as many below.

    Example:
        >>> [tuple(each.shape) for each in Autoencoder(4)(torch.rand(1, 4, 8, 12))]
        [(1, 3, 2, 3), (1, 3, 4, 6), (1, 3, 8, 12)]
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        twice, most = 2 * width, 4 * width
        self.down = nn.ModuleList(
            (
                nn.Conv2d(4, width, 5, padding=2),
                nn.Conv2d(width, twice, 3, stride=2, padding=1),
                conv3(twice, twice),
                nn.Conv2d(twice, most, 3, stride=2, padding=1),
                conv3(most, most),
                conv3(most, most),
            )
        )
        self.dilated = nn.ModuleList(conv3(most, most, dilation=each) for each in DILATIONS)
        self.plain = nn.ModuleList(conv3(most, most) for _ in range(2))
        self.to_quarter = conv3(most, 3)
        self.up_to_half = Doubled(most, twice)
        self.at_half = conv3(twice, twice)
        self.to_half = conv3(twice, 3)
        self.up_to_full = Doubled(twice, width)
        self.at_full = conv3(width, max(1, width // 2))
        self.to_full = conv3(max(1, width // 2), 3)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the image at a quarter and at half of the size, and at its own."""
        features = F.relu_(self.down[0](seen))
        full = features
        for conv in self.down[1:3]:
            features = F.relu_(conv(features))
        half = features
        for conv in (*self.down[3:], *self.dilated, *self.plain):
            features = F.relu_(conv(features))
        quarter_image = F.relu_(self.to_quarter(features))
        features = F.relu_(self.at_half(self.up_to_half(features) + half))
        half_image = F.relu_(self.to_half(features))
        features = F.relu_(self.at_full(self.up_to_full(features) + full))
        return quarter_image, half_image, self.to_full(features)


class Doubled(nn.Module):
    """Twice the size by a transposed convolution, smoothed over 2x2 pixels, rectified.

    Example:
        >>> Doubled(4, 2)(torch.rand(1, 4, 3, 5)).shape
        torch.Size([1, 2, 6, 10])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(N, outputs, 2 H, 2 W)``."""
        doubled = F.pad(self.conv(features), (1, 0, 1, 0), mode="reflect")
        return F.relu_(F.avg_pool2d(doubled, 2, stride=1))
