import numpy as np
import pytest
from hard_sequences import hard_sequence
from scipy.ndimage import uniform_filter
from sequences import Spec, make_sequence, psnr

from rainbench.clean_frame import robust
from rainbench.clean_frame.robust import average_rain_free
from rainbench.frames.sources import ListSource, as_source


@pytest.fixture(scope="module")
def sequence():
    return make_sequence(Spec("R", "coffee", frames=40, rain=1.5, flicker=0.003, seed=3), 48, 70)


def slow_pass(frames, exposure, estimate, limits):
    """One pass of the inlier mean with arrays of all frames."""
    bright = frames / exposure[:, None, None, None]
    residual = (bright - estimate).sum(axis=-1)
    smooth = 9 * uniform_filter(residual, (0, 3, 3), mode="nearest")
    dry = (residual <= limits[0]) & (smooth <= limits[1])
    dry &= residual >= -robust.DARKEST * limits[0]
    number = dry.sum(axis=0)[..., None]
    mean = (dry[..., None] * (bright - estimate)).sum(axis=0) / np.maximum(number, 1)
    return estimate + mean


def test_a_pass_equals_the_slow_one(sequence):
    frames, exposure = sequence.frames, sequence.exposure
    passes = robust._Passes(as_source(frames), (1 / exposure).astype(np.float32), 1, 16)
    start = sequence.truth + np.random.default_rng(0).normal(0, 0.3, sequence.truth.shape)
    estimate = np.ascontiguousarray(start.astype(np.float32).transpose(2, 0, 1))
    limits = np.full((2, 48, 70), 6.0, np.float32)
    limits[1] = 16
    got = passes.improve(estimate, limits)[0].transpose(1, 2, 0)
    expected = slow_pass(frames, exposure, start.astype(np.float32).astype(float), limits)
    # A sample on the very limit may fall on either side in single precision.
    assert np.median(np.abs(got - expected)) < 1e-4
    assert np.quantile(np.abs(got - expected), 0.999) < 0.3


def test_noise_is_measured_below_the_estimate(sequence):
    mean = average_rain_free(as_source(sequence.frames), sequence.exposure)
    assert mean.noise == pytest.approx(1.5, rel=0.15)


@pytest.mark.parametrize(("threads", "rows"), [(1, 1), (2, 7), (3, 16), (1, 48)])
def test_bands_and_threads_change_nothing(sequence, threads, rows):
    whole = average_rain_free(as_source(sequence.frames), sequence.exposure)
    source = ListSource(list(sequence.frames))
    banded = average_rain_free(source, sequence.exposure, threads=threads, band_rows=rows)
    assert (banded.levels == whole.levels).all()
    assert banded.noise == whole.noise


def test_more_passes_do_not_drift(sequence, monkeypatch):
    scores = []
    monkeypatch.setattr(robust, "SHIFTED", -1.0)  # never enough
    for count in (1, 3, 8):
        monkeypatch.setattr(robust, "PASSES", count)
        mean = average_rain_free(as_source(sequence.frames), sequence.exposure)
        scores.append(psnr(mean.levels, sequence.truth))
    assert scores[1] > scores[0] - 0.1
    assert scores[2] > scores[1] - 0.3


def test_a_passer_by_leaves_no_trace(sequence):
    frames = sequence.frames.copy()
    for n in range(8):  # something dark walks through a fifth of the frames
        frames[n, 10:40, 8 * n : 8 * n + 8] = 12
    clean = average_rain_free(as_source(frames), sequence.exposure)
    assert psnr(clean.levels, sequence.truth) > psnr(frames[20], sequence.truth) + 25


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_tiny_pictures(size):
    frames = np.random.default_rng(0).integers(90, 94, (20, *size, 3), np.uint8)
    levels = average_rain_free(as_source(frames), np.ones(20)).levels
    assert levels.shape == (*size, 3)
    assert ((levels >= 90) & (levels <= 93)).all()


def test_a_start_that_is_too_bright_is_left_behind(monkeypatch):
    """Where it rains nearly all the time, one pass does not lead away from it."""
    dense = hard_sequence("dense-85", (96, 128), seed=2)
    scores = [psnr(average_rain_free(as_source(dense.frames), np.ones(200)).levels, dense.truth)]
    monkeypatch.setattr(robust, "PASSES", 2)
    scores.append(
        psnr(average_rain_free(as_source(dense.frames), np.ones(200)).levels, dense.truth)
    )
    assert scores[0] > scores[1] + 0.05


@pytest.mark.parametrize(
    ("picture", "sign"), [("chelsea", (120, 200, 60)), ("coffee", (230, 230, 235))]
)
def test_no_colour_is_put_together_of_a_sign_and_the_scene(picture, sign):
    """A sign that blinks is darker in red and brighter in green: the vote takes one of each."""
    spec = Spec("S", picture, frames=90, rain=0.3, flicker=0, noise=0.5)
    sequence = make_sequence(spec, 96, 144)
    frames, lit = sequence.frames.copy(), np.arange(90) % 5 < 2
    noise = np.random.default_rng(0).normal(0, 0.5, (lit.sum(), 48, 72, 3))
    frames[lit, 12:60, 24:96] = np.rint(sign + noise)
    clean = average_rain_free(as_source(frames), np.ones(90))
    assert np.abs(frames - clean.levels).max(axis=-1).min(axis=0).max() < 4
    assert psnr(clean.levels, sequence.truth) > 60
