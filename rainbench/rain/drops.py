"""Raindrops on a pane of glass, by refraction: what a camera sees that looks through the pane.

NASNet's Eq. 2, ``R = (1 - M) B + D``, with a soft mask: every drop is a small lens that shows the
scene upside down (two refractions, Fresnel's reflection, total reflection at steep rims), and the
pane is out of focus. All sums are taken in linear light. The optics are exact; sizes, shapes and
the light from above the frame are our model (see `rainbench.rain.drop_table`).

As the pane is out of focus by more than two pixels, it is rendered at half the resolution.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.rain.drop_kernels import (
    block_means,
    convolve,
    lay_over,
    raise_caps,
    refract,
    smooth,
)
from rainbench.rain.drop_table import (
    DROP_RANGES,
    REFERENCE_ROWS,
    DropParameters,
    DropRanges,
    DropTable,
    draw_drop_parameters,
    draw_drops,
)
from rainbench.rain.linear_light import LINEAR_ONE, linear_table, srgb_table
from rainbench.rain.ranges import Look

__all__ = [
    "DROP_RANGES",
    "DropParameters",
    "DropRanges",
    "DropTable",
    "WetGlass",
    "draw_drop_parameters",
    "lay_glass",
    "render_drops",
]

STEP = 2
"""Pixels per cell of the glass: it is rendered at half the resolution."""

FIELD = 2.2
"""Focal length of the camera in widths of the image (a patch's whole image is taken to be 3:2).

That of a 50 mm lens on the sensors of Qian's cameras (22 to 24 mm wide; his lens is not known). A
drop bends light by up to some 40 degrees whatever the lens: the narrower the field, the more of
its view lies beyond the frame, sky above all, and drops over a road are bright as they are in the
photographs. In a field of one width they are dark there.
"""


@dataclass(frozen=True, slots=True)
class _Light:
    """The light that drops gather; what surrounds a picture is not known, so it is fitted.

    Attributes:
        sky_begins: Where it begins to be sky, in heights of the image below its top edge.
        sky_full: Where it is nothing else, in the same measure.
        sky_over_mean: Brightness of the sky over that of the image's mean.
        brightest: Its limit, white being 1. A sky is far beyond white where a camera exposes for
            what stands before it; only so does a crescent stay white and sharp when the glass is
            out of focus.
        reflected: Share of the mean light that comes in place of the light reflected away.
        weight_bits: Bits of the weights of the blur: times the brightest light, in 16 bits for
            white, all sums fit into 32.
    """

    sky_begins: float
    sky_full: float
    sky_over_mean: float
    brightest: float
    reflected: float
    weight_bits: int


_LIGHTS: Mapping[Look, _Light] = {
    "painted": _Light(0.5, -0.25, 3.0, 1.0, 0.35, 14),
    "natural": _Light(-0.15, -0.5, 6.2, 6.0, 1.0, 11),
}

SKY_COLOUR = (0.88, 0.96, 1.0)
"""Colour of the sky in linear light: slightly blue, chosen by eye."""

_BLOCK = 10
"""Pixels at 480 rows of a block of the surroundings, which drops show some thirty times smaller."""

_BEYOND = 0.6
"""How far the border is replicated outwards, in sizes of the image; chosen."""

_CREASE = 0.8
"""Standard deviation, in pixels at 480 rows, of the blur that closes the creases between drops that
touch, so that they flow together; chosen by eye."""

_DISK_PARTS = 16
"""Parts of a cell, each way, that are counted in or out of the disk."""


@dataclass(frozen=True, slots=True, eq=False)
class WetGlass:
    """A picture through wet glass, and the glass by itself.

    Attributes:
        image: ``(H, W, 3)`` uint8, the picture through the pane.
        alpha: ``(H, W)`` uint8, how much of a pixel is drop: the soft mask, 255 is all of it.
        light: ``(H, W, 3)`` uint16, what the drops add, in linear light premultiplied by their
            share (``D`` of NASNet's Eq. 2). `lay_glass` makes the picture again from it.
        table: Where each drop is and its shape.
        parameters: What the pane was made from.
    """

    image: Image
    alpha: NDArray[np.uint8]
    light: NDArray[np.uint16]
    table: DropTable
    parameters: DropParameters

    @property
    def soft_mask(self) -> NDArray[np.float32]:
        """Share of drop per pixel, ``(H, W)`` float32 in [0, 1]."""
        return self.alpha.astype(np.float32) / np.float32(255)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where a pixel is drop by more than half."""
        return self.alpha > 127

    @property
    def coverage(self) -> float:
        """Share of the image under drops, by `mask`."""
        return int(np.count_nonzero(self.mask)) / self.mask.size

    def as_record(self) -> dict[str, float]:
        """Return the parameters, the drops drawn and the coverage, for metadata."""
        return {
            **self.parameters.as_record(),
            "drops": len(self.table),
            "coverage": self.coverage,
        }


def render_drops(
    clean: Image,
    parameters: DropParameters,
    *key: object,
    rows: int | None = None,
    look: Look = "painted",
) -> WetGlass:
    """Look at an image through a wet pane.

    Args:
        clean: ``(H, W, 3)`` uint8, what is behind the pane.
        parameters: What lies on the pane.
        key: Source, seed, split: the same key gives the same bytes.
        rows: Rows of the whole image of which this is a patch; None if it is the whole.
        look: How bright the light around is; see `rainbench.rain.ranges.Look`.

    Returns:
        The picture; and alpha, light and table of the drops.

    Raises:
        RainbenchError: The image is not 8-bit RGB or has no pixels.

    Example:
        >>> clean = np.full((60, 90, 3), 100, np.uint8)
        >>> wet = render_drops(clean, DropParameters(100), "doctest")
        >>> dry = wet.alpha == 0
        >>> bool((wet.image[dry] == clean[dry]).all()), bool(wet.mask.any())
        (True, True)
    """
    _check(clean)
    height, width = clean.shape[:2]
    scale = (rows or height) / REFERENCE_ROWS
    table = draw_drops(height, width, parameters, *key, rows=rows)
    lit = _LIGHTS[look]
    weights = _disk(parameters.defocus * scale / STEP, lit.weight_bits)
    around = 1 + len(weights) // 2
    margin = float(around * STEP)
    shape = (ceil(height / STEP) + 2 * around, ceil(width / STEP) + 2 * around)
    heights, cover = np.zeros(shape), np.zeros(shape, np.int32)
    raise_caps(heights, cover, _rows(table), float(STEP), margin)
    variance = (_CREASE * scale / STEP) ** 2
    passes = ceil(variance / 0.5)
    smooth(heights, passes, variance / (2 * passes))
    block = max(1, round(_BLOCK * scale))
    surroundings, origin = _surroundings(clean, block, parameters.sky, lit)
    total = np.minimum(surroundings, LINEAR_ONE).sum(axis=(0, 1), dtype=np.int64)
    mean = np.rint(lit.reflected * (total / surroundings[..., 0].size)).astype(np.int32)
    focal = FIELD * max(width, 1.5 * (rows or 0))
    frame = np.array([width / 2, height / 2, focal])
    sharp = refract(
        heights, cover, surroundings, mean, float(STEP), margin, frame, float(block), origin
    )
    image = np.empty_like(clean)
    alpha = np.empty((height, width), np.uint8)
    light = np.empty((height, width, 3), np.uint16)
    glass = convolve(sharp, weights, lit.weight_bits)
    lay_over(clean, glass, linear_table(), srgb_table(), image, alpha, light)
    return WetGlass(image, alpha, light, table, parameters)


def lay_glass(clean: Image, alpha: NDArray[np.uint8], light: NDArray[np.uint16]) -> Image:
    """Make the picture through the glass again from the clean image and the glass, exactly.

    NASNet's Eq. 2 in linear light: ``(1 - alpha) B + light``.

    Args:
        clean: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` uint8, see `WetGlass`.
        light: ``(H, W, 3)`` uint16, see `WetGlass`.

    Example:
        >>> clean = np.full((60, 90, 3), 100, np.uint8)
        >>> wet = render_drops(clean, DropParameters(100), "doctest")
        >>> bool((lay_glass(clean, wet.alpha, wet.light) == wet.image).all())
        True
    """
    behind = linear_table()[clean].astype(np.int32) * (255 - alpha[..., None].astype(np.int32))
    total = np.minimum((behind + 127) // 255 + light, LINEAR_ONE)
    image: Image = srgb_table()[total]
    return image


def _check(clean: Image) -> None:
    if clean.dtype != np.uint8 or clean.ndim != 3 or clean.shape[2] != 3 or not clean.size:
        raise RainbenchError(
            f"drops cannot be laid over an array of shape {clean.shape} and type {clean.dtype}",
            hint="It must be an 8-bit RGB image, (H, W, 3), with at least one pixel.",
        )


def _rows(table: DropTable) -> NDArray[np.float64]:
    """Return the drops as rows, in the order that `raise_caps` reads."""
    columns = (table.x, table.y, table.radius, table.sag, *table.oval.T, *table.bulge.T)
    return np.ascontiguousarray(np.stack([*columns, table.cotangent], axis=1))


@functools.lru_cache(maxsize=64)
def _disk(diameter: float, bits: int) -> NDArray[np.int32]:
    """Return the weights of a disk of a diameter in cells, of sum ``1 << bits``."""
    reach = max(0, ceil(diameter / 2 - 0.5))
    parts = _DISK_PARTS
    offsets = (np.arange((2 * reach + 1) * parts) + 0.5) / parts - (reach + 0.5)
    inside = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= (max(diameter, 0.01) / 2) ** 2
    counts = inside.reshape(2 * reach + 1, parts, 2 * reach + 1, parts).sum(axis=(1, 3))
    if not counts.sum():
        counts[reach, reach] = 1
    weights = (counts << bits) // counts.sum()
    weights[reach, reach] += (1 << bits) - weights.sum()
    disk: NDArray[np.int32] = weights.astype(np.int32)
    return disk


def _surroundings(
    clean: Image, block: int, sky: float, lit: _Light
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the light around the camera by blocks of pixels, and its first corner in pixels.

    The image itself, reduced (a drop makes its view some thirty times smaller), its border
    replicated outwards, with sky coming in from the top.
    """
    means = block_means(clean, linear_table(), block)
    rows, columns = means.shape[:2]
    beyond = (ceil(_BEYOND * rows) + 1, ceil(_BEYOND * columns) + 1)
    wide = np.pad(means, ((beyond[0],) * 2, (beyond[1],) * 2, (0, 0)), mode="edge")
    blurred = (wide[:-2] + 2 * wide[1:-1] + wide[2:]) // 4
    blurred = (blurred[:, :-2] + 2 * blurred[:, 1:-1] + blurred[:, 2:]) // 4
    height = (np.arange(blurred.shape[0]) + 1.5 - beyond[0]) / rows
    fades = lit.sky_begins - lit.sky_full
    share = (sky * np.clip((lit.sky_begins - height) / fades, 0, 1))[:, None, None]
    mean = int(means.sum(dtype=np.int64)) / means.size
    bright = min(lit.brightest * LINEAR_ONE, lit.sky_over_mean * mean)
    light = blurred * (1 - share) + bright * np.array(SKY_COLOUR) * share
    origin = -np.array([beyond[1] - 1, beyond[0] - 1], np.float64) * block
    return np.rint(light).astype(np.int32), origin
