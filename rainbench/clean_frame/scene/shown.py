"""No colour that no frame shows.

A percentile, or a mean, of each channel may mix what different frames show: where leaves sway, red
of a leaf with the green of the sky. The nearest colour that a frame shows there stands for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.frames.bands import contiguous_bytes, over_bands
from rainbench.frames.sources import FrameSource


def keep_to_shown(
    source: FrameSource,
    levels: NDArray[np.float32],
    where: NDArray[np.bool_],
    reach: float,
    *,
    threads: int = 1,
) -> None:
    """Put the nearest colour of a frame in the place of each that is far from all of them.

    Args:
        source: The sequence.
        levels: ``(H, W, 3)`` float32, in levels; changed.
        where: ``(H, W)`` bool, where to look.
        reach: Levels, in root mean square over the channels, beyond which a colour is far.
        threads: Number of threads.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> video = as_source(np.array([[[[90, 20, 20]]], [[[20, 90, 20]]]], np.uint8))
        >>> levels = np.array([[[60, 50, 20]]], np.float32)
        >>> keep_to_shown(video, levels, np.ones((1, 1), bool), 9.0)
        >>> levels.ravel().tolist()
        [90.0, 20.0, 20.0]
    """
    from rainbench.clean_frame.scene import mode_kernels

    def look(top: int, bottom: int) -> None:
        at = where[top:bottom]
        if at.any():
            samples, start, _ = contiguous_bytes(source, top, bottom)
            places, colours = 3 * (start + np.flatnonzero(at)), levels[top:bottom][at]
            mode_kernels.nearest_shown(samples, places, np.float32(3 * reach * reach), colours)
            levels[top:bottom][at] = colours

    over_bands(source, look, threads)
