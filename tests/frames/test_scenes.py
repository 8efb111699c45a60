import numpy as np
import pytest
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
