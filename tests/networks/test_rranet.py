"""RRANet: RLCN against SciPy and its properties, and the network against a plain form of it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from material import image
from narrow import narrow
from scipy import ndimage
from torch.nn import functional as F

from rainbench.networks.rlcn import rectified_contrast, window_statistics
from rainbench.networks.rranet import RRANet

SCIPYS = {"reflect": "mirror", "replicate": "nearest", "zeros": "constant"}


def noise(height, width, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).random((height, width)).astype(dtype)


@pytest.mark.parametrize("border", SCIPYS)
@pytest.mark.parametrize("window", [1, 3, 9, 15])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (4, 3), (20, 31)])
def test_rlcn_is_that_of_scipys_windows(shape, window, border):
    pixels = noise(*shape)
    mode = {"mode": SCIPYS[border], "cval": 0.0}
    mean = ndimage.generic_filter(pixels, np.mean, window, **mode)
    for unbiased in (False, True) if window > 1 else (False,):
        std = ndimage.generic_filter(
            pixels, np.std, window, extra_keywords={"ddof": int(unbiased)}, **mode
        )
        expected = np.maximum(pixels - mean, 0) / (std + 1e-3)
        found = rectified_contrast(
            torch.from_numpy(pixels), window=window, border=border, unbiased=unbiased
        )
        assert np.abs(found.numpy() - expected).max() < 1e-9


def test_single_precision_is_nearly_as_good_as_double():
    """A difference of large sums would be off by the square root of the precision, or worse."""
    pixels = 0.9 + 1e-4 * noise(40, 50)
    _, exact = window_statistics(torch.from_numpy(pixels), 9, "reflect")
    single = torch.from_numpy(pixels.astype(np.float32))
    _, of_single = window_statistics(single.double(), 9, "reflect")
    _, found = window_statistics(single, 9, "reflect")
    assert ((found - of_single).abs() / of_single).max() < 1e-3
    naive = (
        F.avg_pool2d(single[None, None] ** 2, 9, 1) - F.avg_pool2d(single[None, None], 9, 1) ** 2
    )
    assert ((naive[0, 0] - exact[4:-4, 4:-4]).abs() / exact[4:-4, 4:-4]).max() > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 1.0])
def test_rlcn_of_a_flat_image_is_exactly_zero(value, dtype):
    flat = torch.full((2, 3, 11, 13), value, dtype=dtype)
    for eps in (0.0, 1e-3):
        assert not rectified_contrast(flat, eps=eps).any()


@given(st.floats(0.05, 20), st.floats(-3, 3), st.integers(0, 9), st.sampled_from([3, 9]))
def test_rlcn_does_not_see_gain_and_offset(gain, offset, seed, window):
    pixels = torch.from_numpy(noise(12, 14, seed))
    kwargs = {"window": window, "eps": 0.0}
    plain = rectified_contrast(pixels, **kwargs)
    assert (rectified_contrast(gain * pixels + offset, **kwargs) - plain).abs().max() < 1e-9


@given(st.integers(0, 99), st.sampled_from([3, 5, 9]), st.sampled_from([0.0, 1e-3]))
def test_rlcn_lies_between_zero_and_its_bound(seed, window, eps):
    pixels = torch.from_numpy(noise(13, 11, seed) ** 8)
    contrast = rectified_contrast(pixels, window=window, eps=eps)
    assert contrast.min() == 0
    assert contrast.max() <= math.sqrt(window**2 - 1) + 1e-9


def test_weak_streaks_answer_like_strong_ones():
    """Claim D6: the ratio of the answers is near one where that of the differences is not."""
    scene = 0.3 + 0.01 * noise(60, 40)
    rainy = scene.copy()
    rainy[:, 10] += 0.05
    rainy[:, 30] += 0.5
    contrast = rectified_contrast(torch.from_numpy(rainy)).numpy()
    weak, strong = contrast[10:50, 10].mean(), contrast[10:50, 30].mean()
    assert 0.85 < weak / strong <= 1
    streaks = np.zeros_like(rainy, bool)
    streaks[:, [10, 30]] = True
    assert (contrast[streaks] > 2).all()  # claim D5: all of the rain is marked


def test_rlcn_has_finite_gradients_where_it_is_flat():
    pixels = torch.zeros(1, 1, 12, 12, requires_grad=True)
    rectified_contrast(pixels).sum().backward()
    assert torch.isfinite(pixels.grad).all()
    pixels = torch.from_numpy(noise(4, 5)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rectified_contrast(p, window=3), (pixels,))


def test_rlcn_of_half_precision_is_computed_in_single():
    pixels = image(12, 9)
    found = rectified_contrast(pixels.bfloat16())
    assert found.dtype == torch.float32
    assert torch.equal(found, rectified_contrast(pixels.bfloat16().float()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 8}, "odd size, not 8"),
        ({"window": -1}, "odd size"),
        ({"border": "mirror"}, "'mirror', not one of"),
        ({"growth": (1, 2, 4)}, "four scales"),
    ],
)
def test_what_it_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        RRANet(**arguments)


def plain_rranet(state, rainy, stages, window, border):
    """The network from its description, without the modules' code."""

    def conv(name, x):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def shortcut(name, x):
        return conv(name, x) if f"{name}.weight" in state else x

    hidden = [None] * 4
    cells = [None] * 4
    guides = [rectified_contrast(rainy, window=window, border=border)]
    for size in (2, 4, 8):
        guides.append(F.avg_pool2d(guides[0], size))
    restored, images = rainy, []
    for _ in range(stages):
        x = conv("embed", torch.cat((rainy, guides[0], restored), 1))
        encoded = []
        for scale in range(4):
            name = f"encoder.{scale}"
            x = F.max_pool2d(x, 2) if scale else x
            y = F.relu(conv(f"{name}.conv1", x))
            h = torch.zeros_like(y) if hidden[scale] is None else hidden[scale]
            c = torch.zeros_like(y) if cells[scale] is None else cells[scale]
            f, i, o, g = conv(f"{name}.lstm.gates", torch.cat((y, h), 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            hidden[scale], cells[scale] = torch.sigmoid(o) * torch.tanh(c), c
            x = conv(f"{name}.conv2", hidden[scale]) + shortcut(f"{name}.shortcut", x)
            encoded.append(x)
        masks = []
        for scale in (2, 1, 0):
            name = f"decoder.{scale}"
            size = encoded[scale].shape[2:]
            up = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
            up = conv(f"{name}.up", up)
            summed = conv(f"{name}.attend.of_encoded", encoded[scale])
            summed = summed + conv(f"{name}.attend.of_decoded", up)
            summed = summed + conv(f"{name}.attend.of_guide", guides[scale])
            masks.append(torch.sigmoid(conv(f"{name}.attend.out", F.relu(summed))))
            both = torch.cat((masks[-1] * encoded[scale], up), 1)
            x = conv(f"{name}.merge.conv2", F.relu(conv(f"{name}.merge.conv1", both)))
            x = x + shortcut(f"{name}.merge.shortcut", both)
        restored = rainy + conv("out", x)
        images.append(restored)
    return images, masks[::-1]


@pytest.mark.parametrize(
    ("name", "stages", "window", "border"),
    [("rranet", 2, 9, "reflect"), ("rranet-replicate", 2, 5, "replicate")],
)
def test_against_a_plain_form(name, stages, window, border):
    network, rainy = narrow(name).double(), image(16, 24, batch=2).double()
    found = network(rainy)
    images, masks = plain_rranet(network.state_dict(), rainy, stages, window, border)
    assert len(found.stages) == stages
    for ours, expected in zip(found.stages, images, strict=True):
        assert (ours - expected).abs().max() < 1e-12
    names = ("attention_full", "attention_half", "attention_quarter")
    for key, expected in zip(names, masks, strict=True):
        assert (found.maps[key] - expected).abs().max() < 1e-12
    assert torch.equal(found.image, rainy - found.maps["rain"])
    assert torch.equal(found.maps["rlcn"], network.rlcn(rainy))


def test_stages_share_their_weights():
    counts = {
        stages: sum(p.numel() for p in RRANet(width=4, stages=stages).parameters())
        for stages in (1, 4, 6)
    }
    assert len(set(counts.values())) == 1


def test_parameters_of_the_recommended_reading():
    with torch.device("meta"):
        network = RRANet()
    assert sum(p.numel() for p in network.parameters()) == 4_221_910
