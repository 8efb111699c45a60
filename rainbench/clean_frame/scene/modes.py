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
   other. So is, where rain hides most frames, what is brighter than the vote in that way and shown
   by no more frames than chance makes alike. Where the two are there for nearly as long, pixels
   next to each other decide together, by which of the two goes on beyond their region (`seams`);
   where that does not tell, what is seen, goes, and comes back while the other comes only once is
   the scene. What is nearly one half stays uncertain.
4. Where there are no two modes, light or leaves move. If much is darker than the percentile of
   the vote, the median over time is taken, else that percentile: rain only brightens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.scene.choice import (
    AROUND,
    DECIDED,
    DEVIATIONS,
    DOUBT,
    NARROWEST,
    REGION,
    Band,
    choose,
    find_swaying,
    rank,
    settle,
)
from rainbench.clean_frame.scene.seams import compare_seams
from rainbench.clean_frame.stretches import WHITE
from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.maps import picture_map, strips
from rainbench.frames.sources import FrameSource, read_band, rows_within

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
        band = Band(
            samples,
            places,
            usual[:, here][:, at[0], at[1]],
            changing[here],
            noise[here][at],
            dry,
            white,
        )
        low = voted[here][at]
        chosen = choose(band, rank(band), low)
        sways = find_swaying(band, chosen)
        swings = settle(band, chosen, sways, low)
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
