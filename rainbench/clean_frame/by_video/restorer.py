"""The clean frame as a video method: one picture for every frame of a clip that stands still."""

from __future__ import annotations

import numpy as np

from rainbench.clean_frame.extract import as_method, extract_clean_frame
from rainbench.video_methods.base import Frames, Restored


class CleanFrameRestorer:
    """A clean-frame method that keeps the contract of `rainbench.video_methods.base`.

    Every frame of the result is the clean frame of the clip, as SPANet's Table 1 has it beside
    methods that restore each frame. Where camera or light move it is none of them.

    Args:
        method: As `rainbench.clean_frame.extract.extract_clean_frame` takes it.

    Raises:
        RainbenchError: There is no such method.

    Example:
        >>> scene = np.random.default_rng(0).integers(0, 200, (8, 12, 3), np.uint8)
        >>> frames = np.repeat(scene[None], 20, axis=0)
        >>> for n in range(20):  # a streak that moves
        ...     frames[n, :, n % 12] += 50
        >>> restored = CleanFrameRestorer(method="exact")(frames)
        >>> restored.shape, bool(np.allclose(restored, scene / 255))
        ((20, 8, 12, 3), True)
    """

    bytes_per_pixel = 40
    least_frames = 2

    def __init__(self, *, method: str = "spanet-reference") -> None:
        self.method = as_method(method)

    def __call__(self, frames: Frames) -> Restored:
        """Return the clean frame as often as there are frames."""
        picture = extract_clean_frame(frames, self.method).image / np.float32(255)
        return np.repeat(picture[None], len(frames), axis=0)
