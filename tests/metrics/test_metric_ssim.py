"""SSIM and PSNR against slow loops over section 1 of the conventions, and against scikit-image."""

import math

import metric_reference as reference
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from rainbench.metrics import score_all
from rainbench.metrics.kernels import COLUMNS, ROWS
from rainbench.metrics.psnr import mean_squared_error, psnr
from rainbench.metrics.ssim import gaussian_ssim, shrink, shrink_factor, uniform_ssim

SIZES = [(11, 11), (12, 31), (37, 23), (41, 43)]
# Sizes around the kernels' tiles, where an index that is one off would show.
TILE_SIZES = [
    (ROWS + 10, COLUMNS + 10),
    (ROWS + 11, COLUMNS + 11),
    (ROWS, COLUMNS),
    (2 * ROWS + 6, COLUMNS + 6),
    (2 * ROWS + 1, COLUMNS - 1),
    (3 * ROWS - 1, 2 * COLUMNS + 1),
]


def planes(height, width, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 255, (height, width))
    return x, x + rng.normal(0, 40, x.shape)


def pictures(height, width, seed=0):
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise = rng.integers(-30, 31, clean.shape)
    return np.clip(clean + noise, 0, 255).astype(np.uint8), clean


@pytest.mark.parametrize("size", SIZES)
def test_against_the_loops(size):
    """Section 3: an independent float64 restatement agrees to 1e-13."""
    x, y = planes(*size)
    found = gaussian_ssim(x, y)
    assert found.valid == pytest.approx(reference.gaussian_ssim(x, y), abs=1e-13)
    assert found.clipped == pytest.approx(reference.clipped_ssim(x, y), abs=1e-13)
    assert found.padded == pytest.approx(reference.padded_ssim(x, y), abs=1e-13)
    for ssim_range, value in zip((255, 510), uniform_ssim(x, y, (255, 510)), strict=True):
        assert value == pytest.approx(reference.uniform_ssim(x, y, ssim_range), abs=1e-13)


def test_the_contrast_is_clipped_where_it_is_negative():
    x = planes(30, 30)[0]
    found = gaussian_ssim(x, 255 - x)
    assert found.valid < 0
    assert found.clipped == pytest.approx(reference.clipped_ssim(x, 255 - x), abs=1e-13)
    assert found.clipped >= 0


def test_the_unit_does_not_matter():
    x, y = planes(40, 50)
    assert gaussian_ssim(x / 255, y / 255, 1 / 255) == pytest.approx(gaussian_ssim(x, y), abs=1e-13)
    found = uniform_ssim(1000 * x, 1000 * y, (255, 510), 1000)
    assert found == pytest.approx(uniform_ssim(x, y, (255, 510)), abs=1e-13)


@pytest.mark.parametrize("size", [*SIZES, *TILE_SIZES])
def test_against_scikit_image(size):
    """Section 3: skimage to 1.3e-13."""
    restored, clean = pictures(*size)
    scores = score_all(restored, clean, ["rgb", "rgb-win7"])
    options = {"channel_axis": 2, "data_range": 255}
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = {
        "rgb": structural_similarity(clean, restored, **options, **gaussian),
        "rgb-win7": structural_similarity(clean, restored, **options),
    }
    for name, ssim in expected.items():
        assert scores[name].ssim == pytest.approx(ssim, abs=1.3e-13)
        decibels = peak_signal_noise_ratio(clean, restored, data_range=255)
        assert scores[name].psnr == pytest.approx(decibels, abs=1.3e-13)


