"""SSIM of many planes at once in torch, float64, on any device without waiting for it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rainbench.metrics.ssim import GAUSSIAN_SIDE, UNIFORM_SIDE, constants


def gaussian_means(x: Tensor, y: Tensor, units: Sequence[float]) -> Tensor:
    """Return the means of the SSIM maps under the Gaussian window.

    Args:
        x: ``(K, H, W)`` float64.
        y: The same.
        units: What one of 255 grey levels is in each plane.

    Returns:
        ``(3, K)``: ``valid``, ``clipped`` and ``padded`` of `rainbench.metrics.ssim.GaussianSSIM`.
    """
    if not x[0].numel():
        return x.new_full((3, len(x)), math.nan)
    radius = GAUSSIAN_SIDE // 2
    moments = torch.nn.functional.pad(_moments(x, y), [radius] * 4)
    mx, my, squares, products = _filter(moments, _gaussian_taps())
    c1, c2 = _constants(255.0, tuple(units), x.device)
    contrast = 2 * (products - mx * my) + c2
    power = mx * mx + my * my
    value = (2 * mx * my + c1) * contrast / ((power + c1) * (squares - power + c2))
    inner = value[:, radius:-radius, radius:-radius]
    clipped = torch.where(contrast[:, radius:-radius, radius:-radius] > 0, inner, 0.0)
    return torch.stack([each.mean((1, 2)) for each in (inner, clipped, value)])


def uniform_means(x: Tensor, y: Tensor, units: Sequence[float], ranges: Sequence[float]) -> Tensor:
    """Return the means of the SSIM maps under the uniform window.

    Args:
        x: ``(K, H, W)`` float64.
        y: The same.
        units: What one of 255 grey levels is in each plane.
        ranges: The dynamic ranges L, in grey levels.

    Returns:
        ``(R, K)``; nan where a side is below the window's.
    """
    if min(x.shape[1:]) < UNIFORM_SIDE:
        return x.new_full((len(ranges), len(x)), math.nan)
    mx, my, squares, products = _filter(_moments(x, y), [1 / UNIFORM_SIDE] * UNIFORM_SIDE)
    covariance, power = 2 * (products - mx * my) * (49 / 48), mx * mx + my * my
    spread = (squares - power) * (49 / 48)
    found = []
    for ssim_range in ranges:
        c1, c2 = _constants(ssim_range, tuple(units), x.device)
        value = (2 * mx * my + c1) * (covariance + c2) / ((power + c1) * (spread + c2))
        found.append(value.mean((1, 2)))
    return torch.stack(found)


@functools.lru_cache(maxsize=256)
def _constants(
    ssim_range: float, units: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return Wang's C1 and C2 of each plane, ``(K, 1, 1)``."""
    pairs = [constants(ssim_range, unit) for unit in units]
    first, second = (
        on_device(each, torch.float64, device)[:, None, None] for each in zip(*pairs, strict=True)
    )
    return first, second


def on_device(
    values: Sequence[float] | Sequence[Sequence[int]], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return a small table on a device, which may be kept beyond any mode of inference."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def _gaussian_taps() -> list[float]:
    radius = GAUSSIAN_SIDE // 2
    taps = [math.exp(-((k - radius) ** 2) / (2 * 1.5**2)) for k in range(GAUSSIAN_SIDE)]
    return [tap / sum(taps) for tap in taps]


def _moments(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([x, y, x * x + y * y, x * y])


def _filter(planes: Tensor, taps: Sequence[float]) -> Tensor:
    """Filter ``(..., H, W)`` along both axes, only where all taps fit."""
    for dim in (-2, -1):
        length = planes.size(dim) - len(taps) + 1
        filtered = taps[0] * planes.narrow(dim, 0, length)
        for k, tap in enumerate(taps[1:], start=1):
            filtered.add_(planes.narrow(dim, k, length), alpha=tap)
        planes = filtered
    return planes
