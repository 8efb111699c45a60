"""Where no colour lasts, because light swings, water moves, or leaves or edges sway.

The darker frames of a still pixel spread no wider than the noise: rain only brightens. Where they
spread wider, and no one colour stands out among the frames as the colour of something at rest
does, the scene is the middle of what is seen:

1. What rain adds, and how often, is learnt where the picture is still (`_learn_rain`). A swing of a
   given width, with that rain on top, has its dry median at a known percentile of the frames.
2. Where pixels around swing together, as in light, mist and waves, the scene is the mean: its
   distance from the median, in units of the swing's width, is that of all pixels around, so that
   it hardly depends on which frames rain hit this one. What is displaced has no such mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.scene.modes import Modes
from rainbench.clean_frame.stretches import CODED_SPREAD
from rainbench.clean_frame.voting import Votes, choose_percentile
from rainbench.frames.bands import apart, over_bands
from rainbench.frames.maps import picture_map, strips
from rainbench.frames.sources import FrameSource, read_band

FEWEST_FRAMES = 20
"""Frames from which the width of a swing can be told."""

UPPER, LOWER = 0.8, 0.27
"""Parts of the voted percentile, a dry median, between which the width is measured: 0.25 and 1.1
standard deviations below the median where it rains in few frames."""

WIDER, WIDE, DENSE = 1.2, 1.35, 0.35
"""How much wider than the noise a swing may be, and is for certain; chosen. More where the vote is
for a percentile below the third number: there rain is nearly everywhere."""

DARKER = 0.15
"""Deviations of the noise by which means of what is alike are darker than the median, over the
pixels around, where what may be a swing is one: an edge that sways pulls them down."""

REPEATED = 0.03
"""Share of the samples that are the same in the next frame from which a codec made them; chosen:
noise leaves none, dense rain at CRF 23 0.07."""

MOST_SPREAD = 3.5
"""How much wider than the noise the errors of a codec swing at most; chosen with `CODED_SPREAD`."""

NARROWEST, CODED = 0.7, 2.0
"""Deviations of the noise, in levels, between which it lies where frames hardly differ from the
next: without any noise, and where a codec repeats what it has shown."""

AROUND, REGION, WIDE_REGION = 5, 15, 31
"""Sides in pixels of the surroundings over which widths, decisions and skews are averaged."""

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

FEW = 0.1
"""Share of the pixels around that must swing, too: fewer do so next to what stood there; chosen."""

COMMON, FAR_OFF = 0.33, 12.0
"""Correlation of most pixels with others a sixteenth of the width apart from which light or mist
drifts; chosen between mist, 0.42 and more, and lamps that light a part, dense rain and waves, to
0.24. Levels from the median that count at most: what is farther off is rain."""

IN_BETWEEN, CHANGED = 0.15, 10.0
"""Share of the stretches that lie between the darkest and the brightest from which there are no two
states, as of a shadow that creeps: chosen between 0.04, and mist, 0.33 and more. Levels by which
stretches must differ to be asked."""

MOST = 0.5
"""Share of the picture that may be wide before there are no two brightnesses; chosen: a lamp lights
half, and what all have in common has been corrected."""

MOST_SKEW = 0.5
"""Widths of the swing that its mean may lie beside its median."""

CLEAR = 2.5
"""Deviations of the noise from which rain is told from it: with fewer, a start that is too dark
would make rain of noise, and stay."""

SLOW = 0.25
"""Share of the rain that frames next to each other show below which it is slow; chosen."""

DENSEST = 0.2
"""Voted percentile below which rain is dense for certain; chosen."""

_ROUNDS = 3
"""How often the rain is told from what is usual, and that from the rain."""

_LOOKED_AT = 6000
"""Pixels, spread over the picture, of which stretches are compared."""

_ROWS, _COLUMNS = 16, 96
"""Rows, and columns of them, spread over the picture, that show what rain adds."""

_STRIP = 20000
"""Pixels that are looked at together: what is kept of them stays in the cache."""

_DEPENDS = 80
"""Rows within which pixels may have a say in what is decided here: all averages, one after the
other."""

_SETTLED = REGION // 2 + 2 * (WIDE_REGION // 2)
"""Rows of them within which those after the look at the frames reach."""

_WINDOW = 5
"""Frames of the short stretches that show the rain where nothing is still for longer."""

_QUARTER = 0.3186
"""Standard deviations that a quarter of a normal distribution lies within."""

_WIDTHS = np.geomspace(0.3, 80, 48)
"""Widths of swings, in levels, for which tables are made."""


@dataclass(frozen=True, slots=True, eq=False)
class Swings:
    """How far each pixel swings.

    Attributes:
        width: ``(H, W)`` float32, standard deviation of what is seen without rain, in levels.
        noise: That of the noise, in levels.
        percentile: ``(H, W)`` float32, 0 to 100, the dry median where it is wide.
        wide: ``(H, W)`` bool, where more than noise may be seen below what is usual.
        dry: Share of the frames without rain.
        added: What rain adds on average over all frames, in levels.
        least: Width of what does not swing, in levels: that of the noise, or of dense rain.
        slow: Rain stays in one place for some frames, so that what swings may be rain.
        everywhere: Most of the picture swings, and has no two states, as in mist.
    """

    width: NDArray[np.float32]
    noise: float
    percentile: NDArray[np.float32]
    wide: NDArray[np.bool_]
    dry: float
    added: float
    least: float
    slow: bool
    everywhere: bool

    def of(self, place: slice | tuple[slice, slice]) -> Swings:
        """Return those of some rows, or of a rectangle."""
        width, percentile = self.width[place], self.percentile[place]
        return replace(self, width=width, percentile=percentile, wide=self.wide[place])


def _average(values: NDArray[np.generic], side: int) -> NDArray[np.float32]:
    import cv2

    plane = values.astype(np.float32)
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What some pixels of all frames say, before all are looked at.

    Attributes:
        sample: ``(rows, columns, 3, N)`` uint8.
        places: Which rows, and which columns.
        brief: What rain adds, and how often, as frames next to each other tell.
        calm: The noise, as they tell.
        share: The voted percentile, as a share.
        repeated: Share of the samples that are the same in the next frame, as a codec leaves them.
        drifts: Light or mist goes through large parts of the picture, so that what it lingers in is
            voted for, and only frames next to each other tell of rain.
    """

    sample: NDArray[np.uint8]
    places: tuple[NDArray[np.int64], slice]
    brief: NDArray[np.float64]
    calm: float
    share: float
    repeated: float
    drifts: bool

    @property
    def coded(self) -> bool:
        """Whether the frames come from a video codec."""
        return self.repeated > REPEATED

    @property
    def between(self) -> tuple[float, float]:
        """The percentiles between which the width of a swing is measured."""
        return 100 * LOWER * self.share, 100 * UPPER * self.share


