"""What is no rain is found in a frame, and rain, mist and noise are not taken for it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sequences import DEPTHS, HELD_OUT, STATIC, Spec, make_sequence, scene, streak_layer

from rainbench.clean_frame.objects.masks import object_masks

HEIGHT, WIDTH, FRAMES = 120, 180, 7
OF = {spec.name: spec for spec in STATIC + HELD_OUT}


def crossed(name, colour, *, seed=3, speed=1, across=9, tall=26):
    """A dry photograph in rain before which somebody of one colour walks; also the boxes."""
    spec = Spec("W", name, frames=FRAMES, noise=1.5, seed=seed, brightness=1.2)
    sequence = make_sequence(spec, HEIGHT, WIDTH)
    frames, boxes = sequence.frames.copy(), []
    for number, frame in enumerate(frames):
        left = 40 + speed * number
        box = np.s_[60 : 60 + tall, left : left + across]
        frame[box] = (0.15 * frame[box] + 0.85 * np.array(colour)).astype(np.uint8)
        boxes.append(box)
    return frames, sequence.truth.round().astype(np.uint8), boxes


@pytest.mark.parametrize("seed", [3, 4, 5])
@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("coffee", (25, 25, 30)),
        ("chelsea", (20, 30, 20)),
        ("brick", (250, 250, 250)),
        ("grass", (240, 240, 235)),
        ("brick", (200, 40, 40)),
        ("gravel", (40, 60, 190)),
        ("chelsea", (40, 160, 60)),
    ],
)
def test_a_walker_is_found_in_every_frame(name, colour, seed):
    frames, clean, boxes = crossed(name, colour, seed=seed)
    # Three frames tell a bright object, so the first and the last may leave it out.
    middle = slice(1, -1) if min(colour) > 200 else slice(None)
    masks = list(object_masks(frames, clean))[middle]
    for mask, box in zip(masks, boxes[middle], strict=True):
        assert mask[box].mean() > 0.8
        assert mask.mean() < 0.1


@pytest.mark.parametrize("size", [(80, 112), (240, 320)])
@pytest.mark.parametrize("name", sorted(OF))
def test_rain_is_no_object(name, size):
    sequence = make_sequence(replace(OF[name], frames=5), *size)
    clean = sequence.truth.round().astype(np.uint8)
    assert [float(mask.mean()) for mask in object_masks(sequence.frames, clean)] == [0] * 5


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_noise_is_no_object(noise):
    sequence = make_sequence(replace(OF["S01"], frames=3, noise=noise), HEIGHT, WIDTH)
    clean = sequence.truth.round().astype(np.uint8)
    assert not np.any(list(object_masks(sequence.frames, clean)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drifting_fog_is_no_object(seed):
    """Fog darkens what is brighter than it, and brightens the rest, softly."""
    rng = np.random.default_rng(seed)
    sharp = scene("coffee", HEIGHT, WIDTH)
    frames = []
    for _ in range(4):
        bank = cv2.resize(
            rng.uniform(0, 0.35, (3, 4)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
        )
        clear = 1 - np.clip(bank, 0, 1)[..., None]
        foggy = sharp * clear + 175 * (1 - clear) + rng.normal(0, 1.5, sharp.shape)
        frames.append(np.clip(foggy, 0, 255).round().astype(np.uint8))
    clean = sharp.round().astype(np.uint8)
    assert np.mean(list(object_masks(frames, clean))) == 0


def test_a_frame_a_little_aside_is_no_object():
    sharp = scene("astronaut", HEIGHT, WIDTH)
    move = np.float32([[1, 0, 0.2], [0, 1, -0.15]])
    moved = cv2.warpAffine(sharp, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    frame = np.clip(moved, 0, 255).round().astype(np.uint8)
    assert not np.any(list(object_masks([frame] * 3, sharp.round().astype(np.uint8))))


def test_large_pictures_are_shrunk_and_the_mask_is_not():
    clean = np.full((721, 963, 3), 130, np.uint8)
    frame = clean.copy()
    frame[300:420, 500:560] = 40
    (mask,) = object_masks([frame], clean)
    assert mask.shape == (721, 963) and mask[300:420, 500:560].all()
    assert mask.sum() < (120 + 2 * 33) * (60 + 2 * 33)


def test_one_frame_and_none():
    clean = np.full((40, 50, 3), 90, np.uint8)
    assert [mask.any() for mask in object_masks([clean], clean)] == [False]
    assert list(object_masks([], clean)) == []


def test_a_ghost_in_the_clean_frame_is_an_object_of_the_frames():
    """Who stood there for long darkens the clean frame: what is behind them shines, and lasts."""
    frames = [np.full((HEIGHT, WIDTH, 3), 140, np.uint8)] * 3
    clean = frames[0].copy()
    clean[50:70, 80:90] = 60
    assert list(object_masks(frames, clean))[1][50:70, 80:90].all()


def night(seed, lamps=(250, 200, 120)):
    """A dark street whose lamps, of one colour, light the rain near them; frames and clean."""
    rng = np.random.default_rng(seed)
    dark = scene("coffee", HEIGHT, WIDTH) * 0.06
    for x, y in rng.integers((10, 10), (WIDTH - 10, 50), (4, 2)).tolist():
        cv2.circle(dark, (x, y), 3, lamps, -1)
    clean = np.clip(dark + 0.6 * cv2.GaussianBlur(dark, (0, 0), 10), 0, 255)
    glow = np.clip(cv2.GaussianBlur(clean, (0, 0), 16) / 25, 0, 1)
    rain = make_sequence(Spec("N", "coffee", frames=FRAMES, seed=seed), HEIGHT, WIDTH)
    frames = []
    for frame in rain.frames:
        fallen = np.clip(frame.astype(float) - rain.truth, 0, None).mean(axis=2, keepdims=True)
        shown = clean + 1.5 * fallen * glow + rng.normal(0, 2, clean.shape)
        frames.append(np.clip(shown, 0, 255).round().astype(np.uint8))
    return frames, clean.round().astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lamps", [(250, 200, 120), (255, 140, 60), (150, 200, 255)])
def test_rain_at_night_has_the_colour_of_the_lamps(seed, lamps):
    frames, clean = night(seed, lamps)
    assert not np.any(list(object_masks(frames, clean)))


def test_what_has_another_colour_than_the_lamps_is_found_at_night():
    frames, clean = night(1)
    for frame in frames:
        frame[60:86, 40:49] = (20, 60, 110)
    assert all(mask[60:86, 40:49].mean() > 0.8 for mask in object_masks(frames, clean))


def snowfall(seed, speed, size):
    """Round flakes, near and far, that sink by a pixel or less a frame; frames and clean."""
    rng = np.random.default_rng(seed)
    clean = scene("coffee", HEIGHT, WIDTH)
    count = 110
    x, y, depth = (
        rng.uniform(0, WIDTH, count),
        rng.uniform(0, HEIGHT, count),
        rng.uniform(1, 3, count),
    )
    frames = []
    for _ in range(FRAMES):
        cover = np.zeros((HEIGHT, WIDTH), np.float32)
        for left, top, far in zip(x, y, depth, strict=True):
            place = (round(left * 16), round(top * 16))
            cv2.circle(cover, place, round(16 * size / far), 0.9, -1, shift=4)
        cover = cv2.GaussianBlur(cover, (0, 0), 0.8)[..., None]
        y, x = (y + speed / depth) % HEIGHT, x + rng.normal(0, 0.3, count)
        snowy = clean * (1 - cover) + 235 * cover + rng.normal(0, 1.5, clean.shape)
        frames.append(np.clip(snowy, 0, 255).round().astype(np.uint8))
    return frames, clean.round().astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("speed", [0.3, 1.0])
def test_flakes_that_hang_in_the_air_are_no_object(seed, speed):
    frames, clean = snowfall(seed, speed, 4)
    hidden = [mask.any() for mask in object_masks(frames, clean)]
    assert sum(hidden) <= 1


@pytest.mark.parametrize("colour", [(245, 245, 245), (30, 30, 35), (180, 50, 40)])
def test_a_walker_in_snow_is_found(colour):
    frames, clean = snowfall(1, 0.6, 4)
    for number, frame in enumerate(frames):
        frame[50:90, 60 + number : 76 + number] = colour
    masks = list(object_masks(frames, clean))[1:-1]
    assert all(mask[52:88, 68:76].mean() > 0.8 for mask in masks)


def rain_of_light(level, *, rain, seed=1, frames=8, size=(160, 240), depths=DEPTHS, sky=True):
    """Rain of one level over a photograph, whose upper third is a white sky; and the scene."""
    spec = Spec("W", "coffee", frames=frames, rain=rain, brightness=1.4, noise=1.5, seed=seed)
    rng = np.random.default_rng(seed)
    truth = scene("coffee", *size).copy()
    if sky:
        truth[: size[0] // 3] = 250
    layers = [list(streak_layer(rng, depth, spec, *size)) for depth in depths]
    frames = []
    for together in zip(*layers, strict=True):
        cover = np.clip(sum(together) / 255, 0, 1)[..., None]
        wet = truth + cover * (level - truth) + rng.normal(0, 1.5, truth.shape)
        frames.append(np.clip(wet, 0, 255).round().astype(np.uint8))
    return frames, truth.round().astype(np.uint8)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("level", [190, 215])
def test_rain_that_is_darker_than_a_white_sky_is_no_object(level, seed):
    frames, clean = rain_of_light(level, rain=1.0, seed=seed)
    assert not np.any(list(object_masks(frames, clean)))


@pytest.mark.parametrize("level", [40, 150, 200])
def test_a_walker_before_a_white_sky_is_found_in_rain(level):
    frames, clean = rain_of_light(215, rain=1.0)
    for number, frame in enumerate(frames):
        frame[10:40, 60 + 2 * number : 72 + 2 * number] = level
    masks = list(object_masks(frames, clean))
    for number, mask in list(enumerate(masks))[1:-1]:
        assert mask[10:40, 60 + 2 * number : 72 + 2 * number].mean() > 0.8
        assert mask.mean() < 0.1


@pytest.mark.parametrize(("rain", "seed", "size"), [(8, 4, (160, 240)), (12, 2, (240, 320))])
def test_streaks_that_meet_in_the_same_place_are_no_object(rain, seed, size):
    """Where many are wide, some lie in three frames one upon the other, and touch many others."""
    wide = {"depths": DEPTHS[:1], "sky": False}
    frames, clean = rain_of_light(250, rain=rain, seed=seed, size=size, **wide)
    assert not np.any(list(object_masks(frames, clean)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_white_walker_is_found_amid_many_streaks(seed):
    frames, clean = rain_of_light(250, rain=8.0, seed=seed, depths=DEPTHS[:1])
    for number, frame in enumerate(frames):
        frame[90:120, 60 + number : 74 + number] = 245
    for number, mask in list(enumerate(object_masks(frames, clean)))[1:-1]:
        assert mask[90:120, 60 + number : 74 + number].mean() > 0.8
