"""What the scene is where no colour lasts: step 2 of `rainbench.clean_frame.swaying`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.scene.modes import Modes
from rainbench.clean_frame.swaying.swings import (
    AROUND,
    FEW,
    REGION,
    WIDE,
    WIDE_REGION,
    Swings,
    average_over,
)
from rainbench.frames.bands import apart, over_bands
from rainbench.frames.maps import picture_map, strips
from rainbench.frames.sources import FrameSource, read_band

DARKER = 0.15
"""Deviations of the noise by which means of what is alike are darker than the median, over the
pixels around, where what may be a swing is one: an edge that sways pulls them down."""

REACH = 3.0
"""Standard deviations of the noise within which a frame shows a colour."""

PEAK, CLEAR_PEAK, HALF, BETTER, STILL = 0.12, 0.2, 0.45, 1.07, 0.95
"""By how much more of the dry frames show a colour that is at rest than a swing would leave there;
share that shows it where two things were told apart; share from which it may be the lower of two
brightnesses, and how much less often the median between them is seen then. Chosen between leaves in
gusts, lamps that are switched, and water."""

TOGETHER, BROAD, FILLED = 0.35, 2.5, 0.3
"""Share of a swing's variance that means over the pixels around keep, from which these swing
together, how much wider than the noise it must be, and share of the pixels that must do so; chosen
between water and a turning camera."""

MOST_SKEW = 0.5
"""Widths of the swing that its mean may lie beside its median."""

_STRIP = 20000
"""Pixels that are looked at together: what is kept of them stays in the cache."""

_DEPENDS = 80
"""Rows within which pixels may have a say in what is decided here: all averages, one after the
other."""

_SETTLED = REGION // 2 + 2 * (WIDE_REGION // 2)
"""Rows of them within which those after the look at the frames reach."""


def settle_swings(
    steady: FrameSource,
    swings: Swings,
    middle: NDArray[np.float32],
    levels: NDArray[np.float32],
    modes: Modes,
    *,
    threads: int = 1,
) -> NDArray[np.bool_]:
    """Put the middle of what is seen where no colour lasts, into ``levels``, and say where.

    Args:
        steady: The sequence in steady light.
        swings: From `measure_swings`.
        middle: ``(H, W, 3)`` float32, the percentiles of the swings where they are wide.
        levels: ``(H, W, 3)`` float32, what is taken for the scene so far; changed.
        modes: What was found where more than rain is seen.
        threads: Number of threads.
    """
    wide = swings.wide
    if not wide.any():
        return wide
    decided = modes.changing & ~modes.faint & ~modes.unsteady
    wide = wide & ~modes.told
    if swings.slow:
        unclear = wide & ~decided | modes.unsteady
        both = unclear & wide
        for strip in strips(wide.shape):
            rows = strip.rows
            darker = np.minimum(levels[rows], middle[rows])
            np.copyto(levels[rows], darker, where=both[rows, :, None])
        return unclear
    swings = replace(swings, wide=wide)
    possible, sways = _possible(swings, middle, levels), np.zeros_like(wide)
    for place, own in apart(possible, _DEPENDS):
        looker = partial(_look, steady, place, threads)
        sways[place] |= _settle(
            looker,
            swings.of(place),
            possible[place] & own,
            middle[place],
            levels[place],
            decided[place],
        )
    return sways


def _settle(
    looker: Callable[..., _Look],
    swings: Swings,
    possible: NDArray[np.bool_],
    middle: NDArray[np.float32],
    levels: NDArray[np.float32],
    decided: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Do what `settle_swings` does in one place."""
    sways = np.zeros_like(possible)
    looked = looker(swings, possible, levels, middle)
    for strip in strips(sways.shape, margin=_SETTLED):
        near = strip.around
        found, settled = _fill(
            swings.of(near), looked.of(near), possible[near], middle[near], decided[near]
        )
        own = sways[strip.rows]
        own[:] = found[strip.inside]
        levels[strip.rows][own] = settled[strip.inside][own]
    return sways