def glance(steady: FrameSource, votes: Votes) -> Glance:
    """Look at some pixels.

    Args:
        steady: The sequence in steady light.
        votes: Its vote.
    """
    count, height, width, _ = steady.shape
    rows = np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int))
    columns = np.s_[:: -(-width // _COLUMNS)]
    seen = [read_band(steady, row, row + 1)[:, 0, columns] for row in rows.tolist()]
    sample = np.ascontiguousarray(np.stack(seen).transpose(0, 2, 3, 1))
    brief, calm = _look_briefly(sample) if count >= FEWEST_FRAMES else (np.zeros(256), 0.0)
    share = (1 - brief.sum()) / 2
    drifts = _in_common(sample) > COMMON
    if not drifts:
        share = min(share, choose_percentile(votes.curve) / 100)
    repeated = float((sample[..., 1:] == sample[..., :-1]).all(axis=2).mean())
    return Glance(sample, (rows, columns), brief, calm, share, repeated, drifts)


def measure_swings(
    seen: Glance, spread: NDArray[np.float32], usual: NDArray[np.uint8]
) -> Swings | None:
    """Measure how far each pixel swings, unless there are too few frames to tell.

    Args:
        seen: From `glance`.
        spread: ``(H, W)`` float32, how far the percentiles `Glance.between` lie apart, in levels.
        usual: ``(K, H, W, 3)`` uint8, what the stretches usually show.
    """
    if seen.sample.shape[-1] < FEWEST_FRAMES:
        return None
    share = seen.share
    spread = _average(spread, AROUND)
    unit = 0.86  # deviations between these parts, where it rains in few frames
    some = spread[spread > 0.5 * unit]
    noise = float(np.quantile(some, 0.15)) / unit if some.size else 0.0
    noise = max(NARROWEST, min(noise, max(1.5 * seen.calm, CODED)))
    rows, columns = seen.places
    still = (spread <= 1.5 * noise * unit)[rows][:, columns]
    rain, added = _learn_rain(seen, still, noise)
    medians, spreads = _tables(rain, share)
    widths = picture_map(spread.shape, np.float32)
    for strip in strips(spread.shape):
        widths[strip.rows] = np.interp(spread[strip.rows], spreads, _WIDTHS)
    least = noise * max(1.0, DENSE / max(share, 1e-3))
    if seen.coded:
        broad = min(CODED_SPREAD * float(np.median(widths)), MOST_SPREAD * noise)
        least = max(least, broad / WIDER)
    slow = bool(seen.brief.sum() < SLOW * rain.sum())
    wide = widths > WIDER * least
    if not slow:  # what is alone is chance, and would be left as it is
        wide &= _average(wide, WIDE_REGION) > FEW
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
    return Swings(widths, noise, percentile, wide, dry, added, least, slow, everywhere)


def _learn_rain(
    seen: Glance, still: NDArray[np.bool_], noise: float
) -> tuple[NDArray[np.float64], float]:
    """Return what rain adds, as `_brightening` does, and on average, from what is still."""
    count, brief, share = seen.sample.shape[-1], seen.brief, seen.share
    rain, added = brief, float(brief @ np.arange(256))
    if still.mean() > 0.1 and not seen.drifts:
        # A vote on what moves may be for anything; brief looks see too little of dense rain.
        some = np.sort(seen.sample[still], axis=-1).astype(np.int16)
        half = share if share < DENSEST else (1 - brief.sum()) / 2
        for _ in range(_ROUNDS):
            residual = some - some[..., [round(half * (count - 1))]]
            rain = _brightening(residual, CLEAR * noise)
            half = (1 - rain.sum()) / 2
        if rain @ np.arange(256) < added:
            rain = brief
        added = max(added, float(residual.mean()))
    return rain, added


def _in_common(sample: NDArray[np.uint8]) -> float:
    """Return the correlation over time of a usual pixel and one some way off."""
    light = sample.mean(axis=2, dtype=np.float32)
    light -= np.median(light, axis=-1, keepdims=True)
    np.clip(light, -FAR_OFF, FAR_OFF, out=light)
    off = max(1, light.shape[1] // 16)
    own, other = light[:, :-off], light[:, off:]
    if not own.size:
        return 0.0
    energy = np.square(own).mean(axis=-1) * np.square(other).mean(axis=-1)
    return float(np.median((own * other).mean(axis=-1) / np.sqrt(np.maximum(energy, 1e-9))))


def _in_between(usual: NDArray[np.uint8]) -> float:
    """Return the share of the stretches that show neither the one nor the other of two states."""
    step = max(1, int((usual[0].size / 3 / _LOOKED_AT) ** 0.5))
    light = usual[:, ::step, ::step].mean(axis=-1, dtype=np.float32)
    low, high = light.min(axis=0), light.max(axis=0)
    away = (light - low) / np.maximum(high - low, 1)
    between = ((away > 0.25) & (away < 0.75)).mean(axis=0)[high - low > CHANGED]
    return float(between.mean()) if between.size else 0.0


def _look_briefly(sample: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
    """Return what rain adds, and the noise, as far as frames next to each other tell."""
    end, half = sample.shape[-1] - _WINDOW + 1, _WINDOW // 2
    first, second, middle, fourth, fifth = (sample[..., k : k + end] for k in range(_WINDOW))
    low, high = np.minimum(first, second), np.maximum(first, second)
    lower, higher = np.minimum(fourth, fifth), np.maximum(fourth, fifth)
    # The least and the largest of the four are none: the median of the other two and the fifth.
    low, high = np.maximum(low, lower), np.minimum(high, higher)
    low, high = np.minimum(low, high), np.maximum(low, high)
    median = np.maximum(low, np.minimum(high, middle))
    wide = sample.astype(np.int16)
    step = np.abs(wide[..., 1:] - wide[..., :-1]).astype(np.uint8)
    quarter = step.shape[-1] // 4
    calm = float(np.median(np.partition(step, quarter, axis=-1)[..., quarter]))
    calm /= _QUARTER * 2**0.5
    return _brightening(wide[..., half:-half] - median, CLEAR * calm), calm


def _brightening(residual: NDArray[np.int16], least: float) -> NDArray[np.float64]:
    """Return the share of the samples that rain brightens by 0 to 255 levels.

    It is what is there more often than as much darkening.
    """
    counts: NDArray[np.int64] = np.bincount((residual + np.int16(256)).ravel(), minlength=513)
    more: NDArray[np.float64] = np.maximum(0, counts[256:512] - counts[256:0:-1]) / residual.size
    more[: int(np.ceil(least))] = 0
    return more


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
        possible = here.width > WIDE * here.least
        possible |= _average(apart, AROUND) < -DARKER * here.noise
        possible &= here.wide
        possible &= _average(possible, WIDE_REGION) > FEW
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
    together = _average(looked.near, REGION) > TOGETHER * _average(looked.alone, REGION)
    together &= swings.width > BROAD * swings.noise
    sways = possible & ~_lasts(swings, looked, together, decided)
    sways &= _average(sways, WIDE_REGION) > FEW
    together &= _average(sways, WIDE_REGION) > FILLED
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
    shown, mean = (picture_map(x, np.float32) for x in ((2, height, width), levels.shape))
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
        planes = [np.zeros((n, bottom - top, right - left), np.float32) for n in (2, 3, 1, 1)]
        robust_kernels.look_at_swings(
            np.ascontiguousarray(band).reshape(len(band), -1), above,
            np.ascontiguousarray(levels[here].transpose(2, 0, 1)),
            np.ascontiguousarray(middle[around].transpose(2, 0, 1)),
            reach, above, below, half, np.float32(REACH * swings.noise),
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

    known = np.maximum(_average(swings.wide, REGION), 1e-9)

    def around(values: NDArray[np.generic]) -> NDArray[np.float32]:
        return np.asarray(_average(np.where(swings.wide, values, 0), REGION) / known)

    own, middle = (around(each) / (swings.dry * looked.count) for each in looked.shown)
    chance = around(erf(REACH * swings.noise / np.maximum(swings.width, 0.1) / 2**0.5))
    peak = own - chance >= np.where(together, CLEAR_PEAK, PEAK)
    better = own >= BETTER * middle
    told_apart = (own >= HALF) & (better | (around(decided) >= 0.5)) & (not swings.everywhere)
    return np.asarray(peak | told_apart | (own >= STILL))


def _skew(
    swings: Swings, above: NDArray[np.float32], sways: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return how far the dry mean lies above the dry median, from the pixels around."""
    weights = np.where(sways, swings.width, 0)
    sums = np.maximum(_average(weights, WIDE_REGION), 1e-9)
    skews = [
        _average(np.where(sways, above[..., c] - swings.added, 0), WIDE_REGION) / sums
        for c in range(3)
    ]
    skew = np.clip(np.stack(skews, axis=-1), -MOST_SKEW, MOST_SKEW)
    return np.asarray(swings.width[..., None] * skew)
