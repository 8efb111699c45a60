"""The shared blocks: the recurrent unit in strips, and the networks without weights."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from rainbench.networks.blocks import ConvLSTM, LSTMState, Repeated, ResidualBlock
from rainbench.networks.plain import Identity, MedianFilter


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
