"""Edges of a clean frame that no frame shows: it is patched together from what was never together.

A shadow that creeps through a scene darkens each pixel for a while, and lights the next one before.
Whichever of the two each pixel is given, the two meet somewhere, and no frame shows them meet. The
same holds where of two things that stand there one after the other each leaves a piece behind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.maps import let_go
from rainbench.frames.sources import FrameSource, bands, read_band

ACROSS = 3
"""Pixels between the two sides of an edge: edges are soft."""

SHOWN, TOGETHER = 0.2, 0.15
"""Share of the frames that must show either side, and share of these that must show both; chosen:
what passes before a scene hides both sides at once, or leaves both in sight for longer."""

FEWEST = 24
"""Pixels beside torn edges from which all of their region is in doubt: edges of four pixels and
more have them; with fewer, only these."""

_ROWS = 32
"""Rows that are read at once."""


def find_torn(
    frames: FrameSource,
    levels: NDArray[np.float32],
    contested: NDArray[np.bool_],
    reach: float,
) -> NDArray[np.bool_]:
    """Find what is in doubt since two sides of an edge are hardly ever seen together.

    Args:
        frames: Some frames in steady light.
        levels: ``(H, W, 3)`` float32, the clean frame.
        contested: ``(H, W)`` bool, where it has competition: only there are edges asked after.
        reach: Levels within which a frame shows a colour: wide, since what passes may look much
            like the scene.

    Returns:
        ``(H, W)`` bool.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> video = np.full((21, 24, 60, 3), 150, np.uint8)
        >>> for n in range(21):  # a shadow creeps
        ...     video[n, :, : 3 * n] = 60
        >>> middle = np.median(video, axis=0).astype(np.float32)
        >>> everywhere = np.ones((24, 60), bool)
        >>> bool(find_torn(as_source(video), middle, everywhere, 9).all())
        True
        >>> bool(find_torn(as_source(video), np.full_like(middle, 150), everywhere, 9).any())
        False
    """
    from scipy.ndimage import label

    torn = np.zeros_like(contested)
    if not contested.any():
        return torn
    for top, bottom in bands(len(torn), _ROWS):
        place = np.s_[top : min(len(torn), bottom + ACROSS)]
        if contested[place].any():
            band = read_band(frames, place.start, place.stop)
            _tear(_shown(band, levels[place], contested[place], reach), torn[place])
            let_go()
    if not torn.any():
        return torn
    regions, number = label(contested, np.ones((3, 3), np.bool_))
    many = np.bincount(regions[torn], minlength=number + 1) >= FEWEST
    many[0] = False
    doubtful: NDArray[np.bool_] = torn | many[regions]
    return doubtful


def _shown(
    band: NDArray[np.uint8],
    levels: NDArray[np.float32],
    contested: NDArray[np.bool_],
    reach: float,
) -> NDArray[np.bool_]:
    """Return which frames show the clean frame's colour where it has competition."""
    shown = np.zeros((len(band), *contested.shape), np.bool_)
    away = np.abs(band[:, contested] - levels[contested]).max(axis=-1)
    shown[:, contested] = away <= reach
    return shown


def _tear(shown: NDArray[np.bool_], torn: NDArray[np.bool_]) -> None:
    """Mark both sides of what is hardly ever shown together, across and down."""
    number = shown.sum(axis=0)
    height, width = torn.shape
    for down, right in ((0, ACROSS), (ACROSS, 0)):
        one, other = np.s_[: height - down, : width - right], np.s_[down:, right:]
        least = np.minimum(number[one], number[other])
        both = (shown[:, *one] & shown[:, *other]).sum(axis=0)
        apart = (least >= SHOWN * len(shown)) & (both <= TOGETHER * least)
        torn[one] |= apart
        torn[other] |= apart
