"""DAiAM and its relatives: the paper's equations, counts, every reading, and training."""

import pytest
import torch
from material import image
from narrow import narrow
from torch.nn import functional as F

from rainbench.catalog.registry import load_registry
from rainbench.networks.daiam import DAiAM
from rainbench.networks.daiam_parts import DifferentialModule, FilterNet
from rainbench.train.losses import LossTarget, objective

ENCODER, HEAD, DECODER, FILTER = 130_240, 289, 391_235, 416 + 4_128 + 129
WIDER_ENCODER, WIDER_DECODER = ENCODER + 864, DECODER + 1_728  # three more channels seen


def global_decoder(inputs):
    return 64 * (9 * inputs + 1) + 4 * 36_928 + 1_731


DAM_COUNT = ENCODER + HEAD + 2 * DECODER
LATER_DAM = WIDER_ENCODER + HEAD + 2 * WIDER_DECODER
JOINT = {"branches": ("joint",)}
COUNTS = [
    (JOINT | {"attention": "zero"}, ENCODER + DECODER + global_decoder(6), 674_438),
    (JOINT | {"attention": "odd"}, ENCODER + HEAD + DECODER + global_decoder(6), 674_727),
    (JOINT, DAM_COUNT + global_decoder(9), 1_067_690),
    (
        JOINT | {"stages": 2},
        DAM_COUNT + global_decoder(9) + LATER_DAM + global_decoder(12) + 2 * FILTER,
        2_150_774,
    ),
    ({}, 2 * DAM_COUNT + global_decoder(15), 1_984_145),
    ({"stages": 2, "link": "direct"}, 2 * (2 * DAM_COUNT + global_decoder(15)), 3_968_290),
    (
        {"stages": 2},
        2 * (DAM_COUNT + LATER_DAM + FILTER) + global_decoder(15) + global_decoder(18),
        3_988_004,
    ),
    (
        {"stages": 3},
        2 * (DAM_COUNT + 2 * LATER_DAM + 2 * FILTER) + global_decoder(15) + 2 * global_decoder(18),
        5_991_863,
    ),
    (  # one set of weights for all stages
        {"stages": 3, "shared_stages": True, "feed": "fused"},
        2 * DAM_COUNT + global_decoder(15) + 2 * FILTER,
        1_993_491,
    ),
    (JOINT | {"attention": "zero", "zero_decoders": 2}, 1_067_690 - HEAD, 1_067_401),
    (JOINT | {"light": "head"}, 1_067_690 + HEAD, 1_067_979),
    (JOINT | {"feature_maps": True}, 1_067_690 + 31 * HEAD, 1_076_649),
    ({"own_outputs": True}, 2 * (DAM_COUNT + global_decoder(9)) + global_decoder(9), 2_290_071),
    (JOINT | {"encoder_steps": 1, "decoder_steps": 2, "activation": "text"}, 1_067_690, 1_067_690),
]


