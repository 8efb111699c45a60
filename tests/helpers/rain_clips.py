"""Small lossless videos of rain over a static, moving or changing scene, made once a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from sequences import RainSequence, Spec, make_sequence
from videos import write_sound, write_video

HEIGHT, WIDTH, FRAMES = 80, 112, 40


@cache
def rain(scene: str, frames: int = FRAMES) -> RainSequence:
    """Rain over a static photograph."""
    return make_sequence(Spec(f"X-{scene}", scene, frames=frames), HEIGHT, WIDTH)


@cache
def pan(frames: int = FRAMES) -> np.ndarray:
    """The same rain while the camera turns by a pixel and a half a frame."""
    still = make_sequence(Spec("X-pan", "motorcycle", frames=frames), HEIGHT, WIDTH + 64)
    starts = np.round(np.linspace(0, 63, frames)).astype(int)
    cuts = [image[:, x : x + WIDTH] for image, x in zip(still.frames, starts, strict=True)]
    return np.ascontiguousarray(np.stack(cuts))


def write_clip(path: Path, frames) -> Path:
    """Write frames without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"crf": "0", "preset": "ultrafast"}
    return write_video(path, list(frames), "libx264rgb", "rgb24", options=options)


def write_bad(folder: Path, good: Path) -> dict[str, Path]:
    """Write one file of each kind that cannot be used, by what is wrong with it."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = good.read_bytes()
    bad = {
        "empty": folder / "empty.mp4",
        "text": folder / "text.mp4",
        "cut": folder / "cut.mp4",
        "one": folder / "one.mp4",
        "sound": write_sound(folder / "sound.mp4"),
    }
    bad["empty"].touch()
    bad["text"].write_text("this is no video\n" * 100)
    bad["cut"].write_bytes(whole[: len(whole) // 2])
    write_clip(bad["one"], rain("chelsea").frames[:1])
    return bad


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path, but for the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
