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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.local_vote import select_local_percentile
from rainbench.clean_frame.modes import Modes
from rainbench.clean_frame.voting import Votes, choose_percentile
from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.sources import FrameSource, read_band, rows_within, take_frames

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

_ROWS, _COLUMNS, _FRAMES = 16, 320, 24
"""Rows, columns and frames, spread over the sequence, that are looked at."""

_BAND_BYTES = 32 << 20
"""Bytes of the frames of a band."""

_WINDOW = 5
"""Frames of the short stretches that show the rain where nothing is still for longer."""

_QUARTER = 0.3186
"""Standard deviations that a quarter of a normal distribution lies within."""

_WIDTHS = np.geomspace(0.3, 80, 80)
"""Widths of swings, in levels, for which tables are made."""


@dataclass(frozen=True, slots=True, eq=False)
class Swings:
    """How far each pixel swings.

    Attributes:
        width: ``(H, W)`` float32, standard deviation of what is seen without rain, in levels.
        noise: That of the noise, in levels.
        percentile: ``(H, W)`` float32, 0 to 100, the dry median.
        dry: Share of the frames without rain.
        added: What rain adds on average over all frames, in levels.
        least: Width of what does not swing, in levels: that of the noise, or of dense rain.
        slow: Rain stays in one place for some frames, so that what swings may be rain.
    """

    width: NDArray[np.float32]
    noise: float
    percentile: NDArray[np.float32]
    dry: float
    added: float
    least: float
    slow: bool

    @property
    def wide(self) -> NDArray[np.bool_]:
        """``(H, W)``, where more than noise may be seen below what is usual."""
        return np.asarray(self.width > WIDER * self.least)


def _average(values: NDArray[np.generic], side: int) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(values.astype(np.float32), side, mode="nearest"))


