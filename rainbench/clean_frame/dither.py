"""Noise for frames that have none, such as rendered ones, so that percentiles and widths tell.

Where nothing but rain changes a pixel, it shows one and the same value in all dry frames, and any
of eighty percentiles is that value: a vote of such pixels is decided by the few that do change. A
little noise makes each vote for the middle of what it shows. It is added where decisions are made,
never to what is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.swaying.glance import REMAINS, look_at_some
from rainbench.frames.sources import FrameSource, take_frames

SAME = 0.6
"""Share of the samples that are the same in the next frame, among those that differ by no more than
two levels, from which there is too little noise: a deviation of 0.6 levels leaves 0.5."""

LEAST = 0.05
"""Share of all samples that must be the same for it."""

DEVIATION = 1.0
"""Standard deviation of the noise that is added, in levels: that of good cameras."""

_PAIRS = 24
"""Pairs of frames that are looked at."""

_TABLE = 1 << 20
"""Steps that are drawn once; rows start at different ones."""


def lacks_noise(source: FrameSource) -> bool:
    """Say whether frames have too little noise, and no codec is what took it.

    Example:
        >>> from rainbench.frames.sources import as_source
        >>> rng = np.random.default_rng(0)
        >>> scene = np.repeat(rng.integers(0, 255, (1, 32, 32, 3)), 30, axis=0)
        >>> noisy = scene + rng.normal(0, 2, scene.shape)
        >>> [lacks_noise(as_source(x.clip(0, 255).astype(np.uint8))) for x in (scene, noisy)]
        [True, False]
    """
    count = source.shape[0]
    _, seen = look_at_some(source)

    def steps(lag: int) -> NDArray[np.uint8]:
        first = np.unique(np.linspace(0, count - lag - 1, min(count, _PAIRS)).astype(int))
        one, other = seen[:, first], seen[:, first + lag]
        return np.asarray(np.maximum(one, other) - np.minimum(one, other))

    next_ = steps(1)
    same, near = np.mean(next_ == 0), np.mean(next_ <= 2)
    if same < max(LEAST, SAME * near):
        return False
    return bool(np.mean(steps(max(1, count // 3)) == 0) >= REMAINS * same)


@dataclass(frozen=True, slots=True)
class DitheredSource:
    """A sequence with a little noise added, the same for the same row of as many frames."""

    source: FrameSource

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, H, W, 3)``."""
        return self.source.shape

    @property
    def band_rows(self) -> int:
        """The other source's."""
        return self.source.band_rows

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows ``top`` to ``bottom`` of every frame."""
        band = self.source.band(top, bottom).copy()
        table = _steps()
        count, _, width, channels = band.shape
        for row in range(bottom - top):
            for n in range(count):
                start = (n * 7919 + (top + row) * 104729) % (_TABLE - width * channels)
                line = band[n, row].reshape(-1)
                noisy = line + table[start : start + line.size]
                np.clip(noisy, 0, 255, out=line, casting="unsafe")
        return band

    def take(self, part: slice) -> FrameSource:
        """Return some of the frames."""
        return DitheredSource(take_frames(self.source, part))


@cache
def _steps() -> NDArray[np.int16]:
    drawn = np.random.default_rng(0).normal(0, DEVIATION, _TABLE)
    return np.rint(drawn).astype(np.int16)
