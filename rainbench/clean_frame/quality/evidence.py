"""What the frames themselves say of each pixel of a clean frame.

Two clean frames by one method share its mistakes, however the frames are divided between them. So
the frames are asked: how many show the colour that the clean frame has, in all three channels, and
is there another colour that as many show? Rain hides the scene from all pixels alike, so that a
pixel whose colour is seen much more seldom than that of others is suspect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame
from rainbench.clean_frame.quality.rivals import Rivals, grown, settle, without_thin
from rainbench.clean_frame.quality.torn import find_torn
from rainbench.clean_frame.stretches import usual_colours
from rainbench.clean_frame.voting import select_percentile
from rainbench.frames.maps import let_go, picture_map, put_away, strips
from rainbench.frames.sources import (
    ArraySource,
    FrameSource,
    bands,
    read_band,
    rows_within,
    take_frames,
)

LOOKED_AT = 64
"""Frames, spread over the sequence, that are asked at most."""

NARROWEST, DEVIATIONS = 2.5, 3.3
"""Levels, and standard deviations of the noise, within which a frame shows the same colour; the
latter holds for three channels at once in 997 of 1,000 cases."""

SUSPECT = 0.72
"""Share of the frames, of those that show the scene elsewhere, below which a pixel is suspect."""

SELDOM = 0.85
"""The same, below which another colour is looked for."""

ALONE, LEAST, OFTENER = 0.5, 0.2, 2.0
"""Share of the frames, as above, and of all that are asked, that must show another colour, and how
many times oftener than the clean frame's, for a single pixel to be wrong by itself; chosen: chance
does not do that."""

UNSTEADY = 0.55
"""Share of the frames, as above, below which nothing lasts where there is no other colour."""

SWAYING = 0.9
"""Share of the frames, as above, below which a pixel at which nothing else passes is not steady."""

NEAR = 3.0
"""Reaches of the noise within which a stretch of the sequence shows the scene, if somewhat changed,
and not something else."""

TORN = 3.0
"""Reaches of the noise within which a frame shows a side of an edge; chosen."""

DITHERED = 0.5
"""Noise in levels from which a mean of many frames knows fractions of a level."""

LIGHT = 0.8
"""Share of what changes in a block that one factor for all its pixels and channels must explain:
then it is the light that changes, and not what is seen; chosen."""

LIGHT_LEFT = 0.03
"""Squared error of a clean frame there, over the squared distance of the stretches from it: two
lamps that swing by a quarter left 0.02 and 0.04."""

LIGHT_BLOCK = 8
"""Pixels a side of these blocks, in which light may be taken for even; chosen."""

_AROUND = 5
"""Side in pixels of the surroundings over which shares are averaged."""

_ROWS, _COLUMNS = 24, 80
"""Rows, and columns of them, on which noise and rain are measured."""

_FEW_ROWS = 8
"""Rows that are read at once where only some of them are wanted."""

_EVERY = 4
"""Every how many rows are looked at for what is only summed up."""

_BAND = 32
"""Rows that are read at once at most."""

_BAND_BYTES = 32 << 20
"""Bytes of all frames that are read at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the frames say.

    Attributes:
        noise: Standard deviation of the noise of a channel, in levels.
        usually: Share of the frames that show the clean frame's colour at a usual pixel.
        random: Squared error of the mean of the frames that show the scene, by their noise alone.
        seen: ``(H, W)`` float32, share of the frames that show the clean frame's colour, over that
            of a pixel at which nothing but rain is seen.
        apart: ``(H, W)`` float32, squared difference of the clean frame and the other colour that
            most frames show, in squared levels; 0 where there is none.
        wrong: ``(H, W)`` bool, where that other colour is the scene, see `rivals`.
        open: ``(H, W)`` bool, where it may be, or is patched together, see `torn`.
        unsteady: ``(H, W)`` float32, squared distance of what stretches of the sequence show from
            the clean frame, where nothing lasts; where only the light changes, that of a mean.
        swaying: ``(H, W)`` float32, squared difference of the clean frame and the median of the
            stretches beyond what noise explains, where the scene itself moves a little.
        slow: ``(H, W)`` float32, squared difference of the two halves of the sequence beyond what
            noise explains, where both show the scene; may be negative at a single pixel.
        passed: ``(H, W)`` bool, where some stretch shows something else.
    """

    noise: float
    usually: float
    random: float
    seen: NDArray[np.float32]
    apart: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    open: NDArray[np.bool_]
    unsteady: NDArray[np.float32]
    swaying: NDArray[np.float32]
    slow: NDArray[np.float32]
    passed: NDArray[np.bool_]

    @property
    def suspect(self) -> NDArray[np.bool_]:
        """Where the clean frame's colour is seen more seldom than rain explains."""
        return self.seen < SUSPECT


