"""PReNet and its relatives (Ren et al., "Progressive Image Deraining Networks", CVPR 2019).

A shallow network restores the image again and again: each stage sees the rainy image and the
result of the stage before, all stages share their weights, and a recurrent layer carries features
from stage to stage (Sec. 3). The parts have the paper's names: ``f_in``, ``f_recurrent``,
``f_res`` and ``f_out``.

What the published code does that the paper does not say:

* The residual blocks of ``f_res`` have a ReLU before the sum as well as after it.
* ``f_in`` is one convolution with a ReLU; all convolutions are 3x3, 32 channels, zero padded.
* PReNet, PReNet_r, PRN and PRN_r add the rainy image to what ``f_out`` gives. PReNet_LSTM,
  PReNet_GRU, PReNet_x and Generator_lstm predict the image directly.
* Generator_lstm, used for real images, runs ``f_res`` *before* the recurrent layer, in 4 stages.

The four networks of the paper's tables are here, those of its ablations and for real images in
`prenet_ablations`, what all of them share in `progressive`. PReNet, PReNet_LSTM and Generator_lstm
share keys and shapes, so a checkpoint of one loads into the others without complaint and gives
wrong images: only its baseline card tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, ConvReLU, LSTMState, conv3
from rainbench.networks.progressive import plan, progress, residual_blocks
from rainbench.networks.published import convert


class PReNet(nn.Module):
    """PReNet: progressive restoration with a convolutional LSTM and five residual blocks.

    168,963 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1] for the
    published weights, and returns one image per stage.

    Args:
        iterations: Number of stages.
        width: Channels of the features.

    Example:
        >>> restoration = PReNet(iterations=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, len(restoration.stages)
        (torch.Size([1, 3, 17, 23]), 2)
    """

    inputs = 6
    """Channels that a stage sees: the rainy image and the last result."""

    recursive = False
    """Whether ``f_res`` is one block, applied repeatedly."""

    def __init__(self, *, iterations: int = 6, width: int = 32) -> None:
        super().__init__()
        self.iterations = iterations
        self.f_in = ConvReLU(self.inputs, width)
        self.f_recurrent = ConvLSTM(width, width)
        self.f_res = residual_blocks(width, repeated=self.recursive)
        self.f_out = conv3(width, 3)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        return progress(rainy, self.iterations, self._stage)

    def _stage(
        self, rainy: Tensor, restored: Tensor, state: LSTMState | None
    ) -> tuple[Tensor, LSTMState]:
        features = self.f_in(torch.cat((rainy, restored), 1))
        state = self.f_recurrent(features, state)
        return self.f_out(self.f_res(state.hidden)) + rainy, state

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PReNet``; see `published.convert`."""
        return convert(published, plan(lstm=True), "PReNet")


class PReNet_r(PReNet):  # noqa: N801 (the paper's name)
    """PReNet_r: PReNet with one residual block applied five times (recursive ResBlocks).

    94,979 parameters; otherwise as `PReNet`.

    Example:
        >>> PReNet_r(iterations=2)(torch.rand(1, 3, 17, 23)).image.shape
        torch.Size([1, 3, 17, 23])
    """

    recursive = True

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PReNet_r``; see `published.convert`."""
        return convert(published, plan(lstm=True, recursive=True), "PReNet_r")


class PRN(nn.Module):
    """PRN: PReNet without the recurrent layer.

    95,107 parameters; otherwise as `PReNet`.

    Args:
        iterations: Number of stages.
        width: Channels of the features.

    Example:
        >>> PRN(iterations=2)(torch.rand(1, 3, 17, 23)).image.shape
        torch.Size([1, 3, 17, 23])
    """

    recursive = False

    def __init__(self, *, iterations: int = 6, width: int = 32) -> None:
        super().__init__()
        self.iterations = iterations
        self.f_in = ConvReLU(6, width)
        self.f_res = residual_blocks(width, repeated=self.recursive)
        self.f_out = conv3(width, 3)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        return progress(rainy, self.iterations, self._stage)

    def _stage(self, rainy: Tensor, restored: Tensor, _: None) -> tuple[Tensor, None]:
        features = self.f_in(torch.cat((rainy, restored), 1))
        return self.f_out(self.f_res(features)) + rainy, None

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PRN``; see `published.convert`."""
        return convert(published, plan(), "PRN")


class PRN_r(PRN):  # noqa: N801 (the paper's name)
    """PRN_r: PRN with one residual block applied five times.

    21,123 parameters; otherwise as `PReNet`.

    Example:
        >>> PRN_r(iterations=2)(torch.rand(1, 3, 17, 23)).image.shape
        torch.Size([1, 3, 17, 23])
    """

    recursive = True

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PRN_r``; see `published.convert`."""
        return convert(published, plan(recursive=True), "PRN_r")
