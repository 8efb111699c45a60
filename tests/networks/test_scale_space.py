"""SIAN's scale space: against SciPy's Gaussians, and by what Eqs. 7 to 12 say of it."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from rainbench.networks.scale_space import ScaleSpace, gaussian_kernel
from rainbench.networks.sian import SIAN, Scale

K = 2 ** (1 / 3)
FORMS = [(blur, kernels) for blur in ("incremental", "literal") for kernels in ("3x3", "full")]


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_scale_space_of_a_constant_is_zero_away_from_the_border():
    differences = ScaleSpace()(torch.ones(1, 2, 64, 64))
    assert [tuple(dog.shape) for dog in differences] == [
        (1, 10, 64, 64),
        (1, 10, 32, 32),
        (1, 10, 16, 16),
    ]
    assert differences[0][..., 8:-8, 8:-8].abs().max() < 1e-6
    assert differences[0].abs().max() > 0.1  # the zero padding darkens the border


def test_gaussians_are_the_published_ones():
    kernel = gaussian_kernel(1.22627)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
    assert kernel[1, 1].item() == pytest.approx(0.1688, abs=5e-4)
    assert gaussian_kernel(3.09002)[1, 1].item() == pytest.approx(0.119, abs=5e-4)


@pytest.mark.parametrize(("blur", "kernels"), FORMS)
def test_the_differences_telescope(blur, kernels):
    """Their sum is what lies between the sixth layer and the first, in every octave."""
    space, features = ScaleSpace(blur=blur, kernels=kernels).double(), noise(2, 3, 19, 22)
    first = space._blurred(features, 0)
    for differences in space(features):
        layers = space.layers(first)
        total = differences.unflatten(1, (5, 3)).sum(1)
        assert (total - (layers[-1] - layers[0])).abs().max() < 1e-12
        first = torch.nn.functional.max_pool2d(layers[3], 2)


@pytest.mark.parametrize("blur", ["incremental", "literal"])
def test_whole_kernels_are_scipys_gaussians(blur):
    """Each layer at the standard deviation that Eq. 7 gives it, zeros beyond the border."""
    space, features = ScaleSpace(blur=blur, kernels="full"), noise(1, 1, 40, 37)
    layer = features.numpy()[0, 0]
    layers = space.double().layers(features)
    for number, found in enumerate(layers[1:], start=1):
        sigma = (
            1.6 * K**number if blur == "literal" else 1.6 * K ** (number - 1) * (K**2 - 1) ** 0.5
        )
        source = features.numpy()[0, 0] if blur == "literal" else layer
        layer = ndimage.gaussian_filter(
            source, sigma, mode="constant", radius=int(np.ceil(3 * sigma))
        )
        assert np.abs(found[0, 0].numpy() - layer).max() < 1e-6  # kernels in single precision


def test_incremental_steps_add_up_to_the_literal_blur():
    """Variances add: sigma^2 k^(2l) = sigma^2 + the steps', but only where kernels are whole."""
    features = torch.zeros(1, 1, 81, 81, dtype=torch.float64)
    features[..., 40, 40] = 1
    offsets = torch.arange(-40, 41, dtype=torch.float64)
    for kernels, exact in (("full", True), ("3x3", False)):
        space = ScaleSpace(kernels=kernels).double()
        blurred = space.layers(space._blurred(features, 0))
        variances = [(layer.sum(2)[0, 0] * offsets**2).sum().item() for layer in blurred]
        wanted = [1.6**2 * K ** (2 * level) - 0.5**2 for level in range(6)]
        assert (variances == pytest.approx(wanted, rel=0.05)) is exact


@pytest.mark.parametrize("arguments", [{"blur": "Literal"}, {"kernels": "5x5"}])
def test_unknown_forms_are_refused(arguments):
    with pytest.raises(ValueError, match="is not one of"):
        SIAN(**arguments)


@pytest.mark.parametrize("arguments", [{"merge": "both"}, {"stages": 0}])
def test_what_sian_refuses(arguments):
    with pytest.raises(ValueError, match=r"merge is 'both'|at least one stage"):
        SIAN(**arguments)


def test_two_convolutions_may_stand_before_the_recurrent_layer():
    """Section III-D; the published code has one."""
    torch.manual_seed(0)
    two = Scale(4, updates=2).eval()
    features, differences = torch.rand(1, 4, 6, 5), torch.rand(1, 20, 6, 5)
    output, _, mask = two(features, differences)
    attended = two.features(features) * (1 + mask)
    expected = two.lstm(two.fuse_again(two.fuse(attended))).hidden
    assert torch.allclose(output, expected, atol=1e-6)
    with torch.device("meta"):
        one, more = SIAN(), SIAN(updates=2)
    added = sum(p.numel() for p in more.parameters()) - sum(p.numel() for p in one.parameters())
    assert added == 3 * (32 * 32 * 9 + 32)
    assert set(one.state_dict()) < set(more.state_dict())
    with pytest.raises(ValueError, match="updates is 1 or 2"):
        SIAN(updates=3)
