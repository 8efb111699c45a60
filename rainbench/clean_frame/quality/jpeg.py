"""What JPEG has taken from the scene: frames that were each coded alone, in blocks of 8x8 pixels.

Folders of JPEG files and Motion JPEG leave no trace over time, as noise falls otherwise in every
frame. But the coefficients of a block's cosine transform are multiples of a step, which single
frames tell to the digit. With the steps known, what is lost follows: noise that is as large as a
step carries the levels between two multiples into the mean of many frames, and less noise does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image

SIDE = 8
"""Pixels a side of a block."""

ON_STEPS = 0.6
"""How far coefficients must lie on multiples of a step, 1 for all of them on one: uncoded frames
reach 0.2 by chance, JPEG of quality 95 0.7."""

FEWEST_KNOWN = 5
"""Frequencies of which the step must be known; chosen."""

_ASKED = 28
"""The lowest frequencies, of which steps are looked for; of higher ones nearly all are 0."""

_BLOCKS, _FEWEST, _VALUES = 1500, 40, 500
"""Blocks of a frame that are looked at, coefficients without which a step is not told, and how many
are asked at most."""

_GLANCE, _FEW_VALUES = slice(3, _ASKED, 3), 200
"""Frequencies, and how many of their coefficients, that are asked whether there is any step at all;
two must say so."""

_CUT, _STANDS_OUT = 64, 1.15
"""Side in pixels of the part that tells where blocks begin, and how many times as many coefficients
must be 0 there than elsewhere; chosen between JPEG of quality 90, 1.3, and uncoded frames."""

_SURVIVES = 0.05
"""Share of coefficients that are not 0 from which how strong a frequency is can be told."""

_LUMA = np.array([0.299, 0.587, 0.114])
_RED, _BLUE = np.array([0.5, -0.4187, -0.0813]), np.array([-0.1687, -0.3313, 0.5])
_OF_RED, _OF_BLUE = 0.825, 1.086
"""Squared error of R, G and B, on average, that one of either colour plane makes."""

_ROWS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Steps of luma that are usual, to a factor: ITU-T T.81, Annex K."""

_MOTION_ROWS = (
    (8, 16, 19, 22, 26, 27, 29, 34),
    (16, 16, 22, 24, 27, 29, 34, 37),
    (19, 22, 26, 27, 29, 34, 34, 38),
    (22, 22, 26, 27, 29, 34, 37, 40),
    (22, 26, 27, 29, 32, 35, 40, 48),
    (26, 27, 29, 32, 35, 40, 48, 58),
    (26, 27, 29, 34, 38, 46, 56, 69),
    (27, 29, 35, 38, 46, 56, 69, 83),
)
"""Those of MPEG (ISO/IEC 11172-2), with which some cameras and programs write Motion JPEG."""

_COLOUR_STEPS = 99.0, ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
"""Steps of the colour planes, usually, and those of the lowest frequencies (Annex K)."""

_FULL_RANGE = 255 / 219
"""By which the steps of video of narrow range are stretched."""

_WIDTHS, _NOISES = np.geomspace(0.01, 30, 40), np.r_[0.004, np.geomspace(0.02, 1.5, 20)]
"""How strong frequencies are, and the noise, in steps, for which tables are made."""


