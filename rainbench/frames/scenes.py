"""Cuts: a video becomes several sequences, each of one scene.

A scene is what stays: edges that lie where they lay, whatever falls, passes or shines before them.
A cut is where the edges that stood before are gone and others stand. Rain, snow, a bus, lightning
and a cloud change much, but not that; a camera that moves takes its edges along.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""Longest side of the pictures that are compared."""

_OLD, _NEW = 8, 5
"""Frames before and after a supposed cut; up to two frames of flash in the latter do no harm."""

_STEP, _PAST = 4, 32
"""Every so many frames the last eight are compared with those that the scene began with, and so
many groups of them are remembered: a slow transition may take a hundred frames."""

_FEWEST = 3
"""Frames of a scene before a cut is looked for: what rain has hidden in one is seen in another."""

_RESTING = 0.6
"""Likeness of the frames of a group among each other from which the camera rests in it. A camera
that rests, jumps and rests again has changed its scene."""

_ALIKE, _MOVED_ALIKE = 0.3, 0.35
"""Likeness, from 0 to 1, above which two groups of frames show the same; and two single frames, of
which one may be shifted against the other. Of different photographs, groups are alike by 0 +-0.1
and the best of all shifts by up to 0.25; chosen."""

_SAME = 0.5
"""Likeness of what two groups show beneath all that comes and goes, above which it is the same;
chosen."""

_MIXED = 0.7
"""Likeness of the frames within a slow transition to a mixture of before and after; chosen."""

_IN_PLACE = 0.85
"""Likeness in place, as a share of the best of all shifts, of what has not moved; chosen."""

_FAINT = 1.5
"""Slope, in levels per pixel, that counts half: slopes of noise count little, and those of a flake
not more than those of a wall."""

_STRUCTURE = 0.15
"""Mean of the slopes, as weighed, below which a picture is empty: black, white, or fog."""

