"""Where to look first: the places at which a clean frame is least like the frames it comes from."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import ImageError
from rainbench.core.images import Image, read_image

PATCHES = 6
"""How many patches are shown."""

LARGEST_SAMPLE = 9
"""Frames of which the median is taken; of more, as many are chosen at even distances."""

LEAST_RESIDUAL = 0.5
"""Levels below which a patch is not worth a look: no more than rounding makes."""

_BAND_ROWS = 64
"""Rows that are compared at a time: nine 4K frames have 7 MB of them."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A square of a picture.

    Attributes:
        x: Column of its left side.
        y: Row of its upper side.
        side: Its size, pixels.
        residual: Mean absolute difference between clean frame and median, levels of 255.
    """

    x: int
    y: int
    side: int
    residual: float


def local_residual(clean: Image, samples: list[Image]) -> NDArray[np.float32]:
    """Return how far a clean frame is from the temporal median of some frames.

    Args:
        clean: ``(H, W, 3)`` uint8.
        samples: At least one frame of the same size; of an even number, the lower median is taken.

    Returns:
        ``(H, W)`` float32, levels of 255, averaged over the channels.
    """
    height, width = clean.shape[:2]
    residual = np.empty((height, width), np.float32)
    for top in range(0, height, _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        median = _lower_median([sample[rows] for sample in samples])
        apart = np.maximum(clean[rows], median) - np.minimum(clean[rows], median)
        red, green, blue = np.moveaxis(apart.astype(np.float32), 2, 0)
        residual[rows] = (red + green + blue) / 3
    return residual


def _lower_median(frames: list[Image]) -> Image:
    """Sort by exchanges of whole pictures: many times faster than a sort for every pixel."""
    ranks = list(frames)
    middle = (len(ranks) - 1) // 2
    for last in range(len(ranks) - 1, middle - 1, -1):
        for index in range(last):
            low = np.minimum(ranks[index], ranks[index + 1])
            ranks[index + 1] = np.maximum(ranks[index], ranks[index + 1])
            ranks[index] = low
    return ranks[middle]


def worst_patches(residual: NDArray[np.float32], count: int = PATCHES) -> list[Patch]:
    """Return the squares of largest mean residual that do not overlap, the worst first.

    None is smaller than `LEAST_RESIDUAL`, so that there may be fewer than ``count``.

    Example:
        >>> residual = np.zeros((60, 90), np.float32)
        >>> residual[20:40, 50:70] = 9
        >>> worst = worst_patches(residual)[0]
        >>> 40 <= worst.x <= 65, 10 <= worst.y <= 35, worst.residual > 5
        (True, True, True)
    """
    height, width = residual.shape
    side = min(height, width, max(16, min(128, min(height, width) // 5)))
    total = np.zeros((height + 1, width + 1))
    np.cumsum(np.cumsum(residual, axis=0, dtype=np.float64), axis=1, out=total[1:, 1:])
    ys = _starts(height, side)
    xs = _starts(width, side)
    corners = [total[np.ix_(ys + down, xs + right)] for down in (0, side) for right in (0, side)]
    means = (corners[0] - corners[1] - corners[2] + corners[3]) / side**2
    patches: list[Patch] = []
    while len(patches) < count:
        row, column = np.unravel_index(int(means.argmax()), means.shape)
        if means[row, column] < LEAST_RESIDUAL:
            break
        x, y = int(xs[column]), int(ys[row])
        patches.append(Patch(x, y, side, round(float(means[row, column]), 3)))
        near = np.ix_(np.abs(ys - y) < side, np.abs(xs - x) < side)
        means[near] = -1
    return patches


def _starts(length: int, side: int) -> NDArray[np.intp]:
    """Places every quarter of a patch, and the last one that fits."""
    last = length - side
    return np.unique(np.append(np.arange(0, last + 1, max(1, side // 4)), last))


def find_worst_patches(clean: Path, samples: tuple[Path, ...]) -> list[Patch]:
    """Read the pictures and find the worst patches.

    Raises:
        ImageError: A picture cannot be read, or has another size than the clean frame.
    """
    chosen = [
        samples[i]
        for i in np.unique(
            np.linspace(0, len(samples) - 1, min(len(samples), LARGEST_SAMPLE)).round().astype(int)
        )
    ]
    picture = read_image(clean)
    frames = [read_image(path) for path in chosen]
    for path, frame in zip(chosen, frames, strict=True):
        if frame.shape != picture.shape:
            raise ImageError(path, f"has another size than {clean.name}")
    return worst_patches(local_residual(picture, frames)) if frames else []


class PatchCache:
    """Remembers the patches of the sequences looked at last, until their pictures change.

    Args:
        size: How many sequences are remembered.
        find: What is remembered; for tests.
    """

    def __init__(
        self,
        size: int = 256,
        find: Callable[[Path, tuple[Path, ...]], list[Patch]] = find_worst_patches,
    ) -> None:
        self._size = size
        self._find = find
        self._known: OrderedDict[tuple[object, ...], list[Patch]] = OrderedDict()
        # One sequence at a time: a page that is left quickly must not fill all cores.
        self._lock = threading.Lock()

    def get(self, clean: Path, samples: tuple[Path, ...]) -> list[Patch]:
        """Return the worst patches of these pictures.

        Raises:
            ImageError: A picture cannot be read.
        """
        try:
            times = [(path, path.stat().st_mtime_ns) for path in (clean, *samples)]
        except OSError as error:
            raise ImageError(clean, f"cannot be read: {error.strerror}") from None
        key = tuple(times)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._find(clean, samples)
                while len(self._known) > self._size:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]
