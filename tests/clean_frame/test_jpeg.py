"""What JPEG took from frames that were coded alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hard_sequences import hard_sequence
from hard_weather import as_jpegs
from sequences import psnr

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.clean_frame.quality.jpeg import coefficients, find_steps, lost_to_jpeg

ANNEX_K = {(0, 1): 11, (1, 0): 12, (2, 2): 16, (1, 3): 19, (3, 3): 29}
"""Steps at quality 50 of some frequencies, down and across."""


@pytest.fixture(scope="module")
def plain():
    return hard_sequence("plain", (144, 208), frames=30, seed=4)


def _steps(frames, sequence, place=(0, 0)):
    top, left = place
    truth = sequence.truth.astype(np.float32)[top:, left:]
    return find_steps(list(frames[::10, top:, left:]), truth)


@pytest.mark.parametrize(("quality", "factor"), [(30, 50 / 30), (50, 1.0), (80, 0.4), (90, 0.2)])
def test_steps_are_those_of_the_quality(plain, quality, factor):
    found = _steps(as_jpegs(plain.frames, quality), plain)
    for at, step in ANNEX_K.items():
        assert found.luma[at] == pytest.approx(max(1, round(step * factor)), abs=0.6)


@pytest.mark.parametrize("place", [(3, 5), (0, 7)])
def test_steps_are_found_in_pictures_that_were_cut(plain, place):
    found = _steps(as_jpegs(plain.frames, 60), plain, place)
    assert found.place == (-place[0] % 8, -place[1] % 8)


@pytest.mark.parametrize("kind", ["plain", "noise-1", "plain+noiseless", "plain+crf23", "snow"])
def test_other_frames_have_no_steps(kind):
    sequence = hard_sequence(kind, (144, 208), frames=30, seed=4)
    assert _steps(sequence.frames, sequence) is None


def test_rain_upon_a_picture_that_was_a_jpeg_once_has_none(plain):
    scene = as_jpegs(np.rint(plain.truth).clip(0, 255).astype(np.uint8)[None], 60)[0]
    frames = np.repeat(scene[None], 30, axis=0)
    rng = np.random.default_rng(0)
    for frame in frames:
        for x in rng.integers(0, 208, 12):
            cv2.line(frame, (int(x), 0), (int(x) + 9, 143), (220, 220, 220), 1, cv2.LINE_AA)
    assert find_steps(list(frames[::10]), scene.astype(np.float32)) is None


def test_coefficients_are_orthonormal():
    plane = np.random.default_rng(0).normal(size=(24, 40))
    assert np.square(coefficients(plane)).sum() == pytest.approx(np.square(plane).sum())
    assert coefficients(plane, 3, 5).shape == (2 * 4, 8, 8)


@pytest.mark.parametrize("quality", [40, 75, 90])
@pytest.mark.parametrize("kind", ["plain", "noise-3", "heavy"])
def test_the_loss_is_told(kind, quality):
    """To a factor of four below and six above, over which the judge's margins lie."""
    sequence = hard_sequence(kind, (144, 208), frames=40, seed=6)
    frames = as_jpegs(sequence.frames, quality)
    clean = extract_clean_frame(frames)
    loss = lost_to_jpeg(list(frames[::10]), clean.levels, 1.5)
    true = float(np.square(clean.levels - sequence.truth).mean())
    assert true / 4 < loss.most < 6 * true
    assert loss.half_colour


@pytest.mark.parametrize("quality", [30, 60, 85, 95])
def test_what_is_promised_is_there(quality):
    sequence = hard_sequence("plain", (144, 208), frames=40, seed=9)
    frames = as_jpegs(sequence.frames, quality)
    clean = extract_clean_frame(frames)
    judged = judge_clean_frame(frames, clean, rests=True)
    assert judged.low < psnr(clean.image, sequence.truth) + 1
    assert judged.low > psnr(clean.image, sequence.truth) - 9
