"""Pictures moved by a fraction of a pixel, or turned by a fraction of a degree."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

TAPS = 12
"""Taps of the windowed sinc that moves a frame: fewer would blur, and so change the vote."""

_Number = TypeVar("_Number", np.uint8, np.float32)


def move(picture: NDArray[_Number], right: float, down: float) -> NDArray[_Number]:
    """Return a picture with its content moved left and up; edges are repeated.

    Example:
        >>> move(np.arange(12, dtype=np.uint8).reshape(3, 4), 1, 0).tolist()
        [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]]
    """
    import cv2

    across, below = int(np.floor(right)), int(np.floor(down))
    moved: NDArray[_Number] = cv2.sepFilter2D(
        picture, -1, _weights(right - across), _weights(down - below),
        anchor=(TAPS // 2 - 1, TAPS // 2 - 1), borderType=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    rows = np.clip(np.arange(picture.shape[0]) + below, 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(picture.shape[1]) + across, 0, picture.shape[1] - 1)
    return moved[rows][:, columns]


def turn_back(
    picture: NDArray[np.uint8],
    shift: tuple[float, float],
    turn: float,
    middle: tuple[float, float],
) -> NDArray[np.uint8]:
    """Return a picture with its content moved left and up, and turned back about a point.

    Args:
        picture: ``(H, W, 3)``.
        shift: Pixels to the right and down by which its content lies wrong.
        turn: Radians by which it is turned clockwise.
        middle: The point about which it was turned, right and down of the middle of the first
            pixel.
    """
    import cv2

    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    point = np.array(middle)
    matrix[:, 2] = point + shift - matrix[:, :2] @ point
    size = (picture.shape[1], picture.shape[0])
    turned: NDArray[np.uint8] = np.asarray(
        cv2.warpAffine(
            picture, matrix, size,
            flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )  # fmt: skip
    return turned


def _weights(fraction: float) -> NDArray[np.float64]:
    """Return the weights of neighbouring samples for a value a fraction of a pixel along."""
    distance = np.arange(TAPS) - (TAPS // 2 - 1) - fraction
    weights = np.sinc(distance) * np.sinc(distance / (TAPS // 2)) * (np.abs(distance) < TAPS // 2)
    normal: NDArray[np.float64] = weights / weights.sum()
    return normal
