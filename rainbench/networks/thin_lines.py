"""Thin bright lines along one angle: a first guess of rain that needs nothing learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

STREAK = 2
"""Half of the width, in pixels, of what may be the first rain."""

LINE = 15
"""Pixels along which the first rain is averaged."""

ANGLES = range(-45, 46, 5)
"""Degrees from the vertical at which rain is looked for."""


def first_rain(luma: Tensor) -> Tensor:
    """Return what is thin and bright in ``(H, W)``, along the angle at which most of it is left."""
    ridge = lines_of(luma)
    half = LINE // 2
    lines = torch.stack([_line(angle) for angle in ANGLES])[:, None].to(luma)
    padded = F.pad(ridge[None, None], (half,) * 4, mode="reflect")
    averaged = F.conv2d(padded, lines)[0]
    best = averaged.square().mean((1, 2)).argmax()
    return torch.minimum(averaged[best], ridge)


def lines_of(luma: Tensor) -> Tensor:
    """Return by how much ``(H, W)`` is brighter than it is beside thin lines, 0 elsewhere."""
    return luma - opened(luma)


def opened(luma: Tensor) -> Tensor:
    """Return the morphological opening by a level line, of 5 pixels."""
    size = (1, 2 * STREAK + 1)
    wide = F.pad(luma[None, None], (STREAK, STREAK, 0, 0), mode="reflect")
    least = -F.max_pool2d(-wide, size, 1)
    wide = F.pad(least, (STREAK, STREAK, 0, 0), mode="reflect")
    return F.max_pool2d(wide, size, 1)[0, 0]


def _line(angle: int) -> Tensor:
    """Return a line through the middle of a square of `LINE` pixels, of sum 1."""
    half = LINE // 2
    rows = torch.arange(LINE)
    columns = half + (rows - half) * math.tan(math.radians(angle))
    distance = (torch.arange(LINE)[None, :] - columns[:, None]).abs()
    line = (1 - distance).clamp(min=0)
    return line / line.sum()
