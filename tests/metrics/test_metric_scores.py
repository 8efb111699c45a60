"""Scoring as a whole: properties, small pictures, wrong calls, threads, means."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rainbench.core.errors import RainbenchError
from rainbench.metrics import PROTOCOLS, MeanScore, Score, mean_score, score_all
from rainbench.metrics.torch_backend import score_all_torch

PICTURES = st.tuples(st.integers(11, 24), st.integers(11, 24)).flatmap(
    lambda size: st.tuples(
        arrays(np.uint8, (*size, 3), elements=st.integers(0, 255)),
        arrays(np.uint8, (*size, 3), elements=st.integers(0, 255)),
    )
)


def random_pair(height=48, width=57, seed=0):
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return (clean / 255 + rng.normal(0, 0.05, clean.shape)).astype(np.float32), clean


@given(PICTURES)
def test_identical_pictures(pair):
    """Section 2, last column: inf, or 80 or 100 dB where the authors cap; SSIM exactly 1."""
    _, clean = pair
    for restored in (clean, clean.astype(np.float32) / np.float32(255)):
        for name, score in score_all(restored, clean).items():
            protocol = PROTOCOLS[name]
            assert score == (protocol.identical if protocol.has_psnr else None, 1.0)


@given(PICTURES)
def test_symmetric_and_bounded(pair):
    first, second = pair
    scores = score_all(first, second)
    assert scores == score_all(second, first)
    for name, score in scores.items():
        assert -1 <= score.ssim <= 1
        assert PROTOCOLS[name].identical != 80 or score.psnr <= 80


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_gain_of_grey_errors(amplitude, seed):
    """Section 4: luma gains exactly 20 log10(255 / 219) = 1.322 dB over RGB on grey errors."""
    rng = np.random.default_rng(seed)
    clean = rng.integers(60, 196, (16, 16, 3), dtype=np.uint8)
    error = rng.integers(-amplitude, amplitude + 1, (16, 16, 1))
    error[0, 0] = amplitude
    scores = score_all((clean + error).astype(np.uint8), clean, ["rgb", "sian-y", "prenet-y"])
    gain = 20 * math.log10(255 / 219)
    assert gain == pytest.approx(1.322, abs=5e-4)
    for name in ("sian-y", "prenet-y"):
        assert scores[name].psnr - scores["rgb"].psnr == pytest.approx(gain, abs=1e-12)


def test_every_protocol_by_default_in_order():
    restored, clean = random_pair()
    assert list(score_all(restored, clean)) == list(PROTOCOLS)
    assert list(score_all(restored, clean, ["rgb", "prenet-y"])) == ["rgb", "prenet-y"]
    assert score_all(restored, clean, []) == {}


@pytest.mark.parametrize("eight_bit", [True, False])
def test_a_score_does_not_depend_on_its_company(eight_bit):
    restored, clean = random_pair(390, 400)
    if eight_bit:
        restored = np.clip(restored * 255, 0, 255).astype(np.uint8)
    together = score_all(restored, clean)
    for name in PROTOCOLS:
        assert score_all(restored, clean, [name]) == {name: together[name]}


def test_layout_in_memory_does_not_matter():
    restored, clean = random_pair()
    strided = np.ascontiguousarray(restored.transpose(2, 0, 1)).transpose(1, 2, 0)
    assert not strided.flags.c_contiguous
    flipped = np.ascontiguousarray(clean[:, ::-1])[:, ::-1]
    assert score_all(strided, flipped) == score_all(restored, clean)


def test_inputs_are_left_alone():
    restored, clean = random_pair()
    before = restored.copy(), clean.copy()
    restored.flags.writeable = clean.flags.writeable = False
    score_all(restored, clean)
    np.testing.assert_array_equal(restored, before[0])
    np.testing.assert_array_equal(clean, before[1])


def test_the_same_bytes_in_every_thread():
    pairs = [random_pair(seed=seed) for seed in range(4)]
    alone = [score_all(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(lambda pair: score_all(*pair), pairs)) == alone


@pytest.mark.parametrize("size", [(10, 64), (64, 10), (7, 9)])
def test_too_small_for_the_gaussian(size):
    """SSIM is nan, not left out; PSNR, the uniform window and padded pictures are as usual."""
    restored, clean = random_pair(*size)
    for name, score in score_all(restored, clean).items():
        protocol = PROTOCOLS[name]
        left = min(side // protocol.multiple_of * protocol.multiple_of for side in size)
        too_small = left < {"gaussian": 11, "uniform": 7, "gaussian-padded": 1}[protocol.window]
        assert math.isnan(score.ssim) == too_small
        assert score.psnr is None or math.isfinite(score.psnr)


def test_nothing_left_after_cutting():
    restored, clean = random_pair(3, 30)
    score = score_all(restored, clean, ["raindrop-y"])["raindrop-y"]
    assert math.isnan(score.psnr) and math.isnan(score.ssim)


def test_raindrop_cuts_at_the_right_and_bottom():
    restored, clean = random_pair(43, 46)
    cut = score_all(restored[:40, :44], clean[:40, :44], ["raindrop-y"])
    assert score_all(restored, clean, ["raindrop-y"]) == cut


FLOATS, CLEAN = random_pair(16, 20)
BROKEN = FLOATS.copy()
BROKEN[3, 4, 1] = np.nan
DARK = np.zeros((16, 20, 3), np.uint8)
DARK[2:5, 3:9] = 250
OVERFLOWN = FLOATS.copy()
OVERFLOWN[0, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("restored", "clean", "message"),
    [
        (FLOATS[:, :-1], CLEAN, "the restored picture is 19x16 but the clean one is 20x16"),
        (BROKEN, CLEAN, "has 1 values that are nan or infinite"),
        (OVERFLOWN, CLEAN, "has 1 values that are nan or infinite"),
        (FLOATS.astype(np.float64), CLEAN, "float64 of shape .16, 20, 3., not float32 or uint8"),
        (FLOATS.transpose(2, 0, 1), CLEAN, "float32 of shape .3, 16, 20., not"),
        (FLOATS[None], CLEAN, "permute"),
        (FLOATS, FLOATS, "the clean picture is float32"),
        (FLOATS, CLEAN[..., 0], "the clean picture is uint8 of shape .16, 20., not uint8"),
        (FLOATS[:0], CLEAN[:0], "no pixels"),
        (FLOATS * 255, CLEAN, r"float values from .* to .*, \[0, 1\] is expected"),
        (CLEAN.astype(np.float32), CLEAN, r"float values from .*, \[0, 1\] is expected"),
        (DARK.astype(np.float32), DARK, r"float values from 0 to 250, \[0, 1\] is expected"),
        (CLEAN.astype(np.float32) / 127.5 - 1, CLEAN, r"float values from -1 to 1, \[0, 1\]"),
        (CLEAN // 255, CLEAN, "restored picture has 8-bit values of 0 and 1 only"),
        ((CLEAN > 99).astype(np.uint8), CLEAN, "restored picture has 8-bit values of 0 and 1"),
        (CLEAN, (CLEAN > 99).astype(np.uint8), "clean picture has 8-bit values of 0 and 1 only"),
        (CLEAN.transpose(2, 0, 1), CLEAN, "uint8 of shape .3, 16, 20., not float32 or uint8"),
        (CLEAN.astype(np.int64), CLEAN, r"int64 .*float32 in \[0, 1\], uint8 from 0 to 255"),
        (CLEAN.tolist(), CLEAN, "the restored picture is a list, not an array"),
        (FLOATS, CLEAN / 255, "clean picture is float64 .* values from 0 to 255"),
    ],
)
def test_wrong_pictures(restored, clean, message):
    with pytest.raises(RainbenchError, match=message):
        score_all(restored, clean)


@pytest.mark.parametrize("scale", [255, 2])
def test_torch_refuses_the_same_scales(scale):
    restored = torch.from_numpy(FLOATS * scale - (scale == 2)).permute(2, 0, 1)
    clean = torch.from_numpy(CLEAN).permute(2, 0, 1)
    if scale == 2:
        restored = clean.float() / 127.5 - 1
    with pytest.raises(RainbenchError, match=r"\[0, 1\] is expected"):
        score_all_torch(restored, clean)


@pytest.mark.parametrize(
    "restored",
    [
        CLEAN * 0,
        FLOATS * 0 + 1.2,
        FLOATS * 2 - 0.4,
        FLOATS * 0 - 3,
        np.where(FLOATS > 0.97, np.float32(40), FLOATS),
    ],
)
def test_what_overshoots_or_is_bad_is_scored_all_the_same(restored):
    """A network may return a black picture, or a few values far outside."""
    scored = score_all(restored.astype(restored.dtype), CLEAN, ["rgb"])["rgb"]
    assert scored.psnr is not None and scored.psnr < 40


def test_wrong_protocol():
    with pytest.raises(RainbenchError, match="did you mean prenet-y"):
        score_all(FLOATS, CLEAN, ["prenet"])


def test_mean_is_of_per_picture_values():
    """Section 2: every peer averages per-picture values; none pools the MSE."""
    scores = [Score(30.0, 0.5), Score(20.0, 0.75)]
    assert mean_score(iter(scores)) == MeanScore(25.0, 0.625, 2, 0, 25.0)


def test_mean_with_identical_pictures():
    scores = [Score(30.0, 0.5), Score(math.inf, 1.0), Score(20.0, 0.75), Score(math.inf, 1.0)]
    assert mean_score(scores) == MeanScore(math.inf, 0.8125, 4, 2, 25.0)
    assert mean_score(scores[1:2]) == MeanScore(math.inf, 1.0, 1, 1, None)


def test_mean_without_psnr():
    assert mean_score([Score(None, 0.5), Score(None, 0.25)]) == MeanScore(None, 0.375, 2, 0, None)


def test_mean_spreads_nan():
    """A picture too small for the window is not passed over."""
    mean = mean_score([Score(30.0, math.nan), Score(20.0, 0.5)])
    assert math.isnan(mean.ssim) and mean.psnr == 25.0


def test_mean_does_not_depend_on_order():
    rng = np.random.default_rng(0)
    scores = [Score(*map(float, each)) for each in rng.uniform(0, 40, (100, 2))]
    assert mean_score(scores) == mean_score(scores[::-1])


def test_mean_of_nothing_and_of_mixtures():
    with pytest.raises(RainbenchError, match="no scores"):
        mean_score([])
    with pytest.raises(RainbenchError, match="1 of 2 scores have no PSNR"):
        mean_score([Score(None, 0.5), Score(20.0, 0.5)])


def test_the_package_imports_nothing_heavy():
    script = "import sys, rainbench.metrics; print({'torch', 'numba', 'cv2'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert output.stdout.strip() == "set()", output.stderr
