"""What the blocks of a scene agree on: the path of the camera, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REST = 0.3
"""Pixels within which a camera at rest stays in each direction: edges blur by less than their own
width then."""

FEWEST_FITTING = 0.35
"""Share of a block's points that must fit for it to vote; chosen."""

_FEWEST_BLOCKS, _FEWEST_SHARE = 4, 0.15
"""Blocks that must vote, and their share of all, for a frame to have a place; chosen."""

_DEVIATIONS = 3.0
"""Times its error bar that a motion must be to count as one."""

_LEAST = 0.06
"""Pixels of motion (root mean square) below which nothing is lost by taking it for none."""

_FAR, _FEWEST_FAR = 0.25, 2
"""Pixels by which at least so many frames lie away where only few frames move: a hand that ends the
recording."""

_TUKEY = 4.7
"""Deviations from which a block has no vote."""

_ROUNDS = 5
"""Rounds in which blocks that disagree lose their weight."""

_SHARPEST = 0.02
"""Least standard error, in pixels, that a block is believed: a sharp one is no better witness."""

_SHARED = 2.0
"""Times by which errors are larger than independent blocks would have: they share a reference, and
some a streak. Measured on rendered rain, sparse to dense."""

LONGEST_GAP = 8
"""Frames in a row whose place may be unknown without ending a run: a flash, a bird at the lens. As
long as a camera is looking elsewhere, its place is not known either."""

