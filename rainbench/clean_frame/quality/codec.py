"""What a video codec has taken from the scene, as far as frames can tell.

What a codec leaves out, it leaves out of every frame: clean frames of any of them agree. Two traces
are left. Colour is stored at half the size, so that in each frame every second pixel tells the
others, but for the rounding to 8 bits: what fills them in between, copies or a curve, is the same
everywhere. And a codec's errors stay for many frames, unlike noise: samples repeat those of the
frame before, and frames that lie close together differ less than those far apart. How much is lost
follows from what is left of noise and of the scene's detail, by a fit to 600 films that went
through H.264, H.265, VP8, VP9, AV1, MPEG-4 and MPEG-2; it is good to some 3 dB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame
from rainbench.clean_frame.quality.jpeg import lost_to_jpeg
from rainbench.core.images import Image
from rainbench.frames.sources import FrameSource, read_band, take_frames

LASTING = 0.02
"""Share of the variance of frames far apart that those close together must lack."""

REPEATED, KEPT = 0.1, 0.05
"""Share of the samples that are the same in the next frame, and `LASTING` that must then be
lacking, where a codec made them that stores colour at full size: H.264 leaves 0.47 and 0.55, noise
of one level 0.014 and 0.01, a camera that averages a few frames 0.05 and 0.75."""

ROUNDED = 0.67
"""What every second pixel does not tell of another where colour was stored at half the size, in
squared levels, over two planes: rounding alone makes 0.28, copies are told to the last digit. Noise
of one level makes 2.9 and more."""

COLOURED = 0.02
"""Change of colour between every second column, in squared levels, below which a frame is grey; the
least that dark films had is 0.3."""

_REACH, _SAMPLES, _FEWEST = 2, 8000, 500
"""Pixels to each side, of every second one, that may tell; how many are asked after at most, and at
least."""

MARGIN = 10**0.4
"""Factor by which the lost energy may be larger: 4 dB, where the fit is off by 2.9 dB (standard
deviation) on photographs that were left out."""

JPEG_MARGIN = 10**0.15
"""The same for what follows from the steps of JPEG: 1.5 dB."""

_FIT = (0.977, 0.39, -1.244, 1.332, 0.127, 0.408, -0.681)
"""Logarithm of the squared error: constant, and weights of the logarithms of luma's middle detail
in the clean frame, of the fine, middle and coarse detail that single frames add to it, of the share
of the variance of frames far apart that those close together lack, and of the share of samples
that do not repeat (``benchmarks/fit_codec.py``).

Noise has the same energy at each place of the spectrum. What a codec leaves of it, and its own
errors, have lost the fine part first: how much is missing against the coarse one tells how coarsely
the scene's own detail was kept."""

_LEAST = (-0.23, -4.6, -4.52, -4.33, -3.11, -2.06)
_MOST = (5.9, 2.75, 3.14, 3.49, -0.11, 0.0)
"""Between which these were in nearly all films; beyond, the fit says nothing."""

_ASKED = 16000
"""Values of which a median is taken, about."""

_SUBSAMPLED, _PHOTOGRAPH = 0.36, 0.67
"""Colour lost by half size alone, over the colour's finest detail that is left; and luma's finest
detail over the next one where that holds. Drawings have more, and lose more: by the power of 1.5,
chosen between photographs and drawings, of which 1.5 times what is left were lost."""

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


def estimate_codec_loss(
    source: FrameSource, steady: FrameSource, clean: CleanFrame, noise: float
) -> CodecLoss:
    """Estimate what a codec took.

    Args:
        source: The frames as they were decoded.
        steady: The frames in steady light.
        clean: The clean frame made of them.
        noise: Standard deviation of the noise of a channel, in levels.
    """
    luma = clean.levels @ _LUMA
    next_ = sum(detail(clean.levels[..., channel] - luma)[1] for channel in (0, 2))
    finest, finer, _ = detail(luma)
    sharp = max(1.0, finest / max(finer, _NOISY) / _PHOTOGRAPH) ** 1.5
    lost = _SUBSAMPLED * sharp * max(0.0, next_ - _NOISY)
    frames = _some_frames(source)
    jpeg = lost_to_jpeg(frames, clean.levels, noise)
    if jpeg is not None:
        lost *= jpeg.half_colour
        expected, most = jpeg.expected + lost, JPEG_MARGIN * jpeg.most + lost
        return CodecLoss(expected / MARGIN, expected, most)
    if steady is not source:
        frames = _some_frames(steady)
    close, far, repeated = _variances(steady, luma)
    kept = repeated >= REPEATED and far - close >= KEPT * far
    if not kept and not all(_is_half_colour(frame, repeated) for frame in frames):
        return CodecLoss()
    if far == 0:  # nothing varies, as in a black picture: where the fit below leads, too
        return CodecLoss(lost / 1.5, lost, 1.5 * lost)
    known = np.clip(_logarithms(luma, frames, close, far, repeated), _LEAST, _MOST)
    taken = min(float(np.exp(_FIT[0] + np.dot(_FIT[1:], known))), float(luma.var()))
    if far - close < LASTING * far:  # it lasts too little to be told from noise, if it does at all
        return CodecLoss(lost / 1.5, lost, max(1.5 * lost, MARGIN * taken))
    lost = max(lost, taken)
    return CodecLoss(lost / MARGIN, lost, MARGIN * lost)


def _logarithms(
    luma: NDArray[np.float32], frames: Sequence[Image], close: float, far: float, repeated: float
) -> NDArray[np.float64]:
    """Return what the fit goes by, logarithms, see `_FIT`."""
    added = np.mean([_usual_detail(frame @ _LUMA - luma) for frame in frames], axis=0)
    lasting = 1 - close / max(far, 1e-3)
    facts = (detail(luma)[1] + 0.1, *(added + 0.01), min(max(lasting, 0.01), 1), 1.02 - repeated)
    return np.log(facts)


