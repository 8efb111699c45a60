"""The cut against all labellings of small volumes, and the mixture against plain formulas."""

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from rainbench.video_methods.graph_cut import cut_objects
from rainbench.video_methods.wei2017 import Mixture, Wei2017, added, fit_patches, patches_of


def energy_of(labels, still, moving, border):
    """The energy as the authors' code has it: one line, column by column, frame by frame."""
    frames, height, width = labels.shape
    line = [labels[t, y, x] for t in range(frames) for x in range(width) for y in range(height)]
    total = sum(np.where(labels, moving, still).ravel())
    for step in (1, height, height * width):
        total += border * sum(a != b for a, b in zip(line, line[step:], strict=False))
    return total


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [(2, 2, 3), (1, 3, 4), (3, 2, 2), (12, 1, 1)])
def test_no_other_labelling_costs_less(seed, size):
    chance = np.random.default_rng(seed)
    still, moving = chance.integers(0, 20, (2, *size)).astype(float)
    border = int(chance.integers(0, 6))
    mask, energy = cut_objects(still, moving, border)
    assert energy == energy_of(mask, still, moving, border)
    best = min(
        energy_of(np.reshape(labels, size), still, moving, border)
        for labels in itertools.product([False, True], repeat=still.size)
    )
    assert energy == best


def test_nothing_moves_where_nothing_gains():
    mask, energy = cut_objects(np.zeros((2, 3, 4)), np.ones((2, 3, 4)), 5)
    assert not mask.any() and energy == 0


def test_costs_beyond_all_bounds_are_cut():
    still = np.zeros((2, 4, 4))
    still[:, 1, 1] = 1e30
    mask, _ = cut_objects(still, np.full(still.shape, 2.0), 3)
    assert mask[:, 1, 1].all() and mask.sum() == 2


def test_patches_and_their_sum_are_adjoint():
    chance = np.random.default_rng(1)
    volume = chance.random((3, 5, 6))
    patches = chance.random(patches_of(volume).shape)
    assert np.vdot(patches_of(volume), patches) == pytest.approx(
        np.vdot(volume, added(patches, volume.shape))
    )


def test_shares_are_those_of_gaussians():
    chance = np.random.default_rng(2)
    roots = chance.random((3, 4, 4))
    mixture = Mixture(roots @ roots.transpose(0, 2, 1) + np.eye(4), np.array([0.2, 0.3, 0.5]))
    patches = chance.normal(size=(4, 50))
    density = np.stack(
        [
            weight * multivariate_normal(np.zeros(4), covariance).pdf(patches.T)
            for weight, covariance in zip(mixture.weights, mixture.covariances, strict=True)
        ]
    )
    shares, likelihood = mixture.shares(patches)
    assert np.allclose(shares, density / density.sum(0))
    assert likelihood == pytest.approx(np.log(density.sum(0)).mean())


def test_patches_fit_in_least_squares(monkeypatch):
    chance = np.random.default_rng(3)
    seen, low, multiplier = chance.random((3, 4, 20))
    shares = chance.dirichlet([1, 1], 20).T
    roots = chance.random((2, 4, 4))
    mixture = Mixture(roots @ roots.transpose(0, 2, 1) + np.eye(4), np.array([0.5, 0.5]))
    monkeypatch.setattr("rainbench.video_methods.wei2017._CHUNK", 7)
    found = fit_patches(seen, low, multiplier, mixture, shares, 0.3)
    inverses = np.linalg.inv(mixture.covariances)
    for n in range(20):
        slope = sum(
            shares[k, n] * inverses[k] @ (found[:, n] - seen[:, n]) for k in range(2)
        ) + 0.3 * (found[:, n] - low[:, n]) + multiplier[:, n]  # fmt: skip
        assert np.abs(slope).max() < 1e-9


def test_the_likelihood_grows():
    chance = np.random.default_rng(4)
    clip = np.repeat(chance.random((1, 16, 18)), 8, 0) * 0.8
    clip[chance.random(clip.shape) < 0.1] += 0.2
    found = Wei2017(objects=False).separate(clip)
    assert np.all(np.diff(found.likelihoods) > -1e-3) and not found.mask.any()


def test_a_clip_of_one_level_stays_as_it_is():
    frames = np.full((4, 6, 7, 3), 80, np.uint8)
    frames[..., 1] = np.arange(7) * 10
    restored = Wei2017()(frames)
    assert np.allclose(restored[..., 0], 80 / 255)
    assert np.abs(restored[..., 1] - frames[..., 1] / 255).max() < 0.02
