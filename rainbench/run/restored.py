"""A restored image: read once, compared with its pair, and scored."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rainbench.core.errors import ImageError, RainbenchError
from rainbench.core.images import Image, pixel_hash, read_image, read_oriented
from rainbench.core.orientation import as_stored
from rainbench.core.packed.places import stamp_of
from rainbench.metrics import score_all
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import CHANGED, load_image, load_oriented
from rainbench.pairs.pixels.likeness import LEAST, Outline, likeness, outline, seen_otherwise
from rainbench.run.scores import Scores


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored image that can be scored.

    Attributes:
        pair: Its pair.
        file: Where it is.
        sha256: Its `rainbench.core.images.pixel_hash`.
        clean_sha256: The same of the clean image.
        outlines: Of an image that does not look like its clean one: both outlines.
        stamps: What the system said of both files before they were read.
        scores: Its scores; None where an earlier run has some of the same pictures.
    """

    pair: Pair
    file: Path
    sha256: str
    clean_sha256: str
    outlines: tuple[Outline, Outline] | None
    stamps: tuple[object, object]
    scores: Scores | None

    def score(self) -> Scores:
        """Return the scores, anew where a file was touched: it has to hold the same picture."""
        if self.scores is not None and self.stamps == _stamps(self.file, self.pair):
            return self.scores
        return score_all(*self.read())

    def read(self) -> tuple[Image, Image]:
        """Return the restored and the clean image once more.

        Raises:
            ImageError: One cannot be read, or changed since it was checked.
        """
        restored = read_image(self.file)
        if pixel_hash(restored) != self.sha256:
            raise ImageError(self.file, CHANGED, hint="Run again.")
        return restored, load_image(self.pair.clean, self.clean_sha256)


def _stamps(file: Path, pair: Pair) -> tuple[object, object]:
    return stamp_of(file), stamp_of(pair.clean.path)


def check_restored(
    pair: Pair, info: PairInfo, file: Path, known: Set[tuple[str, str]]
) -> Restored | str:
    """Read a restored image and score it, or say what is wrong with it.

    Args:
        pair: Its pair.
        info: What that was when it was checked.
        file: The restored image.
        known: Ids and hashes of images that have scores from an earlier run.

    Raises:
        ImageError: The clean image changed since it was checked.
    """
    stamps = _stamps(file, pair)
    try:
        restored, flag = read_oriented(file)
        clean, flag_of_clean = load_oriented(pair.clean)
    except ImageError as error:
        return str(error)
    if pixel_hash(clean) != info.clean_sha256:
        raise ImageError(pair.clean.path, CHANGED, hint="Run again.")
    problem = _problem(pair, file, (restored, flag), (clean, flag_of_clean))
    if problem:
        return problem
    outlines = outline(restored), outline(clean)
    sha256 = pixel_hash(restored)
    scores = None
    if (pair.id, key_of_image(info, sha256)) not in known:
        try:
            scores = score_all(restored, clean)
        except RainbenchError as error:  # it knows pictures, not files
            return f"{file}: {error.message}"
    return Restored(
        pair,
        file,
        sha256,
        info.clean_sha256,
        None if likeness(*outlines) >= LEAST else outlines,
        stamps,
        scores,
    )


def key_of_image(info: PairInfo, sha256: str) -> str:
    """Return what the scores of a restored image depend on: the hashes of all three pictures."""
    return info.rainy_sha256 + info.clean_sha256 + sha256


def _problem(pair: Pair, file: Path, read: tuple[Image, int], read_clean: tuple[Image, int]) -> str:
    """Return why a restored image cannot be the one of a pair; empty if it can."""
    (restored, flag), (clean, flag_of_clean) = read, read_clean
    if flag != flag_of_clean and (
        _apart(as_stored(restored, flag), clean) * 2 < _apart(restored, clean)
        or _apart(restored, as_stored(clean, flag_of_clean)) * 2 < _apart(restored, clean)
    ):
        return (
            f"{file} (orientation flag {flag}) shows the scene another way up than "
            f"{pair.clean.path} (flag {flag_of_clean}): it was turned once too often, or not at "
            "all; turn it as the flags ask (EXIF) and save it without one"
        )
    if restored.shape == clean.shape:
        otherwise = seen_otherwise(restored, clean)
        return f"{file} shows the scene of {pair.clean.path} {otherwise}" if otherwise else ""
    (height, width), (wanted_height, wanted_width) = restored.shape[:2], clean.shape[:2]
    across, down = width / wanted_width, height / wanted_height
    several = across * down > 1 and across.is_integer() and down.is_integer()
    what = f", {across * down:.0f} pictures in one?" if several else ""
    return (
        f"{file} is {width}x{height}{what}, but {pair.clean.path} is {wanted_width}x{wanted_height}"
    )


def _apart(one: Image, other: Image) -> float:
    """Return the mean absolute difference of two pictures; without an end for two sizes."""
    if one.shape != other.shape:
        return math.inf
    return float(np.abs(one.astype(np.int16) - other).mean())
