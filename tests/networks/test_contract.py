"""What every network promises: sizes, precision, layout, gradients, parameters, refusals."""

import pytest
import torch
from material import (
    CLASSES,
    LEARNED,
    SAME_KEYS_AND_SHAPES,
    build,
    by_rule,
    image,
    rescan_shapes,
    tame,
)

from rainbench.networks.base import Restoration

COUNTS = {
    "PReNet": 168_963,
    "PReNet_r": 94_979,
    "PRN": 95_107,
    "PRN_r": 21_123,
    "PReNet_LSTM": 168_963,
    "PReNet_GRU": 150_499,
    "PReNet_x": 168_099,
    "Generator_lstm": 168_963,
    "BRN": 412_518,
    "SIAN": 510_435,
    "SPANet": 283_716,
    "RESCAN": 149_823,
    "LPNet": 7_548,
    "DDN": 57_369,
    "DRN": 10_595,
    "Identity": 0,
    "MedianFilter": 0,
}
DEAD = {"BRN": 36_992, "SIAN": 18_496, "SPANet": 7_012}
FEW_STAGES = {
    name: {"stages": 2} if name in ("SIAN", "RESCAN") else {"iterations": 2}
    for name in LEARNED
    if name not in ("SPANet", "LPNet", "DDN")
}


def few_stages(name, **arguments):
    return build(name, **FEW_STAGES.get(name, {}), **arguments)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", CLASSES)
def test_number_of_parameters_is_the_published_one(name):
    network = CLASSES[name]()
    assert count(network) == COUNTS[name]
    assert sum(value.numel() for value in network.state_dict().values()) == COUNTS[name]


@pytest.mark.parametrize(
    ("unit", "excited", "expected"),
    [
        ("Conv", True, 28_695),
        ("RNN", True, 54_735),
        ("LSTM", True, 197_367),
        ("GRU", False, 147_915),
    ],
)
def test_number_of_parameters_of_the_other_rescans(unit, excited, expected):
    for mode in ("Full", "Add"):
        network = CLASSES["RESCAN"](unit=unit, mode=mode, squeeze_excitation=excited)
        assert count(network) == expected


@pytest.mark.parametrize("width", [6, 10])
@pytest.mark.parametrize(
    ("unit", "from_features", "from_hidden"),
    [("Conv", 1, 0), ("RNN", 1, 1), ("GRU", 3, 3), ("LSTM", 4, 4)],
)
def test_number_of_parameters_of_narrow_rescans(unit, from_features, from_hidden, width):
    """Counted from the figure: gates of five layers, excitation by 6 units, the decoder."""
    network = CLASSES["RESCAN"](unit=unit, width=width)
    outputs = from_features * width
    features = outputs * (9 * 3 + 1) + 4 * outputs * (9 * width + 1)
    hidden = 5 * from_hidden * width * (9 * width + 1)
    excitation = 6 * (6 * (width + 1) + width * (6 + 1))
    decoder = width * (9 * width + 1) + 3 * (width + 1)
    assert count(network) == features + hidden + excitation + decoder


@pytest.mark.parametrize("name", CLASSES)
def test_every_size_is_kept(name):
    network = few_stages(name)
    sizes = [(4, 4), (7, 4), (17, 23), (6, 31)]
    sizes += [(1, 1), (1, 6), (3, 2)] if name != "SIAN" else []
    for size in sizes:
        with torch.inference_mode():
            restoration = network(image(*size))
        assert isinstance(restoration, Restoration)
        assert restoration.image.shape == (1, 3, *size)
        assert all(stage.shape == (1, 3, *size) for stage in restoration.stages)
        assert torch.isfinite(restoration.image).all()


def test_sian_says_how_small_is_too_small():
    with pytest.raises(ValueError, match="at least 4x4"):
        CLASSES["SIAN"]()(image(3, 9))


@pytest.mark.parametrize("name", CLASSES)
def test_images_of_a_batch_do_not_meet(name):
    network = few_stages(name).double()
    batch = image(9, 10, batch=3).double()
    together = network(batch)
    for index in range(3):
        alone = network(batch[index : index + 1])
        assert (together.image[index] - alone.image[0]).abs().max() < 1e-10
        for key, value in alone.maps.items():
            assert (together.maps[key][index] - value[0]).abs().max() < 1e-10


@pytest.mark.parametrize("name", CLASSES)
def test_channels_last_changes_nothing(name):
    network, rainy = few_stages(name), image(18, 21)
    with torch.inference_mode():
        plain = network(rainy).image
        network.to(memory_format=torch.channels_last)
        last = network(rainy.contiguous(memory_format=torch.channels_last)).image
    assert (plain - last).abs().max() <= 5e-6 * max(1, plain.abs().max())


