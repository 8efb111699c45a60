"""SSIM (Wang 2004) of one plane, with the windows, borders and constants in use.

Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", 2004; the down-sampling is that of the authors' ``ssim.m`` of
2009.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rainbench.metrics.colour import Plane
from rainbench.metrics.record import Shrinking

GAUSSIAN_SIDE, UNIFORM_SIDE = 11, 7
"""Sides of the windows: Wang 2004's Gaussian, and scikit-image's default."""


class GaussianSSIM(NamedTuple):
    """The three means of one SSIM map under the Gaussian window.

    Attributes:
        valid: Over the windows that lie within the picture; nan if a side is below 11 pixels.
        clipped: The same with the contrast term clipped at 0.
        padded: Over the whole picture, zeros beyond its border.
    """

    valid: float
    clipped: float
    padded: float


def constants(ssim_range: float, unit: float) -> tuple[float, float]:
    """Return Wang's C1 and C2, ``(0.01 L)^2`` and ``(0.03 L)^2``, for planes held in ``unit``."""
    return (0.01 * ssim_range * unit) ** 2, (0.03 * ssim_range * unit) ** 2


def gaussian_ssim(restored: Plane, clean: Plane, unit: float = 1.0) -> GaussianSSIM:
    """Compute SSIM under the 11x11 Gaussian of sigma 1.5, with population moments and L = 255.

    Args:
        restored: ``(H, W)`` float64.
        clean: The same shape.
        unit: What one of 255 grey levels is in the planes.

    Example:
        >>> flat = np.full((16, 16), 100.0)
        >>> gaussian_ssim(flat, flat).valid
        1.0
    """
    from rainbench.metrics import kernels

    height, width = clean.shape
    whole, valid, clipped = kernels.gaussian_ssim(
        np.ascontiguousarray(restored), np.ascontiguousarray(clean), *constants(255.0, unit)
    )
    windows = _windows(height, width, GAUSSIAN_SIDE)
    return GaussianSSIM(
        float(valid) / windows, float(clipped) / windows, float(whole) / (height * width)
    )


def uniform_ssim(
    restored: Plane, clean: Plane, ranges: Sequence[float] = (255.0,), unit: float = 1.0
) -> tuple[float, ...]:
    """Compute SSIM under the 7x7 uniform window, with sample moments, for each L of ``ranges``.

    Args:
        restored: ``(H, W)`` float64.
        clean: The same shape.
        ranges: The dynamic ranges L, in grey levels.
        unit: What one of 255 grey levels is in the planes.

    Returns:
        The mean over the windows that lie within the picture, for each L; nan if a side is below 7
        pixels.

    Example:
        >>> flat = np.full((16, 16), 100.0)
        >>> uniform_ssim(flat, flat, (255.0, 510.0))
        (1.0, 1.0)
    """
    from rainbench.metrics import kernels

    c1s, c2s = np.array([constants(each, unit) for each in ranges]).T.copy()
    sums = kernels.box_ssim(np.ascontiguousarray(restored), np.ascontiguousarray(clean), c1s, c2s)
    height, width = clean.shape
    windows = _windows(height, width, UNIFORM_SIDE)
    return tuple(float(each) / windows for each in sums)


def _windows(height: int, width: int, side: int) -> float:
    """Count the windows that fit; nan, which spreads into the mean, if there are none."""
    down, across = height - side + 1, width - side + 1
    return float(down * across) if down > 0 and across > 0 else math.nan


def shrink_factor(height: int, width: int, shrinking: Shrinking) -> int:
    """Return by how much a picture is made smaller before SSIM: 1 up to a shorter side of 383.

    Halves of ``min(height, width) / 256`` go away from zero in Wang's code and to even in Python's.

    Example:
        >>> shrink_factor(640, 900, "wang"), shrink_factor(640, 900, "avg-pool")
        (3, 2)
    """
    shorter = min(height, width)
    if shrinking == "none":
        return 1
    if shrinking == "wang":
        return max(1, (2 * shorter + 256) // 512)
    return max(1, round(shorter / 256))


def shrink(plane: Plane, factor: int, shrinking: Shrinking) -> Plane:
    """Make a plane smaller by means of ``factor x factor`` blocks.

    Under ``wang`` output i is the mean of the inputs from ``factor * i - (factor - 1) // 2`` on,
    with the picture mirrored at its border (edge samples repeated), for every i that has
    ``factor * i`` in the picture. Under ``avg-pool`` the blocks start at 0 and what is left over is
    dropped.

    Example:
        >>> ramp = np.tile(np.arange(6.0), (6, 1))
        >>> shrink(ramp, 3, "wang")[0].tolist(), shrink(ramp, 3, "avg-pool")[0].tolist()
        ([0.3333333333333333, 3.0], [1.0, 4.0])
    """
    from rainbench.metrics import plane_kernels

    if factor == 1:
        return plane
    whole = shrinking == "avg-pool"
    height, width = (side // factor if whole else -(-side // factor) for side in plane.shape)
    start = 0 if whole else -((factor - 1) // 2)
    means: Plane = plane_kernels.block_means(
        np.ascontiguousarray(plane), factor, start, height, width
    )
    return means
