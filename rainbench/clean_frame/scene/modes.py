"""What each pixel shows over time, and which of it is the scene.

A pixel is a vector and a picture is a field. What a pixel shows falls into few modes, colours that
many frames agree on in all three channels: the scene, a car that stands before it for a while, a
person in dark clothes. Rain forms none: it falls on other places in every frame.

1. Where all stretches of the sequence agree (`stretches`), there is one mode, and nothing is done.
2. Elsewhere the colours of the stretches, and those of some frames, are labels. A label counts the
   frames that show what it shows; the counts are averaged over the pixels around, label by label,
   so that noise decides nowhere (the cost volume of Hosni et al., TPAMI 2013).
3. The best label and the best of those that show something else are the two modes. A frame that
   rain hides belongs to the mode seen last; the mode that is there longer is the scene; but where
   the two change as often as by chance, the brighter one is rain, if grey light makes it of the
   other. Where the two are there for nearly as long, pixels next to each other decide together, by
   which of the two goes on beyond their region (`seams`); where that does not tell, what is seen,
   goes, and comes back while the other comes only once is the scene. What is nearly one half stays
   uncertain.
4. Where there are no two modes, light or leaves move. If much is darker than the percentile of
   the vote, the median over time is taken, else that percentile: rain only brightens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.objects import LEAST_HUE
from rainbench.clean_frame.scene.seams import compare_seams
from rainbench.clean_frame.stretches import WHITE
from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.maps import picture_map, strips
from rainbench.frames.sources import FrameSource, read_band, rows_within

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

TELLING, OUTWEIGHS, FEWEST = 0.1, 7.0, 100
"""Logarithm of how much worse one mode fits the surroundings than the other from which seams decide
within `DOUBT`; and how many times the distance of its share from one half it must be beyond.
Chosen: of 150 things that stood there for half of the time, one lay below the first, and none was
told wrongly; what stood there for 40 % and was, since an edge of the scene runs along the seam, lay
at 0.4 and 0.6. Beyond it a region must have as many pixels as the third: small parts of what stood
there for 40 % lay at up to 1.5."""

AGREEING, UNANIMOUS = 0.6, 0.75
"""Share of what cells along a seam say that must say the same, within `DOUBT` and beyond; chosen.
"""

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

MOST_RAIN = 0.5
"""Share of the frames that rain hides at most in places where most frames are dry elsewhere."""

AGREED = 0.75
"""Share of a region's pixels that must show the same of two modes in a stretch, and share of the
stretches in which a pixel must show what they do, to be decided with them; chosen."""

FEWEST_PAIRS = 24
"""Pairs of pixels without which a region's seams do not tell: a detail of the scene has fewer."""

_ROWS = 16
"""Rows that are looked at for the share of the dry frames."""

