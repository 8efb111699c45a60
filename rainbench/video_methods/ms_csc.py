"""MS-CSC (Li et al., CVPR 2018): rain by multiscale convolutional sparse coding.

The luma of a clip is a background of rank 1, moving objects, and rain: sparse non-negative maps,
each correlated with one of three filters of 13, 9 and 5 pixels. In turn, twice: objects by a graph
cut and the background without them, the maps, the objects smoothed by total variation (TV-L1), what
is left as rain, and the filters.

Where the authors' code (MinghanLi/MS-CSC-Rain-Streak-Removal, b6cf25a) decides, this follows it:

* the clip is mirrored by six pixels and its edges are blurred four times before, here as Octave
  does; the first background is that of a robust principal component analysis of 35 steps;
* the weights of the maps are given once, and are then the maps' own means;
* the energy that should end it never does: there are two rounds;
* within objects the result is the smoothed foreground, outside the background.

The cut is that of `graph_cut`, not their library.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rainbench.video_methods.base import COLUMNS, ROWS, Frames, Restored, Volume, restore_luma
from rainbench.video_methods.differences import shrink
from rainbench.video_methods.graph_cut import Mask, Objects
from rainbench.video_methods.sparse_coding import Filters, code, first_filters, fitted_filters

SIZES = (13, 9, 5)
"""Sides of the filters."""

MARGIN = SIZES[0] // 2

_FIRST_COSTS = (1e-3, 1e-3, 1e-2)
"""Of the maps, in the first round."""

_ROUNDS, _TURNS = 2, 2
"""Rounds, and how often objects and background are found in each."""

_MAP_STEPS, _FILTER_STEPS, _SMOOTHING_STEPS, _FACTOR_STEPS = 200, 29, 50, 49
_PENALTY_GROWTH = 1.05
_ROBUST_STEPS = 35
_STILL_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Parts:
    """A clip, taken apart; each ``(T, H, W)``.

    Attributes:
        background: What stands still.
        rain: The layers of all filters together.
        foreground: Moving objects, smoothed.
        mask: Where they are.
        filters: The filters.
    """

    background: Volume
    rain: Volume
    foreground: Volume
    mask: Mask
    filters: Filters

    @property
    def clean(self) -> Volume:
        """The clip without rain."""
        return np.where(self.mask, self.foreground, self.background)


class MSCSC:
    """MS-CSC as a video restorer.

    Args:
        border: Weight lambda of the borders of objects.
        size: rho: how much of the residual's spread is still background.
        smoothing: How close the foreground stays to the clip.
        objects: Whether moving objects are looked for; not needed where the scene stands still.
    """

    bytes_per_pixel = 900
    least_frames = 3
    least_size = 1, 1

    def __init__(
        self,
        *,
        border: float = 1.0,
        size: float = 0.6,
        smoothing: float = 10.0,
        objects: bool = True,
    ) -> None:
        self.border = border
        self.size = size
        self.smoothing = smoothing
        self.objects = objects

    def __call__(self, frames: Frames) -> Restored:
        """Restore a clip's luma."""
        # Their luma is one of 8 bits.
        return restore_luma(frames, lambda luma: self.separate(np.rint(luma * 255) / 255).clean)

    def separate(self, observed: Volume) -> Parts:
        """Take a clip's luma apart.

        Args:
            observed: ``(T, H, W)``, in 0 to 1.
        """
        clip = tapered(np.pad(observed, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), "symmetric"))
        background = robust_background(clip)
        objects = Objects(clip, self.border, self.size, _STILL_WEIGHT)
        mask, costs, penalty = np.zeros(clip.shape, np.bool_), list(_FIRST_COSTS), 1.0
        streaks = multiplier = rain = foreground = np.zeros(clip.shape)
        filters = np.zeros((len(SIZES), SIZES[0], SIZES[0]))
        for turn in range(_ROUNDS):
            for _ in range(_TURNS):
                residual = clip - background
                if self.objects:
                    mask = objects.step(residual)
                if turn == 0:
                    streaks = np.where(mask, 0, residual)
                background = still_picture(clip - streaks, mask, background)
            if turn == 0:
                filters = first_filters(streaks, SIZES)
            maps, layers = code(streaks - multiplier, filters, costs, _MAP_STEPS)
            rain = layers.sum(0, dtype=np.float64)
            if self.objects:
                foreground = smoothed(np.where(mask, clip - streaks, 0), self.smoothing)
            scene = np.where(mask, foreground, background)
            streaks = (penalty * (rain + multiplier) + 2 * (clip - scene)) / (2 + penalty)
            penalty *= _PENALTY_GROWTH
            multiplier = multiplier + rain - streaks
            filters = fitted_filters(streaks - multiplier, maps, filters, SIZES, _FILTER_STEPS)
            costs = [float(each.mean(dtype=np.float64)) for each in maps]
        inner = np.s_[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        return Parts(background[inner], rain[inner], foreground[inner], mask[inner], filters)


def tapered(clip: Volume) -> Volume:
    """Return a clip with blurred edges: Octave's ``edgetaper`` four times, a Gaussian of 6 pixels.

    MATLAB's differs, and nothing tells how. Here the clip is mixed with its blurred copy, beyond
    which everything is black, by the autocorrelation of the Gaussian that ends at the edges.
    """
    bell = np.exp(-((np.arange(6) - 2.5) ** 2) / 2)
    bell /= bell.sum()
    overlap = np.convolve(bell, bell) / np.convolve(bell, bell).max()
    weights = []
    for axis in (ROWS, COLUMNS):
        inside = np.ones(clip.shape[axis])
        inside[:6], inside[-6:] = overlap[:6], overlap[5:]
        weights.append(inside)
    shares = np.outer(*weights)
    for _ in range(4):
        blurred = ndimage.convolve1d(clip, bell, ROWS, mode="constant")
        blurred = ndimage.convolve1d(blurred, bell, COLUMNS, mode="constant")
        clip = shares * clip + (1 - shares) * blurred
    return clip


def robust_background(clip: Volume) -> Volume:
    """Return the low-rank part of a clip by robust principal component analysis.

    By inexact augmented Lagrange multipliers (Lin et al. 2010), a fixed number of steps.
    """
    seen = clip.reshape(len(clip), -1)
    sparse_weight = 1 / np.sqrt(seen.shape[1])
    spread = _largest(seen)
    multiplier = seen / max(spread, np.abs(seen).max() / sparse_weight)
    penalty = 1.25 / spread
    most, low = penalty * 1e7, np.zeros(seen.shape)
    for _ in range(_ROBUST_STEPS):
        sparse = shrink(seen - low + multiplier / penalty, sparse_weight / penalty)
        target = seen - sparse + multiplier / penalty
        squares, vectors = np.linalg.eigh(target @ target.T)
        values = np.sqrt(np.maximum(squares, 0))
        kept = values > 1 / penalty
        share = (values[kept] - 1 / penalty) / values[kept]
        low = (vectors[:, kept] * share) @ (vectors[:, kept].T @ target)
        multiplier = multiplier + penalty * (seen - low - sparse)
        penalty = min(penalty * 1.5, most)
    return low.reshape(clip.shape)


def still_picture(clip: Volume, mask: Mask, start: Volume) -> Volume:
    """Return the clip of rank 1 that is nearest to a clip outside a mask, from a first guess."""
    flat, hidden = clip.reshape(len(clip), -1), mask.reshape(len(clip), -1)
    found = start.reshape(len(clip), -1)
    for _ in range(_FACTOR_STEPS):
        target = np.where(hidden, found, flat)
        vectors = np.linalg.eigh(target @ target.T)[1][:, -1:]
        before, found = found, vectors @ (vectors.T @ target)
        if _largest(found - before) < 1e-4 * _largest(before):
            break
    return found.reshape(clip.shape)


def smoothed(clip: Volume, closeness: float) -> Volume:
    """Return each frame smoothed by total variation with an absolute data term (TV-L1).

    By the primal-dual algorithm of Chambolle and Pock. A frame that exceeds 1 is scaled to it, as
    in the code that the authors use.

    Args:
        clip: ``(T, H, W)``.
        closeness: Weight of the data.
    """
    step = 0.02
    dual_step = 1 / (8 * step)
    scale = np.maximum(clip.max((1, 2), keepdims=True), 1)
    seen = clip / scale
    found, across, down = seen, _next(seen, COLUMNS), _next(seen, ROWS)
    for _ in range(_SMOOTHING_STEPS):
        across = across + dual_step * _next(found, COLUMNS)
        down = down + dual_step * _next(found, ROWS)
        length = np.maximum(1, np.hypot(across, down))
        across, down = across / length, down / length
        moved = found + step * (_divergence(across, COLUMNS) + _divergence(down, ROWS))
        new = seen + shrink(moved - seen, closeness * step)
        found = 2 * new - found
    smooth: Volume = found
    return smooth


def _next(clip: Volume, axis: int) -> Volume:
    """Return the difference to the next sample, zero at the end."""
    difference: Volume = np.diff(clip, axis=axis, append=np.take(clip, [-1], axis))
    return difference


def _divergence(flow: Volume, axis: int) -> Volume:
    """Return the negative adjoint of `_next`."""
    inner = np.delete(flow, -1, axis)
    none = np.zeros_like(np.take(flow, [0], axis))
    divergence: Volume = np.concatenate([inner, none], axis) - np.concatenate([none, inner], axis)
    return divergence


def _largest(matrix: NDArray[np.float64]) -> float:
    """Return the largest singular value of a wide matrix."""
    return float(np.sqrt(max(np.linalg.eigvalsh(matrix @ matrix.T)[-1], 0)))
