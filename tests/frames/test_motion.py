"""The path of the camera: known motions behind rain, and what must not be taken for motion."""

import cv2
import numpy as np
import pytest
from moving_sequences import moved, with_bus, with_snow

from rainbench.frames.camera_path import CameraPath
from rainbench.frames.motion import find_camera_path

COUNT = 40


def error(path, sequence):
    """Root mean square of the shifts' errors, apart from what all have in common."""
    difference = path.filled().shifts - sequence.shifts
    return float(np.sqrt(((difference - np.median(difference, axis=0)) ** 2).mean()))


@pytest.mark.parametrize("size", [(240, 320), (360, 640)], ids=lambda size: f"{size[1]}x{size[0]}")
@pytest.mark.parametrize("rain", [0.8, 4.0])
def test_a_still_camera_is_still_in_any_rain(size, rain):
    path = find_camera_path(moved("coffee", COUNT, size, rain=rain).frames)
    assert not path.moves and path.drift == path.shake == 0
    assert (path.shifts == 0).all() and (path.turns == 0).all()
    assert 0 < path.error < 0.15


def test_big_slow_snow_is_no_motion():
    path = find_camera_path(with_snow(moved("rocket", COUNT).frames))
    assert not path.moves and path.error < 0.3


@pytest.mark.parametrize("pixels", [0.5, 2.3, 10.0])
def test_slow_drift_is_followed(pixels):
    shifts = np.linspace(0, 1, COUNT)[:, None] * pixels * np.array([0.8, 0.6])
    sequence = moved("chelsea", COUNT, shifts=shifts, rain=2.0)
    path = find_camera_path(sequence.frames)
    assert path.moves and error(path, sequence) < 0.05
    assert abs(path.drift - pixels) < 0.2
    assert not path.turns.any()


def test_a_small_turn_is_found_beside_shifts():
    turns = 0.25 * np.sin(np.linspace(0, 6, COUNT))
    shifts = np.random.default_rng(1).normal(0, 0.5, (COUNT, 2))
    sequence = moved("astronaut", COUNT, shifts=shifts, turns=turns)
    path = find_camera_path(sequence.frames)
    found = np.degrees(path.turns)
    assert np.abs(found - turns - np.median(found - turns)).max() < 0.04
    assert error(path, sequence) < 0.06


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_a_bus_is_not_the_camera(share):
    still = moved("coffee", COUNT, rain=1.5)
    path = find_camera_path(with_bus(still.frames, share))
    assert not path.moves, (path.drift, path.error)


def test_shake_is_found_behind_a_bus():
    shifts = np.random.default_rng(2).normal(0, 1.0, (COUNT, 2))
    sequence = moved("coffee", COUNT, shifts=shifts)
    path = find_camera_path(with_bus(sequence.frames, 0.4))
    assert path.moves and error(path, sequence) < 0.1


def test_captions_do_not_outvote_a_scene_that_moves():
    """Letters laid over the picture afterwards are sharp and stand still; the scene is soft."""
    shifts = np.random.default_rng(4).normal(0, 1.5, (COUNT, 2))
    sequence = moved("coffee", COUNT, shifts=shifts)
    frames = np.array([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in sequence.frames])
    letters = np.random.default_rng(5).integers(0, 2, (12, 40, 1), np.uint8) * 255
    frames[:, -48:] = np.kron(letters, np.ones((4, 8, 1), np.uint8))
    path = find_camera_path(frames)
    assert path.moves and error(path, sequence) < 0.15


def test_lightning_and_dark_frames_are_no_motion():
    frames = moved("motorcycle", COUNT).frames.copy()
    frames[7] = 0
    frames[20:22] = np.clip(frames[20:22].astype(int) * 2 + 60, 0, 255)
    path = find_camera_path(frames)
    assert not path.moves


def test_frames_that_show_something_else_have_no_place_or_a_wide_error_bar():
    sequence = moved("chelsea", COUNT, shifts=np.random.default_rng(3).normal(0, 1, (COUNT, 2)))
    frames = sequence.frames.copy()
    frames[30:32] = moved("ihc", 2).frames
    path = find_camera_path(frames)
    assert (path.errors[30:32] > 10 * path.error).all()
    assert np.isfinite(path.filled().shifts).all()
    kept = np.delete(path.shifts - sequence.shifts, [30, 31], axis=0)
    assert np.abs(kept - np.median(kept, axis=0)).max() < 0.1


def test_a_camera_that_is_turned_away_ends_the_run():
    shifts = np.zeros((40, 2))
    shifts[28:, 0] = np.linspace(1, 30, 12)
    path = find_camera_path(moved("astronaut", 40, shifts=shifts).frames)
    first, stop = path.span_within(5)
    assert first == 0 and 28 <= stop <= 32


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (9, 9), (15, 200)])
def test_tiny_and_blank_pictures_have_no_motion(size):
    path = find_camera_path(np.full((5, *size, 3), 90, np.uint8))
    assert not path.moves and path.drift == 0 and (path.shifts == 0).all()


def test_runs():
    shifts = np.concatenate([np.zeros((5, 2)), np.full((3, 2), np.nan), np.full((4, 2), 0.2)])
    path = CameraPath(shifts, np.zeros(12), np.zeros(12), moves=True)
    assert path.span_within(0.3) == (0, 12)
    assert path.span_within(0.1) == (0, 5)
    gap = np.concatenate([np.zeros((5, 2)), np.full((9, 2), np.nan), np.zeros((6, 2))])
    assert CameraPath(gap, np.zeros(20), np.zeros(20), moves=True).span_within(1) == (14, 20)
