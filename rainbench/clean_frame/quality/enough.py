"""Whether a sequence tells enough to judge a clean frame by."""

from __future__ import annotations

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.core.text import count_of
from rainbench.frames.sources import FrameSource, bands, read_band, rows_within

FEWEST = 4
"""Fewest frames that can be judged: two odd and two even ones."""

SMALLEST = 10
"""Pixels a side below which there is no detail to look at."""

_COMPARED = 16 << 20
"""Bytes of all frames that are compared at a time; the first of them tell, but for a still."""


def check_enough(source: FrameSource) -> None:
    """Refuse frames that cannot bear a clean frame out: tiny ones, or a video that stands still.

    Args:
        source: The sequence.

    Raises:
        RainbenchError: A side is below `SMALLEST`, or the frames stand still, see `stands_still`.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> check_enough(as_source(np.full((30, 16, 16, 3), 90, np.uint8)))
        Traceback (most recent call last):
        ...
        rainbench.core.errors.RainbenchError: 30 of 30 frames in a row are the same picture
          Rain that stands still looks like the scene: cut out where the video hangs.
    """
    _, height, width, _ = source.shape
    if min(height, width) < SMALLEST:
        raise RainbenchError(
            f"the frames are {width}x{height}: too small to judge a clean frame by",
            hint=f"Give frames of at least {SMALLEST}x{SMALLEST} pixels.",
        )
    if how := stands_still(source):
        raise RainbenchError(
            how, hint="Rain that stands still looks like the scene: cut out where the video hangs."
        )


def stands_still(source: FrameSource) -> str:
    """Say how a video hangs, where one picture of it has the majority in every vote; else nothing.

    Equal frames agree perfectly, and whatever they show, rain included, would be the scene.

    Args:
        source: The sequence.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> frames = np.arange(9, dtype=np.uint8).repeat(12).reshape(9, 2, 2, 3)
        >>> stands_still(as_source(frames))
        ''
        >>> stands_still(as_source(frames[[0, 1, 2, 3, 4, 4, 4, 4, 4]]))
        '5 of 9 frames in a row are the same picture'
    """
    count, height, _, _ = source.shape
    same = np.ones(count - 1, np.bool_)
    still = count
    for top, bottom in bands(height, rows_within(source.shape, _COMPARED)):
        band = read_band(source, top, bottom)
        same[same] = (band[1:][same] == band[:-1][same]).all(axis=(1, 2, 3))
        first = np.flatnonzero(np.r_[True, ~same])
        still = int(np.diff(first, append=count).max())
        if 2 * still <= count and len(first) >= FEWEST:
            return ""
    if 2 * still > count:
        return f"{still} of {count_of(count, 'frame')} in a row are the same picture"
    new = count - int(same.sum())
    return f"only {new} of {count_of(count, 'frame')} are new, at least {FEWEST} needed"
