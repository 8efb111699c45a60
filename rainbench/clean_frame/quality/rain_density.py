"""How dense the rain is, and so how many frames a clean frame takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rainbench.frames.exposure import estimate_exposure, sample_grid
from rainbench.frames.sources import Frames, as_source, take_frames

Kind = Literal["sparse", "normal", "dense"]

FRAMES: dict[Kind, tuple[int, int]] = {"sparse": (20, 10), "normal": (100, 20), "dense": (200, 50)}
"""Frames to start with and frames to add while the clean frame is not good enough (SPANet)."""

SPARSE_BELOW, DENSE_FROM = 0.06, 0.30
"""Coverage, the share of samples with rain in them, that separates the three kinds. SPANet gives no
numbers; chosen: the rendered rain of docs/spanet_table1.md covers 12 to 69 % of the samples."""

_LOOKED_AT = 60
"""Frames that are looked at: a share of samples needs no more to be known to a percent."""

_DEVIATIONS, _LEAST_LEVELS = 3.0, 1.0
"""A sample is rainy beyond so many deviations of the noise, and beyond a level, the rounding."""


@dataclass(frozen=True, slots=True)
class Density:
    """How dense the rain of a sequence is.

    Attributes:
        kind: ``sparse``, ``normal`` or ``dense``.
        coverage: Share of pixels and frames that are visibly brighter than the background.
        noise: Standard deviation of the noise of the mean of R, G and B, in levels.
    """

    kind: Kind
    coverage: float
    noise: float

    def frames(self, rounds: int = 0) -> int:
        """Return how many frames to use after so many times of adding more (SPANet, section 3).

        Example:
            >>> Density("dense", 0.5, 1.0).frames(), Density("dense", 0.5, 1.0).frames(2)
            (200, 300)
        """
        start, more = FRAMES[self.kind]
        return start + rounds * more


def estimate_density(frames: Frames) -> Density:
    """Estimate how dense the rain is, from a grid of pixels of up to 60 frames.

    What lies below the background shows the noise; what lies three of its standard deviations
    above is rain.

    Args:
        frames: The sequence.

    Example:
        >>> video = np.full((30, 40, 40, 3), 90, np.uint8)
        >>> for n in range(30):
        ...     video[n, :, (n % 4) :: 4] += 60
        >>> density = estimate_density(video)
        >>> density.kind, round(density.coverage, 2)
        ('normal', 0.25)
    """
    from rainbench.clean_frame.extract import extract_clean_frame

    source = as_source(frames, least=2)
    few = take_frames(source, np.s_[:: max(1, -(-source.shape[0] // _LOOKED_AT))])
    exposure = estimate_exposure(few)
    grid = sample_grid(few)[:, :, None]
    clean = extract_clean_frame(grid, "exact", exposure=exposure)
    light = exposure.astype(np.float32).reshape(len(exposure), 1, 1, -1)
    bright = (grid / light).mean(axis=-1)
    above = bright - clean.levels.mean(axis=-1)
    below = above[above < 0]
    below = below[below > 5 * np.median(below)] if below.size else np.zeros(1)
    noise = float(np.sqrt(np.mean(below**2)))
    coverage = float((above > max(_LEAST_LEVELS, _DEVIATIONS * noise)).mean())
    kind: Kind = "normal"
    if coverage < SPARSE_BELOW:
        kind = "sparse"
    elif coverage >= DENSE_FROM:
        kind = "dense"
    return Density(kind, coverage, noise)
