"""What is seen in a frame that is neither the scene nor rain: walkers, cars, umbrellas, lights.

Rain only adds light, light that is nearly grey, and falls in other places in every frame. So what
is darker than the scene, unless that is a bright sky, or of a hue that no mixture of the scene and
grey light has, is no rain; nor is what shines in one place for three frames, or is far thicker than
any streak. Mist and fog draw everything towards one level, evenly over large parts of the picture:
what such a veil over the clean frame explains is no object either. What no veil explains, though it
is as soft, is another light (`rainbench.clean_frame.objects.lights`).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.objects.gone import Seen, seen_or_near
from rainbench.clean_frame.objects.lights import Light, lit_like, look_for_light
from rainbench.core.images import Image

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Item = TypeVar("Item")

LARGEST_SIDE = 360
"""Pixels of the shorter side, beyond which pictures are shrunk first: objects are large."""

LEAST_CONTRAST = 8.0
"""Levels, of means over 3x3 pixels, by which an object is darker than the scene at least."""

PALE = 186.0
"""Level from which what is darker than the scene may be rain before a bright sky: drops show light
from all around, of which a white sky is half (Garg and Nayar 2007); that is this level."""

LEAST_HUE = 14.0
"""Levels by which its colour lies beside mixtures of the scene's and grey: codecs shift less."""

LEAST_BRIGHTNESS = 24.0
"""Levels by which it outshines the scene, where that is what tells it: rain does so everywhere."""

NOISE_REACH = 3.0
"""Standard deviations of the noise by which it must differ, too: larger regions than single pixels
never do that by chance."""

EDGE_REACH = 0.3
"""Pixels by which a frame may lie beside the clean frame: edges differ by that much slope."""

THICKNESS = {3: 5, 2: 11}
"""Pixels of the disc that a bright object covers in so many frames, one after the other: all of 18
sequences of sparse to dense rain stayed below it."""

CELLS, FEWEST_CELLS = 4, 8
"""Cells of the picture on a side, and those in which there are bright spots as thick as one, by
which it is known for one of many flakes."""

ALIKE = 0.6
"""Share of its thickness that such a spot has at least: flakes are near and far."""

VERY_THICK, LEAST_VERY_THICK = 1 / 8, 21
"""Share of the shorter side, and pixels, of the disc that tells it in a single frame."""

LEAST_PIXELS = 12
"""Pixels, once shrunk, that an object fills at least; a person far away has twice as many."""

TRACE = 0.5
"""Share of all these levels by which there is a trace of something."""

VEIL = 4
"""How much smaller than the picture the window is within which a veil is taken to be even."""

THICKEST_VEIL = 0.5
"""Share of the light of the scene that a veil lets through at least: one that hides more would
explain whatever is there."""

MEMORY = 2
"""Frames before and after in which an object seen counts, too: it is somewhere near in between."""

RIM = 1 / 25
"""Share of the shorter side by which what was found is widened: parts of a person look like the
scene behind them."""

CLIPPED = 245.0
"""Level of a channel from which rain over it shifts hues: channels come nearer to each other."""

_COLOURS = np.array(
    [[1 / 3, 1 / 3, 1 / 3], [0.5**0.5, -(0.5**0.5), 0], [6**-0.5, 6**-0.5, -2 * 6**-0.5]],
    np.float32,
)
"""From red, green and blue to their mean, and to two lengths across it at right angles."""

