"""Frames that repeat the one before: a slow video in a fast file.

A camera in the dark, a site or an editor stores a video of 7.5 frames a second as one of 30. Three
of four frames then show nothing new: rain that moves in every frame stands still in them. They are
equal, or differ by what a codec adds. New frames come at even distances; where changes come at odd
ones, nothing is a repeat: a scene may rest while nobody passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

_ROWS = 4
"""Every so many rows are compared: a streak, and a flake that matters, is taller."""

_CODEC = 12
"""Levels of change that a codec makes of nothing; only what is beyond is counted."""

_NO_CHANGE = 0.2
"""Change that is none, as `Changes` measures it: a few points, or a codec's second thoughts. Rain
of a tenth of the usual density makes 0.5 to 5, heavy rain 20."""

_RATIO = 2.5
"""Times by which nearly all new frames change more than nearly all repeats. Measured after
H.264 of crf 17 to 35: 6 to 190 with repeats, less than 2 without."""

_STILL = 0.4
"""Change below which a usual repeat lies: 0.2 after crf 35. A lamp that blinks at an even rate
divides the frames just as clearly, but it rains on, 0.7 and more."""

_FEWEST = 6
"""New frames, and repeats, without which nothing is left out."""

_EVEN = 0.8
"""Share of the new frames, and of all frames, that must lie at the usual distance to the next new
one, within a quarter or one frame, for there to be a rate at all."""

_SPLITS = 64
"""Divisions into new frames and repeats that are tried."""


@dataclass(slots=True)
class Changes:
    """How much each frame differs from the one before, while frames arrive.

    A key frame of a codec differs from the one before though it shows the same. It is like the last
    key frame then: the last frame that changed is compared as well, and the lesser change counts.

    Attributes:
        found: Root mean square, in levels, of what goes beyond a codec's loss; infinity for the
            first frame.

    Example:
        >>> changes, dark = Changes(), np.zeros((8, 8, 3), np.uint8)
        >>> for frame in (dark, dark + 2, dark + 24):
        ...     changes.add(frame)
        >>> [round(change, 3) for change in changes.found]
        [inf, 0.0, 10.0]
    """

    found: list[float] = field(default_factory=list)
    _before: Image | None = None
    _changed: Image | None = None

    def add(self, frame: Image) -> None:
        """Look at the next frame, ``(H, W, 3)`` uint8; a part of two of them is kept."""
        now = np.ascontiguousarray(frame[::_ROWS])
        if self._before is None or self._changed is None:
            change = float("inf")
            self._changed = now
        else:
            change = _change(self._before, now)
            if change >= _NO_CHANGE:
                change = min(change, _change(self._changed, now))
                self._changed = now
        self.found.append(change)
        self._before = now


def _change(before: Image, now: Image) -> float:
    import cv2

    beyond = cv2.subtract(cv2.absdiff(now, before).reshape(-1), float(_CODEC))
    return float(cv2.norm(beyond, cv2.NORM_L2) / now.size**0.5)


def find_new(change: Sequence[float]) -> NDArray[np.bool_]:
    """Find which frames show something new; all of them, unless the others come at an even rate.

    Args:
        change: How much each frame differs from the one before, from `Changes`.

    Example:
        >>> find_new([9, 0, 0, 8, 0.1, 0, 9, 0, 0, 7, 0, 0, 9, 0, 0, 8, 9, 0]).nonzero()[0].tolist()
        [0, 3, 6, 9, 12, 15, 16]
        >>> bool(find_new([9] * 7 + [0] * 7).all())
        True
    """
    values = np.nan_to_num(np.asarray(change, np.float64), posinf=np.inf)
    for least in _thresholds(np.sort(values[1:])):
        new = values > least
        new[:1] = True
        places = np.flatnonzero(new)
        distances = np.diff(places, append=len(new))
        usual = int(np.median(np.repeat(distances, distances)))
        even = np.abs(distances - usual) <= max(1, usual // 4)
        shares = even.mean(), distances[even].sum() / len(new)
        if min(shares) >= _EVEN:
            return new | np.repeat(distances > 2 * usual + 1, distances)
    return np.ones(len(values), np.bool_)


def _thresholds(ordered: NDArray[np.float64]) -> Iterator[float]:
    """Yield changes that divide frames into two clear classes, the clearest first."""
    count = len(ordered)
    if count < 2 * _FEWEST:
        return
    found = []
    for split in np.unique(np.linspace(_FEWEST, count - _FEWEST, _SPLITS).astype(int)):
        low = max(_NO_CHANGE, float(ordered[round(0.9 * (split - 1))]))
        high = float(ordered[split + (count - 1 - split) // 10])
        if high > _RATIO * low and ordered[split // 2] < _STILL:
            found.append((low / high, (low * high) ** 0.5))
    for _, threshold in sorted(found):
        yield threshold
