"""Walkers before the scene: found, and gone from the clean frame; rain is not taken for them."""

import numpy as np
import pytest
from hard_sequences import SMALL, hard_sequence
from sequences import HELD_OUT, STATIC, Spec, make_sequence, psnr, with_walkers

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.scene.modes import find_scene
from rainbench.clean_frame.stretches import find_changing, usual_colours
from rainbench.frames.sources import ListSource, as_source

HEIGHT, WIDTH = 80, 112


def street(scene="chelsea", **how):
    return make_sequence(Spec("W", scene, **{"frames": 40, "rain": 1.2, **how}), HEIGHT, WIDTH)


def modes_of(frames, noise=1.5, **how):
    source = as_source(frames) if isinstance(frames, np.ndarray) else frames
    voted = np.percentile(np.asarray(source.band(0, source.shape[1])), 30, axis=0)
    shares = np.full(source.shape[1:3], 30, np.float32)
    usual = usual_colours(source, shares, **how)
    changing = find_changing(usual, source.shape[0])
    spread = np.full(source.shape[1:3], noise, np.float32)
    return find_scene(source, usual, changing, voted.astype(np.float32), spread, **how)


@pytest.mark.parametrize("spec", [*STATIC, *HELD_OUT], ids=lambda spec: spec.name)
def test_rain_is_no_mode(spec):
    modes = modes_of(make_sequence(spec, 48, 64).frames, spec.noise)
    assert modes.changing.mean() < 0.01
    assert not modes.uncertain.any()


def test_bands_and_threads_change_nothing():
    frames = with_walkers(street()).frames
    whole = modes_of(frames)
    assert whole.changing.any()
    banded = modes_of(ListSource(list(frames)), threads=2, band_rows=7)
    for name in ("changing", "levels", "uncertain", "other", "unsteady", "faint", "told"):
        assert (getattr(banded, name) == getattr(whole, name)).all(), name


LOOKS = ("bright", "dark", "coloured", "textured")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("when", ["first-25", "last-40", "middle-45", "twice-35"])
def test_what_stands_for_less_than_half_of_the_time_is_gone(look, when):
    sequence = hard_sequence(f"still-{look}-{when}", size=SMALL, seed=5)
    clean = extract_clean_frame(sequence.frames, "robust")
    truth, shown = sequence.truth[sequence.inside], clean.levels[sequence.inside]
    assert psnr(shown, truth) > 53
    assert not seen_in_no_frame(sequence.frames, clean.levels, sequence.noise).any()


@pytest.mark.parametrize(
    ("kind", "seed"), [("still-dark-twice-40", 21), ("still-dark-last-40+crf23", 22)]
)
def test_an_edge_of_the_scene_along_a_seam_does_not_outweigh_time(kind, seed):
    """Something dark stands before a bright thing on a dark ground, and shows only before it."""
    sequence = hard_sequence(kind, size=SMALL, seed=seed)
    one, other = (
        psnr(extract_clean_frame(sequence.frames, method).image, sequence.truth)
        for method in ("robust", "exact")
    )
    assert one > other - 0.2


@pytest.mark.parametrize("look", LOOKS)
def test_what_shifts_while_it_stands_is_gone_to_the_last_pixel(look):
    """Its rim comes and goes with every third frame, as if it were rain."""
    sequence = hard_sequence(f"shifting-{look}-45", size=SMALL, seed=4)
    clean = extract_clean_frame(sequence.frames, "robust")
    assert np.abs(clean.levels - sequence.truth).max() < 40  # levels: a pixel of it is off by 100
    assert psnr(clean.levels, sequence.truth) > 55


def seen_in_no_frame(frames, levels, noise):
    """Where the colour is no frame's, by more than the noise of one: a slow plain reference."""
    nearest = np.full(levels.shape[:2], np.inf)
    for frame in frames:
        nearest = np.minimum(nearest, np.abs(frame - levels).max(axis=-1))
    return nearest > 5 * noise + 1


@pytest.mark.parametrize("look", LOOKS)
def test_what_stands_for_half_of_the_time_is_uncertain(look):
    sequence = hard_sequence(f"still-{look}-first-50", size=SMALL, seed=6)
    clean = extract_clean_frame(sequence.frames, "robust")
    objects = sequence.objects.any(axis=0)
    seen = objects & (np.abs(clean.levels - clean.other).max(axis=-1) > 25)
    assert clean.uncertain[seen].mean() > 0.9
    assert clean.uncertain[~objects].mean() < 0.01
    # The truth is one of the two.
    error = np.minimum(
        np.abs(clean.levels - sequence.truth).max(axis=-1),
        np.abs(clean.other - sequence.truth).max(axis=-1),
    )
    assert np.median(error[clean.uncertain]) < 3


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("when", ["first-50", "last-60", "twice-50", "middle-60"])
def test_what_stands_for_half_of_the_time_ends_at_its_seams(look, when):
    sequence = hard_sequence(f"still-{look}-{when}", size=SMALL, seed=11)
    clean = extract_clean_frame(sequence.frames, "robust")
    assert psnr(clean.levels, sequence.truth) > 50


def test_two_that_touch_are_told_apart():
    sequence = hard_sequence("several-50", size=SMALL, seed=11)
    assert psnr(extract_clean_frame(sequence.frames, "robust").levels, sequence.truth) > 50


def test_a_scene_that_a_codec_codes_anew_stays_the_scene():
    """Three colours of a pixel, two of them the scene's: no speck of the thing that stood there."""
    sequence = hard_sequence("several-30+crf23", size=SMALL, seed=1)
    clean = extract_clean_frame(sequence.frames, "robust")
    apart = np.abs(clean.levels - sequence.truth).max(axis=-1)
    assert apart[sequence.objects.any(axis=0)].max() < 100


def test_white_that_swings_stays_white():
    """A mean of what swings may lie beyond white: rounded to a byte, it was black."""
    sequence = hard_sequence("plain+crf32", size=SMALL, seed=1)
    clean = extract_clean_frame(sequence.frames, "robust")
    assert clean.levels.max() <= 255
    assert np.abs(clean.image - clean.levels).max() <= 0.5


def test_what_comes_back_is_the_scene():
    sequence = hard_sequence("still-dark-middle-50", size=SMALL, seed=7)
    clean = extract_clean_frame(sequence.frames, "robust")
    assert psnr(clean.levels[sequence.inside], sequence.truth[sequence.inside]) > 50


@pytest.mark.parametrize(
    "kind", ["lamp-local", "lamp-switched", "leaves", "lettering", "snow", "lensdrops"]
)
def test_what_sways_is_no_worse_than_with_the_vote(kind):
    sequence = hard_sequence(kind, size=SMALL, seed=3)
    part = sequence.inside
    exact, robust = (
        psnr(extract_clean_frame(sequence.frames, method).levels[part], sequence.truth[part])
        for method in ("exact", "robust")
    )
    assert robust > exact - 0.2


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


@pytest.mark.parametrize("seed", [3, 4])
def test_rain_that_is_alike_by_chance_is_no_scene(seed):
    """Most of 45 frames of a blizzard hide a pixel, and some of their flakes are alike."""
    made = hard_sequence("blizzard", frames=45, seed=seed)
    robust, exact = (
        psnr(extract_clean_frame(made.frames, method).image, made.truth)
        for method in ("robust", "exact")
    )
    assert robust > exact - 0.2
