"""Images of any size through a model that takes one size only: in tiles, where that is right."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from rainbench.run.predict import PredictionError

_OPEN = "Export it with sizes left open (dynamic_axes, or dynamic_shapes of torch.onnx.export)."


def in_tiles(
    image: Tensor,
    size: tuple[int, int],
    white: float,
    call: Callable[[Tensor], Mapping[str, Tensor]],
) -> dict[str, Tensor]:
    """Return what a model makes of an image, by tiles of its size that overlap by half.

    Tiles are cut together half-way between their borders. There both have to say the same, to a
    level of 255: a model that looks farther, or at the whole image, is refused.

    Args:
        image: ``(1, C, H, W)``; where it is smaller than a tile it is padded by reflection.
        size: Height and width of a tile.
        white: What white is in the image.
        call: The model.

    Raises:
        PredictionError: The tiles do not fit together, or the image is too small.
    """
    height, width = image.shape[-2:]
    low, wide = (max(0, wanted - has) for wanted, has in zip(size, (height, width), strict=True))
    what = f"takes images of {size[1]}x{size[0]} only, and this one is {width}x{height}"
    if low >= height or wide >= width:
        raise PredictionError(f"{what}: too small to be padded", hint=_OPEN)
    padded = nn.functional.pad(image, (0, wide, 0, low), mode="reflect")
    rows, columns = (
        _cuts(length, side) for length, side in zip(padded.shape[-2:], size, strict=True)
    )
    whole: dict[str, Tensor] = {}
    filled: dict[str, Tensor] = {}
    for (top, rows_kept), (left, columns_kept) in itertools.product(rows, columns):
        tile = padded[..., top : top + size[0], left : left + size[1]]
        place = (..., slice(*rows_kept), slice(*columns_kept))
        inside = (
            ...,
            slice(rows_kept[0] - top, rows_kept[1] - top),
            slice(columns_kept[0] - left, columns_kept[1] - left),
        )
        for name, result in call(tile).items():
            if tuple(result.shape[-2:]) != size:
                continue  # no image
            if name not in whole:
                whole[name] = result.new_zeros((*result.shape[:-2], *padded.shape[-2:]))
                filled[name] = torch.zeros(padded.shape[-2:], dtype=torch.bool)
            new, old, known = result[inside], whole[name][place], filled[name][place[1:]]
            if known.any() and not _same(new[..., known], old[..., known], white):
                raise PredictionError(
                    f"{what}, and in tiles of that size it gives other values at their seams: "
                    "it looks at more than a quarter of a tile",
                    hint=_OPEN,
                )
            whole[name][place] = torch.where(known, old, new)
            filled[name][place[1:]] = True
    if not whole:
        raise PredictionError(f"{what}: its outputs are no images of that size", hint=_OPEN)
    return {name: result[..., :height, :width] for name, result in whole.items()}


def _same(one: Tensor, other: Tensor, white: float) -> bool:
    return bool(((one.float() - other.float()).abs() <= 1.01 * white / 255).all())


def _cuts(length: int, side: int) -> list[tuple[int, tuple[int, int]]]:
    """Return where tiles begin on one axis, each with what is kept of it.

    Neighbours share some pixels of what is kept, which are compared.

    Example:
        >>> _cuts(40, 32)
        [(0, (0, 22)), (8, (18, 40))]
    """
    starts = [*range(0, length - side, max(1, side // 2)), length - side]
    seams = [(first + second + side) // 2 for first, second in itertools.pairwise(starts)]
    shared = side // 16
    begins = [0, *(seam - shared for seam in seams)]
    ends = [*(seam + shared for seam in seams), length]
    return [(start, (begin, end)) for start, begin, end in zip(starts, begins, ends, strict=True)]