_Slopes = NDArray[np.complex64]


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
    _empty: int = 0
    _scene: deque[_Slopes] = field(default_factory=lambda: deque(maxlen=_OLD))
    _new: deque[_Slopes] = field(default_factory=deque)
    _past: deque[tuple[int, _Slopes]] = field(default_factory=lambda: deque(maxlen=_PAST))
    _since: int = 0
    _first: _Slopes | None = None

    def add(self, frame: NDArray[np.uint8]) -> list[int]:
        """Look at the next frame; return the index of a cut that is now certain, in a list."""
        self._seen += 1
        self._new.append(_slopes(frame))
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
        """Return the first waiting frame, if it begins a new scene."""
        if _is_empty(self._new[0]) or _is_empty(_mean(self._new)):
            return []
        if not self._scene:
            # Nothing was shown before: a video that begins black.
            return self._begin_anew() if self._empty >= _NEW else []
        if len(self._scene) < _FEWEST or likeness(_mean(self._scene), _mean(self._new)) > _ALIKE:
            return []
        if self._goes_on() or self._is_moved():
            return []
        return self._begin_anew()

    def _goes_on(self) -> bool:
        """Return whether all new frames, or the first, show the scene beneath what comes and goes.

        Where it rains much, few frames share little even with their own scene.
        """
        groups = self._new, [self._new[0]]
        return any(_likeness_beneath(self._scene, group) > _SAME for group in groups)

    def _is_moved(self) -> bool:
        """Return whether frames before and after show the same, shifted, and go on moving."""
        old, new = list(self._scene)[-2:], list(self._new)[:2]
        alike = max(moved_likeness(one, other) for one in old for other in new)
        if alike <= _MOVED_ALIKE:
            return False
        return likeness(old[-1], new[0]) > _ALIKE or not all(
            _rests(list(group)) for group in (self._scene, self._new)
        )

    def _begin_anew(self) -> list[int]:
        self._scene.clear()
        self._past.clear()
        self._first, self._since, self._empty = None, 0, 0
        return [self._seen - len(self._new)]

    def _pass_on(self) -> list[int]:
        """Take the oldest waiting frame into the scene; return a slow transition that it ends."""
        oldest = self._new.popleft()
        if _is_empty(oldest):
            self._empty += 1
            return []
        self._scene.append(oldest)
        self._since += 1
        if self._since < _OLD or self._since % _STEP:
            return []
        now = _mean(self._scene)
        if self._first is None:
            self._first = now
        if likeness(self._first, now) <= _ALIKE and (cut := self._slow_cut(now, self._first)):
            return cut  # these frames are no past of the scene that begins
        self._past.append((self._seen - len(self._new) - _OLD // 2, now))
        return []

    def _slow_cut(self, now: _Slopes, first: _Slopes) -> list[int]:
        """Return where one scene became another, if what lies between is a mixture of both."""
        if not any(_is_mixture(past, first, now) for _, past in self._past):
            return []
        later = (n for n, past in self._past if likeness(past, now) > likeness(past, first))
        cut = next(later, self._seen - len(self._new))
        self._begin_anew()
        return [cut]


def likeness(one: _Slopes, other: _Slopes) -> float:
    """Return how much the slopes of two pictures agree in place and direction: 1 for all, 0 none.

    Example:
        >>> slopes = np.array([[1 + 1j, 2]], np.complex64)
        >>> round(likeness(slopes, 3 * slopes), 3), round(likeness(slopes, -slopes), 3)
        (1.0, -1.0)
    """
    power = float(np.vdot(one, one).real) * float(np.vdot(other, other).real)
    return float(np.vdot(one, other).real / np.sqrt(power)) if power else 0.0


def moved_likeness(one: _Slopes, other: _Slopes) -> float:
    """Return the likeness of two pictures, one of them shifted by up to an eighth of its sides."""
    power = float(np.vdot(one, one).real) * float(np.vdot(other, other).real)
    if not power:
        return 0.0
    agreed = np.fft.ifft2(np.fft.fft2(one) * np.conj(np.fft.fft2(other))).real
    down, right = (max(1, length // 8) for length in one.shape)
    near = np.roll(agreed, (down, right), axis=(0, 1))[: 2 * down + 1, : 2 * right + 1]
    return float(near.max() / np.sqrt(power))


def _rests(group: list[_Slopes]) -> bool:
    half = len(group) // 2
    return half > 1 and likeness(_mean(group[:half]), _mean(group[half:])) > _RESTING


def _likeness_beneath(one: Iterable[_Slopes], other: Iterable[_Slopes]) -> float:
    """Return how like two groups of frames would be without what differs from frame to frame.

    The likeness of single frames of both, by that of single frames of one group: the correction for
    attenuation (Spearman 1904). Frames next to each other may be one frame twice.
    """
    groups = [[_unit(frame) for frame in group] for group in (one, other)]
    across = _mean_product(itertools.product(groups[0], groups[1]))
    within = [
        _mean_product(
            (a, b)
            for (i, a), (j, b) in itertools.combinations(enumerate(group), 2)
            if j - i > 1 or len(group) == 2
        )
        for group in groups
    ]
    if within[0] <= 0:
        return 0.0  # as where the camera moves fast: nothing stays that could be gone
    return across / float(np.sqrt(within[0] * (within[1] if within[1] > 0 else within[0])))


def _mean_product(pairs: Iterable[tuple[_Slopes, _Slopes]]) -> float:
    products = [np.vdot(one, other).real for one, other in pairs]
    return float(np.mean(products)) if products else 0.0


def _is_mixture(between: _Slopes, first: _Slopes, last: _Slopes) -> bool:
    """Return whether a picture shows two others at once, both in their places.

    A camera that moves shows something of both as well, but shifted.
    """
    if likeness(between, _unit(first) + _unit(last)) <= _MIXED:
        return False
    return all(
        likeness(between, other) > max(_ALIKE, _IN_PLACE * moved_likeness(between, other))
        for other in (first, last)
    )


def _unit(slopes: _Slopes) -> _Slopes:
    unit: _Slopes = slopes / np.float32(np.linalg.norm(slopes) or 1)
    return unit


def _mean(group: Sequence[_Slopes] | deque[_Slopes]) -> _Slopes:
    """Return what is common to a group of frames: slopes that come and go cancel out."""
    mean: _Slopes = np.mean(group, axis=0, dtype=np.complex64)
    return mean


def _is_empty(slopes: _Slopes) -> bool:
    return float(np.abs(slopes).mean()) < _STRUCTURE


def _slopes(frame: NDArray[np.uint8]) -> _Slopes:
    """Return the slopes of a small picture, right and down as one number, none larger than 1."""
    import cv2

    grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    ratio = min(1.0, SIDE / max(grey.shape))
    if ratio < 1:
        size = (max(1, round(grey.shape[1] * ratio)), max(1, round(grey.shape[0] * ratio)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    right = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    slopes = right + 1j * down
    return np.asarray(slopes / (np.abs(slopes) + _FAINT), np.complex64)
