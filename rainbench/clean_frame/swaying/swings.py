"""How far each pixel swings, under rain: step 1 of `rainbench.clean_frame.swaying`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.stretches import CODED_SPREAD, some_pixels
from rainbench.clean_frame.swaying.glance import (
    CLEAR,
    FEWEST_FRAMES,
    LOWER,
    UPPER,
    Glance,
    brightening,
)
from rainbench.frames.maps import picture_map, strips

WIDER, WIDE, DENSE = 1.2, 1.35, 0.35
"""How much wider than the noise a swing may be, and is for certain; chosen. More where the vote is
for a percentile below the third number: there rain is nearly everywhere."""

MOST_SPREAD = 3.5
"""How much wider than the noise the errors of a codec swing at most; chosen with `CODED_SPREAD`."""

NARROWEST, CODED = 0.7, 2.0
"""Deviations of the noise, in levels, between which it lies where frames hardly differ from the
next: without any noise, and where a codec repeats what it has shown."""

AROUND, REGION, WIDE_REGION = 5, 15, 31
"""Sides in pixels of the surroundings over which widths, decisions and skews are averaged."""

FEW = 0.1
"""Share of the pixels around that must swing, too: fewer do so next to what stood there; chosen."""

IN_BETWEEN, CHANGED = 0.15, 10.0
"""Share of the stretches that lie between the darkest and the brightest from which there are no two
states, as of a shadow that creeps: chosen between 0.04, and mist, 0.33 and more. Levels by which
stretches must differ to be asked."""

MOST = 0.5
"""Share of the picture that may be wide before there are no two brightnesses; chosen: a lamp lights
half, and what all have in common has been corrected."""

SLOW = 0.25
"""Share of the rain that frames next to each other show below which it is slow; chosen."""

DENSEST = 0.2
"""Voted percentile below which rain is dense for certain; chosen."""

WITHIN, LEAST_WITHIN = 6.0, 0.02
"""Levels from black and from white within which noise may be clipped, so that there would seem to
be less of it, and share of the pixels that must lie farther off; chosen."""

NOISE_SHARE = 0.15
"""Share of the pixels that swing less than those that stand for the noise."""

MOST_NOISE = 2.0
"""How much stronger noise may be in brighter, or darker, parts than where it is weakest: that of
photons grows with the root of the light, 2.2 times from a level of 24 to white."""

LEVELS, FEWEST_ALIKE = 16, 0.01
"""Levels that are taken for one brightness, and share of the pixels that must have it."""

_EVERY, _FEWEST_ALIKE = 2, 50
"""Rows and columns of which one is asked for it, and pixels that must have a brightness."""

_ROUNDS = 3
"""How often the rain is told from what is usual, and that from the rain."""

_WIDTHS = np.geomspace(0.3, 80, 48)
"""Widths of swings, in levels, for which tables are made."""


@dataclass(frozen=True, slots=True, eq=False)
class Swings:
    """How far each pixel swings.

    Attributes:
        width: ``(H, W)`` float32, standard deviation of what is seen without rain, in levels.
        noise: That of the noise where it is weakest, in levels.
        stronger: ``(H, W)`` float32, how much stronger it is at each pixel, by its brightness.
        percentile: ``(H, W)`` float32, 0 to 100, the dry median where it is wide.
        wide: ``(H, W)`` bool, where more than noise may be seen below what is usual.
        dry: Share of the frames without rain.
        rain: What rain adds, see `rainbench.clean_frame.swaying.glance.brightening`.
        least: Width of what does not swing, in levels: that of the noise where it is weakest, or of
            dense rain.
        slow: Rain stays in one place for some frames, so that what swings may be rain.
        everywhere: Most of the picture swings, and has no two states, as in mist.
        flickers: It does so from each frame to the next, so that the median is known well.
    """

    width: NDArray[np.float32]
    noise: float
    stronger: NDArray[np.float32]
    percentile: NDArray[np.float32]
    wide: NDArray[np.bool_]
    dry: float
    rain: NDArray[np.float64]
    least: float
    slow: bool
    everywhere: bool
    flickers: bool

    def added_within(self) -> NDArray[np.float32]:
        """Return what rain of up to three widths adds to a pixel's mean, in levels, ``(H, W)``."""
        levels = np.arange(256)
        near = np.cumsum(self.rain), np.cumsum(self.rain * levels)
        reach = np.minimum(6 * self.width, 255).astype(np.int64)
        return np.asarray(near[1][reach] / (self.dry + near[0][reach]), np.float32)

    def of(self, place: slice | tuple[slice, slice]) -> Swings:
        """Return those of some rows, or of a rectangle."""
        return replace(
            self,
            width=self.width[place],
            stronger=self.stronger[place],
            percentile=self.percentile[place],
            wide=self.wide[place],
        )


