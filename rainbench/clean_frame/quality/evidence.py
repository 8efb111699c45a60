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
from rainbench.clean_frame.stretches import usual_colours
from rainbench.frames.sources import FrameSource, bands, read_band

LOOKED_AT = 128
"""Frames, spread over the sequence, that are asked at most."""

NARROWEST, DEVIATIONS = 2.5, 3.3
"""Levels, and standard deviations of the noise, within which a frame shows the same colour; the
latter holds for three channels at once in 997 of 1,000 cases."""

SUSPECT = 0.72
"""Share of the frames, of those that show the scene elsewhere, below which a pixel is suspect."""

RIVAL, BETTER = 0.92, 1.2
"""Frames that show another colour, over those that show the clean frame's, from which it is as
likely, and from which the clean frame is wrong; chosen: 48 of 100 and 55 of 100."""

UNSTEADY = 0.55
"""Share of the frames, as above, below which nothing lasts where there is no other colour."""

SWAYING = 0.9
"""Share of the frames, as above, below which a pixel at which nothing else passes is not steady."""

NEAR = 3.0
"""Reaches of the noise within which a stretch of the sequence shows the scene, if somewhat changed,
and not something else."""

_AROUND = 5
"""Side in pixels of the surroundings over which shares are averaged."""

_ROWS = 24
"""Rows on which noise and rain are measured."""

_BAND = 32
"""Rows that are read at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the frames say.

    Attributes:
        random: Squared error of the mean of the frames that show the scene, by their noise alone.
        seen: ``(H, W)`` float32, share of the frames that show the clean frame's colour, over that
            of a pixel at which nothing but rain is seen.
        rival: ``(H, W)`` float32, the same for the other colour that most frames show.
        apart: ``(H, W)`` float32, squared difference of the two, in squared levels; 0 where the
            pixel is not suspect.
        spread: ``(H, W)`` float32, squared distance of what stretches of the sequence show from
            the clean frame.
        slow: ``(H, W)`` float32, squared difference of the two halves of the sequence beyond what
            noise explains, where both show the scene; may be negative at a single pixel.
        passed: ``(H, W)`` bool, where some stretch shows something else.
    """

    random: float
    seen: NDArray[np.float32]
    rival: NDArray[np.float32]
    apart: NDArray[np.float32]
    spread: NDArray[np.float32]
    slow: NDArray[np.float32]
    passed: NDArray[np.bool_]

    @property
    def suspect(self) -> NDArray[np.bool_]:
        """Where the clean frame's colour is seen more seldom than rain explains."""
        return self.seen < SUSPECT

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Where clearly more frames show another colour."""
        return without_specks((self.apart > 0) & (self.rival > BETTER * self.seen))

    @property
    def open(self) -> NDArray[np.bool_]:
        """Where another colour is as likely, or likelier."""
        return without_specks((self.apart > 0) & (self.rival > RIVAL * self.seen))

    @property
    def unsteady(self) -> NDArray[np.bool_]:
        """Where nothing lasts."""
        return (self.seen < UNSTEADY) & ~self.open

    @property
    def swaying(self) -> NDArray[np.bool_]:
        """Where the scene itself moves or changes a little."""
        return (self.seen < SWAYING) & ~self.passed


def ask_frames(source: FrameSource, clean: CleanFrame, *, threads: int = 1) -> Evidence:
    """Ask the frames about every pixel.

    Args:
        source: The frames in steady light.
        clean: The clean frame made of them.
        threads: Threads to use.
    """
    count, height, width, _ = source.shape
    noise, rank, different = _noise_and_rank(source, clean)
    usual = usual_colours(source, np.full((height, width), rank, np.float32), threads=threads)
    few = np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(int))
    reach = np.float32(max(NARROWEST, DEVIATIONS * noise))
    seen, rival, apart = (np.zeros((height, width), np.float32) for _ in range(3))
    for top, bottom in bands(height, _BAND):
        band = read_band(source, top, bottom)[few]
        seen[top:bottom] = _shown(band, clean.levels[top:bottom], reach)
    usually = max(float(np.median(seen)), 1 / len(few))
    from scipy.ndimage import uniform_filter

    around = uniform_filter(seen, _AROUND, mode="nearest")
    suspect = around < SUSPECT * usually
    for top, bottom in bands(height, _BAND):
        at = suspect[top:bottom]
        if at.any():
            samples = read_band(source, top, bottom)[few][:, at]
            own = clean.levels[top:bottom][at]
            colours = usual[:, top:bottom][:, at]
            best, share = _rivals(samples, own, colours, reach)
            share[_comes_back(colours, own, reach)] = 0
            rival[top:bottom][at] = share
            apart[top:bottom][at] = np.square(best - own).mean(axis=-1) * (share > 0)
    rival = np.where(suspect, uniform_filter(rival, _AROUND, mode="nearest"), 0)
    spread, slow, passed = _between_stretches(usual, clean.levels, reach)
    random = noise**2 / (different * usually)
    return Evidence(random, around / usually, rival / usually, apart, spread, slow, passed)


def _noise_and_rank(source: FrameSource, clean: CleanFrame) -> tuple[float, float, int]:
    """Return the noise, from what is darker than the clean frame, its percentile, and frames.

    Those that a video repeats, as one of 7 frames a second does in a file of 30, count once.
    """
    count, height, _, _ = source.shape
    below, ranks, new = [], [], np.zeros(count - 1, np.bool_)
    for row in np.unique(np.linspace(0, height - 1, min(height, _ROWS)).astype(int)).tolist():
        seen = read_band(source, row, row + 1)[:, 0]
        new |= (seen[1:] != seen[:-1]).any(axis=(1, 2))
        residual = seen - clean.levels[row]
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
    number = np.zeros(colour.shape[:-1], np.float32)
    for frame in band:
        number += (np.abs(frame - colour) <= reach).all(axis=-1)
    return number / np.float32(len(band))


def _rivals(
    samples: NDArray[np.uint8],
    own: NDArray[np.float32],
    usual: NDArray[np.uint8],
    reach: np.float32,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the other colour of the stretches that most frames show, and their share."""
    best, most = own.copy(), np.zeros(len(own), np.float32)
    for colour in usual.astype(np.float32):
        other = (np.abs(colour - own) > 2 * reach).any(axis=-1)
        share = _shown(samples, colour, reach) * other
        better = share > most
        best[better], most[better] = colour[better], share[better]
    return best, most


