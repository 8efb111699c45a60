"""Where two things may be the scene, frames that show what the clean frame shows are right."""

import numpy as np
import pytest
from sequences import Spec, make_sequence

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.objects.doubt import doubtful_regions, in_doubt

HEIGHT, WIDTH = 120, 180
BOX = np.s_[50:80, 60:120]


def film(name, seed=3, density=None):
    spec = Spec("D", name, frames=6, noise=1.5, seed=seed, brightness=1.2)
    sequence = make_sequence(spec, HEIGHT, WIDTH)
    uncertain = np.zeros((HEIGHT, WIDTH), bool)
    uncertain[BOX] = True
    return sequence.frames, sequence.truth.round().astype(np.uint8), uncertain


CARS = {
    "dark": lambda scene: np.full_like(scene, 30),
    "bright": lambda scene: np.full_like(scene, 230),
    "red": lambda scene: np.full_like(scene, (160, 40, 40)),
    "a little brighter": lambda scene: np.clip(scene.astype(int) + 12, 0, 255).astype(np.uint8),
    "half of it": lambda scene: np.concatenate([scene[:, :30], 0 * scene[:, 30:] + 60], axis=1),
}


@pytest.mark.parametrize("name", ["coffee", "chelsea", "brick", "rocket"])
@pytest.mark.parametrize("car", CARS)
def test_frames_that_show_the_other_thing_are_told(name, car):
    frames, clean, uncertain = film(name)
    regions = doubtful_regions(uncertain)
    for frame in frames:
        assert not in_doubt(frame, clean, regions).any()
        other = frame.copy()
        other[BOX] = CARS[car](frame[BOX])
        assert (in_doubt(other, clean, regions) == uncertain).all()


def test_a_clean_frame_of_two_things_is_in_doubt_in_all_frames():
    """The left half shows the one, the right half the other."""
    frames, clean, uncertain = film("coffee")
    regions = doubtful_regions(uncertain)
    mixed = clean.copy()
    mixed[50:80, 60:90] = 30
    for frame in frames:
        assert in_doubt(frame, mixed, regions).any()
        frame[BOX] = 30
        assert in_doubt(frame, mixed, regions).any()


def test_regions_are_judged_each_by_itself():
    frames, clean, uncertain = film("chelsea")
    uncertain[10:20, 10:30] = True
    frames[0][10:20, 10:30] = 20
    doubt = in_doubt(frames[0], clean, doubtful_regions(uncertain))
    assert doubt[10:20, 10:30].all() and doubt.sum() == 200
    assert doubtful_regions(np.zeros((5, 6), bool)) == ()


@pytest.mark.parametrize("frames", [12, 20, 30])
@pytest.mark.parametrize("name", ["coffee", "brick", "rocket"])
def test_rain_over_lone_pixels_is_no_thing(name, frames):
    """Of few frames, rain covers some pixels in half of them."""
    spec = Spec("D", name, frames=frames, noise=1.5, seed=3, brightness=1.2, rain=4.0)
    rain = make_sequence(spec, 160, 240).frames
    clean = extract_clean_frame(rain, "robust")
    assert not any(in_doubt(f, clean.image, doubtful_regions(clean.uncertain)).any() for f in rain)


@pytest.mark.parametrize(("size", "least"), [((240, 320), 12), ((480, 854), 48)])
def test_what_is_smaller_than_any_thing_is_none(size, least):
    uncertain = np.zeros(size, bool)
    uncertain[100, 100 : 100 + least - 1] = True
    assert not doubtful_regions(uncertain)
    uncertain[101, 100] = True
    assert [region.inside.sum() for region in doubtful_regions(uncertain)] == [least]
