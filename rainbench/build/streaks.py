"""Rain streaks as they are painted in Photoshop: noise, motion blur, levels, blend.

DAiAM (section 4.4) says that its streaks were added "via Photoshop" with noise of 20 to 60 %; the
constants below are our model of the hand that does it, not the paper's. Integer arithmetic on
raw random words gives the same bytes with every supported version of NumPy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, cos, radians, sqrt, tan
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rainbench.build.randomness import NORMAL_ONE, normal_table, philox, uniform, words16
from rainbench.errors import RainbenchError
from rainbench.images import Image

REFERENCE_ROWS = 480
"""Lengths and widths of streaks are given for images of so many rows, and scale with them."""

VISIBLE = 10
"""Grey levels above which a pixel of the layer counts as streak in the binary mask."""

_NOISE_ONE = 65535
_FRACTION = 256


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
        for name, low, high in (
            ("amount", 0.01, 1.0),
            ("angle", -60.0, 60.0),
            ("length", 1.0, 500.0),
            ("width", 0.5, 20.0),
            ("opacity", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise RainbenchError(f"{name} of streaks is {value}: it must be {low} to {high}")


@dataclass(frozen=True, slots=True)
class StreakLayer:
    """A layer of streaks, ready to be blended over any image of its size.

    Attributes:
        layer: ``(H, W)`` uint8, the streaks on black.
        parameters: What it was made from.
    """

    layer: NDArray[np.uint8]
    parameters: StreakParameters

    @property
    def soft_mask(self) -> NDArray[np.float32]:
        """Share of full streak per pixel, ``(H, W)`` float32 in [0, 1]."""
        full = np.float32(255 * max(self.parameters.opacity, 1e-6))
        return self.layer.astype(np.float32) / full

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where streaks are visible: more than `VISIBLE` grey levels."""
        return self.layer > VISIBLE

    def as_record(self) -> dict[str, float]:
        """Return the parameters and the share of visible pixels, for metadata."""
        return {**asdict(self.parameters), "visible": float(self.mask.mean())}


def draw_parameters(amount: float, *key: object) -> StreakParameters:
    """Draw angle, length and width in the ranges that look like rain, from a key."""
    generator = philox("streak parameters", *key)
    width = uniform(generator, 1.2, 2.0)
    return StreakParameters(
        amount=amount,
        angle=uniform(generator, -25, 25),
        length=max(uniform(generator, 20, 50), 14 * width),
        width=width,
    )


def make_streaks(
    height: int, width: int, parameters: StreakParameters, *key: object
) -> StreakLayer:
    """Make a streak layer.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        parameters: What to make.
        key: Source, seed, level: the same key gives the same bytes.

    Example:
        >>> rain = make_streaks(60, 90, StreakParameters(0.3, 10, 30, 1.5), "doctest")
        >>> rain.layer.shape, rain.layer.dtype.name, bool(rain.mask.any())
        ((60, 90), 'uint8', True)
    """
    scale = height / REFERENCE_ROWS
    grain = max(0.5, parameters.width * scale)
    slope = tan(radians(parameters.angle))
    taps = max(2, round(parameters.length * scale * cos(radians(parameters.angle)) / grain))
    rows = ceil(height / grain) + 2
    columns = ceil((width + abs(slope) * height) / grain) + 3
    noise = _noise_levels(parameters.amount)
    words = words16(philox("streak", *key), (rows + taps) * columns)
    field = noise[words].reshape(rows + taps, columns)
    sums = np.cumsum(field, axis=0, dtype=np.int64)
    blurred = sums[taps:] - sums[:-taps]
    stretched = _stretch_and_shear(blurred, height, width, grain, slope)
    black, white = _levels(noise, parameters.amount, taps)
    unit = _NOISE_ONE * taps * _FRACTION * _FRACTION
    shares = np.clip((stretched / unit - black) / (white - black), 0, 1)
    layer = np.rint(shares * (255 * parameters.opacity)).astype(np.uint8)
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
    product = (255 - image).astype(np.int32) * layer[..., None]
    result: Image = image + ((2 * product + 255) // 510).astype(np.uint8)
    return result


def add(image: Image, layer: NDArray[np.uint8]) -> Image:
    """Add a layer to an image and clip at white."""
    total: Image = np.minimum(image.astype(np.uint16) + layer[..., None], 255).astype(np.uint8)
    return total


def _noise_levels(amount: float) -> NDArray[np.int64]:
    """Return the clipped noise of every 16-bit word, in units of 1 / 65535."""
    scaled = np.rint(normal_table() * (amount * _NOISE_ONE / NORMAL_ONE)).astype(np.int64)
    clipped: NDArray[np.int64] = np.clip(scaled, 0, _NOISE_ONE)
    return clipped


def _levels(noise: NDArray[np.int64], amount: float, taps: int) -> tuple[float, float]:
    """Return the black and white points that Levels is dragged to, as shares of white."""
    mean = int(noise.sum()) / noise.size / _NOISE_ONE
    square = int((noise * noise).sum()) / noise.size / _NOISE_ONE**2
    deviation = sqrt((square - mean * mean) / taps)
    density = min(0.95, max(0.02, 0.80 * amount - 0.04))
    brightness = 0.70 * sqrt(sqrt(amount / 0.2))
    black = mean + NormalDist().inv_cdf(1 - density) * deviation
    return black, black + deviation / brightness


def _stretch_and_shear(
    field: NDArray[np.int64], height: int, width: int, grain: float, slope: float
) -> NDArray[np.int64]:
    """Enlarge a grid to pixels by linear interpolation, each row shifted along the fall."""
    step = round(_FRACTION / grain)
    y = np.arange(height, dtype=np.int64)
    row, row_part = np.divmod(y * step, _FRACTION)
    enlarged = field[row] * (_FRACTION - row_part)[:, None] + field[row + 1] * row_part[:, None]
    offset = max(0.0, slope * height)
    shift = np.rint((offset - slope * y) * step).astype(np.int64)
    x = np.arange(width, dtype=np.int64) * step
    column, column_part = np.divmod(x[None, :] + shift[:, None], _FRACTION)
    left = np.take_along_axis(enlarged, column, axis=1)
    right = np.take_along_axis(enlarged, column + 1, axis=1)
    sheared: NDArray[np.int64] = left * (_FRACTION - column_part) + right * column_part
    return sheared