_SLOW = 15
"""Frames whose mean is the slow part of the path."""


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Where the picture lies in every frame of a scene, relative to its usual place.

    Attributes:
        shifts: ``(N, 2)``, pixels by which the content lies to the right and below; not a number
            where it cannot be found.
        turns: ``(N,)``, radians by which it is turned clockwise about the picture's middle; zero
            where no turn is larger than its error bar.
        errors: ``(N,)``, standard error of a shift, in pixels.
        moves: Whether the camera moves by more than the error bar.
    """

    shifts: NDArray[np.float64]
    turns: NDArray[np.float64]
    errors: NDArray[np.float64]
    moves: bool

    @property
    def error(self) -> float:
        """The usual standard error of a shift, in pixels; 0 where nothing could be measured."""
        known = self.errors[np.isfinite(self.errors)]
        return float(np.median(known)) if known.size else 0.0

    @property
    def drift(self) -> float:
        """The largest distance between two known places, in pixels; 0 where the camera rests."""
        known = self.shifts[np.isfinite(self.shifts).all(axis=1)]
        if not self.moves or not len(known):
            return 0.0
        return float(np.hypot(*np.ptp(known, axis=0)))

    @property
    def shake(self) -> float:
        """Root mean square of the jumps from frame to frame, in pixels; 0 at rest."""
        jumps = np.diff(self.shifts, axis=0)
        known = np.isfinite(jumps).all(axis=1)
        if not self.moves or not known.any():
            return 0.0
        return float(np.sqrt((jumps[known] ** 2).sum(axis=1).mean()))

    def span_within(self, distance: float) -> tuple[int, int]:
        """Return the longest run of frames in which all places are near each other.

        Args:
            distance: Pixels between places, in each direction.

        Returns:
            Its first frame, and the one after its last. Up to eight frames in a row whose place is
            not known are part of it, but neither at its beginning nor at its end.

        Example:
            >>> shifts = np.array([[0, 0], [0.1, 0], [np.nan, np.nan], [0.2, 0.1], [3, 0]])
            >>> CameraPath(shifts, np.zeros(5), np.zeros(5), moves=True).span_within(0.3)
            (0, 4)
        """
        known = np.flatnonzero(np.isfinite(self.shifts).all(axis=1))
        places = self.shifts[known]
        best, first = (0, 0), 0
        for last in range(len(known)):
            if last and known[last] - known[last - 1] > LONGEST_GAP:
                first = last
            while (np.ptp(places[first : last + 1], axis=0) > distance).any():
                first += 1
            if known[last] + 1 - known[first] > best[1] - best[0]:
                best = (int(known[first]), int(known[last]) + 1)
        return best

    def part(self, first: int, stop: int) -> CameraPath:
        """Return the path in some frames."""
        inside = slice(first, stop)
        return CameraPath(self.shifts[inside], self.turns[inside], self.errors[inside], self.moves)

    def filled(self) -> CameraPath:
        """Return the path with every place known: between others where it could not be found."""
        known = np.isfinite(self.shifts).all(axis=1)
        if known.all() or not known.any():
            return self
        frames = np.arange(len(self.shifts))
        values = np.column_stack([self.shifts, self.turns])
        filled = np.column_stack(
            [np.interp(frames, frames[known], column[known]) for column in values.T]
        )
        return CameraPath(filled[:, :2], filled[:, 2], self.errors, self.moves)


def agreed_path(
    votes: NDArray[np.float64], trust: NDArray[np.float64], middles: NDArray[np.float64]
) -> CameraPath:
    """Fit a shift and a small turn of every frame to the shifts of its blocks.

    Args:
        votes: ``(N, B, 2)`` shifts of the blocks.
        trust: ``(N, B, 4)``: their inverse covariance, and the share of a block that fits; see
            `rainbench.frames.block_kernels.register_blocks`.
        middles: ``(B, 2)`` places of the blocks, from the picture's middle.
    """
    fits, enough = fitting(trust)
    count = len(votes)
    if not enough.any():
        return CameraPath(np.zeros((count, 2)), np.zeros(count), np.full(count, np.inf), False)
    half = float(np.hypot(*np.ptp(middles, axis=0))) / 2
    radius = max(half, 1.0)
    moves, errors = _fit(votes[enough], trust[enough], fits[enough], middles / radius)
    moves -= np.median(moves, axis=0)
    turn = moves[:, 2:]
    if not _is_motion(turn, errors[:, 1]):
        moves, errors = _fit(votes[enough], trust[enough], fits[enough], None)
        moves -= np.median(moves, axis=0)
        moves = np.column_stack([moves, np.zeros(len(moves))])
    moving = _is_motion(moves[:, :2], errors[:, 0]) or bool(moves[:, 2].any())
    shifts, turns, bars = np.full((count, 2), np.nan), np.zeros(count), np.full(count, np.inf)
    if moving:
        shifts[enough] = _calmed(moves[:, :2], errors[:, 0])
        turns[enough] = _calmed(moves[:, 2:], errors[:, 1])[:, 0] / radius
    else:
        shifts[:] = 0
    bars[enough] = errors[:, 0]
    return CameraPath(shifts, turns, bars, moving)


def fitting(trust: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which blocks fit, and in which frames enough of them do."""
    fits = trust[..., 3] >= FEWEST_FITTING
    number = fits.sum(axis=1)
    return fits, (number >= _FEWEST_BLOCKS) & (number >= _FEWEST_SHARE * fits.shape[1])


