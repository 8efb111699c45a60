"""Where light swings, textures sway, or the camera turns: the middle, and never worse than it."""

import numpy as np
import pytest
from hard_sequences import hard_sequence
from sequences import STATIC, make_sequence, psnr

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.robust import average_rain_free
from rainbench.clean_frame.robust_kernels import look_at_swings
from rainbench.clean_frame.stretches import usual_and_own
from rainbench.clean_frame.swaying.glance import glance
from rainbench.clean_frame.swaying.swings import WIDE, measure_swings
from rainbench.clean_frame.voting import count_votes
from rainbench.frames.sources import ListSource, as_source


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("fogbanks", 1),
        ("fogbanks", 11),
        ("fogbanks", 15),
        ("lamp-local", 2),
        ("water", 1),
        ("rotation", 1),
        ("drift", 2),
        ("slowmotion", 1),
    ],
)
def test_what_moves_is_no_worse_than_one_percentile(kind, seed):
    sequence = hard_sequence(kind, seed=seed)
    part = sequence.inside
    reached = {
        method: psnr(extract_clean_frame(sequence.frames, method).image[part], sequence.truth[part])
        for method in ("exact", "median", "robust")
    }
    assert reached["robust"] > reached["exact"] - 0.2
    assert reached["robust"] > reached["median"] - 0.5


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize(
    "kind",
    [
        *("headlights", "bands", "lamp-blinking", "turns", "third-coloured", "overexposed"),
        "blizzard",
    ],
)
def test_what_comes_and_goes_is_no_worse_than_one_percentile(kind, seed):
    sequence = hard_sequence(kind, seed=seed)
    reached = {
        method: psnr(extract_clean_frame(sequence.frames, method).image, sequence.truth)
        for method in ("exact", "median", "robust")
    }
    assert reached["robust"] > reached["exact"] - 0.5
    assert reached["robust"] > reached["median"] - 0.5


@pytest.mark.parametrize("count", [5, 7, 9])
def test_few_frames_are_no_worse_than_one_percentile(count):
    sequence = hard_sequence("plain", seed=3)
    exact, robust = (
        psnr(extract_clean_frame(sequence.frames[:count], method).image, sequence.truth)
        for method in ("exact", "robust")
    )
    assert robust > exact - 1


def swings_of(frames):
    source = as_source(frames)
    thirtieth = np.full(source.shape[1:3], 30, np.float32)
    seen = glance(source, count_votes(source))
    usual, own, spread = usual_and_own(source, thirtieth, seen.between)
    return measure_swings(seen, spread, usual, own)


def test_the_width_of_a_swing_is_measured_under_rain():
    sequence = hard_sequence("lamp-local", (80, 112), seed=2)
    swings = swings_of(sequence.frames)
    still = ~sequence.unsteady
    assert swings.wide[still].mean() < 0.06  # those next to it
    assert np.median(swings.width[still]) == pytest.approx(sequence.noise, abs=0.2)
    assert np.median(swings.width[sequence.unsteady]) > 3 * sequence.noise


@pytest.mark.parametrize("spec", STATIC[::3], ids=lambda spec: spec.name)
def test_rain_does_not_swing(spec):
    swings = swings_of(make_sequence(spec, 64, 80).frames)
    assert (swings.width > WIDE * swings.least).mean() < 0.03


def test_noise_that_grows_with_the_light_does_not_swing():
    swings = swings_of(hard_sequence("plain+shot", seed=8).frames)
    assert (swings.width > WIDE * swings.least).mean() > 0.1
    assert (swings.width > WIDE * swings.least * swings.stronger).mean() < 0.01


@pytest.mark.parametrize(
    ("kind", "drifts"),
    [
        ("fogbanks", True),
        ("headlights", False),
        ("lamp-local", False),
        ("lamp-switched", False),
        ("water", False),
        ("snow", False),
        ("heavy", False),
    ],
)
def test_mist_is_told_from_lamps_waves_and_rain(kind, drifts):
    frames = hard_sequence(kind, seed=4).frames
    source = as_source(frames)
    assert glance(source, count_votes(source)).drifts is drifts


