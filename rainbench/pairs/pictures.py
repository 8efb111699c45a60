"""Reading the pictures of pairs: upright, the halves of one file apart, unchanged since checked."""

from __future__ import annotations

import numpy as np

from rainbench.core.errors import ImageError
from rainbench.core.images import Image, pixel_hash, read_oriented
from rainbench.core.orientation import AS_STORED
from rainbench.pairs.layouts import Pair, Source
from rainbench.pairs.manifest import PairInfo
from rainbench.video.at import frame_at
from rainbench.video.types import VideoError

CHANGED = "changed while the run was going on"
"""What is said of a file that is not any more what it was when it was checked."""


def load_pair(pair: Pair, info: PairInfo | None = None) -> tuple[Image, Image]:
    """Read the rainy and the clean picture of a pair, upright; a file with both is decoded once.

    Args:
        pair: The pair.
        info: What it was when it was checked: the pictures have to be the same still.

    Raises:
        ImageError: A file cannot be used, changed since it was checked, or asks to be shown another
            way up than its partner.
    """
    rainy, clean, _ = load_oriented_pair(pair, info)
    return rainy, clean


def load_oriented_pair(pair: Pair, info: PairInfo | None = None) -> tuple[Image, Image, int]:
    """Return the pictures of a pair as `load_pair`, and the orientation flag that both have."""
    first, orientation = _read(pair.rainy)
    rainy, clean = _part(pair.rainy, first, orientation), first
    if pair.rainy.path != pair.clean.path:
        clean, other = _read(pair.clean)
        if other != orientation:  # whoever wrote one of them may have turned it, or may not
            raise ImageError(
                pair.rainy.path,
                f"has the orientation flag {orientation} (EXIF), but {pair.clean.path} has "
                f"{other}: which way up they show the scene depends on who reads them",
                hint="Save both again without a flag, the same way up.",
            )
    clean = _part(pair.clean, clean, orientation)
    if info:
        rainy = _checked(pair.rainy, rainy, info.rainy_sha256)
        clean = _checked(pair.clean, clean, info.clean_sha256)
    return rainy, clean, orientation


def load_image(source: Source, sha256: str = "") -> Image:
    """Read an image of a pair, a half of a file included.

    Args:
        source: Where it is.
        sha256: `rainbench.core.images.pixel_hash` that it had when it was checked; empty for any.

    Raises:
        ImageError: The file cannot be used, cannot be cut into halves, or changed since it was
            checked.
    """
    return _checked(source, load_oriented(source)[0], sha256)


def load_oriented(source: Source) -> tuple[Image, int]:
    """Return an image of a pair as `load_image`, and the orientation flag of its file."""
    image, orientation = _read(source)
    return _part(source, image, orientation), orientation


def _read(source: Source) -> tuple[Image, int]:
    """Return the upright image of a file, or a frame of it, and the file's orientation flag."""
    if source.frame is None:
        return read_oriented(source.path)
    try:
        return frame_at(source.path, source.frame), AS_STORED  # the decoder turns what is turned
    except VideoError as error:
        raise ImageError(source.path, error.reason, hint=error.hint) from None


def _checked(source: Source, image: Image, sha256: str) -> Image:
    if sha256 and pixel_hash(image) != sha256:
        raise ImageError(source.path, CHANGED, hint="Run again.")
    return image


def _part(source: Source, image: Image, orientation: int) -> Image:
    if not source.half:
        return image
    if orientation != AS_STORED:  # which half is which depends on who reads it
        raise ImageError(
            source.path,
            f"holds two images side by side and has the orientation flag {orientation} (EXIF)",
            hint="Save it again without the flag, as it is meant to be cut.",
        )
    width = image.shape[1]
    if width % 2:
        raise ImageError(
            source.path, f"should hold two images side by side, but its width {width} is odd"
        )
    half = image[:, : width // 2] if source.half == "left" else image[:, width // 2 :]
    return np.ascontiguousarray(half)
