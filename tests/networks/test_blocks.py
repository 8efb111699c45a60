"""The shared blocks: the recurrent unit in strips, the IRNN, the scale space, the median."""

import numpy as np
import pytest
import references
import torch
from scipy import ndimage

from rainbench.networks.blocks import ConvLSTM, LSTMState, Repeated, ResidualBlock
from rainbench.networks.irnn import IRNN
from rainbench.networks.plain import Identity, MedianFilter
from rainbench.networks.sian import ScaleSpace, gaussian_kernel


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("others", [0, 3])
def test_conv_lstm_is_four_convolutions(others):
    unit = ConvLSTM(5, 4, others=others).double()
    features, other = random(2, 5, 9, 7), random(2, 3, 9, 7, seed=1) if others else None
    state = LSTMState(random(2, 4, 9, 7, seed=2), random(2, 4, 9, 7, seed=3))
    parts = [features, state.hidden] + ([other] if others else [])
    weights, biases = unit.gates.weight.split(4), unit.gates.bias.split(4)
    gates = [
        torch.nn.functional.conv2d(torch.cat(parts, 1), w, b, padding=1)
        for w, b in zip(weights, biases, strict=True)
    ]
    kept, entering, leaving = map(torch.sigmoid, gates[:3])
    cell = kept * state.cell + entering * torch.tanh(gates[3])
    new = unit(features, state, other)
    assert torch.allclose(new.cell, cell, rtol=0, atol=1e-14)
    assert torch.allclose(new.hidden, leaving * torch.tanh(cell), rtol=0, atol=1e-14)


@pytest.mark.parametrize("with_other", [False, True])
def test_no_state_is_the_zero_state(with_other):
    unit = ConvLSTM(5, 4, others=3).double()
    features, zeros = random(1, 5, 6, 7), torch.zeros(1, 4, 6, 7, dtype=torch.float64)
    other = random(1, 3, 6, 7, seed=1) if with_other else None
    short = unit(features, None, other)
    padded = torch.zeros(1, 3, 6, 7, dtype=torch.float64) if other is None else other
    full = unit(features, LSTMState(zeros, zeros), padded)
    assert torch.allclose(short.hidden, full.hidden, rtol=0, atol=1e-14)
    assert torch.allclose(short.cell, full.cell, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 12, 13, 14])
def test_strips_change_nothing(rows):
    unit = ConvLSTM(5, 4).double()
    features = random(2, 5, 13, 7).contiguous(memory_format=torch.channels_last)
    first = unit(features)
    whole = [first, unit(features, first)]
    with torch.no_grad():
        for state, expected, gates in ((None, whole[0], 3), (first, whole[1], 4)):
            unit.strip_bytes = rows * 2 * 7 * gates * 4 * 8
            strips = unit(features, state)
            assert torch.allclose(strips.hidden, expected.hidden, rtol=0, atol=1e-14)
            assert torch.allclose(strips.cell, expected.cell, rtol=0, atol=1e-14)


def test_a_repeated_block_has_one_set_of_weights():
    block = ResidualBlock(3).double()
    features = random(1, 3, 5, 6)
    expected = block(block(features))
    assert torch.equal(Repeated(block, times=2)(features), expected)
    assert len(list(Repeated(block, times=2).parameters())) == 4


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (5, 8)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_irnn_against_a_loop_over_pixels(size, layout):
    unit = IRNN(3).double()
    with torch.no_grad():
        unit.weight.copy_(random(4, 3))
        unit.bias.copy_(random(4, 3, seed=1))
        features = random(2, 3, *size, seed=2).contiguous(memory_format=layout)
        expected = references.irnn(features, list(unit.weight), list(unit.bias))
        assert torch.allclose(unit(features), torch.cat(expected, 1), rtol=0, atol=1e-12)


def test_irnn_has_the_right_gradients():
    unit = IRNN(2).double()
    with torch.no_grad():
        unit.bias.copy_(random(4, 2))
    features = random(2, 2, 4, 3, seed=1).requires_grad_()

    def run(features, weight, bias):
        return torch.func.functional_call(unit, {"weight": weight, "bias": bias}, features)

    assert torch.autograd.gradcheck(run, (features, unit.weight, unit.bias))


def test_irnn_starts_at_its_border_without_bias_and_in_its_direction():
    unit = IRNN(1)
    with torch.no_grad():
        unit.bias.fill_(0.5)
        features = torch.zeros(1, 1, 3, 4)
        features[0, 0, 1, 2] = 1
        up, right, down, left = unit(features)[0]
    assert up[2].max() == right[:, 0].max() == down[0].max() == left[:, 3].max() == 0
    assert right[1].tolist() == pytest.approx([0, 0.5, 1.6, 0.82])
    assert left[1].tolist() == pytest.approx([0.66, 0.8, 1.5, 0])
    assert up[:, 2].tolist() == pytest.approx([0.8, 1.5, 0])
    assert down[:, 2].tolist() == pytest.approx([0, 1.5, 0.8])


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


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (12, 9)])
def test_median_is_scipys(size, shape):
    rainy = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(3))
    expected = ndimage.median_filter(rainy.numpy(), (1, 1, size, size), mode="mirror")
    np.testing.assert_array_equal(MedianFilter(size=size)(rainy).image.numpy(), expected)


@pytest.mark.parametrize("size", [0, 2, -3])
def test_a_median_needs_an_odd_window(size):
    with pytest.raises(ValueError, match="odd size"):
        MedianFilter(size=size)


def test_identity_is_the_image():
    rainy = torch.rand(1, 3, 4, 5)
    assert Identity()(rainy).image is rainy
