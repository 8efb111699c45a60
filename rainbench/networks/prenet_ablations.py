"""The ablations of PReNet, and the network its authors use for real images.

All four predict the image directly: no rainy image is added to what ``f_out`` gives. See `prenet`
for the paper and for what the published code does that the paper does not say.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, ConvReLU, LSTMState, conv3
from rainbench.networks.prenet import PReNet
from rainbench.networks.progressive import plan, progress, residual_blocks
from rainbench.networks.published import convert, layer


class PReNet_LSTM(PReNet):  # noqa: N801 (the paper's name)
    """PReNet_LSTM: PReNet that predicts the image directly.

    168,963 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1] for the
    published weights (trained with 5, 6 and 7 stages), and returns one image per stage.

    Example:
        >>> PReNet_LSTM(iterations=2)(torch.rand(1, 3, 17, 23)).image.shape
        torch.Size([1, 3, 17, 23])
    """

    def _stage(
        self, rainy: Tensor, restored: Tensor, state: LSTMState | None
    ) -> tuple[Tensor, LSTMState]:
        features = self.f_in(torch.cat((rainy, restored), 1))
        state = self.f_recurrent(features, state)
        return self.f_out(self.f_res(state.hidden)), state

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PReNet_LSTM``; see `published.convert`."""
        return convert(published, plan(lstm=True), "PReNet_LSTM")


class ConvGRU(nn.Module):
    """The recurrent layer of PReNet_GRU: ``(N, C, H, W)`` features and hidden state.

    The published code feeds ``[features, hidden]`` to the update and reset gates, but
    ``[reset * hidden, features]``, the other way round, to the candidate.

    Example:
        >>> unit = ConvGRU(4)
        >>> features = torch.zeros(1, 4, 5, 7)
        >>> unit(features, unit(features)).shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gates = conv3(2 * channels, 2 * channels)
        self.candidate = conv3(2 * channels, channels)

    def forward(self, features: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Advance one step; None is the zero state."""
        if hidden is None:
            hidden = torch.zeros_like(features)
        gates = torch.sigmoid(self.gates(torch.cat((features, hidden), 1)))
        update, reset = gates.chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat((reset * hidden, features), 1)))
        return (1 - update) * hidden + update * candidate


class PReNet_GRU(nn.Module):  # noqa: N801 (the paper's name)
    """PReNet_GRU: the recurrent layer is a convolutional GRU; the image is predicted directly.

    150,499 parameters; otherwise as `PReNet_LSTM`.

    Args:
        iterations: Number of stages.

    Example:
        >>> PReNet_GRU(iterations=2)(torch.rand(1, 3, 17, 23)).image.shape
        torch.Size([1, 3, 17, 23])
    """

    def __init__(self, *, iterations: int = 6) -> None:
        super().__init__()
        self.iterations = iterations
        self.f_in = ConvReLU(6, 32)
        self.f_recurrent = ConvGRU(32)
        self.f_res = residual_blocks()
        self.f_out = conv3(32, 3)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        return progress(rainy, self.iterations, self._stage)

    def _stage(
        self, rainy: Tensor, restored: Tensor, hidden: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        features = self.f_in(torch.cat((rainy, restored), 1))
        hidden = self.f_recurrent(features, hidden)
        return self.f_out(self.f_res(hidden)), hidden

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PReNet_GRU``; see `published.convert`."""
        gru = layer("f_recurrent.gates", "conv_z.0", "conv_b.0")
        gru |= layer("f_recurrent.candidate", "conv_g.0")
        return convert(published, plan() | gru, "PReNet_GRU")


class PReNet_x(PReNet):  # noqa: N801 (the paper's name)
    """PReNet_x: a stage sees only the result of the stage before, not the rainy image.

    168,099 parameters; otherwise as `PReNet_LSTM`.

    Example:
        >>> PReNet_x(iterations=2)(torch.rand(1, 3, 17, 23)).image.shape
        torch.Size([1, 3, 17, 23])
    """

    inputs = 3

    def _stage(
        self, _rainy: Tensor, restored: Tensor, state: LSTMState | None
    ) -> tuple[Tensor, LSTMState]:
        state = self.f_recurrent(self.f_in(restored), state)
        return self.f_out(self.f_res(state.hidden)), state

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``PReNet_x``; see `published.convert`."""
        return convert(published, plan(lstm=True), "PReNet_x")


class Generator_lstm(nn.Module):  # noqa: N801 (the published name)
    """Generator_lstm: ``f_res`` before ``f_recurrent``, 4 stages; published for real images.

    168,963 parameters; otherwise as `PReNet_LSTM`.

    Args:
        iterations: Number of stages.

    Example:
        >>> len(Generator_lstm()(torch.rand(1, 3, 17, 23)).stages)
        4
    """

    def __init__(self, *, iterations: int = 4) -> None:
        super().__init__()
        self.iterations = iterations
        self.f_in = ConvReLU(6, 32)
        self.f_res = residual_blocks()
        self.f_recurrent = ConvLSTM(32, 32)
        self.f_out = conv3(32, 3)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        return progress(rainy, self.iterations, self._stage)

    def _stage(
        self, rainy: Tensor, restored: Tensor, state: LSTMState | None
    ) -> tuple[Tensor, LSTMState]:
        features = self.f_in(torch.cat((rainy, restored), 1))
        state = self.f_recurrent(self.f_res(features), state)
        return self.f_out(state.hidden), state

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class ``Generator_lstm``."""
        return convert(published, plan(lstm=True), "Generator_lstm")
