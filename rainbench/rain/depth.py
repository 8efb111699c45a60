"""Depth maps that a user gives, for mist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import ImageError
from rainbench.core.images import read_gray


def read_depth(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Read a depth map, normalised so that the farthest point is 65535.

    Args:
        path: A gray image of 8 or 16 bits, or ``.npy``; larger is farther.
        shape: Height and width of its image.

    Raises:
        ImageError: It cannot be read, has no depth, or another size.
    """
    if path.suffix == ".npy":
        try:
            depth = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ImageError(path, f"is not an array that can be read: {error}") from None
        if depth.dtype.kind not in "uif":
            raise ImageError(path, f"holds {depth.dtype}, not numbers")
        depth = depth.astype(np.float64)
    else:
        depth = read_gray(path).astype(np.float64)
    if depth.shape != tuple(shape):
        raise ImageError(path, f"has the shape {depth.shape}, its image {tuple(shape)}")
    if not np.isfinite(depth).all() or depth.min() < 0 or depth.max() <= 0:
        raise ImageError(path, "is not a depth map: it needs finite values of 0 and more")
    normalised: NDArray[np.uint16] = np.rint(depth * (65535 / depth.max())).astype(np.uint16)
    return normalised
