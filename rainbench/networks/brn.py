"""BRN (Ren et al., "Single Image Deraining via Bilateral Recurrent Network", IEEE TIP 2020).

Two recurrent networks work side by side: one on the rain layer, one on the background image. At
each stage the rain network looks at the rainy image and its last rain layer, the image network at
the rainy image, its last result and the new rain layer; the recurrent layer of each also sees the
hidden state of the other.

What the published code does that the paper does not say:

* It keeps two residual blocks in the rain network, ``res_conv4_r`` and ``res_conv5_r``, that no
  stage calls: 36,992 dead parameters of 412,518. They are there, named ``unused``, so that the
  published count stays true; ``dead=False`` leaves them out.
* The rainy image stands in for the first rain layer as well as for the first result.
* The published class makes 4 stages unless told otherwise; its test script uses 8.
* The residual blocks have a ReLU before the sum as well as after it.
* The image is predicted directly: nothing is subtracted from the rainy image.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import ConvLSTM, ConvReLU, LSTMState, ResidualBlock, conv3
from rainbench.networks.published import convert, layer


class BRN(nn.Module):
    """Bilateral recurrent network: rain layer and image restored together, stage by stage.

    412,518 parameters, of which 36,992 are dead as published. ``forward`` takes ``(N, 3, H, W)``
    of any size, RGB in [0, 1] for the published weights. ``maps`` holds the rain layer of every
    stage as ``rain_1``, ``rain_2``, ..., and the last one as ``rain``.

    Args:
        iterations: Number of stages.
        width: Channels of the features.
        dead: Whether the two residual blocks exist that the published code has and never calls.

    Example:
        >>> restoration = BRN(iterations=2)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, sorted(restoration.maps)
        (torch.Size([1, 3, 17, 23]), ['rain', 'rain_1', 'rain_2'])
    """

    def __init__(self, *, iterations: int = 8, width: int = 32, dead: bool = True) -> None:
        super().__init__()
        self.iterations = iterations
        self.rain_in = ConvReLU(6, width)
        self.rain_recurrent = ConvLSTM(width, width, others=width)
        self.rain_res = nn.Sequential(*(ResidualBlock(width) for _ in range(3)))
        self.rain_out = conv3(width, 3)
        self.image_in = ConvReLU(9, width)
        self.image_recurrent = ConvLSTM(width, width, others=width)
        self.image_res = nn.Sequential(*(ResidualBlock(width) for _ in range(5)))
        self.image_out = conv3(width, 3)
        if dead:
            self.unused = nn.Sequential(*(ResidualBlock(width) for _ in range(2)))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        image = rain = rainy
        image_state: LSTMState | None = None
        rain_state: LSTMState | None = None
        images, rains = [], []
        for _ in range(self.iterations):
            features = self.rain_in(torch.cat((rainy, rain), 1))
            hidden = None if image_state is None else image_state.hidden
            rain_state = self.rain_recurrent(features, rain_state, hidden)
            rain = self.rain_out(self.rain_res(rain_state.hidden))

            features = self.image_in(torch.cat((rainy, image, rain), 1))
            image_state = self.image_recurrent(features, image_state, rain_state.hidden)
            image = self.image_out(self.image_res(image_state.hidden))
            images.append(image)
            rains.append(rain)
        maps = {f"rain_{stage}": of_stage for stage, of_stage in enumerate(rains, start=1)}
        return Restoration(image, tuple(images), {**maps, "rain": rain})

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the published class; see `published.convert`."""
        plan: dict[str, tuple[str, ...]] = {}
        for branch, suffix, blocks in (("rain", "_r", 3), ("image", "", 5)):
            plan |= layer(f"{branch}_in.conv", f"conv0{suffix}.0")
            gates = [f"conv_{gate}{suffix}.0" for gate in ("f", "i", "o", "g")]
            plan |= layer(f"{branch}_recurrent.gates", *gates)
            for block in range(5):
                ours = f"{branch}_res.{block}" if block < blocks else f"unused.{block - blocks}"
                plan |= layer(f"{ours}.conv1", f"res_conv{block + 1}{suffix}.0")
                plan |= layer(f"{ours}.conv2", f"res_conv{block + 1}{suffix}.2")
            plan |= layer(f"{branch}_out", f"conv{suffix}.0")
        return convert(published, plan, "BRN")
