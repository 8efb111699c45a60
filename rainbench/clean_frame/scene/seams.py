"""Seams: what stands before a scene ends somewhere, and differs there from the scene around it.

The scene itself goes on. So the pixels of a region at which one of two things may be the scene are
compared with those just outside, once as the one and once as the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEAM = 3
"""Pixels across which a region is compared with its surroundings: edges of things are soft."""

MOST_CONTRAST = 60.0
"""Levels above which a difference counts as this: one edge of the scene must not decide alone."""

CELL = 8
"""Side in pixels of the cells within which details of the scene cancel out; chosen."""

FEWEST_PAIRS = 8
"""Pairs of pixels without which there is no seam to speak of; chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Seams:
    """How regions fit their surroundings, once as one thing and once as another.

    Attributes:
        worse: ``(number + 1,)``, by the number of the region, the logarithm of how much worse it
            fits as the first than as the second: of mean differences, with a level added for noise.
            0 where there are too few pairs of pixels to tell.
        agreed: ``(number + 1,)``, share of what cells of the picture say, each by how much better
            the one or the other fits there, that says the same as all together: 0.5 to 1 where
            there is any, else 0. Where two things touch of which each leaves a piece, their seams
            contradict each other.
    """

    worse: NDArray[np.float64]
    agreed: NDArray[np.float64]


def compare_seams(
    regions: NDArray[np.int32],
    number: int,
    colours: tuple[NDArray[np.float32], NDArray[np.float32]],
    levels: NDArray[np.float32],
    known: NDArray[np.bool_],
    fewest: int = FEWEST_PAIRS,
) -> Seams:
    """Compare how each region fits its surroundings as the first and as the second.

    Args:
        regions: ``(H, W)``, 0 where nothing is asked, else the number of the region.
        number: How many regions there are.
        colours: Two arrays ``(pixels, 3)``, in levels: what may be seen at the pixels of regions,
            row by row.
        levels: ``(H, W, 3)``, the picture around, in levels.
        known: ``(H, W)``, where the picture around may be compared with.
        fewest: Pairs of pixels without which a region has no seam to speak of.

    Example:
        >>> wall = np.full((12, 12, 3), 90, np.float32)
        >>> region = np.zeros((12, 12), np.int32)
        >>> region[4:8, 4:8] = 1  # a poster, or the wall
        >>> poster, plain = np.full((16, 3), 200, np.float32), np.full((16, 3), 90, np.float32)
        >>> bool(compare_seams(region, 1, (poster, plain), wall, region == 0).worse[1] > 1)
        True
    """
    height, width = regions.shape
    places = np.flatnonzero(regions)
    own = regions.ravel()[places]
    down, right = np.divmod(places, width)
    pairs, sums = np.zeros(number + 1), np.zeros((2, number + 1))
    cells = down // CELL * -(-width // CELL) + right // CELL
    said: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    for rows, columns in ((0, SEAM), (SEAM, 0), (0, -SEAM), (-SEAM, 0)):
        at, beside = down + rows, right + columns
        inside = (at >= 0) & (at < height) & (beside >= 0) & (beside < width)
        inside = np.flatnonzero(inside)
        at, beside, mine = at[inside], beside[inside], own[inside]
        apart = (regions[at, beside] != mine) & known[at, beside]
        inside, mine = inside[apart], mine[apart]
        outside = levels[at[apart], beside[apart]]
        pairs += np.bincount(mine, minlength=number + 1)
        away = [
            np.minimum(np.abs(colour[inside] - outside).mean(axis=-1), MOST_CONTRAST)
            for colour in colours
        ]
        for k in range(2):
            sums[k] += np.bincount(mine, away[k], number + 1)
        said.append((mine + (number + 1) * cells[inside], away[1] - away[0]))
    one, other = sums / np.maximum(pairs, 1) + 1
    worse = np.where(pairs >= fewest, np.log(one / other), 0)
    return Seams(worse, _agreed(said, number))


def _agreed(
    said: list[tuple[NDArray[np.int64], NDArray[np.float64]]], number: int
) -> NDArray[np.float64]:
    """Return ``Seams.agreed`` of what pairs of regions in cells say."""
    keys, inside = np.unique(np.concatenate([key for key, _ in said]), return_inverse=True)
    cells = np.bincount(inside, np.concatenate([away for _, away in said]), len(keys))
    own = keys % (number + 1)
    better = [np.bincount(own, np.maximum(each, 0), number + 1) for each in (cells, -cells)]
    agreed: NDArray[np.float64] = np.maximum(*better) / np.maximum(np.add(*better), 1e-9)
    return agreed