def _comes_back(
    usual: NDArray[np.uint8], own: NDArray[np.float32], reach: np.float32
) -> NDArray[np.bool_]:
    """Return where a colour is there in the beginning and at the end: what was between has gone."""
    ends = usual[[0, -1]].astype(np.float32)
    there: NDArray[np.bool_] = (np.abs(ends - own) <= reach).all(axis=(0, 2))
    return there


def _between_stretches(
    usual: NDArray[np.uint8], levels: NDArray[np.float32], reach: np.float32
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the fields ``spread``, ``slow`` and ``passed`` of `Evidence`."""
    half = len(usual) // 2
    spread, slow = (np.zeros(levels.shape[:2], np.float32) for _ in range(2))
    number, total, squares = (np.zeros((2, *levels.shape[:2]), np.float32) for _ in range(3))
    for c in range(3):
        number[:], total[:], squares[:] = 0, 0, 0
        for n, colour in enumerate(usual):
            away = colour - levels
            near = (np.abs(away) <= NEAR * reach).all(axis=-1)
            spread += np.square(away[..., c]) / np.float32(3 * len(usual))
            part, seen = int(n >= half), np.where(near, away[..., c], 0)
            number[part] += near
            total[part] += seen
            squares[part] += np.square(seen)
        some = (number >= 2).all(axis=0)
        count = np.maximum(number, 2)
        mean = total / count
        by_chance = (squares - count * np.square(mean)) / (count * (count - 1))
        slow += some * (np.square(mean[0] - mean[1]) - by_chance.sum(axis=0)) / 3
    return spread, slow, number.sum(axis=0) < len(usual)


def without_specks(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out what is narrower than 3 pixels, such as the rim of what stands there."""
    from scipy.ndimage import binary_opening

    opened: NDArray[np.bool_] = binary_opening(where, np.ones((3, 3), np.bool_))
    return opened
