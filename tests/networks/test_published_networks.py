"""JORDER's driver, DDN's three forms and what their converters take, with weights by rule."""

import numpy as np
import pytest
import torch
from material import PUBLISHED, build, by_rule, image

from rainbench.networks.ddn import DDN
from rainbench.networks.ddn_preactivation import DDNPreActivation
from rainbench.networks.guided_filter import fast_guided_filter, guided_filter
from rainbench.networks.jorder import JORDER, to_ycbcr
from rainbench.networks.jorder_e import JORDERE


def eight_bits(height, width, batch=1, seed=0):
    return torch.floor(256 * image(height, width, batch, seed)).clamp(max=255) / 255


@pytest.fixture(scope="module")
def jorder():
    torch.manual_seed(2)
    return JORDER(width=4, blocks=2).eval()


def test_numbers_of_parameters():
    counts = {JORDER: 370_497, JORDERE: 4_169_024, DDNPreActivation: 57_369}
    for kind, expected in counts.items():
        assert sum(parameter.numel() for parameter in kind().parameters()) == expected
    practical = JORDERE(width=32, blocks=3)
    assert sum(parameter.numel() for parameter in practical.parameters()) == 406_784


def test_luma_is_matlabs_and_colours_come_back():
    """Against the rounded values of rgb2ycbcr; a picture of which nothing is changed stays."""
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]) / 255
    found = torch.floor(to_ycbcr(colours.T[None, :, :, None])[0, :, :, 0].T + 0.5)
    assert found.tolist() == [[16, 128, 128], [235, 128, 128], [81, 90, 240], [41, 240, 110]]
    network = JORDER(width=4, blocks=1).eval()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    rainy = eight_bits(60, 64)
    with torch.inference_mode():
        same = network(rainy).image
    assert (same - rainy).abs().max() <= 2.01 / 255  # two roundings


@pytest.mark.parametrize("size", [(60, 60), (61, 139), (140, 141), (100, 221)])
def test_the_driver_tile_by_tile(jorder, size):
    """Written once more, plainly: a pixel is the mean over all tiles that keep it."""
    luma = eight_bits(*size)[:, :1]
    with torch.inference_mode():
        ours = jorder.restore_luma(luma)[0, 0].numpy()
        padded = np.pad(luma[0, 0].numpy(), 20, mode="edge")
        total, times = np.zeros(padded.shape), np.zeros(padded.shape)
        places = [sorted({*range(0, side - 99, 80), side - 100}) for side in padded.shape]
        for top in places[0]:
            for left in places[1]:
                tile = padded[top : top + 100, left : left + 100]
                restored = jorder.restore_tile(torch.from_numpy(tile.copy())[None, None])[0, 0]
                total[top + 10 : top + 90, left + 10 : left + 90] += restored.numpy()[10:90, 10:90]
                times[top + 10 : top + 90, left + 10 : left + 90] += 1
        whole = jorder.restore_tile(luma)[0, 0].numpy()
    expected = (total / np.maximum(times, 1))[20:-20, 20:-20]
    assert (times[20:-20, 20:-20] > 0).all()
    assert np.abs(ours - expected).max() < 1e-6
    assert np.abs(ours - whole).max() > 1e-4


def test_jorder_gives_pictures_of_8_bits_and_says_what_is_too_small(jorder):
    with torch.inference_mode():
        both = jorder(eight_bits(70, 64, batch=2)).image
        alone = jorder(eight_bits(70, 64, batch=2)[1:]).image
    assert (both[1] - alone[0]).abs().max() == 0
    assert (255 * both - (255 * both).round()).abs().max() < 1e-4
    assert both.min() >= 0 and both.max() <= 1
    with pytest.raises(ValueError, match="needs 60 pixels a side"):
        jorder(image(59, 80))


def test_jorder_turns_kernels_of_caffe():
    published = {}
    for number, (outputs, inputs) in enumerate([(64, 1), *[(64, 64)] * 10, (1, 64)], start=1):
        shapes = {f"Convolution{number}.0": (outputs, inputs, 3, 3)}
        published |= by_rule(shapes | {f"Convolution{number}.1": (1, 1, 1, outputs)})
    own = JORDER.convert_published(published)
    JORDER().load_state_dict(own)
    kernel = published["Convolution3.0"]
    assert torch.equal(own["Convolution3.weight"][5, 6], kernel[5, 6].T)
    with pytest.raises(KeyError, match=r"missing Convolution12\.1"):
        JORDER.convert_published({k: v for k, v in published.items() if k != "Convolution12.1"})


def test_form_a_depends_on_the_whole_image_and_on_nothing_beside_it():
    network, rainy = build("DDN"), eight_bits(40, 50, batch=3)
    with torch.inference_mode():
        together = network(rainy).image
        for index in range(3):
            alone = network(rainy[index : index + 1]).image[0]
            assert (together[index] - alone).abs().max() < 1e-5
        part = network(rainy[..., :25]).image
        assert (part - together[..., :25]).abs().max() > 0.01
    trained = network.train()(rainy).image  # by the statistics of the batch, as the authors train
    assert (trained - together).abs().max() > 1e-3


