"""Frames that show a large part of the scene in another light than most do, told from those.

Where a lamp is switched, a car's headlights pass or a large sign blinks, most frames still show one
state of the scene. A percentile of two states is neither; a mean over the frames in one state is.
One light for the whole picture is no matter: `rainbench.frames.exposure` corrects it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.exposure import (
    SAMPLED_COLUMNS,
    SAMPLED_ROWS,
    measurable,
    sample_grid,
    usual_brightness,
)
from rainbench.frames.sources import FrameSource

BLOCKS = 6, 8
"""Parts of the picture, down and across, of which each has a brightness of its own."""

OTHER, ALMOST_NONE = 5, 1
"""Blocks that must be brighter or darker for a frame to be in another light, a tenth of the
picture, and those that may be so by chance, or for what passes, in one that is not."""

APART, LEAST_APART = 4.0, 0.02
"""How many times as far off as half of the frames are from each other a block must be, and by which
share of its brightness at least; chosen."""

IN_BETWEEN = 0.25
"""Frames between the two states, as a share of those in another light, from which there are no two:
chosen between lamps, signs and headlights, 0.1 at most, and mist, snow and dense rain, 0.8."""

FEWEST_FRAMES = 20
"""Frames that must be left; with fewer, less is told of rain and of what moves."""

_FEWEST_PIXELS, _FEWEST_BLOCKS = 32, 12
"""Usable pixels of a block, and blocks, without which nothing is told; chosen."""

_STEP, _REACH, _NARROWEST, _WIDEST = 2e-3, 1.0, 4e-3, 2e-2
"""As those of `rainbench.frames.exposure`, but coarser: what is looked for differs by far more."""


def in_usual_light(source: FrameSource, exposure: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which frames show the scene in the light that most of them do.

    The brightness of a block is the most frequent ratio to its usual one, which neither rain nor
    what covers less than half of the block moves.

    Args:
        source: The sequence, as it was filmed.
        exposure: ``(N,)``, from `rainbench.frames.exposure.estimate_exposure`.

    Returns:
        ``(N,)`` bool; all of them where light has no two states, or too few frames would be left.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> scene = np.random.default_rng(0).integers(40, 160, (48, 64, 3))
        >>> video = np.repeat(scene[None], 30, axis=0).astype(np.uint8)
        >>> video[::3, :, :32] += 40  # a lamp
        >>> in_usual_light(as_source(video), np.ones(30)).astype(int).tolist()[:6]
        [0, 1, 1, 0, 1, 1]
    """
    blocks = _Blocks.of(source, exposure)
    count = source.shape[0]
    usual = np.ones(count, np.bool_)
    if count < FEWEST_FRAMES or len(blocks.places) < _FEWEST_BLOCKS:
        return usual
    off = _off(blocks.light(usual))
    if not (off >= OTHER).any():
        return usual
    # The usual brightness of all frames is a mixture of two lights; that of half of them is not.
    alike = np.zeros_like(usual)
    alike[np.argsort(off, kind="stable")[: count // 2 + 1]] = True
    off = _off(blocks.light(alike))
    other, clear = off >= OTHER, off <= ALMOST_NONE
    between = np.count_nonzero(~other & ~clear)
    if 2 * np.count_nonzero(clear) > count and between <= IN_BETWEEN * np.count_nonzero(other):
        usual = ~other
    return usual if np.count_nonzero(usual) >= FEWEST_FRAMES else np.ones_like(usual)


def _off(light: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return in how many blocks each frame is brighter or darker than most, ``(N,)``."""
    count, block = len(light), np.arange(light.shape[1])
    half = count // 2 + 1
    ordered = np.sort(light, axis=0)
    widths = ordered[half - 1 :] - ordered[: count - half + 1]
    first = widths.argmin(axis=0)
    middle = (ordered[first, block] + ordered[first + half - 1, block]) / 2
    near = np.maximum(APART * widths[first, block] / 2, LEAST_APART)
    return np.asarray(np.count_nonzero(np.abs(light - middle) > near, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Some pixels of all frames, ``(N, pixels)``, and which ones make a block.

    Attributes:
        exposure: How bright each frame is.
        brightness: Their red, green and blue together.
        places: Which ones make a block.
    """

    exposure: NDArray[np.float64]
    brightness: NDArray[np.uint16]
    places: list[NDArray[np.int64]]

    @staticmethod
    def of(source: FrameSource, exposure: NDArray[np.float64]) -> _Blocks:
        """Read the pixels; blocks with too few that can be used are left out."""
        from rainbench.frames import exposure_kernels as kernels

        _, height, width, _ = source.shape
        samples = sample_grid(source)
        places = measurable(samples)
        rows, columns = min(height, SAMPLED_ROWS), min(width, SAMPLED_COLUMNS)
        down, across = BLOCKS
        part = places // columns * down // rows * across + places % columns * across // columns
        blocks = [np.flatnonzero(part == block) for block in range(down * across)]
        return _Blocks(
            exposure,
            kernels.add_colours(samples, places),
            [own for own in blocks if own.size >= _FEWEST_PIXELS],
        )

    def light(self, reference: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how bright each frame is beside some of them.

        Args:
            reference: ``(N,)``, which ones.

        Returns:
            ``(N, blocks)``, the log of the brightness of each block.
        """
        from rainbench.frames import exposure_kernels as kernels

        usual = usual_brightness(self.brightness[reference], self.exposure[reference])
        ratios = [
            kernels.most_frequent_ratios(
                np.ascontiguousarray(self.brightness[:, own]), usual[own],
                _STEP, _REACH, _NARROWEST, _WIDEST,
            )
            for own in self.places
        ]  # fmt: skip
        return np.asarray(np.log(np.stack(ratios, axis=1) / self.exposure[:, None]))
