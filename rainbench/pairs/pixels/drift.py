"""Whether the two pictures of a pair lie upon each other, to the pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

_CORNER = 128
"""Side of the corners that are compared; a picture that was cropped by a few pixels and enlarged
again is moved most there, and not at all in its middle."""

_SMALLEST_CORNER = 16
_FARTHEST = 16
_CLEARER, _ABOVE_NOISE = 1.5, 8.0
"""How much higher than at home the correlation has to be elsewhere, and above its own spread.
Chosen on Rain100L, Rain100H, Raindrop and the mini sets: no right pair of 224 has two such corners,
nearly all of the same that were moved by a pixel or more have."""

_CORNERS = 2


def drift(rainy: Image, clean: Image) -> int:
    """Return by how many pixels two pictures of one scene are moved against each other.

    That is measured in the four corners, by how fine detail correlates, which rain that is added
    does not change. What is seen in one corner only is no proof.

    Args:
        rainy: ``(H, W, 3)`` uint8.
        clean: The same size.

    Example:
        >>> scene = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        >>> drift(scene, scene), drift(np.roll(scene, 3, axis=1), scene)
        (0, 3)
    """
    height, width = rainy.shape[:2]
    down, across = min(_CORNER, height // 2), min(_CORNER, width // 2)
    if min(down, across) < _SMALLEST_CORNER:
        return 0
    moves = [
        _moved(_detail(rainy[rows, columns]), _detail(clean[rows, columns]))
        for rows in (slice(down), slice(height - down, height))
        for columns in (slice(across), slice(width - across, width))
    ]
    return sorted(moves)[-_CORNERS]


def _detail(corner: Image) -> NDArray[np.float32]:
    """Return the fine detail of a corner, faded out towards its edges."""
    import cv2

    green = corner[..., 1].astype(np.float32)
    detail = green - cv2.blur(green, (9, 9))
    fade = np.outer(*(np.hanning(side) for side in detail.shape))
    return np.asarray((detail - detail.mean()) * fade, np.float32)


def _moved(rainy: NDArray[np.float32], clean: NDArray[np.float32]) -> int:
    """Return how far off one detail is found in the other, 0 where that is not certain."""
    cross = np.fft.rfft2(rainy) * np.fft.rfft2(clean).conj()
    size = np.sqrt(np.abs(cross))  # half way to phase correlation: sharp, but not all noise
    if not size.max():
        return 0
    correlation = np.fft.irfft2(cross / (size + 1e-3 * size.max()), rainy.shape)
    reach = min(_FARTHEST, *(side // 4 for side in rainy.shape))
    near = np.roll(correlation, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    highest, home = near.max(), near[reach, reach]
    if highest < _CLEARER * home or highest < _ABOVE_NOISE * correlation.std():
        return 0
    place = np.unravel_index(near.argmax(), near.shape)
    return int(max(abs(int(index) - reach) for index in place))
