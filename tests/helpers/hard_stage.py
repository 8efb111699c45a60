"""What a hard sequence is put together from, and how it is filmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from hard_objects import Body
from hard_scenes import Headlights, Lamp, Picture, RollingBands, Shadow, Still
from hard_weather import rain_layers
from numpy.typing import NDArray
from sequences import Spec

MARGIN = 6
"""Rows and columns at each edge that a moving camera does not always show."""


@dataclass(frozen=True, slots=True, eq=False)
class HardSequence:
    """A sequence of a kind.

    Attributes:
        kind: Its name.
        frames: ``(N, H, W, 3)`` uint8.
        truth: ``(H, W, 3)`` float32 in levels: the scene without rain and passers, at rest.
        objects: ``(N, H, W)``, where something that is not rain hides the scene.
        unsteady: ``(H, W)``, where the scene itself differs from the truth at times.
        rainy: ``(N, H, W)``, where rain brightens by more than a level.
        noise: Standard deviation of the sensor's noise in levels; of a kind with ``+shot`` at a
            level of 96.
        moves: Whether the camera moves, so that frames must be aligned first.
    """

    kind: str
    frames: NDArray[np.uint8]
    truth: NDArray[np.float32]
    objects: NDArray[np.bool_]
    unsteady: NDArray[np.bool_]
    rainy: NDArray[np.bool_]
    noise: float
    moves: bool

    @property
    def coverage(self) -> float:
        """Share of pixels and frames that rain brightens by more than a level."""
        return float(self.rainy.mean())

    @property
    def inside(self) -> tuple[slice, slice]:
        """The part of the picture that every frame shows."""
        edge = slice(MARGIN, -MARGIN) if self.moves else slice(None)
        return edge, edge


@dataclass(slots=True)
class Stage:
    """What a sequence is put together from; each kind changes some of it."""

    rng: np.random.Generator
    name: str
    size: tuple[int, int]
    count: int
    truth: Picture
    spec: Spec
    still: Still | None = None
    unsteady: NDArray[np.bool_] | None = None
    bodies: list[Body] = field(default_factory=list)
    drops: list[Body] = field(default_factory=list)
    lamps: list[Lamp | Shadow | Headlights | RollingBands] = field(default_factory=list)
    layers: Callable[..., Iterator[NDArray[np.float32]]] = rain_layers
    moves: bool = False
    repeat: int = 1
    shot: bool = False
    sharpening: float = 0.0

    def rain(self, **changes: float | str) -> None:
        """Change the rain or the noise, see `sequences.Spec`."""
        self.spec = replace(self.spec, **changes)


def film(kind: str, stage: Stage) -> HardSequence:
    """Put the frames together: scene, bodies, rain, light, drops on the lens, noise."""
    count, (height, width) = stage.count, stage.size
    frames = np.empty((count, height, width, 3), np.uint8)
    hidden, rainy = np.zeros((2, count, height, width), np.bool_)
    layers = stage.layers(stage.rng, stage.spec, stage.size)
    for n in range(0, count, stage.repeat):
        picture = np.array(stage.still(n) if stage.still else stage.truth, np.float32)
        for body in stage.bodies:
            body.paint(picture, hidden[n], n)
        rain = next(layers)
        rainy[n] = _wet(picture, rain, stage.spec.blend)
        for lamp in stage.lamps:
            picture = lamp.shine(picture, n)
        for drop in stage.drops:
            drop.paint(picture, hidden[n], n)
        noise = stage.rng.standard_normal(picture.shape, np.float32)
        if stage.shot:  # that of a camera: what photons do, and what its amplifier adds
            noise *= np.sqrt(0.4 + picture.clip(0, 255) / 160)
        picture += np.float32(stage.spec.noise) * noise
        picture = _sharpened(picture, stage.sharpening)
        frames[n] = np.rint(picture, out=picture).clip(0, 255)
        for shown in (frames, hidden, rainy):
            shown[n + 1 : n + stage.repeat] = shown[n]
    unsteady = stage.unsteady
    if unsteady is None:
        unsteady = np.zeros((height, width), np.bool_)
    truth = _sharpened(stage.truth, stage.sharpening).clip(0, 255)
    return HardSequence(kind, frames, truth, hidden, unsteady, rainy, stage.spec.noise, stage.moves)


def _sharpened(picture: Picture, amount: float) -> Picture:
    """Do what cameras do: add a part of what a blur takes."""
    import cv2

    if not amount:
        return picture
    return np.asarray(picture + amount * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2)))


def _wet(picture: Picture, rain: NDArray[np.float32], blend: str) -> NDArray[np.bool_]:
    """Let rain brighten a picture in place; return where it does by more than a level."""
    before = picture.mean(axis=-1)
    if blend == "screen":
        picture += (rain / 255).clip(0, 1)[..., None] * (250 - picture).clip(0)
    else:
        picture += rain[..., None]
    return picture.mean(axis=-1) - before > 1
