"""Frames that repeat others: found at any rate, behind a codec, never where there are none."""

import numpy as np
import pytest
from hard_weather import through_codec
from moving_sequences import moved, with_bus

from rainbench.frames.repeats import Changes, find_new


def new_frames(frames):
    changes = Changes()
    for frame in frames:
        changes.add(frame)
    return find_new(changes.found)


def slowed(frames, distances):
    """Each frame as often as said, and which of the results are new."""
    numbers = np.repeat(np.arange(len(frames)), np.resize(distances, len(frames)))
    return frames[numbers], np.diff(numbers, prepend=-1) > 0


@pytest.fixture(scope="module", params=[1.0, 3.0])
def wet(request):
    return moved("coffee", 24, (120, 160), rain=request.param).frames


@pytest.mark.parametrize(
    "distances",
    [[2], [4], [15], [2, 3], [1, 1, 1, 2], [4, 3, 5, 4, 4, 3]],
    ids=lambda distances: "-".join(map(str, distances)),
)
def test_new_frames_are_found_at_any_rate(wet, distances):
    frames, new = slowed(wet, distances)
    assert (new_frames(frames) == new).all()


@pytest.mark.parametrize("crf", [17, 23, 30])
@pytest.mark.parametrize("distances", [[4], [2, 3]], ids=["4", "2-3"])
def test_new_frames_are_found_behind_a_codec(wet, distances, crf):
    frames, new = slowed(wet, distances)
    assert (new_frames(through_codec(frames, crf)) == new).all()


@pytest.mark.parametrize("crf", [None, 17, 28, 35])
def test_frames_of_a_usual_video_are_all_new(wet, crf):
    frames = wet if crf is None else through_codec(wet, crf)
    assert new_frames(frames).all()


@pytest.mark.parametrize("crf", [None, 23, 35, 40])
@pytest.mark.parametrize("passed", [False, True], ids=["empty", "a bus"])
def test_a_scene_that_rests_is_no_repeat(crf, passed):
    """Neither a codec's key frames nor a bus make the frames between them repeats."""
    frames = np.repeat(moved("astronaut", 1, rain=0, noise=0).frames, 100, axis=0)
    if passed:
        frames = with_bus(frames, 0.3, 0.4, 0.55)
    assert new_frames(frames if crf is None else through_codec(frames, crf)).all()


def test_noise_alone_makes_frames_new():
    frames = moved("coffee", 12, (120, 160), rain=0, noise=6.0).frames
    assert new_frames(frames).all()
    slow, new = slowed(frames, [3])
    assert (new_frames(slow) == new).all()


def test_a_picture_that_freezes_leaves_the_rest_alone(wet):
    frames = np.concatenate([wet[:12], np.repeat(wet[11:12], 20, axis=0), wet[12:]])
    assert new_frames(frames).all()


@pytest.mark.parametrize("crf", [None, 23])
@pytest.mark.parametrize("lit", [np.s_[:], np.s_[30:80, 40:120]], ids=["everywhere", "a sign"])
def test_light_that_blinks_does_not_make_repeats_of_rain(wet, lit, crf):
    frames = np.concatenate([wet, wet[::-1]]).copy()
    for n in range(len(frames)):
        if n % 5 < 2:
            frames[n][lit] = np.minimum(frames[n][lit] + 60.0, 255)
    assert new_frames(frames if crf is None else through_codec(frames, crf)).all()


def test_few_or_equal_frames_are_all_new():
    grey = np.full((9, 7, 3), 90, np.uint8)
    for count in (1, 2, 9, 40):
        assert new_frames([grey] * count).all()
    assert new_frames([grey, grey, grey + 90, grey + 90]).all()


def test_a_flash_and_a_cut_do_not_hide_the_rate(wet):
    frames, new = slowed(wet, [4])
    frames = frames.copy()
    frames[40:44] = 255
    frames[60:] = 255 - frames[60:]
    assert (new_frames(frames) == new).all()
