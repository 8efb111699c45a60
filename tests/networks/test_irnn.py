"""The IRNN and the attention made of it: a loop over pixels, gradients, reach, sharing."""

import pytest
import references
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rainbench.networks import recurrences
from rainbench.networks.irnn import IRNN
from rainbench.networks.spanet import SPANet, SpatialAttention

STEPS = ("lines", "blocks")
LENGTHS = [1, 2, 15, 16, 17, 31, 64, 100, 257]


class Kernels(TorchDispatchMode):
    """Counts what PyTorch computes: every operation but those that only look at memory anew."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        aliases = [result.alias_info for result in func._schema.returns]
        views = [alias is not None and not alias.is_write for alias in aliases]
        empty = func.__name__.startswith(("empty", "new_empty"))
        self.count += not (all(views) or empty)
        return func(*args, **(kwargs or {}))


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (5, 8), (18, 3), (2, 33)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_irnn_against_a_loop_over_pixels(size, layout, steps):
    unit = IRNN(3).double()
    unit.steps = steps
    with torch.no_grad():
        unit.weight.copy_(random(4, 3))
        unit.bias.copy_(random(4, 3, seed=1))
        features = random(2, 3, *size, seed=2).contiguous(memory_format=layout)
        expected = references.irnn(features, list(unit.weight), list(unit.bias))
        assert torch.allclose(unit(features), torch.cat(expected, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("steps", "size"), [("lines", (4, 3)), ("blocks", (16, 2)), ("blocks", (1, 18))]
)
def test_irnn_has_the_right_gradients(steps, size):
    unit = IRNN(2).double()
    unit.steps = steps
    with torch.no_grad():
        unit.bias.copy_(random(4, 2))
    features = random(1, 2, *size, seed=1).requires_grad_()

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


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0, 1.1, -0.5, -1.0, -1.3])
@pytest.mark.parametrize("backwards", [False, True])
def test_blocks_are_lines(weight, backwards):
    """For weights of any sign and for any length; up to the roundings of what enters a block."""
    for length in LENGTHS:
        given = random(length, 3, 5, seed=length)
        slow, fast = given.clone(), given.clone()
        weights = torch.full((5,), weight, dtype=torch.float64)
        recurrences.rectified(slow, weights, backwards)
        recurrences.rectified(fast, weights, backwards, in_blocks=True)
        assert (slow - fast).abs().max() <= 1e-13 * slow.abs().max()


@pytest.mark.parametrize("backwards", [False, True])
def test_linear_blocks_are_lines(backwards):
    for length in LENGTHS:
        given, rates = random(length, 3, 5, seed=length), random(length, 3, 5, seed=1)
        slow, fast = given.clone(), given.clone()
        recurrences.linear(slow, rates, backwards)
        recurrences.linear(fast, rates, backwards, in_blocks=True)
        assert (slow - fast).abs().max() <= 1e-13 * slow.abs().max()


@pytest.mark.parametrize("weight", [3.0, -3.0, 50.0, -50.0])
@pytest.mark.parametrize("shift", [-4, 0, 4])
def test_blocks_of_what_overflows_hold_no_nan(weight, shift):
    """A block's slope may overflow where no state does: all states are zero if all x are < 0."""
    slow = random(400, 5).float() + shift
    fast = slow.clone()
    recurrences.rectified(slow, torch.full((5,), weight))
    recurrences.rectified(fast, torch.full((5,), weight), in_blocks=True)
    assert not fast.isnan().any()
    small = slow < 1e12
    assert torch.allclose(slow[small], fast[small], rtol=1e-4)


def test_blocks_take_a_fraction_of_the_kernels():
    """Line by line it is two for each line of each direction."""
    kernels = {}
    for steps in STEPS:
        unit, features = IRNN(1), torch.rand(1, 1, 256, 256, requires_grad=True)
        unit.steps = steps
        with Kernels() as forward:
            hidden = unit(features)
        with Kernels() as backward:
            hidden.sum().backward()
        kernels[steps] = forward.count, backward.count
    assert kernels["lines"][0] > 2 * 4 * 255
    assert kernels["lines"][0] > 6 * kernels["blocks"][0]
    assert kernels["lines"][1] > 4 * kernels["blocks"][1]


def test_spanet_in_blocks_is_spanet_line_by_line():
    network = SPANet(width=8, gate=True).double()
    rainy = random(1, 3, 37, 50).abs()
    images, gradients = [], []
    for steps in STEPS:
        for unit in (network.attend.irnn1, network.attend.irnn2):
            unit.steps = steps
        network.zero_grad()
        images.append(network(rainy).image)
        images[-1].square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert (images[0] - images[1]).abs().max() < 1e-12
    for slow, fast in zip(*gradients, strict=True):
        assert torch.allclose(slow, fast, rtol=1e-9, atol=1e-12)


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