def _possible(
    swings: Swings, middle: NDArray[np.float32], levels: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return where what is seen may swing."""
    found = np.empty(swings.wide.shape, np.bool_)
    for strip in strips(found.shape, margin=AROUND // 2 + WIDE_REGION // 2):
        here, near = swings.of(strip.around), strip.around
        apart = np.where(here.wide, (levels[near] - middle[near]).mean(axis=-1), 0)
        possible = here.width > WIDE * here.least * here.stronger
        possible |= average_over(apart, AROUND) < -DARKER * here.noise * here.stronger
        possible &= here.wide
        possible &= average_over(possible, WIDE_REGION) > FEW
        found[strip.rows] = possible[strip.inside]
    return found


def _fill(
    swings: Swings,
    looked: _Look,
    possible: NDArray[np.bool_],
    middle: NDArray[np.float32],
    decided: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return where it does in some rows, and what the scene is there."""
    together = average_over(looked.near, REGION) > TOGETHER * average_over(looked.alone, REGION)
    together &= swings.width > BROAD * swings.noise * swings.stronger
    sways = possible & ~_lasts(swings, looked, together, decided)
    sways &= average_over(sways, WIDE_REGION) > FEW
    together &= average_over(sways, WIDE_REGION) > FILLED
    if swings.flickers:  # so is the median, which no streak of rain moves
        return sways, middle
    skew = _skew(swings, looked.mean - middle, sways)
    return sways, middle + np.where(together[..., None], skew, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What the frames say; see `robust_kernels.look_at_swings`."""

    shown: NDArray[np.float32]
    mean: NDArray[np.float32]
    alone: NDArray[np.float32]
    near: NDArray[np.float32]
    count: int

    def of(self, rows: slice) -> _Look:
        """Return some rows."""
        planes = self.mean[rows], self.alone[rows], self.near[rows]
        return _Look(self.shown[:, rows], *planes, self.count)


def _look(
    steady: FrameSource,
    place: tuple[slice, slice],
    threads: int,
    swings: Swings,
    possible: NDArray[np.bool_],
    levels: NDArray[np.float32],
    middle: NDArray[np.float32],
) -> _Look:
    """Look at the frames wherever what possibly swings is near, in one place."""
    from rainbench.clean_frame import robust_kernels

    (height, width), first = swings.wide.shape, place[0].start
    shown, mean = (picture_map(x, np.float32) for x in ((3, height, width), levels.shape))
    alone, near = picture_map((2, height, width), np.float32)
    half = AROUND // 2

    def look(top: int, bottom: int) -> None:
        out = np.s_[top - first : bottom - first]
        asked = np.flatnonzero(possible[max(0, out.start - REGION) : out.stop + REGION].any(axis=0))
        if not asked.size:
            return
        above, below = min(half, out.start), min(half, height - out.stop)
        left, right = max(0, asked[0] - REGION - half), min(width, asked[-1] + 1 + REGION + half)
        here = out, np.s_[left:right]
        around = np.s_[out.start - above : out.stop + below, left:right]
        reach = np.where(swings.wide[around], 2 * swings.width[around], 0).astype(np.float32)
        columns = np.s_[place[1].start + left : place[1].start + right]
        band = read_band(steady, top - above, bottom + below)[:, :, columns]
        planes = [np.zeros((n, bottom - top, right - left), np.float32) for n in (3, 3, 1, 1)]
        robust_kernels.look_at_swings(
            np.ascontiguousarray(band).reshape(len(band), -1), above,
            np.ascontiguousarray(levels[here].transpose(2, 0, 1)),
            np.ascontiguousarray(middle[around].transpose(2, 0, 1)),
            reach, above, below, half,
            np.float32(REACH * swings.noise) * np.ascontiguousarray(swings.stronger[here]),
            planes[0], planes[1], planes[2][0], planes[3][0],
        )  # fmt: skip
        shown[:, *here] = planes[0]
        mean[here] = planes[1].transpose(1, 2, 0)
        alone[here], near[here] = planes[2][0], planes[3][0]

    rows = max(4 * half, _STRIP // width)
    over_bands(steady, look, threads, rows, (first, first + height))
    return _Look(shown, mean, alone, near, steady.shape[0])


def _lasts(
    swings: Swings,
    looked: _Look,
    together: NDArray[np.bool_],
    decided: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return where one colour is the scene's, for more than a swing would explain."""
    from scipy.special import erf

    known = np.maximum(average_over(swings.wide, REGION), 1e-9)

    def around(values: NDArray[np.generic]) -> NDArray[np.float32]:
        return np.asarray(average_over(np.where(swings.wide, values, 0), REGION) / known)

    dry = swings.dry * looked.count
    # Of the frames in which nothing passes; passers leave a peak as sharp as it is.
    alone = np.clip(around(looked.shown[2]) / dry, HALF, 1)
    own, middle = (around(each) / dry for each in looked.shown[:2])
    noise = swings.noise * swings.stronger
    chance = around(erf(REACH * noise / np.maximum(swings.width, 0.1) / 2**0.5))
    peak = own / alone - chance >= np.where(together, CLEAR_PEAK, PEAK)
    better = own >= BETTER * middle
    told_apart = (own >= HALF) & (better | (around(decided) >= 0.5)) & (not swings.everywhere)
    return np.asarray(peak | told_apart | (own >= STILL * alone))


def _skew(
    swings: Swings, above: NDArray[np.float32], sways: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return how far the dry mean lies above the dry median, from the pixels around."""
    weights = np.where(sways, swings.width, 0)
    sums = np.maximum(average_over(weights, WIDE_REGION), 1e-9)
    added = swings.added_within()
    skews = [
        average_over(np.where(sways, above[..., c] - added, 0), WIDE_REGION) / sums
        for c in range(3)
    ]
    skew = np.clip(np.stack(skews, axis=-1), -MOST_SKEW, MOST_SKEW)
    return np.asarray(swings.width[..., None] * skew)
