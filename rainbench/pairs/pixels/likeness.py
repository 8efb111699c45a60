"""Whether two pictures show one scene, whatever rain, drops or mist are in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

LEAST = 0.25
"""Likeness below which two pictures show different scenes. On the test set of Rain100H, the
heaviest rain in use, pairs have more than 0.5, and pictures of different scenes less than 0.15."""

FITTING = 0.4
"""Likeness above which they show the same one."""

MOST_COMPARED = 1000
"""Pairs that are compared with each other at most: the work grows with the square."""

_SIDE, _BLOCK = 64, 4
"""Cells of the coarse grid on a side, and of the blocks in which its tones are taken together."""

_ALIKE = 2.0
"""Mean difference in levels, below which two pictures show one scene alike; chosen."""

_FITTING_TONES, _CLEARLY_BETTER = 0.5, 0.4
"""How well tones of another picture fit, and how much better than one's own, as a proof. Found on
smooth pictures, where rain hides all edges: no right set of 96 with streaks, fog or both had such
a pair, nearly all that were shifted by one had."""


_BETTER = 0.05
"""By how much an outline has to fit better than one's own where both look like the scene. No right
pair comes near: a picture fits its own scene best."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is left of a picture over a coarse grid.

    Attributes:
        edges: ``(2, 4032)`` float32, horizontal ones and vertical ones, each of unit length or all
            zero.
        plain: The same without what a whole row has in common, as fog that thins out upwards.
        tones: ``(2, 768)`` float32, colours about their mean, of unit length or all zero: by blocks
            the median, which thin streaks do not touch, and the mean.
    """

    edges: NDArray[np.float32]
    plain: NDArray[np.float32]
    tones: NDArray[np.float32]


def outline(image: Image) -> Outline:
    """Return the outline of a picture, ``(H, W, 3)`` uint8; all zero for one of a single colour."""
    import cv2

    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    grid = small.mean(axis=2)
    edges = np.stack([np.diff(grid, axis=axis).ravel() for axis in (1, 0)])
    green = image[..., 1].astype(np.float32)  # not rounded, which would hide all there is in fog
    exact = cv2.resize(green, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    changes = [np.diff(exact, axis=axis) for axis in (1, 0)]
    plain = np.stack([(each - each.mean(axis=1, keepdims=True)).ravel() for each in changes])
    count = _SIDE // _BLOCK
    blocks = small.reshape(count, _BLOCK, count, _BLOCK, 3).swapaxes(1, 2)
    blocks = blocks.reshape(count**2, _BLOCK**2, 3)
    both = np.stack([np.median(blocks, axis=1), blocks.mean(axis=1)])
    tones = (both - both.mean(axis=1, keepdims=True)).reshape(2, -1)
    return Outline(_of_unit_length(edges), _of_unit_length(plain), _of_unit_length(tones))


def _of_unit_length(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 1, length, np.inf), np.float32)


def likeness(first: Outline, second: Outline) -> float:
    """Return how much two pictures look like one scene: 1 for the same, about 0 for others.

    Streaks hide the edges of one direction at most, so the better of the two counts. A picture
    without edges is like any.

    Example:
        >>> ramp = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
        >>> round(likeness(outline(ramp), outline(ramp)), 3)
        1.0
    """
    if not first.edges.any() or not second.edges.any():
        return 1.0
    return float((first.edges * second.edges).sum(axis=1).max())


def find_scenes(strange: Sequence[tuple[Outline, Outline]]) -> dict[int, int]:
    """Return which of several pictures shows the clean scene of another one among them.

    Args:
        strange: The outlines of pictures and of their clean partners, all of pairs that do not
            look like one scene.

    Returns:
        The number of the pair whose clean image fits by the number of the picture, where that is
        proved: by its edges, or, since rain may hide these, by tones that fit far better than those
        of either's partner, and no other picture better.
    """
    found: dict[int, int] = {}
    for start in range(0, len(strange), MOST_COMPARED):
        part = _find_scenes(strange[start : start + MOST_COMPARED])
        found |= {start + number: start + other for number, other in part.items()}
    return found


def _find_scenes(strange: Sequence[tuple[Outline, Outline]]) -> dict[int, int]:
    edges = np.stack([clean.edges for _, clean in strange])
    found = {}
    for number, (picture, _) in enumerate(strange):
        fit = (edges * picture.edges).sum(axis=2).max(axis=1)
        if fit.max() > FITTING:
            found[number] = int(fit.argmax())
    tones = [np.stack([pair[part].tones for pair in strange]) for part in (0, 1)]
    fits = np.max([tones[0][:, kind] @ tones[1][:, kind].T for kind in (0, 1)], axis=0)
    own = fits.diagonal()
    for number, best in enumerate(fits.argmax(axis=1).tolist()):
        fit = fits[number, best]
        better = fit - max(own[number], own[best])
        if fits[:, best].argmax() == number and fit > _FITTING_TONES and better > _CLEARLY_BETTER:
            found.setdefault(number, best)
    return found


def find_better(pairs: Sequence[tuple[Outline, Outline]]) -> dict[int, int]:
    """Return which of several pictures shows the clean scene of another one better than its own.

    Args:
        pairs: The outlines of pictures and of their clean partners, which may look much alike.

    Returns:
        The number of the pair whose clean image fits by the number of the picture, where no other
        picture fits that one as well.
    """
    found: dict[int, int] = {}
    for start in range(0, len(pairs), MOST_COMPARED):
        part = pairs[start : start + MOST_COMPARED]
        sides = [np.stack([pair[side].plain for pair in part]) for side in (0, 1)]
        fits = np.max([sides[0][:, way] @ sides[1][:, way].T for way in (0, 1)], axis=0)
        own = fits.diagonal()
        for number, best in enumerate(fits.argmax(axis=1).tolist()):
            fit = fits[number, best]
            better = fit - max(own[number], own[best]) > _BETTER
            if better and fit > FITTING and fits[:, best].argmax() == number:
                found[start + number] = start + best
    return found


def seen_otherwise(image: Image, scene: Image) -> str:
    """Say how a picture shows a scene otherwise than another one does; empty where it does not.

    Such a picture was mirrored or turned, or its red and blue were exchanged, as happens where one
    program writes what another reads; a square one may have its rows as columns. It must then come
    at least twice as near.

    Args:
        image: ``(H, W, 3)`` uint8.
        scene: The same size.

    Example:
        >>> ramp = np.repeat(np.arange(60, dtype=np.uint8)[None, :, None], 9, axis=0)
        >>> scene = np.concatenate([ramp, 60 - ramp, ramp], axis=2)
        >>> seen_otherwise(scene[:, ::-1], scene), seen_otherwise(scene, scene)
        ('mirrored', '')
    """
    step = max(1, (min(image.shape[:2]) // _SIDE))
    small, wanted = (each[::step, ::step].astype(np.int16) for each in (image, scene))
    direct = float(np.abs(small - wanted).mean())
    if direct < _ALIKE:
        return ""
    views = {
        "with red and blue exchanged": small[..., ::-1],
        "mirrored": small[:, ::-1],
        "upside down": small[::-1],
        "turned by half": small[::-1, ::-1],
    }
    if small.shape[0] == small.shape[1]:
        turned = small.swapaxes(0, 1)
        views |= {
            "with rows as columns": turned,
            "turned by a quarter": turned[::-1],
            "turned by three quarters": turned[:, ::-1],
        }
    apart = {name: float(np.abs(view - wanted).mean()) for name, view in views.items()}
    nearest = min(apart, key=apart.__getitem__)
    return nearest if 2 * apart[nearest] < direct else ""
