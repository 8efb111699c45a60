"""SIAN (Pang et al., "Single Image Deraining via Scale-space Invariant Attention Neural Network").

Each of six stages extracts features at full, half and quarter resolution, weights them by a mask
that looks at their scale space (differences of Gaussians over three octaves), passes them through
a convolutional LSTM per scale, merges the scales and predicts the rain that is still left. All
stages share their weights. The published class is called RPDNet.

What the published code does that the paper does not say, or says otherwise:

* The Gaussians are 3x3 kernels, far smaller than their standard deviations ask for, and each
  layer is blurred from the one before, where Eq. 7 reads as a blur of the first layer: `blur` and
  `kernels`, see `scale_space`.
* The mask is a sigmoid without the ReLU before it, which would keep it above a half: `mask_relu`.
* One convolution with ReLU stands between the attention and the LSTM, where the text has two.
* The scales are merged one after the other, each time by a convolution of 64 to 32 channels with
  ReLU, after bilinear upsampling that aligns corners. Eq. 4 concatenates all three before the one
  convolution: `merge` "joint".
* The two convolutions after the merge that the paper draws exist, but nothing calls them: 18,496
  dead parameters of 510,435. They are there, named ``unused``, so that the published count stays
  true; ``dead=False`` leaves them out.
* The residual blocks have a ReLU before the sum as well as after it.

The networks of the paper's Table V are arguments: `attention` off is its M = 0, `recurrent` off
leaves out the LSTMs, and the Baseline has one stage besides. What a mask is computed from falls
away with it: a mask of zero needs no scale space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, ConvReLU, LSTMState, ResidualBlock, conv3
from rainbench.networks.published import convert, layer
from rainbench.networks.scale_space import LAYERS, Blur, Kernels, ScaleSpace

Merge = Literal["nested", "joint"]

_SCALES = ("full", "half", "quarter")


class SIAN(nn.Module):
    """Scale-space invariant attention network: six stages over three scales.

    510,435 parameters, of which 18,496 are dead as published. Without those, 353,603 without
    attention, 132,035 as the paper's Baseline. ``forward`` takes ``(N, 3, H, W)`` of at
    least 4x4, RGB in [0, 1] for the published weights; sides need not be multiples of 4, and
    padding to one would change the result. ``maps`` holds the last stage's ``rain`` and, where
    there is attention, the masks ``attention_full``, ``attention_half`` and ``attention_quarter``,
    ``(N, width, H / s, W / s)`` in (0, 1).

    Args:
        stages: Number of stages.
        width: Channels of the features.
        attention: Whether features are weighted by their mask; without it the masks are zero.
        recurrent: Whether a convolutional LSTM per scale carries features from stage to stage.
        blur: How the layers of the scale space are made, see `scale_space.Blur`.
        kernels: How far its kernels reach, see `scale_space.Kernels`.
        mask_relu: Whether a ReLU stands before the sigmoid of the masks, as the paper has it.
        updates: Convolutions between the attention and the recurrent layer: one, as published, or
            the two of Section III-D.
        merge: How the scales come together: "nested", scale by scale, as published; "joint", all
            three before one convolution, as in Eq. 4.
        dead: Whether the two convolutions exist that the published code has and never calls.

    Raises:
        ValueError: `blur`, `kernels`, `merge` or `updates` is unknown, or there are no stages.

    Example:
        >>> restoration = SIAN(stages=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["attention_quarter"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 32, 4, 5]))
    """

    def __init__(
        self,
        *,
        stages: int = 6,
        width: int = 32,
        attention: bool = True,
        recurrent: bool = True,
        blur: Blur = "incremental",
        kernels: Kernels = "3x3",
        mask_relu: bool = False,
        updates: int = 1,
        merge: Merge = "nested",
        dead: bool = True,
    ) -> None:
        super().__init__()
        if merge not in get_args(Merge):
            raise ValueError(f"merge is {merge!r}, neither nested nor joint")
        if stages < 1:
            raise ValueError(f"SIAN needs at least one stage, not {stages}")
        if updates not in (1, 2):
            raise ValueError(f"updates is 1 or 2, not {updates}")
        self.stages = stages
        self.embed = conv3(6, width)
        self.scale_space = ScaleSpace(blur=blur, kernels=kernels) if attention else None
        self.scales = nn.ModuleList(
            Scale(
                width,
                attention=attention,
                recurrent=recurrent,
                mask_relu=mask_relu,
                updates=updates,
            )
            for _ in _SCALES
        )
        nested = merge == "nested"
        self.merge_half = ConvReLU(2 * width, width) if nested else nn.Identity()
        self.merge_full = ConvReLU((2 if nested else 3) * width, width)
        self.residual = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        self.out = conv3(width, 3)
        if dead:
            self.unused = nn.Sequential(conv3(width, width), conv3(width, width))

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
            differences: list[Tensor] | list[None] = [None] * len(_SCALES)
            if self.scale_space is not None:
                differences = self.scale_space(features)
            outputs, masks = [], {}
            for index, name in enumerate(_SCALES):
                pooled = features if index == 0 else F.avg_pool2d(features, 2**index)
                output, states[index], mask = self.scales[index](
                    pooled, differences[index], states[index]
                )
                outputs.append(output)
                if mask is not None:
                    masks[f"attention_{name}"] = mask
            rain = self.out(self.residual(self._merge(*outputs)))
            restored = rainy - rain
            images.append(restored)
        return Restoration(restored, tuple(images), {**masks, "rain": rain})

    def _merge(self, full: Tensor, half: Tensor, quarter: Tensor) -> Tensor:
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


class Scale(nn.Module):
    """One scale: features, their mask from the scale space (Eq. 3), and the recurrent layer.

    Args:
        width: C, the channels of the features.
        attention: Whether there is a mask.
        recurrent: Whether there is a recurrent layer.
        mask_relu: Whether the mask is rectified before its sigmoid.
        updates: Convolutions before the recurrent layer, 1 or 2.

    Example:
        >>> features, differences = torch.zeros(1, 8, 4, 4), torch.zeros(1, 40, 4, 4)
        >>> output, state, mask = Scale(8)(features, differences)
        >>> output.shape, mask.shape
        (torch.Size([1, 8, 4, 4]), torch.Size([1, 8, 4, 4]))
    """

    def __init__(
        self,
        width: int,
        *,
        attention: bool = True,
        recurrent: bool = True,
        mask_relu: bool = False,
        updates: int = 1,
    ) -> None:
        super().__init__()
        self.mask_relu = mask_relu
        self.features = conv3(width, width)
        self.mask = conv3((LAYERS - 1) * width, width) if attention else None
        self.fuse = ConvReLU(width, width)
        self.fuse_again = ConvReLU(width, width) if updates > 1 else nn.Identity()
        self.lstm = ConvLSTM(width, width) if recurrent else None

    def forward(
        self, pooled: Tensor, differences: Tensor | None = None, state: LSTMState | None = None
    ) -> tuple[Tensor, LSTMState | None, Tensor | None]:
        """Advance one stage.

        Args:
            pooled: The stage's features at this scale, ``(N, C, h, w)``.
            differences: The scale space at this scale, ``(N, 5 C, h, w)``, where there is a mask.
            state: The state of the stage before; None is the zero state.

        Returns:
            The output ``(N, C, h, w)``, the new state, and the mask, ``(N, C, h, w)`` in (0, 1);
            None for what there is not.
        """
        features, mask = self.features(pooled), None
        if self.mask is not None:
            logits = self.mask(differences)
            mask = torch.sigmoid(F.relu_(logits) if self.mask_relu else logits)
            features = torch.addcmul(features, features, mask)
        output = self.fuse_again(self.fuse(features))
        if self.lstm is not None:
            state = self.lstm(output, state)
            output = state.hidden
        return output, state, mask


def _upsampled(coarse: Tensor, fine: Tensor) -> Tensor:
    """Double a map by bilinear interpolation; where an odd side is one short, add zeros."""
    doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=True)
    short_height, short_width = (fine.shape[axis] - doubled.shape[axis] for axis in (2, 3))
    if short_height == short_width == 0:
        return doubled
    left, top = short_width // 2, short_height // 2
    return F.pad(doubled, (left, short_width - left, top, short_height - top))