@pytest.mark.parametrize("name", CLASSES)
def test_gradients_change_nothing(name):
    """Without gradients recurrent layers may take another way; the result has to be the same."""
    network, rainy = few_stages(name).double(), image(18, 21).double()
    with_gradients = network(rainy).image
    with torch.inference_mode():
        without = network(rainy).image
    assert (with_gradients - without).abs().max() < 1e-12


@pytest.mark.parametrize("name", CLASSES)
def test_bf16_autocast_is_finite_and_close(name):
    network = few_stages(name).to(memory_format=torch.channels_last)
    rainy = image(18, 21).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        exact = network(rainy).image
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(rainy).image
    assert torch.isfinite(rough).all()
    assert (rough.float() - exact).abs().max() < 0.05 * max(1, exact.abs().max())


@pytest.mark.parametrize("name", LEARNED)
def test_every_live_parameter_learns_and_no_dead_one(name):
    network = few_stages(name).train()
    restoration = network(image(12, 13))
    sum((stage - 0.5).square().mean() for stage in restoration.stages).backward()
    dead = sum(p.numel() for p in network.parameters() if p.grad is None)
    assert dead == DEAD.get(name, 0)
    for key, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), key
            assert parameter.grad.abs().max() > 0, key


def test_the_gate_of_spanet_learns_where_it_is_on():
    network = build("SPANet", gate=True).train()
    network(image(12, 13)).image.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_no_gradient_flows_through_the_earlier_rain_of_an_additive_rescan():
    published = by_rule(rescan_shapes("Conv"))
    rains = {}
    for stages in (1, 2):
        network = build("RESCAN", published, unit="Conv", mode="Add", stages=stages)
        rainy = image(8, 9).requires_grad_()
        rains[stages] = torch.autograd.grad(network(rainy).maps["rain"].sum(), rainy)[0]
    # Stage 2 adds the rain of stage 1, detached, to what it finds in the image of stage 1.
    network = build("RESCAN", published, unit="Conv", mode="Full", stages=2)
    rainy = image(8, 9).requires_grad_()
    full = torch.autograd.grad(network(rainy).maps["rain"].sum(), rainy)[0]
    assert torch.allclose(rains[2], full)
    assert not torch.allclose(rains[2], rains[1])


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_have_to_be_named(name):
    with pytest.raises(TypeError):
        CLASSES[name](3)


@pytest.mark.parametrize("stages", [1, 3, 7])
@pytest.mark.parametrize("name", FEW_STAGES)
def test_number_of_stages(name, stages):
    network = build(name, **dict.fromkeys(FEW_STAGES[name], stages))
    with torch.inference_mode():
        assert len(network(image(8, 8)).stages) == stages


@pytest.mark.parametrize("name", CLASSES)
def test_a_state_dict_of_ours_loads_back(name):
    network, other = build(name), CLASSES[name]()
    other.load_state_dict(network.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(network(image()).image, other(image()).image)


@pytest.mark.parametrize("name", LEARNED)
def test_a_missing_key_is_named(name):
    published = tame(name)
    key = list(published)[-1]
    del published[key]
    with pytest.raises(KeyError, match=rf"{name}.*missing {key}"):
        CLASSES[name].convert_published(published)


@pytest.mark.parametrize("name", CLASSES)
def test_an_unexpected_key_is_named(name):
    published = tame(name) | {"strange.weight": torch.zeros(1)}
    with pytest.raises(KeyError, match=rf"{name}.*unexpected strange\.weight"):
        CLASSES[name].convert_published(published)


@pytest.mark.parametrize("theirs", LEARNED)
@pytest.mark.parametrize("ours", CLASSES)
def test_another_networks_weights_are_refused(ours, theirs):
    published = tame(theirs)
    if ours == theirs or {ours, theirs} <= SAME_KEYS_AND_SHAPES:
        build(ours, published)
        return
    with pytest.raises((KeyError, RuntimeError)):
        build(ours, published)


@pytest.mark.parametrize("theirs", ["Conv", "RNN", "GRU", "LSTM", "no-se"])
@pytest.mark.parametrize("ours", ["Conv", "RNN", "GRU", "LSTM", "no-se"])
def test_another_rescans_weights_are_refused(ours, theirs):
    shapes = rescan_shapes("GRU", False) if theirs == "no-se" else rescan_shapes(theirs)
    wanted = {"squeeze_excitation": False} if ours == "no-se" else {"unit": ours}
    if ours == theirs:
        build("RESCAN", by_rule(shapes), **wanted)
        return
    with pytest.raises((KeyError, RuntimeError)):
        build("RESCAN", by_rule(shapes), **wanted)


@pytest.mark.parametrize("arguments", [{"unit": "gru"}, {"mode": "Both"}])
def test_rescan_knows_its_units_and_modes(arguments):
    with pytest.raises(ValueError, match="is '"):
        CLASSES["RESCAN"](**arguments)