def average_over(values: NDArray[np.generic], side: int) -> NDArray[np.float32]:
    """Average over a square of pixels around each; beyond the edges the last ones repeat.

    Example:
        >>> average_over(9 * np.eye(3), 3)[1].round().tolist()
        [3.0, 3.0, 3.0]
    """
    import cv2

    plane = values.astype(np.float32)
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def measure_swings(
    seen: Glance,
    spread: NDArray[np.float32],
    usual: NDArray[np.uint8],
    levels: NDArray[np.float32],
) -> Swings | None:
    """Measure how far each pixel swings, unless there are too few frames to tell.

    Args:
        seen: From `glance`.
        spread: ``(H, W)`` float32, how far the percentiles `Glance.between` lie apart, in levels.
        usual: ``(K, H, W, 3)`` uint8, what the stretches usually show.
        levels: ``(H, W, 3)`` float32, what is taken for the scene.
    """
    if seen.sample.shape[-1] < FEWEST_FRAMES:
        return None
    share = seen.share
    spread = average_over(spread, AROUND)
    unit = 0.86  # deviations between these parts, where it rains in few frames
    light = levels.mean(axis=-1)
    some = spread[spread > 0.5 * unit]
    free = spread[(spread > 0.5 * unit) & (light > WITHIN) & (light < 255 - WITHIN)]
    some = free if free.size > LEAST_WITHIN * spread.size else some
    noise = float(np.quantile(some, NOISE_SHARE)) / unit if some.size else 0.0
    noise = max(NARROWEST, min(noise, max(1.5 * seen.calm, CODED)))
    stronger = _noise_of_light(spread, np.float32(unit * noise), light, seen)
    rows, columns = seen.places
    still = (spread <= 1.5 * noise * unit * stronger)[rows][:, columns]
    rain = _learn_rain(seen, still, noise)
    medians, spreads = _tables(rain, share)
    widths = picture_map(spread.shape, np.float32)
    for strip in strips(spread.shape):
        widths[strip.rows] = np.interp(spread[strip.rows], spreads, _WIDTHS)
    least = noise * max(1.0, DENSE / max(share, 1e-3))
    if seen.coded:
        broad = min(CODED_SPREAD * float(np.median(widths)), MOST_SPREAD * noise)
        least = max(least, broad / WIDER)
    slow = bool(seen.brief.sum() < SLOW * rain.sum())
    wide = widths > WIDER * least * stronger
    if not slow:  # what is alone is chance, and would be left as it is
        wide &= average_over(wide, WIDE_REGION) > FEW
    everywhere = bool(wide.mean() > MOST) and _in_between(usual) > IN_BETWEEN
    if everywhere and seen.coded and not seen.drifts:
        wide[:] = False  # a codec smears dense rain
    percentile = picture_map(spread.shape, np.float32)
    for strip in strips(spread.shape):
        part, own = percentile[strip.rows], wide[strip.rows]
        part[:] = 100 * share
        if not slow:
            part[own] = 100 * np.interp(widths[strip.rows][own], _WIDTHS, medians)
    dry = 1 - float(rain.sum())
    return Swings(
        widths,
        noise,
        stronger,
        percentile,
        wide,
        dry,
        rain,
        least,
        slow,
        everywhere,
        seen.flickers,
    )