def coefficients(plane: NDArray[np.floating], top: int = 0, left: int = 0) -> NDArray[np.float64]:
    """Return the cosine transforms of the blocks of a plane, ``(blocks, 8, 8)``, orthonormal.

    Args:
        plane: ``(H, W)``.
        top: Row at which the first block begins.
        left: Column at which it does.

    Example:
        >>> coefficients(np.ones((9, 17)))[:, 0, 0].round(6).tolist()
        [8.0, 8.0]
    """
    from scipy.fft import dctn

    part = plane[top:, left:]
    rows, columns = (side // SIDE for side in part.shape)
    cut = part[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    blocks = cut.swapaxes(1, 2).reshape(-1, SIDE, SIDE)
    return np.asarray(dctn(blocks, axes=(1, 2), norm="ortho"), np.float64)


@dataclass(frozen=True, slots=True)
class Steps:
    """Of which numbers the coefficients of coded frames are multiples.

    Attributes:
        luma: ``(8, 8)``, by frequency, down and across.
        place: Row and column at which the first block begins.
    """

    luma: NDArray[np.float64]
    place: tuple[int, int]


def find_steps(frames: Sequence[Image], levels: NDArray[np.float32]) -> Steps | None:
    """Return the steps of luma; None where frames were not coded in blocks, each alone.

    Asked are the blocks that differ most from the clean frame: a scene that was a JPEG file once,
    rendered rain upon it, would have steps where it is dry.

    Args:
        frames: Some frames, ``(H, W, 3)`` uint8, as they were decoded.
        levels: The clean frame, ``(H, W, 3)``.

    Example:
        >>> noisy = np.random.default_rng(0).normal(90, 3, (64, 64, 3)).astype(np.uint8)
        >>> find_steps([noisy], np.full((64, 64, 3), 90, np.float32)) is None
        True
    """
    rows = levels.shape[0] // 2 // SIDE * SIDE
    high = max(1, _BLOCKS * SIDE * SIDE // levels.shape[1] // SIDE) * SIDE  # enough of large ones
    part = np.s_[max(0, rows - high) : rows + high]
    wanted = levels[part] @ _LUMA
    planes = [frame[part] @ _LUMA for frame in frames]
    place = (0, 0)
    if not _has_steps(planes[0], wanted, place):
        place = _best_place(planes[0])
        if place == (0, 0) or not _has_steps(planes[0], wanted, place):
            return None
    return _steps_at(planes, wanted, place)


def _best_place(plane: NDArray[np.float64]) -> tuple[int, int]:
    """Return where blocks begin if most coefficients are 0 there: in a picture that was cut."""
    from scipy.fft import dctn

    top, left = (max(0, side // 2 - _CUT) for side in plane.shape)
    part = plane[top : top + _CUT + SIDE - 1, left : left + _CUT + SIDE - 1]
    if min(part.shape) < 2 * SIDE - 1:
        return 0, 0
    blocks = np.lib.stride_tricks.sliding_window_view(part, (SIDE, SIDE))
    rows, columns = (side // SIDE for side in blocks.shape[:2])
    blocks = blocks[: rows * SIDE, : columns * SIDE]
    nothing = np.abs(dctn(blocks, axes=(2, 3), norm="ortho")) < 0.45
    shares = nothing.mean(axis=(2, 3)).reshape(rows, SIDE, columns, SIDE).mean(axis=(0, 2))
    if shares.max() < _STANDS_OUT * np.median(shares):
        return 0, 0
    down, across = divmod(int(shares.argmax()), SIDE)
    return (down + top) % SIDE, (across + left) % SIDE


def _has_steps(
    plane: NDArray[np.float64], wanted: NDArray[np.float64], place: tuple[int, int]
) -> bool:
    """Say whether there are steps at all: a glance at a frame."""
    seen = _most_different([plane], wanted, place)
    told = (_step(seen[:, *at], _FEW_VALUES)[1] for at in _order()[_GLANCE])
    return sum(on > ON_STEPS for on in told) >= 2


def _steps_at(
    planes: Sequence[NDArray[np.float64]], wanted: NDArray[np.float64], place: tuple[int, int]
) -> Steps | None:
    """Return what `find_steps` does, for blocks that begin at a place."""
    seen = _most_different(planes, wanted, place)
    steps: dict[tuple[int, int], float] = {}
    for at in _order()[1:_ASKED]:
        step, on = _step(seen[:, *at], _VALUES)
        if on > ON_STEPS:
            steps[at] = step
    if len(steps) < FEWEST_KNOWN:
        return None
    logs = []
    for rows in (_ROWS, _MOTION_ROWS):
        base = np.log(np.array(rows, np.float64))
        away = np.array([np.log(step) - base[at] for at, step in steps.items()])
        factor = np.median(away)
        logs.append((float(np.abs(away - factor).mean()), base + factor))
    table = np.maximum(1, np.exp(min(logs, key=lambda each: each[0])[1]))
    for at, step in steps.items():
        table[at] = step
    return Steps(table, place)


def _most_different(
    planes: Sequence[NDArray[np.float64]], wanted: NDArray[np.float64], place: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the coefficients of the blocks that are farthest off what is wanted."""
    seen, off = _blocks_of(planes, wanted, place)
    most = np.argsort(off, axis=None)[-min(_BLOCKS, off.size // 2) :]
    return np.asarray(seen.reshape(-1, SIDE, SIDE)[most])


def _blocks_of(
    planes: Sequence[NDArray[np.float64]], wanted: NDArray[np.float64], place: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the blocks' coefficients, ``(N, blocks, 8, 8)``, and how far each is off."""
    target = coefficients(wanted, *place)
    seen = [coefficients(plane, *place) for plane in planes]
    off = [np.square(each - target).sum(axis=(1, 2)) for each in seen]
    return np.stack(seen), np.stack(off)


def _order() -> list[tuple[int, int]]:
    """Return all frequencies, the lowest first."""
    every = [(down, across) for down in range(SIDE) for across in range(SIDE)]
    return sorted(every, key=lambda at: (sum(at), at))


def _step(values: NDArray[np.float64], asked: int) -> tuple[float, float]:
    """Return of which step values are multiples, and how far they are: 1 for all of them."""
    values = values[np.abs(values) > 1]
    if len(values) < _FEWEST:
        return 1.0, 0.0
    values = values[:: -(-len(values) // asked)]
    whole = np.arange(2, 129, dtype=np.float64)
    steps = np.concatenate([whole, whole * _FULL_RANGE])
    on = np.cos(2 * np.pi * values[:, None] / steps)
    other = np.abs(values)[:, None] > steps / 2  # what is 0 says nothing
    number = other.sum(axis=0)
    on = np.where(number >= _FEWEST, (on * other).sum(axis=0) / np.maximum(number, 1), 0)
    best = int(on.argmax())
    return float(steps[best]), float(on[best])


@dataclass(frozen=True, slots=True)
class JpegLoss:
    """What the steps of JPEG must be expected to have taken.

    Attributes:
        expected: Squared error, in squared levels, the mean of R, G and B.
        most: The same, if nothing but the zeros of single frames tells of fine detail.
        half_colour: Colour is stored at half the size as well, which loses more.
    """

    expected: float
    most: float
    half_colour: bool


def lost_to_jpeg(
    frames: Sequence[Image], levels: NDArray[np.float32], noise: float
) -> JpegLoss | None:
    """Estimate what JPEG took; None where frames were not coded in blocks, each alone.

    A frequency's strength is told by how many of its coefficients are not 0; where hardly any are,
    it follows from that of lower ones, and is no stronger than what would have left some.

    Args:
        frames: Some frames, ``(H, W, 3)`` uint8, as they were decoded.
        levels: The clean frame, ``(H, W, 3)``, in levels.
        noise: Standard deviation of the noise that frames show, in levels.

    Example:
        >>> noisy = np.random.default_rng(0).normal(90, 3, (64, 64, 3)).astype(np.uint8)
        >>> lost_to_jpeg([noisy], np.full((64, 64, 3), 90, np.float32), 3.0) is None
        True
    """
    found = find_steps(frames, levels)
    if found is None:
        return None
    steps = found.luma
    planes = [frame @ _LUMA for frame in frames]
    seen, off = _blocks_of(planes, levels @ _LUMA, found.place)
    dry = seen[off.argmin(axis=0), np.arange(off.shape[1])]  # of each block, where it rains least
    shares = np.maximum((np.abs(dry) > steps / 2).mean(axis=0), 0.5 / len(dry))
    before = _noise_before(steps, shares, noise)
    width = _strength(shares, before / steps) * steps
    likely = _continued(width, shares > _SURVIVES)
    colour, half = _colour_lost(frames, levels, found, before)
    expected, most = (float(_lost(each, steps, before).mean()) for each in (likely, width))
    return JpegLoss(expected + colour, most + colour, half)


def _noise_before(steps: NDArray[np.float64], shares: NDArray[np.float64], noise: float) -> float:
    """Return the noise before it was coded, which leaves as much as is seen."""
    low, high = 0.05, 8.0
    for _ in range(16):
        middle = (low * high) ** 0.5
        width = _strength(shares, middle / steps)
        left = float((_look_up(2, width, middle / steps) * steps**2).mean())
        low, high = (middle, high) if left < noise**2 else (low, middle)
    return low


def _strength(shares: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean sizes of coefficients, in steps, of which such shares are not 0."""
    table = _tables()[1]
    width = np.empty(shares.shape)
    for at in np.ndindex(shares.shape):
        column = np.array([np.interp(noise[at], _NOISES, row) for row in table])
        width[at] = np.interp(shares[at], np.maximum.accumulate(column), _WIDTHS)
    return width


def _continued(width: NDArray[np.float64], survives: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the strengths, where nothing is left as those of lower frequencies go on."""
    down, across = np.indices(width.shape)
    frequency = np.log(np.hypot(down, across) + 1e-9)
    known = survives & (frequency > -1)
    if np.count_nonzero(known) < FEWEST_KNOWN:
        return width
    slope, start = np.polyfit(frequency[known], np.log(width[known]), 1)
    going_on = np.exp(start + min(slope, 0.0) * frequency)
    return np.where(known | (frequency < -1), width, np.minimum(width, going_on))


def _lost(
    width: NDArray[np.float64], steps: NDArray[np.float64], noise: float
) -> NDArray[np.float64]:
    """Return the squared error of each frequency."""
    return _look_up(0, width / steps, noise / steps) * steps**2


def _colour_lost(
    frames: Sequence[Image], levels: NDArray[np.float32], found: Steps, noise: float
) -> tuple[float, bool]:
    """Return the squared error by the steps of the colour planes, and whether they have half size.

    Where their coefficients lie on steps at full size, that is their size.
    """
    usual, low = _COLOUR_STEPS
    table = np.full((SIDE, SIDE), usual)
    table[:4, :4] = low
    table *= float(np.median(found.luma / np.array(_ROWS)))
    error, half = 0.0, False
    for weights, share in ((_RED, _OF_RED), (_BLUE, _OF_BLUE)):
        plane = levels @ weights
        whole = _steps_at([frame @ weights for frame in frames], plane, found.place)
        plane = plane[found.place[0] :, found.place[1] :]
        if whole is None:
            half = True
            rows, columns = (side // 2 * 2 for side in plane.shape)
            cells = plane[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
            plane = cells.mean(axis=(1, 3))
        steps = table if whole is None else whole.luma
        seen = coefficients(plane)
        if len(seen):
            width = np.maximum(np.abs(seen).mean(axis=0), 1e-3)
            width = np.maximum(width, _continued(width, width > steps / 4))
            error += share * float(_lost(width, steps, noise / 2).mean())
    return error, half


def _look_up(
    which: int, width: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return an entry of a table for each frequency, in squared steps."""
    from scipy.ndimage import map_coordinates

    row = np.interp(np.log(width), np.log(_WIDTHS), np.arange(len(_WIDTHS)))
    column = np.interp(noise, _NOISES, np.arange(len(_NOISES)))
    places = np.stack([row, column])
    return np.asarray(map_coordinates(_tables()[which], places, order=1, mode="nearest"))


@lru_cache(maxsize=1)
def _tables() -> NDArray[np.float64]:
    """Return what whole steps make of coefficients with noise, ``(3, widths, noises)``.

    The squared error of the mean, the share that is not 0, and the variance that is left, for
    coefficients of a Laplacian distribution.
    """
    from scipy.special import ndtr

    parts, most = 200, 12
    places = (np.arange(parts) + 0.5) / parts
    multiples = np.arange(-most, most + 1)
    edges = multiples[:-1] + 0.5
    tables = np.empty((3, len(_WIDTHS), len(_NOISES)))
    for row, width in enumerate(_WIDTHS):
        value = -width * np.log(1 - places)
        far = value > most - 4
        value = np.where(far, value % 1 + most - 4, value)  # one step is like the next
        for column, noise in enumerate(_NOISES):
            below = ndtr((edges - value[:, None]) / noise)
            mean = multiples[0] + (1 - below).sum(axis=1)
            ends = np.zeros((parts, 1)), np.ones((parts, 1))
            share = np.diff(np.hstack([ends[0], below, ends[1]]), axis=1)
            tables[0, row, column] = np.square(mean - value).mean()
            tables[1, row, column] = 1 - share[:, most].mean()
            tables[2, row, column] = (share @ multiples**2 - mean**2).mean()
    return tables
