"""JCAS against the authors' program, and its three problems against what their solutions fulfil."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from rainbench.catalog.registry import load_registry
from rainbench.networks.construct import construct
from rainbench.networks.jcas import (
    BORDER,
    JCAS,
    find_kernels,
    find_maps,
    find_structure,
    first_kernels,
    mirrored,
    tapered,
)
from rainbench.networks.matlab_colour import to_ycbcr

CARD = load_registry().baseline("jcas")


def plane(height=20, width=23, seed=0):
    return torch.rand(height, width, generator=torch.Generator().manual_seed(seed)).double()


def streaked(height=24, width=26):
    """A smooth picture with upright streaks, and without them."""
    clean = torch.linspace(0.2, 0.5, height)[:, None] + torch.linspace(0, 0.2, width)
    rainy = clean.clone()
    for row, column in ((3, 4), (10, 9), (5, 15), (14, 20)):
        rainy[row : row + 7, column] += 0.25
    return rainy.expand(1, 3, -1, -1), clean.expand(1, 3, -1, -1)


@pytest.mark.data
def test_the_authors_program(shared):
    with np.load(shared / "methods" / "golden" / "jcas_in0_astronaut_64x64.npz") as arrays:
        golden = dict(arrays)
    rainy = torch.from_numpy(golden["input_u8"]).permute(2, 0, 1)[None].float() / 255
    luma = torch.floor(to_ycbcr(rainy)[0, 0] + 0.5) / 255
    assert np.abs(luma.numpy() - golden["luma_in"]).max() == 0
    assert np.abs(tapered(mirrored(luma)).numpy() - golden["padded_tapered"]).max() < 1e-12
    network = construct(CARD, CARD.arguments)
    # In double precision: in single, rounding alone makes up to 1.1e-6 on some processors.
    structures, rain = network.separate(luma, torch.float64)
    inner = golden["structure_by_iteration"][BORDER:-BORDER, BORDER:-BORDER]
    worst = [np.abs(ours.numpy() - inner[..., turn]).max() for turn, ours in enumerate(structures)]
    assert len(worst) == 13 and worst[0] <= 1e-6 and max(worst) <= 1e-5
    assert np.abs(rain.numpy() - golden["rain"]).max() <= 1e-5
    restored = to_ycbcr(network(rainy).image)[0, 0] / 255
    assert np.abs(restored.numpy() - golden["luma_out"]).max() <= 1e-5


def test_rain_becomes_less_and_grey_stays_grey():
    rainy, clean = streaked()
    found = JCAS()(rainy)
    assert (found.image - clean).square().mean() < 0.15 * (rainy - clean).square().mean()
    assert len(found.stages) == 13 and torch.equal(found.stages[-1], found.image)
    assert (found.image - found.image.mean(1, keepdim=True)).abs().max() < 0.005  # 8-bit colours
    assert found.maps["rain"].max() > 0.1


def test_a_batch_is_its_images_one_by_one_in_whatever_precision_around_it():
    rainy = torch.cat((streaked()[0], streaked()[1]))
    network = JCAS(rounds=2, synthesis_steps=50)
    together = network(rainy).image
    with torch.autocast("cpu", torch.bfloat16):
        alone = torch.cat([network(each[None]).image for each in rainy])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("size", [(6, 6), (6, 19), (31, 7)])
def test_sizes(size):
    found = JCAS(rounds=2, synthesis_steps=20)(torch.rand(1, 3, *size))
    assert found.image.shape == (1, 3, *size) and torch.isfinite(found.image).all()


def test_a_picture_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="6 pixels a side"):
        JCAS()(torch.rand(1, 3, 5, 30))


def test_the_structure_is_the_best_of_its_neighbours():
    observed, weight = plane(7, 16), 0.05

    def objective(structure):
        near = structure - structure.roll(-1, -1)
        far = structure.roll(1, -1) - structure.roll(-1, -1)
        # The program minimises with half of the square, whatever its comments say.
        squares = 0.5 * (observed - structure).square().sum()
        return float(squares + weight * (near.abs().sum() + far.abs().sum()))

    found = find_structure(observed, weight, 299)
    best = objective(found)
    generator = torch.Generator().manual_seed(1)
    for scale in (1e-1, 1e-2, 1e-3):
        for _ in range(20):
            other = found + scale * torch.randn(found.shape, generator=generator).double()
            assert objective(other) > best - 1e-6
    assert best < objective(observed) and best < objective(torch.full_like(observed, 0.5))


def test_maps_explain_the_residual_and_are_few():
    kernel = torch.zeros(1, 7, 7).double()
    kernel[0, :, 3] = 7**-0.5
    truth = torch.zeros(30, 28).double()
    truth[12, 9] = truth[17, 20] = 1.0
    residual = torch.from_numpy(convolve2d(truth, kernel[0].flip(0, 1), mode="same"))
    maps, rain = find_maps(residual, kernel, 0.02, 999)
    inside = maps[0, BORDER:-BORDER, BORDER:-BORDER]
    assert maps.min() == 0 and (maps > 0).sum() == (inside > 0).sum() <= 8
    assert min(inside[12, 9], inside[17, 20]) > 0.85
    assert (rain - residual).abs().max() < 0.03 < 0.3 < residual.max()
    # The penalty grows, so that it stops near the smallest sum, which shrinks by the weight.
    sums = [
        0.5 * (residual - made).square().sum() + 0.02 * used.sum()
        for used, made in ((maps, rain), (0.98 * truth, 0.98 * residual), (0 * truth, 0 * residual))
    ]
    assert sums[1] < sums[0] < 1.05 * sums[1] < 0.05 * sums[2]


def test_kernels_move_towards_the_least_squares():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(1, 32, 34, generator=generator).double()
    wanted = torch.rand(3, 3, generator=generator).double()
    wanted /= 5 * wanted.norm()
    inner = maps[:, BORDER:-BORDER, BORDER:-BORDER]
    residual = torch.zeros(20, 22).double()
    residual[1:-1, 1:-1] = torch.nn.functional.conv2d(inner[None], wanted[None, None])[0, 0]
    start = torch.full((1, 3, 3), 0.1).double()
    found = find_kernels(residual, 0.3 * maps, start, 3000)[0]
    assert found.numpy() == pytest.approx(wanted.numpy() / 0.3, abs=1e-9)
    # What does not fit into a kernel of length 1, or above zero, is cut.
    longest = find_kernels(10 * residual, 0.3 * maps, start, 300)[0]
    assert longest.norm().item() == pytest.approx(1, abs=1e-12)
    assert find_kernels(-residual, 0.3 * maps, start, 300).max() == 0


def test_first_kernels_are_principal_components_cut_at_zero():
    residual = plane(30, 33)
    found = first_kernels(residual, 4, 5)
    assert found.shape == (4, 5, 5) and found.min() == 0
    patches = torch.nn.functional.unfold(residual[None, None], 5)[0]
    vectors = torch.linalg.eigh(torch.cov(patches))[1].flip(1)
    for ours, theirs in zip(found.flatten(1), vectors.T, strict=False):
        assert any(torch.allclose(ours, (s * theirs).clamp(min=0), atol=1e-6) for s in (1, -1))


def test_edges_are_blurred_and_nothing_else():
    picture = plane(45, 31)
    found = tapered(picture)
    assert torch.equal(found[5:-5, 5:-5], picture[5:-5, 5:-5])
    assert (found[0] - picture[0]).abs().max() > 0.1
    blurred = torch.full((45, 31), 0.5).double()
    middle = tapered(blurred)[22]  # zeros are taken to stand beyond the border
    profile = np.array([math.exp(-((i - 2.5) ** 2) / 2) for i in range(6)])
    profile /= profile.sum()
    auto = np.convolve(profile, profile[::-1])[:6]
    value, kept = np.full(31, 0.5), np.r_[auto / auto.max(), np.ones(19), auto[::-1] / auto.max()]
    for _ in range(4):
        value = kept * value + (1 - kept) * np.convolve(value, profile)[3:34]
    assert middle.numpy() == pytest.approx(value, abs=1e-12)


def test_it_has_no_weights():
    assert JCAS.convert_published({}) == {}
    with pytest.raises(KeyError, match=r"JCAS.*unexpected a"):
        JCAS.convert_published({"a": torch.zeros(1)})
    assert not list(JCAS().parameters())
