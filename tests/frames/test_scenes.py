import cv2
import numpy as np
import pytest
import skimage.data
from moving_sequences import moved, repeated, with_bus, with_snow
from sequences import HELD_OUT, STATIC, Spec, make_sequence

from rainbench.frames.scenes import CutFinder, find_scene_cuts

HEIGHT, WIDTH = 72, 96


def rainy(scene, frames=30, **options):
    return list(make_sequence(Spec("C", scene, frames=frames, **options), HEIGHT, WIDTH).frames)


@pytest.fixture(scope="module")
def clips():
    names = ("astronaut", "coffee", "chelsea", "rocket", "motorcycle", "ihc")
    return {name: rainy(name, rain=1.5) for name in names}


def test_cuts_are_found_to_the_frame(clips):
    frames = [frame for clip in clips.values() for frame in clip]
    assert find_scene_cuts(frames) == [30, 60, 90, 120, 150]


@pytest.mark.parametrize("length", [2, 3, 5, 8])
def test_short_scenes_and_short_ends(clips, length):
    first, short, last = clips["coffee"], clips["rocket"][:length], clips["chelsea"]
    assert find_scene_cuts(first + short) == [30]
    if length >= 5:
        assert find_scene_cuts(first + short + last) == [30, 30 + length]


@pytest.mark.parametrize("spec", [*STATIC[::2], *HELD_OUT[::3]], ids=lambda spec: spec.name)
def test_rain_alone_is_no_cut(spec):
    sequence = make_sequence(
        Spec(spec.name, spec.scene, 60, spec.rain, spec.brightness, spec.blend), HEIGHT, WIDTH
    )
    assert find_scene_cuts(sequence.frames) == []


def test_drift_and_shake_are_no_cuts():
    assert find_scene_cuts(rainy("chelsea", 80, drift=0.15)) == []
    assert find_scene_cuts(rainy("coffee", 60, shake=2.0)) == []


def test_flashes_and_lost_frames_are_no_cuts(clips):
    frames = list(clips["motorcycle"])
    frames[8] = np.zeros_like(frames[0])
    for n in (17, 18):
        frames[n] = np.clip(frames[n].astype(int) * 2 + 40, 0, 255).astype(np.uint8)
    assert find_scene_cuts(frames) == []


@pytest.mark.parametrize("length", [10, 25, 50])
def test_dissolves_part_the_scenes(length):
    old, new = rainy("astronaut", 100), rainy("coffee", 100)
    mixed = []
    for n in range(length):
        share = (n + 1) / (length + 1)
        mixed.append((old[40 + n] * (1 - share) + new[n] * share).astype(np.uint8))
    cuts = find_scene_cuts(old[:40] + mixed + new[length : length + 40])
    assert cuts
    assert 38 <= cuts[0] <= 40 + length
    assert cuts[-1] <= 40 + length + 24  # what follows is the new scene alone


def test_grey_thumbnails_do_as_well(clips):
    grey = [frame[::2, ::2, 1] for name in ("coffee", "ihc") for frame in clips[name]]
    assert find_scene_cuts(grey) == [30]


def test_cuts_are_reported_while_frames_arrive(clips):
    finder = CutFinder()
    frames = clips["coffee"] + clips["chelsea"]
    reported = [(n, cut) for n, frame in enumerate(frames) for cut in finder.add(frame)]
    assert [cut for _, cut in reported] == [30]
    assert reported[0][0] - 30 <= 5
    assert finder.finish() == []


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_frames(count, clips):
    assert find_scene_cuts(clips["coffee"][:count]) == []


def photo(name, count=40, **how):
    return moved(name, count, (144, 192), **how).frames


@pytest.mark.parametrize("flakes", [(40, 4.0), (60, 8.0), (25, 14.0)])
def test_big_slow_snow_is_no_cut(flakes):
    number, radius = flakes
    for name in ("coffee", "chelsea"):
        snowy = with_snow(photo(name, 60), number, radius, speed=radius / 4)
        assert find_scene_cuts(snowy) == []


@pytest.mark.parametrize("times", [2, 4, 6])
def test_a_slow_video_in_a_fast_file_has_no_cuts(times):
    frames = repeated(photo("astronaut", 20, rain=4.0), times, 0.3)
    assert find_scene_cuts(frames) == []


