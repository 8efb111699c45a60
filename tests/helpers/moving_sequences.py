"""Sequences whose camera, light or clock is not still, with the motion that was made.

All are small and follow from their arguments. Photographs are moved exactly for their frequencies,
or turned at four times their size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sequences import Spec, fit_photo, make_sequence, scene

BORDER = 32


@dataclass(frozen=True, slots=True)
class Moved:
    """Frames ``(N, H, W, 3)``, shifts ``(N, 2)`` in pixels, turns ``(N,)`` in degrees."""

    frames: NDArray[np.uint8]
    shifts: NDArray[np.float64]
    turns: NDArray[np.float64]


def moved(
    name: str = "coffee",
    count: int = 40,
    size: tuple[int, int] = (240, 320),
    *,
    shifts: NDArray[np.float64] | None = None,
    turns: NDArray[np.float64] | None = None,
    rain: float = 1.0,
    noise: float = 1.0,
    seed: int = 1,
) -> Moved:
    """A photograph seen by a camera that is shifted and turned, behind rain."""
    height, width = size
    shifts = np.zeros((count, 2)) if shifts is None else np.asarray(shifts, float)
    turns = np.zeros(count) if turns is None else np.asarray(turns, float)
    whole = scene(name, height + 2 * BORDER, width + 2 * BORDER).astype(np.float32)
    middle = (BORDER + (width - 1) / 2, BORDER + (height - 1) / 2)
    streaks = rain_alone(count, size, rain, seed)
    rng = np.random.default_rng(seed)
    frames = np.empty((count, height, width, 3), np.uint8)
    for n in range(count):
        matrix = cv2.getRotationMatrix2D(middle, -turns[n], 1.0)  # positive is clockwise here
        matrix[:, 2] += shifts[n] - BORDER
        seen = cv2.warpAffine(whole, matrix, (width, height), flags=cv2.INTER_LANCZOS4)
        wet = seen + streaks[n][..., None] * (250 - seen) / 255
        frames[n] = np.clip(np.rint(wet + rng.normal(0, noise, wet.shape)), 0, 255)
    return Moved(frames, shifts, turns)


def rain_alone(count: int, size: tuple[int, int], rain: float, seed: int = 1) -> NDArray[np.uint8]:
    """The brightening by rain over black, ``(N, H, W)`` in levels."""
    black = np.zeros((*size, 3), np.uint8)
    spec = Spec("R", "coffee", count, rain, noise=0, flicker=0, seed=seed)
    return make_sequence(spec, *size, photo=black).frames[..., 1] - np.uint8(5)


def with_snow(
    frames: NDArray[np.uint8],
    number: int = 60,
    radius: float = 6.0,
    speed: float = 2.0,
    seed: int = 1,
) -> NDArray[np.uint8]:
    """Let big soft flakes fall slowly before a sequence."""
    rng = np.random.default_rng(seed)
    out = frames.copy()
    height, width = frames.shape[1:3]
    tall, wide = height + 4 * radius, width + 4 * radius
    x, y = rng.uniform(0, wide, number), rng.uniform(0, tall, number)
    sizes = radius * rng.uniform(0.5, 1.3, number)
    for n in range(len(frames)):
        layer = np.zeros((height, width), np.float32)
        for left, top, size in zip(x, y, sizes, strict=True):
            place = (round(16 * (left - 2 * radius)), round(16 * (top - 2 * radius)))
            cv2.circle(layer, place, round(16 * size), 1.0, -1, cv2.LINE_AA, 4)
        layer = 0.9 * cv2.GaussianBlur(layer, (0, 0), radius / 4)[..., None]
        out[n] = np.rint(frames[n] * (1 - layer) + 240 * layer)
        y = (y + speed * sizes / radius) % tall
        x = (x + rng.normal(0, speed / 3, number)) % wide
    return out


def with_bus(
    frames: NDArray[np.uint8], share: float = 0.4, begin: float = 0.0, end: float = 1.0
) -> NDArray[np.uint8]:
    """Let a large textured body that fills a share of the width cross the picture."""
    out = frames.copy()
    count, height, width, _ = frames.shape
    across = round(share * width)
    body = fit_photo(
        np.ascontiguousarray(scene("motorcycle", 300, 400).astype(np.uint8)), height, across
    )
    first, last = round(begin * (count - 1)), round(end * (count - 1))
    for n in range(first, last + 1):
        along = (n - first) / max(1, last - first)
        left = round(along * (width + across)) - across
        inside = slice(max(0, left), min(width, left + across))
        if inside.stop > inside.start:
            out[n, height // 10 :, inside] = body[
                height // 10 :, inside.start - left : inside.stop - left
            ]
    return out


def repeated(
    frames: NDArray[np.uint8], times: int, jitter: float = 0.0, seed: int = 1
) -> NDArray[np.uint8]:
    """A slow video in a fast file: every frame several times, with a little coding noise."""
    rng = np.random.default_rng(seed)
    slow = np.repeat(frames, times, axis=0)
    if jitter:
        noise = np.rint(rng.normal(0, jitter, slow.shape))
        noise[::times] = 0
        slow = np.clip(slow + noise, 0, 255).astype(np.uint8)
    return slow
