"""The re-created GMM: its parts against plain forms, and that rain becomes less."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import multivariate_normal
from test_dsc import as_image, drawn, rained

from rainbench.catalog.registry import load_registry
from rainbench.catalog.weights import shipped_weights
from rainbench.networks.gaussian_mixture import Mixture, denoised, fit, log_densities
from rainbench.networks.gmm import GMM, PATCH, between, learn_rain, packed, rainy_part
from rainbench.networks.load import build_network

(ENTRY,) = load_registry().entries(["gmm"])


def mixture(components=3, size=5):
    roots = drawn(components, size, size)
    covariances = roots @ roots.mT + 0.1 * torch.eye(size).double()
    return Mixture(torch.tensor([0.5, 0.3, 0.2]).double()[:components], covariances)


def test_rain_becomes_less_and_by_the_photographs_more():
    scene, _, rainy = rained(64, 68)
    trained = build_network(ENTRY, shipped_weights(ENTRY))
    left = []
    for network in (trained, GMM(components=1)):
        with torch.inference_mode():
            found = network(as_image(rainy))
        left.append((found.image[0, 0] - scene).square().mean() / (rainy - scene).square().mean())
        assert len(found.stages) == 4 and torch.equal(found.stages[-1], found.image)
    assert left[0] < 0.25 and left[0] < left[1]


def test_a_batch_is_its_images_one_by_one_in_whatever_precision_around_it():
    rainy = torch.cat([as_image(rained(slope=slope)[2]) for slope in (0.3, -0.2)])
    network = GMM(components=2, rain_components=3).requires_grad_(False)
    together = network(rainy).image
    with torch.autocast("cpu", torch.bfloat16):
        alone = torch.cat([network(each[None]).image for each in rainy])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("size", [(16, 16), (16, 41), (33, 18)])
def test_sizes(size):
    with torch.inference_mode():
        found = GMM(components=2)(torch.rand(1, 3, *size))
        flat = GMM(components=2)(torch.full((1, 3, *size), 0.25)).image
    assert found.image.shape == (1, 3, *size) and torch.isfinite(found.image).all()
    assert (flat - 0.25).abs().max() < 1e-3


def test_a_picture_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="16 pixels a side"):
        GMM()(torch.rand(1, 3, 15, 30))


def test_densities_are_those_of_scipy():
    prior, patches = mixture(), drawn(7, 5, seed=1)
    for noise in (0.0, 0.3):
        found = log_densities(patches, prior, noise).numpy()
        for k, (share, covariance) in enumerate(zip(*prior, strict=True)):
            normal = multivariate_normal(np.zeros(5), covariance.numpy() + noise * np.eye(5))
            assert found[:, k] == pytest.approx(
                normal.logpdf(patches.numpy()) + np.log(float(share))
            )


def test_a_patch_is_filtered_by_its_likeliest_component():
    prior, patches, noise = mixture(), drawn(40, 5, seed=1), 0.2
    likeliest = log_densities(patches, prior, noise).argmax(1)
    assert len(set(likeliest.tolist())) == 3
    for patch, k, found in zip(patches, likeliest, denoised(patches, prior, noise), strict=True):
        covariance = prior.covariances[k].numpy()
        wiener = covariance @ np.linalg.inv(covariance + noise * np.eye(5))
        assert found.numpy() == pytest.approx(wiener @ patch.numpy())


def test_a_fit_finds_the_components_that_drew_the_patches():
    wide = torch.tensor([4.0, 0.2, 0.2]).double()
    patches = torch.cat((drawn(3000, 3) * wide, drawn(1000, 3, seed=1) * wide.flip(0)))
    found = fit(patches, 2, 20)
    order = found.shares.argsort(descending=True)
    assert found.shares[order].numpy() == pytest.approx([0.75, 0.25], abs=0.03)
    for covariance, deviations in zip(found.covariances[order], (wide, wide.flip(0)), strict=True):
        assert covariance.diagonal().sqrt().numpy() == pytest.approx(deviations.numpy(), rel=0.1)
    better = [
        log_densities(patches, fit(patches, 2, rounds)).logsumexp(1).mean() for rounds in (0, 2, 20)
    ]
    assert better[0] < better[1] <= better[2]
    assert torch.equal(fit(patches, 2, 3).covariances, fit(patches, 2, 3).covariances)


def test_a_fit_takes_fewer_patches_than_components_and_flat_ones():
    for patches in (drawn(3, 4), torch.zeros(50, 4).double()):
        found = fit(patches, 8, 3)
        assert torch.isfinite(log_densities(patches, found)).all()
        assert found.shares.sum().item() == pytest.approx(1)


def test_layers_between_minimise_the_sum():
    seen, scene, rain = (0.1 + 0.8 * drawn(50, seed=seed).sigmoid() for seed in (0, 1, 2))
    found = between(seen, scene, 0.3 * rain, 0.05**2)
    inside = (found[1] > 0) & (found[1] < seen)
    assert inside.any() and torch.equal(found[0], seen - found[1])

    b, r = scene.clone().requires_grad_(), rain.clone().requires_grad_()
    squares = (seen - b - r).square() / 0.01**2 + r.square()
    squares = squares + ((b - scene).square() + (r - 0.3 * rain).square()) / 0.05**2
    # A quadratic: one Newton step leads to its smallest value.
    gradients = torch.autograd.grad(squares.sum(), (b, r), create_graph=True)
    rows = [torch.autograd.grad(g.sum(), (b, r), retain_graph=True) for g in gradients]
    hessian = torch.stack([torch.stack(row, -1) for row in rows], -2)
    step = torch.linalg.solve(hessian, torch.stack(gradients, -1))
    best = (rain - step[:, 1]).detach()
    assert torch.allclose(found[1][inside], best[inside], atol=1e-9)
    assert (best[~inside] <= 1e-9).logical_or(best[~inside] >= seen[~inside] - 1e-9).all()


def test_rain_is_learnt_where_the_scene_is_flat():
    _, rain, _ = rained(96, 96, slope=0.0)
    generator = torch.Generator().manual_seed(0)
    scene = 0.3 + 0.3 * torch.rand(96, 96, generator=generator)
    scene[:, 40:] = 0.4
    rainy = scene + rain * (torch.arange(96) < 92)
    part = rainy_part(rainy)
    assert part.shape == (48, 48)
    assert (part == 0.4).double().mean() > 0.6  # flat but for the streaks
    prior = learn_rain(part, 3)
    # Streaks that stand upright vary from column to column and less from row to row.
    patch = torch.zeros(2, PATCH, PATCH)
    patch[0, :, 3], patch[1, 3] = 0.3, 0.3
    patch = (patch - patch.mean((1, 2), keepdim=True)).flatten(1)
    upright, level = log_densities(patch, prior).logsumexp(1)
    assert upright > level + 10


def test_the_shipped_prior_is_a_mixture_and_packed_as_it_is_read():
    network = build_network(ENTRY, shipped_weights(ENTRY))
    prior = network.prior()
    assert prior.shares.sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.linalg.eigvalsh(prior.covariances.double()).min() > 0
    state = load_file(shipped_weights(ENTRY))
    again = packed(Mixture(*(each.detach() for each in prior)))
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())
