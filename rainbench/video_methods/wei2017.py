"""Wei et al., ICCV 2017: rain as a patch-based mixture of Gaussians, deterministic or stochastic.

Each colour channel of a clip is ``rank-1 background + rain``; 2x2 patches of the rain follow a
mixture of Gaussians of mean zero and full covariance, found by expectation maximisation (EM). The
background ``U V'`` follows by ADMM on patches. Objects that move are found by a graph cut, and the
clip is shown as it is there, rain included.

Where the authors' code (wwxjtu/RainRemoval_ICCV2017, 671c96f) decides, this follows it:

* each channel is scaled by its own extremes; a residual's cost as background is weighted by 0.7;
* 1e-6 is added to every element of a covariance, not to its diagonal only; where that leaves it
  singular their code gives up, and ours adds it to the diagonal, too;
* the spread of the residual is estimated in the first step only;
* the energy that ends the steps is scaled by the cut's weight each time, so a negative one ends
  them at once.

The first assignment of patches to components is drawn at random, here from a seed of our own: the
authors' stream of random numbers is MATLAB's. The cut is that of `graph_cut`, not their library.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rainbench.core.random import philox, words16
from rainbench.video_methods.base import Frames, Restored, Volume
from rainbench.video_methods.graph_cut import Mask, Objects

SIDE = 2
"""Of a patch."""

_CHUNK = 1 << 17
"""Patches whose linear systems are solved at once: each takes twenty numbers."""

_STILL_WEIGHT = 0.7
_PENALTY, _GROWTH = 0.05, 1.05
"""Of the ADMM, and by which it grows."""

_ADDED = 1e-6
"""To covariances."""

_TINY = 1e-300
"""In the place of a weight of zero, which has no logarithm."""

Patches = NDArray[np.float64]
"""``(4, N)``: one patch a column, frame by frame."""


@dataclass(slots=True)
class Mixture:
    """Gaussians of mean zero.

    Attributes:
        covariances: ``(K, 4, 4)``.
        weights: ``(K,)``.
    """

    covariances: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, patches: Patches, shares: NDArray[np.float64]) -> Mixture:
        """Return the most likely one for patches that belong to components by shares, (K, N)."""
        covariances = []
        for share in shares:
            covariance = (patches * share) @ patches.T / max(share.sum(), _TINY) + _ADDED
            # Of patches that are nearly all the same it is singular, where their code gives up.
            if np.linalg.eigvalsh(covariance)[0] < _ADDED / 100:
                covariance += _ADDED * np.eye(len(patches))
            covariances.append(covariance)
        return cls(np.stack(covariances), np.maximum(shares.mean(1), _TINY))

    def shares(self, patches: Patches) -> tuple[NDArray[np.float64], float]:
        """Return how far each patch belongs to each component, and the mean log-likelihood."""
        logs = np.empty((len(self.weights), patches.shape[1]))
        for log, covariance, weight in zip(logs, self.covariances, self.weights, strict=True):
            root = linalg.cholesky(covariance, lower=True)
            distance = np.square(linalg.solve_triangular(root, patches, lower=True)).sum(0)
            norm = len(root) * np.log(2 * np.pi) + 2 * np.log(np.diag(root)).sum()
            log[:] = np.log(weight) - (norm + distance) / 2
        highest = logs.max(0)
        total = highest + np.log(np.exp(logs - highest).sum(0))
        return np.exp(logs - total), float(total.mean())


@dataclass(slots=True)
class Separation:
    """One channel, taken apart.

    Attributes:
        background: ``(T, H, W)``.
        mask: Where an object moves.
        likelihoods: The mean log-likelihood of the mixture, at first and after each step.
    """

    background: Volume
    mask: Mask
    likelihoods: list[float] = field(default_factory=list)


class Wei2017:
    """The method as a video restorer.

    Args:
        components: Of the mixture.
        border: Weight lambda of the borders of objects.
        size: rho: how much of the residual's spread is still background; objects are larger where
            it is smaller.
        most_steps: Steps at most.
        tolerance: It stops when the energy changes by less than this share.
        objects: Whether moving objects are looked for; not needed where the scene stands still.
        seed: Of the first assignment.
    """

    bytes_per_pixel = 700
    least_frames = 2
    least_size = SIDE, SIDE

    def __init__(
        self,
        *,
        components: int = 3,
        border: float = 5.0,
        size: float = 0.9,
        most_steps: int = 40,
        tolerance: float = 1e-2,
        objects: bool = True,
        seed: int = 1,
    ) -> None:
        self.components = components
        self.border = border
        self.size = size
        self.most_steps = most_steps
        self.tolerance = tolerance
        self.objects = objects
        self.seed = seed

    def __call__(self, frames: Frames) -> Restored:
        """Restore each channel of a clip."""
        restored = np.empty(frames.shape, np.float32)
        for channel in range(3):
            seen = frames[..., channel]
            low, span = float(seen.min()) / 255, float(np.ptp(seen)) / 255
            if not span:
                restored[..., channel] = seen / 255
                continue
            observed = (seen / 255 - low) / span
            found = self.separate(observed)
            shown = np.where(found.mask, observed, found.background)
            restored[..., channel] = np.clip(shown * span + low, 0, 1)
        return restored

    def separate(self, observed: Volume) -> Separation:
        """Take a channel with values from 0 to 1 apart.

        Args:
            observed: ``(T, H, W)``.
        """
        seen = patches_of(observed)
        of_pixels, of_frames = rank_one(observed)
        background = outer(of_frames, of_pixels)
        cut = Objects(observed, self.border, self.size, _STILL_WEIGHT)
        mixture, residual = self._first_mixture(seen), patches_of(observed - background)
        shares, likelihood = mixture.shares(residual)
        likelihoods = [likelihood]
        penalty, multiplier, low = _PENALTY, np.zeros(seen.shape), patches_of(background)
        mask = np.zeros(observed.shape, np.bool_)
        counts = added(np.ones(seen.shape), observed.shape)
        energy_before = np.inf
        for _ in range(self.most_steps - 1):
            mixture = Mixture.of(residual, shares)
            shares, _ = mixture.shares(residual)
            fitted = fit_patches(seen, low, multiplier, mixture, shares, penalty)
            target = added(fitted + multiplier / penalty, observed.shape)
            # Within objects the background is not seen: it is kept as it is, once.
            goal = (target + mask * (outer(of_frames, of_pixels) - observed)) / counts
            of_frames = _weighted(goal, counts, of_pixels[None], (1, 2))
            goal = (target + mask * (outer(of_frames, of_pixels) - observed)) / counts
            of_pixels = _weighted(goal, counts, of_frames[:, None, None], 0)
            background = outer(of_frames, of_pixels)
            low = patches_of(np.where(mask, observed, background))
            multiplier += penalty * (fitted - low)
            penalty *= _GROWTH
            if self.objects:
                mask = cut.step(observed - background)
            residual = patches_of(np.where(mask, 0, observed - background))
            shares, likelihood = mixture.shares(residual)
            likelihoods.append(likelihood)
            energy = cut.energy - likelihood
            change = abs(energy_before - energy)
            # By the energy's sign, as the authors have it; without a cut it is always negative.
            if cut.enough and change / energy < self.tolerance:
                break
            if not self.objects and change < self.tolerance * abs(energy):
                break
            energy_before = energy
        return Separation(background, mask, likelihoods)

    def _first_mixture(self, seen: Patches) -> Mixture:
        """Return a mixture with random covariances, weighted by the shares of random centres."""
        chance = philox("wei2017", self.seed)
        count = len(seen)
        covariances = []
        for _ in range(self.components):
            uniform = (words16(chance, count * (count + 1)) + 0.5) / 65536
            turn, _ = np.linalg.qr(uniform[count:].reshape(count, count))
            covariances.append(turn.T @ np.diag(uniform[:count]) @ turn)
        weights = np.zeros(self.components)
        for _ in range(100):
            chosen = chance.random_raw(self.components) % seen.shape[1]
            centres = seen[:, chosen.astype(np.intp)]
            nearest = (centres.T @ seen - np.square(centres).sum(0)[:, None] / 2).argmax(0)
            weights = np.bincount(nearest, minlength=self.components) / seen.shape[1]
            if weights.all():
                break
        else:  # of a picture of a few levels
            weights[:] = 1 / self.components
        return Mixture(np.stack(covariances), weights)


def outer(of_frames: NDArray[np.float64], of_pixels: NDArray[np.float64]) -> Volume:
    """Return the clip of one picture whose brightness changes from frame to frame."""
    clip: Volume = of_frames[:, None, None] * of_pixels
    return clip


def rank_one(observed: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the picture and the factors of the frames whose product is nearest to a clip.

    Both carry the same share of the singular value; signs cancel.
    """
    flat = observed.reshape(len(observed), -1)
    squares, vectors = np.linalg.eigh(flat @ flat.T)
    value = np.sqrt(max(squares[-1], 0.0))
    picture = vectors[:, -1] @ flat
    root = np.sqrt(value)
    return picture.reshape(observed.shape[1:]) / (root or 1.0), vectors[:, -1] * root


