"""What blinks or stands in one place hides the frames that show it, and no others near them."""

import numpy as np
import pytest
from sequences import Spec, make_sequence

from rainbench.clean_frame.objects.masks import object_masks

HEIGHT, WIDTH, FRAMES = 120, 180, 20
SIGN = np.s_[40:50, 70:100]


def rainy(name, seed):
    spec = Spec("B", name, frames=FRAMES, noise=1.5, seed=seed, brightness=1.2)
    sequence = make_sequence(spec, HEIGHT, WIDTH)
    return sequence.frames.copy(), sequence.truth


def blinking(name, colour, seed, period):
    """A sign of one colour behind the rain, lit in two frames of each period; which those are."""
    frames, scene = rainy(name, seed)
    lit = np.arange(FRAMES) % period < 2
    for number in np.flatnonzero(lit):
        frame = frames[number]
        rain = np.clip(frame[SIGN].astype(float) - scene[SIGN], 0, None).mean(axis=2, keepdims=True)
        frame[SIGN] = np.clip(np.array(colour) + 0.8 * rain, 0, 255).astype(np.uint8)
    return frames, scene.round().astype(np.uint8), lit


COLOURS = [(255, 70, 60), (60, 90, 255), (250, 235, 60), (90, 255, 110)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", ["coffee", "brick", "chelsea"])
def test_a_small_sign_that_blinks(name, colour, seed):
    frames, clean, lit = blinking(name, colour, seed, 5)
    hidden = np.array([mask.any() for mask in object_masks(frames, clean)])
    assert hidden[lit].all()
    assert (~hidden[~lit]).mean() > 0.7


def test_frames_from_which_a_parked_car_is_gone():
    frames, scene = rainy("coffee", 4)
    frames[5:12, 60:90, 40:100] = (30, 40, 60)
    hidden = [mask.any() for mask in object_masks(frames, scene.round().astype(np.uint8))]
    assert all(hidden[5:12])
    # Two frames away a single one is known that shows it, and it might have come from there.
    assert not any(hidden[:3] + hidden[4:5] + hidden[12:13] + hidden[14:])


def test_a_walker_is_near_where_they_cannot_be_told():
    """For a frame they look like the scene: the frames before and after tell where they are."""
    frames, scene = rainy("coffee", 5)
    clean = scene.round().astype(np.uint8)
    for number, frame in enumerate(frames):
        if number != 10:
            frame[60:86, 40 + 2 * number : 52 + 2 * number] = (25, 25, 30)
    masks = list(object_masks(frames, clean))
    assert masks[10][62:84, 60:72].mean() > 0.8
