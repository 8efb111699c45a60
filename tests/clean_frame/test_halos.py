"""Dark rims along streaks of cameras that sharpen."""

from __future__ import annotations

import numpy as np
import pytest
from hard_sequences import hard_sequence

from rainbench.clean_frame import robust
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.halos import take_out_halos
from rainbench.frames.sources import as_source


def noise_of(frames):
    """Of the mean of the channels, from what frames next to each other differ by."""
    steps = np.diff(frames.mean(axis=-1, dtype=np.float32), axis=0)
    return float(np.median(np.abs(steps)) / 0.6745 / 2**0.5)


@pytest.mark.parametrize("kind", ["plain", "snow", "heavy", "still-dark-last-40"])
def test_what_sharpened_streaks_took_is_given_back(kind, monkeypatch):
    sequence = hard_sequence(f"{kind}+sharpened", seed=1)
    error = extract_clean_frame(sequence.frames).levels - sequence.truth
    with monkeypatch.context() as patch:
        patch.setattr(robust, "take_out_halos", lambda *_: None)
        before = extract_clean_frame(sequence.frames).levels - sequence.truth
    assert before.mean() < -0.25
    assert abs(error.mean()) < 0.05
    assert np.square(error).mean() < 0.85 * np.square(before).mean()


@pytest.mark.parametrize(
    "kind", ["plain", "heavy", "snow", "blizzard", "water", "leaves-windy", "night", "noise-4"]
)
def test_other_streaks_have_no_rims(kind):
    sequence = hard_sequence(kind, seed=2)
    levels = extract_clean_frame(sequence.frames).levels
    before = levels.copy()
    assert take_out_halos(as_source(sequence.frames), levels, noise_of(sequence.frames)) is None
    np.testing.assert_array_equal(levels, before)


def test_it_says_where_and_by_how_much():
    sequence = hard_sequence("plain+sharpened", seed=2)
    frames, truth = sequence.frames, sequence.truth
    dark = truth - 1
    too_dark = take_out_halos(as_source(frames), dark, noise_of(frames))
    assert too_dark is not None
    assert too_dark.mean() == pytest.approx(1, abs=0.15)
    assert np.abs(too_dark - 1).max() < 1
    np.testing.assert_allclose(dark, truth - 1 + too_dark[..., None], atol=1e-4)


def test_a_picture_smaller_than_a_rim_is_left_alone():
    frames = np.random.default_rng(0).normal(90, 2, (30, 5, 7, 3)).round().astype(np.uint8)
    levels = np.full((5, 7, 3), 90, np.float32)
    assert take_out_halos(as_source(frames), levels, 1.0) is None
