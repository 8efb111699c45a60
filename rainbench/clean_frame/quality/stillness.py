"""Is this a static sequence? Votes over time mean nothing where camera or light move.

Clean frames of every second frame agree with those of the others whatever happens slowly; clean
frames of the first and the second half do not. That gap, and the share of pixels that agree on a
percentile, raise suspicion; light and shake are then measured. Video compression opens
the same gap, since its errors last for many frames, but leaves both halves alike enough. Somebody
who walks through leaves most of the scene alike; a camera that moves leaves blank walls alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import Method, extract_clean_frame
from rainbench.core.errors import RainbenchError
from rainbench.frames.alignment import estimate_shifts
from rainbench.frames.exposure import estimate_exposure, normalise
from rainbench.frames.maps import mean_of, strips
from rainbench.frames.sources import (
    ArraySource,
    Frames,
    FrameSource,
    as_source,
    read_band,
    rows_within,
    take_frames,
)

LEAST_SHARE, LARGEST_GAP = 0.5, 3.0
"""Share of agreeing pixels and gap in dB beyond which a sequence is suspected of not being static;
only then are light and shake measured, which takes longer. Static scenes had shares of 0.6 to 0.9
and gaps below 0.8 dB; with shake or drift shares fell below 0.25 and gaps rose above 6."""

MOST_DRIFT = 0.03
"""Range of the light, relative, from which the light, not the rain, decides which frames are the
darkest: drift by 5 % either way costs a vote 8 dB."""

MOST_SHAKE = 0.2
"""Root mean square shift, in pixels, from which edges are blurred by more than the noise; chosen,
well above the 0.08 pixels to which shifts are measured."""

LEAST_LIKENESS = 34.0
"""PSNR between the halves, in dB, below which the scene itself is looked at. Compressed videos of
static scenes, whose errors last for many frames, stay above it."""

MOST_CROSSED = 0.5
"""Share of the more textured half of the picture, beyond which everything moves, not something."""

STILL_BLOCK = 8
"""Pixels a side of the blocks of which the still part is put together; chosen."""

ODD, EVEN = slice(1, None, 2), slice(0, None, 2)
"""Every second frame, and the others."""

HIGHEST = 99.0
"""PSNR given to pictures that are equal, in dB."""

_STRIP, _COMPARED = 8, 6 << 20
"""Rows of a strip, and bytes of all frames' strips, on which clean frames of halves are compared:
20,000 pixels of 100 frames, by which a mean squared error is known to some percent."""


@dataclass(frozen=True, slots=True)
class StaticCheck:
    """Whether a sequence shows a still scene in steady light, and the numbers that say so.

    Attributes:
        vote_share: Share of the pixels that agree on the best percentile.
        split: PSNR between the clean frames of every second frame and of the others, in dB.
        split_half: PSNR between the clean frames of the first and the second half, in dB.
        drift: Range of the light, relative; ``None`` where it was not suspected.
        shake: Root mean square shift of the frames in pixels; ``None`` where not suspected.
        moving: What moves: ``light``, ``camera``, ``scene``; empty for a static sequence.
        still: ``(H, W)`` bool, the part of the picture in which nothing passes before the scene;
            ``None`` where nothing was found to pass.
    """

    vote_share: float
    split: float
    split_half: float
    drift: float | None = None
    shake: float | None = None
    moving: str = ""
    still: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)

    @property
    def crossed(self) -> float:
        """Share of the picture in which somebody or something passes before the scene."""
        return 0.0 if self.still is None else 1 - float(self.still.mean())

    @property
    def gap(self) -> float:
        """How much less the halves agree than the interleaved frames, in dB."""
        return self.split - self.split_half

    @property
    def static(self) -> bool:
        """Whether a clean frame may be made of the sequence as it is."""
        return not self.moving

    @property
    def reason(self) -> str:
        """What is wrong and what to do about it; empty for a static sequence."""
        return {
            "": "",
            "light": f"the light drifts by {100 * (self.drift or 0):.0f} %: correct the exposure",
            "camera": f"the camera shakes by {self.shake or 0:.1f} pixels: align the frames",
            "scene": "the scene itself changes, or the camera moves: use fewer frames or reject",
        }[self.moving]


def is_static(
    frames: Frames,
    *,
    share: float | None = None,
    sure: bool = False,
    rests: bool = False,
    threads: int = 1,
    device: str = "cpu",
) -> StaticCheck:
    """Check that a sequence shows a still scene in steady light.

    Clean frames are compared on strips of a large picture; the rest of it shows the same rain.

    Args:
        frames: The sequence, corrected by exposure and shifts if it needs to be; at least 4 frames.
        share: Share of the pixels that agree on the best percentile, where that is known.
        sure: See `check_static`.
        rests: See `check_static`.
        threads: Threads to use.
        device: Where votes are counted; see `rainbench.clean_frame.extract.extract_clean_frame`.

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
    if share is None:
        clean = extract_clean_frame(source, "exact", threads=threads, device=device)
        share = clean.vote_share or 0.0
    first, second = split_in_half(source.shape[0])
    some = _strips(source)
    split, split_half = (
        likeness(
            *(clean_part(some, part, "exact", threads=threads, device=device) for part in parts)
        )
        for parts in ((ODD, EVEN), (first, second))
    )
    return check_static(source, share, split, split_half, sure=sure, rests=rests)


