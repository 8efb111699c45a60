"""RRANet (Li et al., "Recurrent RLCN-Guided Attention Network for Single Image ...", MVA 2021).

A U-Net of four scales that is run several times with the same weights. It sees the rainy image,
its RLCN image (see `rlcn`) and its last result; each encoder block has a convolutional LSTM that
remembers the runs before; at each of the three decoder scales an attention map, guided by the RLCN
image, weights the features that the encoder hands over. The result is the input plus a "negative
rain layer".

The authors publish neither code nor weights, and the text leaves much open. What was chosen here,
as an argument where it is more than a detail:

* The number of runs (`stages`, 4), the channels (`width` 32 and `growth` 1, 2, 4, 4), window,
  border, epsilon and deviation of RLCN (9, mirrored, 0.001, biased).
* Residual blocks rectify between their two convolutions and not after the sum; in the recurrent
  ones the LSTM's output goes straight to the second convolution. Where the channels change, the
  shortcut is a 1x1 convolution. The first convolution has no activation.
* The upsampling layer, which only a figure shows, is bilinear and a 3x3 convolution.
* The RLCN image is averaged down to each scale. The attention module's middle has half as many
  channels as the scale, and its last convolution is 1x1; its three sums share one bias.
* Sides that are not multiples of 8 are rounded up when pooled, and cropped when upsampled. The card
  asks for padding to multiples of 8, where the two are the same.

Attention is not supervised: the objective looks at the last image alone (Eq. 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, LSTMState, PlainResidualBlock, conv3
from rainbench.networks.published import unchanged
from rainbench.networks.rlcn import Border, rectified_contrast

_SCALES = ("full", "half", "quarter", "eighth")


class RRANet(nn.Module):
    """Recurrent RLCN-guided attention network.

    ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1]. ``maps`` holds the last stage's
    attention ``attention_full``, ``attention_half`` and ``attention_quarter``, ``(N, 1, h, w)`` in
    (0, 1); the RLCN image, ``rlcn``; and the last stage's ``rain``, what was taken off the input.

    Args:
        width: Channels at full resolution.
        growth: How many times `width` each scale has, from full resolution to an eighth.
        stages: How often the network is run.
        window: Side of RLCN's window in pixels, odd.
        eps: Added to RLCN's standard deviation.
        border: What RLCN takes beyond the image, see `rlcn.rectified_contrast`.
        unbiased: Whether RLCN's deviation divides by one less.

    Raises:
        ValueError: There are not four scales, or RLCN's window or border cannot be.

    Example:
        >>> restoration = RRANet(width=8, stages=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, len(restoration.stages)
        (torch.Size([1, 3, 17, 23]), 2)
        >>> restoration.maps["attention_quarter"].shape
        torch.Size([1, 1, 5, 6])
    """

    def __init__(
        self,
        *,
        width: int = 32,
        growth: Sequence[int] = (1, 2, 4, 4),
        stages: int = 4,
        window: int = 9,
        eps: float = 1e-3,
        border: Border = "reflect",
        unbiased: bool = False,
    ) -> None:
        super().__init__()
        if len(growth) != len(_SCALES):
            raise ValueError(f"growth has {len(growth)} numbers, but RRANet has four scales")
        rectified_contrast(torch.zeros(1, 1), window=window, border=border)  # raises early
        self.stages = stages
        self.window, self.eps, self.border, self.unbiased = window, eps, border, unbiased
        widths = [width * times for times in growth]
        self.embed = conv3(9, widths[0])
        self.encoder = nn.ModuleList(
            RecurrentResidualBlock(inputs, outputs)
            for inputs, outputs in pairwise([widths[0], *widths])
        )
        self.decoder = nn.ModuleList(DecoderScale(below, at) for at, below in pairwise(widths))
        self.out = nn.Conv2d(widths[0], 3, 1)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        rlcn = self.rlcn(rainy)
        guides = [rlcn]
        for _ in self.decoder:
            guides.append(F.avg_pool2d(guides[-1], 2, ceil_mode=True))
        states: list[LSTMState | None] = [None] * len(_SCALES)
        restored, images = rainy, []
        for _ in range(self.stages):
            features = self.embed(torch.cat((rainy, rlcn, restored), 1))
            features, masks = self._decode(self._encode(features, states), guides)
            layer = self.out(features)  # the negative rain layer
            restored = rainy + layer
            images.append(restored)
        names = [f"attention_{name}" for name in _SCALES[: len(masks)]]
        maps = dict(zip(names, masks, strict=True)) | {"rlcn": rlcn, "rain": -layer}
        return Restoration(restored, tuple(images), maps)

    def rlcn(self, rainy: Tensor) -> Tensor:
        """Return the RLCN image of ``(N, 3, H, W)``, of the same shape and precision."""
        contrast = rectified_contrast(
            rainy, window=self.window, eps=self.eps, border=self.border, unbiased=self.unbiased
        )
        return contrast.to(rainy.dtype)

    def _encode(self, features: Tensor, states: list[LSTMState | None]) -> list[Tensor]:
        """Return the features of every scale; the states are advanced in place."""
        scales: list[Tensor] = []
        for index, block in enumerate(self.encoder):
            if scales:
                features = F.max_pool2d(scales[-1], 2, ceil_mode=True)
            features, states[index] = block(features, states[index])
            scales.append(features)
        return scales

    def _decode(self, scales: list[Tensor], guides: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the features at full resolution, and the attention of each scale from there."""
        features, masks = scales[-1], []
        for index in reversed(range(len(self.decoder))):
            features, mask = self.decoder[index](features, scales[index], guides[index])
            masks.append(mask)
        return features, masks[::-1]

    convert_published = staticmethod(unchanged)


class RecurrentResidualBlock(nn.Module):
    """A residual block with a convolutional LSTM between its two convolutions (RRB, Fig. 2d).

    Example:
        >>> features, state = RecurrentResidualBlock(4, 8)(torch.zeros(1, 4, 5, 7))
        >>> features.shape, state.hidden.shape
        (torch.Size([1, 8, 5, 7]), torch.Size([1, 8, 5, 7]))
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv3(inputs, outputs)
        self.lstm = ConvLSTM(outputs, outputs)
        self.conv2 = conv3(outputs, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """Advance one stage.

        Args:
            features: ``(N, inputs, H, W)``.
            state: The state of the stage before; None is the zero state.

        Returns:
            The block's features, ``(N, outputs, H, W)``, and the new state.
        """
        state = self.lstm(F.relu_(self.conv1(features)), state)
        residual: Tensor = self.conv2(state.hidden)
        return residual.add_(self.shortcut(features)), state


class DecoderScale(nn.Module):
    """One scale of the decoder: upsample, attend to the encoder's features, merge.

    Args:
        below: Channels of the coarser scale.
        at: Channels of this scale.

    Example:
        >>> scale = DecoderScale(8, 4)
        >>> encoded, guide = torch.zeros(1, 4, 5, 7), torch.zeros(1, 3, 5, 7)
        >>> features, mask = scale(torch.zeros(1, 8, 3, 4), encoded, guide)
        >>> features.shape, mask.shape
        (torch.Size([1, 4, 5, 7]), torch.Size([1, 1, 5, 7]))
    """

    def __init__(self, below: int, at: int) -> None:
        super().__init__()
        self.up = conv3(below, at)
        self.attend = RLCNGuidedAttention(at)
        self.merge = PlainResidualBlock(2 * at, at)

    def forward(self, coarse: Tensor, encoded: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Decode one scale.

        Args:
            coarse: The coarser scale's features, ``(N, below, ceil(h / 2), ceil(w / 2))``.
            encoded: The encoder's features of this scale, ``(N, at, h, w)``.
            guide: The RLCN image at this scale, ``(N, 3, h, w)``.

        Returns:
            The features, ``(N, at, h, w)``, and the attention, ``(N, 1, h, w)``.
        """
        height, width = encoded.shape[-2:]
        doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        decoded = self.up(doubled[..., :height, :width])
        mask = self.attend(encoded, decoded, guide)
        return self.merge(torch.cat((mask * encoded, decoded), 1)), mask


class RLCNGuidedAttention(nn.Module):
    """RLCN-guided attention module (RLCN-GAM, Eq. 3).

    Args:
        channels: Of the encoder's and of the decoder's features.

    Example:
        >>> features, guide = torch.zeros(1, 8, 5, 7), torch.zeros(1, 3, 5, 7)
        >>> RLCNGuidedAttention(8)(features, features, guide).shape
        torch.Size([1, 1, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = max(1, channels // 2)
        self.of_encoded = nn.Conv2d(channels, middle, 1)
        self.of_decoded = nn.Conv2d(channels, middle, 1, bias=False)
        self.of_guide = conv3(3, middle, bias=False)
        self.out = nn.Conv2d(middle, 1, 1)

    def forward(self, encoded: Tensor, decoded: Tensor, guide: Tensor) -> Tensor:
        """Return the attention, ``(N, 1, h, w)`` in (0, 1).

        Args:
            encoded: The encoder's features, ``(N, C, h, w)``.
            decoded: The decoder's features, ``(N, C, h, w)``.
            guide: The RLCN image at this scale, ``(N, 3, h, w)``.
        """
        summed = self.of_encoded(encoded) + self.of_decoded(decoded) + self.of_guide(guide)
        return torch.sigmoid(self.out(F.relu_(summed)))
