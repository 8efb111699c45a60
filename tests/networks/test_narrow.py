"""What every network that is trained here promises, shown on narrow versions of it."""

import pytest
import torch
from material import image
from narrow import NARROW, narrow

from rainbench.networks.base import Restoration
from rainbench.networks.daiam import DAiAM

SIZES = [(1, 1), (1, 6), (3, 2), (4, 7), (8, 8), (17, 23)]
SMALLEST = {name: 4 for name in NARROW if name.startswith("sian")}
"""The shortest side of the networks that do not take every size."""


@pytest.mark.parametrize("name", NARROW)
def test_every_size_is_kept_forwards_and_backwards(name):
    network = narrow(name)
    for size in SIZES:
        if min(size) < SMALLEST.get(name, 1):
            continue
        restoration = network(image(*size))
        assert isinstance(restoration, Restoration)
        assert restoration.image is restoration.stages[-1]
        assert all(stage.shape == (1, 3, *size) for stage in restoration.stages)
        network.zero_grad()
        restoration.image.square().mean().backward()
        for key, parameter in network.named_parameters():
            assert parameter.grad is None or torch.isfinite(parameter.grad).all(), (size, key)


@pytest.mark.parametrize("name", NARROW)
def test_images_of_a_batch_do_not_meet(name):
    network, batch = narrow(name).double(), image(9, 10, batch=3).double()
    together = network(batch)
    for index in range(3):
        alone = network(batch[index : index + 1])
        assert (together.image[index] - alone.image[0]).abs().max() < 1e-10
        assert alone.maps.keys() == together.maps.keys()
        for key, value in alone.maps.items():
            assert (together.maps[key][index] - value[0]).abs().max() < 1e-10


@pytest.mark.parametrize("name", NARROW)
def test_neither_gradients_nor_the_layout_change_a_thing(name):
    network, rainy = narrow(name).double(), image(18, 21).double()
    with_gradients = network(rainy)
    before = rainy.clone()
    with torch.inference_mode():
        without = network(rainy)
        network.to(memory_format=torch.channels_last)
        last = network(rainy.contiguous(memory_format=torch.channels_last))
    assert torch.equal(rainy, before)
    for other in (without, last):
        assert (with_gradients.image - other.image).abs().max() < 1e-11
        for key, value in with_gradients.maps.items():
            assert (value - other.maps[key]).abs().max() < 1e-11


@pytest.mark.parametrize("cast", ["autocast", "parameters"])
@pytest.mark.parametrize("name", NARROW)
def test_bf16_is_finite_forwards_and_backwards_and_close(name, cast):
    network, rainy = narrow(name), image(19, 21)
    with torch.no_grad():
        exact = network(rainy).image
    if cast == "parameters":
        rough = network.bfloat16()(rainy.bfloat16())
    else:
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(rainy)
    sum(stage.float().square().mean() for stage in rough.stages).backward()
    assert (rough.image.float() - exact).abs().max() < 0.05 * max(1, exact.abs().max())
    assert all(torch.isfinite(value).all() for value in rough.maps.values())
    for key, parameter in network.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", NARROW)
def test_every_parameter_learns(name):
    network = narrow(name)
    if name == "jorder-e":  # its gates begin at zero weights, behind which nothing learns at first
        network.load_state_dict({k: v + 0.01 for k, v in network.state_dict().items()})
    restoration = network(image(16, 16, batch=2))
    sum((stage - 0.5).square().mean() for stage in restoration.stages).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, key


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NARROW if NARROW[name][0] is not DAiAM])
def test_fifty_steps_on_one_batch_halve_the_loss(name):
    """DAiAM and its relatives do so in their own tests, under the objectives of their cards."""
    network, clean = narrow(name), image(12, 13, batch=2, seed=1)
    clean = torch.nn.functional.avg_pool2d(clean, 5, 1, 2)  # smoother than noise
    rainy = clean + 0.5 * (image(12, 13, batch=2, seed=2)[:, :1] > 0.9)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(51):
        loss = (network(rainy).image - clean).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("name", NARROW)
def test_its_own_state_dict_loads_back(name):
    network, other = narrow(name), narrow(name, seed=1)
    other.load_state_dict(network.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(network(image()).image, other(image()).image)


@pytest.mark.parametrize("name", NARROW)
def test_arguments_have_to_be_named(name):
    with pytest.raises(TypeError):
        NARROW[name][0](3)
