"""JORDER (Yang et al., "Deep Joint Rain Detection and Removal from a Single Image", CVPR 2017).

The network of the authors' release, whose numbers the tables quote: a plain residual network on the
luma of 8-bit pictures, with the cutting into tiles that its driver does.

What the release does that the paper does not say:

* The paper's network has three dilated paths and predicts a mask and the strength of rain beside
  the image. The released one has neither.
* Luma is MATLAB's, rounded to 8 bits (16 to 235), divided by 255. The colours of the rainy picture
  are kept: the restored luma, rounded, is put together with them by ``ycbcr2rgb``.
* The picture is cut into tiles of 100x100 pixels with a step of 80, its border repeated by 20
  pixels; the outer 10 pixels of each tile are dropped and what two tiles share is averaged. Each
  tile has zeros beyond its border, so results differ from those of the whole picture.
* A picture needs 60 pixels a side: with its border it has to hold a tile.

Layers have the names of the release.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainbench.networks.base import Restoration
from rainbench.networks.blocks import conv3
from rainbench.networks.matlab_colour import rounded, to_rgb, to_ycbcr
from rainbench.networks.published import convert

TILE, STEP, BORDER, DROPPED = 100, 80, 20, 10
"""Of the driver, in pixels."""

SMALLEST = TILE - 2 * BORDER


class JORDER(nn.Module):
    """The released network of JORDER within its driver.

    370,497 parameters. ``forward`` takes ``(N, 3, H, W)`` of 60 pixels a side or more, RGB in
    [0, 1] for the published weights, and returns 8-bit pictures as the driver does. ``maps`` holds
    the restored luma as the network gives it, in [0, 1], unrounded.

    Args:
        width: Channels of the features.
        blocks: Residual blocks.

    Raises:
        ValueError: (``forward``) The picture is smaller.

    Example:
        >>> restoration = JORDER(width=4)(torch.rand(1, 3, 60, 71))
        >>> restoration.image.shape, restoration.maps["luma"].shape
        (torch.Size([1, 3, 60, 71]), torch.Size([1, 1, 60, 71]))
    """

    def __init__(self, *, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        sizes = [(1, width), *[(width, width)] * (2 * blocks), (width, 1)]
        for number, (inputs, outputs) in enumerate(sizes, start=1):
            self.add_module(f"Convolution{number}", conv3(inputs, outputs))

    def forward(self, rainy: Tensor) -> Restoration:
        """Restore a batch, ``(N, 3, H, W)``."""
        if min(rainy.shape[-2:]) < SMALLEST:
            raise ValueError(f"JORDER needs {SMALLEST} pixels a side at least")
        ycbcr = rounded(to_ycbcr(rainy))
        luma = self.restore_luma((ycbcr[:, :1] / 255).to(rainy.dtype))
        restored = torch.cat((rounded(255 * luma).clamp(0, 255), ycbcr[:, 1:]), 1)
        image = (rounded(to_rgb(restored)).clamp(0, 255) / 255).to(rainy.dtype)
        return Restoration(image, (image,), {"luma": luma})

    def restore_luma(self, luma: Tensor) -> Tensor:
        """Restore luma, ``(N, 1, H, W)`` in [0, 1], in the driver's tiles."""
        padded = F.pad(luma, (BORDER,) * 4, mode="replicate")
        total, times = torch.zeros_like(padded), torch.zeros_like(padded)
        for top in _starts(padded.shape[-2]):
            for left in _starts(padded.shape[-1]):
                tile = self.restore_tile(padded[..., top : top + TILE, left : left + TILE])
                rows = slice(top + DROPPED, top + TILE - DROPPED)
                columns = slice(left + DROPPED, left + TILE - DROPPED)
                total[..., rows, columns] += tile[..., DROPPED:-DROPPED, DROPPED:-DROPPED]
                times[..., rows, columns] += 1
        inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        return total[inner] / times[inner]

    def restore_tile(self, luma: Tensor) -> Tensor:
        """Restore luma, ``(N, 1, H, W)`` in [0, 1], in one piece."""
        first, *convs, last = self.children()
        features = start = F.relu(first(luma))
        for one, two in zip(convs[::2], convs[1::2], strict=True):
            features = F.relu(0.5 * features + 0.5 * two(F.relu(one(features))))
        restored: Tensor = luma + last(0.5 * start + 0.5 * features)
        return restored

    @staticmethod
    def convert_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the layers of a published ``.caffemodel``.

        MATLAB hands pictures to Caffe column by column, so its kernels are ours mirrored along the
        diagonal.

        Raises:
            KeyError: Layers are missing or do not belong to this network.
        """
        plan: dict[str, tuple[str, ...]] = {}
        for number in range(1, 13):
            plan[f"Convolution{number}.weight"] = (f"Convolution{number}.0",)
            plan[f"Convolution{number}.bias"] = (f"Convolution{number}.1",)
        renamed = convert(published, plan, "JORDER")
        return {
            key: value.flatten() if key.endswith("bias") else value.transpose(2, 3).contiguous()
            for key, value in renamed.items()
        }


def _starts(length: int) -> list[int]:
    """Return where tiles start along an axis; the last one ends with it."""
    last = length - TILE
    return [*range(0, last, STEP), last]
