"""How a camera moves during a scene, measured at full size, with an error bar.

Some dozens of well-textured blocks are each registered to a picture of themselves without rain, and
vote: what most of them agree on, a shift and a small turn, is the camera's. Blocks that sway, or
that something passes before, disagree with the others and lose their weight. How much the rest
still disagree tells how well the motion is known; a motion smaller than that is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.blocks import Blocks, cut_blocks
from rainbench.frames.camera_path import (
    CameraPath,
    agreed_path,
    fitting,
    middle_vote,
)
from rainbench.frames.resample import move
from rainbench.frames.sources import Frames, as_source

_REFERENCE_FRAMES = 25
"""Frames, spread over the scene, whose median is the reference: no rain is left in it."""

_SHRINK = 4
"""How many times smaller the blocks are looked at first, to find far shifts."""

_BLUR, _STEPS = 0.8, 5
"""Blur, in pixels, of the registration at full size, and its steps at most."""

_MOST_LOST = 0.6
"""Share of the blocks that fit, below which a frame is tried again; chosen."""

_FINE_POINTS, _COARSE_POINTS = 160, 16
"""Points of a block that are compared, at full size and in the small picture."""


def find_camera_path(frames: Frames) -> CameraPath:
    """Find how the camera moves during a scene.

    Motion of up to some 3 % of the picture's shorter side is followed, 16 pixels at most.

    Args:
        frames: The frames of one scene; some dozens of blocks of each are read.

    Example:
        >>> import cv2
        >>> texture = np.random.default_rng(0).integers(0, 255, (160, 200, 3)).astype(np.float32)
        >>> smooth = cv2.GaussianBlur(texture, (0, 0), 2)
        >>> frames = [smooth[10:150, 10 - n : 190 - n].astype(np.uint8) for n in (0, 0, 0, 0, 1)]
        >>> path = find_camera_path(frames)
        >>> path.moves, np.abs(path.shifts.round(1)[-1]).tolist(), path.span_within(0.3)
        (True, [1.0, 0.0], (0, 4))
    """
    source = as_source(frames)
    count = source.shape[0]
    blocks = cut_blocks(source) if count > 1 else None
    if blocks is None:
        return CameraPath(np.zeros((count, 2)), np.zeros(count), np.zeros(count), moves=False)
    votes, trust = _register(blocks)
    return agreed_path(votes, trust, blocks.middles)


def _register(blocks: Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shift of every block in every frame, and how far each can be trusted."""
    import cv2

    count, number, side, _ = blocks.pixels.shape
    tall = blocks.pixels.reshape(-1, side)
    small = cv2.resize(
        tall, (side // _SHRINK, len(tall) // _SHRINK), interpolation=cv2.INTER_AREA
    ).reshape(count, number, side // _SHRINK, side // _SHRINK)
    cv2.GaussianBlur(tall, (0, 0), _BLUR, dst=tall)  # in place: blocks of 4K take much memory
    chosen = np.unique(np.linspace(0, count - 1, min(count, _REFERENCE_FRAMES)).astype(int))
    far = _follow(np.asarray(small, np.uint8), chosen, blocks.margin // _SHRINK) * _SHRINK
    # The reference gets sharp when the frames that it is made of lie at one place.
    pixels, near = blocks.pixels, far[chosen]
    points = _points(_reference(pixels, chosen, near), blocks.margin, _FINE_POINTS)
    votes, trust = _vote(pixels[chosen], points, near, blocks.margin)
    near = _middle(votes, trust, near)
    points = _points(_reference(pixels, chosen, near), blocks.margin, _FINE_POINTS)
    votes, trust = _vote(pixels, points, far, blocks.margin)
    # A large body may have led the first guess astray: try again from where the camera was.
    lost = np.flatnonzero(_share(trust) < _MOST_LOST)
    if 0 < lost.size < count:
        kept = np.flatnonzero(_share(trust) >= _MOST_LOST)
        places = _middle(votes, trust, far)
        starts = np.column_stack([np.interp(lost, kept, places[kept, axis]) for axis in (0, 1)])
        other, others = _vote(pixels[lost], points, starts, blocks.margin)
        better = _share(others) > _share(trust[lost])
        votes[lost[better]], trust[lost[better]] = other[better], others[better]
    return votes, trust


def _vote(
    pixels: NDArray[np.uint8],
    points: NDArray[np.float32],
    places: NDArray[np.float64],
    margin: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Register every block of frames by itself, from where its frame is thought to lie."""
    from rainbench.frames.block_kernels import register_blocks

    starts = np.repeat(places[:, None], pixels.shape[1], axis=1)
    return register_blocks(pixels, points, starts, _STEPS, float(margin))


def _share(trust: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each frame's blocks that fit."""
    return np.asarray(fitting(trust)[0].mean(axis=1), np.float64)


def _follow(
    pixels: NDArray[np.uint8], chosen: NDArray[np.intp], margin: int
) -> NDArray[np.float64]:
    """Return a first guess of all shifts: of all blocks together, each from the frame before."""
    from rainbench.frames.block_kernels import register_blocks

    count = len(pixels)
    still = _reference(pixels, chosen, np.zeros((len(chosen), 2)))
    points = _points(still, margin, _COARSE_POINTS).reshape(1, -1, 6)
    shifts = np.zeros((count, 1, 2))
    middle = count // 2  # where a slow drift is about half-way
    for numbers in (range(middle, count), range(middle - 1, -1, -1)):
        before = shifts[min(middle, count - 1)]
        for n in numbers:
            found, _ = register_blocks(pixels[n : n + 1], points, before[None], 8, float(margin))
            shifts[n] = before = found[0]
    return shifts[:, 0]


def _reference(
    pixels: NDArray[np.uint8], chosen: NDArray[np.intp], shifts: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the median of the blocks of some frames, moved back."""
    _, number, side, _ = pixels.shape
    tall = [pixels[n].reshape(number * side, side) for n in chosen]
    moved = [move(part, *shift) for part, shift in zip(tall, shifts, strict=True)]
    ordered = np.partition(moved, len(moved) // 2, axis=0)
    middle = ordered[len(moved) // 2].reshape(number, side, side)
    return np.asarray(middle, np.float32)


def _points(reference: NDArray[np.float32], margin: int, number: int) -> NDArray[np.float32]:
    """Return the points of each block where its reference is steepest, see `register_blocks`."""
    count, side, _ = reference.shape
    down, right = np.gradient(reference, axis=(1, 2))
    inside = np.zeros((side, side), np.bool_)
    margin = max(1, margin)
    inside[margin : side - margin, margin : side - margin] = True
    number = min(number, int(inside.sum()))
    steep = np.where(inside, right**2 + down**2, -1).reshape(count, -1)
    chosen = np.sort(np.argpartition(-steep, number - 1, axis=1)[:, :number], axis=1)
    block = np.broadcast_to(np.arange(count)[:, None], chosen.shape)
    values = [
        np.take_along_axis(plane.reshape(count, -1), chosen, axis=1)
        for plane in (reference, right, down)
    ]
    return np.stack([block, chosen // side, chosen % side, *values], axis=2).astype(np.float32)


def _middle(
    votes: NDArray[np.float64], trust: NDArray[np.float64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the median vote of each frame, where enough blocks vote."""
    fits, enough = fitting(trust)
    shifts = otherwise.copy()
    shifts[enough] = middle_vote(votes[enough], trust[enough], fits[enough])
    return shifts
