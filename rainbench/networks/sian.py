"""SIAN (Pang et al., "Single Image Deraining via Scale-space Invariant Attention Neural Network").

Each of six stages extracts features at full, half and quarter resolution, weights them by a mask
that looks at their scale space (differences of Gaussians over three octaves), passes them through
a convolutional LSTM per scale, merges the scales and predicts the rain that is still left. All
stages share their weights. The published class is called RPDNet.

What the published code does that the paper does not say, or says otherwise:

* The Gaussians are 3x3 kernels, far smaller than their standard deviations ask for, and zero
  padded. The k of the scale space is the cube root of 2, the first blur takes an image of
  standard deviation 0.5 to 1.6, and each layer is blurred from the one before (the same five
  kernels in every octave), where Eq. 7 reads as a blur of the first layer.
* The mask is a sigmoid without the ReLU before it.
* One convolution with ReLU stands between the attention and the LSTM, where the text has two.
* The scales are merged one after the other, each time by a convolution of 64 to 32 channels with
  ReLU, after bilinear upsampling that aligns corners. The two convolutions after the merge that
  the paper draws exist, but nothing calls them: 18,496 dead parameters of 510,435. They are kept
  here so that the published count stays true, and are named ``unused``.
* The residual blocks have a ReLU before the sum as well as after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, ConvReLU, LSTMState, ResidualBlock, conv3
from rainbench.networks.published import convert, layer

_CHANNELS = 32
_LAYERS = 6
_SIGMA = 1.6
_K = 2 ** (1 / 3)
_SCALES = ("full", "half", "quarter")


class SIAN(nn.Module):
    """Scale-space invariant attention network: six stages over three scales.

    510,435 parameters, of which 18,496 are dead as published. ``forward`` takes ``(N, 3, H, W)``
    of at least 4x4, RGB in [0, 1] for the published weights; sides need not be multiples of 4,
    and padding to one would change the result. ``maps`` holds the last stage's ``rain`` and masks
    ``attention_full``, ``attention_half`` and ``attention_quarter``, 32 channels each.

    Args:
        stages: Number of stages.

    Example:
        >>> restoration = SIAN(stages=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["attention_quarter"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 32, 4, 5]))
    """

    def __init__(self, *, stages: int = 6) -> None:
        super().__init__()
        self.stages = stages
        self.embed = conv3(6, _CHANNELS)
        self.scale_space = ScaleSpace()
        self.scales = nn.ModuleList(ScaleAttention() for _ in _SCALES)
        self.merge_half = ConvReLU(2 * _CHANNELS, _CHANNELS)
        self.merge_full = ConvReLU(2 * _CHANNELS, _CHANNELS)
        self.residual = nn.Sequential(ResidualBlock(_CHANNELS), ResidualBlock(_CHANNELS))
        self.out = conv3(_CHANNELS, 3)
        self.unused = nn.Sequential(conv3(_CHANNELS, _CHANNELS), conv3(_CHANNELS, _CHANNELS))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``, H and W at least 4.

        Raises:
            ValueError: The image is smaller than 4x4.
        """
        if min(rainy.shape[-2:]) < 4:
            raise ValueError(f"SIAN needs at least 4x4 pixels, not {tuple(rainy.shape[-2:])}")
        restored = rainy
        states: list[LSTMState | None] = [None] * len(_SCALES)
        images = []
        for _ in range(self.stages):
            features = self.embed(torch.cat((rainy, restored), 1))
            masks = []
            for index, (scale, dog) in enumerate(
                zip(self.scales, self.scale_space(features), strict=True)
            ):
                pooled = features if index == 0 else F.avg_pool2d(features, 2**index)
                states[index], mask = scale(pooled, dog, states[index])
                masks.append(mask)
            rain = self.out(self.residual(self._merge(states)))
            restored = rainy - rain
            images.append(restored)
        names = [f"attention_{name}" for name in _SCALES]
        maps = dict(zip(names, masks, strict=True)) | {"rain": rain}
        return Restoration(restored, tuple(images), maps)

    def _merge(self, states: list[LSTMState | None]) -> Tensor:
        full, half, quarter = (state.hidden for state in states if state is not None)
        merged = self.merge_half(torch.cat((half, _upsampled(quarter, half)), 1))
        merged = self.merge_full(torch.cat((full, _upsampled(merged, full)), 1))
        return torch.as_tensor(merged)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class; see `published.convert`."""
        plan = layer("embed", "body.tran_conv")
        for ours, theirs in enumerate((2, 1, 0)):  # they count from the quarter up
            name = f"body.scale_conv.{theirs}"
            plan |= layer(f"scales.{ours}.features", f"{name}.conv_f.0")
            plan |= layer(f"scales.{ours}.mask", f"{name}.conv_m.0")
            plan |= layer(f"scales.{ours}.fuse.conv", f"{name}.conv_z.0")
            from_x = [f"body.lstm.{theirs}.conv_x{gate}" for gate in "fioj"]
            from_h = [f"body.lstm.{theirs}.conv_h{gate}" for gate in "fioj"]
            plan |= layer(f"scales.{ours}.lstm.gates", *from_x)
            plan |= layer(f"{ours}.hidden", *from_h, bias=False)
        plan |= layer("merge_half.conv", "body.up_conv.0.conv_m.0")
        plan |= layer("merge_full.conv", "body.up_conv.1.conv_m.0")
        for block in range(2):
            plan |= layer(f"residual.{block}.conv1", f"body_end.{block}.body.0")
            plan |= layer(f"residual.{block}.conv2", f"body_end.{block}.body.2")
        plan |= layer("out", "body_end.2")
        plan |= layer("unused.0", "body.conv_m.0") | layer("unused.1", "body.conv_m.2")

        converted = convert(published, plan, "SIAN")
        for scale in range(len(_SCALES)):
            gates = f"scales.{scale}.lstm.gates.weight"
            from_hidden = converted.pop(f"{scale}.hidden.weight")
            converted[gates] = torch.cat((converted[gates], from_hidden), 1)
        return converted


class ScaleSpace(nn.Module):
    """The scale space of a feature map: differences of Gaussians over three octaves.

    ``forward`` takes ``(N, C, H, W)`` and returns, for full, half and quarter resolution, the five
    differences of an octave's six layers as ``(N, 5 C, H / s, W / s)``, the finest first. The next
    octave starts from the fourth layer, max-pooled (Eqs. 7-11). It has no parameters.

    Example:
        >>> [tuple(dog.shape) for dog in ScaleSpace()(torch.zeros(1, 2, 9, 8))]
        [(1, 10, 9, 8), (1, 10, 4, 4), (1, 10, 2, 2)]
    """

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        steps = [_SIGMA * _K**step * (_K**2 - 1) ** 0.5 for step in range(_LAYERS - 1)]
        sigmas = [(_SIGMA**2 - 0.5**2) ** 0.5, *steps]
        kernels = torch.stack([gaussian_kernel(sigma) for sigma in sigmas])
        self.register_buffer("kernels", kernels, persistent=False)

    def forward(self, features: Tensor) -> list[Tensor]:
        """Return the differences of each octave."""
        first = self._blurred(features, 0)
        octaves = []
        for octave in range(len(_SCALES)):
            layers = [first]
            for step in range(1, _LAYERS):
                layers.append(self._blurred(layers[-1], step))
            differences = [coarse - fine for fine, coarse in pairwise(layers)]
            octaves.append(torch.cat(differences, 1))
            if octave + 1 < len(_SCALES):
                first = F.max_pool2d(layers[3], 2)
        return octaves

    def _blurred(self, features: Tensor, step: int) -> Tensor:
        channels = features.shape[1]
        kernel = self.kernels[step].to(features.dtype).expand(channels, 1, 3, 3)
        return F.conv2d(features, kernel, padding=1, groups=channels)


class ScaleAttention(nn.Module):
    """One scale: features, their mask from the scale space (Eq. 3), and the recurrent layer.

    Example:
        >>> state, mask = ScaleAttention()(torch.zeros(1, 32, 4, 4), torch.zeros(1, 160, 4, 4))
        >>> state.hidden.shape, mask.shape
        (torch.Size([1, 32, 4, 4]), torch.Size([1, 32, 4, 4]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = conv3(_CHANNELS, _CHANNELS)
        self.mask = conv3((_LAYERS - 1) * _CHANNELS, _CHANNELS)
        self.fuse = ConvReLU(_CHANNELS, _CHANNELS)
        self.lstm = ConvLSTM(_CHANNELS, _CHANNELS)

    def forward(
        self, pooled: Tensor, differences: Tensor, state: LSTMState | None = None
    ) -> tuple[LSTMState, Tensor]:
        """Advance one stage.

        Args:
            pooled: The stage's features at this scale, ``(N, 32, h, w)``.
            differences: The scale space at this scale, ``(N, 160, h, w)``.
            state: The state of the stage before; None is the zero state.

        Returns:
            The new state and the mask, ``(N, 32, h, w)`` in (0, 1).
        """
        features = self.features(pooled)
        mask = torch.sigmoid(self.mask(differences))
        attended = torch.addcmul(features, features, mask)
        return self.lstm(self.fuse(attended), state), mask


def gaussian_kernel(sigma: float) -> Tensor:
    """Return a 3x3 Gaussian that sums to one.

    Example:
        >>> gaussian_kernel(1.0)[1, 1].item()
        0.20417...
    """
    squares = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    kernel = torch.exp(-(squares[:, None] + squares) / (2 * sigma**2))
    return (kernel / kernel.sum()).float()


def _upsampled(coarse: Tensor, fine: Tensor) -> Tensor:
    """Double a map by bilinear interpolation; where an odd side is one short, add zeros."""
    doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=True)
    short_height, short_width = (fine.shape[axis] - doubled.shape[axis] for axis in (2, 3))
    if short_height == short_width == 0:
        return doubled
    left, top = short_width // 2, short_height // 2
    return F.pad(doubled, (left, short_width - left, top, short_height - top))
