"""Mixtures of Gaussians of mean zero as priors of patches: fitted by EM, and denoising by them.

Denoising as in EPLL (Zoran and Weiss, "From learning models of natural image patches to whole image
restoration", ICCV 2011): of each patch the likeliest component, then its Wiener filter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-6
"""Added to every direction of a covariance, of patches in [0, 1]."""

NOTICED = 1e-3
"""Shares of a patch in a component below this do not count in a covariance."""


class Mixture(NamedTuple):
    """A mixture of ``K`` Gaussians in ``d`` dimensions.

    Attributes:
        shares: ``(K,)``, their sum is 1.
        covariances: ``(K, d, d)``.
    """

    shares: Tensor
    covariances: Tensor


def log_densities(patches: Tensor, mixture: Mixture, noise: float = 0.0) -> Tensor:
    """Return the logarithm of share times density, ``(N, K)``.

    Args:
        patches: ``(N, d)``.
        mixture: It.
        noise: Variance of white noise on the patches.
    """
    size = patches.shape[1]
    eye = torch.eye(size, dtype=patches.dtype, device=patches.device)
    triangles = torch.linalg.cholesky(mixture.covariances + noise * eye)
    whitening = torch.linalg.solve_triangular(triangles, eye.expand_as(triangles), upper=False)
    heights = -triangles.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * size * math.log(2 * math.pi)
    squares = [(patches @ each.T).square().sum(1) for each in whitening]
    found: Tensor = mixture.shares.log() + heights - 0.5 * torch.stack(squares, 1)
    return found


def denoised(patches: Tensor, mixture: Mixture, noise: float) -> Tensor:
    """Return patches of white noise of a variance, filtered by their likeliest component.

    Args:
        patches: ``(N, d)``, means removed.
        mixture: The prior of clean ones.
        noise: The variance, above 0.
    """
    likeliest = log_densities(patches, mixture, noise).argmax(1)
    eye = torch.eye(patches.shape[1], dtype=patches.dtype, device=patches.device)
    found = torch.empty_like(patches)
    for component, covariance in enumerate(mixture.covariances):
        members = likeliest == component
        wiener = torch.linalg.solve(covariance + noise * eye, covariance)
        found[members] = patches[members] @ wiener
    return found


def fit(patches: Tensor, components: int, rounds: int, seed: int = 0) -> Mixture:
    """Fit a mixture to patches by expectation maximisation.

    At first, each patch belongs to that of some patches, drawn at random, that it is most like,
    whichever of the two is the negative.

    Args:
        patches: ``(N, d)``, means removed.
        components: Their number, at most.
        rounds: Of expectation and maximisation.
        seed: Of the drawing.

    Example:
        >>> drawn = torch.randn(2000, 2, dtype=torch.float64) * torch.tensor([1.0, 3.0])
        >>> fit(drawn, 1, 2).covariances.diagonal(dim1=1, dim2=2).sqrt().round()
        tensor([[1., 3.]], dtype=torch.float64)
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(patches), generator=generator)[:components].to(patches.device)
    likest = (torch.nn.functional.normalize(patches) @ patches[order].T).abs()
    lengths = patches[order].norm(dim=1).clamp(min=1e-9)
    belongs = torch.nn.functional.one_hot((likest / lengths).argmax(1), len(order)).to(patches)
    mixture = _maximised(patches, belongs)
    for _ in range(rounds):
        mixture = _maximised(patches, log_densities(patches, mixture).softmax(1))
    return mixture


def _maximised(patches: Tensor, belongs: Tensor) -> Mixture:
    """Return the mixture of patches that belong to components by shares, empty ones left out."""
    totals = belongs.sum(0)
    kept = totals > patches.shape[1] / 8  # of fewer, a covariance says little
    if not kept.any():
        kept = totals == totals.max()
    covariances = []
    for share, total in zip(belongs.T[kept], totals[kept], strict=True):
        members = share > NOTICED
        some = patches[members]
        covariances.append((some * share[members, None]).T @ some / total)
    eye = torch.eye(patches.shape[1], dtype=patches.dtype, device=patches.device)
    shares = totals[kept] / totals[kept].sum()
    return Mixture(shares, torch.stack(covariances) + LEAST_VARIANCE * eye)