@pytest.mark.parametrize(("kind", "flickers"), [("bands", True), ("plain", False), ("snow", False)])
def test_noise_is_told_from_what_flickers_everywhere(kind, flickers):
    made = hard_sequence(kind, seed=4)
    seen = glance(as_source(made.frames), count_votes(as_source(made.frames)))
    assert seen.flickers is flickers
    assert seen.calm == pytest.approx(made.noise, rel=0.5)


def test_a_codec_that_smears_dense_rain_does_not_sway():
    sequence = hard_sequence("heavy+crf28", seed=12)
    one, other = (
        psnr(extract_clean_frame(sequence.frames, method).image, sequence.truth)
        for method in ("robust", "exact")
    )
    assert one > other - 0.2


def test_what_rests_in_between_is_the_scene():
    sequence = hard_sequence("leaves", seed=1)
    clean = extract_clean_frame(sequence.frames, "robust")
    assert swings_of(sequence.frames).wide.mean() > 0.2
    assert psnr(clean.image[sequence.inside], sequence.truth[sequence.inside]) > 55.5


def test_few_frames_cannot_tell():
    assert swings_of(hard_sequence("lamp-local", (48, 64), 19).frames) is None


@pytest.mark.parametrize("kind", ["lamp-local", "water"])
def test_bands_and_threads_change_nothing(kind):
    frames = hard_sequence(kind, (64, 96), 40, seed=2).frames
    whole = average_rain_free(as_source(frames), np.ones(40))
    banded = average_rain_free(ListSource(list(frames)), np.ones(40), threads=2, band_rows=7)
    assert (banded.levels == whole.levels).all()


def test_every_colour_of_leaves_in_gusts_is_one_that_a_frame_shows():
    """A percentile of each channel alone mixes leaves and sky: 25 pixels of this sequence."""
    made = hard_sequence("leaves-windy", seed=11)
    image = extract_clean_frame(made.frames, "robust").image.astype(np.int32)
    nearest = np.min([np.square(frame - image).sum(axis=-1) for frame in made.frames], axis=0)
    assert np.sqrt(nearest.max() / 3) < 6 * made.noise + 0.5


def test_a_still_scene_in_a_coded_video_does_not_sway():
    """Errors of a codec stay for some frames and differ from place to place: no swings."""
    made = hard_sequence("heavy+crf28", seed=1)
    exact, robust = (
        extract_clean_frame(made.frames, method).image for method in ("exact", "robust")
    )
    assert psnr(robust, made.truth) > psnr(exact, made.truth) - 0.2


def test_what_passes_is_left_out_of_the_mean_of_a_swing():
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 4, (60, 6, 8, 3))
    frames[::5] -= 70  # somebody passes
    frames[1::5] += 18  # a crest
    frames = frames.round().astype(np.uint8)
    reach = np.full((6, 8), 8, np.float32)
    planes = [np.zeros((n, 6, 8), np.float32) for n in (3, 3, 1, 1)]
    level = np.full((3, 6, 8), 100, np.float32)
    look_at_swings(
        frames.reshape(60, -1), 0, level, level, reach, 0, 0, 1,
        np.full((6, 8), 12, np.float32), planes[0], planes[1], planes[2][0], planes[3][0],
    )  # fmt: skip
    away = frames.mean(axis=-1) - 100
    kept = (away >= -12) & (away <= 24)
    mean = (frames * kept[..., None]).sum(axis=0) / kept.sum(axis=0)[..., None]
    np.testing.assert_allclose(planes[1].transpose(1, 2, 0), mean, rtol=1e-5)
    np.testing.assert_array_equal(planes[0][2], (np.abs(away) <= 12).sum(axis=0))
    assert planes[1].mean() == pytest.approx(104.5, abs=0.5)