def test_what_sirr_keeps_for_photographs_is_passed_over():
    published = by_rule(PUBLISHED["DDN"])
    twice = {
        f"conv_{n}_1/{kind}_{n}": torch.zeros(16)
        for n in range(1, 27)
        for kind in ("biases", "scale", "beta")
    }
    own, plain = DDN.convert_published(published | twice), DDN.convert_published(published)
    assert all(torch.equal(own[key], value) for key, value in plain.items())
    assert torch.equal(own["layers.2.norm.bias"], published["conv_3/beta_3"])


def form_b():
    shapes = {}
    for n in range(1, 27):
        inputs, outputs = 3 if n == 1 else 16, 3 if n == 26 else 16
        shapes[f"layer_{n}/conv_{n}/kernel"] = (3, 3, inputs, outputs)
        names = (f"conv_{n}/bias", *(f"bn_{n}/{k}" for k in ("gamma", "beta", "moving_mean")))
        shapes |= {f"layer_{n}/{name}": (outputs,) for name in (*names, f"bn_{n}/moving_variance")}
    ruled = by_rule(shapes)
    return {key: value.abs() if "variance" in key else value for key, value in ruled.items()}


def form_c():
    published = {}
    for n in range(1, 27):
        inputs, outputs = 3 if n == 1 else 16, 3 if n == 26 else 16
        published |= by_rule({f"model.weight.{n}": (3, 3, inputs, outputs)})
        for kind in ("bias", "BatchNorm_1", "BatchNorm_2", "Scale_1", "Scale_2"):
            published |= by_rule({f"model.{kind}.{n}": (outputs,)})
        published[f"model.BatchNorm_2.{n}"] = 2 * published[f"model.BatchNorm_2.{n}"].abs()[:, None]
        published[f"model.BatchNorm_3.{n}"] = torch.tensor([[4.0]])
    return published


@pytest.mark.parametrize("form", ["b", "c"])
def test_forms_of_stored_statistics_may_be_cut(form):
    """Far from a cut nothing is changed by it."""
    network = DDN(statistics="stored") if form == "b" else DDNPreActivation()
    published = form_b() if form == "b" else form_c()
    network.load_state_dict(network.convert_published(published), strict=False)
    rainy = eight_bits(24, 200).double()
    with torch.inference_mode():
        whole = network.double().eval()(rainy).image
        part = network(rainy[..., :160]).image
    assert (whole[..., :80] - part[..., :80]).abs().max() < 1e-9
    assert torch.isfinite(whole).all()
    with pytest.raises(KeyError, match="missing"):
        network.convert_published(dict([*published.items()][:-1]))


def test_form_c_divides_sums_by_their_count_and_turns_all_axes():
    published = form_c()
    own = DDNPreActivation.convert_published(published)
    kernel = published["model.weight.4"]
    assert torch.equal(own["layers.3.conv.weight"][5, 6], kernel[:, :, 6, 5].T)
    mean = published["model.BatchNorm_1.4"].flatten() / 4
    assert torch.equal(own["layers.3.norm.running_mean"], mean)


def test_the_forms_are_not_taken_for_each_other():
    for ours, theirs in (
        (DDN(), form_b()),
        (DDN(statistics="stored"), by_rule(PUBLISHED["DDN"])),
        (DDN(), form_c()),
        (DDNPreActivation(), form_b()),
    ):
        with pytest.raises((KeyError, RuntimeError)):
            ours.load_state_dict(ours.convert_published(theirs))


def test_the_guided_filter_pixel_by_pixel():
    picture, radius = image(9, 13)[:, :1], 3
    plain = picture[0, 0].double().numpy()

    def mean(values):
        out = np.empty_like(values)
        for row, column in np.ndindex(*values.shape):
            rows = slice(max(0, row - radius), row + radius + 1)
            out[row, column] = values[rows, max(0, column - radius) : column + radius + 1].mean()
        return out

    variance = mean(plain**2) - mean(plain) ** 2
    slope = variance / (variance + 0.5)
    expected = mean(slope) * plain + mean(mean(plain) * (1 - slope))
    assert np.abs(guided_filter(picture, radius, 0.5)[0, 0].numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 7), (101, 75)])
def test_the_fast_guided_filter_takes_any_size(size):
    picture = image(*size)
    found = fast_guided_filter(picture, 16, 1.0, 4)
    assert found.shape == picture.shape and torch.isfinite(found).all()
    flat = fast_guided_filter(torch.full((1, 3, *size), 0.25), 16, 1.0, 4)
    assert (flat - 0.25).abs().max() < 1e-7


def test_jorder_e_refuses_other_networks_and_sizes():
    state = {key: value.clone() for key, value in JORDERE(width=8, blocks=1).state_dict().items()}
    assert JORDERE.convert_published(state).keys() == state.keys()
    with pytest.raises(KeyError, match=r"missing jorder2\.encoder\.bias"):
        JORDERE.convert_published({k: v for k, v in state.items() if k != "jorder2.encoder.bias"})
    with pytest.raises(KeyError, match="JORDERE"):
        JORDERE.convert_published(by_rule(PUBLISHED["PReNet"]))
    with pytest.raises((KeyError, RuntimeError)):
        JORDERE(width=8, blocks=2).load_state_dict(JORDERE.convert_published(state))
