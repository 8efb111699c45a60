"""Where pairs come from: a data set's copy, or clean images, rained upon as they are used."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.cards import DatasetCard
from rainbench.core.errors import RainbenchError
from rainbench.core.images import IMAGE_SUFFIXES, Image, read_image
from rainbench.core.random import philox
from rainbench.core.text import count_of, natural_key
from rainbench.pairs.layouts import Pair, match_layouts
from rainbench.pairs.load import load_first_copy
from rainbench.pairs.pictures import load_image, load_pair
from rainbench.rain.transform import Synthesis

_LOG = logging.getLogger(__name__)

LOOKED_AT = 5000
"""Of so many pairs each is decoded before a training begins, some minutes' work; of larger sets the
further ones are taken by their names."""

CACHED_PIXELS = 48_000_000
"""How many pixels of decoded clean images a process keeps: 144 MB, some 300 photographs of half a
megapixel, for each of a few workers."""

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
    """

    side: int
    down: float = 0.5
    right: float = 0.5
    within: bool = False

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
        sides = [min(self.side, length // _STEP * _STEP) for length in (height, width)]
        sides = sides if self.within else [self.side, self.side]
        top = int(self.down * (height - sides[0] + 1))
        left = int(self.right * (width - sides[1] + 1))
        return slice(top, top + sides[0]), slice(left, left + sides[1])


class Scene(NamedTuple):
    """A part of a pair of images, with the masks that are known of it.

    Attributes:
        rainy: ``(H, W, 3)`` uint8 RGB.
        clean: The same shape.
        streak_mask: Where and how strong streaks are, ``(H, W)`` uint8, 255 being 1; None if
            unknown.
        drop_mask: The same of drops.
    """

    rainy: Image
    clean: Image
    streak_mask: NDArray[np.uint8] | None = None
    drop_mask: NDArray[np.uint8] | None = None


class TrainingPairs(Protocol):
    """Pairs by number."""

    @property
    def label(self) -> str:
        """What the pairs are, for the record."""

    def __len__(self) -> int:
        """Return how many clean images there are."""

    def name(self, index: int) -> str:
        """Return what messages call a pair."""

    def scene(self, index: int, window: Window, *key: str | int) -> Scene:
        """Return a part of a pair; one that is synthesised gets its rain from the key.

        Raises:
            RainbenchError: An image cannot be read or is too small, or the sizes of the two differ.
        """

    def clean(self, index: int) -> Image:
        """Return the clean image of a pair."""


@dataclass(frozen=True, slots=True)
class CleanFolder:
    """Clean images, rained upon as they are used: other rain each time.

    The rain comes onto the part that is wanted, not onto the whole image, and has the size that it
    has in images of so many rows as the synthesis says.

    Attributes:
        folder: Holds the images, at any depth.
        files: Those of it that are used.
        synthesis: Puts the rain on.
    """

    folder: Path
    files: tuple[Path, ...]
    synthesis: Synthesis

    @property
    def label(self) -> str:
        """The kind of rain and the folder's name."""
        images = count_of(len(self.files), "image")
        return f"{self.synthesis.kind} synthesised on {images} of {self.title}"

    @property
    def title(self) -> str:
        """The folder's name, also where it was given as ``.``."""
        return Path(os.path.abspath(self.folder)).name  # noqa: PTH100 (links are not followed)

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """Return an image's path."""
        return str(self.files[index])

    def clean(self, index: int) -> Image:
        """Return an image."""
        return _decoded(self.files[index])

    def scene(self, index: int, window: Window, *key: str | int) -> Scene:
        """Return a part of an image with rain on it."""
        whole = self.clean(index)
        clean = np.ascontiguousarray(whole[window.of(whole, self.name(index))])
        name = self.files[index].relative_to(self.folder).as_posix()
        pair = self.synthesis(clean, name, *key)
        return Scene(pair.rainy, clean, _levels(pair.streak_mask), _levels(pair.drop_mask))


def _levels(mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a mask in 8 bits, a quarter of the memory to send to a device."""
    levels: NDArray[np.uint8] = np.rint(mask * np.float32(255)).astype(np.uint8)
    return levels


def open_clean_folder(folder: Path, synthesis: Synthesis) -> CleanFolder:
    """Find the images of a folder.

    Args:
        folder: Holds images, at any depth.
        synthesis: Puts the rain on.

    Raises:
        RainbenchError: There is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise RainbenchError(f"{folder}: there is no such folder of clean images")
    files = [
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise RainbenchError(
            f"{folder}: holds no images", hint=f"Looked for {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    files.sort(key=lambda file: natural_key(file.relative_to(folder).as_posix()))
    return CleanFolder(folder, tuple(files), synthesis)


@dataclass(frozen=True, slots=True)
class PairFolder:
    """A copy of a data set, whose pairs are read as they are used.

    Attributes:
        card: The data set.
        pairs: Its pairs, in order.
    """

    card: DatasetCard
    pairs: tuple[Pair, ...]

    @property
    def label(self) -> str:
        """The data set's name and size."""
        return f"{count_of(len(self.pairs), 'pair')} of {self.card.name}"

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return len(self.pairs)

    def name(self, index: int) -> str:
        """Return the path of a pair's rainy file."""
        return str(self.pairs[index].rainy.path)

    def clean(self, index: int) -> Image:
        """Return the clean image of a pair."""
        return load_image(self.pairs[index].clean)

    def scene(self, index: int, window: Window, *key: str | int) -> Scene:  # noqa: ARG002 (nothing is drawn)
        """Return a part of a pair."""
        pair = self.pairs[index]
        rainy, clean = load_pair(pair)
        if rainy.shape != clean.shape:
            raise RainbenchError(
                f"{pair.rainy.path} is {rainy.shape[1]}x{rainy.shape[0]} but {pair.clean.path} is "
                f"{clean.shape[1]}x{clean.shape[0]}"
            )
        part = window.of(clean, self.name(index))
        return Scene(np.ascontiguousarray(rainy[part]), np.ascontiguousarray(clean[part]))


def open_pairs(card: DatasetCard, copies: Sequence[Path]) -> PairFolder:
    """Open the first copy of a data set that is what its card promises, see `load_first_copy`.

    An incomplete copy will do where there is no complete one; what is wrong with it is a warning
    in the log.

    Args:
        card: The data set.
        copies: Folders that may hold it; at least one.

    Raises:
        RainbenchError: No copy can be used.
    """
    found = load_first_copy(card, copies, limit=LOOKED_AT, allow_partial=True)
    for problem in found.left_out:
        _LOG.warning("%s: %s", found.folder, problem)
    if found.found <= LOOKED_AT:
        return PairFolder(card, found.pairs)
    matches = {match.layout.name: match.pairs for match in match_layouts(card, found.folder)}
    return PairFolder(card, found.pairs + matches[found.layout][LOOKED_AT:])


def shuffled(count: int, *key: str | int) -> Sequence[int]:
    """Return the numbers below ``count`` in an order that depends on a key alone.

    Example:
        >>> sorted(shuffled(5, "doctest")), shuffled(5, "doctest") == shuffled(5, "doctest")
        ([0, 1, 2, 3, 4], True)
    """
    words = philox("shuffle", *key).random_raw(count)
    return [int(number) for number in np.argsort(words, kind="stable")]


class _Cache:
    """The images decoded last, up to so many pixels."""

    def __init__(self) -> None:
        self.images: dict[Path, Image] = {}
        self.pixels = 0

    def __call__(self, path: Path) -> Image:
        image = self.images.pop(path, None)
        if image is None:
            image = read_image(path)  # rain falls downwards
            self.pixels += image.shape[0] * image.shape[1]
        self.images[path] = image  # behind all others: used last
        while self.pixels > CACHED_PIXELS and len(self.images) > 1:
            oldest = self.images.pop(next(iter(self.images)))
            self.pixels -= oldest.shape[0] * oldest.shape[1]
        return image


@functools.cache
def _cache() -> _Cache:
    return _Cache()


def _decoded(path: Path) -> Image:
    return _cache()(path)
