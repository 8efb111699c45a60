"""Which frames show the scene in its usual light."""

from __future__ import annotations

import numpy as np
import pytest
from hard_sequences import SMALL, hard_sequence

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.usual_light import FEWEST_FRAMES, in_usual_light
from rainbench.frames.exposure import estimate_exposure
from rainbench.frames.sources import as_source, take_frames


def _usual(frames):
    return in_usual_light(as_source(frames), estimate_exposure(frames))


def _error(image, sequence):
    return np.square(image.astype(np.float32) - sequence.truth).mean()


def _lit(frames, lit, factor=1.2):
    """Shine on the left third of some frames."""
    frames, third = frames.copy(), frames.shape[2] // 3
    frames[lit, :, :third] = np.minimum(frames[lit, :, :third] * factor, 255).round()
    return frames


@pytest.fixture(scope="module")
def plain():
    return hard_sequence("plain", seed=3)


def test_frames_in_which_a_lamp_shines_are_told():
    frames = hard_sequence("lamp-blinking-local", seed=2).frames
    np.testing.assert_array_equal(_usual(frames), np.arange(100) % 5 >= 2)
    assert _usual(hard_sequence("lamp-switched", seed=2).frames).sum() == 60


def test_light_of_another_colour_is_corrected_and_its_frames_count(plain):
    blue = np.arange(100) % 4 == 1
    frames = plain.frames.copy()
    frames[blue, ..., 2] = np.minimum(frames[blue, ..., 2] * 1.06, 255).round()
    clean = extract_clean_frame(frames)
    assert clean.usual_light.all()
    np.testing.assert_allclose(clean.exposure, np.where(blue[:, None], [1, 1, 1.06], 1), atol=4e-3)
    assert _error(clean.image, plain) < 1.2 * _error(extract_clean_frame(plain.frames).image, plain)


def test_light_that_most_frames_show_is_the_usual_one(plain):
    lit = np.arange(100) % 5 < 3
    np.testing.assert_array_equal(_usual(_lit(plain.frames, lit)), lit)


@pytest.mark.parametrize(
    "kind",
    [
        *("plain", "heavy", "dense-85", "dark", "snow", "blizzard", "fogbanks", "leaves-windy"),
        *("water", "lamp-global", "exposure-steps", "headlights", "night", "still-dark-last-40"),
        "heavy+crf28",
    ],
)
def test_all_frames_count_where_light_has_no_two_states(kind):
    assert _usual(hard_sequence(kind, SMALL, seed=5).frames).all()


def test_too_few_frames_are_not_told_apart(plain):
    lit = np.arange(100) % 5 < 2
    frames = _lit(plain.frames, lit)
    few = FEWEST_FRAMES * 5 // 3
    assert _usual(frames[:few]).all()
    assert not _usual(frames[: few + 5]).all()


def test_only_frames_in_usual_light_are_averaged():
    sequence = hard_sequence("lamp-blinking-local", seed=2)
    frames, exposure = sequence.frames, estimate_exposure(sequence.frames)
    clean = extract_clean_frame(frames, exposure=exposure)
    usual = clean.usual_light
    alone = extract_clean_frame(frames[usual], exposure=exposure[usual])
    np.testing.assert_array_equal(clean.levels, alone.levels)
    np.testing.assert_array_equal(clean.exposure, exposure)
    assert clean.frames == 100 and clean.usual is None


def test_a_lamp_costs_nothing():
    sequence = hard_sequence("lamp-blinking-local", seed=2)

    def error(method):
        return _error(extract_clean_frame(sequence.frames, method).image, sequence)

    assert error("robust") < 10**0.02 * error("exact")
    assert error("robust") < 0.2  # 55 dB


def test_frames_at_some_places_are_taken():
    frames = np.arange(5 * 4 * 6 * 3, dtype=np.uint8).reshape(5, 4, 6, 3)
    some = take_frames(as_source(frames), np.array([0, 3, 4]))
    assert some.shape == (3, 4, 6, 3)
    np.testing.assert_array_equal(some.band(1, 3), frames[[0, 3, 4], 1:3])
