"""Which drops lie on the glass: their parameters, and each one's place and shape from a key.

The papers give no numbers. Ours are chosen so that the number, size, edges, brightness and coverage
of drops are those of the five drop photographs that come with DeRaindrop (Qian 2018). Lengths are
in pixels at 480 rows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import cos, pi

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.random import philox, uniform, words16
from rainbench.rain.ranges import Look, check_drawn, check_ranges

REFERENCE_ROWS = 480
"""Rows of the images for which lengths are given; they scale with the rows."""

REFERENCE_AREA = 480 * 720
"""Pixels, at 480 rows, on which `DropParameters.count` drops lie."""

_TURN = 4096
"""Steps of a full turn: angles are whole numbers, the same on every processor."""

_TRIES = 3
"""Places drawn for each wanted drop before a glass that is too full gets fewer drops."""

_OVAL, _BULGE, _SAG = 0.12, 0.07, 0.25
"""How far outlines depart from a circle at most, as shares of the radius: as an oval, as a
triangle, and drawn out by gravity (more for large drops). Chosen by eye on the photographs."""

_LIMITS = {
    "count": (0, 50_000),
    "defocus": (0.0, 60.0),
    "sky": (0.0, 1.0),
    "smallest": (0.5, 200.0),
    "largest": (0.5, 200.0),
    "exponent": (0.1, 10.0),
    "flattest": (5.0, 89.0),
    "steepest": (5.0, 89.0),
    "apart": (0.05, 2.0),
}
"""What can be rendered at all: far wider than what looks like drops."""


@dataclass(frozen=True, slots=True)
class DropParameters:
    """What a wet pane of glass is made from.

    Attributes:
        count: Drops on a pane of 3:2; other shapes get as many for their area. 0 is a dry pane;
            a pane on which not so many fit gets fewer, see ``apart``.
        defocus: Diameter in pixels at 480 rows of the disk that a point on the glass becomes.
        sky: How much of the light from above the frame is sky, 0 to 1.
        smallest: Radius of the smallest drops, in pixels at 480 rows.
        largest: Radius of the largest drops, in pixels at 480 rows.
        exponent: Of the Pareto distribution of radii; higher means fewer large drops.
        flattest: Smallest contact angle of water and glass, in degrees.
        steepest: Largest contact angle, in degrees.
        apart: Least distance of two drops as a share of the sum of their radii: nearer ones have
            merged. Below 1 some still touch and flow together.
    """

    count: int
    defocus: float = 7.0
    sky: float = 0.92
    smallest: float = 3.0
    largest: float = 15.0
    exponent: float = 2.2
    flattest: float = 38.0
    steepest: float = 60.0
    apart: float = 0.75

    def __post_init__(self) -> None:
        check_ranges("drops", self, _LIMITS)
        for low, high in (("smallest", "largest"), ("flattest", "steepest")):
            if getattr(self, low) > getattr(self, high):
                raise RainbenchError(
                    f"{low} of drops is {getattr(self, low)}, more than {high}, "
                    f"which is {getattr(self, high)}"
                )

    def as_record(self) -> dict[str, float]:
        """Return the parameters by name, for metadata."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class DropTable:
    """One row for each drop; all arrays are ``(N,)``.

    Attributes:
        x: Centre in pixels of the image, from its left edge; may lie just outside.
        y: Centre in pixels of the image, from its top edge.
        radius: Radius of the footprint in pixels of the image.
        contact: Contact angle of water and glass in degrees.
        sag: How far the upper half is drawn out by gravity, as a share of the radius.
        oval: Relative size of the second harmonic of the outline, ``(N, 2)``: cosine, sine part.
        bulge: Relative size of the third harmonic, ``(N, 2)``.
        cotangent: Cotangent of the contact angle.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]
    contact: NDArray[np.float64]
    sag: NDArray[np.float64]
    oval: NDArray[np.float64]
    bulge: NDArray[np.float64]
    cotangent: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)

    def as_rows(self) -> list[dict[str, float]]:
        """Return one record per drop, rounded to thousandths, for metadata."""
        names = ("x", "y", "radius", "contact", "sag")
        columns = [np.round(getattr(self, name), 3).tolist() for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRanges:
    """Where the parameters of a wet pane are drawn from, lowest and highest.

    Attributes:
        count: See `DropParameters`, as all below; the logarithm is uniform.
        defocus: At 480 rows.
        sky: 0 to 1.
        radius: Smallest and largest drop of every pane, at 480 rows.
        contact: Smallest and largest contact angle of every pane, in degrees.
    """

    count: tuple[int, int] = (500, 1200)
    defocus: tuple[float, float] = (5.0, 9.0)
    sky: tuple[float, float] = (0.85, 1.0)
    radius: tuple[float, float] = (3.0, 15.0)
    contact: tuple[float, float] = (38.0, 60.0)

    def __post_init__(self) -> None:
        check_drawn("drops", self, {name: _LIMITS[name] for name in ("count", "defocus", "sky")})
        self.pane(self.count[0], self.defocus[0], self.sky[0])

    def pane(self, count: int, defocus: float, sky: float) -> DropParameters:
        """Return the parameters of a pane with these radii and contact angles."""
        (smallest, largest), (flattest, steepest) = self.radius, self.contact
        return DropParameters(
            count, defocus, sky, smallest, largest, flattest=flattest, steepest=steepest
        )


DROP_RANGES: Mapping[Look, DropRanges] = {
    "painted": DropRanges(),
    "natural": DropRanges(
        count=(435, 1040), defocus=(3.8, 5.9), radius=(3.6, 19.0), contact=(12.0, 46.0)
    ),
}
"""What the panes of each look are drawn from. Photographs have flat drops, faint disks, beside
steep ones with a highlight, and a glass that is less out of focus than was first thought."""


def draw_drop_parameters(*key: object, ranges: DropRanges = DropRanges()) -> DropParameters:
    """Draw count, defocus and sky of a pane, from a key.

    Args:
        key: Source, seed, split.
        ranges: What is drawn from; the default looks like photographs.

    Example:
        >>> parameters = draw_drop_parameters("doctest", 1)
        >>> 500 <= parameters.count <= 1200, 5 <= parameters.defocus <= 9
        (True, True)
    """
    generator = philox("drop parameters", *key)
    fewest, most = ranges.count
    share = uniform(generator, 0, 1)
    count = round(fewest * (most / fewest) ** share) if fewest else round(most * share)
    defocus = uniform(generator, *ranges.defocus)
    return ranges.pane(count, defocus, uniform(generator, *ranges.sky))


def draw_drops(
    height: int, width: int, parameters: DropParameters, *key: object, rows: int | None = None
) -> DropTable:
    """Draw the drops of a pane, those included whose centre lies just outside it.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        parameters: How many, how large, how steep.
        key: Source, seed, split: the same key gives the same drops.
        rows: Rows of the whole image of which this is a patch; None if it is the whole.

    Example:
        >>> len(draw_drops(480, 720, DropParameters(100), "doctest"))
        116
    """
    from rainbench.rain.drop_kernels import keep_apart

    scale = (rows or height) / REFERENCE_ROWS
    margin = parameters.largest + parameters.defocus
    tall, wide = height / scale + 2 * margin, width / scale + 2 * margin
    wanted = round(parameters.count * tall * wide / REFERENCE_AREA)
    tries = _TRIES * wanted
    words = words16(philox("drop", *key), tries * 9).reshape(tries, 9).astype(np.int64)
    share = (words + 0.5) / 65536
    radius = _radii(parameters, share[:, 2])
    x, y = share[:, 0] * wide, share[:, 1] * tall
    taken = keep_apart(x, y, radius, parameters.apart, wanted)
    words, share = words[taken], share[taken]
    x, y, radius = x[taken], y[taken], radius[taken]
    cosine, sine = _circle()
    degree = _TURN / 360
    contact = np.rint(
        degree * (parameters.flattest + (parameters.steepest - parameters.flattest) * share[:, 3])
    ).astype(np.int64)
    phase2, phase3 = words[:, 5] >> 4, words[:, 7] >> 4
    oval, bulge = _OVAL * share[:, 4], _BULGE * share[:, 6]
    return DropTable(
        x=(x - margin) * scale,
        y=(y - margin) * scale,
        radius=radius * scale,
        contact=contact / degree,
        sag=_SAG * share[:, 8] * np.minimum(radius / 10, 1.5),
        oval=np.stack([oval * cosine[phase2], -oval * sine[phase2]], axis=1),
        bulge=np.stack([bulge * cosine[phase3], -bulge * sine[phase3]], axis=1),
        cotangent=cosine[contact] / sine[contact],
    )


def _radii(parameters: DropParameters, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles of a Pareto distribution cut at the largest radius.

    Rounded to 1 / 256 pixel, so that the last bit of a mathematical library does not matter.
    """
    kept = 1 - (parameters.smallest / parameters.largest) ** parameters.exponent
    quantiles = [
        parameters.smallest * (1 - kept * share) ** (-1 / parameters.exponent)
        for share in shares.tolist()
    ]
    rounded: NDArray[np.float64] = np.rint(np.array(quantiles) * 256) / 256
    return rounded


@functools.cache
def _circle() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return cosine and sine of every 1 / `_TURN` of a turn, rounded to 20 bits."""
    one = 1 << 20
    cosine = np.array([round(cos(2 * pi * step / _TURN) * one) / one for step in range(_TURN)])
    return cosine, np.roll(cosine, _TURN // 4)