def _strips(source: FrameSource) -> FrameSource:
    """Return some rows of a large picture, spread over it, as a picture of their own."""
    height, rows = source.shape[1], rows_within(source.shape, _COMPARED)
    if rows >= height:
        return source
    tops = np.linspace(0, height - _STRIP, max(1, rows // _STRIP)).astype(int).tolist()
    return ArraySource(
        np.concatenate([read_band(source, top, top + _STRIP) for top in tops], axis=1)
    )


def check_static(
    source: FrameSource,
    share: float,
    split: float,
    split_half: float,
    *,
    sure: bool = False,
    rests: bool = False,
) -> StaticCheck:
    """Decide with the numbers of `is_static`, where they are known; measure what is suspected.

    Args:
        source: The sequence.
        share: Share of the pixels that agree on the best percentile.
        split: PSNR between the exact clean frames of every second frame and of the others, in dB.
        split_half: PSNR between those of the first and the second half, in dB.
        sure: The frames bear a clean frame out nearly everywhere, which they would not if the
            camera moved: shake is not measured, and what changes is what passes.
        rests: The camera is known to rest: shake is not measured again.
    """
    check = StaticCheck(share, split, split_half)
    if share >= LEAST_SHARE and check.gap <= LARGEST_GAP:
        return check
    exposure = estimate_exposure(source)
    drift = float(np.subtract(*np.percentile(exposure, (97.5, 2.5), axis=0)).max())
    shake = None if sure or rests else _shake(normalise(source, exposure))
    moving, still = "", None
    # The camera first: where it moves, pixels change as if the light did.
    if shake is not None and shake > MOST_SHAKE:
        moving = "camera"
    elif drift > MOST_DRIFT:
        moving = "light"
    if not moving and check.split_half < LEAST_LIKENESS:
        parts = split_in_half(source.shape[0])
        still = still_part(*(clean_part(source, part, "exact") for part in parts))
        moving = "scene" if still is None and not sure else ""
    return StaticCheck(share, check.split, check.split_half, drift, shake, moving, still)


def still_part(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return where two clean frames of one scene are alike, when enough of them is.

    Where the camera moves, edges differ and blank walls do not. So at least half of what has more
    texture than the rest must be alike.

    Args:
        one: ``(H, W, 3)`` float32, in levels.
        other: The same.

    Returns:
        ``(H, W)`` bool, in blocks of 8x8 pixels; ``None`` where the scene itself differs.

    Example:
        >>> wall = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.float32)
        >>> shade = wall.copy()
        >>> shade[8:16, :8] = 0  # somebody stands there
        >>> float(still_part(wall, shade).mean()), still_part(wall, wall[::-1])
        (0.9375, None)
    """
    height, width, _ = one.shape
    square, mean = np.empty((2, height, width), np.float32)
    for strip in strips(one.shape):
        rows = strip.rows
        square[rows] = np.square(one[rows] - other[rows]).mean(axis=-1)
        mean[rows] = (one[rows] + other[rows]).mean(axis=-1) / 2
    error = _block_means(square)
    texture = _block_means(np.square(mean)) - np.square(_block_means(mean))
    alike = error <= 255**2 / 10 ** (LEAST_LIKENESS / 10)
    if (~alike)[texture >= np.median(texture)].mean() > MOST_CROSSED:
        return None
    blocks = alike.repeat(STILL_BLOCK, axis=0).repeat(STILL_BLOCK, axis=1)
    return np.ascontiguousarray(blocks[:height, :width])


def _block_means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean of each 8x8 block; those at the edges are smaller."""
    rows, columns = (np.arange(0, side, STILL_BLOCK) for side in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), rows), columns, axis=1)
    number = np.outer(
        *(np.diff([*x, n]) for x, n in zip((rows, columns), values.shape, strict=True))
    )
    means: NDArray[np.float64] = sums / number
    return means


def clean_part(
    source: FrameSource,
    part: slice,
    method: Method,
    exposure: NDArray[np.float64] | None = None,
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
        exposure: ``(N,)`` or ``(N, 3)``, by which the frames are corrected.
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
        exposure=None if exposure is None else exposure[part],
        threads=threads,
        device=device if method == "exact" else "cpu",
    ).levels


def split_in_half(count: int) -> tuple[slice, slice]:
    """Return the first and the second half of a number of frames.

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
    return to_psnr(mean_of(lambda here, there: np.square(here - there), one, other))


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
