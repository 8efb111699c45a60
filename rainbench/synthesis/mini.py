"""The embedded mini data sets, made by the same builders as any other set.

Eight pairs each of streaks, drops, mist, streaks with drops, and a static camera's rain. They are
made from cuts of three photographs which scikit-image ships as PNG: the astronaut (NASA, public
domain), the coffee (Rachel Michetti, CC0) and Chelsea the cat (Stefan van der Walt, CC0).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.core.files import sweep, unfinished, write_atomically, writing
from rainbench.core.images import Image, encode_ppm, write_png
from rainbench.core.progress import Advance, unseen
from rainbench.core.random import philox, words16
from rainbench.rain.streaks import StreakRanges, draw_parameters, make_streaks, screen
from rainbench.rain.transform import Synthesis, SynthesisKind
from rainbench.spa.builder import build_spa
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build
from rainbench.synthesis.cards import synth_cards
from rainbench.synthesis.dataset import SynthPlan, build_set
from rainbench.synthesis.jrsrd import STYLE, jrsrd_cards
from rainbench.synthesis.options import JRSRD_LEVELS, SynthOptions
from rainbench.synthesis.sources import clean_scenes

HEIGHT, WIDTH = 128, 192
"""Of each picture: large enough for SSIM and four scales, small enough to lie in a repository."""

ROWS = 480
"""Rain is as large as in images of 480 rows: in one of 128 it would be thinner than a pixel."""

SEED = 1
"""Any number; the sets are compared byte by byte, so it stays."""

CUTS: Mapping[str, tuple[str, int, int, int]] = {
    "1-astronaut": ("astronaut", 2, 0, 32),
    "2-shuttle": ("astronaut", 2, 120, 40),
    "3-smile": ("astronaut", 1, 40, 140),
    "4-table": ("coffee", 2, 0, 0),
    "5-spoon": ("coffee", 2, 70, 100),
    "6-cup": ("coffee", 1, 100, 200),
    "7-chelsea": ("chelsea", 2, 10, 20),
    "8-fur": ("chelsea", 1, 60, 120),
}
"""Photograph, reduction by block means, top row and left column of each cut."""

JOINT_CUTS = ("3-smile", "4-table")
"""What the four levels of streaks and drops are laid over."""

CLIP_CUTS = ("1-astronaut", "6-cup")
"""What a camera on a tripod would see in the two clips."""

CLIP_FRAMES, CLIP_AMOUNT, CLIP_NOISE = 24, 0.2, 2
"""Frames of a clip, the noise amount of its streaks, and grey levels by which a pixel flickers at
most: sparse rain, of which SPANet takes 20 frames."""


SET_CLIPS = {"1-astronaut": 0, "6-cup": 2}
"""The clips of ``mini-clips``, and by how many pixels the camera turns from frame to frame."""

SET_FRAMES, SET_AMOUNT = 10, 0.4
"""Frames of each of them, enough for every video method, and the noise amount of the streaks."""


def clean_cut(name: str) -> Image:
    """Return one of the clean pictures, ``(128, 192, 3)`` uint8.

    Args:
        name: One of `CUTS`.

    Example:
        >>> clean_cut("7-chelsea").shape
        (128, 192, 3)
    """
    from skimage import data

    photograph, reduction, top, left = CUTS[name]
    reduced = _reduce(getattr(data, photograph)(), reduction)
    return np.ascontiguousarray(reduced[top : top + HEIGHT, left : left + WIDTH])


def clip_frames(name: str) -> Iterator[Image]:
    """Yield the frames of rain over one of the clean pictures, as a static camera records it.

    Every frame has streaks of its own, of one angle and length, and a little noise.

    Args:
        name: One of `CUTS`.

    Example:
        >>> frames = list(clip_frames("6-cup"))
        >>> len(frames), frames[0].shape
        (24, (128, 192, 3))
    """
    clean = clean_cut(name).astype(np.int16)
    rain = draw_parameters(CLIP_AMOUNT, "mini clip", name, SEED)
    for number in range(CLIP_FRAMES):
        key = ("mini clip", name, SEED, number)
        words = words16(philox("camera noise", *key), clean.size).reshape(clean.shape)
        flicker = (words % (2 * CLIP_NOISE + 1)).astype(np.int16) - CLIP_NOISE
        seen = np.clip(clean + flicker, 0, 255).astype(np.uint8)
        layer = make_streaks(HEIGHT, WIDTH, rain, *key, rows=ROWS).layer
        yield screen(seen, layer)


def write_clips(folder: Path) -> Path:
    """Write two short clips of rain, one of a static and one of a turning camera: ``mini-clips``.

    They are not embedded, so that they cost nobody's checkout anything.

    Args:
        folder: ``mini-clips`` in it is replaced.

    Returns:
        The folder of the set: ``rainy/CLIP/N.png`` and ``clean/CLIP/N.png``.

    Raises:
        StoreError: A file cannot be written.
    """
    target = folder / "mini-clips"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        work = unfinished(target)
        for clip, step in SET_CLIPS.items():
            rain = draw_parameters(SET_AMOUNT, "mini clips", clip, SEED)
            for number, clean in enumerate(_camera(clip, step)):
                layer = make_streaks(*clean.shape[:2], rain, "mini clips", clip, SEED, number)
                for kind, image in (("rainy", screen(clean, layer.layer)), ("clean", clean)):
                    place = work / kind / clip
                    place.mkdir(parents=True, exist_ok=True)
                    write_png(place / f"{number:02d}.png", image)
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    return target


def _camera(clip: str, step: int) -> Iterator[Image]:
    """Yield what a camera sees that moves by ``step`` pixels to the right from frame to frame."""
    whole = clean_cut(clip)
    width = WIDTH - step * (SET_FRAMES - 1)
    for number in range(SET_FRAMES):
        yield np.ascontiguousarray(whole[:, step * number : step * number + width])


def write_mini(folder: Path, *, workers: int = 1, advance: Advance = unseen) -> list[Path]:
    """Write the five sets as ``FOLDER/streaks``, ``drops``, ``mist``, ``joint`` and ``spa``.

    Args:
        folder: Made when absent; sets of these names in it are replaced.
        workers: Processes; never changes the result.
        advance: Called with every set that is done.

    Returns:
        The folders of the sets.

    Raises:
        StoreError: A file cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder, ".*.part")
        work = unfinished(folder / "mini")
        try:
            for name, make in _SETS.items():
                made = make(work / name, workers)
                shutil.rmtree(folder / name, ignore_errors=True)
                made.rename(folder / name)
                advance(1, name)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return [folder / name for name in _SETS]


