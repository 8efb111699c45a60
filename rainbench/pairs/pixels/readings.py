"""Whether a restored picture scores far better read otherwise: as the rain, in other channels.

Such a picture has a number, but it is that of a mistake between two programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

LOOKED_AT = 3
"""Pictures that are looked at, and that all have to say the same."""

_MOST_PIXELS = 1 << 16
_CROP = 384

_BETTER, VIEW_BETTER, _MOVE_BETTER = 5.0, 1.0, 1.0
"""Gains in dB that no picture has which is what it should be. A change of levels may help one that
is too dark or in fog; other channels, directions and places help none."""

_BEYOND_INPUT, _BELOW_INPUT, _BEYOND_FLAT = 0.5, 1.0, 2.0
"""How much more than the rainy picture in dB a reading as rain scores at least, as what is nearly
black may be taken from any picture without harm; how much less any other reading at most; and how
much more than a single colour."""

_NOT_LINEAR = 2.0
"""How much more in dB than the best gain a curve has to bring, to be that curve."""

DOUBTFUL = "doubtful: "
"""How a remark begins that casts a doubt on a number."""

_HARM = 3.0
"""How far below the rainy picture in dB nobody wants to be."""

_LEAST_MOVE, _SAME_MOVE = 0.3, 0.35
_EVEN = 0.5 / 255
_MOST_PSNR = 100.0

Floats = NDArray[np.floating[Any]]

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_GAMMA = 2.2

RAIN = "the rain: the rainy picture minus it"
CHANGE = "the change: the rainy picture plus it"
EVEN = "of a single colour"

_LEVELS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    RAIN: lambda found, rainy: rainy - found,
    CHANGE: lambda found, rainy: rainy + found,
    "the rain about gray: the rainy picture minus it, and half of white added": (
        lambda found, rainy: rainy - (found - np.float32(0.5))
    ),
    "the rain in -1..1 as a picture: the rainy picture minus twice it, and white added": (
        lambda found, rainy: rainy - (2 * found - 1)
    ),
    "the negative: white minus it": lambda found, _: 1 - found,
    "a picture in -1..1: read so it": lambda found, _: (found + 1) / 2,
    "a picture in 0..1 where -1..1 was said: read so it": lambda found, _: 2 * found - 1,
    "a picture divided by 255 once too often: multiplied by it, it": lambda found, _: found * 255,
    "linear light: by a gamma of 2.2 it": lambda found, _: found.clip(0) ** (1 / _GAMMA),
    "a picture whose gamma was applied twice: without that it": (
        lambda found, _: found.clip(0) ** _GAMMA
    ),
    "normalised by ImageNet's mean and deviation: without that it": (
        lambda found, _: found * _DEVIATION + _MEAN
    ),
}  # fmt: skip
_OF_RAINY = tuple(name for name in _LEVELS if name.startswith(("the rain", "the change")))
_CURVES = tuple(name for name in _LEVELS if "gamma" in name)

_VIEWS: Mapping[str, Callable[[Floats], Floats]] = {
    "the scene with red and blue exchanged: turned back it": lambda found: found[..., ::-1],
    "the scene with red and green exchanged: turned back it": lambda found: found[..., [1, 0, 2]],
    "the scene with green and blue exchanged: turned back it": lambda found: found[..., [0, 2, 1]],
    "the scene in the channels green, blue, red: turned back it": lambda found: found[
        ..., [2, 0, 1]
    ],
    "the scene in the channels blue, red, green: turned back it": lambda found: found[
        ..., [1, 2, 0]
    ],
    "the scene mirrored: turned back it": lambda found: found[:, ::-1],
    "the scene upside down: turned back it": lambda found: found[::-1],
    "the scene turned by half: turned back it": lambda found: found[::-1, ::-1],
    "the scene with rows as columns: turned back it": lambda found: found.swapaxes(0, 1),
    "the scene turned by a quarter: turned back it": lambda found: np.rot90(found, 3),
    "the scene turned by three quarters: turned back it": np.rot90,
}
BGR = next(iter(_VIEWS))


@dataclass(frozen=True, slots=True)
class Look:
    """What other readings of one picture score.

    Attributes:
        psnr: What the picture scores as it is, in dB.
        others: What it scores otherwise, where that is far better, by the reading.
        move: How it is moved, in pixels to the right and down; None where it is not.
        moved: What it scores moved back.
        even: Whether it is of a single colour while the clean picture is not.
        of_rainy: What the rainy picture scores.
    """

    psnr: float
    others: Mapping[str, float]
    move: tuple[float, float] | None
    moved: float
    even: bool
    of_rainy: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """What several pictures look like, all of them.

    Attributes:
        what: A reading, a sentence begun.
        said: The whole sentence, of what the pictures look like and what that scores.
    """

    what: str
    said: str


def look(restored: Floats, rainy: Image, clean: Image) -> Look:
    """Score a restored picture under all readings.

    Args:
        restored: ``(H, W, 3)`` float32 RGB, nominally in [0, 1].
        rainy: ``(H, W, 3)`` uint8.
        clean: The same.
    """
    step = max(1, math.isqrt(clean.shape[0] * clean.shape[1] // _MOST_PIXELS))
    found = restored[::step, ::step]
    before, truth = (as_floats(each[::step, ::step]) for each in (rainy, clean))
    psnr, of_rainy = _psnr(found, truth), _psnr(before, truth)
    least = max(of_rainy - _BELOW_INPUT, _psnr(truth.mean((0, 1)), truth) + _BEYOND_FLAT)
    others = {}
    fitted = _psnr(_fitted(found, truth), truth)
    for name, read in _LEVELS.items():
        score = _psnr(read(found, before), truth)
        # What helps the rainy picture, too, as less light does in fog, says nothing of this one.
        usual = 0.0 if name in _OF_RAINY else _psnr(read(before, before), truth) - of_rainy
        needed = max(least, psnr + _BETTER + max(0.0, usual))
        if name in _OF_RAINY:
            needed = max(needed, of_rainy + _BEYOND_INPUT)
        if name in _CURVES:
            needed = max(needed, fitted + _NOT_LINEAR)
        if score >= needed:
            others[name] = score
    for name, turn in _VIEWS.items():
        if turn(found).shape != truth.shape:
            continue
        score, usual = _psnr(turn(found), truth), _psnr(turn(before), truth) - of_rainy
        if score >= max(least, psnr + VIEW_BETTER + max(0.0, usual)):
            others[name] = score
    move, moved = _move(restored, rainy, clean)
    even = bool(np.ptp(found, axis=(0, 1)).max() < _EVEN and np.ptp(truth) > 16 * _EVEN)
    return Look(psnr, others, move, moved, even, of_rainy)


def doubt(looks: Sequence[Look]) -> Doubt | None:
    """Return what pictures look like otherwise, where all of them say the same.

    Args:
        looks: Of each picture, at least one.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> clean = rng.integers(0, 200, (64, 64, 3)).astype(np.uint8)
        >>> rain = (rng.random((64, 64, 1)) < 0.1) * np.uint8(50)
        >>> seen = look((rain + 0 * clean).astype(np.float32) / 255, clean + rain, clean)
        >>> doubt([seen]).what
        'the rain: the rainy picture minus it'
    """
    count = len(looks)
    where = "" if count == 1 else f" (means of {count} pictures)"
    plain = _mean([each.psnr for each in looks])
    if all(each.even for each in looks):
        return Doubt(EVEN, f"pictures of a single colour, which score {plain:.1f} dB{where}")
    shared = [name for name in looks[0].others if all(name in each.others for each in looks)]
    scores = {name: _mean([each.others[name] for each in looks]) for name in shared}
    if scores:
        best = max(scores, key=scores.__getitem__)
        said = f"what looks like {best} scores {scores[best]:.1f} dB, and as it is {plain:.1f} dB"
        return Doubt(best, said + where)
    moves = [each.move for each in looks if each.move is not None]
    if len(moves) < count:
        return None
    mean = tuple(_mean([move[axis] for move in moves]) for axis in (0, 1))
    if any(math.dist(move, mean) > _SAME_MOVE for move in moves):
        return None
    moved = _mean([each.moved for each in looks])
    what = f"the scene moved by {mean[0]:+.1f} pixels to the right and {mean[1]:+.1f} down"
    said = f"{what}: moved back it scores {moved:.1f} dB, and as it is {plain:.1f} dB"
    return Doubt(what, said + where)


def harm(scores: Sequence[tuple[float, float]]) -> str:
    """Return what has to be said of pictures that are all far worse than the rainy ones.

    Args:
        scores: Of each picture its PSNR in dB, and the rainy one's.

    Example:
        >>> harm([(8.0, 22.0), (9.0, 25.0)])
        'doubtful: 15.0 dB below the rainy images themselves'
        >>> harm([(8.0, 22.0), (24.0, 25.0)])
        ''
    """
    if not scores or any(own > rainy - _HARM for own, rainy in scores):
        return ""
    below = _mean([rainy - own for own, rainy in scores])
    return f"{DOUBTFUL}{below:.1f} dB below the rainy images themselves"


def as_floats(image: Image) -> NDArray[np.float32]:
    """Return a picture in [0, 1]."""
    return image.astype(np.float32) / np.float32(255)


def psnr_of(restored: Floats, clean: Image) -> float:
    """Return the PSNR of a picture in [0, 1] over all of its values, in dB, 100 at most."""
    return _psnr(restored, as_floats(clean))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _psnr(found: Floats, truth: Floats) -> float:
    error = float(np.square(np.clip(found, 0, 1) - truth).mean(dtype=np.float64))
    return _MOST_PSNR if error <= 0 else min(_MOST_PSNR, -10 * math.log10(error))


def _fitted(found: Floats, truth: Floats) -> Floats:
    """Return a picture by the gain that brings it nearest to another one."""
    gain = float((found * truth).mean()) / max(float(np.square(found).mean()), 1e-9)
    return np.asarray(gain * found, np.float32)


def _move(restored: Floats, rainy: Image, clean: Image) -> tuple[tuple[float, float] | None, float]:
    """Return how a picture is moved against the clean one, and what it scores moved back."""
    import cv2

    rows, columns = (
        slice(max(0, (side - _CROP) // 2), max(0, (side - _CROP) // 2) + _CROP)
        for side in clean.shape[:2]
    )
    if min(clean[rows, columns].shape[:2]) < 32:
        return None, 0.0
    found = np.ascontiguousarray(np.clip(restored[rows, columns], 0, 1))
    before, truth = (as_floats(each[rows, columns]) for each in (rainy, clean))
    at_rest, moved_by = (_moved_by(each, truth) for each in (before, found))
    if math.dist(at_rest, moved_by) < _LEAST_MOVE:
        return None, 0.0
    inner = (slice(8, -8), slice(8, -8))
    back = np.array([[1, 0, moved_by[0]], [0, 1, moved_by[1]]], np.float32)
    size = found.shape[1::-1]
    home = cv2.warpAffine(found, back, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    score = _psnr(home[inner], truth[inner])
    least = max(
        _psnr(found[inner], truth[inner]) + _MOVE_BETTER,
        _psnr(before[inner], truth[inner]) - _BELOW_INPUT,
    )
    if score < least:
        return None, 0.0
    return moved_by, score


def _moved_by(found: Floats, truth: Floats) -> tuple[float, float]:
    """Return by how many pixels a picture is moved to the right and down, to a part of a pixel.

    By the slopes of smoothed pictures (Lucas and Kanade 1981), which rain moves to no side.
    """
    import cv2

    across = down = 0.0
    for width in (3.0, 1.5):
        back = np.array([[1, 0, across], [0, 1, down]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        here = cv2.warpAffine(
            found[..., 1], back, found.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        one, other = (cv2.GaussianBlur(each, (0, 0), width) for each in (here, truth[..., 1]))
        slope_down, slope_across = (each[8:-8, 8:-8] for each in np.gradient((one + other) / 2))
        gap = (other - one)[8:-8, 8:-8]
        gap = gap - gap.mean()
        system = np.array(
            [
                [(slope_across**2).sum(), (slope_across * slope_down).sum()],
                [(slope_across * slope_down).sum(), (slope_down**2).sum()],
            ],
            np.float64,
        )
        if np.linalg.cond(system) > 1e3:  # stripes tell one direction only, and one colour none
            return 0.0, 0.0
        step = np.linalg.solve(system, [(slope_across * gap).sum(), (slope_down * gap).sum()])
        across, down = across + float(step[0]), down + float(step[1])
    return across, down