def _noise_of_light(
    spread: NDArray[np.float32], least: np.float32, light: NDArray[np.float32], seen: Glance
) -> NDArray[np.float32]:
    """Return how much stronger the noise is at each pixel than where it is weakest, ``(H, W)``.

    Sensors' noise depends on the light. What swings is rarely all there is of a brightness.

    Args:
        spread: ``(H, W)``, in levels.
        least: That of the noise where it is weakest.
        light: ``(H, W)``, the mean of the channels of what is taken for the scene.
        seen: From `glance`.
    """
    stronger = picture_map(spread.shape, np.float32)
    stronger[:] = 1
    if seen.coded or seen.drifts:
        return stronger
    few = spread[::_EVERY, ::_EVERY] / least
    group = (light[::_EVERY, ::_EVERY] / LEVELS).astype(np.int64)
    known = few > 0.5
    places, found = [], []
    for place in np.unique(group):
        own = few[known & (group == place)]
        if own.size > max(_FEWEST_ALIKE, FEWEST_ALIKE * few.size):
            places.append((place + 0.5) * LEVELS)
            found.append(np.quantile(own, NOISE_SHARE))
    if places:
        for strip in strips(stronger.shape):
            at = np.interp(light[strip.rows], places, np.clip(found, 1, MOST_NOISE))
            stronger[strip.rows] = at
    return stronger


def _learn_rain(seen: Glance, still: NDArray[np.bool_], noise: float) -> NDArray[np.float64]:
    """Return what rain adds, as `brightening` does, from what is still."""
    count, brief, share = seen.sample.shape[-1], seen.brief, seen.share
    rain = brief
    if still.mean() > 0.1 and not seen.drifts:
        # A vote on what moves may be for anything; brief looks see too little of dense rain.
        some = np.sort(seen.sample[still], axis=-1).astype(np.int16)
        half = share if share < DENSEST else (1 - brief.sum()) / 2
        for _ in range(_ROUNDS):
            residual = some - some[..., [round(half * (count - 1))]]
            rain = brightening(residual, CLEAR * noise)
            half = (1 - rain.sum()) / 2
        if (rain - brief) @ np.arange(256) < 0:
            rain = brief
    return rain


def _in_between(usual: NDArray[np.uint8]) -> float:
    """Return the share of the stretches that show neither the one nor the other of two states."""
    light = some_pixels(usual).mean(axis=-1, dtype=np.float32)
    low, high = light.min(axis=0), light.max(axis=0)
    away = (light - low) / np.maximum(high - low, 1)
    between = ((away > 0.25) & (away < 0.75)).mean(axis=0)[high - low > CHANGED]
    return float(between.mean()) if between.size else 0.0


def _tables(
    rain: NDArray[np.float64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for each width, the percentile of the dry median and the spread of `UPPER`, `LOWER`.

    With rain on top, the distribution of the frames is that of the swing, taken to be normal,
    convolved with that of what rain adds.
    """
    from scipy.special import ndtr

    # Far levels are told apart by the twelfth part of them.
    groups = np.arange(256)
    groups[16:] = 16 + 12 * np.log(groups[16:] / 16)
    share_of = np.bincount(groups, rain)
    known = np.flatnonzero(share_of)
    levels = np.bincount(groups, rain * np.arange(256))[known] / share_of[known]
    weights = np.concatenate([[1 - rain.sum()], share_of[known]])
    levels = np.concatenate([[0], levels])
    places = np.linspace(-4, 4, 201)
    below = ndtr(places[:, None] - (levels / _WIDTHS[:, None])[:, None]) @ weights
    spreads = np.array(
        [
            width * np.subtract(*np.interp([UPPER * share, LOWER * share], each, places))
            for width, each in zip(_WIDTHS, below, strict=True)
        ]
    )
    return below[:, 100], np.maximum.accumulate(spreads)
