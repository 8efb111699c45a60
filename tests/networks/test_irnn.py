"""The IRNN and the attention made of it: a loop over pixels, gradients, reach, sharing."""

import pytest
import references
import torch

from rainbench.networks.irnn import IRNN
from rainbench.networks.spanet import SPANet, SpatialAttention


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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


def count(**arguments):
    return sum(parameter.numel() for parameter in SPANet(**arguments).parameters())


def reached(rounds, y=2, x=5, height=6, width=8):
    """Where a pixel of the input changes the result of so many rounds: from the gradient."""
    features = 1 + random(1, 2, height, width).abs()
    found = torch.zeros(height, width, dtype=torch.bool)
    for out_y in range(height):
        for out_x in range(width):
            given = features.clone().requires_grad_()
            hidden = given
            for turn in range(rounds):
                unit = IRNN(2).double()
                hidden = unit(hidden)
                if turn + 1 < rounds:
                    hidden = hidden.unflatten(1, (4, 2)).sum(1)
            gradient = torch.autograd.grad(hidden[0, :, out_y, out_x].sum(), given)[0]
            found[out_y, out_x] = gradient[0, :, y, x].any()
    return found


def test_one_round_reaches_row_and_column_and_two_the_whole_image():
    """SPANet, Sec. 4.2, claim B13: by the Jacobian, with weights that let everything through."""
    cross = torch.zeros(6, 8, dtype=torch.bool)
    cross[2, :] = cross[:, 5] = True
    assert torch.equal(reached(1), cross)
    assert reached(2).all()


def test_sharing_a_module_costs_one_and_own_ones_four():
    """Claim B14, over the paper's Table 4."""
    one_module = sum(p.numel() for p in SpatialAttention(32, gate=True).parameters())
    none = count(attention="none")
    assert count(attention="once", gate=True) == none + one_module
    assert count(attention="shared", gate=True) == none + one_module
    assert count(attention="own", gate=True) == none + 4 * one_module
    assert count(gate=False, dead=False) == none + one_module - 7_012


def test_shared_maps_differ_from_block_to_block_and_one_map_does_not():
    rainy = torch.rand(1, 3, 9, 11, generator=torch.Generator().manual_seed(1))
    names = ["attention", "attention_2", "attention_3", "attention_4"]
    for attention in ("shared", "own"):
        maps = SPANet(width=8, attention=attention)(rainy).maps
        assert list(maps) == names
        assert not torch.equal(maps["attention"], maps["attention_2"])
    assert list(SPANet(width=8, attention="once")(rainy).maps) == names[:1]
    assert not SPANet(width=8, attention="none")(rainy).maps


def test_the_dead_branch_has_no_effect():
    with_branch, without = SPANet(width=8), SPANet(width=8, dead=False)
    rainy = torch.rand(1, 3, 9, 11, generator=torch.Generator().manual_seed(1))
    state = with_branch.state_dict()
    without.load_state_dict({key: state[key] for key in without.state_dict()})
    assert torch.equal(with_branch(rainy).image, without(rainy).image)


def test_weights_start_where_they_are_told():
    assert (SPANet(width=4, irnn_start=1.0).attend.irnn2.weight == 1).all()
    assert (SPANet(width=4).attend.irnn1.weight == 0.2).all()


@pytest.mark.parametrize("arguments", [{"attention": "each"}, {"width": 1}])
def test_what_spanet_refuses(arguments):
    with pytest.raises(ValueError, match=r"attention is 'each'|a width of at least 2"):
        SPANet(**arguments)
