"""Light that falls on a part of the scene is no rain, and veils of rain and mist are no light."""

import cv2
import numpy as np
import pytest
from sequences import Spec, make_sequence, scene

from rainbench.clean_frame.objects.lights import look_for_light
from rainbench.clean_frame.objects.masks import object_masks

HEIGHT, WIDTH, FRAMES = 160, 240, 6
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
SCENES = ("coffee", "chelsea", "astronaut", "rocket")


def spot(row, column, tall, wide):
    return np.exp(-(((ROWS - row) / tall) ** 2) - ((COLUMNS - column) / wide) ** 2)[..., None]


def lamp(frame, number):
    return frame + 70 * spot(70, 110, 45, 60)


def shop(frame, number):
    return frame * (1 + spot(100, 170, 40, 50) * np.float32([0.5, 0.4, 0.25]))


def headlights(frame, number):
    glow = spot(110, 60 + 20 * number, 40, 55)
    return frame * (1 + 1.2 * glow) + 20 * glow


def shadow(frame, number):
    return frame * (1 - 0.45 * spot(60, 70, 50, 60))


def switched_off(frame, number):
    """A street lamp is on in the clean frame, and not here: a hard edge on one side."""
    return frame * np.where(COLUMNS > 120, 1 - 0.5 * spot(80, 120, 60, 70)[..., 0], 1)[..., None]


def rainy(name, seed, **how):
    spec = Spec("L", name, frames=FRAMES, noise=1.5, seed=seed, brightness=1.2, **how)
    sequence = make_sequence(spec, HEIGHT, WIDTH)
    return sequence.frames, sequence.truth.round().astype(np.uint8)


def shown(frame):
    return np.clip(frame, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("light", [lamp, shop, headlights, shadow, switched_off])
@pytest.mark.parametrize("name", SCENES)
def test_frames_lit_otherwise_are_told(name, light):
    frames, clean = rainy(name, 5)
    lit = [3, 4]
    film = [
        shown(light(frame.astype(np.float32), n)) if n in lit else frame
        for n, frame in enumerate(frames)
    ]
    masks = list(object_masks(film, clean))
    for number, mask in enumerate(masks):
        if number not in lit:
            if number not in (1, 2, 5):  # next to it, a hard edge may pass for a thing nearby
                assert not mask.any(), number
            continue
        change = light(clean.astype(np.float32), number).clip(0, 255).mean(axis=2) - clean.mean(
            axis=2
        )
        assert mask[np.abs(change) > 25].mean() > 0.9


def lit(frames, clean):
    """Which frames have a light of their own, with no regard to things before the scene."""
    planes = [cv2.blur(frame.astype(np.float32), (3, 3)).mean(axis=2) for frame in (clean, *frames)]
    return np.array([look_for_light(plane, planes[0]).found.any() for plane in planes[1:]])


@pytest.mark.parametrize("airlight", [150, 200, 250])
@pytest.mark.parametrize("name", SCENES)
def test_a_bank_of_mist_is_no_light(name, airlight):
    """It comes, or it is there in the clean frame and goes."""
    frames, clean = rainy(name, 6)
    for strength in (0.3, 0.6):
        clear = 1 - strength * spot(90, 130, 45, 70)
        film = [shown(frame * clear + airlight * (1 - clear)) for frame in frames]
        assert not lit(film, clean).any()
        assert not lit(frames, shown(clean * clear + airlight * (1 - clear))).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_gust_of_rain_is_no_light(seed):
    """A part of the picture has far more rain than the rest, fine and coarse."""
    rng = np.random.default_rng(seed)
    clean = scene(SCENES[seed], HEIGHT, WIDTH)
    gust = spot(80, 60 + 40 * seed, 60, 60)[..., 0]
    film = []
    for _ in range(FRAMES):
        rain = np.zeros((HEIGHT, WIDTH), np.float32)
        for length, density in ((5, 0.08), (9, 0.04), (17, 0.01)):
            drops = (rng.random(rain.shape) < density * gust).astype(np.float32)
            streak = np.zeros((length, 3), np.float32)
            streak[:, 1] = 1
            rain += cv2.filter2D(drops, -1, streak) * rng.uniform(0.08, 0.2)
        rain = np.clip(cv2.GaussianBlur(rain, (0, 0), 0.7), 0, 0.8)[..., None]
        film.append(shown(clean * (1 - rain) + 225 * rain + rng.normal(0, 1.5, clean.shape)))
    assert np.mean(list(object_masks(film, shown(clean)))) == 0


def test_pictures_of_a_few_blocks():
    clean = np.full((20, 30, 3), 90, np.uint8)
    assert not np.any(list(object_masks([clean + 40, clean], clean)))
