"""Large images in overlapping tiles: any size, bounded memory, seams blended away.

A tile's outer pixels lack what lies beyond the tile. So of the pixels that two tiles share, each
tile's outer quarter is not used at all, and over the half between the weights go linearly from
one tile to the other. The weights of all tiles add up to one at every pixel.

The tiles of an axis are equally long, as short as their number allows: an image little larger than
a tile costs little more than without tiles. Besides the result one row of tiles is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rainbench.core.images import Image
from rainbench.networks.base import as_restoration

LEAST_OVERLAP = 32
"""Pixels that tiles share by default, however small the receptive field is."""

UNBOUNDED_OVERLAP = 64
"""Pixels that tiles share by default where a network's receptive field has no bound."""

LONGEST_PROBE = 512
"""Pixels of the longest strip that a receptive field is looked for in."""

PROBE_WIDTH = 32

FloatImage = NDArray[np.float32]
RestoreTiles = Callable[[NDArray[np.uint8] | FloatImage], FloatImage]
"""From tiles ``(N, h, w, 3)``, uint8 or float32, to as many restored ones, float32."""


def restore_tiled(
    rainy: Image | FloatImage,
    restore: RestoreTiles,
    *,
    tile: int,
    overlap: int,
    align: int = 1,
    batch: int = 1,
) -> FloatImage:
    """Restore an image tile by tile; see `iterate_rows`.

    Returns:
        ``(H, W, 3)`` float32.

    Example:
        >>> rainy = np.arange(60 * 50 * 3, dtype=np.uint8).reshape(60, 50, 3)
        >>> restored = restore_tiled(rainy, lambda tiles: tiles / np.float32(255), tile=24,
        ...     overlap=8)
        >>> bool(np.allclose(restored, rainy / 255, atol=1e-6))
        True
    """
    restored = np.empty(rainy.shape, np.float32)
    for top, rows in iterate_rows(
        rainy, restore, tile=tile, overlap=overlap, align=align, batch=batch
    ):
        restored[top : top + len(rows)] = rows
    return restored


