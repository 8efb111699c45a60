"""Luma and colours as MATLAB has them (BT.601, 16 to 235), for methods that restore luma alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rainbench.networks.base import Restoration

_TO_YCBCR = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_OFFSET = (16.0, 128.0, 128.0)
"""MATLAB's ``rgb2ycbcr``: from RGB in [0, 1] to levels of 8 bits."""

BLACK, GREYS = 16.0, 219.0
"""Of the luma of black, and from there to that of white."""


def to_ycbcr(rgb: Tensor) -> Tensor:
    """Return luma and colours of ``(N, 3, H, W)`` RGB in [0, 1], in levels of 8 bits, unrounded."""
    return _mixed(rgb, torch.tensor(_TO_YCBCR, dtype=torch.float64)) + _offset(rgb)


def luma_of(rgb: Tensor) -> Tensor:
    """Return the luma, ``(N, H, W)``, of ``(N, 3, H, W)`` RGB in [0, 1], with white at 1."""
    return (to_ycbcr(rgb)[:, 0] - BLACK) / GREYS


def to_rgb(ycbcr: Tensor) -> Tensor:
    """Return RGB in levels of 8 bits, unrounded and not clamped."""
    inverse = torch.linalg.inv(torch.tensor(_TO_YCBCR, dtype=torch.float64))
    return 255 * _mixed(ycbcr - _offset(ycbcr), inverse)


def _offset(like: Tensor) -> Tensor:
    return torch.tensor(_OFFSET, dtype=precise(like), device=like.device)[:, None, None]


def _mixed(image: Tensor, matrix: Tensor) -> Tensor:
    kind = precise(image)
    return torch.einsum("nchw,kc->nkhw", image.to(kind), matrix.to(image.device, kind))


def precise(like: Tensor) -> torch.dtype:
    """Return the type in which a rounding does not depend on the order of sums."""
    return torch.float32 if like.device.type == "mps" else torch.float64


def rounded(values: Tensor) -> Tensor:
    """Round halves up as MATLAB does; gradients pass as if nothing happened."""
    return values + (torch.floor(values + 0.5) - values).detach()


def with_luma(
    rainy: Tensor, separate: Callable[[Tensor], tuple[list[Tensor], Tensor]]
) -> Restoration:
    """Restore the luma of a batch image by image; colours stay those of the rainy image.

    Args:
        rainy: ``(N, 3, H, W)``, RGB in [0, 1].
        separate: From luma, ``(H, W)`` with white at 1 and black at 0, to what is restored of it
            after each stage, as often for every image, and its rain.

    Returns:
        Image and stages, and as the map ``rain`` the rain, ``(N, 1, H, W)``.
    """
    with torch.autocast(rainy.device.type, enabled=False):  # small differences add up
        luma = luma_of(rainy)
        found = [separate(each.to(rainy.dtype)) for each in luma]
        stages = []
        for restored in zip(*(each[0] for each in found), strict=True):
            # With its colours kept, R, G and B of a pixel move by the same amount.
            change = torch.stack(restored).to(luma.dtype) - luma
            stages.append((rainy + change[:, None]).to(rainy.dtype))
        rain = torch.stack([each[1] for each in found])[:, None]
    return Restoration(stages[-1], tuple(stages), {"rain": rain})
