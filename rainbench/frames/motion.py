"""The path of the camera through a scene, found on small pictures, and the part where it rests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REST = 0.75
"""Pixels of a frame within which a camera at rest stays, in each direction: places are known to a
tenth of a pixel of a thumbnail, and of a frame of 1080 rows that is 0.75."""

_REFERENCE_FRAMES = 31
"""Thumbnails, spread over the scene, whose median is the reference; odd, so it is one of them."""

_ITERATIONS, _PRECISION = 30, 1e-4
"""When the registration stops: each picture starts where the one before ended, so few suffice."""

_LEAST_CORRELATION = 0.5
"""A picture that correlates less with the reference shows something else, and gets no place;
chosen."""


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Where the camera looks in every frame of a scene, relative to its usual place.

    Attributes:
        places: ``(N, 2)`` float64, pixels to the right and down; not a number where the picture
            does not resemble the rest of the scene.
    """

    places: NDArray[np.float64]

    @property
    def drift(self) -> float:
        """The largest distance between two places, in pixels; of those that are known."""
        known = self.places[np.isfinite(self.places).all(axis=1)]
        return float(np.hypot(*np.ptp(known, axis=0))) if len(known) else 0.0

    @property
    def shake(self) -> float:
        """Root mean square of the jumps from frame to frame, in pixels."""
        jumps = np.diff(self.places, axis=0)
        known = np.isfinite(jumps).all(axis=1)
        return float(np.sqrt((jumps[known] ** 2).sum(axis=1).mean())) if known.any() else 0.0

    def resting_span(self, within: float = REST) -> tuple[int, int]:
        """Return the longest run of frames in which the camera rests: first, and one after last.

        Example:
            >>> places = np.array([[0, 0], [0.1, 0], [0.2, 0.1], [3, 0], [3.1, 0]])
            >>> CameraPath(places).resting_span()
            (0, 3)
        """
        best, first = (0, 0), 0
        for stop in range(1, len(self.places) + 1):
            while first < stop and not self._rests(first, stop, within):
                first += 1
            if stop - first > best[1] - best[0]:
                best = (first, stop)
        return best

    def _rests(self, first: int, stop: int, within: float) -> bool:
        part = self.places[first:stop]
        return bool((np.ptp(part, axis=0) <= within).all())


def find_camera_path(
    thumbnails: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], scale: float
) -> CameraPath:
    """Find the camera's place in every frame of a scene, to about a tenth of a pixel.

    Each small picture is registered with the median of some of them by enhanced correlation (ECC).
    Little rain is left in a picture that is several times smaller, and none in the median.

    Args:
        thumbnails: Small grey pictures of all frames of the scene, of one size.
        scale: How many pixels of a frame are one of a thumbnail.

    Example:
        >>> texture = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.float32)
        >>> import cv2
        >>> smooth = cv2.GaussianBlur(texture, (0, 0), 3)
        >>> frames = [smooth[10:50, 10 + n : 60 + n].astype(np.uint8) for n in (0, 0, 0, 0, 1)]
        >>> path = find_camera_path(frames, scale=2.0)
        >>> path.places.round().tolist()[-1], path.resting_span()
        ([2.0, 0.0], (0, 4))
    """
    some = np.linspace(0, len(thumbnails) - 1, min(len(thumbnails), _REFERENCE_FRAMES))
    reference = np.median([thumbnails[index] for index in some.astype(int)], axis=0)
    places = register(thumbnails, reference.astype(np.float32)) * scale
    if not np.isfinite(places).any():  # a blank wall: nothing tells movement from rest
        places[:] = 0
    return CameraPath(places)


def register(
    pictures: Iterable[NDArray[np.uint8]], reference: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Find where each grey picture was taken, relative to a reference, by ECC.

    Returns:
        ``(N, 2)`` pixels to the right and down; not a number where a picture does not resemble the
        reference.
    """
    import cv2

    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _PRECISION)
    start = np.eye(2, 3, dtype=np.float32)
    places = []
    for picture in pictures:
        place = np.full(2, np.nan)
        try:
            correlation, warp = cv2.findTransformECC(
                reference, picture.astype(np.float32), start.copy(), cv2.MOTION_TRANSLATION,
                criteria, None, 5,
            )  # fmt: skip
        except cv2.error:  # nothing in common, or nothing to see
            correlation, warp = 0.0, np.eye(2, 3, dtype=np.float32)
        if correlation >= _LEAST_CORRELATION:
            place = -np.asarray(warp[:, 2], np.float64)
            start = warp
        places.append(place)
    return np.array(places)
