"""RCDNet (Wang et al., "A Model-driven Deep Neural Network for ... Rain Removal", CVPR 2020).

Rain is a sum of few kernels C, each convolved with a sparse map M of where it falls (Eq. 2); maps
and background are found by alternating proximal gradient steps, unrolled into stages whose proximal
operators are small residual networks (Eqs. 11 to 17). What the published code does that the paper
does not say:

* The background has 32 further channels, which go through its operators with it.
* The first maps are made with kernels of their own, from what a first operator leaves of the image,
  less a threshold.
* Kernels and step sizes are stored ten times as large as they are used. Of the kernels' sixteen
  copies one is used, and an operator of maps and a step size are not: 191,169 of 3,166,355
  parameters, which are not here.
* Values are 0 to 255, and batches are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.published import check_keys

KERNEL = 9
BLOCKS = 4
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
SCALE = 10.0
"""What kernels and step sizes are divided by where they are used."""


class RCDNet(nn.Module):
    """Rain convolutional dictionary network.

    2,975,186 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB from 0 to 255;
    ``stages`` has the background before the first map, after each stage and, as the image, after
    a last operator. ``maps`` holds the rain of each stage, ``rain_1``, ``rain_2`` and so on, and as
    ``rain`` that of the last, ``(N, 3, H, W)``, 1 standing for 255.

    Args:
        stages: Number of stages.
        maps: Number of kernels and of their maps.
        channels: Further channels of the background.

    Example:
        >>> network = RCDNet(stages=2, maps=4, channels=4).eval()
        >>> restoration = network(255 * torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, len(restoration.stages)
        (torch.Size([1, 3, 17, 23]), 4)
    """

    def __init__(self, *, stages: int = 17, maps: int = 32, channels: int = 32) -> None:
        super().__init__()
        if stages < 1:
            raise ValueError(f"RCDNet needs at least one stage, not {stages}")
        kernels = (3, maps, KERNEL, KERNEL)
        self.first_kernels = nn.Parameter(torch.randn(kernels) / KERNEL)
        self.kernels = nn.Parameter(self.first_kernels.detach().clone())
        self.threshold = nn.Parameter(torch.ones(1))
        self.map_steps = nn.Parameter(torch.ones(stages - 1))
        self.background_steps = nn.Parameter(torch.full((stages,), 5.0))
        self.lift = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        nn.init.constant_(self.lift.weight, 1 / 9)
        self.first = Residuals(3 + channels)
        self.map_operators = nn.ModuleList(SparseResiduals(maps) for _ in range(stages))
        self.background_operators = nn.ModuleList(Residuals(3 + channels) for _ in range(stages))
        self.last = Residuals(3 + channels)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)`` from 0 to 255."""
        both = self.first(torch.cat((rainy, self.lift(rainy)), 1))
        backgrounds = [both[:, :3]]
        kernels, reach = self.kernels / SCALE, KERNEL // 2
        found = rain = rainy  # of the first stage there are none yet
        maps = {}
        for stage, operator in enumerate(self.map_operators):
            left = rainy - both[:, :3]
            if stage == 0:
                above = F.relu(left - self.threshold)
                found = F.conv_transpose2d(above, self.first_kernels / SCALE, padding=reach)
            else:
                wrong = F.conv_transpose2d(rain - left, kernels, padding=reach)
                found = found - self.map_steps[stage - 1] / SCALE * wrong
            found = operator(found)
            rain = F.conv2d(found, kernels, padding=reach)
            maps[f"rain_{stage + 1}"] = rain / 255
            step = self.background_steps[stage] / SCALE
            nearer = (1 - step) * both[:, :3] + step * (rainy - rain)
            both = self.background_operators[stage](torch.cat((nearer, both[:, 3:]), 1))
            backgrounds.append(both[:, :3])
        image = self.last(both)[:, :3]
        return Restoration(image, (*backgrounds, image), {**maps, "rain": rain / 255})

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class; the number of stages is that of its keys.

        The class was published under two sets of names; that of ``RCDNet_simple`` has nothing that
        is not used.

        Raises:
            KeyError: It is no state dict of RCDNet; the message says why.
        """
        if "C0" in published:
            return _from_simple(published)
        stages = len({key.split(".")[1] for key in published if key.startswith("x_stage.")})
        plan = {
            "first_kernels": "weight0", "kernels": "conv", "threshold": "tau",
            "map_steps": "eta11", "background_steps": "eta12", "lift.weight": "w_z_f",
            **_plan("first", "xnet"), **_plan("last", "fxnet"),
        }  # fmt: skip
        for stage in range(stages):
            plan |= _plan(f"map_operators.{stage}", f"m_stage.{stage}", sparse=True)
            plan |= _plan(f"background_operators.{stage}", f"x_stage.{stage}")
        unused = ("eta1", "eta2", *_plan("", "mnet", sparse=True).values())
        check_keys(published, [*plan.values(), *unused], "RCDNet")
        ours = {name: published[theirs] for name, theirs in plan.items()}
        ours["kernels"] = ours["kernels"][1]
        ours["map_steps"] = ours["map_steps"].flatten()
        steps = ours["background_steps"].flatten()
        ours["background_steps"] = torch.cat((published["eta2"].flatten(), steps))
        return ours


def _from_simple(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a state dict under the names of ``RCDNet_simple``, or of the first release."""
    steps = ("etaM_S", "etaB_S") if "etaM_S" in published else ("eta1_S", "eta2_S")
    stages = len({key.split(".")[1] for key in published if key.startswith("proxNet_B_S.")})
    plan = {
        "first_kernels": "C0", "kernels": "C", "threshold": "tau", "lift.weight": "C_z",
        "map_steps": steps[0], "background_steps": steps[1],
        **_plan("first", "proxNet_B_0", simple=True),
        **_plan("last", "proxNet_B_last_layer", simple=True),
    }  # fmt: skip
    for stage in range(stages):
        for ours, theirs in (("map", "M"), ("background", "B")):
            names = f"{ours}_operators.{stage}", f"proxNet_{theirs}_S.{stage}"
            plan |= _plan(*names, sparse=theirs == "M", simple=True)
    check_keys(published, [*plan.values()], "RCDNet")
    found = {name: published[theirs] for name, theirs in plan.items()}
    return found | {name: found[name].flatten() for name in ("map_steps", "background_steps")}


def _plan(ours: str, theirs: str, *, sparse: bool = False, simple: bool = False) -> dict[str, str]:
    """Return our keys of an operator's tensors, and the published ones."""
    letter = "m" if sparse else "x"
    kinds = ("weight", "bias")
    plan = {f"{ours}.threshold": f"{theirs}.tau"} if sparse else {}
    for block in range(BLOCKS):
        for layer, (conv, norm) in enumerate(((0, 1), (3, 4)), start=1):
            prefix = f"{theirs}.layer.{block}" if simple else f"{theirs}.res{letter}{block + 1}"
            for kind in kinds:
                plan[f"{ours}.blocks.{block}.conv{layer}.{kind}"] = f"{prefix}.{conv}.{kind}"
            for kind in (*kinds, *_STATISTICS):
                plan[f"{ours}.blocks.{block}.norm{layer}.{kind}"] = f"{prefix}.{norm}.{kind}"
    return plan


class Block(nn.Module):
    """Convolution, normalisation, ReLU, convolution, normalisation; the input added; ReLU.

    Example:
        >>> Block(4).eval()(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3(channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = conv3(channels, channels), nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return the sum, rectified."""
        inner = F.relu_(self.norm1(self.conv1(features)))
        return F.relu_(self.norm2(self.conv2(inner)) + features)


class Residuals(nn.Module):
    """The proximal operator of the background: four blocks.

    Example:
        >>> Residuals(4).eval()(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(channels) for _ in range(BLOCKS)))

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(N, C, H, W)``."""
        return torch.as_tensor(self.blocks(features))


class SparseResiduals(Residuals):
    """The proximal operator of the maps: four blocks, and a threshold for each map.

    Example:
        >>> SparseResiduals(4).eval()(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.threshold = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(N, C, H, W)``, none below zero."""
        return F.relu_(super().forward(features) - self.threshold)