@pytest.mark.parametrize(("arguments", "sum_of_parts", "expected"), COUNTS, ids=lambda v: str(v))
def test_numbers_of_parameters(arguments, sum_of_parts, expected):
    with torch.device("meta"):
        network = DAiAM(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert sum_of_parts == expected


def conv(state, name, features):
    weight = state[f"{name}.weight"]
    return F.conv2d(features, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def blocks(state, name, features):
    number = 0
    while f"{name}.blocks.{number}.conv1.weight" in state:
        inner = conv(state, f"{name}.blocks.{number}.conv1", features)
        inner = torch.where(inner > 0, inner, 0.2 * inner)
        features = features + conv(state, f"{name}.blocks.{number}.conv2", inner)
        number += 1
    return features


def encoder(state, name, images, steps):
    """Fig. 3 as it is drawn: the whole encoder runs again at each step."""
    hidden = cell = torch.zeros_like(conv(state, f"{name}.conv", images))
    for _ in range(steps):
        features = blocks(state, name, conv(state, f"{name}.conv", images).clamp(min=0))
        gates = conv(state, f"{name}.lstm.gates", torch.cat((features, hidden), 1)).chunk(4, 1)
        forget, enter, leave = map(torch.sigmoid, gates[:3])
        cell = forget * cell + enter * torch.tanh(gates[3])
        hidden = leave * torch.tanh(cell)
    return hidden


def decoder(state, name, *seen):
    features = conv(state, f"{name}.conv1", torch.cat(seen, 1)).clamp(min=0)
    return conv(state, f"{name}.conv2", blocks(state, name, features))


def filter_net(state, name, features):
    for layer in (1, 2, 3):
        below = torch.cat((features, features[:, :, -1:]), 2)
        beside = torch.cat((below, below[:, :, :, -1:]), 3)
        weight = state[f"{name}.conv{layer}.weight"]
        features = F.conv2d(beside, weight, state[f"{name}.conv{layer}.bias"])
        features = features.clamp(min=0) if layer < 3 else torch.sigmoid(features)
    return features


def plain_d_daiam(state, rainy, stages, kinds, steps):
    """The equations of the paper, one after the other, with the readings of the defaults."""
    outputs, maps, seen = [rainy], {}, rainy
    for stage in range(stages):
        images = []
        for branch, kind in enumerate(kinds):
            name = f"stages.{stage}.branches.{branch}"
            features = encoder(state, f"{name}.encoder", seen, steps)
            heavy = torch.sigmoid(conv(state, f"{name}.heads.0", features))
            maps[f"attention_{kind}_{stage + 1}"] = heavy
            for number, attention in enumerate((heavy, 1 - heavy)):
                images.append(
                    decoder(state, f"{name}.decoders.{number}", features * attention, seen)
                )
        output = decoder(state, f"stages.{stage}.global_decoder", *images, seen)
        if stage + 1 < stages:
            first, second = (f"differential.{stage}.filter_{of}" for of in ("output", "input"))
            of_output = filter_net(state, first, output - rainy)
            of_input = filter_net(state, second, output - outputs[-1])
            fused = output * of_output + rainy * of_input * 0.5
            maps[f"fused_{stage + 1}"] = fused
            seen = torch.cat((fused, output), 1)
        outputs.append(output)
    return outputs[1:], maps


@pytest.mark.parametrize(
    ("name", "stages", "kinds", "steps"),
    [("d-dam", 2, ["joint"], 2), ("d-daiam-3", 3, ["streak", "drop"], 4)],
)
def test_it_is_the_paper_step_by_step(name, stages, kinds, steps):
    network, rainy = narrow(name).double(), image(11, 9, batch=2).double()
    ours = network(rainy)
    expected, maps = plain_d_daiam(network.state_dict(), rainy, stages, kinds, steps)
    assert len(ours.stages) == stages
    for one, other in zip(ours.stages, expected, strict=True):
        assert (one - other).abs().max() < 1e-12
    for key, value in maps.items():
        assert (ours.maps[key] - value).abs().max() < 1e-12
    for kind in kinds:
        assert ours.maps[f"attention_{kind}"] is ours.maps[f"attention_{kind}_{stages}"]


@pytest.mark.parametrize("name", ["dam", "daiam", "d-daiam-3"])
def test_attention_splits_the_features(name):
    """Eq. 2 exactly, and so F+ + F- = F (Eqs. 3, 4)."""
    network, features, attended = narrow(name), [], []
    for stage in network.stages:
        for branch in stage.branches:
            branch.encoder.register_forward_hook(lambda _, inputs, output: features.append(output))
            for each in branch.decoders:
                each.register_forward_pre_hook(lambda _, inputs: attended.append(inputs[0][:, :4]))
    maps = network(image(13, 10)).maps
    names = [key for key in maps if key.startswith("attention_")]
    for key in names:
        assert torch.equal(maps[key] + maps[f"light_{key}"], torch.ones(1, 1, 13, 10))
        assert 0 < maps[key].min() < maps[key].max() < 1
    assert len(attended) == 2 * len(features) > 0
    for whole, heavy, light in zip(features, attended[::2], attended[1::2], strict=True):
        assert (heavy + light - whole).abs().max() < 1e-7


def test_a_second_head_has_to_learn_that_the_maps_add_up_to_one():
    maps = DAiAM(width=8, blocks=1, light="head")(image()).maps
    total = maps["attention_drop"] + maps["light_attention_drop"]
    assert torch.equal(maps["attention_sum_drop"], total)
    assert (total - 1).abs().max() > 1e-4


def test_the_differential_module_pixel_by_pixel():
    """Eq. 14 in loops; which difference makes which map turns round with `swap`."""
    rainy, output, before = (image(3, 4, seed=seed).double() for seed in range(3))
    module = DifferentialModule(4, input_weight=0.25).double()
    maps = (module.filter_output(output - rainy), module.filter_input(output - before))
    fused = module(rainy, output, before)
    for c in range(3):
        for y in range(3):
            for x in range(4):
                expected = output[0, c, y, x] * maps[0][0, 0, y, x]
                expected += rainy[0, c, y, x] * maps[1][0, 0, y, x] * 0.25
                assert abs(fused.image[0, c, y, x] - expected) < 1e-15
    module.swap = True
    swapped = module(rainy, output, before)
    assert torch.equal(swapped.of_output, module.filter_output(output - before))
    assert torch.equal(swapped.of_input, module.filter_input(output - rainy))


@pytest.mark.parametrize("kernel", [2, 3])
def test_the_border_of_a_filter_net_is_like_its_inside(kernel):
    flat = FilterNet(4, kernel=kernel)(torch.full((1, 3, 6, 5), 0.3))
    assert flat.shape == (1, 1, 6, 5)
    assert (flat - flat[0, 0, 2, 2]).abs().max() < 1e-6


def test_at_the_first_stage_both_differences_are_the_same():
    """I_o^0 is the rainy image, so the first module sees one difference twice."""
    network, seen = narrow("d-daiam-3"), []
    for module in network.differential:
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    rainy = image()
    stages = network(rainy).stages
    assert seen[0][0] is seen[0][2] is rainy
    assert seen[1][1] is stages[1] and seen[1][2] is stages[0]


def test_residual_output_starts_from_the_last_image():
    network = DAiAM(width=4, blocks=0, stages=2, output="residual")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        restoration = network(image())
    for value in (*restoration.stages, restoration.maps["heavy_drop_2"]):
        assert torch.equal(value, image())


READINGS = [
    {"encoder_steps": 1},
    {"decoder_steps": 2},
    {"activation": "text"},
    {"feature_maps": True},
    {"light": "head"},
    {"output": "residual"},
    {"attention": "zero", "zero_decoders": 2},
    {"own_outputs": True},
    {"feed": "fused"},
    {"feed": "fused", "shared_stages": True},
    {"link": "direct", "shared_stages": True},
    {"swap": True},
    {"input_weight": 1.0},
    {"filter_kernel": 3},
]


@pytest.mark.parametrize("reading", READINGS, ids=str)
def test_every_reading_differs_and_learns(reading):
    def build(**arguments):
        torch.manual_seed(0)
        return DAiAM(width=16, blocks=1, stages=3, **arguments)

    network, rainy = build(**reading), image(7, 5)
    restoration = network(rainy)
    assert restoration.image.shape == rainy.shape
    assert not torch.equal(restoration.image, build()(rainy).image)
    restoration.image.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("own_outputs", [False, True])
def test_the_global_decoder_may_see_features(own_outputs):
    """Eq. 8 as it is printed: D_global(F+, F-, I)."""
    torch.manual_seed(0)
    network = DAiAM(width=8, blocks=1, global_sees="features", own_outputs=own_outputs)
    stage, rainy = network.stages[0], image(7, 5)
    restoration = network(rainy)
    seen = []
    for branch in stage.branches:
        features = branch.encoder(rainy)
        heavy = torch.sigmoid(branch.heads[0](features))
        attended = [features * heavy, features * (1 - heavy)]
        if own_outputs:
            own = branch.global_decoder(torch.cat([*attended, rainy], 1))
            assert torch.equal(own, restoration.maps[f"output_{branch.kind}"])
            attended = [own]
        seen += attended
    expected = stage.global_decoder(torch.cat([*seen, rainy], 1))
    assert torch.equal(restoration.image, expected)
    assert restoration.maps["heavy_drop"].shape == rainy.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"global_sees": "maps"}, 'global_sees is one of images, features, not "maps"'),
        ({"attention": "two"}, 'attention is one of zero, odd, dual, not "two"'),
        ({"branches": ("snow",)}, 'a branch is one of streak, drop, joint, not "snow"'),
        ({"branches": ()}, "one or more different kinds"),
        ({"branches": ("drop", "drop")}, "one or more different kinds"),
        ({"width": 7}, "width is even"),
        ({"stages": 0}, "at least 1"),
        ({"zero_decoders": 3}, "zero_decoders is 1 or 2"),
        ({"stages": 2, "shared_stages": True}, "see equally many images"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DAiAM(**arguments)


CARDS = {name: card for name, card in load_registry().baselines.items() if "daiam" in card.network}


def batch():
    """A scene with drops, streaks over it, and what a data set knows of them."""
    clean = F.avg_pool2d(image(12, 14, batch=2, seed=1), 5, 1, 2)
    streaks = 0.5 * (image(12, 14, batch=2, seed=2)[:, :1] > 0.9)
    drops = 0.4 * (F.avg_pool2d(image(12, 14, batch=2, seed=3)[:, :1], 5, 1, 2) > 0.55)
    rainy = (clean - drops * clean + streaks).clamp(0, 1)
    layers = {"streak_mask": streaks / 0.5, "drop_mask": drops / 0.4}
    joint = (rainy - clean).abs().mean(1, keepdim=True)
    return LossTarget(rainy, clean, layers | {"joint_mask": joint / joint.amax((2, 3), True)})


def test_every_member_of_the_family_has_a_card():
    assert set(CARDS) == {
        "dam-zero", "dam-odd", "dam", "d-dam", "daiam", "daiam-daiam", "d-daiam", "d-daiam-3"
    }  # fmt: skip


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_what_its_name_says_and_its_objective_can_be_learned(name):
    """Fifty steps on one batch halve the objective of the card's recipe."""
    card, target = CARDS[name], batch()
    torch.manual_seed(0)
    network = DAiAM(**card.arguments | {"width": 8, "blocks": 1, "encoder_steps": 2})
    compute = objective(card.recipe.losses)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(51):
        total, parts = compute(network(target.rainy), target)
        assert len(parts) == len(card.recipe.losses)
        losses.append(total.item())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    assert losses[-1] < losses[0] / 2
