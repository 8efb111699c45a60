"""Where pairs come from: a data set's copy, or clean images, rained upon as they are used."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.cards import DatasetCard
from rainbench.core.errors import RainbenchError
from rainbench.core.images import (
    IMAGE_SUFFIXES,
    Image,
    note_unread,
    read_gray,
    read_image,
    read_size,
)
from rainbench.core.text import count_of, natural_key
from rainbench.pairs.layouts import Pair, match_layouts
from rainbench.pairs.load import load_first_copy
from rainbench.pairs.pictures import load_image, load_pair
from rainbench.rain.masks import as_levels, exact_soft_mask
from rainbench.rain.transform import SyntheticPair
from rainbench.train.material.scenes import Scene, Window
from rainbench.train.material.variety import Rain, VariedRain

_LOG = logging.getLogger(__name__)

LOOKED_AT = 5000
"""Of so many pairs each is decoded before a training begins, some minutes' work; of larger sets the
further ones are taken by their names."""

CACHED_PIXELS = 48_000_000
"""How many pixels of decoded clean images a process keeps: 144 MB, some 300 photographs of half a
megapixel, for each of a few workers."""

AROUND = (480, 720)
"""Rows and columns around a patch that rain falls on where a loss needs a mask of it: masks are
normalised over the image (DAiAM, Sec. 3.2), which in larger photographs is this part of it."""


@dataclass(frozen=True, slots=True)
class CleanFolder:
    """Clean images, rained upon as they are used: other rain each time.

    The rain comes onto the part that is wanted, or onto the image around it where a mask is wanted,
    too, and has the size that it has in images of so many rows as the synthesis says.

    Attributes:
        folder: Holds the images, at any depth.
        files: Those of it that are used.
        synthesis: Puts the rain on.
    """

    folder: Path
    files: tuple[Path, ...]
    synthesis: Rain

    @property
    def label(self) -> str:
        """The kind of rain and the folder's name."""
        images = count_of(len(self.files), "image")
        rain: str = self.synthesis.kind
        if isinstance(self.synthesis, VariedRain):
            rain = self.synthesis.label
        return f"{rain} synthesised on {images} of {self.title}"

    @property
    def title(self) -> str:
        """The folder's name, also where it was given as ``.``."""
        return Path(os.path.abspath(self.folder)).name  # noqa: PTH100 (links are not followed)

    def rained(self) -> CleanFolder:
        """Return the same images with rain on each, to validate on."""
        if not isinstance(self.synthesis, VariedRain):
            return self
        return dataclasses.replace(self, synthesis=self.synthesis.everywhere())

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """Return an image's path."""
        return str(self.files[index])

    def clean(self, index: int) -> Image:
        """Return an image."""
        return _decoded(self.files[index])

    def scene(
        self, index: int, window: Window, *key: str | int, layers: Collection[str] = ()
    ) -> Scene:
        """Return a part of an image with rain on it."""
        whole = self.clean(index)
        part = window.of(whole, self.name(index))
        around = _around(part, whole.shape) if layers else part
        name = self.files[index].relative_to(self.folder).as_posix()
        pair = self.synthesis(np.ascontiguousarray(whole[around]), name, *key)
        rows, columns = (
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(part, around, strict=True)
        )
        return Scene(
            np.ascontiguousarray(pair.rainy[rows, columns]),
            np.ascontiguousarray(pair.clean[rows, columns]),
            {kind: _layer(pair, kind)[rows, columns] for kind in layers},
        )

    def lacking(self, index: int, layers: Collection[str]) -> str:  # noqa: ARG002 (all are made)
        """Return nothing: every layer is made with the rain."""
        return ""

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of an image as it is stored: rain falls downwards."""
        width, height = read_size(self.files[index])
        return height, width


def _around(part: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of at most `AROUND` in whose middle a part lies, if it can."""
    rows, columns = (
        _side_around(inner, length, most)
        for inner, length, most in zip(part, shape[:2], AROUND, strict=True)
    )
    return rows, columns


def _side_around(inner: slice, length: int, most: int) -> slice:
    wanted = min(length, max(most, inner.stop - inner.start))
    start = (inner.start + inner.stop - wanted) // 2
    start = min(max(start, 0), length - wanted)
    return slice(start, start + wanted)


def _layer(pair: SyntheticPair, kind: str) -> NDArray[np.uint8]:
    """Return a layer in 8 bits, a quarter of the memory to send to a device."""
    return pair.streaks if kind == "streaks" else as_levels(getattr(pair, kind))


def open_clean_folder(folder: Path, synthesis: Rain) -> CleanFolder:
    """Find the images of a folder.

    Args:
        folder: Holds images, at any depth.
        synthesis: Puts the rain on.

    Raises:
        RainbenchError: There is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise RainbenchError(f"{folder}: there is no such folder of clean images")
    seen = [file for file in folder.rglob("*") if not file.name.startswith(".")]
    note_unread(seen)
    files = [file for file in seen if file.suffix.lower() in IMAGE_SUFFIXES]
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

    def scene(
        self,
        index: int,
        window: Window,
        *key: str | int,  # noqa: ARG002 (nothing is drawn)
        layers: Collection[str] = (),
    ) -> Scene:
        """Return a part of a pair."""
        pair = self.pairs[index]
        rainy, clean = load_pair(pair)
        if rainy.shape != clean.shape:
            raise RainbenchError(
                f"{pair.rainy.path} is {rainy.shape[1]}x{rainy.shape[0]} but {pair.clean.path} is "
                f"{clean.shape[1]}x{clean.shape[0]}"
            )
        part = window.of(clean, self.name(index))
        found = {kind: self._layer(pair, kind, rainy, clean)[part] for kind in layers}
        return Scene(np.ascontiguousarray(rainy[part]), np.ascontiguousarray(clean[part]), found)

    def lacking(self, index: int, layers: Collection[str]) -> str:
        """Return the first of some layers that a pair has no file of, or an empty text."""
        has = ("joint_mask", *self.pairs[index].layers)
        return next((kind for kind in layers if kind not in has), "")

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair from its clean file's head alone."""
        clean = self.pairs[index].clean
        width, height = read_size(clean.path)
        return height, width // 2 if clean.half else width

    def _layer(self, pair: Pair, kind: str, rainy: Image, clean: Image) -> NDArray[np.uint8]:
        if kind == "joint_mask":
            return exact_soft_mask(rainy, clean).levels
        if kind not in pair.layers:
            raise RainbenchError(f"{pair.rainy.path} has no {kind.replace('_', ' ')}")
        file = pair.layers[kind]
        layer = read_gray(file)
        if layer.shape != rainy.shape[:2]:
            raise RainbenchError(
                f"{file} is {layer.shape[1]}x{layer.shape[0]} but {pair.rainy.path} is "
                f"{rainy.shape[1]}x{rainy.shape[0]}"
            )
        return (layer >> 8).astype(np.uint8)


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
