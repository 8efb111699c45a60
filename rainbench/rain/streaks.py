"""Rain streaks as they are painted in Photoshop: noise, motion blur, levels, blend.

DAiAM (section 4.4) says that its streaks were added "via Photoshop" with noise of 20 to 60 %; the
constants below are our model of the person who does it, not the paper's. Integer arithmetic on
raw random words gives the same bytes with every supported version of NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, cos, radians, sqrt, tan
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.core.random import NORMAL_ONE, normal_table, philox, uniform, words16
from rainbench.rain.ranges import Look, check_drawn, check_ranges

REFERENCE_ROWS = 480
"""Rows of the images for which lengths and widths are given; they scale with the rows."""

VISIBLE = 10
"""Grey levels above which a pixel of the layer is streak in the binary mask; chosen by eye."""

_FLATTENING = 0.9304
"""What a second interpolation leaves of the field's deviation, for which Levels were fitted.

The study enlarged the grid and then sheared the pixels; `streak_kernels.shade` does both at once.
Between pixels of correlation r, a linear interpolation at any place leaves ``1 - (1 - r) / 3`` of
the variance; r is 0.597 in noise that was enlarged 1.6 times, the middle of the range of widths.
"""

_SOFTNESS: Mapping[Look, float] = {"painted": 0.0, "natural": 0.4}
"""How soft the Levels are. The natural one is fitted to real rain, of which films and the pairs of
SPA-Data show a share of white of 0.1 to 0.2 in the middle of all visible streaks, 0.2 to 0.4 at
nine tenths and 0.4 to 0.7 at 99 hundredths; painted ones of 60 % have 0.41, 0.85 and 0.85."""

_NOISE_ONE = 65535
_FRACTION = 256
"""The value 1 of the noise and the steps of a pixel, in whole numbers: the same bytes always."""

_LIMITS = {
    "amount": (0.01, 1.0),
    "angle": (-60.0, 60.0),
    "length": (1.0, 500.0),
    "width": (0.5, 20.0),
    "opacity": (0.0, 1.0),
}
"""What can be made at all: wider than what looks like rain, for which see `StreakRanges`."""


@dataclass(frozen=True, slots=True)
class StreakParameters:
    """What a streak layer is made from.

    Attributes:
        amount: Noise amount, 0 to 1: the standard deviation of the Gaussian noise before
            clipping, as a share of white.
        angle: Direction of the fall in degrees from vertical; positive falls to the right.
        length: Length of the motion blur in pixels at 480 rows.
        width: Size of a grain of noise in pixels at 480 rows, hence the streaks' width.
        opacity: Brightness of a fully white streak, 0 to 1.
    """

    amount: float
    angle: float
    length: float
    width: float
    opacity: float = 0.85

    def __post_init__(self) -> None:
        check_ranges("streaks", self, _LIMITS)

    @property
    def full(self) -> float:
        """Brightness of a full streak."""
        return self.opacity

    def as_record(self) -> dict[str, float]:
        """Return the parameters by name, for metadata."""
        return asdict(self)


class LayerParameters(Protocol):
    """What the parameters of any model of streaks can tell of a layer."""

    @property
    def full(self) -> float:
        """Brightness of a full streak, 0 to 1."""

    def as_record(self) -> dict[str, float]:
        """Return the parameters by name, for metadata."""


@dataclass(frozen=True, slots=True)
class StreakLayer:
    """A layer of streaks, ready to be blended over any image of its size.

    Attributes:
        layer: ``(H, W)`` uint8, the streaks on black.
        parameters: What it was made from.
    """

    layer: NDArray[np.uint8]
    parameters: LayerParameters

    @property
    def soft_mask(self) -> NDArray[np.float32]:
        """Share of full streak per pixel, ``(H, W)`` float32 in [0, 1]."""
        full = np.float32(max(1, round(255 * self.parameters.full)))
        return self.layer.astype(np.float32) / full

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where streaks are visible: more than `VISIBLE` grey levels."""
        return self.layer > VISIBLE

    def as_record(self) -> dict[str, float]:
        """Return the parameters and the share of visible pixels, for metadata."""
        return {**self.parameters.as_record(), "visible": float(self.mask.mean())}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreakRanges:
    """Where the parameters of painted streaks are drawn from, lowest and highest.

    The defaults were chosen by eye: wider streaks look like blobs, more opaque ones like paint.

    Attributes:
        amount: See `StreakParameters`, as all below.
        angle: In degrees.
        length: At 480 rows.
        width: At 480 rows.
        opacity: 0 to 1.
        slenderness: Shortest length as a multiple of the width: shorter streaks look like blobs.
    """

    amount: tuple[float, float] = (0.2, 0.6)
    angle: tuple[float, float] = (-25.0, 25.0)
    length: tuple[float, float] = (20.0, 50.0)
    width: tuple[float, float] = (1.2, 2.0)
    opacity: tuple[float, float] = (0.85, 0.85)
    slenderness: float = 14.0

    def __post_init__(self) -> None:
        check_drawn("streaks", self, _LIMITS)


