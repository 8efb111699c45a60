from dataclasses import replace

import numpy as np
import pytest
from sequences import STATIC, Spec, make_sequence, psnr

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.core.errors import RainbenchError
from rainbench.frames.alignment import AlignedSource, align_frames, estimate_shifts
from rainbench.frames.cache import keep
from rainbench.frames.sources import ArraySource, ListSource

HEIGHT, WIDTH = 120, 160


@pytest.fixture(scope="module", params=[1.0, 2.0], ids=["1 px", "2 px"])
def shaken(request):
    return make_sequence(replace(STATIC[2], frames=60, shake=request.param), HEIGHT, WIDTH)


def test_shifts_are_found_behind_rain(shaken):
    error = estimate_shifts(shaken.frames) - shaken.shifts
    assert np.sqrt((error**2).mean()) < 0.03


def test_aligned_frames_beat_the_published_code(shaken):
    published = extract_clean_frame(shaken.frames, "spanet-reference").image
    with keep(align_frames(shaken.frames)) as still:
        exact = extract_clean_frame(still, "exact")
        robust = extract_clean_frame(still, "robust")
    least = {True: 14, False: 18}[bool(np.abs(shaken.shifts).max() < 4)]
    assert exact.vote_share is not None and exact.vote_share > 0.6
    gains = [psnr(clean.image, shaken.truth) for clean in (exact, robust)]
    assert min(gains) - psnr(published, shaken.truth) >= least


@pytest.mark.parametrize("spec", [STATIC[6], STATIC[8]], ids=lambda spec: spec.name)
def test_dense_rain(spec):
    sequence = make_sequence(replace(spec, frames=80, shake=1.0), HEIGHT, WIDTH)
    error = estimate_shifts(sequence.frames) - sequence.shifts
    assert np.sqrt((error**2).mean()) < 0.08


def test_drifting_light_does_not_move_anything():
    spec = Spec("M", "coffee", frames=40, drift=0.15, shake=1.0)
    sequence = make_sequence(spec, HEIGHT, WIDTH)
    error = estimate_shifts(sequence.frames) - sequence.shifts
    assert np.sqrt((error**2).mean()) < 0.03


def test_a_still_camera_stays_where_it_is():
    sequence = make_sequence(replace(STATIC[0], frames=30), HEIGHT, WIDTH)
    assert np.abs(estimate_shifts(sequence.frames)).max() < 0.03


def test_bands_fit_together(shaken):
    source = ArraySource(shaken.frames[:12])
    aligned = AlignedSource(source, shaken.shifts[:12])
    whole = aligned.band(0, HEIGHT)
    assert whole.shape == (12, HEIGHT, WIDTH, 3)
    for top, bottom in ((0, 7), (7, 8), (50, 83), (113, HEIGHT)):
        assert (aligned.band(top, bottom) == whole[:, top:bottom]).all()
    listed = AlignedSource(ListSource(list(shaken.frames[:12])), shaken.shifts[:12])
    assert (listed.band(31, 40) == whole[:, 31:40]).all()


def test_whole_pixels_are_moved_without_loss():
    scene = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    frames = np.stack([scene, np.roll(scene, (2, 3), axis=(0, 1))])
    moved = AlignedSource(ArraySource(frames), np.array([[0.0, 0.0], [3.0, 2.0]])).band(0, 20)
    assert (moved[1, :18, :21] == scene[:18, :21]).all()


def test_valid_is_what_all_frames_show():
    source = ArraySource(np.zeros((3, 20, 30, 3), np.uint8))
    shifts = np.array([[0, 0], [1.2, -0.5], [-2.0, 0.0]])
    assert AlignedSource(source, shifts).valid == (1, 20, 2, 28)


def test_frames_of_different_scenes_are_refused_or_left_apart():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, 64, 64, 3), np.uint8)
    try:
        shifts = estimate_shifts(noise)
    except RainbenchError as error:
        assert "one scene" in str(error)
    else:
        assert np.isfinite(shifts).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (9, 9)])
def test_tiny_or_blank_pictures_do_not_break_it(size):
    frames = np.full((5, *size, 3), 90, np.uint8)
    assert np.abs(estimate_shifts(frames)).max() < 0.5
