"""A video restorer, ready to restore clips: what `rainbench.run.predict` is for images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rainbench.catalog.registry import Entry
from rainbench.core.errors import failing_alone
from rainbench.core.machine import free_memory
from rainbench.run.options import RunOptions
from rainbench.run.predict import PredictionError, Predictor
from rainbench.video_methods.base import Frames, Restored
from rainbench.video_methods.load import SHORTER, build_restorer, restore_clip


class ClipPredictor:
    """An entry that restores clips as a whole.

    Args:
        entry: The baseline, of ``restores = "videos"``.
        options: Those of the call; devices, precisions and tiles are a network's.

    Attributes:
        entry: The entry.
        weights: None, as it has none.
        options: How it computes: on the CPU, in full precision, without tiles.
        overlap: 0, as there are no tiles.

    Raises:
        RainbenchError: The card names no video restorer.

    Example:
        >>> import numpy as np
        >>> from rainbench.catalog.registry import load_registry
        >>> predict = ClipPredictor(load_registry().entries(["fastderain"])[0], RunOptions())
        >>> predict(np.full((2, 4, 5, 3), 51, np.uint8)).shape
        (2, 4, 5, 3)
    """

    weights: Path | None = None
    overlap = 0

    def __init__(self, entry: Entry, options: RunOptions) -> None:
        self.entry = entry
        self.options = options_of(entry, options)
        with failing_alone(f"{entry.name}: cannot be built"):
            self._restorer = build_restorer(entry)

    def most_frames(self, height: int, width: int) -> int:
        """Return how long a clip of frames of this size may be in the memory that is free here."""
        return free_memory() // (self._restorer.bytes_per_pixel * height * width)

    def check_length(self, frames: int, height: int, width: int) -> None:
        """Refuse a clip that there is not enough memory for, before it is begun.

        Raises:
            PredictionError: It is too long.
        """
        most = self.most_frames(height, width)
        if frames > most:
            size = f"{width}x{height}"
            gigabytes = self._restorer.bytes_per_pixel * frames * height * width / 1e9
            raise PredictionError(
                f"{self.entry.name} restores a clip as a whole: {frames} frames of {size} would "
                f"take about {gigabytes:.1f} GB of memory, and what is free is enough for {most}",
                hint=SHORTER,
            )

    def __call__(self, frames: Frames) -> Restored:
        """Return the restored clip, ``(T, H, W, 3)`` float32, nominally in [0, 1].

        Raises:
            RainbenchError: It is no clip, too short, or too long for the memory, or the method
                failed.
        """
        if frames.ndim == 4:
            self.check_length(*frames.shape[:3])
        return restore_clip(self.entry.name, self._restorer, frames)


def options_of(entry: Entry, options: RunOptions) -> RunOptions:
    """Return with which options an entry computes: a video restorer knows none of a network's."""
    if not entry.is_video:
        return options
    return replace(options, device="cpu", precision="fp32", tile=0, overlap=None, batch=1)


def predictor_of(
    entry: Entry, weights: Path | None, options: RunOptions
) -> Predictor | ClipPredictor:
    """Return what restores images or clips with an entry.

    Raises:
        RainbenchError: It cannot be built.
    """
    if entry.is_video:
        return ClipPredictor(entry, options)
    return Predictor(entry, weights, options)
