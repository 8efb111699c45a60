"""The estimate of the streaks that are left: it grows with known rain, scene by scene."""

import dataclasses

import cv2
import numpy as np
import pytest
from embedded import mini_pairs
from made_pictures import made_picture

from rainbench.metrics.quality.registry import METRICS, open_metrics
from rainbench.metrics.quality.streaks_left import streaks_left
from rainbench.rain.physical_streaks import (
    draw_physical_parameters,
    drop_light,
    make_physical_streaks,
)
from rainbench.rain.streaks import draw_parameters, make_streaks, screen

STRENGTHS = (0, 0.1, 0.2, 0.4, 0.6, 0.85)
SCENES = {
    **{f"photograph {number}": clean for number, _, clean in mini_pairs()},
    **{kind: made_picture(kind, 240, 320) for kind in ("plain", "colourful", "blurred")},
}


def over_strengths(clean, layer):
    return [
        streaks_left(screen(clean, np.rint(layer * strength).astype(np.uint8)))
        for strength in STRENGTHS
    ]


@pytest.mark.parametrize("scene", SCENES)
def test_it_grows_with_painted_streaks(scene):
    clean = SCENES[scene]
    drawn = dataclasses.replace(draw_parameters(None, scene, 1), opacity=1.0)
    found = over_strengths(clean, make_streaks(*clean.shape[:2], drawn, scene).layer)
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("scene", list(SCENES)[:4])
def test_it_grows_with_physical_streaks(scene):
    clean = SCENES[scene]
    drawn = draw_physical_parameters(100, scene, 1, light=drop_light(clean))
    drawn = dataclasses.replace(drawn, exaggerate=10)
    found = over_strengths(clean, make_physical_streaks(*clean.shape[:2], drawn, scene).layer)
    assert (np.diff(found) > 0).all()


def test_rain_that_lies_down_is_not_rain():
    clean = SCENES["plain"]
    layer = make_streaks(320, 240, draw_parameters(0.5, "turned"), "turned").layer
    assert streaks_left(screen(clean, np.ascontiguousarray(layer.T))) < streaks_left(clean)


def test_it_does_not_see_what_is_no_streak():
    clean = SCENES["plain"]
    assert streaks_left(np.zeros_like(clean)) == 0
    noisy = np.clip(clean + np.random.default_rng(0).integers(-9, 10, clean.shape), 0, 255)
    rained = screen(clean, make_streaks(240, 320, draw_parameters(0.5, "a"), "a").layer)
    more = streaks_left(rained) - streaks_left(clean)
    assert abs(streaks_left(noisy.astype(np.uint8)) - streaks_left(clean)) < more / 3
    assert abs(streaks_left(clean // 2) - streaks_left(clean)) < more / 2


def test_it_is_much_the_same_at_another_size():
    clean = SCENES["photograph 1"]
    rained = screen(clean, make_streaks(*clean.shape[:2], draw_parameters(0.5, "b"), "b").layer)
    larger = [
        cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        for image in (clean, rained)
    ]
    once, twice = (streaks_left(two) - streaks_left(one) for one, two in ((clean, rained), larger))
    assert twice == pytest.approx(once, rel=0.5) and twice > 0


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (5, 5), (2000, 3)])
def test_it_bears_any_size(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert np.isfinite(streaks_left(image))


def test_it_is_a_metric():
    (metric,) = open_metrics(["streaks-left"]).ready
    assert metric(SCENES["plain"], None) == streaks_left(SCENES["plain"])
    assert not METRICS["streaks-left"].full_reference
