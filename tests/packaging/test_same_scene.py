"""Scenes known again by their thumbnails, and told from others."""

import cv2
import numpy as np
import pytest

from rainbench.packaging.same_scene import find_twins, thumbnail_of


def photograph(seed, height=120, width=180):
    """A street of sorts: sky, ground, and things of several sizes at random places."""
    random = np.random.default_rng(seed)
    image = np.empty((height, width, 3), np.float32)
    image[:] = np.linspace(190, 90, height)[:, None, None]
    for _ in range(60):
        x, y = random.integers(width), random.integers(height)
        w, h = random.integers(4, width // 4), random.integers(4, height // 4)
        image[y : y + h, x : x + w] = random.uniform(20, 230, 3)
    image = cv2.GaussianBlur(image, (0, 0), 0.8) + random.normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def found(**pictures):
    scenes = {name: [thumbnail_of(np.ascontiguousarray(it))] for name, it in pictures.items()}
    return {(twins.one, twins.other) for twins in find_twins(scenes)}


def bars(image, rows):
    framed = image.copy()
    framed[:rows] = framed[-rows:] = 16
    return framed


FORMS = {
    "mirrored": lambda it: it[:, ::-1],
    "grey": lambda it: it.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, 2),
    "red and blue exchanged": lambda it: it[..., ::-1],
    "square": lambda it: cv2.resize(it, (97, 97)),
    "brighter": lambda it: (255 * (it / 255) ** 0.6).astype(np.uint8),
    "misty": lambda it: (it * 0.3 + 150).astype(np.uint8),
    "a tenth cut off": lambda it: it[12:-12, 18:-18],
    "cut at one side": lambda it: it[:, :-18],
    "JPEG": lambda it: cv2.imdecode(cv2.imencode(".jpg", it, [1, 15])[1], 1),
    "behind bars": lambda it: bars(cv2.copyMakeBorder(it, 20, 20, 0, 0, 0), 20),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_scene_is_known_in_other_forms(form):
    for seed in range(5):
        scene = photograph(seed)
        assert found(a=scene, b=FORMS[form](scene), c=photograph(seed + 100)) == {("a", "b")}


def test_other_scenes_are_no_twins():
    scenes = {f"{seed:03d}": photograph(seed) for seed in range(150)}
    assert found(**scenes) == set()
    assert found(**{name: bars(scene, 18) for name, scene in scenes.items()}) == set()


def test_pictures_without_detail_are_like_none():
    random = np.random.default_rng(1)
    walls = {
        f"{n}": np.clip(random.normal(90 + 9 * n, 2, (80, 120, 3)), 0, 255).astype(np.uint8)
        for n in range(8)
    }
    assert found(black=np.zeros((50, 60, 3), np.uint8), **walls) == set()
    assert find_twins({}) == []


def test_scenes_of_one_source_do_not_count():
    scene = thumbnail_of(photograph(3))
    assert find_twins({"a": [scene, scene], "b": [thumbnail_of(photograph(4))]}) == []
    (twins,) = find_twins({"a": [thumbnail_of(photograph(4)), scene], "b": [scene]})
    assert (twins.one, twins.other) == ("a", "b") and twins.likeness > 0.99
