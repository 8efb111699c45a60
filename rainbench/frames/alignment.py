"""A camera that shakes: where each frame lies, and frames moved back to one place.

Only small shifts are corrected, of up to a few pixels, without rotation: a tripod in the wind. The
frames keep their brightness; correct drifting light afterwards (`rainbench.frames.exposure`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.frames.sources import Frames, FrameSource, as_source, read_band, rows_within

WINDOW = (320, 480)
"""Height and width of the part of the picture on which frames are registered; chosen."""

_REFERENCE_FRAMES = 25
"""Frames, spread over the sequence, whose median is the reference: no rain is left in it."""

_TAPS = 12
"""Taps of the windowed sinc that moves a frame: fewer would blur, and so change the vote."""

_BLURS = (6.0, 2.5, 1.0)
"""Blurs, in pixels, of the registration: the widest finds shifts of about ten pixels, the
narrowest finds them exactly. Later rounds start near enough for the narrowest alone."""

_STEPS, _CLOSE = 6, 2e-3
"""Steps of a registration at most, and the step, in pixels, that is too small to matter."""

_SMALLEST = 16
"""Pixels a side below which there is too little to register; the shifts are then zero."""

_TUKEY = 4.7
"""Deviations from which Tukey's biweight gives no weight (4.685: 95 % efficiency on noise)."""

