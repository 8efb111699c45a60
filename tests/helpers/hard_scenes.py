"""What stands behind the rain of hard sequences: scenes, moving textures, light, the camera.

A moving part is a function of the number of the frame; its truth is said where it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from sequences import fit_photo, scene

Picture = NDArray[np.float32]
Still = Callable[[int], Picture]
"""The scene at one frame, dry and without noise, ``(H, W, 3)`` in levels."""

SCENES = (
    "astronaut", "coffee", "chelsea", "rocket", "motorcycle", "retina", "gravel", "cat-left",
    "engine", "brick", "cup", "suit", "coins", "tower", "facade", "hills", "posters",
)  # fmt: skip
"""Photographs that scikit-image brings along, and three drawn scenes."""


def background(name: str, height: int, width: int) -> Picture:
    """A scene ``(H, W, 3)`` in levels: a photograph, or a drawn one."""
    drawn = {"facade": _facade, "hills": _hills, "posters": _posters}
    if name in drawn:
        return drawn[name](height, width)
    return scene(name, height, width).astype(np.float32)


def smooth_field(rng: np.random.Generator, height: int, width: int, scale: float) -> Picture:
    """A random field ``(H, W)`` of mean 0 and deviation 1 without detail finer than a scale."""
    small = (max(2, round(height / scale) + 2), max(2, round(width / scale) + 2))
    field = cv2.resize(
        rng.standard_normal(small, np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def _facade(height: int, width: int) -> Picture:
    """A house front: dark windows with bright frames in a wall of even colour."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = x / width * 7 % 1, y / height * 4 % 1
    window = (np.abs(u - 0.5) < 0.28) & (np.abs(v - 0.5) < 0.34)
    frame = (np.abs(u - 0.5) < 0.34) & (np.abs(v - 0.5) < 0.40) & ~window
    wall = np.stack([150 + 30 * y / height, 120 + 20 * x / width, 95 + 0 * x], -1)
    wall[window] = (40, 48, 60)
    wall[frame] = (215, 212, 205)
    return wall


def _hills(height: int, width: int) -> Picture:
    """Smooth slopes under an even sky: nothing for an eye, or an alignment, to hold on to."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / height
    picture = np.stack([150 + 40 * y, 175 + 20 * y, 205 + 0 * y], -1)
    for depth, colour in enumerate(((110, 130, 140), (80, 110, 80), (60, 90, 45))):
        ridge = 0.45 + 0.18 * depth + 0.07 * np.sin((3 - depth) * x * 2.2 + depth)
        cover = np.clip((y - ridge) * height + 0.5, 0, 1)[..., None]
        picture = picture * (1 - cover) + np.float32(colour) * cover
    return picture


def _posters(height: int, width: int) -> Picture:
    """Plain sheets of saturated colour side by side, with lettering."""
    rng = np.random.default_rng(5)
    picture = np.empty((height, width, 3), np.float32)
    for top in range(3):
        for left in range(4):
            place = np.s_[
                top * height // 3 : (top + 1) * height // 3,
                left * width // 4 : (left + 1) * width // 4,
            ]
            picture[place] = rng.integers(20, 235, 3)
    ink = fit_photo(np.repeat(skimage.data.page()[..., None], 3, -1), height, width) < 110
    picture[ink] *= np.float32(0.5)
    return picture


def leaf_texture(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Leaves of many greens with dark gaps between them."""
    fine, coarse = smooth_field(rng, height, width, 4), smooth_field(rng, height, width, 11)
    light = np.clip(90 + 45 * np.tanh(2 * fine) + 25 * coarse, 8, 230)[..., None]
    return light * np.float32([0.75, 1.0, 0.45])


def swaying(
    rng: np.random.Generator,
    picture: Picture,
    texture: Picture,
    count: int,
    *,
    share: float = 0.25,
    reach: float = 3.0,
    calm: float = 0.5,
) -> tuple[Still, Picture, NDArray[np.bool_]]:
    """A texture over a share of the picture that sways in gusts.

    Args:
        rng: Where randomness comes from.
        picture: What stands behind it.
        texture: What sways.
        count: Number of frames.
        share: Share of the picture that it covers.
        reach: Largest way from its rest, in pixels.
        calm: Share of the frames in which it rests.

    Returns:
        The scene over time, the truth (everything at rest), and where it sways.
    """
    height, width = picture.shape[:2]
    field = smooth_field(rng, height, width, height / 3)
    edge = float(np.quantile(field, 1 - share))
    cover = np.clip((field - edge) * height / 8 + 0.5, 0, 1).astype(np.float32)
    phases = [3 * smooth_field(rng, height, width, height / 5) for _ in range(2)]
    rates = rng.uniform(0.5, 1.1, 2)
    start = rng.uniform(0, 6)
    wind = np.ones(count)
    if calm:
        gusts = np.sin(np.linspace(0, 6 * np.pi, count) + start)
        wind = np.maximum(0, gusts - np.quantile(gusts, calm))
    wind = reach * wind / max(float(wind.max()), 1e-6)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    layer = np.concatenate([texture, cover[..., None]], -1).astype(np.float32)

    def still(n: int) -> Picture:
        moved = layer
        if wind[n] > 0:
            dx, dy = (
                np.float32(wind[n]) * np.sin(np.float32(rate * n) + phase)
                for rate, phase in zip(rates, phases, strict=True)
            )
            moved = cv2.remap(
                layer, x + dx, y + dy / 2, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            )
        return picture * (1 - moved[..., 3:]) + moved[..., :3] * moved[..., 3:]

    rest = picture * (1 - layer[..., 3:]) + layer[..., :3] * layer[..., 3:]
    reached = cv2.dilate(cover, np.ones((2 * round(reach) + 3,) * 2, np.uint8)) > 0.005
    return still, rest, reached


