"""Mist: distant rain that veils the scene (NASNet, Eq. 3), ``B t + A (1 - t)``, ``t = exp(-b d)``.

The streaks S of Eq. 3 are added afterwards and are not attenuated: see `rainbench.rain.transform`.
The depth is the user's, or one made up for a level camera over flat ground, which is always
labelled ``pseudo``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from rainbench.core.compiled import compiled
from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.random import philox, uniform
from rainbench.rain.ranges import check_drawn, check_ranges

FAR = 65535
"""The depth of the farthest point, and the transmission of clear air."""

_LIMITS = {"beta": (0.0, 10.0), "light": (0.0, 1.0), "spread": (0.0, 0.5)}
"""Bounds: with ``beta`` 10 nothing of the far scene is left."""

_NEAREST = 0.10
"""Depth at the lower edge of a picture, as a share of the farthest; chosen by eye."""

_UNEVEN = 0.25
_CELLS = 6
"""By what share the ground departs from a plane, and on a grid of how many cells a side; chosen by
eye, so that mist is not seen to be a mere ramp."""


@dataclass(frozen=True, slots=True)
class MistParameters:
    """How dense mist is, and its colour.

    Attributes:
        beta: Extinction over the distance to the farthest point: ``exp(-beta)`` gets through.
        light: The atmospheric light A in R, G and B, each 0 to 1.
    """

    beta: float
    light: tuple[float, float, float]

    def __post_init__(self) -> None:
        check_ranges("mist", self, {"beta": _LIMITS["beta"]})
        if not all(0 <= channel <= 1 for channel in self.light):
            raise RainbenchError(f"light of mist is {self.light}: each channel must be 0 to 1")

    def as_record(self) -> dict[str, float]:
        """Return the parameters by name, for metadata."""
        red, green, blue = self.light
        return {"beta": self.beta, "light_r": red, "light_g": green, "light_b": blue}


@dataclass(frozen=True, slots=True, kw_only=True)
class MistRanges:
    """Where the parameters of mist are drawn from, lowest and highest.

    Attributes:
        beta: See `MistParameters`. 0.8 leaves a PSNR of about 18 dB; beyond 1 looks washed out.
        light: Brightness of the atmospheric light, 0 to 1.
        spread: How much R and B may differ from it, either way.
    """

    beta: tuple[float, float] = (0.2, 0.8)
    light: tuple[float, float] = (0.75, 0.95)
    spread: float = 0.015

    def __post_init__(self) -> None:
        check_drawn("mist", self, {name: _LIMITS[name] for name in ("beta", "light")})
        check_ranges("mist", self, {"spread": _LIMITS["spread"]})


@dataclass(frozen=True, slots=True, eq=False)
class Mist:
    """A picture in mist.

    Attributes:
        image: ``(H, W, 3)`` uint8.
        transmission: ``(H, W)`` uint16, the share of the scene's light that arrives, in 1 / `FAR`.
        parameters: What it was made from.
    """

    image: Image
    transmission: NDArray[np.uint16]
    parameters: MistParameters


def draw_mist_parameters(*key: object, ranges: MistRanges = MistRanges()) -> MistParameters:
    """Draw density and colour from a key.

    Example:
        >>> 0.2 <= draw_mist_parameters("doctest").beta < 0.8
        True
    """
    generator = philox("mist parameters", *key)
    beta = uniform(generator, *ranges.beta)
    light = uniform(generator, *ranges.light)
    red, blue = (uniform(generator, -ranges.spread, ranges.spread) for _ in range(2))
    return MistParameters(beta, (min(1.0, max(0.0, light + red)), light, min(1.0, light + blue)))


def pseudo_depth(height: int, width: int, *key: object) -> NDArray[np.uint16]:
    """Make up a depth map: nearly flat ground before a level camera.

    Depth is one over the distance below the horizon, which lies at 30 to 50 % of the height; all
    above it is far.

    Returns:
        ``(H, W)`` uint16; `FAR` is the farthest.

    Example:
        >>> depth = pseudo_depth(48, 72, "doctest")
        >>> int(depth[0].min()) == FAR, bool(depth[-1].max() < FAR // 4)
        (True, True)
    """
    generator = philox("pseudo depth", *key)
    horizon = uniform(generator, 0.3, 0.5)
    corners = np.array(
        [uniform(generator, 1 - _UNEVEN, 1 + _UNEVEN) for _ in range((_CELLS + 1) ** 2)]
    ).reshape(_CELLS + 1, _CELLS + 1)
    below = ((np.arange(height) + 0.5) / height - horizon) / (1 - horizon)
    ramp = _NEAREST / np.maximum(below, _NEAREST / 2)
    depth = ramp[:, None] * _smooth(corners, height, width)
    result: NDArray[np.uint16] = np.rint(np.minimum(depth, 1) * FAR).astype(np.uint16)
    return result


def add_mist(image: Image, depth: NDArray[np.uint16], parameters: MistParameters) -> Mist:
    """Veil an image: ``B t + A (1 - t)`` of NASNet's Eq. 3.

    Args:
        image: ``(H, W, 3)`` uint8.
        depth: ``(H, W)`` uint16, `FAR` for the farthest point.
        parameters: Density and colour.

    Raises:
        RainbenchError: Image and depth differ in size.

    Example:
        >>> black = np.zeros((1, 2, 3), np.uint8)
        >>> thick = MistParameters(10.0, (0.8, 0.8, 0.8))
        >>> add_mist(black, np.array([[0, FAR]], np.uint16), thick).image[0, :, 0].tolist()
        [0, 204]
    """
    if depth.shape != image.shape[:2]:
        raise RainbenchError(
            f"the depth map is {depth.shape[1]}x{depth.shape[0]} "
            f"but the image is {image.shape[1]}x{image.shape[0]}"
        )
    light = np.array([round(255 * 256 * channel) for channel in parameters.light], np.uint32)
    veiled = np.empty_like(image)
    transmission = np.empty(depth.shape, np.uint16)
    _veil(image, depth, _transmissions(parameters.beta), light, veiled, transmission)
    return Mist(veiled, transmission, parameters)


def _transmissions(beta: float) -> NDArray[np.uint16]:
    """Return the transmission at every depth, each step the last one times a constant.

    Rounded to 16 bits, so that the last bit of a mathematical library does not matter.
    """
    if beta == 0:
        return np.full(FAR + 1, FAR, np.uint16)
    coarse = np.array([exp(-beta * 256 * step / FAR) for step in range(257)])
    fine = np.array([exp(-beta * step / FAR) for step in range(256)])
    table = (coarse[:, None] * fine[None, :]).ravel()[: FAR + 1]
    rounded: NDArray[np.uint16] = np.maximum(np.rint(table * FAR), 1).astype(np.uint16)
    return rounded


def _smooth(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Interpolate a small grid bilinearly over an image."""
    rows = (np.arange(height) + 0.5) / height * _CELLS
    columns = (np.arange(width) + 0.5) / width * _CELLS
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    down, right = (rows - top)[:, None], (columns - left)[None, :]
    lines = corners[top] * (1 - down) + corners[top + 1] * down
    smooth: NDArray[np.float64] = lines[:, left] * (1 - right) + lines[:, left + 1] * right
    return smooth


@compiled
def _veil(
    image: NDArray[np.uint8],
    depth: NDArray[np.uint16],
    table: NDArray[np.uint16],
    light: NDArray[np.uint32],
    out: NDArray[np.uint8],
    transmission: NDArray[np.uint16],
) -> None:
    # In 1/256 grey levels times 1/65535 of transmission everything just fits into 32 bits.
    unit = np.uint32(256 * 65535)
    half = np.uint32(128 * 65535)
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            t = table[depth[y, x]]
            transmission[y, x] = t
            arriving, scattered = np.uint32(t) << np.uint32(8), np.uint32(65535) - np.uint32(t)
            for channel in range(3):
                scene = np.uint32(image[y, x, channel]) * arriving
                out[y, x, channel] = (scene + light[channel] * scattered + half) // unit
