from dataclasses import replace

import cv2
import numpy as np
import pytest
from sequences import CROWD, HELD_OUT, STATIC, Spec, make_sequence, with_walkers

from rainbench.clean_frame.quality.stillness import StaticCheck, is_static, likeness
from rainbench.core.errors import RainbenchError
from rainbench.frames.alignment import align_frames
from rainbench.frames.exposure import estimate_exposure, normalise

HEIGHT, WIDTH = 80, 112


def check(spec, **changes):
    return is_static(make_sequence(replace(spec, **changes), HEIGHT, WIDTH).frames)


@pytest.mark.parametrize("spec", [*STATIC[::3], *HELD_OUT[1::3]], ids=lambda spec: spec.name)
def test_rain_and_flicker_are_static(spec):
    found = check(spec)
    assert found.static
    assert found.reason == ""
    assert found.vote_share > 0.6
    assert abs(found.gap) < 1
    assert found.drift is None  # nothing was suspected, nothing measured


@pytest.mark.parametrize("ramp", [False, True])
@pytest.mark.parametrize("drift", [0.05, 0.15])
def test_drifting_light_is_named_until_it_is_corrected(drift, ramp):
    sequence = make_sequence(replace(STATIC[2], drift=drift, ramp=ramp), HEIGHT, WIDTH)
    found = is_static(sequence.frames)
    assert found.moving == "light"
    assert found.drift == pytest.approx(2 * drift, rel=0.15)
    assert "correct the exposure" in found.reason
    assert is_static(normalise(sequence.frames, estimate_exposure(sequence.frames))).static


@pytest.mark.parametrize("shake", [0.5, 2.0])
def test_a_shaking_camera_is_named_until_it_is_aligned(shake):
    sequence = make_sequence(replace(STATIC[2], frames=60, shake=shake), HEIGHT, WIDTH)
    found = is_static(sequence.frames)
    assert found.moving == "camera"
    assert found.shake == pytest.approx(np.sqrt(2) * shake, rel=0.2)
    assert "align" in found.reason
    assert is_static(align_frames(sequence.frames)).static


def test_noise_alone_is_static_though_few_agree():
    found = check(STATIC[2], noise=5.0)
    assert found.vote_share < 0.5
    assert found.static


def test_two_scenes_are_no_sequence():
    one, two = (
        make_sequence(Spec("Z", scene, frames=20), HEIGHT, WIDTH).frames
        for scene in ("coffee", "astronaut")
    )
    found = is_static(np.concatenate([one, two]))
    assert not found.static


def test_too_few_frames_are_refused():
    with pytest.raises(RainbenchError, match="3 frames, at least 4"):
        is_static(np.zeros((3, 8, 8, 3), np.uint8))


def test_reasons_name_a_cure():
    numbers = {"vote_share": 0.3, "split": 40.0, "split_half": 30.0, "drift": 0.1, "shake": 0.5}
    assert "10 %" in StaticCheck(**numbers, moving="light").reason
    assert "0.5 pixels" in StaticCheck(**numbers, moving="camera").reason
    assert "reject" in StaticCheck(**numbers, moving="scene").reason


def test_likeness_of_equal_pictures_is_finite():
    picture = np.ones((4, 4, 3), np.float32)
    assert likeness(picture, picture) == 99


@pytest.mark.parametrize("scene", ["chelsea", "coffee", "engine"])
def test_walkers_before_a_still_scene_are_told_from_a_scene_that_changes(scene):
    dry = make_sequence(Spec("W", scene, frames=40), HEIGHT, WIDTH)
    crossed = with_walkers(dry, CROWD[:2])
    found = is_static(crossed.frames)
    assert found.static and found.reason == ""
    touched = (crossed.frames != dry.frames).any(axis=(0, 3))
    assert 0.05 < found.crossed < 0.5
    assert touched[~found.still].mean() > 0.5
    assert is_static(dry.frames).still is None


@pytest.mark.parametrize("blank", [0.0, 0.6])
@pytest.mark.parametrize("way", ["pan", "zoom"])
def test_a_camera_that_moves_is_no_walker(way, blank):
    photo = make_sequence(Spec("W", "engine", frames=1, rain=0), 96, 160).truth
    photo[: round(96 * blank)] = 90  # a blank wall
    frames = []
    for n in range(30):
        if way == "pan":
            x = n  # a pixel a frame
            view = photo[:, x : x + 120]
        else:
            across, down = 120 - 2 * n // 2, 96 - round(0.8 * n)
            view = cv2.resize(photo[:down, :across], (120, 96), interpolation=cv2.INTER_LINEAR)
        frames.append(np.clip(np.rint(view), 0, 255).astype(np.uint8))
    assert not is_static(np.stack(frames)).static
