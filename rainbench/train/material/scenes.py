"""What a training asks a source for: a window of a pair of images, and what belongs to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.random import philox

_STEP = 16
"""Whole images that are cut to fit are so in multiples of this, which every network takes."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of an image is wanted.

    Attributes:
        side: Side of the square, in pixels.
        down: How far down the square lies, as a share of the room there is: 0 at the top, below 1.
        right: How far to the right it lies, as the same kind of share: 0 at the left, below 1.
        within: Take less where the image is smaller (in whole sixteens), instead of refusing it;
            one that is smaller than 16x16 is refused all the same.
        zoom: How much the part will be enlarged: it has ``side / zoom`` pixels a side, or as many
            as the image.
        at: The rows above it and the columns to its left, instead of the two shares.
    """

    side: int
    down: float = 0.5
    right: float = 0.5
    within: bool = False
    zoom: float = 1.0
    at: tuple[int, int] | None = None

    def of(self, image: Image, name: str) -> tuple[slice, slice]:
        """Return which rows and columns of an image it is; ``name`` is for the error.

        Raises:
            RainbenchError: The image is smaller than the square.

        Example:
            >>> Window(64, 0.0, 0.5).of(np.zeros((64, 164, 3), np.uint8), "a.png")
            (slice(0, 64, None), slice(50, 114, None))
        """
        height, width = image.shape[:2]
        least = min(_STEP, self.side) if self.within else self.side
        if min(height, width) < least:
            raise RainbenchError(
                f"{name} is {width}x{height}, smaller than a patch of {least}x{least}"
            )
        if self.within:
            sides = [min(self.side, length // _STEP * _STEP) for length in (height, width)]
        else:
            sides = [min(round(self.side / self.zoom), height, width)] * 2
        rooms = [length - side + 1 for length, side in zip((height, width), sides, strict=True)]
        top, left = self.at or (int(self.down * rooms[0]), int(self.right * rooms[1]))
        top, left = min(top, rooms[0] - 1), min(left, rooms[1] - 1)
        return slice(top, top + sides[0]), slice(left, left + sides[1])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A part of a pair of images, with the gray pictures of it that were asked for.

    Attributes:
        rainy: ``(H, W, 3)`` uint8 RGB.
        clean: The same shape.
        layers: By what they show, ``(H, W)`` uint8, 255 being 1: those of
            `rainbench.catalog.terms.LAYERS`, and ``joint_mask``. Masks are normalised over the
            whole image.
    """

    rainy: Image
    clean: Image
    layers: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


class TrainingPairs(Protocol):
    """Pairs by number."""

    @property
    def label(self) -> str:
        """What the pairs are, for the record."""

    def __len__(self) -> int:
        """Return how many clean images there are."""

    def name(self, index: int) -> str:
        """Return what messages call a pair."""

    def scene(
        self, index: int, window: Window, *key: str | int, layers: Collection[str] = ()
    ) -> Scene:
        """Return a part of a pair; one that is synthesised gets its rain from the key.

        Raises:
            RainbenchError: An image cannot be read or is too small, the sizes of the two differ, or
                a layer is not there.
        """

    def clean(self, index: int) -> Image:
        """Return the clean image of a pair."""

    def lacking(self, index: int, layers: Collection[str]) -> str:
        """Return the first of some layers that a pair does not have, or an empty text."""

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair from its clean file's head alone.

        Raises:
            RainbenchError: The head cannot be read.
        """


def shuffled(count: int, *key: str | int) -> Sequence[int]:
    """Return the numbers below ``count`` in an order that depends on a key alone.

    Example:
        >>> sorted(shuffled(5, "doctest")), shuffled(5, "doctest") == shuffled(5, "doctest")
        ([0, 1, 2, 3, 4], True)
    """
    words = philox("shuffle", *key).random_raw(count)
    return [int(number) for number in np.argsort(words, kind="stable")]
