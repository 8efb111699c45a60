"""What a video codec has taken from the scene, as far as frames can tell.

What a codec leaves out, it leaves out of every frame: clean frames of any of them agree. Two traces
are left. Colour is stored at half the size, so that the finest detail of a clean frame has none,
or one that follows from every second pixel: sharp edges between colours leave some in between.
And a codec's errors stay for many frames, unlike noise: frames that lie close together differ less
than those far apart. How much is lost follows from how much is left, by a fit to sequences that
went through H.264 at CRF 17 to 40; it is good to some 3 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame
from rainbench.frames.sources import FrameSource, read_band

LASTING = 0.02
"""Share of the variance of frames far apart that those close together must lack."""

COARSE = 0.15
"""Energy of the finest detail of colour, over that of the next coarser one, below which colour was
stored at half the size; photographs have 0.4 to 2."""

FOLLOWS = 0.015
"""Share of the colour's change from every second pixel to the next, in squared levels, that the
pixels around do not tell, below which colour was stored at half the size. Sharp drawings that went
through H.264 have 0.001 to 0.01, any that did not, and photographs, 0.03 to 0.4."""

_REACH, _SAMPLES, _FEWEST = 2, 20000, 500
"""Pixels to each side, of every second one, that may tell; how many are asked after at most, and at
least."""

MARGIN = 10**0.3
"""Factor by which the lost energy may be larger: twice the fit's error on scenes left out."""

_FIT = (0.94, 0.35, -0.62, 0.21, -0.88)
"""Logarithm of the squared error: constant, and weights of the logarithms of the lasting variance,
of close over far variance, of the colour's detail that is left, and of the finest luma detail over
the next coarser one."""

_SUBSAMPLED = 0.36
"""Colour lost by half size alone, over the colour's finest detail that is left."""

_NOISY = 0.1
"""Energy of the colour's detail that noise alone leaves."""

_ROWS, _COLUMNS, _PAIRS = 32, 400, 24
"""Rows, columns of them at most, and pairs of frames that are compared."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class CodecLoss:
    """The mean squared error that a codec must be expected to have made, and its limits."""

    least: float = 0.0
    expected: float = 0.0
    most: float = 0.0


def estimate_codec_loss(source: FrameSource, clean: CleanFrame) -> CodecLoss:
    """Estimate what a codec took.

    Args:
        source: The frames in steady light.
        clean: The clean frame made of them.
    """
    luma = clean.levels @ _LUMA
    planes = [clean.levels[..., c] - luma for c in (0, 2)]
    fine, next_, third = (a + b for a, b in zip(*map(detail, planes), strict=True))
    is_fine = fine > COARSE * next_ + _NOISY
    if is_fine and not _was_half_size(planes):
        return CodecLoss()
    close, far = _variances(source, luma)
    if is_fine and far - close < LASTING * far:  # may be a photograph that was stored so before
        return CodecLoss()
    lost = _SUBSAMPLED * max(0.0, next_ - _NOISY)
    if far == 0:  # nothing varies, as in a black picture: where the fit below leads, too
        return CodecLoss(lost / 1.5, lost, 1.5 * lost)
    finest, coarser, _ = detail(luma)
    facts = (
        max(far - close, LASTING * far),
        max(close, 0.01) / far,
        third + 0.3,
        max(finest, 1e-3) / max(coarser, 1e-3),
    )
    logarithm = _FIT[0] + float(np.dot(_FIT[1:], np.log(facts)))
    lasting = float(np.exp(logarithm))
    if far - close < LASTING * far:  # it lasts too little to be told from noise, if it does at all
        return CodecLoss(lost / 1.5, lost, max(1.5 * lost, MARGIN * lasting))
    lost = max(lost, lasting)
    return CodecLoss(lost / MARGIN, lost, MARGIN * lost)


def detail(plane: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return the energy that 2x2 means lack, theirs that 4x4 means lack, and so on.

    Example:
        >>> detail(np.kron(np.eye(8, dtype=np.float32), np.ones((2, 2), np.float32)))[0]
        0.0
    """
    energies = []
    for _ in range(3):
        rows, columns = (side // 2 * 2 for side in plane.shape)
        cells = plane[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
        plane = cells.mean(axis=(1, 3))
        energies.append(float(np.square(cells - plane[:, None, :, None]).mean()))
    return energies[0], energies[1], energies[2]


def _was_half_size(planes: Sequence[NDArray[np.float32]]) -> bool:
    """Return whether every second pixel tells the others, however they were put in between."""
    told = [_untold(plane) for plane in planes]
    return sum(untold for untold, _ in told) < FOLLOWS * sum(change for _, change in told)


def _untold(plane: NDArray[np.float32]) -> tuple[float, float]:
    """Return what the pixels around do not tell of a change to the next pixel, and the change.

    Both are mean squares, of the best weights of the pixels around; alike where there are too few.
    """
    rows, columns = (side // 2 * 2 for side in plane.shape)
    every = plane[:rows:2, :columns:2].astype(np.float64)
    inner = [np.arange(_REACH, side - _REACH) for side in every.shape]
    places = np.stack(np.meshgrid(*inner, indexing="ij"), axis=-1).reshape(-1, 2)
    if len(places) < _FEWEST:
        return 1.0, 1.0
    step = -(-len(places) // _SAMPLES) | 1  # odd, so that no column is asked after alone
    y, x = places[::step].T
    reach = range(-_REACH, _REACH + 1)
    around = np.stack([every[y + dy, x + dx] - every[y, x] for dy in reach for dx in reach], axis=1)
    untold = change = 0.0
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        moved = plane[2 * y + dy, 2 * x + dx] - every[y, x]
        weights = np.linalg.lstsq(around, moved, rcond=None)[0]
        untold += float(np.square(moved - around @ weights).mean())
        change += float(np.square(moved).mean())
    return untold, change


def _variances(source: FrameSource, luma: NDArray[np.float32]) -> tuple[float, float]:
    """Return half the mean squared difference of dry samples close together and far apart."""
    height = source.shape[1]
    rows = np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int)).tolist()
    columns = np.s_[:: -(-luma.shape[1] // _COLUMNS)]
    seen = np.stack([read_band(source, r, r + 1)[:, 0, columns] @ _LUMA for r in rows], axis=1)
    wanted = luma[rows][:, columns]
    new = np.r_[True, (seen[1:] != seen[:-1]).any(axis=(1, 2))]
    seen = seen[new]  # frames that a video repeats say nothing
    away = np.abs(seen - wanted)
    dry = away < 3 * max(0.5, 1.48 * float(np.median(away)))
    return _half_difference(seen, dry, 1), _half_difference(seen, dry, max(2, len(seen) // 3))


def _half_difference(seen: NDArray[np.float32], dry: NDArray[np.bool_], lag: int) -> float:
    first = np.unique(np.linspace(0, max(0, len(seen) - lag - 1), _PAIRS).astype(int))
    if len(seen) <= lag:
        return 0.0
    both = dry[first] & dry[first + lag]
    squares = np.square(seen[first] - seen[first + lag])[both]
    return float(squares.mean()) / 2 if squares.size else 0.0
