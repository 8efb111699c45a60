"""PSNR: one mean squared error per picture, in decibels."""

from __future__ import annotations

import math

import numpy as np

from rainbench.metrics.colour import Plane


def mean_squared_error(restored: Plane, clean: Plane) -> float:
    """Return the mean of ``(restored - clean)^2`` over two planes, in their unit squared.

    Args:
        restored: ``(H, W)`` float64.
        clean: The same shape.

    Example:
        >>> mean_squared_error(np.zeros((2, 2)), np.full((2, 2), 3.0))
        9.0
    """
    from rainbench.metrics import plane_kernels

    if clean.size == 0:
        return math.nan
    total = plane_kernels.squared_error(np.ascontiguousarray(restored), np.ascontiguousarray(clean))
    return float(total) / clean.size


def psnr(mse: float, *, mse_added: float = 0.0, identical: float = math.inf) -> float:
    """Turn a mean squared error into a peak signal-to-noise ratio, ``10 log10(1 / MSE)``.

    Args:
        mse: On the scale on which the peak is 1, pooled over all pixels and channels of ONE
            picture.
        mse_added: A small number that some authors add to the MSE.
        identical: The value for an MSE of 0, in dB.

    Returns:
        dB; nan if ``mse`` is nan.

    Example:
        >>> round(psnr(1 / 255**2), 4)
        48.1308
        >>> psnr(0.0), psnr(0.0, mse_added=1e-8, identical=80.0)
        (inf, 80.0)
    """
    if mse == 0:
        return identical
    return -10.0 * math.log10(mse + mse_added)