def measure_swings(
    steady: FrameSource, votes: Votes, *, threads: int = 1, band_rows: int | None = None
) -> Swings | None:
    """Measure how far each pixel swings; ``None`` if there are too few frames to tell.

    Args:
        steady: The sequence in steady light.
        votes: Its vote.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.
    """
    count, height, width, _ = steady.shape
    if count < FEWEST_FRAMES:
        return None
    rows = np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int))
    columns = np.s_[:: -(-width // _COLUMNS)]
    bands = [read_band(steady, row, row + 1)[:, 0, columns] for row in rows.tolist()]
    sample = np.ascontiguousarray(np.stack(bands, 1).transpose(1, 2, 3, 0)).astype(np.float32)
    brief, calm = _look_briefly(sample)
    share = min(choose_percentile(votes.curve) / 100, (1 - brief.sum()) / 2)

    def part_of_share(part: float) -> NDArray[np.float32]:
        place = np.full((height, width), 100 * part * share, np.float32)
        levels = select_local_percentile(steady, place, threads=threads, band_rows=band_rows)
        return np.asarray(levels.mean(axis=-1))

    spread = _average(part_of_share(UPPER) - part_of_share(LOWER), AROUND)
    unit = 0.86  # deviations between these parts, where it rains in few frames
    seen = spread[spread > 0.5 * unit]
    noise = float(np.quantile(seen, 0.15)) / unit if seen.size else 0.0
    noise = max(NARROWEST, min(noise, max(1.5 * calm, CODED)))
    still = (spread <= 1.5 * noise * unit)[rows][:, columns]
    rain, added = brief, float(brief @ np.arange(256))
    if still.mean() > 0.1:
        # A vote on what moves may be for anything; brief looks see too little of dense rain.
        some = np.sort(sample[still], axis=-1)
        half = share if share < DENSEST else (1 - brief.sum()) / 2
        for _ in range(_ROUNDS):
            middle = some[..., [round(half * (count - 1))]]
            rain = _brightening(some - middle, CLEAR * noise)
            half = (1 - rain.sum()) / 2
        if rain @ np.arange(256) < added:
            rain = brief
        added = max(added, float((some - middle).mean()))
    percentiles, spreads = _tables(rain, share)
    widths = np.interp(spread, spreads, _WIDTHS).astype(np.float32)
    least = noise * max(1.0, DENSE / max(share, 1e-3))
    slow = bool(brief.sum() < SLOW * rain.sum())
    dry_median = np.interp(widths, _WIDTHS, percentiles) if not slow else share + 0 * widths
    return Swings(
        widths,
        noise,
        (100 * dry_median).astype(np.float32),
        1 - float(rain.sum()),
        added,
        least,
        slow,
    )


def _look_briefly(sample: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return what rain adds, and the noise, as far as frames next to each other tell."""
    windows = np.lib.stride_tricks.sliding_window_view(sample, _WINDOW, axis=-1)
    middle = np.median(windows, axis=-1)
    half = _WINDOW // 2
    step = np.abs(np.diff(sample, axis=-1))
    calm = float(np.median(np.quantile(step, 0.25, axis=-1))) / (_QUARTER * 2**0.5)
    return _brightening(sample[..., half:-half] - middle, CLEAR * calm), calm


def _brightening(residual: NDArray[np.float32], least: float) -> NDArray[np.float64]:
    """Return the share of the samples that rain brightens by 0 to 255 levels.

    It is what is there more often than as much darkening.
    """
    counts: NDArray[np.int64] = np.bincount(
        (np.rint(residual).astype(np.int64) + 256).ravel(), minlength=513
    )
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

    added = np.flatnonzero(rain)
    weights = np.concatenate([[1 - rain.sum()], rain[added]])
    levels = np.concatenate([[0], added])
    places = np.linspace(-4, 4, 401)
    medians, spreads = np.empty(_WIDTHS.size), np.empty(_WIDTHS.size)
    for k, width in enumerate(_WIDTHS):
        below = ndtr(places[:, None] - levels / width) @ weights
        medians[k] = below[200]
        upper, lower = np.interp([UPPER * share, LOWER * share], below, places)
        spreads[k] = width * (upper - lower)
    return medians, np.maximum.accumulate(spreads)


def settle_swings(
    steady: FrameSource,
    swings: Swings,
    levels: NDArray[np.float32],
    modes: Modes,
    *,
    threads: int = 1,
    band_rows: int | None = None,
) -> NDArray[np.bool_]:
    """Put the middle of what is seen where no colour lasts, into ``levels``, and say where.

    Args:
        steady: The sequence in steady light.
        swings: From `measure_swings`.
        levels: ``(H, W, 3)`` float32, what is taken for the scene so far; changed.
        modes: What was found where more than rain is seen.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.
    """
    from rainbench.clean_frame import mode_kernels

    count, height, width, _ = steady.shape
    wide = swings.wide
    if not wide.any():
        return wide
    decided = modes.changing & ~modes.faint & ~modes.unsteady
    middle = select_local_percentile(
        steady, swings.percentile, threads=threads, band_rows=band_rows
    )
    if swings.slow:
        unclear = wide & ~decided | modes.unsteady
        levels[unclear] = np.minimum(levels, middle)[unclear]
        return unclear
    shown = np.zeros((2, height, width), np.float32)
    mean = np.zeros((height, width, 3), np.float32)

    def look(top: int, bottom: int) -> None:
        if wide[top:bottom].any():
            samples, start, _ = contiguous_bytes(steady, top, bottom)
            mode_kernels.count_shown(
                samples, 3 * start, wide[top:bottom].ravel(),
                levels[top:bottom].reshape(-1, 3), middle[top:bottom].reshape(-1, 3),
                np.float32(REACH * swings.noise), shown[:, top:bottom].reshape(2, -1),
                mean[top:bottom].reshape(-1, 3),
            )  # fmt: skip

    over_bands(steady, look, threads, band_rows)
    together = _swing_together(steady, swings, middle, threads)
    sways = wide & ~_lasts(swings, shown, count, together, decided)
    darker = _average((levels - middle).mean(axis=-1), AROUND) < -DARKER * swings.noise
    sways &= darker | (swings.width > WIDE * swings.least)
    sways &= _average(sways, WIDE_REGION) > FEW
    together &= _average(sways, WIDE_REGION) > FILLED
    middle += np.where(together[..., None], _skew(swings, mean - middle, sways), 0)
    levels[sways] = middle[sways]
    return sways


def _lasts(
    swings: Swings,
    shown: NDArray[np.float32],
    count: int,
    together: NDArray[np.bool_],
    decided: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return where one colour is the scene's, for more than a swing would explain."""
    from scipy.special import erf

    known = np.maximum(_average(swings.wide, REGION), 1e-9)

    def around(values: NDArray[np.generic]) -> NDArray[np.float32]:
        return np.asarray(_average(np.where(swings.wide, values, 0), REGION) / known)

    own, middle = (around(each) / (swings.dry * count) for each in shown)
    chance = around(erf(REACH * swings.noise / np.maximum(swings.width, 0.1) / 2**0.5))
    peak = own - chance >= np.where(together, CLEAR_PEAK, PEAK)
    better = own >= BETTER * middle
    told_apart = (own >= HALF) & (better | (around(decided) >= 0.5))
    return np.asarray(peak | told_apart | (own >= STILL))


def _swing_together(
    steady: FrameSource, swings: Swings, middle: NDArray[np.float32], threads: int
) -> NDArray[np.bool_]:
    """Return where the pixels around swing together: their mean swings nearly as far as each."""
    height, wide, reach = len(middle), swings.wide, 2 * swings.width
    some = take_frames(steady, slice(None, None, max(1, steady.shape[0] // _FRAMES)))
    alone, near = np.zeros_like(reach), np.zeros_like(reach)

    def look(top: int, bottom: int) -> None:
        if not wide[top:bottom].any():
            return
        above, below = max(0, top - AROUND // 2), min(height, bottom + AROUND // 2)
        out, inside = np.s_[top:bottom], np.s_[top - above : bottom - above]
        place = np.s_[above:below]
        for frame in read_band(some, above, below):
            away = (frame - middle[place]).mean(axis=-1)
            away = np.where(wide[place], np.clip(away, -reach[place], reach[place]), 0)
            alone[out] += away[inside] ** 2
            near[out] += _average(away, AROUND)[inside] ** 2

    # Always the same bands: sums of fractions depend on where they begin.
    over_bands(some, look, threads, max(8 * AROUND, rows_within(some.shape, _BAND_BYTES)))
    together = _average(near, REGION) > TOGETHER * _average(alone, REGION)
    return np.asarray(together & (swings.width > BROAD * swings.noise))


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
