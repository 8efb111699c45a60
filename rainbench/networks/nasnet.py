"""NASNet (Qin and Wang, "NASNet: A Neuron Attention Stage-by-Stage Net ...", arXiv 1912.03151).

Three stages of eighteen blocks at full resolution, one after the other. A block is two
convolutions whose result is weighted, neuron by neuron, by the neuron attention (NA): a depthwise
and a pointwise convolution. The outputs of the stages are concatenated and fused, and the image is
the input plus what comes out.

The paper draws the network and gives two parameter counts, 6,508,931 and 6,244,931 without NA;
only the form below has both. What the paper leaves open beyond them:

* The networks of its Tables 7 to 9 are arguments: `attention` "none" is PlainNet and "se" SENet
  (whose reduction is not said), ``fuse=False`` is DirectNet, `stages` those of Table 8.
* DirectNet removes the "concatenation and fusion module". Here that is the concatenation, its two
  convolutions and its attention: the last stage's output goes to the last two convolutions.
* The authors' code normalises the *input* by a mean and a standard deviation of the data set, and
  adds that normalised input at the end, while the target stays as it is. The paper says nothing
  of it, so it is off; `input_mean` and `input_std` turn it on, as their weights need it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.published import Plan, convert, layer

Attention = Literal["na", "se", "none"]


class NASNet(nn.Module):
    """Neuron attention stage-by-stage network.

    6,508,931 parameters, 6,244,931 without attention. ``forward`` takes ``(N, 3, H, W)`` of any
    size, RGB in [0, 1]. There is one image, so ``stages`` holds just that. ``maps`` holds the
    attention over the fused stages as ``attention``, ``(N, width, H, W)`` in (0, 1), with "se"
    ``(N, width, 1, 1)``; without that attention there are no maps.

    Args:
        width: Channels of every layer.
        blocks: Blocks of each stage.
        stages: Number of stages.
        attention: "na" is the paper's; "se" is squeeze and excitation in its place (SENet),
            "none" leaves it out (PlainNet).
        se_reduction: How many times fewer channels the middle of "se" has; the paper does not
            say, 16 is its authors' (Hu 2018).
        fuse: Whether the outputs of all stages are concatenated and fused; without it (DirectNet)
            only the last stage's is passed on.
        input_mean: Subtracted from each channel of the input, as the authors' code does.
        input_std: What each channel of the input is then divided by.

    Raises:
        ValueError: `attention` is none of the three, or there are no stages.

    Example:
        >>> restoration = NASNet(width=8, blocks=1)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["attention"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 8, 17, 23]))
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 18,
        stages: int = 3,
        attention: Attention = "na",
        se_reduction: int = 16,
        fuse: bool = True,
        input_mean: Sequence[float] = (0.0, 0.0, 0.0),
        input_std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        if attention not in get_args(Attention):
            raise ValueError(f"attention is {attention!r}, not one of {get_args(Attention)}")
        if stages < 1:
            raise ValueError(f"NASNet needs at least one stage, not {stages}")
        self.register_buffer("mean", torch.tensor(input_mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(input_std)[:, None, None], persistent=False)

        def attend() -> nn.Module:
            return _attention(attention, width, se_reduction)

        self.embed = conv3(3, width)
        self.stages = nn.ModuleList(
            Stage(nn.Sequential(*(Block(width, attend()) for _ in range(blocks))), width)
            for _ in range(stages)
        )
        self.fusion = Fusion(stages, width, attend()) if fuse else None
        self.reconstruct = nn.Sequential(conv3(width, width), conv3(width, 3))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        given = (rainy - self.mean) / self.std
        features = self.embed(given)
        outputs = []
        for stage in self.stages:
            features = stage(features)
            outputs.append(features)
        maps = {}
        if self.fusion is not None:
            features, attention = self.fusion(outputs)
            maps = {} if attention is None else {"attention": attention}
        image = self.reconstruct(features) + given
        return Restoration(image, (image,), maps)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class; ours is returned as it is.

        Raises:
            KeyError: Keys are missing or do not belong to this network; the message names them.
        """
        if "pre.0.weight" not in published:
            return dict(published)
        stages = {key.split(".")[1] for key in published if key.startswith("stages.")}
        blocks = {key.split(".")[3] for key in published if ".att" in key and ".s." in key}
        return convert(published, _plan(len(stages), len(blocks)), "NASNet")


def _plan(stages: int, blocks: int) -> Plan:
    """Return our layers and the published ones, of so many stages of so many blocks."""
    plan = layer("embed", "pre.0")
    for stage in range(stages):
        for block in range(blocks):
            ours, theirs = f"stages.{stage}.blocks.{block}", f"stages.{stage}.s.{block}"
            for conv in ("conv1", "conv2"):
                plan |= layer(f"{ours}.{conv}", f"{theirs}.{conv}")
            plan |= _attention_plan(f"{ours}.attention", f"{theirs}.attlayer")
        plan |= layer(f"stages.{stage}.out", f"stages.{stage}.s.{blocks}")
    for number in range(2):
        plan |= layer(f"fusion.convs.{number}", f"fusion_sub.{number}")
        plan |= layer(f"reconstruct.{number}", f"post.{number}")
    return plan | _attention_plan("fusion.attention", "fusion_att")


def _attention_plan(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
    depthwise = layer(f"{ours}.depthwise", f"{theirs}.att.0")
    return depthwise | layer(f"{ours}.pointwise", f"{theirs}.att.2")


class Stage(nn.Module):
    """Blocks, a convolution, and the long skip connection: ``(N, C, H, W)`` to the same.

    Example:
        >>> Stage(nn.Identity(), 8)(torch.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(self, blocks: nn.Module, width: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.out = conv3(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``out(blocks(x)) + x``."""
        residual: Tensor = self.out(self.blocks(features))
        return residual.add_(features)


class Block(nn.Module):
    """One block: two convolutions, the second of which sees the input too, and attention.

    Args:
        width: C of the ``(N, C, H, W)`` that it takes and returns.
        attention: Gives the map of the second convolution's output; `NoAttention` for none.

    Example:
        >>> Block(8, NeuronAttention(8))(torch.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(self, width: int, attention: nn.Module) -> None:
        super().__init__()
        self.conv1 = conv3(width, width)
        self.conv2 = conv3(2 * width, width)
        self.attention = attention

    def forward(self, features: Tensor) -> Tensor:
        """Return ``b NA(b) + x``, ``b = conv2([x, relu(conv1(x))])``."""
        inner = F.relu_(self.conv1(features))
        residual = self.conv2(torch.cat((features, inner), 1))
        attention = self.attention(residual)
        if attention is None:
            return torch.as_tensor(residual + features)
        return torch.addcmul(features, residual, attention)


class NeuronAttention(nn.Module):
    """Neuron attention (Eqs. 4 and 5): a map of the input's shape, each value in (0, 1).

    Depthwise 3x3, ReLU, pointwise 1x1, sigmoid: 4,800 parameters for 64 channels. The paper's
    Figure 5 has other kernels, too.

    Example:
        >>> NeuronAttention(8)(torch.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(self, width: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the map of ``(N, C, H, W)``."""
        return torch.sigmoid(self.pointwise(F.relu_(self.depthwise(features))))


class SqueezeExcitation(nn.Module):
    """Squeeze and excitation (Hu 2018): a weight in (0, 1) per channel, ``(N, C, 1, 1)``.

    Example:
        >>> SqueezeExcitation(32, reduction=16)(torch.zeros(2, 32, 5, 7)).shape
        torch.Size([2, 32, 1, 1])
    """

    def __init__(self, width: int, *, reduction: int) -> None:
        super().__init__()
        middle = max(1, width // reduction)
        self.squeeze = nn.Conv2d(width, middle, 1)
        self.excite = nn.Conv2d(middle, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weights of ``(N, C, H, W)``."""
        means = features.mean((2, 3), keepdim=True)
        return torch.sigmoid(self.excite(F.relu_(self.squeeze(means))))


class NoAttention(nn.Module):
    """Stands where PlainNet has no attention.

    Example:
        >>> NoAttention()(torch.zeros(1, 8, 5, 7)) is None
        True
    """

    def forward(self, features: Tensor) -> None:
        """Return None."""


class Fusion(nn.Module):
    """Concatenates the stages' outputs, fuses them, and weights the result by its attention.

    Example:
        >>> fused, attention = Fusion(2, 8, NeuronAttention(8))([torch.zeros(1, 8, 5, 7)] * 2)
        >>> fused.shape, attention.shape
        (torch.Size([1, 8, 5, 7]), torch.Size([1, 8, 5, 7]))
    """

    def __init__(self, stages: int, width: int, attention: nn.Module) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv3(stages * width, width), nn.Conv2d(width, width, 1))
        self.attention = attention

    def forward(self, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return the fused features and their attention, each ``(N, C, H, W)``."""
        fused = self.convs(torch.cat(tuple(outputs), 1))
        attention = self.attention(fused)
        return (fused if attention is None else fused * attention), attention


def _attention(kind: Attention, width: int, se_reduction: int) -> nn.Module:
    if kind == "na":
        return NeuronAttention(width)
    if kind == "se":
        return SqueezeExcitation(width, reduction=se_reduction)
    return NoAttention()
