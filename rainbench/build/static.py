"""Is this a static sequence? Votes over time mean nothing where the camera or the light moves.

Clean frames of every second frame agree with those of the others whatever happens slowly; clean
frames of the first and the second half do not. That gap, and the share of pixels that agree on a
percentile, raise the suspicion; the light and the shake are then measured. Video compression opens
the same gap, since its errors last for many frames, but leaves both halves alike enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.build.align import estimate_shifts
from rainbench.build.clean_frame import Method, extract_clean_frame
from rainbench.build.gains import estimate_gains
from rainbench.build.sources import Frames, FrameSource, as_source, take_frames
from rainbench.errors import RainbenchError

LEAST_SHARE = 0.5
LARGEST_GAP = 3.0
MOST_DRIFT = 0.03
MOST_SHAKE = 0.2
LEAST_LIKENESS = 34.0

ODD, EVEN = slice(1, None, 2), slice(0, None, 2)

HIGHEST = 99.0
"""PSNR given to pictures that are equal, in dB."""


@dataclass(frozen=True, slots=True)
class StaticCheck:
    """Whether a sequence shows a still scene in steady light, and the numbers that say so.

    Attributes:
        vote_share: Share of the pixels that agree on the best percentile.
        split: PSNR between the clean frames of every second frame and of the others, in dB.
        halves: PSNR between the clean frames of the first and the second half, in dB.
        drift: Range of the light, relative; ``None`` where it was not suspected.
        shake: Root mean square shift of the frames in pixels; ``None`` where not suspected.
        moving: What moves: ``light``, ``camera``, ``scene``; empty for a static sequence.
    """

    vote_share: float
    split: float
    halves: float
    drift: float | None = None
    shake: float | None = None
    moving: str = ""

    @property
    def gap(self) -> float:
        """How much less the halves agree than the interleaved frames, in dB."""
        return self.split - self.halves

    @property
    def static(self) -> bool:
        """Whether a clean frame may be made of the sequence as it is."""
        return not self.moving

    @property
    def reason(self) -> str:
        """What is wrong and what to do about it; empty for a static sequence."""
        return {
            "": "",
            "light": f"the light drifts by {100 * (self.drift or 0):.0f} %: correct the gains",
            "camera": f"the camera shakes by {self.shake or 0:.1f} pixels: align the frames",
            "scene": "the scene itself changes, or the camera moves: use fewer frames or reject",
        }[self.moving]


def is_static(frames: Frames, *, threads: int = 1, device: str = "cpu") -> StaticCheck:
    """Check that a sequence shows a still scene in steady light.

    Args:
        frames: The sequence, corrected by gains and shifts if it needs to be; at least 4 frames.
        threads: Threads to use.
        device: Where votes are counted; see `rainbench.build.clean_frame.extract_clean_frame`.

    Raises:
        RainbenchError: There are fewer than 4 frames.

    Example:
        >>> scene = np.random.default_rng(0).integers(40, 160, (1, 48, 64, 3))
        >>> light = np.linspace(0.8, 1.2, 20)[:, None, None, None]
        >>> still = np.repeat(scene, 20, axis=0).astype(np.uint8)
        >>> is_static(still).static, is_static((scene * light).astype(np.uint8)).moving
        (True, 'light')
    """
    source = as_source(frames, least=4)
    share = extract_clean_frame(source, threads=threads, device=device).vote_share or 0.0
    first, second = split_in_half(source.shape[0])
    split, halves = (
        likeness(
            *(clean_part(source, part, "exact", threads=threads, device=device) for part in parts)
        )
        for parts in ((ODD, EVEN), (first, second))
    )
    return check_static(source, share, split, halves)


def check_static(source: FrameSource, share: float, split: float, halves: float) -> StaticCheck:
    """Decide with the numbers of `is_static`, where they are known; measure what is suspected.

    Args:
        source: The sequence.
        share: Share of the pixels that agree on the best percentile.
        split: PSNR between the exact clean frames of every second frame and of the others, in dB.
        halves: PSNR between those of the first and the second half, in dB.
    """
    check = StaticCheck(share, split, halves)
    if share >= LEAST_SHARE and check.gap <= LARGEST_GAP:
        return check
    gains = estimate_gains(source)
    drift = float(np.subtract(*np.percentile(gains, (97.5, 2.5))))
    shake = _shake(source)
    moving = ""
    if drift > MOST_DRIFT:
        moving = "light"
    elif shake > MOST_SHAKE:
        moving = "camera"
    elif check.halves < LEAST_LIKENESS:
        moving = "scene"
    return StaticCheck(share, check.split, check.halves, drift, shake, moving)


def clean_part(
    source: FrameSource,
    part: slice,
    method: Method,
    gains: NDArray[np.float64] | None = None,
    percentile: int | None = None,
    *,
    threads: int = 1,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return the clean frame of some of the frames.

    Args:
        source: The sequence.
        part: Which frames, see `ODD`, `EVEN` and `split_in_half`.
        method: How it is made.
        gains: ``(N,)``, by which the frames are corrected.
        percentile: For the method of that name.
        threads: Threads to use.
        device: Where the votes of ``exact`` are counted; other methods run on the processor.

    Returns:
        ``(H, W, 3)`` float32, in levels.
    """
    return extract_clean_frame(
        take_frames(source, part),
        method,
        percentile=percentile if method == "percentile" else None,
        gains=None if gains is None else gains[part],
        threads=threads,
        device=device if method == "exact" else "cpu",
    ).levels


def split_in_half(count: int) -> tuple[slice, slice]:
    """Return the first and the second half of so many frames.

    Example:
        >>> split_in_half(5)
        (slice(None, 2, None), slice(2, None, None))
    """
    return slice(count // 2), slice(count // 2, None)


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the PSNR between two pictures in levels, in dB, at most 99.

    Example:
        >>> round(likeness(np.zeros((2, 2, 3), np.float32), np.ones((2, 2, 3), np.float32)), 2)
        48.13
    """
    return to_psnr(float(np.mean(np.square(one - other), dtype=np.float64)))


def to_psnr(squared_error: float) -> float:
    """Return the PSNR of a mean squared error in levels, in dB, at most 99.

    Example:
        >>> to_psnr(255.0**2), to_psnr(0)
        (0.0, 99.0)
    """
    if squared_error <= 0:
        return HIGHEST
    return min(HIGHEST, float(10 * np.log10(255**2 / squared_error)))


def _shake(source: FrameSource) -> float:
    try:
        shifts = estimate_shifts(source)
    except RainbenchError:
        return float("inf")
    return float(np.sqrt(np.square(shifts).sum(axis=1).mean()))