def patches_of(volume: Volume) -> Patches:
    """Return all patches of a volume, each step of one pixel, frame by frame."""
    height, width = (side - SIDE + 1 for side in volume.shape[1:])
    return np.stack(
        [
            volume[:, row : row + height, column : column + width].ravel()
            for row in range(SIDE)
            for column in range(SIDE)
        ]
    )


def added(patches: Patches, size: tuple[int, ...]) -> Volume:
    """Return the sum of patches at their places in a volume: the adjoint of `patches_of`."""
    frames, height, width = size[0], size[1] - SIDE + 1, size[2] - SIDE + 1
    total = np.zeros(size)
    for number, values in enumerate(patches):
        row, column = divmod(number, SIDE)
        part = values.reshape(frames, height, width)
        total[:, row : row + height, column : column + width] += part
    return total


def fit_patches(
    seen: Patches,
    low: Patches,
    multiplier: Patches,
    mixture: Mixture,
    shares: NDArray[np.float64],
    penalty: float,
) -> Patches:
    """Return the patches of the background that fit the mixture and the rank-1 clip best."""
    inverses = np.linalg.inv(mixture.covariances)
    fitted = np.empty(seen.shape)
    for start in range(0, seen.shape[1], _CHUNK):
        part = np.s_[:, start : start + _CHUNK]
        precision = np.einsum("kn,kij->nij", shares[part], inverses)
        right = penalty * low[part] - multiplier[part]
        right += np.einsum("nij,jn->in", precision, seen[part])
        precision += penalty * np.eye(len(seen))
        fitted[part] = np.linalg.solve(precision, right.T[..., None])[..., 0].T
    return fitted


def _weighted(
    goal: Volume, counts: Volume, other: Volume, axes: int | tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the factor that fits a goal best in weighted least squares, the other one given."""
    found: NDArray[np.float64] = (counts * goal * other).sum(axes) / (counts * other**2).sum(axes)
    return found
