"""Rain streaks from physics: every drop falls while the shutter is open.

Sizes and speeds are those of `rainbench.rain.rainfall`. A drop of diameter D at depth z is
``f D / z`` wide, draws a streak of ``f v T / z`` and hides what is behind it for ``D / v`` of the
exposure T (Garg and Nayar 2007), so that its opacity is ``D / (v T)``; defocus and pixels spread
it and keep its sum. Such rain is nearly invisible: painted streaks are ten times as bright. To be
comparable it can be exaggerated, by a number that is always recorded.

The blend takes place in the image's own code values, as that of all layers does. Drops so far away
that they are thinner than `THINNEST` are not drawn; they are mist, and its extinction is recorded.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import asdict, dataclass
from math import atan, ceil, degrees, exp, floor, log

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.random import NORMAL_ONE, normal_table, philox, uniform, words16
from rainbench.rain.linear_light import LINEAR_ONE, linear_table, srgb_table
from rainbench.rain.rainfall import (
    LARGEST,
    QUANTILE_ONE,
    SMALLEST,
    drop_sizes,
    exponential_table,
    extinction,
    fall_speeds,
)
from rainbench.rain.ranges import check_drawn, check_ranges
from rainbench.rain.streaks import StreakLayer

FIELD = 1.0
"""Focal length in widths of the image (a patch's whole image is taken to be 3:2): a common wide
angle, 53 degrees across."""

SENSOR = 0.036
"""Width of the sensor in metres, that of small-format film; with `FIELD` the lens has 36 mm."""

THINNEST = 0.15
"""Width in pixels of the mean drop below which a depth shell is mist; chosen: streaks a seventh of
a pixel wide are too faint to be told apart."""

_SEEN_IN_A_DROP = 0.94
"""Share of the light around it that a drop shows (Garg and Nayar 2007)."""

_SKY_OVER_MEAN = 5.0
"""Brightness of the sky over that of the image's mean; chosen: what lies outside is not known."""

_DEPTHS = 256
"""Depths of a shell: one for every value of the byte of a random word that chooses it."""

_RADIANS = 0.01745329
"""Of a degree, in eight digits, so that no mathematical library's last bit enters."""

_LIMITS = {
    "rate": (0.1, 300.0),
    "wind": (-15.0, 15.0),
    "exposure": (1e-5, 1.0),
    "exaggerate": (0.1, 100.0),
    "light": (0.0, 1.0),
    "turbulence": (0.0, 10.0),
    "f_number": (0.5, 64.0),
    "focus": (0.1, 1e4),
    "nearest": (0.05, 50.0),
    "farthest": (0.1, 100.0),
    "shells": (1, 20),
}
"""Bounds: rain from drizzle to cloudbursts, lenses and distances as cameras have them."""


@dataclass(frozen=True, slots=True)
class PhysicalParameters:
    """What rain in front of a camera is made from.

    Attributes:
        rate: Rain rate in mm/h: 2 is light rain, 10 heavy, 50 violent, 100 a cloudburst.
        wind: Speed across the line of sight in m/s; positive blows to the right.
        exposure: How long the shutter is open, in seconds.
        exaggerate: Factor on the opacity of every drop; 1 is that of nature, 8 to 20 looks painted.
        light: Brightness of a drop, 0 to 1, in the image's code values; see `drop_light`.
        turbulence: Standard deviation of the direction of fall in degrees.
        f_number: Of the lens.
        focus: Distance in metres at which the image is sharp.
        nearest: Distance of the nearest drops in metres.
        farthest: Distance of the farthest drops in metres.
        shells: Depth shells between them, each as many times deeper than the one before.
    """

    rate: float
    wind: float = 0.0
    exposure: float = 1 / 60
    exaggerate: float = 1.0
    light: float = 0.8
    turbulence: float = 2.0
    f_number: float = 4.0
    focus: float = 8.0
    nearest: float = 0.4
    farthest: float = 8.0
    shells: int = 6

    def __post_init__(self) -> None:
        check_ranges("physical streaks", self, _LIMITS)
        if self.nearest >= self.farthest:
            raise RainbenchError(
                f"nearest of physical streaks is {self.nearest}, not less than farthest, "
                f"which is {self.farthest}"
            )

    @property
    def full(self) -> float:
        """Brightness of a drop that hides all behind it."""
        return self.light

    @property
    def angle(self) -> float:
        """Direction in which the mean drop falls, in degrees from vertical."""
        size = min(SMALLEST + drop_sizes(self.rate).excess, LARGEST)
        return round(degrees(atan(self.wind / float(fall_speeds()[round(100 * size)]))), 3)

    def as_record(self) -> dict[str, float]:
        """Return the parameters, the mean direction and the extinction per km, for metadata."""
        return {**asdict(self), "angle": self.angle, "extinction": extinction(self.rate)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalRanges:
    """Where the parameters of physical streaks are drawn from, lowest and highest.

    Attributes:
        rate: See `PhysicalParameters`, as all below; the logarithm is uniform.
        wind: In m/s.
        exposure: In seconds; the logarithm is uniform.
        exaggerate: The same number for every image.
    """

    rate: tuple[float, float] = (10.0, 100.0)
    wind: tuple[float, float] = (-2.5, 2.5)
    exposure: tuple[float, float] = (1 / 500, 1 / 60)
    exaggerate: float = 1.0

    def __post_init__(self) -> None:
        drawn = ("rate", "wind", "exposure")
        check_drawn("physical streaks", self, {name: _LIMITS[name] for name in drawn})
        check_ranges("physical streaks", self, {"exaggerate": _LIMITS["exaggerate"]})


def draw_physical_parameters(
    rate: float | None, *key: object, ranges: PhysicalRanges = PhysicalRanges(), light: float = 0.8
) -> PhysicalParameters:
    """Draw what physical streaks are made from, from a key.

    Args:
        rate: The rain rate in mm/h; None draws it too.
        key: Source, seed, level.
        ranges: What is drawn from.
        light: Brightness of a drop; see `drop_light`.

    Example:
        >>> drawn = draw_physical_parameters(50, "doctest")
        >>> drawn.rate, abs(drawn.wind) <= 2.5, drawn.exaggerate
        (50, True, 1.0)
    """
    generator = philox("physical parameters", *key)
    wind = uniform(generator, *ranges.wind)
    exposure = round(_log_uniform(generator, *ranges.exposure), 7)
    drawn = round(_log_uniform(generator, *ranges.rate), 3)
    return PhysicalParameters(
        drawn if rate is None else rate, wind, exposure, ranges.exaggerate, light
    )


def drop_light(image: Image) -> float:
    """Return how bright the drops before a scene are, 0 to 1 in the image's code values.

    A drop shows 94 % of the light of a field of 165 degrees (Garg and Nayar): here half of it is
    the image, half the sky, five times as bright up to white.

    Example:
        >>> round(drop_light(np.full((4, 4, 3), 100, np.uint8)), 3)
        0.635
    """
    mean = int(linear_table()[image].sum(dtype=np.int64)) / image.size
    sky = min(float(LINEAR_ONE), _SKY_OVER_MEAN * mean)
    return int(srgb_table()[round(_SEEN_IN_A_DROP * (mean + sky) / 2)]) / 255


def make_physical_streaks(
    height: int,
    width: int,
    parameters: PhysicalParameters,
    *key: object,
    rows: int | None = None,
) -> StreakLayer:
    """Make a layer of physical streaks.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        parameters: What to make.
        key: Source, seed, level: the same key gives the same bytes.
        rows: Rows of the whole image of which this is a patch; None if it is the whole.

    Example:
        >>> rain = PhysicalParameters(100, exaggerate=10)
        >>> made = make_physical_streaks(60, 90, rain, "doctest", rows=480)
        >>> made.layer.shape, made.layer.dtype.name, bool(made.mask.any())
        ((60, 90), 'uint8', True)
    """
    from rainbench.rain import streak_kernels

    whole = max(width, 1.5 * (rows or 0))
    focal = FIELD * whole
    # Diameter of the circle of confusion in pixels, for a difference of 1/z and 1/focus of 1/m.
    confusion = FIELD * SENSOR / parameters.f_number * focal
    sizes = drop_sizes(parameters.rate)
    generator = philox("physical streak", *key)
    clear = np.ones((height, width), np.float32)
    rain = np.array(
        [
            sizes.excess / QUANTILE_ONE,
            parameters.exposure,
            parameters.wind,
            round(parameters.turbulence * _RADIANS / NORMAL_ONE, 12),
            parameters.exaggerate,
        ]
    )
    for shell in drawn_shells(parameters, focal):
        scales = focal / shell
        blurs = confusion * np.abs(1 / shell - 1 / parameters.focus)
        window = _window(height, width, parameters, float(scales[0]), float(blurs.max()))
        share = window[2] * window[3] / (focal * focal)
        volume = share * (float(shell[-1]) ** 3 - float(shell[0]) ** 3) / 3
        count = floor(sizes.density * volume + uniform(generator, 0, 1))
        words = words16(generator, 5 * (count + 1)).reshape(-1, 5)
        streak_kernels.draw_falling(
            words,
            (exponential_table(), normal_table()),
            fall_speeds(),
            rain,
            scales,
            blurs,
            window,
            clear,
        )
    layer = np.empty((height, width), np.uint8)
    streak_kernels.shade_clear(clear, 255 * parameters.light, layer)
    return StreakLayer(layer, parameters)


def drawn_shells(parameters: PhysicalParameters, focal: float) -> list[NDArray[np.float64]]:
    """Return the depths that drops may have in every shell that is drawn, nearest first.

    Args:
        parameters: Of the rain.
        focal: Focal length in pixels.

    Returns:
        For each shell ``(256,)`` depths in metres, equally many to a volume; shells in which the
        mean drop is thinner than `THINNEST` are left out.

    Example:
        >>> [round(float(shell[-1]), 1) for shell in drawn_shells(PhysicalParameters(50), 720)]
        [0.7, 1.1, 1.8, 2.9, 4.9]
    """
    shells = _shells(parameters.nearest, parameters.farthest, parameters.shells)
    mean = (SMALLEST + drop_sizes(parameters.rate).excess) * 1e-3
    return [shell for shell in shells if focal * mean / float(shell[_DEPTHS // 2]) >= THINNEST]


@functools.lru_cache(maxsize=16)
def _shells(nearest: float, farthest: float, count: int) -> list[NDArray[np.float64]]:
    edges = [nearest * (farthest / nearest) ** (k / count) for k in range(count + 1)]
    shells = []
    for near, far in itertools.pairwise(edges):
        cubes = [near**3 + (far**3 - near**3) * (n + 0.5) / _DEPTHS for n in range(_DEPTHS)]
        shells.append(np.array([round(cube ** (1 / 3), 6) for cube in cubes]))
    return shells


def _window(
    height: int, width: int, parameters: PhysicalParameters, scale: float, blur: float
) -> NDArray[np.float64]:
    """Return where the middles of the streaks of a shell may lie: left, top, width, height."""
    long = float(fall_speeds()[-1]) * parameters.exposure * scale
    # A slope of 0.2 is more than five standard deviations of the default turbulence.
    aside = abs(parameters.wind) * parameters.exposure * scale + 0.2 * long
    edge = LARGEST * 1e-3 * scale + blur + 2
    across, down = ceil(aside / 2 + edge), ceil(long / 2 + edge)
    return np.array([-across, -down, width + 2 * across, height + 2 * down], np.float64)


def _log_uniform(generator: np.random.Philox, low: float, high: float) -> float:
    return exp(uniform(generator, log(low), log(high)))
