"""Which sources show one scene, however they were stored: resized, grey, cropped, mirrored.

A scene is known by a grey thumbnail. Of this only detail counts that is neither fine, where codecs
and left-over rain are, nor coarse, where the light is, and its contrast is made even. A first look
compares every one with every other over a few cells and many crops, which is one product of
matrices; what looks alike there is laid over each other once more, in all the thumbnail's detail.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

Thumbnail = NDArray[np.uint8]
Plane = NDArray[np.float32]

SIDE = 64
"""Cells of a thumbnail on a side, whatever the picture's shape."""

_CELLS = 16
"""Cells on a side of the first look."""

_ALIKE_AT_FIRST, _ALIKE = 0.68, 0.6
"""Correlations from which two are looked at again, and are one scene. Of 300 photographs
(BSDS500, Rain100L), no two of different scenes had more than 0.64 and 0.48; the same ones cropped
by up to a tenth on each side, mirrored, grey, half as bright, misty, or as a JPEG of quality 15 had
at least 0.84 and 0.7."""

_CROPS = ((0.0, 0.0), (0.08, 0.0), (0.0, 0.08), (0.08, 0.08), (0.15, 0.15))
"""Shares cut from the two sides of a picture: half a cell lies between these."""

_VIEWS = tuple(itertools.product(_CROPS, _CROPS))

_FLAT = 2.0
"""Levels of contrast in the middle frequencies at which half of it counts: below is noise."""

_SHIFT = 5
"""Cells by which a crop may lie beside the nearest one tried."""

_BLACK = 24
"""Level up to which whole rows and columns at the edge are a bar, no part of the scene: any two
films with bars would be alike."""

_BLOCK = 64
"""Thumbnails looked at together; their views take 130 MB where there are 10,000 in all."""


@dataclass(frozen=True, slots=True)
class Twins:
    """Two sources that show one scene.

    Attributes:
        one: A source.
        other: One whose id comes later.
        likeness: Correlation of their detail, 1 for the same.
    """

    one: str
    other: str
    likeness: float


def thumbnail_of(image: Image) -> Thumbnail:
    """Return a picture, ``(H, W, 3)`` uint8, as a scene is known by: ``(SIDE, SIDE)``, grey."""
    import cv2

    small = cv2.resize(_without_bars(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _without_bars(image: Image) -> Image:
    for _ in range(2):
        lit = np.flatnonzero((image > _BLACK).any(axis=(1, 2)))
        image = image[lit[0] : lit[-1] + 1] if lit.size else image
        image = np.ascontiguousarray(image.swapaxes(0, 1))
    return image


def find_twins(scenes: Mapping[str, Sequence[Thumbnail]]) -> list[Twins]:
    """Return all pairs of sources that show one scene; pictures without detail are like none.

    Args:
        scenes: The thumbnails of each source's scenes, by its id.

    Returns:
        The pairs, in the order of their ids.

    Example:
        >>> import cv2
        >>> def photograph(seed):
        ...     noise = np.random.default_rng(seed).random((90, 120, 3), np.float32)
        ...     return np.uint8(255 * cv2.normalize(cv2.blur(noise, (9, 9)), None, 0, 1, 32))
        >>> one, other = photograph(1), photograph(2)
        >>> small = cv2.resize(one[:, ::-1], (70, 80))
        >>> pictures = {"a": one, "b": other, "c": small // 2}
        >>> found = find_twins({name: [thumbnail_of(it)] for name, it in pictures.items()})
        >>> [(twins.one, twins.other) for twins in found]
        [('a', 'c')]
    """
    owners, thumbnails = [], []
    for source in sorted(scenes):
        for thumbnail in scenes[source]:
            owners.append(source)
            thumbnails.append(thumbnail)
    if not thumbnails:
        return []
    whole = np.stack([_first_look(thumbnail) for thumbnail in thumbnails])
    best: dict[tuple[str, str], float] = {}
    for start in range(0, len(owners), _BLOCK):
        part = thumbnails[start : start + _BLOCK]
        views = np.concatenate([_first_looks(thumbnail) for thumbnail in part])
        alike = (views @ whole.T).reshape(len(part), 2 * len(_VIEWS), -1)
        for mine, other in np.argwhere(alike.max(axis=1) > _ALIKE_AT_FIRST).tolist():
            one, last = sorted((owners[start + mine], owners[other]))
            if one == last:
                continue
            view = _view(part[mine], int(alike[mine, :, other].argmax()))
            likeness = _second_look(view, thumbnails[other])
            best[one, last] = max(best.get((one, last), 0.0), likeness)
    found = sorted(best.items())
    return [Twins(*names, likeness) for names, likeness in found if likeness > _ALIKE]


def _first_looks(thumbnail: Thumbnail) -> Plane:
    """Return the first look of each view, then of each one mirrored."""
    looks = np.stack([_first_look(_view(thumbnail, number)) for number in range(len(_VIEWS))])
    mirrored = looks.reshape(-1, _CELLS, _CELLS)[:, :, ::-1].reshape(looks.shape)
    return np.concatenate([looks, mirrored])


def _view(thumbnail: Thumbnail, number: int) -> Plane:
    """Return a thumbnail cropped and drawn to its full size again; mirrored in the second half."""
    import cv2

    (left, right), (top, bottom) = _VIEWS[number % len(_VIEWS)]
    across, down = 1 - left - right, 1 - top - bottom
    place = np.array(
        [
            [across, 0, left * SIDE + (across - 1) / 2],
            [0, down, top * SIDE + (down - 1) / 2],
        ]
    )
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(
        thumbnail.astype(np.float32),
        place,
        (SIDE, SIDE),
        flags=how,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.ascontiguousarray(view[:, ::-1] if number >= len(_VIEWS) else view, np.float32)


def _detail(thumbnail: NDArray[np.generic], coarsest: float) -> Plane:
    """Return what lies between fine and coarse, at one contrast everywhere."""
    import cv2

    grey = thumbnail.astype(np.float32)
    detail = cv2.GaussianBlur(grey, (0, 0), 1) - cv2.GaussianBlur(grey, (0, 0), coarsest)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 10))
    return np.asarray(detail / (contrast + _FLAT), np.float32)


def _first_look(thumbnail: NDArray[np.generic]) -> Plane:
    import cv2

    smooth = cv2.GaussianBlur(_detail(thumbnail, 6), (0, 0), 1.5)
    cells = cv2.resize(smooth, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).ravel()
    cells -= cells.mean()
    length = float(np.linalg.norm(cells))
    least = 0.05 * _CELLS  # what the noise of a plain wall leaves
    return np.asarray(cells / length if length > least else np.zeros_like(cells), np.float32)


def _second_look(view: Plane, thumbnail: Thumbnail) -> float:
    import cv2

    inner = _detail(view, 4)[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    found = cv2.matchTemplate(
        _detail(thumbnail, 4), np.ascontiguousarray(inner), cv2.TM_CCOEFF_NORMED
    )
    return float(np.asarray(found).max())
