"""DerainNet (Fu et al., "Clearing the Skies", IEEE TIP 2017), which tables print as Clear.

A guided filter takes the image apart into a smooth base and its detail, where the rain is; three
layers make of the detail that of the clean image (Eq. 2), and the base is added again. What the
paper leaves open is read as in the authors' later code: the image is mirrored by ten pixels on each
side, its edge repeated, and what the layers and the filter do at that border is cut off. The
enhancement of the paper's last step is left out, as it is wherever numbers are compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.guided_filter import guided_filter
from rainbench.networks.published import unchanged

BORDER = 10
RADIUS, EPSILON = 15, 1.0
"""Of the guided filter."""

FIRST, LAST = 16, 8
"""Sides of the first and the last kernel, which make the detail eight pixels smaller."""


class DerainNet(nn.Module):
    """Three layers on the detail of an image.

    754,691 parameters. ``forward`` takes ``(N, 3, H, W)`` of any size, RGB in [0, 1]. ``maps``
    holds the clean ``detail``, ``(N, 3, H, W)``.

    Args:
        width: Channels of the two hidden layers.

    Example:
        >>> restoration = DerainNet(width=8)(torch.rand(1, 3, 17, 23))
        >>> restoration.image.shape, restoration.maps["detail"].shape
        (torch.Size([1, 3, 17, 23]), torch.Size([1, 3, 17, 23]))
    """

    def __init__(self, *, width: int = 512) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, FIRST)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.conv3 = nn.ConvTranspose2d(width, 3, LAST)

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        wide = _mirrored(rainy)
        base = guided_filter(wide, RADIUS, EPSILON)
        detail = F.relu_(self.conv1((wide - base).to(rainy.dtype)))
        detail = self.conv3(F.relu_(self.conv2(detail)))
        less = BORDER - (FIRST - LAST) // 2
        detail = detail[..., less:-less, less:-less]
        base = base[..., BORDER:-BORDER, BORDER:-BORDER].to(rainy.dtype)
        return Restoration(base + detail, (), {"detail": detail})

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict as it is; none of the authors is known."""
        return unchanged(published)


def _mirrored(image: Tensor) -> Tensor:
    """Return an image with ten more pixels on each side, mirrored with its edge repeated."""
    for axis in (2, 3):
        length = image.shape[axis]
        index = torch.arange(-BORDER, length + BORDER, device=image.device) % (2 * length)
        image = image.index_select(axis, torch.minimum(index, 2 * length - 1 - index))
    return image