def test_spanet_against_scikit_image_with_its_old_range():
    """Section 2: L = 2 on pictures in 0..1. Without rounding, clipped."""
    rng = np.random.default_rng(3)
    _, clean = pictures(40, 50)
    restored = (clean / 255 + rng.normal(0, 0.1, clean.shape)).astype(np.float32)
    scores = score_all(restored, clean, ["spanet-rgb", "nasnet-rgb"])
    pair = clean.astype(np.float32) / np.float32(255), np.clip(restored, 0, 1)
    pair = [each.astype(np.float64) for each in pair]
    for name, data_range in (("spanet-rgb", 2), ("nasnet-rgb", 1)):
        expected = structural_similarity(*pair, channel_axis=2, data_range=data_range)
        assert scores[name].ssim == pytest.approx(expected, abs=1.3e-13)
        decibels = peak_signal_noise_ratio(*pair, data_range=1)
        assert scores[name].psnr == pytest.approx(decibels, abs=1.3e-13)


@pytest.mark.parametrize(
    ("shorter", "wang", "avg_pool"),
    [
        *((11, 1, 1), (127, 1, 1), (128, 1, 1), (383, 1, 1), (384, 2, 2), (512, 2, 2)),
        *((639, 2, 2), (640, 3, 2), (641, 3, 3), (895, 3, 3), (896, 4, 4), (1080, 4, 4)),
        (1152, 5, 4),
    ],
)
def test_shrink_factor(shorter, wang, avg_pool):
    """Sections 1 and 2: halves away from zero (1.5 -> 2, 2.5 -> 3), or to even (2.5 -> 2)."""
    assert shrink_factor(shorter, 2000, "wang") == wang == reference.wang_factor(shorter, 2000)
    assert shrink_factor(2000, shorter, "avg-pool") == avg_pool
    assert shrink_factor(shorter, shorter, "none") == 1


@pytest.mark.parametrize("size", [(12, 12), (13, 17), (14, 19), (23, 11)])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_shrink_like_wang(factor, size):
    """Section 1: output i averages the inputs from i - (f - 1) // 2 on, mirrored at the border."""
    plane = planes(*size)[0]
    expected = reference.wang_shrink(plane, factor)
    found = shrink(plane, factor, "wang")
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_odd_blocks_are_shifted_by_one():
    """Section 1: factor 3 is not avg_pool; its first block reaches over the border."""
    plane = np.arange(81.0).reshape(9, 9)
    wang, pooled = shrink(plane, 3, "wang"), shrink(plane, 3, "avg-pool")
    assert wang.shape == pooled.shape == (3, 3)
    np.testing.assert_allclose(wang[1:, 1:], plane[3::3, 3::3])
    np.testing.assert_allclose(pooled, plane[1::3, 1::3])


@pytest.mark.parametrize("size", [(384, 400), (641, 655)])
def test_prenet_shrinks_before_ssim_only(size):
    restored, clean = pictures(*size)
    factor = reference.wang_factor(*size)
    x, y = (reference.wang_shrink(reference.luma_601(each), factor) for each in (restored, clean))
    score = score_all(restored, clean, ["prenet-y"])["prenet-y"]
    expected = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert score.ssim == pytest.approx(expected, abs=4.2e-13)
    full = reference.psnr(reference.luma_601(restored), reference.luma_601(clean))
    assert score.psnr == pytest.approx(full, abs=1.5e-13)


def test_pyiqa_drops_what_is_left_over():
    restored, clean = pictures(385, 390)
    score = score_all(restored, clean, ["pyiqa-ycbcr-down"])["pyiqa-ycbcr-down"]
    planes_ = [np.rint(reference.luma_601(each))[:384] for each in (restored, clean)]
    x, y = (each.reshape(192, 2, 195, 2).mean(axis=(1, 3)) for each in planes_)
    assert score.ssim == pytest.approx(gaussian_ssim(x, y).clipped, abs=1e-13)


def test_psnr_of_a_known_error():
    """MSE pooled over all pixels and channels of one picture."""
    x, y = np.zeros((3, 5)), np.zeros((3, 5))
    y[1, 2] = 15
    assert mean_squared_error(x, y) == 15.0
    assert psnr(15 / 255**2) == pytest.approx(10 * math.log10(255**2 / 15), abs=1e-13)
    assert psnr(1e-8, mse_added=1e-8, identical=80.0) == pytest.approx(80 - 10 * math.log10(2))
    assert math.isnan(psnr(math.nan))