_Floats = NDArray[np.float32]
_Number = TypeVar("_Number", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class AlignedSource:
    """A sequence whose frames are moved, as they are read, so that the scene stands still.

    Attributes:
        source: The sequence as filmed.
        shifts: ``(N, 2)``, how far right and down each frame's content lies, in pixels.
    """

    source: FrameSource
    shifts: NDArray[np.float64]

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
        right, below = np.ceil(np.maximum(self.shifts.max(axis=0), 0)).astype(int).tolist()
        left, above = np.ceil(np.maximum(-self.shifts.min(axis=0), 0)).astype(int).tolist()
        return above, max(above, height - below), left, max(left, width - right)

    def band(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows ``top`` to ``bottom`` of every frame, moved back."""
        count, height, width, channels = self.shape
        margin = int(np.ceil(np.abs(self.shifts[:, 1]).max(initial=0))) + _TAPS
        first, last = max(0, top - margin), min(height, bottom + margin)
        rows = read_band(self.source, first, last)
        out = np.empty((count, bottom - top, width, channels), np.uint8)
        for n in range(count):
            moved = _move(rows[n], *self.shifts[n])
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
    return AlignedSource(source, estimate_shifts(source))


def estimate_shifts(frames: Frames, rounds: int = 2) -> NDArray[np.float64]:
    """Estimate how far the content of each frame lies from its mean place.

    The most textured part of each frame is registered to a median of frames, in which there is no
    rain, by least squares on position, brightness and contrast, with little weight for what does
    not fit, such as streaks; first much blurred, then less. Then again, to a median of the frames
    moved back. Shifts of up to about ten pixels are found.

    Args:
        frames: The sequence.
        rounds: How many references are made.

    Returns:
        ``(N, 2)`` float64: pixels to the right and down, zero on average.

    Raises:
        RainbenchError: The frames do not show one scene within a few pixels.
    """
    luma = _window_luma(as_source(frames))
    shifts = np.zeros((len(luma), 2))
    if min(luma.shape[1:]) < _SMALLEST:
        return shifts
    chosen = np.unique(np.linspace(0, len(luma) - 1, min(len(luma), _REFERENCE_FRAMES)).astype(int))
    blurs: tuple[float, ...] = _BLURS
    for _ in range(rounds):
        moved = [_move(luma[n].astype(np.float32), *shifts[n]) for n in chosen]
        reference = np.median(moved, axis=0).astype(np.float32)
        for blur in blurs:
            register = _Registration.to(reference, blur)
            shifts = np.array([register.find(p, s) for p, s in zip(luma, shifts, strict=True)])
        shifts -= shifts.mean(axis=0)
        blurs = _BLURS[-1:]
    if not np.isfinite(shifts).all() or np.abs(shifts).max() > min(luma.shape[1:]) / 4:
        raise RainbenchError(
            "the frames cannot be registered: they do not show one scene within a few pixels",
            hint="Split the video at its cuts, or leave this sequence out: the camera moves.",
        )
    return shifts


def _window_luma(source: FrameSource) -> NDArray[np.uint8]:
    """Return the luma of the most textured part of all frames, ``(N, rows, columns)``."""
    import cv2

    count, height, width, _ = source.shape
    rows, columns = min(height, WINDOW[0]), min(width, WINDOW[1])
    few = np.unique(np.linspace(0, count - 1, min(count, 5)).astype(int))
    step = rows_within(source.shape, 64 << 20)
    parts = [
        np.median(read_band(source, top, min(height, top + step))[few].mean(axis=-1), axis=0)
        for top in range(0, height, step)
    ]
    still = np.concatenate(parts).astype(np.float32)
    texture = cv2.boxFilter(cv2.Laplacian(still, cv2.CV_32F) ** 2, -1, (columns, rows))
    inside = np.s_[rows // 2 : height - (rows - 1) // 2, columns // 2 : width - (columns - 1) // 2]
    top, left = np.unravel_index(texture[inside].argmax(), texture[inside].shape)
    luma = np.empty((count, rows, columns), np.uint8)
    for begin in range(0, rows, step):
        end = min(rows, begin + step)
        band = read_band(source, int(top) + begin, int(top) + end)
        for n in range(count):
            colour = np.ascontiguousarray(band[n, :, left : left + columns])
            luma[n, begin:end] = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    return luma


@dataclass(frozen=True, slots=True)
class _Registration:
    """Least squares on the shift of a picture against a reference (Lucas and Kanade)."""

    reference: _Floats
    blur: float
    columns: NDArray[np.float64]
    pixels: NDArray[np.intp]

    @classmethod
    def to(cls, reference: _Floats, blur: float) -> _Registration:
        """Prepare a reference: its slopes, at the quarter of its pixels where they are largest."""
        import cv2

        smooth = cv2.GaussianBlur(reference, (0, 0), blur)
        down, right = np.gradient(smooth.astype(np.float64))
        border = np.zeros(smooth.shape, np.bool_)
        margin = min(8, min(smooth.shape) // 4)
        border[margin : smooth.shape[0] - margin, margin : smooth.shape[1] - margin] = True
        strength = np.where(border, right**2 + down**2, -1).ravel()
        few = max(1, border.sum() // 4)
        pixels = np.sort(np.argpartition(-strength, few - 1)[:few])
        flat = smooth.ravel()[pixels].astype(np.float64)
        columns = np.stack(
            [right.ravel()[pixels], down.ravel()[pixels], flat, np.ones(few)], axis=1
        )
        return cls(smooth, blur, columns, pixels)

    def find(self, picture: NDArray[np.uint8], shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """Refine a shift ``(right, down)``."""
        import cv2

        smooth: _Floats = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), self.blur)
        flat = self.reference.ravel()[self.pixels]
        shift = np.array(shift, np.float64)
        for _ in range(_STEPS):
            difference = _move(smooth, *shift).ravel()[self.pixels] - flat
            middle = float(np.median(difference))
            spread = 1.48 * float(np.median(np.abs(difference - middle))) + 1e-3  # a deviation
            far = np.clip((difference - middle) / (_TUKEY * spread), -1, 1)
            weighted = self.columns * ((1 - far**2) ** 2)[:, None]
            normal = weighted.T @ self.columns
            normal += 1e-9 * np.trace(normal) * np.eye(4)
            step = np.linalg.solve(normal, weighted.T @ difference)[:2]
            shift -= np.clip(step, -1, 1)
            if np.abs(step).max() < _CLOSE:
                break
        return shift


def _move(picture: NDArray[_Number], right: float, down: float) -> NDArray[_Number]:
    """Return the picture with its content moved left and up; edges are repeated."""
    import cv2

    across, below = int(np.floor(right)), int(np.floor(down))
    moved: NDArray[_Number] = cv2.sepFilter2D(
        picture, -1, _weights(right - across), _weights(down - below),
        anchor=(_TAPS // 2 - 1, _TAPS // 2 - 1), borderType=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    rows = np.clip(np.arange(picture.shape[0]) + below, 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(picture.shape[1]) + across, 0, picture.shape[1] - 1)
    return moved[rows][:, columns]


def _weights(fraction: float) -> NDArray[np.float64]:
    """Return the weights of neighbouring samples for a value a fraction of a pixel along."""
    distance = np.arange(_TAPS) - (_TAPS // 2 - 1) - fraction
    weights = np.sinc(distance) * np.sinc(distance / (_TAPS // 2)) * (np.abs(distance) < _TAPS // 2)
    normal: NDArray[np.float64] = weights / weights.sum()
    return normal