def water(
    rng: np.random.Generator, picture: Picture, count: int, share: float = 0.4
) -> tuple[Still, Picture, NDArray[np.bool_]]:
    """A surface with travelling waves in the lower part; its truth is the mean over the frames."""
    height, width = picture.shape[:2]
    top = round((1 - share) * height)
    rows = height - top
    mirror = cv2.resize(picture[top - min(top, rows) : top][::-1], (width, rows))
    y, x = np.mgrid[:rows, :width].astype(np.float32)
    near = 0.25 + 0.75 * y / rows
    waves = []
    for _ in range(6):
        angle, length = rng.uniform(-0.5, 0.5), rng.uniform(7, 22)
        way = (y * np.cos(angle) + 0.4 * x * np.sin(angle)) / (length * near)
        waves.append((2 * np.pi * way, rng.uniform(0.5, 1.2)))

    def surface(n: int) -> Picture:
        swell = sum(np.sin(phase + np.float32(rate * n)) for phase, rate in waves) / 3
        light = 14 * swell + 60 * np.clip(swell - 0.8, 0, None)
        return np.clip(0.5 * mirror + np.float32([38, 52, 60]) + light[..., None], 0, 255)

    mean = sum(surface(n) for n in range(count)) / np.float32(count)
    truth = np.concatenate([picture[:top], mean]).astype(np.float32)
    where = np.zeros((height, width), np.bool_)
    where[top:] = True
    return lambda n: np.concatenate([picture[:top], surface(n)]), truth, where


def fog_banks(
    rng: np.random.Generator, picture: Picture, count: int
) -> tuple[Still, Picture, NDArray[np.bool_]]:
    """Mist that drifts past, thicker and thinner; its truth is the mean over the frames."""
    height, width = picture.shape[:2]
    field = smooth_field(rng, height, 2 * width, height / 2)
    speed = width / max(1, count - 1)

    def still(n: int) -> Picture:
        start = round(speed * n)
        veil = np.clip(0.3 + 0.1 * field[:, start : start + width], 0, 1)[..., None]
        return picture * (1 - veil) + 205 * veil

    truth = sum(still(n) for n in range(count)) / np.float32(count)
    return still, truth, np.ones((height, width), np.bool_)


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow with a soft edge that creeps in from the left, as far as ``reach`` of the width."""

    count: int
    reach: float

    def shine(self, picture: Picture, n: int) -> Picture:
        """Return the picture as a frame shows it."""
        width = picture.shape[1]
        edge = self.reach * width * n / self.count
        shade = 0.4 / (1 + np.exp((np.arange(width, dtype=np.float32) - edge) / 2))
        return picture * (1 - shade[:, None])


@dataclass(frozen=True, slots=True)
class Lamp:
    """A light whose brightness is ``levels[n]`` times the scene's, everywhere or in a part.

    Of ``(N, 3)`` levels each channel has its own.
    """

    levels: NDArray[np.float64]
    part: Picture | None = None

    def shine(self, picture: Picture, n: int) -> Picture:
        """Return the picture in the light of a frame."""
        if self.part is None:
            return picture * np.float32(self.levels[n])
        return picture * (1 + np.float32(self.levels[n] - 1) * self.part)


@dataclass(frozen=True, slots=True)
class Headlights:
    """Lights of cars that pass, one every thirty frames, of which it is away for most."""

    def shine(self, picture: Picture, n: int) -> Picture:
        """Return the picture in the light of a frame."""
        height, width = picture.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        at = width * (n % 30 / 17 - 0.25)
        far = np.square((x - at) / (0.25 * width)) + np.square((y / height - 0.65) / 0.3)
        glow = np.exp(-far)[..., None]
        return picture * (1 + 2.5 * glow) + 25 * glow


@dataclass(frozen=True, slots=True)
class RollingBands:
    """Mains light as a rolling shutter sees it: bands over the rows, elsewhere in each frame."""

    swing: float = 0.08

    def shine(self, picture: Picture, n: int) -> Picture:
        """Return the picture in the light of a frame."""
        rows = np.linspace(0, 4 * np.pi, len(picture), dtype=np.float32)
        return picture * (1 + self.swing * np.sin(rows + 0.9 * n))[:, None, None]


def cone(rng: np.random.Generator, height: int, width: int) -> Picture:
    """The part of a picture that one lamp lights, ``(H, W, 1)`` from 0 to 1 with a soft rim."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle = rng.uniform(0.3, 0.7, 2) * (height, width)
    far = np.hypot(y - middle[0], x - middle[1]) / (0.3 * height)
    return np.clip(1.5 - far, 0, 1)[..., None].astype(np.float32)


def moved_camera(
    picture: Picture, border: int, angles: NDArray[np.float64], shifts: NDArray[np.float64]
) -> Still:
    """A scene larger by a border on every side, turned by degrees and moved by pixels (x, y)."""
    height, width = (size - 2 * border for size in picture.shape[:2])
    middle = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)

    def still(n: int) -> Picture:
        way = cv2.getRotationMatrix2D(middle, float(angles[n]), 1.0)
        way[:, 2] += shifts[n] - border
        size = (width, height)
        return cv2.warpAffine(picture, way, size, flags=cv2.INTER_LANCZOS4).clip(0, 255)

    return still
