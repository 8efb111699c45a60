"""A camera that shakes or drifts: frames moved back to one place.

Only small shifts and turns are corrected, of up to some pixels: a tripod in the wind. The frames
keep their brightness; correct drifting light afterwards (`rainbench.frames.exposure`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.frames.camera_path import CameraPath
from rainbench.frames.motion import find_camera_path
from rainbench.frames.resample import TAPS, move, turn_back
from rainbench.frames.sources import Frames, FrameSource, as_source, read_band, rows_within

_MOST_UNKNOWN = 0.5
"""Share of the frames whose place may be unknown; they are taken to lie between the others."""


@dataclass(frozen=True, slots=True)
class AlignedSource:
    """A sequence whose frames are moved, as they are read, so that the scene stands still.

    Attributes:
        source: The sequence as filmed.
        shifts: ``(N, 2)``, how far right and down each frame's content lies, in pixels.
        turns: ``(N,)``, how far it is turned clockwise about the picture's middle, in radians; None
            where nothing is.
    """

    source: FrameSource
    shifts: NDArray[np.float64]
    turns: NDArray[np.float64] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        return self.source.shape

    @property
    def band_rows(self) -> int:
        """Rows worth reading at a time: each band is computed on reading, so not all at once."""
        return min(self.source.band_rows, max(64, rows_within(self.shape, 32 << 20)))

    @property
    def valid(self) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of what every frame shows; outside, edges are repeated."""
        _, height, width, _ = self.shape
        swing = np.array(self._swing)
        right, below = np.ceil(np.maximum(self.shifts.max(axis=0), 0) + swing).astype(int).tolist()
        left, above = np.ceil(np.maximum(-self.shifts.min(axis=0), 0) + swing).astype(int).tolist()
        return above, max(above, height - below), left, max(left, width - right)

    @property
    def _swing(self) -> tuple[float, float]:
        """How far the turns move the picture's corners, in pixels right and down."""
        _, height, width, _ = self.shape
        turn = 0.0 if self.turns is None else float(np.abs(self.turns).max())
        return turn * height / 2, turn * width / 2

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows ``top`` to ``bottom`` of every frame, moved back."""
        count, height, width, channels = self.shape
        margin = int(np.ceil(np.abs(self.shifts[:, 1]).max(initial=0) + self._swing[1])) + TAPS
        first, last = max(0, top - margin), min(height, bottom + margin)
        rows = read_band(self.source, first, last)
        middle = ((width - 1) / 2, (height - 1) / 2 - first)
        out = np.empty((count, bottom - top, width, channels), np.uint8)
        for n in range(count):
            right, down = map(float, self.shifts[n])
            turn = 0.0 if self.turns is None else float(self.turns[n])
            moved = (
                turn_back(rows[n], (right, down), turn, middle)
                if turn
                else move(rows[n], right, down)
            )
            out[n] = moved[top - first : bottom - first]
        return out


def align_frames(frames: Frames) -> AlignedSource:
    """Find the shake of a sequence and take it out.

    Args:
        frames: The sequence.

    Returns:
        The sequence, moved as it is read. A method that reads it several times is faster on a
        copy, see `rainbench.frames.cache.keep`.

    Raises:
        RainbenchError: The frames do not show one scene within a few pixels.

    Example:
        >>> scene = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        >>> scene = np.kron(scene, np.ones((8, 8, 1), np.uint8))
        >>> video = np.stack([np.roll(scene, step, axis=1) for step in (0, 1, 0, -1)])
        >>> np.abs(align_frames(video).shifts[:, 0]).round().tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    source = as_source(frames, least=2)
    return aligned_by(source, _known_path(source))


def aligned_by(source: FrameSource, path: CameraPath) -> AlignedSource:
    """Return a sequence that is moved back along a path, all of whose places are known."""
    shifts = path.shifts - path.shifts.mean(axis=0)
    return AlignedSource(source, shifts, path.turns if path.turns.any() else None)


def estimate_shifts(frames: Frames) -> NDArray[np.float64]:
    """Estimate how far the content of each frame lies from its mean place.

    Args:
        frames: The sequence; see `rainbench.frames.motion.find_camera_path`.

    Returns:
        ``(N, 2)`` float64: pixels to the right and down, zero on average; all zero where the motion
        is smaller than its error bar.

    Raises:
        RainbenchError: The frames do not show one scene within a few pixels.
    """
    shifts = _known_path(as_source(frames, least=2)).shifts
    centred: NDArray[np.float64] = shifts - shifts.mean(axis=0)
    return centred


def _known_path(source: FrameSource) -> CameraPath:
    path = find_camera_path(source)
    unknown = ~np.isfinite(path.shifts).all(axis=1)
    if unknown.mean() > _MOST_UNKNOWN:
        raise RainbenchError(
            "the frames cannot be registered: they do not show one scene within a few pixels",
            hint="Split the video at its cuts, or leave this sequence out: the camera moves.",
        )
    return path.filled()