_PAIRS = ((1.0, 0.0), (0.5, 0.75**0.5), (-0.5, 0.75**0.5))
"""From these lengths to red less green, red less blue, green less blue, each of length 1."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What one frame says: what is certainly no rain, what rain may be, another light."""

    sure: Mask
    excess: Plane
    trace: Mask
    light: Light


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found in one frame: things, which are near in the next frames, and other light."""

    things: Seen
    light: Light


def object_masks(frames: Iterable[Image], clean: Image) -> Iterator[Mask]:
    """Say for each frame where something that is neither rain nor the scene is seen.

    Args:
        frames: ``(H, W, 3)`` uint8 each, as filmed one after the other, each as it matches the
            clean frame; a few are read ahead.
        clean: ``(H, W, 3)`` uint8, the clean frame.

    Yields:
        ``(H, W)`` bool for each frame: connected regions with a rim of a few pixels.

    Example:
        >>> clean = np.full((60, 80, 3), 120, np.uint8)
        >>> frame = clean.copy()
        >>> frame[:, 20:24] += 90  # a streak
        >>> next(object_masks([frame], clean)).any()
        np.False_
        >>> frame[20:40, 50:58] = 60  # somebody
        >>> mask = next(object_masks([frame], clean))
        >>> bool(mask[20:40, 50:58].all()), bool(mask[:, :40].any())
        (True, False)
    """
    height, width = clean.shape[:2]
    factor = shrinking(height, width)
    scene = _colours(clean, factor)
    slack = EDGE_REACH * _slope(scene[0])
    around = _light_around(scene)
    looked = (_look(_colours(frame, factor), scene, slack, around) for frame in frames)
    found = (_join(*three) for three in _around(looked, 1))
    for near in _around(found, MEMORY):
        seen = near[MEMORY]
        assert seen is not None
        known = [each for each in near if each is not None]
        there = seen_or_near(seen.things, [each.things for each in known])
        lit = lit_like(seen.light, (each.light for each in known), there.shape)
        yield _full_size(there | lit, height, width)


def shrinking(height: int, width: int) -> int:
    """Return how many times smaller a picture is looked at.

    Example:
        >>> shrinking(360, 640), shrinking(480, 854)
        (1, 2)
    """
    return -(-min(height, width) // LARGEST_SIDE)


def _around(items: Iterable[Item], reach: int) -> Iterator[list[Item | None]]:
    """Yield each item amid as many before and after it; None stands where there are none.

    Example:
        >>> list(_around("ab", 1))
        [[None, 'a', 'b'], ['a', 'b', None]]
    """
    nothing: list[Item | None] = [None] * reach
    window: deque[Item | None] = deque(nothing, maxlen=2 * reach + 1)
    for item in itertools.chain(items, nothing):
        window.append(item)
        if len(window) == 2 * reach + 1:
            yield list(window)


def _colours(image: Image, factor: int) -> tuple[Plane, ...]:
    """Return mean, two differences and largest of the channels, smoothed, shrunk by a factor."""
    import cv2

    height, width = image.shape[:2]
    if factor > 1:
        size = (max(1, width // factor), max(1, height // factor))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    smooth = cv2.blur(image.astype(np.float32), (3, 3))
    planes = cv2.split(cv2.transform(smooth, _COLOURS))
    red, green, blue = cv2.split(smooth)
    brightest = cv2.max(cv2.max(red, green), blue)
    return tuple(np.asarray(plane, np.float32) for plane in (*planes, brightest))


def _look(
    seen: tuple[Plane, ...], scene: tuple[Plane, ...], slack: Plane, around: tuple[Plane, Plane]
) -> _Evidence:
    light, below = seen[0], scene[0]
    slack = slack + NOISE_REACH * _noise(light - below)
    veiled = _veiled(light, below)
    dark = np.minimum(veiled, below) - light - slack
    hue = _hue(seen, scene, around)
    clipped = seen[3] >= CLIPPED
    if clipped.any():
        hue = np.where(clipped, _apart(seen, scene, around), hue)
    hue -= slack
    excess = light - np.maximum(veiled, below) - slack
    pale = light >= PALE
    np.maximum(excess, LEAST_BRIGHTNESS / LEAST_CONTRAST * dark, out=excess, where=pale)
    dark[pale] = 0  # tells as much as brightness does
    sure = _opened((dark > LEAST_CONTRAST) | (hue > LEAST_HUE), 3)
    trace = (dark > TRACE * LEAST_CONTRAST) | (hue > TRACE * LEAST_HUE)
    return _Evidence(sure, excess, trace, look_for_light(light, below))


def _join(before: _Evidence | None, now: _Evidence | None, after: _Evidence | None) -> _Found:
    """Return what there is in a frame, in the shrunk size."""
    assert now is not None
    very = max(LEAST_VERY_THICK, round(VERY_THICK * min(now.excess.shape)))
    found = now.sure | _opened(now.excess > LEAST_BRIGHTNESS, very)
    steady = np.zeros_like(found)
    lasting = [np.minimum(each.excess, now.excess) for each in (before, after) if each is not None]
    for plane in lasting:
        steady |= _opened(plane > LEAST_BRIGHTNESS, THICKNESS[2])
    if len(lasting) == 2:
        steady |= _opened(np.minimum(*lasting) > LEAST_BRIGHTNESS, THICKNESS[3])
    found |= _without_flakes(steady, now.excess > LEAST_BRIGHTNESS)
    bright = now.excess > TRACE * LEAST_BRIGHTNESS
    return _Found(Seen(found, _grown(found), now.trace, bright), now.light)


def _without_flakes(steady: Mask, bright: Mask) -> Mask:
    """Leave out what is bright for some frames, but one of many alike all over the picture.

    These are flakes that fall slowly, and streaks that are so many that they meet by chance.

    Args:
        steady: What is bright for some frames.
        bright: What is bright in this frame.
    """
    import cv2

    if not steady.any():
        return steady
    spots = cv2.copyMakeBorder(_opened(bright, 3).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    thick = np.asarray(cv2.distanceTransform(spots, cv2.DIST_L2, 3), np.float32)[1:-1, 1:-1]
    rows, columns = (np.arange(n) * CELLS // n for n in bright.shape)
    cells = rows[:, None] * CELLS + columns
    most = np.zeros(CELLS**2, np.float32)
    np.maximum.at(most, cells, thick)
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(steady.view(np.uint8))
    kept = steady.copy()
    for label in range(1, number):
        left, top, width, height = boxes[label, :4].tolist()
        place = np.s_[top : top + height, left : left + width]
        region = labels[place] == label
        # Streaks that touch each other are as thick as the one that falls there.
        if np.count_nonzero(most >= ALIKE * thick[place][region].max()) >= FEWEST_CELLS:
            kept[place] &= ~region
    return kept


def _veiled(light: Plane, scene: Plane) -> Plane:
    """Return the scene as an even veil around each pixel would show it: the best ``a J + b``."""
    import cv2

    height, width = scene.shape
    small = (max(8, width // 4), max(8, height // 4))
    shrunk, below = (
        cv2.resize(image, small, interpolation=cv2.INTER_AREA) for image in (light, scene)
    )
    side = max(5, min(small) // VEIL * 2 + 1)

    def mean(values: Plane) -> Plane:
        return np.asarray(cv2.blur(values, (side, side)), np.float32)

    means, mean_below = mean(shrunk), mean(below)
    spread = np.maximum(mean(below * below) - mean_below**2, 1.0)
    clear = np.clip((mean(shrunk * below) - means * mean_below) / spread, THICKEST_VEIL, 1)
    added = means - clear * mean_below
    clear, added = (cv2.resize(plane, (width, height)) for plane in (clear, added))
    veiled: Plane = clear * scene + added
    return veiled


def _slope(light: Plane) -> Plane:
    """Return the steepness of a picture in levels a pixel, the largest of the neighbourhood."""
    import cv2

    across, down = (cv2.Sobel(light, cv2.CV_32F, x, 1 - x, scale=1 / 8) for x in (1, 0))
    steepest: Plane = np.asarray(cv2.dilate(cv2.magnitude(across, down), _disc(3)), np.float32)
    return steepest


def _noise(change: Plane) -> float:
    """Return the standard deviation of the noise, of what is darker than the scene: no rain."""
    some = change[::2, ::2]
    darker = -some[some <= 0]
    return float(np.median(darker) / 0.6745) if darker.size else 0.0


def _light_around(scene: tuple[Plane, ...]) -> tuple[Plane, Plane]:
    """Return the colour of the light around each pixel: two lengths a level of brightness."""
    import cv2

    light, one, other, _ = scene
    side = max(5, min(light.shape) // VEIL * 2 + 1)
    mean, *colour = (cv2.blur(plane, (side, side)) for plane in (light, one, other))
    first, second = (np.asarray(plane / np.maximum(mean, 1), np.float32) for plane in colour)
    return first, second


def _hue(seen: tuple[Plane, ...], scene: tuple[Plane, ...], around: tuple[Plane, Plane]) -> Plane:
    """Return how far a colour lies beside the mixtures of the scene's own and grey, in levels.

    What is brighter than the scene may have the colour of the light around, as rain has at night.
    """
    import cv2

    light, one, other, _ = seen
    below, own_one, own_other, _ = scene
    part = one * own_one + other * own_other
    part /= np.maximum(own_one * own_one + own_other * own_other, 1.0)
    np.clip(part, 0, 1, out=part)
    away = one - part * own_one, other - part * own_other
    lit = away[0] * around[0] + away[1] * around[1]
    lit /= np.maximum(around[0] * around[0] + around[1] * around[1], 1e-6)
    np.clip(lit, 0, np.maximum(light - below, 0), out=lit)
    rest = away[0] - lit * around[0], away[1] - lit * around[1]
    return np.asarray(cv2.magnitude(*rest), np.float32)


def _apart(seen: tuple[Plane, ...], scene: tuple[Plane, ...], around: tuple[Plane, Plane]) -> Plane:
    """Return how much farther apart two channels are than in the scene, in levels of `_hue`."""
    added = np.maximum(seen[0] - scene[0], 0)
    farthest: Plane = np.zeros_like(added)
    for across, along in _PAIRS:
        apart, own, lit = (
            across * one + along * other for one, other in (seen[1:3], scene[1:3], around)
        )
        lit = lit * added
        np.maximum(farthest, apart - np.maximum(own, 0) - np.maximum(lit, 0), out=farthest)
        np.maximum(farthest, np.minimum(own, 0) + np.minimum(lit, 0) - apart, out=farthest)
    return farthest


def _disc(side: int) -> NDArray[np.uint8]:
    import cv2

    side |= 1  # odd: a disc has a middle
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _opened(found: Mask, side: int) -> Mask:
    import cv2

    seen = found.view(np.uint8)
    # Where not even a square within the disc fits, as in rain, the disc does not: a quick look.
    square = np.ones(((int(side / 2**0.5) - 1) | 1,) * 2, np.uint8)
    if not np.asarray(cv2.erode(seen, square)).any():
        return np.zeros_like(found)
    opened = cv2.morphologyEx(seen, cv2.MORPH_OPEN, _disc(side))
    return np.asarray(opened, np.uint8).view(np.bool_)


def _grown(found: Mask) -> Mask:
    """Close gaps, leave out what is too small, and add the rim."""
    import cv2

    if not found.any():
        return found
    rim = _disc(2 * max(3, round(RIM * min(found.shape))))
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, rim)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    large = facts[:, cv2.CC_STAT_AREA] >= LEAST_PIXELS
    large[0] = False
    kept = large[labels].astype(np.uint8)
    return np.asarray(cv2.dilate(kept, rim), np.uint8).astype(bool)


def _full_size(mask: Mask, height: int, width: int) -> Mask:
    import cv2

    if mask.shape == (height, width):
        return mask
    large = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large, np.uint8).astype(bool)