def test_a_hand_held_camera_and_a_pan_have_no_cuts():
    steps = np.cumsum(np.random.default_rng(5).normal(0, 1.2, (60, 2)), axis=0)
    held = moved("coffee", 60, (144, 192), shifts=np.clip(steps, -28, 28)).frames
    assert find_scene_cuts(held) == []
    pan = np.linspace(-30, 30, 40)[:, None] * np.array([1.0, 0.3])
    assert find_scene_cuts(moved("astronaut", 40, (144, 192), shifts=pan).frames) == []


def test_a_bus_is_no_cut():
    assert find_scene_cuts(with_bus(photo("chelsea", 60), 0.5, 0.3, 0.7)) == []


def test_steps_of_the_light_and_lightning_are_no_cuts():
    frames = photo("motorcycle", 60).astype(float)
    frames[20:] *= 0.5
    frames[40:] = frames[40:] * 1.5 + 20
    for first in (10, 30, 50):
        frames[first : first + 4] = frames[first : first + 4] * 2.5 + 60
    assert find_scene_cuts(np.clip(frames, 0, 255).astype(np.uint8)) == []


def test_similar_scenes_are_told_apart():
    """Mirrored, and another part of the same photograph: as bright and as colourful."""
    one = photo("coffee", 30, seed=1)
    assert find_scene_cuts([*one, *photo("coffee", 30, seed=2)[:, :, ::-1]]) == [30]
    assert find_scene_cuts([*one, *photo("cup", 30, seed=2)]) == [30]


def test_a_camera_that_is_moved_between_two_rests_has_two_scenes():
    shifts = np.zeros((60, 2))
    shifts[30:] = (14, 6)
    assert find_scene_cuts(moved("astronaut", 60, (144, 192), shifts=shifts).frames) == [30]


@pytest.mark.parametrize("length", [6, 15])
def test_a_fade_through_black_is_one_cut_and_a_black_out_none(length):
    one, two = photo("coffee", 60).astype(float), photo("rocket", 60).astype(float)
    ramp = np.linspace(1, 0, length)[:, None, None, None]
    black = np.zeros((5, *one.shape[1:]))
    out, back = one[30 : 30 + length] * ramp, two[:length] * ramp[::-1]
    (cut,) = find_scene_cuts(
        np.concatenate([one[:30], out, black, back, two[length:]]).astype(np.uint8)
    )
    assert 30 <= cut <= 35 + 2 * length
    again = one[:length] * ramp[::-1]
    same = np.concatenate([one[:30], out, black, again, one[length:]]).astype(np.uint8)
    assert find_scene_cuts(same) == []


@pytest.mark.parametrize("step", [2, 3])
def test_cuts_are_in_order_where_one_transition_follows_another(step):
    """A slit that runs over a photograph; a scene of frames 72 to 67 was made of this once."""
    slit = skimage.data.chelsea()[::step, ::step, 0]
    frames = [np.tile(slit[:, column], (24, 1)) for column in range(slit.shape[1])]
    cuts = find_scene_cuts(frames)
    assert len(cuts) > 3
    assert cuts == sorted(set(cuts))


def heavy(name, rain, seed=1, frames=40):
    spec = Spec("C", name, frames=frames, rain=rain, brightness=1.4, seed=seed)
    return list(make_sequence(spec, 144, 192).frames)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", ["rocket", "coffee"])
def test_steady_heavy_rain_has_no_cut_wherever_it_ends(name, seed):
    """Few frames have little in common with others of their scene, and fewer still less."""
    frames = heavy(name, 8, seed)
    assert [count for count in range(20, 41, 4) if find_scene_cuts(frames[:count])] == []


def test_heavy_rain_in_jpeg_pictures_has_no_cut():
    coded = [
        cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        for frame in heavy("rocket", 8)
    ]
    assert find_scene_cuts([cv2.imdecode(code, cv2.IMREAD_COLOR) for code in coded]) == []


@pytest.mark.parametrize("name", ["rocket", "coffee"])
def test_a_gust_is_no_cut_and_a_cut_in_it_is_one(name):
    calm, gust = heavy(name, 0.5, 9, 30), heavy(name, 8, 3, 20)
    assert find_scene_cuts([*calm, *gust, *calm]) == []
    assert find_scene_cuts([*calm, *gust, *heavy("chelsea", 8, 3, 20)]) == [50]
    assert find_scene_cuts([*gust, *heavy("chelsea", 8, 3, 4)]) == [20]