_MARGIN = 2 * (AROUND // 2) + 2 * (REGION // 2)
"""Rows above and below a band that its averages, and averages of those, reach to."""

_BAND_BYTES = 32 << 20
"""Bytes of the frames of a band; its labels take half of that again."""


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """The result of `find_scene`.

    Attributes:
        changing: ``(H, W)`` bool, where more than rain is seen.
        levels: ``(H, W, 3)`` float32, the scene there; elsewhere 0.
        uncertain: ``(H, W)`` bool, where two modes are there for as long as each other.
        other: ``(H, W, 3)`` float32, the other mode; equal to ``levels`` where there is none.
        unsteady: ``(H, W)`` bool, where light swings.
        faint: ``(H, W)`` bool, where what changes is little, or nothing lasts.
        told: ``(H, W)`` bool, where seams told which of the two is the scene.
    """

    changing: NDArray[np.bool_]
    levels: NDArray[np.float32]
    uncertain: NDArray[np.bool_]
    other: NDArray[np.float32]
    unsteady: NDArray[np.bool_]
    faint: NDArray[np.bool_]
    told: NDArray[np.bool_]


def find_scene(
    source: FrameSource,
    usual: NDArray[np.uint8],
    changing: NDArray[np.bool_],
    voted: NDArray[np.float32],
    noise: NDArray[np.float32],
    *,
    clipped: bool = False,
    threads: int = 1,
    band_rows: int | None = None,
) -> Modes:
    """Find what the scene is where more than rain is seen.

    Args:
        source: The sequence in steady light, its frames in the order in which they were filmed.
        usual: ``(K, H, W, 3)``, from `rainbench.clean_frame.stretches.usual_colours`.
        changing: ``(H, W)``, from `rainbench.clean_frame.stretches.find_changing`.
        voted: ``(H, W, 3)`` float32, the percentile that is voted for, in levels.
        noise: ``(H, W)`` float32, standard deviation of the noise of one channel, in levels.
        clipped: 255 says no more than "at least": the light was corrected.
        threads: Number of threads.
        band_rows: Rows read at a time; never changes the result.

    Example:
        >>> from rainbench.clean_frame.stretches import find_changing, usual_colours
        >>> from rainbench.frames.sources import as_source
        >>> video = np.full((30, 6, 8, 3), 120, np.uint8)
        >>> video[::3, 0] += 60  # rain
        >>> video[5:17, 2:4, 2:4] = 30, 200, 90  # something stands here for a while
        >>> source, one = as_source(video), np.ones((6, 8), np.float32)
        >>> usual = usual_colours(source, 40 * one)
        >>> changing, voted = find_changing(usual, 30), np.percentile(video, 40, axis=0)
        >>> modes = find_scene(source, usual, changing, voted.astype(np.float32), one)
        >>> int(changing.sum()), np.unique(modes.levels[2:4, 2:4]).tolist()
        (4, [120.0])
    """
    _, height, width, _ = source.shape
    levels, other = (picture_map((height, width, 3), np.float32) for _ in range(2))
    uncertain, unsteady, faint, told = (np.zeros((height, width), np.bool_) for _ in range(4))
    modes = Modes(changing, levels, uncertain, other, unsteady, faint, told)
    if not changing.any():
        return modes
    dry = _dry_share(source, usual, noise, changing)
    white = WHITE if clipped else WHITE + 1
    rows = band_rows or max(2 * _MARGIN, rows_within(source.shape, _BAND_BYTES))
    swapped, back = (np.zeros((height, width), np.bool_) for _ in range(2))
    aside = np.full((height, width), DECIDED, np.uint8)

    def decide(top: int, bottom: int) -> None:
        if not changing[top:bottom].any():
            return
        above, below = max(0, top - _MARGIN), min(height, bottom + _MARGIN)
        here, at = np.s_[above:below], np.nonzero(changing[above:below])
        samples, start, _ = contiguous_bytes(source, above, below)
        places = start + at[0] * width + at[1]
        band = _Band(
            samples,
            places,
            usual[:, here][:, at[0], at[1]],
            changing[here],
            noise[here][at],
            dry,
            white,
        )
        low = voted[here][at]
        chosen = _choose(band, _rank(band), low)
        sways = _sways(band, chosen)
        swings = _settle(band, chosen, sways, low)
        own = (at[0] >= top - above) & (at[0] < bottom - above)
        to = at[0][own] + above, at[1][own]
        levels[to] = chosen.levels[own]
        other[to] = chosen.other[own]
        uncertain[to] = (chosen.doubtful & ~sways)[own]
        aside[to] = np.where(sways, DECIDED, chosen.aside)[own]
        swapped[to] = chosen.swapped[own]
        back[to] = chosen.back[own]
        unsteady[to] = swings[own]
        faint[to] = ((chosen.near | sways) & ~swings)[own]

    over_bands(source, decide, threads, rows)
    _ask_seams(modes, usual, aside, back, swapped, voted)
    return modes


def _ask_seams(
    modes: Modes,
    usual: NDArray[np.uint8],
    aside: NDArray[np.uint8],
    back: NDArray[np.bool_],
    swapped: NDArray[np.bool_],
    voted: NDArray[np.float32],
) -> None:
    """Decide for whole regions which mode is the scene, where time does not tell.

    Two things that touch are told apart by whether the sequence ends with what it begins with.
    """
    from scipy.ndimage import binary_dilation, label

    square = np.ones((3, 3), np.bool_)
    open_ = aside < DECIDED
    regions, number = label(open_ & ~back, square)
    others, more = label(open_ & back, square)
    np.add(others, number, out=regions, where=others > 0)
    number += more
    if not number:
        return
    own, other, second = modes.levels[open_], modes.other[open_], swapped[open_, None]
    first, last = np.where(second, other, own), np.where(second, own, other)
    known = ~binary_dilation(open_, square)
    around = picture_map(voted.shape, np.float32)
    for strip in strips(voted.shape):
        rows = strip.rows
        around[rows] = np.where(modes.changing[rows, :, None], modes.levels[rows], voted[rows])
    seams = compare_seams(regions, number, (first, last), around, known, FEWEST_PAIRS)
    inside = regions[open_]
    together = _together(usual[:, open_], first, last, inside, number)
    worse = np.where(together, seams.worse[inside], 0)
    size = np.maximum(np.bincount(inside, minlength=number + 1), 1)
    far = np.bincount(inside, aside[open_], number + 1) / size / 100
    far = np.where(far < DOUBT, 0, far)
    told = np.abs(worse) >= np.maximum(TELLING, OUTWEIGHS * far)[inside]
    told &= (seams.agreed >= np.where(far, UNANIMOUS, AGREEING))[inside]
    told &= ((far == 0) | (size >= FEWEST))[inside]
    better = np.where(told, worse > 0, second[:, 0])
    modes.uncertain[open_] |= better != second[:, 0]
    modes.told[open_] = told
    modes.levels[open_] = np.where(better[:, None], last, first)
    modes.other[open_] = np.where(better[:, None], first, last)


def _together(
    usual: NDArray[np.uint8],
    first: NDArray[np.float32],
    last: NDArray[np.float32],
    inside: NDArray[np.int32],
    number: int,
) -> NDArray[np.bool_]:
    """Say which pixels show the same as their whole region in nearly all stretches.

    Where people walk, each pixel is hidden at another time, and a seam runs through them all.
    """
    size = np.maximum(np.bincount(inside, minlength=number + 1), 1)
    alike = np.zeros(inside.size)
    for colour in usual:
        nearer = np.square(colour - first).sum(axis=-1) < np.square(colour - last).sum(axis=-1)
        share = (np.bincount(inside, nearer, number + 1) / size)[inside]
        alike += (np.abs(share - 0.5) > AGREED - 0.5) & (nearer == (share > 0.5))
    together: NDArray[np.bool_] = alike >= AGREED * len(usual)
    return together


def _dry_share(
    source: FrameSource,
    usual: NDArray[np.uint8],
    noise: NDArray[np.float32],
    changing: NDArray[np.bool_],
) -> float:
    """Return the share of the frames that show the scene where nothing but rain is seen."""
    height = source.shape[1]
    shares = []
    for row in np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int)).tolist():
        middle = np.median(usual[:, row], axis=0).astype(np.float32)
        away = np.abs(read_band(source, row, row + 1)[:, 0] - middle).max(axis=-1)
        dry = (away <= np.maximum(NARROWEST, DEVIATIONS * noise[row])).mean(axis=0)
        shares.append(dry[~changing[row]])
    still = np.concatenate(shares)
    return float(np.median(still)) if still.size else 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
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


