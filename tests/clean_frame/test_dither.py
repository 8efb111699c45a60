"""Frames without noise: told, and made as good a clean frame of as by a vote."""

from __future__ import annotations

import numpy as np
import pytest
from hard_sequences import hard_sequence

from rainbench.clean_frame.dither import DitheredSource, lacks_noise
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.frames.sources import as_source, take_frames


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [
        *[(f"{kind}+noiseless", True) for kind in ("plain", "snow", "lamp-local", "water")],
        *[(kind, False) for kind in ("plain", "noise-1", "dark", "plain+crf23", "plain+crf40")],
        ("snow+crf36", False),
    ],
)
def test_frames_without_noise_are_told_from_coded_ones(kind, lacking):
    assert lacks_noise(as_source(hard_sequence(kind, seed=4).frames)) == lacking


def test_noise_is_the_same_in_any_bands():
    frames = np.random.default_rng(0).integers(0, 256, (6, 9, 10, 3), np.uint8)
    noisy = DitheredSource(as_source(frames))
    whole = noisy.band(0, 9)
    np.testing.assert_array_equal(noisy.band(4, 7), whole[:, 4:7])
    steps = whole.astype(int) - frames
    assert steps[(frames > 9) & (frames < 246)].std() == pytest.approx(1.04, abs=0.1)
    assert np.abs(steps).max() < 6  # no wrap-around
    np.testing.assert_array_equal(take_frames(noisy, np.s_[:2]).band(0, 9), whole[:2])


@pytest.mark.parametrize(
    "kind", ["plain", "heavy", "still-dark-last-40", "still-coloured-middle-45", "exposure-steps"]
)
def test_what_is_still_comes_out_exactly(kind):
    sequence = hard_sequence(f"{kind}+noiseless", seed=1)
    clean = extract_clean_frame(sequence.frames)
    np.testing.assert_array_equal(clean.image, sequence.truth)
    if kind in ("plain", "heavy"):  # where somebody stood, by the faintest rain
        np.testing.assert_array_equal(clean.levels, sequence.truth)


@pytest.mark.parametrize("kind", ["lamp-local", "lamp-switched", "snow", "third-dark"])
def test_light_and_flakes_do_not_decide_for_all(kind):
    sequence = hard_sequence(f"{kind}+noiseless", seed=1)
    frames, truth = sequence.frames, sequence.truth
    clean = extract_clean_frame(frames)
    error = np.square(clean.image - truth).mean()
    middle = np.square(np.median(frames, axis=0) - truth).mean()
    assert error <= 10**0.05 * middle
    judged = judge_clean_frame(frames, clean, rests=True)
    assert 255**2 / 10 ** (judged.low / 10) >= 10**-0.1 * error
