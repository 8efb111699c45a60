"""Which of the two modes of a pixel is the scene: steps 2 to 4 of `scene.modes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.objects.masks import LEAST_HUE

PICKED = 20
"""Frames, spread over the sequence, that are labels besides the stretches: where people pass all
the time, no stretch may show the scene."""

DEVIATIONS = 3.0
"""Standard deviations of the noise within which a sample shows the same as another."""

NARROWEST = 2.0
"""Levels within which samples are the same, however little noise there is; chosen."""

AROUND = 5
"""Side in pixels of the surroundings over which counts are averaged; chosen."""

REGION = 15
"""Side in pixels of the regions in which what moves is told from what stands; chosen."""

OWN = 2.0
"""How much more often a label may be seen around a pixel than at it; chosen."""

RIVAL = 0.2
"""Share of the dry frames that a second mode must show to be a rival of the first; chosen."""

OFTENER = 3.0
"""How many times more frames must show one of two modes for their numbers to say how long each is
there: rain hides the one more often than the other, but hardly so much; chosen."""

DISTINCT = 4.0
"""How far two rivals' colours must lie apart, in units within which samples are the same: what
differs by less may be an edge that sways."""

DOUBT = 0.06
"""How far from one half the share of a mode must lie for its pixel to decide alone, and that of the
pixels around for them to decide; chosen."""

OPEN = 0.2
"""How far from one half it may lie for the seams of a region to decide against it; chosen."""

DECIDED = 255
"""What stands for no distance from one half where seams are not asked."""

MODE, BOTH = 0.45, 0.8
"""Share of the dry frames that one mode, or two together, must show: less is none; chosen between
what stands for half of the time and a lamp that swings."""

ALONE, OUTRIGHT = 0.3, 2.5
"""Share of the dry frames that one mode must show, and how many times as many as the second, to
last although they are less than `MODE`; chosen between people who wait in the same place in turn,
where 0.9 of the pixels tell so, and leaves and water, 0.2."""

NEAR, STEADY, FAR = 3.0, 0.85, 6.0
"""What lies so near to the median of the stretches, in units within which samples are the same, and
is seen in less than this share of the dry frames, sways if no stretch is farther off than this, as
where a person stood; chosen."""

DARKER, FILLED = 0.22, 0.5
"""Share of the frames darker than the percentile of the vote from which light swings, and share of
a region that must do so; streaks that hardly move leave less; chosen between the two."""

SEEN = 0.45
"""Share of the dry frames that must show a mode for it to stay in a region that sways."""

OFTEN, SELDOM, FEWER_VISITS = 6, 3, 2.0
"""What comes as often as the first may be rain, if its visits are not fewer by so many standard
deviations as the third than those of as many random frames: chance alone does that once in 44
times. As often as the second where rain hides most frames."""

CHANCE = 3.0
"""Standard deviations by which more frames must show a mode than chance makes alike; chosen."""

MOST_RAIN = 0.5
"""Share of the frames that rain hides at most in places where most frames are dry elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Some rows: bytes ``(N, ...)`` of all frames, and what is known of the pixels that change.

    Of these, ``n``, row by row: ``places`` says which of the bytes' pixels they are, ``usual`` is
    ``(K, n, 3)`` and ``noise`` ``(n,)``. ``changing`` is ``(rows, W)``.
    """

    samples: NDArray[np.uint8]
    places: NDArray[np.int64]
    usual: NDArray[np.uint8]
    changing: NDArray[np.bool_]
    noise: NDArray[np.float32]
    dry: float
    white: int

    @property
    def dry_frames(self) -> float:
        """How many frames show the scene where nothing but rain is seen."""
        return self.dry * len(self.samples)

    @property
    def reach(self) -> NDArray[np.float32]:
        """``(n,)``, within how many levels samples show the same."""
        reach: NDArray[np.float32] = np.maximum(NARROWEST, DEVIATIONS * self.noise)
        return reach.astype(np.float32)

    def average(
        self, values: NDArray[np.float32], counted: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Average values ``(n, L)`` over the pixels around that change and are counted."""
        from rainbench.clean_frame.scene import mode_kernels

        number = np.full(self.changing.shape, -1, np.int32)
        number[self.changing] = np.arange(len(values))
        average = np.empty_like(values)
        mode_kernels.average_around(number, values, counted, AROUND // 2, average)
        return average

    def sum(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Add up values ``(n,)``, whole numbers, over the region around each pixel."""
        import cv2

        plane = np.zeros(self.changing.shape, np.float32)
        plane[self.changing] = values
        sums = cv2.boxFilter(
            plane, cv2.CV_64F, (REGION, REGION), normalize=False, borderType=cv2.BORDER_REPLICATE
        )
        return np.asarray(sums, np.float64)[self.changing]


def rank(band: Band) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the two modes of each pixel and the facts of `mode_kernels.describe_modes`."""
    from rainbench.clean_frame.scene import mode_kernels

    count, size, reach = len(band.samples), len(band.places), band.reach
    picked = np.unique(np.linspace(0, count - 1, min(count, PICKED)).astype(np.int64))
    seen = band.samples, band.places, np.ascontiguousarray(band.usual), picked, reach, band.white
    counts = np.empty((size, len(band.usual) + len(picked)), np.float32)
    mode_kernels.count_alike(*seen, counts)
    scores = band.average(counts, np.ones(size, np.bool_))
    # What rain hides here alone is no mode, however often it is seen around.
    np.minimum(scores, np.float32(OWN) * counts, out=scores)
    pair = np.zeros((2, size, 3), np.float32)
    facts = np.zeros((7, size), np.float32)
    mode_kernels.describe_modes(*seen, scores, pair, facts)
    return pair, facts


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Which mode is the scene, ``(n, ...)``; ``shown`` frames show it, ``both`` either.

    ``swapped``: it is the second; ``aside``: percent of the frames by which its share lies from one
    half, where seams may tell otherwise; ``back``: the first is there at the end, too.
    """

    levels: NDArray[np.float32]
    other: NDArray[np.float32]
    swapped: NDArray[np.bool_]
    aside: NDArray[np.uint8]
    back: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    near: NDArray[np.bool_]
    shown: NDArray[np.float32]
    both: NDArray[np.float32]


def choose(
    band: Band,
    ranked: tuple[NDArray[np.float32], NDArray[np.float32]],
    voted: NDArray[np.float32],
) -> Choice:
    """Choose between the two modes: by time, and where that is close, with the pixels around."""
    (first, second), (frames, *visits, one, two, longer, others) = ranked
    count, reach = len(band.samples), band.reach
    distinct = np.abs(first - second).max(axis=-1) > DISTINCT * reach
    rivals = distinct & (np.minimum(one, two) >= RIVAL * band.dry_frames)
    own = frames / np.float32(count)
    told = np.maximum(one, two) > OFTENER * np.minimum(one, two)
    own = np.where(told, one / np.maximum(one + two, 1), own)
    shares = np.round(own * np.float32(1024))  # whole numbers: no order of sums matters
    around = band.average(shares[:, None], rivals)[:, 0]
    share = np.where(np.abs(own - 0.5) < DOUBT, around / 1024, own)
    aside = np.abs(share - 0.5)
    close = rivals & (aside < DOUBT)
    returns = (longer > 1) & (others == 1)
    swapped = np.where(rivals, (share < 0.5) & ~(close & returns), two > one)
    darker = second.sum(axis=-1) < first.sum(axis=-1)
    dark, light = (np.where((darker == up)[..., None], second, first) for up in (True, False))
    often = OFTEN if band.dry > MOST_RAIN else SELDOM
    rain = rivals & (visits[0] >= often) & _rained_upon(dark, light, reach)
    if band.dry > MOST_RAIN:  # where it covers more, flakes follow each other, and make runs
        rain &= ~_few_visits(frames, visits[0], count)
        rain &= np.where(darker, own, 1 - own) <= MOST_RAIN
    swapped = np.where(rain, darker, swapped)
    shown = np.where(swapped, two, one)
    levels = np.where(swapped[..., None], second, first)
    if band.dry <= MOST_RAIN:  # rain alone may be what most frames agree on
        wet = np.abs(levels - voted).max(axis=-1) > reach
        wet &= _rained_upon(voted, levels, reach)
        seldom = wet & (np.where(swapped, visits[1], visits[0]) < often)
        wet[seldom] = _by_chance(band, seldom, shown[seldom], voted[seldom])
        levels = np.where(wet[..., None], voted, levels)
        rain |= wet
    usual = band.usual
    middle = np.median(usual, axis=0).astype(np.float32)
    known = np.asarray((usual < band.white).all(axis=-1))
    if not known.all():
        known |= ~known.any(axis=0)
        middle = np.nanmedian(np.where(known[..., None], usual, np.float32(np.nan)), axis=0)
    near = ~rivals & (np.abs(levels - middle).max(axis=-1) <= NEAR * reach)
    near &= np.abs(usual - levels).max(axis=(0, -1)) <= FAR * reach
    return Choice(
        np.where(near[..., None], middle, levels),
        np.where(swapped[..., None], first, second),
        swapped,
        np.where(rivals & (aside < OPEN) & ~rain, np.round(100 * aside), DECIDED).astype(np.uint8),
        longer > others,
        close & ~returns & ~rain,
        near,
        shown,
        one + two,
    )


def _few_visits(
    frames: NDArray[np.float32], visits: NDArray[np.float32], count: int
) -> NDArray[np.bool_]:
    """Say whether a mode comes less often than so many frames of it in random order would.

    Mean and variance are those of the number of runs of one of two kinds (Wald and Wolfowitz 1940).
    """
    rest = count - frames
    expected = frames * (rest + 1) / count
    variance = expected * (frames - 1) * rest / (count * max(1, count - 1))
    return np.asarray(expected - visits >= FEWER_VISITS * np.sqrt(np.maximum(variance, 0)))


def _by_chance(
    band: Band, asked: NDArray[np.bool_], shown: NDArray[np.float32], voted: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Say of the asked pixels where rain alone may make as many frames agree as show their mode.

    What rain brightens lies anywhere between the vote and the brightest, so that some frames are
    alike by chance; how many, is Poisson's distribution.
    """
    places = 3 * band.places[asked][:, None] + np.arange(3)
    light = band.samples[:, places].mean(axis=-1, dtype=np.float32) - voted.mean(axis=-1)
    reach = band.reach[asked]
    wet = light > reach
    light[~wet] = 0
    place = len(light) - 1 - len(light) // 10
    light.partition(place, axis=0)
    alike = wet.sum(axis=0) * np.minimum(1, 2 * reach / np.maximum(light[place] - reach, reach))
    return np.asarray(shown <= alike + CHANCE * np.sqrt(alike))


def _rained_upon(
    dark: NDArray[np.float32], light: NDArray[np.float32], reach: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Say whether grey light over one colour can make another: no channel darker, no other hue."""
    hue, other = (colour - colour.mean(axis=-1, keepdims=True) for colour in (dark, light))
    part = (hue * other).sum(axis=-1) / np.maximum(np.square(hue).sum(axis=-1), 1)
    beside = other - np.clip(part, 0, 1)[..., None] * hue
    alike = np.sqrt(np.square(beside).sum(axis=-1)) <= LEAST_HUE + reach
    return np.asarray(alike & ((light - dark).min(axis=-1) >= -reach))


def find_swaying(band: Band, chosen: Choice) -> NDArray[np.bool_]:
    """Return where what changes has no modes, in most of what changes in the region."""
    least = band.dry_frames
    none = (chosen.shown < MODE * least) & (chosen.both < BOTH * least)
    # Several things in turn hide the scene for longer than it is seen, none of them for as long.
    none &= chosen.shown < np.maximum(ALONE * least, OUTRIGHT * (chosen.both - chosen.shown))
    none |= chosen.near & (chosen.shown < STEADY * least)
    return 2 * band.sum(none) > band.sum(np.ones_like(none))


def settle(
    band: Band, chosen: Choice, sways: NDArray[np.bool_], voted: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Fill in what sways: the median where light swings, which is returned, else what is voted."""
    swings = np.zeros_like(sways)
    if sways.any():
        places = 3 * band.places[sways][:, None] + np.arange(3)
        seen, low = band.samples[:, places], voted[sways]
        darker = np.zeros(sways.shape)
        darker[sways] = (seen < low - band.reach[sways][:, None]).any(axis=-1).sum(axis=0)
        filled = band.sum(sways)
        most = band.sum(darker) > DARKER * len(band.samples) * filled
        swings = sways & most & (filled > FILLED * REGION**2)
        few = sways & (chosen.shown < SEEN * band.dry_frames)
        chosen.levels[few] = voted[few]
        chosen.levels[swings] = np.median(seen[:, swings[sways]], axis=0)
    return swings
