"""Rectified local contrast normalisation (RLCN), by exact statistics of square windows.

RRANet marks where rain may be by it: pixels that are brighter than their surroundings, measured in
standard deviations of these, so that weak streaks stand out like strong ones (RRANet, Eq. 2).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from rainbench.networks.blocks import mirrored

Border = Literal["reflect", "replicate", "zeros"]


def rectified_contrast(
    image: Tensor,
    *,
    window: int = 9,
    eps: float = 1e-3,
    border: Border = "reflect",
    unbiased: bool = False,
) -> Tensor:
    """Return ``max(I - mean, 0) / (std + eps)`` of every pixel's window, per channel.

    The result is zero where the image is flat, never negative, and at most ``sqrt(n - 1)`` for a
    window of n pixels and the biased deviation. With ``eps=0`` it is the same for ``a I + b``,
    a > 0; with ``eps`` nearly so while a is not much smaller than 1. ("zeros" breaks that at the
    borders.) Integers and half precision are computed, and returned, in single precision.

    Args:
        image: ``(..., H, W)``, for the default ``eps`` in [0, 1].
        window: Side of the square window in pixels, odd. RRANet does not say; 9 is our choice.
        eps: Added to the standard deviation. Not said either.
        border: What lies beyond the image: "reflect" mirrors it without repeating the border
            pixel (``c b | a b c | b a``), as often as the window needs, "replicate" repeats the
            border pixel, "zeros" is black. Not said either.
        unbiased: Divide the sum of squares by ``n - 1`` instead of n. Not said either.

    Returns:
        ``(..., H, W)``.

    Raises:
        ValueError: The window is even or not positive, or the border is none of the three.

    Example:
        >>> spike = torch.zeros(1, 9, 9)
        >>> spike[0, 4, 4] = 0.5
        >>> rectified_contrast(spike, eps=0)[0, 4, 3:6]  # at most the square root of 80
        tensor([0.0000, 8.9443, 0.0000])
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"the window of RLCN has an odd size, not {window}")
    if border not in get_args(Border):
        raise ValueError(f"border is {border!r}, not one of {get_args(Border)}")
    if image.dtype not in (torch.float32, torch.float64):
        image = image.float()
    mean, variance = window_statistics(image, window, border)
    if unbiased and window > 1:
        variance = variance * (window**2 / (window**2 - 1))
    spread = torch.where(variance > 0, variance, 1.0).sqrt()  # a root's slope at zero is infinite
    spread = torch.where(variance > 0, spread, 0.0) + eps
    contrast = (image - mean).clamp(min=0)
    return torch.where(contrast > 0, contrast / torch.where(contrast > 0, spread, 1.0), 0.0)


def window_statistics(image: Tensor, window: int, border: Border) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of the square window around every pixel.

    Sums of differences from the centre, first along rows, then along columns; the variance is that
    within the rows plus that of the rows' means. Nothing large is ever subtracted from something
    as large, so single precision is exact to a few of its last digits, and a flat window has
    exactly zero variance; the work grows with the side of the window, not with its area.

    Args:
        image: ``(..., H, W)``, floating point.
        window: Side of the window, odd.
        border: What lies beyond the image, see `rectified_contrast`.

    Example:
        >>> mean, variance = window_statistics(torch.tensor([[0.0, 3.0, 6.0]]), 3, "replicate")
        >>> mean, variance
        (tensor([[1., 3., 5.]]), tensor([[2., 6., 2.]]))
    """
    mean, variance = image, torch.zeros_like(image)
    for axis in (-1, -2):
        means = _seen_from(mean, window, axis, border)
        variances = _seen_from(variance, window, axis, border)
        mean, variance = _of_the_union(mean, means, variances)
    return mean, variance


def _of_the_union(
    centre: Tensor, means: list[Tensor], variances: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of groups of one size taken together (Chan 1979)."""
    total = torch.zeros_like(centre)
    for mean in means:
        total = total + (mean - centre)
    union = centre + total / len(means)
    squares = torch.zeros_like(centre)
    for mean, variance in zip(means, variances, strict=True):
        squares = squares + (variance + (mean - union).square())
    return union, squares / len(means)


def _seen_from(map_: Tensor, window: int, axis: int, border: Border) -> list[Tensor]:
    """Return the map shifted to every place of a window along an axis."""
    length, reach = map_.shape[axis], window // 2
    index = torch.arange(-reach, length + reach, device=map_.device)
    source = mirrored(index, length) if border == "reflect" else index.clamp(0, length - 1)
    extended = map_.index_select(axis, source)
    if border == "zeros":
        inside = ((index >= 0) & (index < length)).to(map_)
        extended = extended * (inside if axis == -1 else inside[:, None])
    return [extended.narrow(axis, start, length) for start in range(window)]
