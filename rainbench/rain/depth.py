"""Depth maps that a user gives, for mist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import ImageError
from rainbench.core.images import read_gray

_LEAST = 1e-300
"""A depth whose reciprocal is a number still."""


def read_depth(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Read a depth map, normalised so that the farthest point is 65535.

    Args:
        path: A gray image of 8 or 16 bits, or ``.npy``; larger is farther.
        shape: Height and width of its image.

    Raises:
        ImageError: It cannot be read, has no depth, or another size.
    """
    stored = _read_array(path) if path.suffix == ".npy" else read_gray(path)
    if stored.shape != tuple(shape):
        raise ImageError(path, f"has the shape {stored.shape}, its image {tuple(shape)}")
    depth = stored.astype(np.float64)
    if not np.isfinite(depth).all() or depth.min() < 0 or depth.max() < _LEAST:
        raise ImageError(path, "is not a depth map: it needs finite values of 0 and more")
    normalised: NDArray[np.uint16] = np.rint(depth * (65535 / depth.max())).astype(np.uint16)
    return normalised


def _read_array(path: Path) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, which is not believed how large it is.

    Mapped, so that a header of terabytes is held against the file before memory is taken.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise ImageError(path, f"is not an array that can be read: {error}") from None
    if not isinstance(array, np.ndarray):
        raise ImageError(path, "is not one array, but an archive of several (.npz)")
    if array.dtype.kind not in "uif":
        raise ImageError(path, f"holds {array.dtype}, not numbers")
    return array
