"""The guided filter of He et al. (TPAMI 2013), a picture its own guide, and its fast form."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def guided_filter(image: Tensor, radius: int, epsilon: float) -> Tensor:
    """Smooth each channel of ``(N, C, H, W)``, edges kept, and return it in double precision.

    The mean over a window counts only the pixels that lie within the picture. (On Metal, which has
    no double precision, in single.)

    Args:
        image: In [0, 1].
        radius: A window has ``2 radius + 1`` pixels a side.
        epsilon: What a variance has to be compared with to count as an edge.

    Example:
        >>> flat = torch.full((1, 3, 5, 7), 0.5)
        >>> torch.allclose(guided_filter(flat, 15, 1.0), flat.double())
        True
    """
    exact = _precise(image)
    slope, offset = _line(exact, radius, epsilon)
    return slope * exact + offset


def fast_guided_filter(image: Tensor, radius: int, epsilon: float, step: int) -> Tensor:
    """Smooth as `guided_filter` does, its windows looked at in a small copy (He and Sun, 2015).

    Args:
        image: In [0, 1], ``(N, C, H, W)``.
        radius: Of a window, in pixels of the picture.
        epsilon: As there.
        step: Every how many pixels the small copy has one.
    """
    exact = _precise(image)
    rows, columns = (_every(step, side).to(image.device) for side in image.shape[-2:])
    small = exact[..., rows, :][..., columns]
    slope, offset = (
        F.interpolate(each, image.shape[-2:], mode="bilinear", align_corners=False)
        for each in _line(small, radius // step, epsilon)
    )
    return slope * exact + offset


def _every(step: int, length: int) -> Tensor:
    """Return which pixels MATLAB's ``imresize`` takes as the nearest ones, mirrored at the end.

    Example:
        >>> _every(4, 11).tolist()
        [2, 6, 10]
    """
    index = (torch.arange(-(-length // step)) * step + step // 2) % (2 * length)
    return torch.minimum(index, 2 * length - 1 - index)


def _precise(image: Tensor) -> Tensor:
    return image.float() if image.device.type == "mps" else image.double()


def _line(image: Tensor, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return the mean slope and offset of the lines that fit the windows around a pixel."""
    mean = _mean(image, radius)
    variance = _mean(image * image, radius) - mean * mean
    slope = variance / (variance + epsilon)
    return _mean(slope, radius), _mean(mean - slope * mean, radius)


def _mean(image: Tensor, radius: int) -> Tensor:
    """Return the mean over the window around each pixel, one axis after the other."""
    for size, border in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
        image = F.avg_pool2d(image, size, 1, border, count_include_pad=False)
    return image