def _streaks(work: Path, workers: int) -> Path:
    light = StreakRanges(amount=(0.2, 0.4))
    rain = Synthesis(kind="streaks", seed=SEED, rows=ROWS, streak_ranges=light)
    return _synthesise(work, rain, workers)


def _of_kind(kind: SynthesisKind, work: Path, workers: int) -> Path:
    return _synthesise(work, Synthesis(kind=kind, seed=SEED, rows=ROWS), workers)


def _joint(work: Path, workers: int) -> Path:
    rain = Synthesis(kind="joint", seed=SEED, rows=ROWS)
    return _synthesise(work, rain, workers, levels=JRSRD_LEVELS)


def _synthesise(
    work: Path, synthesis: Synthesis, workers: int, *, levels: tuple[float, ...] = ()
) -> Path:
    """Make a set of synthetic rain as the commands do; return where its pairs lie."""
    options = SynthOptions(
        synthesis=synthesis,
        levels=levels,
        test_share=1.0,
        name=f"mini-{synthesis.kind}",
        workers=workers,
    )
    clean, out = work / "clean", work / "out"
    clean.mkdir(parents=True)
    for name in JOINT_CUTS if levels else CUTS:
        write_png(clean / f"{name}.png", clean_cut(name))
    scenes, _ = clean_scenes(clean, test_share=1.0, seed=synthesis.seed)
    plan = SynthPlan(
        out=out,
        sources=scenes,
        inputs=(clean,),
        options=options,
        cards=jrsrd_cards(options, rendered=True) if levels else synth_cards(options),
        heading=STYLE if levels else "",
    )
    report = build_set(plan)
    if report.left_out:
        raise RainbenchError(f"{options.name} cannot be made: {report.left_out[0]}")
    return out / options.name


def _spa(work: Path, workers: int) -> Path:
    """Put the clips through the builder of real pairs; return where the pairs lie."""
    for name in CLIP_CUTS:
        clip = work / "clips" / name
        clip.mkdir(parents=True)
        for number, frame in enumerate(clip_frames(name)):
            # The names of sequences hash the files, so their bytes must not depend on an encoder.
            write_atomically(clip / f"{number:02d}.ppm", encode_ppm(frame))
    options = SpaOptions(
        method="exact",
        frames=CLIP_FRAMES,
        layout="pairs",
        max_frames=4,
        test_share=1.0,
        workers=workers,
        name="clips",
    )
    out = work / "out"
    report = build_spa(plan_build([work / "clips"], out, options), out, options)
    if [row.state for row in report.rows] != ["accepted"] * len(CLIP_CUTS):
        raise RainbenchError(f"mini-spa cannot be made: {report.totals}")
    return out / "dataset" / options.name


def _reduce(image: Image, factor: int) -> Image:
    """Reduce an image by the rounded means of whole blocks."""
    height, width = (side // factor * factor for side in image.shape[:2])
    blocks = image[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    total = blocks.sum(axis=(1, 3), dtype=np.int64)
    area = factor * factor
    means: Image = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return means


_SETS: Mapping[str, Callable[[Path, int], Path]] = {
    "streaks": _streaks,
    "drops": partial(_of_kind, "drops"),
    "mist": partial(_of_kind, "mist"),
    "joint": _joint,
    "spa": _spa,
}