def _rank(band: _Band) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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
class _Choice:
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


def _choose(
    band: _Band,
    ranked: tuple[NDArray[np.float32], NDArray[np.float32]],
    voted: NDArray[np.float32],
) -> _Choice:
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
    levels = np.where(swapped[..., None], second, first)
    if band.dry <= MOST_RAIN:  # rain alone may be what most frames agree on
        wet = np.where(swapped, visits[1], visits[0]) >= often
        wet &= np.abs(levels - voted).max(axis=-1) > reach
        wet &= _rained_upon(voted, levels, reach)
        levels = np.where(wet[..., None], voted, levels)
        rain |= wet
    usual = band.usual
    middle = np.median(usual, axis=0).astype(np.float32)
    known = np.asarray((usual < band.white).all(axis=-1))
    if not known.all():
        known |= ~known.any(axis=0)
        shown = np.where(known[..., None], usual, np.float32(np.nan))
        middle = np.nanmedian(shown, axis=0)
    near = ~rivals & (np.abs(levels - middle).max(axis=-1) <= NEAR * reach)
    near &= np.abs(usual - levels).max(axis=(0, -1)) <= FAR * reach
    return _Choice(
        np.where(near[..., None], middle, levels),
        np.where(swapped[..., None], first, second),
        swapped,
        np.where(rivals & (aside < OPEN) & ~rain, np.round(100 * aside), DECIDED).astype(np.uint8),
        longer > others,
        close & ~returns & ~rain,
        near,
        np.where(swapped, two, one),
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


def _rained_upon(
    dark: NDArray[np.float32], light: NDArray[np.float32], reach: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Say whether grey light over one colour can make another: no channel darker, no other hue."""
    hue, other = (colour - colour.mean(axis=-1, keepdims=True) for colour in (dark, light))
    part = (hue * other).sum(axis=-1) / np.maximum(np.square(hue).sum(axis=-1), 1)
    beside = other - np.clip(part, 0, 1)[..., None] * hue
    alike = np.sqrt(np.square(beside).sum(axis=-1)) <= LEAST_HUE + reach
    return np.asarray(alike & ((light - dark).min(axis=-1) >= -reach))


def _sways(band: _Band, chosen: _Choice) -> NDArray[np.bool_]:
    """Return where what changes has no modes, in most of what changes in the region."""
    least = band.dry_frames
    none = (chosen.shown < MODE * least) & (chosen.both < BOTH * least)
    # Several things in turn hide the scene for longer than it is seen, none of them for as long.
    none &= chosen.shown < np.maximum(ALONE * least, OUTRIGHT * (chosen.both - chosen.shown))
    none |= chosen.near & (chosen.shown < STEADY * least)
    return 2 * band.sum(none) > band.sum(np.ones_like(none))


def _settle(
    band: _Band, chosen: _Choice, sways: NDArray[np.bool_], voted: NDArray[np.float32]
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
