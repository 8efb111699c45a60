"""NASNet: the published parameter counts, its variants, and a plain form of it."""

import pytest
import torch
from material import image
from narrow import narrow
from torch.nn import functional as F

from rainbench.networks.nasnet import NASNet, NeuronAttention, SqueezeExcitation

PUBLISHED, WITHOUT_NA = 6_508_931, 6_244_931
NA, CONV = 4_800, 36_928


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def full_size(**arguments):
    with torch.device("meta"):
        return NASNet(**arguments)


def test_parameters_are_the_published_ones():
    assert count(full_size()) == PUBLISHED
    assert count(full_size(attention="none")) == WITHOUT_NA


def test_attention_is_light_but_not_as_light_as_its_paper_says():
    assert count(NeuronAttention(64)) == NA
    modules = [m for m in full_size().modules() if isinstance(m, NeuronAttention)]
    assert len(modules) == 55 and 55 * NA == PUBLISHED - WITHOUT_NA
    assert pytest.approx(0.0406, abs=5e-5) == 55 * NA / PUBLISHED
    assert pytest.approx(0.13, abs=5e-4) == NA / CONV  # the paper: "about one third"


def test_parameters_of_the_other_variants():
    excitation = count(SqueezeExcitation(64, reduction=16))
    assert excitation == 580
    assert count(full_size(attention="se")) == WITHOUT_NA + 55 * excitation
    fusion = 192 * 64 * 9 + 64 + 64 * 64 + 64 + NA
    assert count(full_size(fuse=False)) == PUBLISHED - fusion
    stage = 18 * (CONV + 2 * CONV - 64 + NA) + CONV + 64 * 64 * 9  # and its share of the fusion
    for stages in (1, 2, 4):
        assert count(full_size(stages=stages)) == PUBLISHED + (stages - 3) * stage


def plain_nasnet(state, rainy, stages, blocks, *, attention="na", fuse=True):
    """The network from its description, without the modules' code."""

    def conv(name, x, groups=1):
        weight = state[f"{name}.weight"]
        bias = state[f"{name}.bias"]
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=groups)

    def attended(name, x):
        if attention == "none":
            return x
        if attention == "se":
            inner = F.relu(conv(f"{name}.squeeze", x.mean((2, 3), keepdim=True)))
            return x * torch.sigmoid(conv(f"{name}.excite", inner))
        inner = F.relu(conv(f"{name}.depthwise", x, groups=x.shape[1]))
        return x * torch.sigmoid(conv(f"{name}.pointwise", inner))

    x = conv("embed", rainy)
    outputs = []
    for stage in range(stages):
        long_skip = x
        for block in range(blocks):
            name = f"stages.{stage}.blocks.{block}"
            a = F.relu(conv(f"{name}.conv1", x))
            b = conv(f"{name}.conv2", torch.cat((x, a), 1))
            x = attended(f"{name}.attention", b) + x
        x = conv(f"stages.{stage}.out", x) + long_skip
        outputs.append(x)
    if fuse:
        x = conv("fusion.convs.1", conv("fusion.convs.0", torch.cat(outputs, 1)))
        x = attended("fusion.attention", x)
    return conv("reconstruct.1", conv("reconstruct.0", x)) + rainy


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nasnet", {}),
        ("nasnet-plain", {"attention": "none"}),
        ("nasnet-se", {"attention": "se"}),
        ("nasnet-direct", {"fuse": False}),
        ("nasnet-2", {"stages": 2}),
    ],
)
def test_against_a_plain_form(name, arguments):
    network, rainy = narrow(name).double(), image(9, 12, batch=2).double()
    arguments = {"stages": 3, "blocks": 1} | arguments
    expected = plain_nasnet(network.state_dict(), rainy, **arguments)
    assert (network(rainy).image - expected).abs().max() < 1e-12


def test_the_attention_of_the_fusion_is_a_map_where_there_is_one():
    for name, shape in (("nasnet", (2, 8, 9, 12)), ("nasnet-se", (2, 8, 1, 1))):
        attention = narrow(name)(image(9, 12, batch=2)).maps["attention"]
        assert attention.shape == shape
        assert attention.min() > 0 and attention.max() < 1
    assert not narrow("nasnet-plain")(image(9, 12)).maps
    assert not narrow("nasnet-direct")(image(9, 12)).maps


def test_the_authors_normalisation_normalises_the_skip_as_well():
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
    network = narrow("nasnet")
    other = NASNet(width=8, blocks=1, input_mean=mean, input_std=std)
    other.load_state_dict(network.state_dict(), strict=True)
    rainy = image(7, 9)
    column = torch.tensor([mean, std])[..., None, None]
    given = (rainy - column[0]) / column[1]
    assert torch.equal(other(rainy).image, network(given).image)
    assert not torch.equal(other(rainy).image, network(rainy).image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"attention": "SE"}, "'SE', not one of"), ({"stages": 0}, "at least one stage")],
)
def test_what_it_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        NASNet(**arguments)


def published_of(network, stages, blocks):
    """Return a state dict under the authors' names, which a network of ours came from."""
    state = network.state_dict()
    names = {"embed": "pre.0"}
    for stage in range(stages):
        names[f"stages.{stage}.out"] = f"stages.{stage}.s.{blocks}"
        for block in range(blocks):
            ours, theirs = f"stages.{stage}.blocks.{block}", f"stages.{stage}.s.{block}"
            names |= {f"{ours}.{conv}": f"{theirs}.{conv}" for conv in ("conv1", "conv2")}
            names[f"{ours}.attention.depthwise"] = f"{theirs}.attlayer.att.0"
            names[f"{ours}.attention.pointwise"] = f"{theirs}.attlayer.att.2"
    names |= {f"fusion.convs.{n}": f"fusion_sub.{n}" for n in (0, 1)}
    names |= {f"reconstruct.{n}": f"post.{n}" for n in (0, 1)}
    names |= {"fusion.attention.depthwise": "fusion_att.att.0"}
    names |= {"fusion.attention.pointwise": "fusion_att.att.2"}
    return {
        f"{theirs}.{kind}": state[f"{ours}.{kind}"]
        for ours, theirs in names.items()
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(("stages", "blocks"), [(3, 2), (1, 1)])
def test_the_authors_keys_become_ours(stages, blocks):
    network = NASNet(width=8, stages=stages, blocks=blocks)
    published = published_of(network, stages, blocks)
    converted = NASNet.convert_published(published)
    assert converted.keys() == network.state_dict().keys() and len(published) == len(converted)
    for key, value in network.state_dict().items():
        assert torch.equal(converted[key], value), key
    assert NASNet.convert_published(network.state_dict()).keys() == converted.keys()
    del published["stages.0.s.0.conv2.bias"]
    with pytest.raises(KeyError, match=r"of NASNet: missing stages\.0\.s\.0\.conv2"):
        NASNet.convert_published(published)