def iterate_rows(
    rainy: Image | FloatImage,
    restore: RestoreTiles,
    *,
    tile: int,
    overlap: int,
    align: int = 1,
    batch: int = 1,
) -> Iterator[tuple[int, FloatImage]]:
    """Restore an image tile by tile and yield its rows as they are finished, from the top.

    Args:
        rainy: ``(H, W, 3)`` uint8.
        restore: Restores tiles; all tiles of a call have one size.
        tile: Longest side of a tile in pixels.
        overlap: Pixels that neighbours share, at least; less than ``tile``.
        align: Tiles start at multiples of this: the grid of a network that samples down.
        batch: Tiles in a call, at most.

    Yields:
        The number of the first row, and ``(rows, W, 3)`` float32.
    """
    height, width = rainy.shape[:2]
    overlap = -(-overlap // align) * align
    side = tile_side(height, tile, overlap, align)
    tops = tile_starts(height, side, overlap, align)
    weights = blending_weights(height, tops, side, overlap)
    carried = np.zeros((0, width, 3), np.float32)
    for index, top in enumerate(tops):
        band = _restore_band(rainy[top : top + side], restore, tile, overlap, align, batch)
        band *= weights[index][:, None, None]
        band[: len(carried)] += carried
        finished = (tops[index + 1] if index + 1 < len(tops) else height) - top
        yield top, band[:finished]
        carried = band[finished:]


def tile_side(length: int, tile: int, overlap: int, align: int = 1) -> int:
    """Return how long the tiles along an axis are: equally, with as few tiles as ``tile`` allows.

    Example:
        >>> tile_side(1080, 1024, 80), tile_side(1080, 1024, 80, align=16), tile_side(90, 1024, 80)
        (580, 592, 90)
    """
    if length <= tile:
        return length
    count = -(-(length - overlap) // (tile - overlap))
    side = -(-(length + (count - 1) * overlap) // count)
    return min(tile, -(-side // align) * align)


def tile_starts(length: int, tile: int, overlap: int, align: int = 1) -> list[int]:
    """Return where tiles start along an axis.

    Example:
        >>> tile_starts(100, 40, 10), tile_starts(100, 40, 10, align=8), tile_starts(30, 40, 10)
        ([0, 30, 60], [0, 24, 48, 64], [0])
    """
    if length <= tile:
        return [0]
    step = max(align, (tile - overlap) // align * align)
    last = -(-(length - tile) // align) * align
    return [*range(0, last, step), last]


def blending_weights(
    length: int, starts: list[int], tile: int, overlap: int
) -> list[NDArray[np.float32]]:
    """Return each tile's weights along an axis; at every pixel those of all tiles add up to 1.

    Example:
        >>> first, second = blending_weights(12, [0, 4], 8, 4)
        >>> first.tolist(), second.tolist()
        ([1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.25, 0.0], [0.0, 0.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0])
    """
    unused, ramp = overlap // 4, max(1, overlap - 2 * (overlap // 4))
    total = np.zeros(length)
    weights = []
    for start in starts:
        end = min(start + tile, length)
        places = np.arange(start, end) + 0.5
        weight = np.ones(end - start)
        if start > 0:
            weight = np.minimum(weight, (places - start - unused) / ramp)
        if end < length:
            weight = np.minimum(weight, (end - places - unused) / ramp)
        weights.append(weight.clip(0, 1))
        total[start:end] += weights[-1]
    return [
        (weight / total[start : start + len(weight)]).astype(np.float32)
        for start, weight in zip(starts, weights, strict=True)
    ]


def _restore_band(
    rainy: Image | FloatImage,
    restore: RestoreTiles,
    tile: int,
    overlap: int,
    align: int,
    batch: int,
) -> FloatImage:
    """Restore a row of tiles and blend them along the row."""
    width = rainy.shape[1]
    side = tile_side(width, tile, overlap, align)
    lefts = tile_starts(width, side, overlap, align)
    weights = blending_weights(width, lefts, side, overlap)
    band = np.zeros(rainy.shape, np.float32)
    for chosen in _batches(lefts, width, side, batch):
        tiles = [rainy[:, lefts[index] : lefts[index] + side] for index in chosen]
        stack = cast("NDArray[np.uint8] | FloatImage", np.stack(tiles))
        for index, restored in zip(chosen, restore(stack), strict=True):
            place = slice(lefts[index], lefts[index] + side)
            band[:, place] += restored * weights[index][:, None]
    return band


def _batches(lefts: list[int], width: int, tile: int, batch: int) -> Iterator[list[int]]:
    """Yield the numbers of tiles that go together: neighbours of one width."""
    chosen: list[int] = []
    for index, left in enumerate(lefts):
        narrower = left + tile > width and len(lefts) > 1
        if chosen and (len(chosen) == batch or narrower):
            yield chosen
            chosen = []
        chosen.append(index)
    yield chosen


def default_overlap(network: nn.Module, tile: int, multiple: int = 1) -> int:
    """Return how many pixels tiles share unless told: the receptive field, half a tile at most.

    Args:
        network: On the CPU.
        tile: Side of the tiles in pixels.
        multiple: What both sides of the network's input must be divisible by.
    """
    radius = receptive_radius(network, multiple)
    wanted = UNBOUNDED_OVERLAP if radius is None else max(LEAST_OVERLAP, 2 * radius)
    return min(wanted, tile // 2)


def receptive_radius(network: nn.Module, multiple: int = 1) -> int | None:
    """Return how far from a pixel its restoration may look, in pixels; None for without a bound.

    A row of pixels is made NaN in the middle of a strip: the pixels of the result that are NaN,
    too, are those that depend on it, whatever the weights. The same along the columns.
    (Convolutions that work on blocks may widen it to a block.) Networks with global pooling or
    recurrence along rows have no bound; neither has, for us, one that looks further than
    `LONGEST_PROBE` shows.

    Args:
        network: On the CPU.
        multiple: What both sides of its input must be divisible by.

    Example:
        >>> from rainbench.networks.base import Restoration
        >>> class Convolution(nn.Conv2d):
        ...     def forward(self, rainy):
        ...         return Restoration(super().forward(rainy))
        >>> receptive_radius(Convolution(3, 3, (5, 7), padding=(2, 3)))
        3
    """
    length = LONGEST_PROBE // 4
    while length <= LONGEST_PROBE:
        reached = [_reach(network, -(-length // multiple) * multiple, turn) for turn in (0, 1)]
        if None not in reached:
            return max(reach for reach in reached if reach is not None)
        length *= 2
    return None


def _reach(network: nn.Module, length: int, turn: int) -> int | None:
    """Return how far a NaN reaches along a strip; None where it comes to the end."""
    probe = torch.full((1, 3, length, PROBE_WIDTH), 0.5)
    centre = length // 2
    probe[..., centre, :] = torch.nan
    with torch.inference_mode():
        restored = as_restoration(network(probe.transpose(2, 3) if turn else probe)).image[0]
    reached = torch.isnan(restored).any(0).any(0 if turn else 1)
    if reached[0] or reached[-1]:
        return None
    places = reached.nonzero()
    return int((places - centre).abs().max()) if len(places) else 0
