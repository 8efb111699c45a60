"""The re-created DSC: its parts against plain forms, and that rain becomes less."""

import math

import numpy as np
import pytest
import torch

from rainbench.networks.dsc import DSC, exclusive, unscreened
from rainbench.networks.overlapping_patches import cut, together
from rainbench.networks.sparse_codes import improved, learn_dictionary, sparse_codes
from rainbench.networks.thin_lines import first_rain, lines_of

SMALL = {"atoms": 32, "rain_atoms": 16, "patch": 8, "samples": 500}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def rained(height=48, width=52, slope=0.3):
    """A scene of soft blobs under slanting streaks that cover it as a screen does."""
    y, x = torch.meshgrid(torch.arange(height) / 9, torch.arange(width) / 7, indexing="ij")
    scene = 0.4 + 0.15 * torch.sin(y) * torch.cos(x + y)
    rain = torch.zeros(height, width)
    for row in range(2, height - 14, 11):
        for column in range(row % 5 + 3, width - 8, 9):
            for along in range(11):
                rain[row + along, round(column + slope * along)] = 0.35
    return scene, rain, 1 - (1 - scene) * (1 - rain)


def as_image(luma):
    return luma.float().expand(1, 3, -1, -1)


def test_rain_becomes_less():
    scene, _, rainy = rained()
    found = DSC(**SMALL)(as_image(rainy))
    before, after = ((each - scene).square().mean() for each in (rainy, found.image[0, 0]))
    assert after < 0.5 * before
    assert len(found.stages) == 2 and torch.equal(found.stages[-1], found.image)
    assert (found.image - found.image[:, :1]).abs().max() < 1e-5


def test_rain_is_never_more_than_thin_lines_are_bright():
    """So that the detail of a scene without rain stays, which codes would take for rain."""
    picture = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.avg_pool2d(picture[None, None], 5, 1, 2)[0, 0]
    rain = DSC(**SMALL)(as_image(picture)).maps["rain"][0, 0]
    assert rain.max() > 0 and (rain <= lines_of(picture).clamp(min=0) + 1e-5).all()


def test_a_batch_is_its_images_one_by_one_in_whatever_precision_around_it():
    rainy = torch.cat([as_image(rained(slope=slope)[2]) for slope in (0.3, -0.2)])
    network = DSC(**SMALL)
    together = network(rainy).image
    with torch.autocast("cpu", torch.bfloat16):
        alone = torch.cat([network(each[None]).image for each in rainy])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("size", [(16, 16), (16, 41), (33, 18)])
def test_sizes(size):
    found = DSC()(torch.rand(1, 3, *size))
    assert found.image.shape == (1, 3, *size) and torch.isfinite(found.image).all()
    flat = DSC()(torch.full((1, 3, *size), 0.25)).image
    assert (flat - 0.25).abs().max() < 1e-3


def test_a_picture_smaller_than_a_patch_is_refused():
    with pytest.raises(ValueError, match="16 pixels a side"):
        DSC()(torch.rand(1, 3, 15, 30))


def pursuit(signal, atoms, count):
    """Orthogonal matching pursuit of one signal, as it is defined."""
    chosen, left = [], signal
    for _ in range(count):
        fit = np.abs(atoms @ left)
        fit[chosen] = -1
        chosen.append(int(fit.argmax()))
        found = np.linalg.lstsq(atoms[chosen].T, signal, rcond=None)[0]
        left = signal - found @ atoms[chosen]
    codes = np.zeros(len(atoms))
    codes[chosen] = found
    return codes


def test_codes_are_those_of_a_plain_pursuit():
    atoms = drawn(20, 12)
    atoms /= atoms.norm(dim=1, keepdim=True)
    signals = drawn(30, 12, seed=1)
    found = sparse_codes(signals, atoms, 4)
    for codes, signal in zip(found.numpy(), signals.numpy(), strict=True):
        assert codes == pytest.approx(pursuit(signal, atoms.numpy(), 4), abs=1e-4)


def test_atoms_that_made_the_signals_are_found_again():
    atoms = drawn(6, 10)
    atoms /= atoms.norm(dim=1, keepdim=True)
    places = torch.randint(0, 6, (400,), generator=torch.Generator().manual_seed(2))
    signals = drawn(400, 1, seed=3) * atoms[places]
    found = learn_dictionary(signals, 12, 1, 5)
    assert (found @ atoms.T).abs().amax(0).min() > 0.999
    assert found.norm(dim=1).numpy() == pytest.approx(1)


def test_improved_atoms_are_the_least_squares_of_their_codes():
    signals, codes = drawn(50, 8), drawn(50, 5, seed=1)
    codes[:, 4] = 0  # not in use
    before = drawn(5, 8, seed=2)
    found = improved(signals, codes, before)
    best = np.linalg.lstsq(codes[:, :4].numpy(), signals.numpy(), rcond=None)[0]
    cosines = (found[:4].numpy() * best).sum(1) / np.linalg.norm(best, axis=1)
    assert cosines == pytest.approx(1, abs=1e-6)
    assert torch.nn.functional.cosine_similarity(found[4], before[4], dim=0) > 1 - 1e-9


def test_atoms_like_those_of_the_rain_are_left_out():
    scene = torch.eye(8).double()
    scene[0] = torch.tensor([1.0, -1, 0, 0, 0, 0, 0, 0]).double() / math.sqrt(2)
    found = exclusive(scene, scene[:1] + 0.5)  # means do not count
    assert len(found) == 6 and torch.equal(found, scene[2:])  # 1 is like it by 0.7
    assert len(exclusive(scene[:1].repeat(8, 1), scene[:1])) == 8  # of equals all or none


@pytest.mark.parametrize("slope", [0.0, 0.36, -0.36])
def test_the_first_rain_lies_on_the_streaks(slope):
    _, rain, rainy = rained(slope=slope)
    found = first_rain(rainy)
    assert found.min() >= 0 or found.min() > -1e-6
    assert found[rain > 0].mean() > 10 * found[rain == 0].mean()
    assert torch.corrcoef(torch.stack((found.flatten(), rain.flatten())))[0, 1] > 0.8


def test_a_screen_is_taken_off():
    scene, rain, rainy = rained()
    assert (unscreened(rainy, rain) - scene).abs().max() < 1e-6


@pytest.mark.parametrize(("size", "step"), [(4, 1), (5, 2), (7, 3), (4, 4)])
def test_patches_become_the_picture_again(size, step):
    plane = drawn(17, 22)
    patches = cut(plane, size, step)
    assert len(patches) == math.ceil((17 - size) / step + 1) * math.ceil((22 - size) / step + 1)
    assert torch.equal(patches[1], plane[:size, step : step + size].flatten())
    assert (together(patches, plane, size, step) - plane).abs().max() < 1e-12


def test_it_has_no_weights():
    with pytest.raises(KeyError, match=r"DSC.*unexpected a"):
        DSC.convert_published({"a": torch.zeros(1)})
