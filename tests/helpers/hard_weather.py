"""Rain and snow of hard sequences, frame by frame, and the loss of a video codec."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sequences import DEPTHS, Spec, streak_layer
from videos import write_video

from rainbench.video.read import read_video


def rain_layers(
    rng: np.random.Generator, spec: Spec, size: tuple[int, int], slower: float = 1.0
) -> Iterator[NDArray[np.float32]]:
    """The brightening of each frame in levels, ``(H, W)``; streaks may fall slower."""
    depths = [
        streak_layer(child, replace(depth, speed=depth.speed / slower), spec, *size)
        for child, depth in zip(rng.spawn(len(DEPTHS)), DEPTHS, strict=True)
    ]
    for layers in zip(*depths, strict=True):
        yield sum(layers).astype(np.float32)


def snow_layers(
    rng: np.random.Generator, spec: Spec, size: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Big flakes that fall slowly and sway: the brightening of each frame in levels, ``(H, W)``."""
    height, width = size
    count = round(26 * spec.rain)
    x, y = rng.uniform(0, width, count), rng.uniform(-20, height + 20, count)
    radius = height * rng.uniform(0.01, 0.035, count) + 1
    speed, phase = 0.25 * radius + 0.6, rng.uniform(0, 6.3, count)
    light = 255 * spec.brightness * rng.uniform(0.5, 0.9, count)
    for n in range(spec.frames):
        layer = np.zeros(size, np.float32)
        places = (x + 0.8 * radius * np.sin(n / 9 + phase)) % width
        rows = (y + speed * n + 20) % (height + 40) - 20
        # A sixteenth of a pixel is the unit of the circles.
        for left, top, far, level in zip(places, rows, radius, light, strict=True):
            middle = (round(16 * left), round(16 * top))
            cv2.circle(layer, middle, round(16 * far), float(level), -1, cv2.LINE_8, 4)
        yield cv2.GaussianBlur(layer, (0, 0), 0.006 * height + 0.6)


def as_jpegs(frames: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return frames after JPEG, each alone, as a webcam or a folder of files keeps them (4:2:0)."""
    coded = np.empty_like(frames)
    for frame, out in zip(frames, coded, strict=True):
        _, file = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out[:] = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    return coded


def through_codec(frames: NDArray[np.uint8], crf: int, rate: int = 25) -> NDArray[np.uint8]:
    """Return frames after H.264 at a quality, as a camera or a site keeps them (4:2:0).

    They are read as rainbench reads any video: how it enlarges colour is part of what they show.
    """
    # Its assembly makes other bytes in some processes, by what macroblock trees read.
    options = {"crf": str(crf), "preset": "veryfast", "x264-params": "no-asm=1"}
    with tempfile.TemporaryDirectory() as folder:
        file = write_video(Path(folder) / "clip.mkv", frames, rate=rate, options=options)
        decoded = read_video(file).frames
    assert decoded.shape == frames.shape
    return decoded