def draw_parameters(
    amount: float | None, *key: object, ranges: StreakRanges = StreakRanges()
) -> StreakParameters:
    """Draw what a streak layer is made from, from a key.

    Args:
        amount: The noise amount; None draws it too.
        key: Source, seed, level.
        ranges: What is drawn from; the default looks like rain.

    Example:
        >>> draw_parameters(0.2, "doctest") == draw_parameters(0.2, "doctest")
        True
    """
    generator = philox("streak parameters", *key)
    width = uniform(generator, *ranges.width)
    angle = uniform(generator, *ranges.angle)
    length = max(uniform(generator, *ranges.length), ranges.slenderness * width)
    opacity = uniform(generator, *ranges.opacity)
    if amount is None:
        amount = uniform(generator, *ranges.amount)
    return StreakParameters(amount, angle, length, width, opacity)


def make_streaks(
    height: int,
    width: int,
    parameters: StreakParameters,
    *key: object,
    rows: int | None = None,
    look: Look = "painted",
) -> StreakLayer:
    """Make a streak layer.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        parameters: What to make.
        key: Source, seed, level: the same key gives the same bytes.
        rows: Rows of the whole image of which this is a patch; None if it is the whole.
        look: How the brightness of streaks is spread.

    Example:
        >>> rain = make_streaks(60, 90, StreakParameters(0.3, 10, 30, 1.5), "doctest")
        >>> rain.layer.shape, rain.layer.dtype.name, bool(rain.mask.any())
        ((60, 90), 'uint8', True)
    """
    from rainbench.rain import streak_kernels

    scale = (rows or height) / REFERENCE_ROWS
    grain = max(0.5, parameters.width * scale)
    slope = tan(radians(parameters.angle))
    taps = max(2, round(parameters.length * scale * cos(radians(parameters.angle)) / grain))
    grid = ceil(height / grain) + 2, ceil((width + abs(slope) * height) / grain) + 3
    noise = np.empty(1 << 16, np.int32)
    factor = parameters.amount * _NOISE_ONE / NORMAL_ONE
    total, squares = streak_kernels.fill_noise(normal_table(), factor, _NOISE_ONE, noise)
    words = words16(philox("streak", *key), (grid[0] + taps) * grid[1])
    blurred = np.empty(grid, np.int32)
    streak_kernels.blur_down(words.reshape(-1, grid[1]), noise, taps, blurred)
    black, white = _levels(total, squares, parameters.amount, taps)
    unit = _NOISE_ONE * taps * _FRACTION * _FRACTION
    step = round(_FRACTION / grain)
    layer = np.empty((height, width), np.uint8)
    streak_kernels.shade(
        blurred,
        step,
        _row_shifts(height, slope, step),
        black * unit,
        1 / ((white - black) * unit),
        255 * parameters.opacity,
        _SOFTNESS[look],
        layer,
    )
    return StreakLayer(layer, parameters)


def screen(image: Image, layer: NDArray[np.uint8]) -> Image:
    """Blend a layer over an image as Photoshop's *screen*: ``B + S (1 - B)``, rounded.

    Exact in integers, so anyone can make the rainy image again from the clean one and the layer.

    Args:
        image: ``(H, W, 3)`` uint8.
        layer: ``(H, W)`` uint8.

    Example:
        >>> screen(np.full((1, 1, 3), 155, np.uint8), np.full((1, 1), 51, np.uint8))[0, 0].tolist()
        [175, 175, 175]
    """
    from rainbench.rain.streak_kernels import screen_blend

    screen_blend(image, layer, result := np.empty_like(image))
    return result


def add(image: Image, layer: NDArray[np.uint8]) -> Image:
    """Add a layer to an image and clip at white.

    Example:
        >>> add(np.full((1, 1, 3), 225, np.uint8), np.full((1, 1), 51, np.uint8))[0, 0].tolist()
        [255, 255, 255]
    """
    from rainbench.rain.streak_kernels import add_blend

    add_blend(image, layer, result := np.empty_like(image))
    return result


def _levels(total: int, squares: int, amount: float, taps: int) -> tuple[float, float]:
    """Return the black and white points that Levels is dragged to, as shares of white.

    A person drags them the farther the more noise there is: with fixed points the picture turns
    white at 60 %. Density is the share of the field above black, brightness that of one deviation
    above it. Chosen by eye and by the PSNR of the rainy image: 27.6 dB at 20 %, 15.5 at 60 %, the
    range from Rain100L (26.9) to Rain100H (13.6).
    """
    mean = total / (1 << 16) / _NOISE_ONE
    square = squares / (1 << 16) / _NOISE_ONE**2
    deviation = sqrt((square - mean * mean) / taps) / _FLATTENING
    density = min(0.95, max(0.02, 0.80 * amount - 0.04))
    brightness = 0.70 * sqrt(sqrt(amount / 0.2))
    black = mean + NormalDist().inv_cdf(1 - density) * deviation
    return black, black + deviation / brightness


def _row_shifts(height: int, slope: float, step: int) -> NDArray[np.int64]:
    """Return by how much each row is shifted along the fall, in 1/256 of a grid cell."""
    offset = max(0.0, slope * height)
    shifts: NDArray[np.int64] = np.rint((offset - slope * np.arange(height)) * step).astype(
        np.int64
    )
    return shifts