def _usual_detail(plane: NDArray[np.float32]) -> list[float]:
    """Return `detail` as most pixels have it, of which rain is not."""
    asked = (each.ravel()[:: 1 + each.size // _ASKED] for each in _lacking(plane))
    return [float(1.48 * np.median(np.abs(some))) ** 2 for some in asked]


def detail(plane: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return the energy that 2x2 means lack, theirs that 4x4 means lack, and so on.

    Example:
        >>> detail(np.kron(np.eye(8, dtype=np.float32), np.ones((2, 2), np.float32)))[0]
        0.0
    """
    finest, finer, coarse = (float(np.square(lacking).mean()) for lacking in _lacking(plane))
    return finest, finer, coarse


def _lacking(plane: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield what 2x2 means lack, theirs that 4x4 means lack, and so on: three in all."""
    for _ in range(3):
        rows, columns = (side // 2 * 2 for side in plane.shape)
        cells = [plane[y:rows:2, x:columns:2] for y in (0, 1) for x in (0, 1)]
        plane = (cells[0] + cells[1] + cells[2] + cells[3]) * np.float32(0.25)
        yield np.stack([cell - plane for cell in cells])


def _some_frames(source: FrameSource) -> list[Image]:
    """Return three frames, spread over the sequence."""
    count, height, _, _ = source.shape
    numbers = np.unique([count // 4, count // 2, 3 * count // 4]).tolist()
    return [read_band(take_frames(source, np.s_[n : n + 1]), 0, height)[0] for n in numbers]


def _is_half_colour(frame: Image, repeated: float) -> bool:
    """Tell whether a frame's colour was stored at half the size.

    Along rows it always was: 4:2:2 keeps all rows, and readers that copy colour along rows may
    enlarge it along columns with a rounding of its own. That alone tells where there is noise; a
    rendered scene may be smooth in one direction.
    """
    right, others = _untold(frame)
    return right < ROUNDED and (repeated < REPEATED or others < 2 * ROUNDED)


def _untold(frame: Image) -> tuple[float, float]:
    """Return what every second pixel does not tell of the colours of the others.

    Of those to the right, and of those below. A frame tells it, a clean frame does not: its samples
    are of other frames at each pixel. Mean squares, of the best weights of the pixels around, where
    no channel is clipped: that bends what is straight. Infinite where there are too few of these,
    or there is no colour.
    """
    import cv2

    rows, columns = (side // 2 * 2 for side in frame.shape[:2])
    unclipped = ((frame > 0) & (frame < 255)).all(axis=-1).astype(np.uint8)
    side = 2 * (2 * _REACH + 1) + 1
    known = cv2.erode(unclipped, np.ones((side, side), np.uint8))[:rows:2, :columns:2]
    known[:_REACH], known[-_REACH:], known[:, :_REACH], known[:, -_REACH:] = 0, 0, 0, 0
    places = np.argwhere(known)
    if len(places) < _FEWEST:
        return float("inf"), float("inf")
    y, x = places[:: -(-len(places) // _SAMPLES) | 1].T  # odd: no column is asked after alone
    reach = range(-_REACH, _REACH + 1)
    untold, change = np.zeros(3), 0.0
    levels = frame.astype(np.float32)
    for channel in (0, 2):
        plane = (levels[..., channel] - levels @ _LUMA).astype(np.float64)
        every = plane[:rows:2, :columns:2]
        around = np.stack(
            [every[y + dy, x + dx] - every[y, x] for dy in reach for dx in reach], axis=1
        )
        moved = np.stack(
            [plane[2 * y + dy, 2 * x + dx] - every[y, x] for dy, dx in ((0, 1), (1, 0), (1, 1))],
            axis=1,
        )
        weights = np.linalg.lstsq(around, moved, rcond=None)[0]
        untold += np.square(moved - around @ weights).mean(axis=0)
        # Where the others are copies, these alone show that there is colour.
        change += float(np.square(every[y, x + 1] - every[y, x]).mean())
    if change <= COLOURED:
        return float("inf"), float("inf")
    return float(untold[0]), float(untold[1] + untold[2])


def _variances(source: FrameSource, luma: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return half the mean squared difference of dry samples close together and far apart.

    And the share of all samples that are the same in the next frame.
    """
    height = source.shape[1]
    rows = np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int)).tolist()
    columns = np.s_[:: -(-luma.shape[1] // _COLUMNS)]
    colours = np.stack([read_band(source, r, r + 1)[:, 0, columns] for r in rows], axis=1)
    wanted = luma[rows][:, columns]
    new = np.r_[True, (colours[1:] != colours[:-1]).any(axis=(1, 2, 3))]
    colours = colours[new]  # frames that a video repeats say nothing
    same = (colours[1:] == colours[:-1]).all(axis=-1)
    repeated = float(same.mean()) if same.size else 0.0
    seen = colours @ _LUMA
    away = np.abs(seen - wanted)
    dry = away < 3 * max(0.5, 1.48 * float(np.median(away)))
    close, far = (_half_difference(seen, dry, lag) for lag in (1, max(2, len(seen) // 3)))
    return close, far, repeated


def _half_difference(seen: NDArray[np.float32], dry: NDArray[np.bool_], lag: int) -> float:
    first = np.unique(np.linspace(0, max(0, len(seen) - lag - 1), _PAIRS).astype(int))
    if len(seen) <= lag:
        return 0.0
    both = dry[first] & dry[first + lag]
    squares = np.square(seen[first] - seen[first + lag])[both]
    return float(squares.mean()) / 2 if squares.size else 0.0
