"""Small well-textured parts of a sequence, at full size: what motion is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.sources import (
    FrameSource,
    ListSource,
    bands,
    read_band,
    rows_within,
    take_frames,
)

MOST_BLOCKS = 40
"""Blocks of a picture: a few dozen votes, of which half may be wrong."""

_LARGEST, _SMALLEST = 40, 8
"""Sides of a block in pixels; between them an eighth of the picture's shorter side."""

_WIDEST, _NARROWEST = 16, 4
"""Margins around a block, in pixels: how far its content may move. Between them a twelfth of the
picture's shorter side."""

_ROWS = 8
"""Rows of blocks at most."""

_STILL_FRAMES = 3
"""Frames whose median shows where texture is."""

GREEN = 1
"""The channel that is looked at: nearest to luma, and least noisy in compressed videos."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Parts of all frames of a sequence.

    Attributes:
        pixels: ``(N, B, S, S)`` uint8, the green channel, with a margin around each block.
        middles: ``(B, 2)``, where the middle of each lies, right and down of the picture's middle.
        margin: Pixels around a block.
    """

    pixels: NDArray[np.uint8]
    middles: NDArray[np.float64]
    margin: int


def cut_blocks(source: FrameSource) -> Blocks | None:
    """Cut the most textured blocks out of all frames; None where the picture is too small.

    Texture is where the weaker of two directions still changes much (Shi and Tomasi): an edge alone
    would not tell how far something moved along it.
    """
    _, height, width, _ = source.shape
    shorter = min(height, width)
    margin = min(max(shorter // 12, _NARROWEST), _WIDEST)
    # A multiple of four, as blocks are looked at four times smaller as well.
    side = min(max(shorter // 8, _SMALLEST), _LARGEST) + 2 * margin
    side += -side % 4
    if shorter < side:
        return None
    corners = _choose(_still_picture(source), side, margin)
    middles = corners[:, ::-1] + (side - np.array([width, height])) / 2
    return Blocks(_cut(source, corners, side), middles.astype(np.float64), margin)


def _still_picture(source: FrameSource) -> NDArray[np.uint8]:
    """Return the green channel of the median of three frames: hardly any rain is left in it."""
    count, height, _, _ = source.shape
    # Neither the first frames nor the last, which often show a hand at the camera.
    step = max(1, count // (_STILL_FRAMES + 1))
    few = take_frames(source, slice(min(step, count - 1), None, step))
    few = take_frames(few, slice(_STILL_FRAMES))
    parts = []
    for top, bottom in bands(height, rows_within(source.shape, 32 << 20)):
        first, middle, last = (read_band(few, top, bottom)[[0, few.shape[0] // 2, -1]])[..., GREEN]
        parts.append(
            np.maximum(np.minimum(first, middle), np.minimum(np.maximum(first, middle), last))
        )
    return np.concatenate(parts)


def _choose(still: NDArray[np.uint8], side: int, margin: int) -> NDArray[np.intp]:
    """Return the upper left corners, row and column, of the most textured blocks."""
    import cv2

    height, width = still.shape
    core = side - 2 * margin
    smooth = cv2.GaussianBlur(still, (0, 0), 1.5)
    # The box of the strength lies around its point, so read at the middle of a block.
    strength = cv2.cornerMinEigenVal(smooth, core, ksize=3)
    rows = max(1, min(_ROWS, (height - 2 * margin) // core))
    across = max(1, min(-(-MOST_BLOCKS // rows), (width - 2 * margin) // core))
    found: list[tuple[float, int, int]] = []
    for area in np.array_split(np.arange(height - side + 1), rows):
        for part in np.array_split(np.arange(width - side + 1), across):
            middle = side // 2
            inside = strength[area[0] + middle : area[-1] + middle + 1][
                :, part[0] + middle : part[-1] + middle + 1
            ]
            row, column = np.unravel_index(inside.argmax(), inside.shape)
            found.append((float(inside.max()), int(area[0] + row), int(part[0] + column)))
    found.sort(reverse=True)
    return np.array([corner for _, *corner in found[:MOST_BLOCKS]])


def _cut(source: FrameSource, corners: NDArray[np.intp], side: int) -> NDArray[np.uint8]:
    out = np.empty((source.shape[0], len(corners), side, side), np.uint8)
    if isinstance(source, ListSource):
        for n, frame in enumerate(source.frames):
            for b, (top, left) in enumerate(corners):
                out[n, b] = frame[top : top + side, left : left + side, GREEN]
        return out
    _, height, _, _ = source.shape
    for first, last in bands(height, rows_within(source.shape, 32 << 20)):
        inside = [b for b, (top, _) in enumerate(corners) if top < last and top + side > first]
        band = read_band(source, first, last) if inside else None
        for b in inside:
            top, left = corners[b]
            begin, end = max(top, first), min(top + side, last)
            assert band is not None
            part = band[:, begin - first : end - first, left : left + side, GREEN]
            out[:, b, begin - top : end - top] = part
    return out
