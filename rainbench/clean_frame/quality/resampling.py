"""What moving frames to one place has taken from all of them.

Frames moved by parts of a pixel are interpolated, which blurs them; those moved by whole pixels are
not. So some frames of a moved sequence are sharper than its clean frame, while those of a camera at
rest are all alike, up to what leaves, rain and noise take from some.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame
from rainbench.frames.sources import FrameSource, read_band

FINEST = 10.0
"""Squared error over that of the detail that the sharpest frame has more than the clean frame: the
finest detail loses more than the mean of all detail, and the sharpest frame is not the truth.
Measured on sequences that were turned and moved: 5 to 13."""

LEAST = 0.01
"""Detail that the sharpest frames must have more; rain alone made up to 0.008, half a degree of
turning 0.013."""

_FRAMES, _STRIPS, _ROWS, _PIXELS = 40, 8, 10, 5000
"""Frames, and strips of so many rows, that are looked at; half of the strips at least, and as many
as have so many pixels in a row."""

_LIT = 0.03
"""Share by which a frame in another light is brighter or darker, and has more or less detail."""

_LEAST_ENERGY = 1e-3
"""Detail of a half of a frame, as a share of the most, without which it says nothing."""

_RAINY = 25.0
"""Levels off the clean frame from which a sample says nothing of the detail."""


def estimate_resampling_loss(
    source: FrameSource, clean: CleanFrame, calm: NDArray[np.bool_]
) -> float:
    """Return the squared error by which moving frames must be expected to have blurred them.

    Args:
        source: The frames in steady light.
        clean: The clean frame made of them.
        calm: ``(H, W)`` bool, where nothing but rain is seen; a lamp would look like detail.

    Example:
        >>> from rainbench.clean_frame.extract import extract_clean_frame
        >>> from rainbench.frames.sources import as_source
        >>> wall = np.random.default_rng(0).integers(80, 120, (1, 40, 48, 3))
        >>> video = np.repeat(wall, 20, axis=0).astype(np.uint8)
        >>> clean, calm = extract_clean_frame(video, "mean"), np.ones((40, 48), bool)
        >>> estimate_resampling_loss(as_source(video), clean, calm)
        0.0
        >>> video[::2, :, 1:] = (wall[:, :, 1:] + wall[:, :, :-1]) // 2  # moved by half a pixel
        >>> clean = extract_clean_frame(video, "mean")
        >>> estimate_resampling_loss(as_source(video), clean, calm) > 10
        True
    """
    from rainbench.clean_frame.quality import kernels

    count, height, width, _ = source.shape
    number = max(_STRIPS // 2, min(_STRIPS, _PIXELS // width))
    few = np.unique(np.linspace(0, count - 1, min(count, _FRAMES)).astype(int))
    tops = np.unique(np.linspace(0, max(0, height - _ROWS), number).astype(int)).tolist()
    alike, energy = np.zeros((2, len(few), 2))
    size = 0
    for top in tops:
        level = clean.levels[top : top + _ROWS].mean(axis=-1)
        quiet = np.ascontiguousarray(calm[top : top + _ROWS])
        frames = read_band(source, top, top + _ROWS)[few]
        light = np.median(frames.mean(axis=-1, dtype=np.float32) - level, axis=(1, 2))
        lit = np.abs(light - np.median(light)) > _LIT * max(1.0, float(level.mean()))
        for n, frame in enumerate(frames):
            if lit[n]:
                continue
            kernels.compare_detail(
                np.ascontiguousarray(frame), level, quiet, np.float32(_RAINY),
                alike[n], energy[n],
            )  # fmt: skip
        size += (level.shape[0] - 2) * (level.shape[1] - 2)
    alike, energy = alike.T, energy.T
    told = energy > _LEAST_ENERGY * energy.max()  # others were lit, or nearly all of them is rainy
    more_detail = np.divide(alike, energy, out=np.zeros_like(alike), where=told)
    # What looks sharpest by chance on the left does not on the right.
    sharpest = np.argsort(more_detail, axis=1)[:, -max(1, len(few) // 10) :]
    sharper = float(np.mean([more_detail[1 - k, sharpest[k]] for k in (0, 1)]))
    if sharper < LEAST:
        return 0.0
    return FINEST * sharper**2 * float(energy.sum(axis=0).max()) / size
