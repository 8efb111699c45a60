"""RCDNet against a plain reading of its equations; conversion of the authors' keys."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rainbench.networks.rcdnet import RCDNet


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = RCDNet(stages=3, maps=5, channels=4).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.05)
            nn.init.uniform_(module.running_var, 0.9, 1.2)
    for parameter in (made.map_steps, made.background_steps, made.threshold):
        nn.init.uniform_(parameter, 0.5, 5)
    return made


def published_of(network):
    """The state dict that the authors' class would save for the same network."""
    stages, maps = len(network.map_operators), network.kernels.shape[1]
    state = network.state_dict()
    found = {
        "weight0": state["first_kernels"],
        "conv": torch.stack([torch.rand_like(state["kernels"]), state["kernels"], *[
            torch.rand_like(state["kernels"]) for _ in range(stages - 3)]]),
        "tau": state["threshold"], "w_z_f": state["lift.weight"],
        "eta1": torch.rand(1), "eta2": state["background_steps"][:1],
        "eta11": state["map_steps"][:, None], "eta12": state["background_steps"][1:, None],
    }  # fmt: skip
    names = {"first": "xnet", "last": "fxnet"}
    names |= {f"map_operators.{n}": f"m_stage.{n}" for n in range(stages)}
    names |= {f"background_operators.{n}": f"x_stage.{n}" for n in range(stages)}
    for ours, theirs in [*names.items(), ("map_operators.0", "mnet")]:
        letter = "m" if theirs[0] == "m" else "x"
        for key, value in state.items():
            if not key.startswith(f"{ours}."):
                continue
            if key == f"{ours}.threshold":
                found[f"{theirs}.tau"] = value
                continue
            _, _, block, layer, kind = key.removeprefix(ours).split(".")
            place = {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}[layer]
            found[f"{theirs}.res{letter}{int(block) + 1}.{place}.{kind}"] = value
    assert maps == 5
    return found


def operator(state, name, features, sparse):
    for block in range(1, 5):
        inner, letter = features, "m" if sparse else "x"
        for conv in (0, 3):
            prefix = f"{name}.res{letter}{block}"
            inner = F.conv2d(
                inner, state[f"{prefix}.{conv}.weight"], state[f"{prefix}.{conv}.bias"], padding=1
            )
            norm = f"{prefix}.{conv + 1}"
            inner = F.batch_norm(
                inner, state[f"{norm}.running_mean"], state[f"{norm}.running_var"],
                state[f"{norm}.weight"], state[f"{norm}.bias"],
            )  # fmt: skip
            inner = inner.relu() if conv == 0 else inner
        features = (features + inner).relu()
    return (features - state[f"{name}.tau"]).relu() if sparse else features


def test_every_stage_is_that_of_the_equations(network):
    """Written with the authors' names, from their conventions: a tenth of kernels and steps."""
    rainy = 255 * torch.rand(2, 3, 14, 11, generator=torch.Generator().manual_seed(1))
    state = published_of(network)
    kernels = state["conv"][1] / 10
    z = F.conv2d(rainy, state["w_z_f"], padding=1)
    both = operator(state, "xnet", torch.cat((rainy, z), 1), False)
    b, z = both[:, :3], both[:, 3:]
    backgrounds, rains = [b], []
    with torch.no_grad():
        for stage in range(3):
            if stage == 0:
                above = (rainy - b - state["tau"]).relu()
                m = F.conv_transpose2d(above, state["weight0"] / 10, padding=4)
            else:
                step = state["eta11"][stage - 1] / 10
                m = m - step * F.conv_transpose2d(rains[-1] - (rainy - b), kernels, padding=4)
            m = operator(state, f"m_stage.{stage}", m, True)
            rains.append(F.conv2d(m, kernels, padding=4))
            step = (state["eta2"] if stage == 0 else state["eta12"][stage - 1]) / 10
            nearer = (1 - step) * b + step * (rainy - rains[-1])
            both = operator(state, f"x_stage.{stage}", torch.cat((nearer, z), 1), False)
            b, z = both[:, :3], both[:, 3:]
            backgrounds.append(b)
        last = operator(state, "fxnet", both, False)[:, :3]
        found = network(rainy)
    for ours, theirs in zip(found.stages, [*backgrounds, last], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-3)
    for number, rain in enumerate(rains, start=1):
        assert torch.allclose(found.maps[f"rain_{number}"] * 255, rain, rtol=1e-5, atol=1e-3)
    assert torch.equal(found.image, found.stages[-1])
    assert torch.equal(found.maps["rain"], found.maps["rain_3"])


def test_the_authors_keys_become_ours(network):
    converted = RCDNet.convert_published(published_of(network))
    state = network.state_dict()
    assert converted.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(converted[key].reshape(value.shape), value), key
    broken = published_of(network)
    del broken["x_stage.1.resx2.3.weight"]
    with pytest.raises(KeyError, match=r"not a state dict of RCDNet: missing x_stage\.1\.resx2"):
        RCDNet.convert_published(broken)


def test_the_shorter_release_has_other_names(network):
    names = {
        "weight0": "C0", "tau": "tau", "w_z_f": "C_z", "xnet": "proxNet_B_0",
        "fxnet": "proxNet_B_last_layer", "x_stage": "proxNet_B_S", "m_stage": "proxNet_M_S",
    }  # fmt: skip
    published = published_of(network)
    simple = {"C": published["conv"][1], "etaM_S": published["eta11"]}
    simple["etaB_S"] = torch.cat((published["eta2"][None], published["eta12"]))
    for key, value in published.items():
        first, _, rest = key.partition(".")
        if first in names:
            rest = re.sub(r"res[xm](\d)", lambda found: f"layer.{int(found[1]) - 1}", rest)
            simple[names[first] + (f".{rest}" if rest else "")] = value
    for steps in (("etaM_S", "etaB_S"), ("eta1_S", "eta2_S")):
        spelt = {key: value for key, value in simple.items() if not key.startswith("eta")}
        spelt |= {steps[0]: simple["etaM_S"], steps[1]: simple["etaB_S"]}
        converted = RCDNet.convert_published(spelt)
        assert converted.keys() == network.state_dict().keys()
        for key, value in network.state_dict().items():
            assert torch.equal(converted[key].reshape(value.shape), value), key
    del simple["proxNet_M_S.1.layer.2.0.bias"]
    with pytest.raises(KeyError, match=r"missing proxNet_M_S\.1\.layer\.2\.0\.bias"):
        RCDNet.convert_published(simple)


def test_number_of_parameters_is_what_the_published_code_uses():
    with torch.device("meta"):
        network = RCDNet()
    unused = 15 * 3 * 32 * 81 + 1 + sum(p.numel() for p in network.map_operators[0].parameters())
    assert sum(p.numel() for p in network.parameters()) == 2_975_186 == 3_166_355 - unused
    with pytest.raises(ValueError, match="at least one stage"):
        RCDNet(stages=0)
