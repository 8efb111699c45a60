"""Cuts: a video becomes several sequences, each of one scene.

Rain, noise, a flash or a cloud change a picture too. What tells a cut is that most parts of the
picture differ from the frames before, whatever the brightness, and stay different.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CELLS = (27, 36)
"""Rows and columns of the grid on which frames are compared."""

_OLD, _NEW = 8, 5
"""Frames before and after a supposed cut; up to two frames of flash in the latter do no harm."""

_LAG = 24
"""Frames over which a slow transition is looked for."""

_SHARE, _SLOW_SHARE = 0.4, 0.6
"""Share of the cells that must differ: at a cut, and, since much may move meanwhile, over a slow
transition."""

_LEAST_CHANGE, _DEVIATIONS = 5.0, 4.0
"""A cell differs beyond so many levels, and beyond so many deviations of its own unrest: rain and
noise change less."""

_MOST_BRIGHTENING = 1.25
"""The change of brightness that a cloud may cause; a larger one belongs to another scene. As
all numbers here, chosen."""

_FLOOR = 8
"""Levels added before brightness is compared: ratios of nearly black cells mean nothing."""

_Cells = NDArray[np.float32]


def find_scene_cuts(frames: Iterable[NDArray[np.uint8]]) -> list[int]:
    """Find the frames at which a new scene begins.

    Args:
        frames: Images in order, ``(H, W, 3)`` or grey ``(H, W)`` uint8, all or thumbnails; they are
            looked at one by one and not kept.

    Returns:
        Indices of the first frames of the second and later scenes. In a slow transition it is the
        frame where the picture has clearly become another.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> forest, street = rng.integers(0, 256, (2, 36, 48), np.uint8)
        >>> find_scene_cuts([forest] * 20 + [street] * 20)
        [20]
    """
    finder = CutFinder()
    cuts = [cut for frame in frames for cut in finder.add(frame)]
    return cuts + finder.finish()


@dataclass(slots=True)
class CutFinder:
    """Finds cuts while frames arrive; a cut is known five frames later.

    Example:
        >>> finder = CutFinder()
        >>> dark, light = np.zeros((36, 48), np.uint8), np.full((36, 48), 200, np.uint8)
        >>> light[::2, ::3] = 20
        >>> [cut for frame in [dark] * 9 + [light] * 9 for cut in finder.add(frame)]
        [9]
    """

    _seen: int = 0
    _scene: deque[_Cells] = field(default_factory=lambda: deque(maxlen=_LAG + _OLD))
    _new: deque[_Cells] = field(default_factory=deque)

    def add(self, frame: NDArray[np.uint8]) -> list[int]:
        """Look at the next frame; return the index of a cut that is now certain, in a list."""
        self._seen += 1
        self._new.append(_shrink(frame))
        if len(self._new) < _NEW:
            return []
        return self._cut() or self._pass_on()

    def finish(self) -> list[int]:
        """Return a cut among the last frames, which nothing follows to make it certain."""
        while len(self._new) > 1:
            cut = self._cut()
            if cut:
                return cut
            self._scene.append(self._new.popleft())
        return []

    def _cut(self) -> list[int]:
        """Return the first waiting frame that belongs to a new scene, if most of them do."""
        if not self._scene:
            return []
        old = list(self._scene)[-_OLD:]
        if _changed_share(old, list(self._new)) <= _SHARE:
            return []
        before, after = _middle(old), _middle(list(self._new))
        while np.abs(self._new[0] - before).sum() < np.abs(self._new[0] - after).sum():
            self._new.popleft()  # the majority is new, but not yet this one
        self._scene.clear()
        return [self._seen - len(self._new)]

    def _pass_on(self) -> list[int]:
        """Take the oldest waiting frame into the scene; return a slow transition that it ends."""
        self._scene.append(self._new.popleft())
        if len(self._scene) < _LAG + _OLD:
            return []
        scene = list(self._scene)
        if _changed_share(scene[:_OLD], scene[-_OLD:]) <= _SLOW_SHARE:
            return []
        self._scene.clear()
        return [self._seen - len(self._new) - 1]


def _changed_share(old: list[_Cells], new: list[_Cells]) -> float:
    """Return the share of cells that differ between two groups of frames.

    The brightness of the two is made equal first. What counts as a difference depends on how much
    frames of a group differ from each other: dense rain is restless.
    """
    before, after = _middle(old), _middle(new)
    ratio = float(np.median((after + _FLOOR) / (before + _FLOOR)))
    ratio = min(max(ratio, 1 / _MOST_BRIGHTENING), _MOST_BRIGHTENING)
    difference = np.abs(after - ((before + _FLOOR) * ratio - _FLOOR))
    steps = [np.abs(a - b) for group in (old, new) for a, b in pairwise(group)]
    unrest = float(np.median(np.mean(steps, axis=0))) if steps else 0.0
    tolerance = _DEVIATIONS * unrest * (1 / len(old) + 1 / len(new)) ** 0.5
    return float((difference > max(_LEAST_CHANGE, tolerance)).mean())


def _middle(group: list[_Cells]) -> _Cells:
    """Return the median of a group of frames, which a flash does not move."""
    middle: _Cells = np.median(group, axis=0).astype(np.float32)
    return middle


def _shrink(frame: NDArray[np.uint8]) -> _Cells:
    """Return the mean grey level of each cell."""
    import cv2

    rows, columns = CELLS
    cells = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cells if cells.ndim == 2 else np.asarray(cells.mean(axis=2), np.float32)
