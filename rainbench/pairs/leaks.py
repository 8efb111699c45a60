"""Shared backgrounds: which pictures of one data set stand in another, too."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.pairs.layouts import Source
from rainbench.pairs.load import PairSet
from rainbench.pairs.pictures import load_image

HASH_SIDE = 16
"""Side of the grid that a picture's fingerprint is taken on."""

LARGEST_DISTANCE = 20
"""Bits of 256 in which two fingerprints of one picture may differ (crops of a pixel, JPEG)."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A background that two data sets share.

    Attributes:
        first: The pair's id in the first set.
        second: The pair's id in the second set.
        exact: Whether the pixels are the same, or only the picture is.
    """

    first: str
    second: str
    exact: bool


def find_leaks(first: PairSet, second: PairSet, *, workers: int = 2) -> list[Leak]:
    """Return the clean images of the first set that occur in the second, one leak for each.

    Pictures of equal pixels are found by the manifests' hashes; cropped, resized or recompressed
    ones by a 256-bit fingerprint of horizontal brightness differences.

    Args:
        first: The set to search, typically a test set.
        second: The set it may have leaked into, typically a training set.
        workers: Threads that decode.
    """
    by_hash = {info.clean_sha256: info.id for info in reversed(second.manifest)}
    exact = {
        info.id: by_hash[info.clean_sha256]
        for info in first.manifest
        if info.clean_sha256 in by_hash
    }
    unsettled = [pair for pair in first.pairs if pair.id not in exact]
    near: dict[str, str] = {}
    if unsettled:
        with ThreadPoolExecutor(max(1, workers)) as pool:
            ours = _fingerprints([pair.clean for pair in unsettled], pool)
            theirs = _fingerprints([pair.clean for pair in second.pairs], pool)
        for pair, bits in zip(unsettled, ours, strict=True):
            distances = np.count_nonzero(theirs != bits, axis=1)
            nearest = int(distances.argmin())
            if distances[nearest] <= LARGEST_DISTANCE:
                near[pair.id] = second.pairs[nearest].id
    return [
        Leak(pair.id, exact.get(pair.id, near.get(pair.id, "")), pair.id in exact)
        for pair in first.pairs
        if pair.id in exact or pair.id in near
    ]


def _fingerprints(sources: Sequence[Source], pool: ThreadPoolExecutor) -> NDArray[np.bool_]:
    return np.stack(list(pool.map(lambda source: fingerprint(load_image(source)), sources)))


def fingerprint(image: Image) -> NDArray[np.bool_]:
    """Return 256 bits that a crop of a few pixels or a recompression hardly changes.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.

    Returns:
        ``(256,)`` bool: in a 16 by 17 grid of mean brightness, whether it rises to the right.

    Example:
        >>> ramp = np.tile(np.arange(170, dtype=np.uint8)[None, :, None], (160, 1, 3))
        >>> bool(fingerprint(ramp).all())
        True
    """
    import cv2

    grey = image.mean(axis=2, dtype=np.float32)
    grid = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.diff(grid, axis=1) > 0).ravel()
