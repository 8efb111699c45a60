"""Jiang et al., CVPR 2017: discriminatively intrinsic priors (DIP), a tensor method.

The paper's model, on the luma ``O`` of a clip with the rain ``R``:

    min  a1 |D_fall R|_1 + a2 |R|_1 + a3 |D_across (O - R)|_1 + a4 |D_time (O - R)|_1 + |O - R|_*

with 0 <= R <= 1, where the last term is the sum of the nuclear norms of the three unfoldings.
Solved by ADMM, the quadratic step exactly by the Fourier transform; the clip is mirrored at its
borders first. Where the authors' code (TaiXiangJiang/FastDeRain, Lib/compete_methods/DIP_CVPR2017,
e82797a) departs from the paper, this follows the code:

* the right side of the rain's step holds ``D_fall O`` where the model asks for ``D_across O``;
* the mean of the three thresholded unfoldings is divided by three twice;
* the mirror begins one frame early at the end of the clip, in the place of the last frame; the
  top row, the bottom row and the last column are repeated, the first column and frame are not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.video_methods.base import COLUMNS, ROWS, TIME, Frames, Restored, Volume, restore_luma
from rainbench.video_methods.differences import adjoint, divide, forward, shrink, spectrum

MARGIN = 5
"""Samples by which a clip is mirrored on each side."""

_STEP_OF_MULTIPLIERS = 1.618
_AXES = (TIME, ROWS, COLUMNS)


class Jiang2017:
    """DIP as a video restorer.

    Args:
        along: Weight a1 of the streaks' differences along their fall.
        sparse: Weight a2 of the streaks.
        across: Weight a3 of the background's differences across the fall.
        time: Weight a4 of the background's differences in time.
        penalty: Of the splitting, beta.
        tolerance: It stops when the rain changes by less than this share of itself.
        most_steps: Or after so many steps.
    """

    bytes_per_pixel = 340
    least_frames = MARGIN + 2
    least_size = MARGIN, MARGIN + 1  # the mirror leaves out the first column

    def __init__(
        self,
        *,
        along: float = 1000.0,
        sparse: float = 100.0,
        across: float = 1000.0,
        time: float = 10.0,
        penalty: float = 50.0,
        tolerance: float = 1e-2,
        most_steps: int = 100,
    ) -> None:
        self.weights = (along, sparse, across, time)
        self.penalty = penalty
        self.tolerance = tolerance
        self.most_steps = most_steps

    def __call__(self, frames: Frames) -> Restored:
        """Restore a clip's luma."""

        def restore(luma: Volume) -> Volume:
            inner = (slice(MARGIN, -MARGIN),) * 3
            return self.separate(mirrored(luma))[0][inner]

        return restore_luma(frames, restore)

    def separate(self, observed: Volume) -> tuple[Volume, Volume]:
        """Return background and rain of a volume that is mirrored at its borders already."""
        beta = self.penalty
        along, sparse, across, time = (weight / beta for weight in self.weights)
        size = observed.shape
        eigenvalues = beta * (
            2 + spectrum(size, TIME) + spectrum(size, ROWS) + spectrum(size, COLUMNS)
        )
        fall_of_observed, still_of_observed = forward(observed, ROWS), forward(observed, TIME)
        rain = np.zeros(size)
        # The multipliers of the five split-off terms.
        fall, self_, side, still, low = (np.zeros(size) for _ in range(5))
        for _ in range(self.most_steps):
            background = observed - rain
            low_rank = thresholded(background + low / beta, 1 / beta)
            fall_part = shrink(forward(rain, ROWS) + fall / beta, along)
            self_part = shrink(rain + self_ / beta, sparse)
            side_part = shrink(forward(background, COLUMNS) + side / beta, across)
            still_part = shrink(forward(background, TIME) + still / beta, time)

            right = adjoint(beta * fall_part - fall, ROWS) + beta * self_part - self_
            right += adjoint(beta * (fall_of_observed - side_part) + side, COLUMNS)
            right += adjoint(beta * (still_of_observed - still_part) + still, TIME)
            right += beta * (observed - low_rank) + low
            was, rain = rain, np.clip(divide(right, eigenvalues), 0, 1)
            background = observed - rain

            step = _STEP_OF_MULTIPLIERS * beta
            fall += step * (forward(rain, ROWS) - fall_part)
            self_ += step * (rain - self_part)
            side += step * (forward(background, COLUMNS) - side_part)
            still += step * (forward(background, TIME) - still_part)
            low += step * (background - low_rank)
            before = np.linalg.norm(was)
            if before and np.linalg.norm(was - rain) <= self.tolerance * before:
                break
            if not rain.any():
                break
        return observed - rain, rain


def thresholded(volume: Volume, threshold: float) -> Volume:
    """Return the mean of the unfoldings with their singular values lowered, over three once more.

    Args:
        volume: ``(T, H, W)``.
        threshold: What is taken off every singular value, down to zero.
    """
    total = np.zeros(volume.shape)
    for axis in _AXES:
        moved = np.moveaxis(volume, axis, 0)
        unfolded = moved.reshape(len(moved), -1)
        squares, vectors = np.linalg.eigh(unfolded @ unfolded.T)
        values = np.sqrt(np.maximum(squares, 0))
        # As in the authors' code: values below what rounding leaves of zero are zero.
        kept = values > max(max(unfolded.shape) * np.spacing(values.max()), threshold)
        vectors, values = vectors[:, kept], values[kept]
        low = (vectors * ((values - threshold) / values)) @ vectors.T @ unfolded
        total += np.moveaxis(low.reshape(moved.shape), 0, axis)
    return total / len(_AXES) ** 2


def mirrored(volume: Volume) -> Volume:
    """Mirror a volume by `MARGIN` on every side, as the authors' code does."""
    time = _places(volume.shape[TIME], first=1, last=2)
    time[-MARGIN - 1] = volume.shape[TIME] - 2
    rows = _places(volume.shape[ROWS], first=0, last=0)
    columns = _places(volume.shape[COLUMNS], first=1, last=0)
    return volume[np.ix_(time, rows, columns)]


def _places(length: int, *, first: int, last: int) -> NDArray[np.intp]:
    """Return which sample stands where along an axis with margins.

    Args:
        length: Of the axis.
        first: Samples that the mirror before the first one leaves out.
        last: The same behind the last one.
    """
    before = np.arange(MARGIN)[::-1] + first
    after = length - 1 - last - np.arange(MARGIN)
    return np.concatenate([before, np.arange(length), after])
