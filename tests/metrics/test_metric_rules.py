"""How float predictions are quantised, and the protocols as records."""

import math

import metric_reference as reference
import numpy as np
import pytest

from rainbench.core.errors import RainbenchError
from rainbench.metrics import PROTOCOLS, get_protocol, score_all
from rainbench.metrics.prediction import apply_rule, ecnet_floor, wrap

LEVELS = np.arange(256, dtype=np.uint8)


def as_picture(values):
    return np.broadcast_to(np.asarray(values)[:, None, None], (len(values), 1, 3)).copy()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("truncate", [0, 0, 127, 128, 254, 255, 255]),
        ("round", [0, 0, 128, 128, 255, 255, 255]),
        ("wrap", [254, 0, 127, 128, 254, 255, 1]),
    ],
)
def test_eight_bit_rules(rule, expected):
    """127.5 and 128.5 are exact in float32: ties go to the even level when rounding."""
    values = np.array([-2.5, 0.4, 127.5, 128.5, 254.75, 255, 257.5], np.float32) / np.float32(255)
    picture = as_picture(values)
    found, clean = apply_rule(picture, as_picture(LEVELS[:7]), rule)
    assert found.dtype == clean.dtype == np.uint8
    assert found[:, 0, 0].tolist() == expected


@pytest.mark.parametrize("rule", ["truncate", "round", "wrap"])
def test_levels_survive_the_way_to_float_and_back(rule):
    picture = as_picture(LEVELS.astype(np.float32) / np.float32(255))
    found, _ = apply_rule(picture, as_picture(LEVELS), rule)
    np.testing.assert_array_equal(found[:, 0, 0], LEVELS)


def test_clip_and_none_do_not_round():
    picture = as_picture(np.array([-0.25, 0.1234, 1.5], np.float32))
    clean = as_picture(LEVELS[:3])
    assert apply_rule(picture, clean, "clip")[0][:, 0, 0].tolist() == [0, np.float32(0.1234), 1]
    np.testing.assert_array_equal(apply_rule(picture, clean, "none")[0], picture)


def test_wrap_is_a_cast():
    """DeRaindrop casts without a clamp; far out of range, too, it stays a remainder."""
    values = np.array([-1 / 255, 1.01, 2.0, 1e9, -1e9, 1e30], np.float32)
    expected = [int(np.trunc(v * np.float32(255))) % 256 for v in values]
    assert wrap(values).tolist() == expected


def test_ecnet_lowers_63_levels():
    """Section 2: the float32 round trip lowers 63 of 256 levels by one."""
    floored = ecnet_floor(LEVELS)
    lowered = LEVELS.astype(int) - floored
    assert ((lowered == 1).sum(), (lowered == 0).sum()) == (63, 193)
    np.testing.assert_array_equal(ecnet_floor(LEVELS.astype(np.float32) / np.float32(255)), floored)
    _, clean = apply_rule(as_picture(LEVELS), as_picture(LEVELS), "ecnet")
    np.testing.assert_array_equal(clean[:, 0, 0], floored)


@pytest.fixture(scope="module")
def overshooting():
    rng = np.random.default_rng(5)
    clean = rng.integers(0, 256, (33, 39, 3), dtype=np.uint8)
    restored = (clean / 255 + rng.normal(0, 0.08, clean.shape)).astype(np.float32)
    assert restored.min() < 0 and restored.max() > 1
    return restored, clean


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_float_prediction_scores_as_its_quantised_self(name, overshooting):
    restored, clean = overshooting
    rule = PROTOCOLS[name].prediction
    score = score_all(restored, clean, [name])[name]
    if rule in ("truncate", "round", "wrap"):
        quantised, _ = apply_rule(restored, clean, rule)
        assert score == score_all(quantised, clean, [name])[name]
    elif rule != "ecnet":
        picture = np.clip(restored, 0, 1) if rule == "clip" else restored
        unit = clean.astype(np.float32) / np.float32(255)
        x, y = picture.astype(np.float64) * 255, unit.astype(np.float64) * 255
        if PROTOCOLS[name].window == "uniform":
            ssim_range = PROTOCOLS[name].ssim_range
            ssims = [reference.uniform_ssim(x[..., c], y[..., c], ssim_range) for c in range(3)]
        else:
            ssims = [reference.padded_ssim(x[..., c], y[..., c]) for c in range(3)]
        assert score.ssim == pytest.approx(np.mean(ssims), abs=1e-13)
        if PROTOCOLS[name].has_psnr:
            assert score.psnr == pytest.approx(reference.psnr(x, y), abs=1e-12)


def test_raw_and_clipped_predictions_differ_only_when_they_overshoot(overshooting):
    restored, clean = overshooting
    names = ["rescan-rgb", "nasnet-torch-rgb"]
    raw, clipped = (score_all(restored, clean, names)[name].ssim for name in names)
    assert raw != clipped
    inside = np.clip(restored, 0, 1)
    raw, clipped = (score_all(inside, clean, names)[name].ssim for name in names)
    assert raw == clipped


def test_the_order_of_the_protocols():
    assert list(PROTOCOLS) == [
        *("prenet-y", "mprnet-y8", "sian-y", "rgb", "rgb-win7", "y-win7", "basicsr-y"),
        *("spanet-rgb", "nasnet-rgb", "nasnet-torch-rgb", "rescan-rgb", "raindrop-y", "ecnet-y"),
        *("basicsr-pt-rgb", "basicsr-pt-y", "pyiqa-rgb", "pyiqa-yiq", "pyiqa-ycbcr-down"),
    ]
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())
    assert all(protocol.version >= 1 and protocol.title for protocol in PROTOCOLS.values())
    conventions = [each for protocol in PROTOCOLS.values() for each in protocol.conventions]
    assert len(conventions) == len(set(conventions))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("prenet-yy", "prenet-y"), ("SPANET_RGB", "spanet-rgb"), ("prenet_matlab_y", "prenet-y")],
)
def test_a_misspelt_protocol_is_guessed(wrong, right):
    with pytest.raises(RainbenchError, match=f"no such protocol: {wrong}\n  did you mean {right}?"):
        get_protocol(wrong)


def test_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(RainbenchError, match="The protocols are prenet-y, "):
        get_protocol("quantum")


def test_epsilon_and_identical_agree():
    """Where a number is added to the MSE, the value for identical pictures follows from it."""
    for protocol in PROTOCOLS.values():
        if protocol.mse_added:
            assert protocol.identical == pytest.approx(-10 * math.log10(protocol.mse_added))
