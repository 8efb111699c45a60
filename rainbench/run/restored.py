"""A restored image: read once, compared with its pair, and scored."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
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
from rainbench.pairs.pixels.readings import (
    LOOKED_AT,
    VIEW_BETTER,
    as_floats,
    doubt,
    harm,
    look,
    psnr_of,
)
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
        pictures: The restored and the clean image, where they are kept to be compared.
    """

    pair: Pair
    file: Path
    sha256: str
    clean_sha256: str
    outlines: tuple[Outline, Outline] | None
    stamps: tuple[object, object]
    scores: Scores | None
    pictures: tuple[Image, Image] | None

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
    pair: Pair, info: PairInfo, file: Path, known: Set[tuple[str, str]], *, keep: bool = False
) -> Restored | str:
    """Read a restored image and score it, or say what is wrong with it.

    Args:
        pair: Its pair.
        info: What that was when it was checked.
        file: The restored image.
        known: Ids and hashes of images that have scores from an earlier run.
        keep: Whether to keep the pictures, for `check_readings`.

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
        (restored, clean) if keep else None,
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


def check_readings(usable: Sequence[Restored]) -> str:
    """Refuse restored images of which the first ones all are something else than they should be.

    Args:
        usable: Restored images in the order of their pairs; those whose pictures are kept are
            compared.

    Returns:
        What has to be said of images that are far worse than the rainy ones; empty for others.

    Raises:
        RainbenchError: They look like the rain, show the scene in other colours or moved, or fit
            the clean images before or behind theirs.
    """
    first = [each for each in usable if each.pictures is not None]
    read = [each.pictures for each in first if each.pictures is not None]
    looks = [
        look(as_floats(restored), load_image(each.pair.rainy), clean)
        for each, (restored, clean) in list(zip(first, read, strict=True))[:LOOKED_AT]
    ]
    if looks and (found := doubt(looks)):
        raise RainbenchError(
            f"{first[0].file} and the other images: this is {found.said}",
            hint="Save the restored images themselves, in RGB and in place.",
        )
    for step in (1, -1):
        pairs = list(zip(first[::step], read[::step], read[::step][1:], strict=False))
        if len(pairs) == LOOKED_AT and all(_fits_better(own, next_) for _, own, next_ in pairs):
            one, other = first[::step][:2]
            raise RainbenchError(
                f"{one.file} fits {other.pair.clean.path} better than {one.pair.clean.path}, and "
                "so do others: the images are numbered in another way",
                hint="Rename them as the rainy ones.",
            )
    return harm([(each.psnr, each.of_rainy) for each in looks])


def _fits_better(own: tuple[Image, Image], other: tuple[Image, Image]) -> bool:
    """Return whether a restored image is far nearer to another clean image than to its own."""
    restored, clean = own
    if restored.shape != other[1].shape:
        return False
    found = as_floats(restored)
    return psnr_of(found, other[1]) > psnr_of(found, clean) + VIEW_BETTER
