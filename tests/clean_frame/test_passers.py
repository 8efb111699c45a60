"""Walkers before the scene: found, and gone from the clean frame; rain is not taken for them."""

import numpy as np
import pytest
from sequences import HELD_OUT, STATIC, Spec, Walker, make_sequence, psnr, with_walkers

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.passers import FEWER_VISITS, count_hidden
from rainbench.frames.sources import ListSource, as_source

HEIGHT, WIDTH = 80, 112


def street(scene="chelsea", **how):
    return make_sequence(Spec("W", scene, **{"frames": 40, "rain": 1.2, **how}), HEIGHT, WIDTH)


@pytest.mark.parametrize("spec", [*STATIC, *HELD_OUT], ids=lambda spec: spec.name)
def test_rain_is_no_foreground(spec):
    frames = make_sequence(spec, 48, 64).frames
    assert not count_hidden(as_source(frames), spec.noise).any()


def test_frames_behind_a_body_are_counted():
    dry = street(rain=0, noise=1.0)
    crossed = with_walkers(dry, (Walker((0.2, 0.5), (0.6, 0.5), 30, 5),))
    darker = (dry.frames.astype(int) - crossed.frames > 12).sum(axis=0)
    hidden = count_hidden(as_source(crossed.frames), 1.0).astype(int)
    clear = (darker > 2) & (darker < 16)
    assert clear.sum() > 600
    assert np.abs(hidden - darker)[clear].mean() < 0.3
    untouched = (crossed.frames == dry.frames).all(axis=0)
    assert not hidden[untouched].any()


def test_bands_and_threads_change_nothing():
    frames = with_walkers(street()).frames
    whole = count_hidden(as_source(frames), 1.5)
    assert whole.any()
    banded = count_hidden(ListSource(list(frames)), 1.5, threads=2, band_rows=7)
    assert (banded == whole).all()


def test_visits_are_those_of_a_random_order():
    """Dark frames in random order are found as seldom as the normal distribution says."""
    rng = np.random.default_rng(0)
    frames = np.full((60, 40, 50, 3), 120, np.uint8)
    frames[rng.random(frames.shape) < 0.3] = 40
    assert FEWER_VISITS == 2
    assert (count_hidden(as_source(frames), 1.0) > 0).mean() < 0.04
    assert (count_hidden(as_source(np.sort(frames, axis=0)), 1.0) > 0).mean() > 0.99


def best_percentile(frames, truth):
    return max(psnr(np.percentile(frames, p, axis=0), truth) for p in range(20, 80, 5))


@pytest.mark.parametrize(
    ("scene", "how", "margin"),
    [
        ("chelsea", {}, 2),
        ("brick", {"frames": 24}, 2),
        ("engine", {"frames": 24}, 2),
        ("engine", {"frames": 100, "drift": 0.05}, 5),
        ("coffee", {}, 0),  # dark clothes before a dark table
        ("coffee", {"frames": 100, "drift": 0.05}, 5),
    ],
    ids=str,
)
def test_robust_beats_every_percentile_where_people_walk(scene, how, margin):
    dry = street(scene, **how)
    crossed = with_walkers(dry)
    clean = extract_clean_frame(crossed.frames, "robust")
    assert psnr(clean.image, dry.truth) > best_percentile(crossed.frames, dry.truth) + margin


def test_walkers_spoil_nothing_elsewhere():
    dry = street(frames=60)
    crossed = with_walkers(dry)
    never = (crossed.frames == dry.frames).all(axis=(0, 3))
    with_them, without = (
        extract_clean_frame(sequence.frames, "robust").levels for sequence in (crossed, dry)
    )
    loss = psnr(without[never], dry.truth[never]) - psnr(with_them[never], dry.truth[never])
    assert loss < 1


@pytest.mark.data
def test_pedestrian_without_its_walkers(shared):
    """Against the rain-free frames, where they leave no doubt what is behind the walkers."""
    import scipy.io

    stack = scipy.io.loadmat(shared / "data/videos/pedestrian.mat")
    rainy, dry = (stack[name].transpose(2, 0, 1) for name in ("input", "groundtruth"))
    # The light flickers by 5 %; the frames are compared at their usual brightness.
    middle = np.median(dry, axis=0)
    light = np.median(dry / np.maximum(middle, 1), axis=(1, 2))[:, None, None]
    truth = middle
    for _ in range(5):  # the median of the frames before which nobody stands
        near = np.abs(dry / light - truth) <= 20
        usual = np.ma.median(np.ma.masked_array(dry / light, ~near), axis=0)
        truth = usual.filled(truth) if np.ma.isMaskedArray(usual) else usual
    known = (np.abs(dry / light - truth) <= 8).mean(axis=0) >= 0.6
    assert 0.9 < known.mean() < 0.95
    clean = extract_clean_frame(np.repeat(rainy[..., None], 3, axis=-1), "robust")
    reached = psnr(clean.levels[..., 1][known], truth[known])
    for percentile in range(20, 81):
        fixed = np.percentile(rainy, percentile, axis=0)
        assert reached > psnr(fixed[known], truth[known]) + 0.5, percentile
