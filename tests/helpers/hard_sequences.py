"""Rain sequences with a known truth that are hard for a clean-frame method, by kind.

`hard_sequence` makes one of a kind of `KINDS`; any kind may be followed by ``+crf28`` or another
quality, and then has gone through H.264, or by ``+jpeg75``, and is made of JPEG files. Names of
still objects are put together from a look, a time and the share of the frames
(``still-dark-last-40``, ``several-25``), also in ways that `KINDS` does not list. The same
arguments always give the same sequence.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

import hard_objects as objects
import hard_scenes as scenes
import numpy as np
import skimage.data
from hard_objects import LOOKS, TIMES
from hard_scenes import SCENES, Headlights, Lamp, Picture, RollingBands, Shadow, Still
from hard_stage import HardSequence, Stage, film
from hard_weather import as_jpegs, rain_layers, snow_layers, through_codec
from numpy.typing import NDArray
from sequences import Spec, fit_photo

SMALL, FULL = (120, 160), (320, 480)
"""Heights and widths: for tests, and for benchmarks."""

SHARES = (5, 10, 20, 25, 30, 35, 40, 45, 50)
"""Percent of the frames that something stands still for."""


def hard_sequence(
    kind: str,
    size: tuple[int, int] = SMALL,
    frames: int | None = None,
    seed: int = 1,
) -> HardSequence:
    """Make a sequence of a kind.

    Args:
        kind: One of `KINDS`, or another name of the same making.
        size: Height and width.
        frames: Number of frames; 100 if left out, 200 where rain is dense.
        seed: Chooses scene, rain, objects and noise.
    """
    plain, *added = kind.split("+")
    count = frames or (200 if plain == "dense-85" else 100)
    rng = np.random.default_rng([seed, zlib.crc32(plain.encode())])
    name = SCENES[(zlib.crc32(plain.encode()) + 5 * seed) % len(SCENES)]
    spec = Spec(plain, name, count, brightness=1.2, angle=rng.uniform(-15, 15))
    stage = Stage(rng, name, size, count, scenes.background(name, *size), spec)
    _set_up(stage, plain)
    stage.shot = "shot" in added
    stage.sharpening = 1.5 if "sharpened" in added else 0.0
    if "noiseless" in added:  # as if rendered
        stage.rain(noise=0)
        stage.truth = np.rint(stage.truth)
    sequence = film(kind, stage)
    for each in added:
        if each.startswith("crf"):
            sequence.frames[:] = through_codec(sequence.frames, int(each.removeprefix("crf")))
        elif each.startswith("jpeg"):
            sequence.frames[:] = as_jpegs(sequence.frames, int(each.removeprefix("jpeg")))
    return sequence


def _set_up(stage: Stage, kind: str) -> None:
    name, *rest = kind.split("-")
    rng, size, count = stage.rng, stage.size, stage.count
    if name == "still":
        look, when, share = rest
        stage.bodies.append(objects.standing(rng, look, float(share) / 100, when, size, count))
    elif name == "several":
        stage.bodies += objects.several(rng, float(rest[0]) / 100, size, count)
    elif name == "shifting":
        look, share = rest
        stage.bodies.append(objects.shifting(rng, look, float(share) / 100, size, count))
    elif name == "third":
        stage.bodies.append(objects.every_third(rng, rest[0], size, count))
    elif name == "shadow":
        stage.lamps.append(Shadow(count, float(rest[0]) / 100))
    elif name == "walker":
        look, share = rest
        stage.bodies.append(objects.pausing_walker(rng, size, count, float(share) / 100, look))
    elif name == "parked":
        stage.bodies.append(objects.parked_car(rng, size, count, float(rest[0]) / 100))
    elif name == "noise":
        stage.rain(noise=float(rest[0]))
    else:
        _SPECIAL[kind](stage)


def _unsteady(stage: Stage, parts: tuple[Still, Picture, NDArray[np.bool_]]) -> None:
    stage.still, stage.truth, stage.unsteady = parts


def _leaves(stage: Stage, calm: float) -> None:
    texture = scenes.leaf_texture(stage.rng, *stage.size)
    _unsteady(stage, scenes.swaying(stage.rng, stage.truth, texture, stage.count, calm=calm))


def _lettering(stage: Stage) -> None:
    page = np.repeat(skimage.data.page()[..., None], 3, -1)
    texture = fit_photo(page, *stage.size).astype(np.float32)
    _unsteady(stage, scenes.swaying(stage.rng, stage.truth, texture, stage.count, reach=2))


def _lamp(stage: Stage, levels: Iterable[float], *, everywhere: bool = False) -> None:
    part = None if everywhere else scenes.cone(stage.rng, *stage.size)
    stage.lamps.append(Lamp(np.asarray(levels, np.float64), part))
    # Light that a sensor cannot tell from white has no truth.
    stage.truth = np.minimum(stage.truth, 195)
    if part is not None:
        stage.unsteady = part[..., 0] > 0.02


def _swing(stage: Stage) -> NDArray[np.float64]:
    """A lamp on mains power seen at a rate that does not divide its own: 75 to 125 %."""
    start, rate = stage.rng.uniform(0, 6.3), stage.rng.uniform(0.3, 1.2)
    return 1 + 0.25 * np.sin(start + rate * np.arange(stage.count))


def _switch(stage: Stage) -> NDArray[np.float64]:
    """A lamp that is on for two fifths of the frames."""
    return 1 + 0.25 * objects.visit(0.4, "middle", stage.count)


def _steps(stage: Stage) -> NDArray[np.float64]:
    """An exposure that is set anew twice; for half of the frames it is right."""
    parts = np.array([1.18, 1.0, 1.0, 0.86])
    return parts[np.arange(stage.count) * 4 // stage.count]


def _wander(stage: Stage) -> NDArray[np.float64]:
    """A white balance that wanders to and fro as often as it pleases, red against blue."""
    start, times = stage.rng.uniform(0, 6.3), stage.rng.integers(1, 6)
    phase = start + 2 * np.pi * times * np.arange(stage.count) / stage.count
    return 1 + 0.04 * np.sin(phase)[:, None] * [1, 0, -1]


def _warmer(stage: Stage) -> NDArray[np.float64]:
    """A white balance that is set anew twice; for half of the frames it is right."""
    parts = np.array([[1.06, 1, 0.95], [1, 1, 1], [1, 1, 1], [0.97, 1, 1.06]])
    return parts[np.arange(stage.count) * 4 // stage.count]


def _camera(stage: Stage, degrees: NDArray[np.float64], pixels: NDArray[np.float64]) -> None:
    border = 12
    height, width = (side + 2 * border for side in stage.size)
    whole = scenes.background(stage.name, height, width)
    stage.truth = whole[border:-border, border:-border]
    stage.still = scenes.moved_camera(whole, border, degrees, pixels)
    stage.moves = True


def _rotation(stage: Stage) -> None:
    swing = np.sin(np.linspace(0, 4 * np.pi, stage.count))
    _camera(stage, 0.25 * swing, np.zeros((stage.count, 2)))


def _drift(stage: Stage) -> None:
    way = np.linspace(-1.15, 1.15, stage.count)[:, None] * [0.9, 0.45]
    _camera(stage, np.zeros(stage.count), way)


def _fog(stage: Stage) -> None:
    stage.truth = 0.4 * stage.truth + 0.6 * np.float32(200)
    stage.rain(brightness=0.5)


def _snow(stage: Stage) -> None:
    stage.layers = snow_layers
    stage.rain(brightness=1.0)


def _slow_motion(stage: Stage) -> None:
    stage.layers = lambda *given: rain_layers(*given, slower=40)


def _low_rate(stage: Stage) -> None:
    stage.repeat = 4


def _dark(stage: Stage) -> None:
    stage.truth = 2 + 0.16 * stage.truth
    stage.rain(rain=0.7, brightness=0.18)


def _clipped_sky(stage: Stage) -> None:
    height, width = stage.size
    rows = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    sky = np.clip(
        (rows - 0.55 + 0.05 * scenes.smooth_field(stage.rng, height, width, 40)) * 20, 0, 1
    )
    stage.truth = stage.truth + sky[..., None] * (268 - stage.truth)


def _headlights(stage: Stage) -> None:
    stage.truth = 0.25 * stage.truth
    stage.rain(brightness=0.4)
    stage.lamps.append(Headlights())


def _night(stage: Stage) -> None:
    """Dark enough for the noise to be cut off at black."""
    stage.truth = np.maximum(0.05 * stage.truth - 3, 0)
    stage.rain(rain=0.7, brightness=0.2)


def _overexposed(stage: Stage) -> None:
    """Bright enough for the noise to be cut off at white."""
    stage.truth = np.minimum(1.8 * stage.truth, 255)
    stage.rain(noise=3)


def _blizzard(stage: Stage) -> None:
    _snow(stage)
    stage.rain(rain=7.0)


def _blink(stage: Stage) -> NDArray[np.float64]:
    """Light that is on in two of five frames."""
    return np.where(np.arange(stage.count) % 5 < 2, 1.15, 1.0)


def _drops(stage: Stage) -> None:
    stage.drops += objects.lens_drops(stage.rng, stage.truth, stage.count)


_SPECIAL: dict[str, Callable[[Stage], object]] = {
    "plain": lambda stage: None,
    "heavy": lambda stage: stage.rain(rain=3.5, brightness=1.4),
    "dense-85": lambda stage: stage.rain(rain=11, brightness=0.9),
    "dark": _dark,
    "fog": _fog,
    "fogbanks": lambda stage: _unsteady(
        stage, scenes.fog_banks(stage.rng, stage.truth, stage.count)
    ),
    "snow": _snow,
    "slowmotion": _slow_motion,
    "lowrate": _low_rate,
    "leaves": lambda stage: _leaves(stage, 0.5),
    "leaves-windy": lambda stage: _leaves(stage, 0.0),
    "lettering": _lettering,
    "water": lambda stage: _unsteady(stage, scenes.water(stage.rng, stage.truth, stage.count)),
    "lamp-global": lambda stage: _lamp(stage, _swing(stage), everywhere=True),
    "lamp-local": lambda stage: _lamp(stage, _swing(stage)),
    "lamp-switched": lambda stage: _lamp(stage, _switch(stage)),
    "exposure-steps": lambda stage: _lamp(stage, _steps(stage), everywhere=True),
    "white-balance": lambda stage: _lamp(stage, _wander(stage), everywhere=True),
    "white-balance-steps": lambda stage: _lamp(stage, _warmer(stage), everywhere=True),
    "lamp-blinking": lambda stage: _lamp(stage, _blink(stage), everywhere=True),
    "lamp-blinking-local": lambda stage: _lamp(stage, _blink(stage)),
    "headlights": _headlights,
    "bands": lambda stage: stage.lamps.append(RollingBands()),
    "turns": lambda stage: stage.bodies.extend(
        objects.in_turn(stage.rng, stage.size, stage.count)
    ),
    "night": _night,
    "overexposed": _overexposed,
    "blizzard": _blizzard,
    "rotation": _rotation,
    "drift": _drift,
    "lensdrops": _drops,
    "clippedsky": _clipped_sky,
}  # fmt: skip

STILL = tuple(
    f"still-{look}-{TIMES[(row + column) % len(TIMES)]}-{share}"
    for column, share in enumerate(SHARES)
    for row, look in enumerate(LOOKS)
)
"""One thing that stands: each look for each share, each look at each time."""

KINDS = (
    *STILL,
    *(f"several-{share}" for share in SHARES),
    *("parked-30", "parked-40", "walker-dark-30", "walker-bright-45", "walker-textured-40"),
    "shifting-coloured-40",
    "shifting-dark-45",
    "shifting-textured-48",
    *("third-dark", "third-coloured"),
    "shadow-80",
    *_SPECIAL,
    *(f"noise-{deviation}" for deviation in (1, 2, 3, 4)),
    *(f"plain+crf{crf}" for crf in (17, 20, 23, 26, 28, 32, 36, 40)),
    *(f"plain+jpeg{quality}" for quality in (40, 75, 90)),
    *("heavy+jpeg75", "snow+jpeg85", "still-dark-last-40+jpeg75"),
    *("heavy+crf17", "heavy+crf28", "lowrate+crf23", "snow+crf23", "leaves+crf23"),
    *("still-bright-first-35+crf17", "still-dark-last-40+crf23", "several-30+crf23"),
    *("plain+sharpened", "snow+sharpened", "still-dark-last-40+sharpened"),
    *("plain+shot", "heavy+shot", "dense-85+shot", "snow+shot", "still-dark-last-40+shot"),
    *("lamp-local+shot", "leaves-windy+shot", "water+shot", "fogbanks+shot", "night+shot"),
)
"""Every kind that the tables show."""
