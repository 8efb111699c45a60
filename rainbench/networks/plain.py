"""Baselines without parameters: the rainy image itself, and a median filter."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import mirrored
from rainbench.networks.published import check_keys


class Identity(nn.Module):
    """Returns the rainy image: the number that every network has to beat.

    Example:
        >>> rainy = torch.rand(1, 3, 4, 5)
        >>> torch.equal(Identity()(rainy).image, rainy)
        True
    """

    def forward(self, rainy: Tensor) -> Restoration:
        """Return a batch, ``(N, 3, H, W)``, as it is."""
        return Restoration(rainy)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Refuse every checkpoint: there is nothing to load."""
        check_keys(published, (), "Identity")
        return {}


class MedianFilter(nn.Module):
    """The median of a square window, per channel; the image is mirrored at its borders.

    The mirror does not repeat the border pixel (``c b | a b c | b a``). A median is a value of
    the window, so the result is exact in every precision.

    Args:
        size: Side of the window, odd.

    Raises:
        ValueError: ``size`` is even or not positive.

    Example:
        >>> dotted = torch.zeros(1, 3, 5, 5)
        >>> dotted[..., 2, 2] = 1
        >>> MedianFilter()(dotted).image.max().item()
        0.0
    """

    def __init__(self, *, size: int = 3) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise ValueError(f"the window of a median filter has an odd size, not {size}")
        self.size = size

    def forward(self, rainy: Tensor) -> Restoration:
        """Filter a batch, ``(N, 3, H, W)`` of any size."""
        reach = self.size // 2
        rows, columns = (
            mirrored(torch.arange(-reach, length + reach, device=rainy.device), length)
            for length in rainy.shape[-2:]
        )
        padded = rainy[..., rows, :][..., columns].contiguous()
        windows = padded.unfold(-2, self.size, 1).unfold(-2, self.size, 1)
        return Restoration(windows.flatten(-2).median(-1).values)

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Refuse every checkpoint: there is nothing to load."""
        check_keys(published, (), "MedianFilter")
        return {}
