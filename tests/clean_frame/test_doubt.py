"""Where two things may be the scene, frames that show what the clean frame shows are right."""

import numpy as np
import pytest
from sequences import Spec, make_sequence

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