def middle_vote(
    votes: NDArray[np.float64], trust: NDArray[np.float64], fits: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the median shift of each frame's blocks that fit, those with texture counting more."""
    weight = np.where(fits, np.sqrt(trust[..., 0] + trust[..., 2]), np.nan)
    # No block counts more than the usual one: captions are sharp, and do not move with the scene.
    weight = np.nan_to_num(np.minimum(weight, np.nanmedian(weight, axis=1, keepdims=True)))
    middles = np.empty((len(votes), 2))
    for axis in (0, 1):
        order = np.argsort(votes[..., axis], axis=1)
        total = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
        half = (total >= total[:, -1:] / 2).argmax(axis=1)
        place = np.take_along_axis(order, half[:, None], axis=1)
        middles[:, axis] = np.take_along_axis(votes[..., axis], place, axis=1)[:, 0]
    return middles


def _fit(
    votes: NDArray[np.float64],
    trust: NDArray[np.float64],
    fits: NDArray[np.bool_],
    places: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the motion of every frame, and the standard errors of its shift and its turn.

    Without places there is no turn. What a block's shifts scatter beside the common motion, over
    time, is added to its own error: leaves sway, water flows.
    """
    count, number, _ = votes.shape
    size = 2 if places is None else 3
    design = np.zeros((number, 2, size))
    design[:, 0, 0] = design[:, 1, 1] = 1
    if places is not None:
        design[:, 0, 2], design[:, 1, 2] = -places[:, 1], places[:, 0]
    precision = np.empty((count, number, 2, 2))
    precision[..., 0, 0], precision[..., 1, 1] = trust[..., 0], trust[..., 2]
    precision[..., 0, 1] = precision[..., 1, 0] = trust[..., 1]
    covariance = np.linalg.inv(precision + 1e-6 * np.eye(2)) + _SHARPEST**2 * np.eye(2)
    beside = votes - middle_vote(votes, trust, fits)[:, None]
    motion, errors = np.zeros((count, size)), np.zeros((count, 2))
    for _ in range(_ROUNDS):
        sway = np.nanmedian(np.where(fits[..., None], beside**2, np.nan), axis=0).max(axis=1) * 2.2
        sway = np.nan_to_num(sway, nan=1e3)
        believed = np.linalg.inv(covariance + sway[:, None, None] * np.eye(2))
        chi = np.sqrt(np.einsum("nbk,nbkl,nbl->nb", beside, believed, beside) / 2)
        scale = 1.2 * np.nanmedian(np.where(fits, chi, np.nan), axis=1) + 1e-9
        weight = np.where(fits, np.clip(1 - (chi / (_TUKEY * scale[:, None])) ** 2, 0, 1) ** 2, 0.0)
        normal = np.einsum("nb,bki,nbkl,blj->nij", weight, design, believed, design)
        right = np.einsum("nb,bki,nbkl,nbl->ni", weight, design, believed, votes)
        normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(size)
        motion = np.linalg.solve(normal, right[..., None])[..., 0]
        beside = votes - np.einsum("bki,ni->nbk", design, motion)
        inverse = np.linalg.inv(normal) * scale[:, None, None] ** 2
        errors[:, 0] = _SHARED * np.sqrt((inverse[:, 0, 0] + inverse[:, 1, 1]) / 2)
        errors[:, 1] = _SHARED * np.sqrt(inverse[:, -1, -1])
    return motion, errors


def _is_motion(values: NDArray[np.float64], errors: NDArray[np.float64]) -> bool:
    """Return whether values are larger than their errors: usually, slowly, or in a few frames."""
    far = np.abs(values).max(axis=1) > np.maximum(_FAR, 2 * _DEVIATIONS * errors)
    if far.sum() >= _FEWEST_FAR:
        return True
    weight = _weights(errors)
    usual = _size(errors[:, None], weight)
    slow = _slow_part(values, weight)
    return any(
        _size(part, weight) > max(_LEAST, _DEVIATIONS * error)
        for part, error in ((values, usual), (slow, usual / min(_SLOW, len(values)) ** 0.5))
    )


def _weights(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each frame: a frame that is badly known has none."""
    weight = 1 / (errors**2 + np.median(errors) ** 2 + 1e-12)
    return np.asarray(weight / weight.sum(), np.float64)


def _size(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    return float(np.sqrt(weight @ (values**2).mean(axis=1)))


def _slow_part(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean of some frames around each."""
    from scipy.ndimage import uniform_filter1d

    parts = np.column_stack([weight[:, None] * values, weight])
    mean = uniform_filter1d(parts, min(_SLOW, len(values)), axis=0, mode="nearest")
    return np.asarray(mean[:, :-1] / mean[:, -1:], np.float64)


def _calmed(values: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with as much of their jumps as is more than their errors (Wiener)."""
    weight = _weights(errors)
    slow = _slow_part(values, weight)
    jumps = values - slow
    power = max(0.0, _size(jumps, weight) ** 2 - _size(errors[:, None], weight) ** 2)
    share = (power / (power + errors**2 + 1e-12))[:, None]
    share = np.where(np.abs(jumps) > _DEVIATIONS * errors[:, None], 1.0, share)
    calmed: NDArray[np.float64] = slow + share * jumps
    return calmed