def ask_frames(source: FrameSource, clean: CleanFrame, *, threads: int = 1) -> Evidence:
    """Ask the frames about every pixel.

    Args:
        source: The frames in steady light.
        clean: The clean frame made of them.
        threads: Threads to use.
    """
    count, height, width, _ = source.shape
    noise, rank, different = _noise_and_rank(source, clean)
    usual = clean.usual
    if usual is None:
        ranks = np.full((height, width), rank, np.float32)
        usual = usual_colours(source, ranks, threads=threads)
    few = take_frames(source, np.s_[:: -(-count // LOOKED_AT)])
    asked = few.shape[0]
    reach = np.float32(max(NARROWEST, DEVIATIONS * noise))
    shown = np.zeros((height, width), np.float32)
    for top, bottom in bands(height, max(1, min(_BAND, rows_within(source.shape, _BAND_BYTES)))):
        band = read_band(few, top, bottom)
        shown[top:bottom] = _shown(band, clean.levels[top:bottom], reach)
    usually = max(float(np.median(shown)), 1 / asked)
    seen = put_away(_average(shown, _AROUND) / np.float32(usually))
    rivals, clear = _find_rivals(few, clean, usual, (seen, shown), reach, usually)
    contested, wrong, may_be = settle(rivals, clean.levels)
    wrong |= clear
    may_be |= clear | find_torn(few, clean.levels, contested, float(TORN * reach))
    near = grown(contested, _AROUND)
    passed = np.zeros((height, width), np.bool_)
    for strip in strips(passed.shape):
        rows, near_it = strip.rows, np.float32(NEAR * reach)
        passed[rows] = _shown(usual[:, rows], clean.levels[rows], near_it) < 1
    slow = _between_halves(usual, clean.levels, reach)
    slow = put_away(np.where(near | grown(passed, _AROUND), 0, slow))
    unsteady = put_away(_unsteady(usual, clean.levels, (seen < UNSTEADY) & ~contested))
    apart = put_away(_squares(rivals.colour, clean.levels))
    away = _average(_off_median(usual, clean.levels), 3)
    return Evidence(
        noise,
        usually,
        noise**2 * count / different / _averaged(clean, shown, asked),
        seen,
        apart,
        wrong,
        may_be,
        unsteady,
        put_away(
            np.where((seen < SWAYING) & ~near, (away - 2 * np.median(away[::_EVERY])).clip(0), 0)
        ),
        slow,
        passed,
    )


def _averaged(clean: CleanFrame, shown: NDArray[np.float32], asked: int) -> float:
    """Return how many frames' noise goes into a pixel of the clean frame: the harmonic mean."""
    if clean.averaged is not None:
        return clean.averaged
    return clean.frames / float(np.mean(1 / np.maximum(shown, 1 / asked)))


def _average(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _find_rivals(
    few: FrameSource,
    clean: CleanFrame,
    usual: NDArray[np.uint8],
    shares: tuple[NDArray[np.float32], NDArray[np.float32]],
    reach: np.float32,
    usually: float,
) -> tuple[Rivals, NDArray[np.bool_]]:
    """Find the other colour that most frames show, where the clean frame's is seldom seen.

    That is told by the share of the frames, at a pixel and around, or of it alone. Returned as well
    is where it needs no pixels around to be wrong, of what is thin.
    """
    from rainbench.clean_frame.quality import kernels

    seen, alone = shares
    share, colour = np.zeros_like(seen), picture_map(clean.levels.shape, np.float32)
    there = picture_map((len(usual), *seen.shape), np.bool_)
    for strip in strips(seen.shape):
        colour[strip.rows], there[:, strip.rows] = clean.levels[strip.rows], True
    seldom = without_thin(seen < SELDOM)  # what is thinner would be left out in the end
    seldom |= alone < usually / OFTENER
    for top, bottom in bands(len(seen), _FEW_ROWS):
        at = seldom[top:bottom]
        if at.any():
            band = np.ascontiguousarray(read_band(few, top, bottom))
            own, colours = clean.levels[top:bottom][at], usual[:, top:bottom][:, at]
            best, number = own.copy(), np.zeros(len(own), np.float32)
            kernels.find_rivals(
                band.reshape(len(band), -1), np.flatnonzero(at), own, np.ascontiguousarray(colours),
                reach, best, number,
            )  # fmt: skip
            colour[top:bottom][at], share[top:bottom][at] = best, number / np.float32(len(band))
            there[:, top:bottom][:, at] = (np.abs(colours - own) <= 2 * reach).all(axis=-1)
            let_go()
    around = _average(share, _AROUND) * (share > 0) / np.float32(usually)
    clear = (share > max(ALONE * usually, LEAST)) & (share > OFTENER * alone)
    clear &= ~grown(without_thin(clear), _AROUND)  # light that swings, or what is contested
    return Rivals(seen, around, colour, there), clear


def _off_median(usual: NDArray[np.uint8], levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared distance of a clean frame from the median of the stretches."""
    away = np.zeros(levels.shape[:2], np.float32)
    for strip in strips(away.shape):
        rows = strip.rows
        middle = select_percentile(ArraySource(usual[:, rows]), 50)
        for c in range(3):  # one channel at a time is faster
            away[rows] += np.square(
                middle[..., c] / np.float32(100) - levels[rows, :, c]
            ) / np.float32(3)
    return away


def _squares(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the squared differences of the channels; faster than a mean of three."""
    squares = np.empty(one.shape[:2], np.float32)
    for strip in strips(squares.shape):
        rows = strip.rows
        red, green, blue = (np.square(one[rows, :, c] - other[rows, :, c]) for c in range(3))
        squares[rows] = (red + green + blue) / np.float32(3)
    return squares


def _unsteady(
    usual: NDArray[np.uint8],
    levels: NDArray[np.float32],
    where: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return ``Evidence.unsteady``, which is looked for in rows of blocks that have some.

    What is brighter may be rain; so the distance is twice that of what is darker, which is the same
    where the scene sways to both sides.
    """
    unsteady = np.zeros(where.shape, np.float32)
    for top, bottom in bands(len(where), LIGHT_BLOCK):
        rows = np.s_[top:bottom]
        if where[rows].any():
            light = _light_changes(usual[:, rows], levels[rows])
            darker = np.square(np.minimum(usual[:, rows] - levels[rows], 0)).sum(axis=(0, -1))
            spread = darker * np.where(light, np.float32(LIGHT_LEFT), np.float32(1))
            unsteady[rows] = np.where(where[rows], spread / (1.5 * len(usual)), 0)
            let_go()
    return unsteady


def _light_changes(usual: NDArray[np.uint8], levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return in which blocks one factor for a stretch explains what it shows."""
    from rainbench.clean_frame.quality import kernels

    height, width, _ = levels.shape
    shape = (len(usual), -(-height // LIGHT_BLOCK), -(-width // LIGHT_BLOCK))
    own, both, square = np.zeros(shape[1:]), np.zeros(shape), np.zeros(shape)
    kernels.add_light(usual, levels, LIGHT_BLOCK, own, both, square)
    left = (square - both**2 / np.maximum(own, 1e-9)).sum(axis=0)
    light = left <= (1 - LIGHT) * (square - 2 * both + own).sum(axis=0)
    blocks = light.repeat(LIGHT_BLOCK, axis=0).repeat(LIGHT_BLOCK, axis=1)
    return np.asarray(blocks[:height, :width])


def _noise_and_rank(source: FrameSource, clean: CleanFrame) -> tuple[float, float, int]:
    """Return the noise, from what is darker than the clean frame, its percentile, and frames.

    Those that a video repeats, as one of 7 frames a second does in a file of 30, count once.
    """
    count, height, _, _ = source.shape
    below, ranks, new = [], [], np.zeros(count - 1, np.bool_)
    columns = np.s_[:: -(-clean.levels.shape[1] // _COLUMNS)]
    for row in np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int)).tolist():
        seen = np.ascontiguousarray(read_band(source, row, row + 1)[:, 0, columns])
        new |= (seen[1:] != seen[:-1]).any(axis=(1, 2))
        residual = seen - clean.levels[row, columns]
        ranks.append(((residual < -0.5).mean(axis=0) + (residual < 0.5).mean(axis=0)) / 2)
        below.append(-residual[residual < 0])
    dark = np.concatenate(below)
    noise = 1.4826 * float(np.median(dark)) if dark.size else 0.0
    rank = float(np.clip(100 * np.median(np.concatenate(ranks)), 5, 60))
    return noise, rank, 1 + int(new.sum())


def _shown(
    band: NDArray[np.uint8], colour: NDArray[np.float32], reach: np.float32
) -> NDArray[np.float32]:
    """Return the share of the frames that show a colour, in every channel."""
    from rainbench.clean_frame.quality import kernels

    samples = np.ascontiguousarray(band).reshape(len(band), -1)
    number = np.zeros(colour.size // 3, np.float32)
    kernels.count_shown(samples, np.ascontiguousarray(colour).reshape(-1), reach, number)
    return number.reshape(colour.shape[:-1]) / np.float32(len(band))


def _between_halves(
    usual: NDArray[np.uint8], levels: NDArray[np.float32], reach: np.float32
) -> NDArray[np.float32]:
    """Return ``Evidence.slow``; its mean is wanted, so that a row stands for some below it."""
    from rainbench.clean_frame.quality import kernels

    slow = np.zeros(levels.shape[:2], np.float32)
    factor = np.float32(len(slow) / len(slow[::_EVERY]))
    for strip in strips(slow.shape):
        first, stop, _ = strip.rows.indices(len(slow))
        some = np.s_[first + -first % _EVERY : stop : _EVERY]
        kernels.compare_halves(
            np.ascontiguousarray(usual[:, some]).reshape(len(usual), -1, 3),
            np.ascontiguousarray(levels[some]).reshape(-1, 3),
            np.float32(NEAR * reach),
            found := np.empty(slow[some].size, np.float32),
        )
        slow[some] = found.reshape(slow[some].shape) * factor
    return slow
