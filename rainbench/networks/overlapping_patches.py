"""Overlapping patches of a picture, and the picture that is their mean."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cut(plane: Tensor, size: int, step: int) -> Tensor:
    """Return the square patches of ``(H, W)``, a row for each.

    Right and below, the picture is continued by its last column and row until patches cover it.

    Args:
        plane: The picture, ``size`` pixels a side or more.
        size: Side of the patches.
        step: Pixels from one to the next, along rows and columns.

    Returns:
        ``(patches, size * size)``.

    Example:
        >>> cut(torch.arange(6.0).reshape(2, 3), 2, 2)
        tensor([[0., 1., 3., 4.],
                [2., 2., 5., 5.]])
    """
    height, width = plane.shape
    below, right = _missing(height, size, step), _missing(width, size, step)
    wide = F.pad(plane[None, None], (0, right, 0, below), mode="replicate")
    return F.unfold(wide, size, stride=step)[0].T


def together(patches: Tensor, like: Tensor, size: int, step: int) -> Tensor:
    """Return the picture of which each pixel is the mean of all patches that hold it.

    Args:
        patches: As `cut` gives them.
        like: A picture of the size of the one that they were cut from.
        size: Side of the patches.
        step: From one to the next.

    Example:
        >>> plane = torch.rand(7, 9)
        >>> again = together(cut(plane, 4, 3), plane, 4, 3)
        >>> bool((again - plane).abs().max() < 1e-6)
        True
    """
    height, width = like.shape
    shape = (height + _missing(height, size, step), width + _missing(width, size, step))
    both = torch.stack((patches.T, torch.ones_like(patches.T)))
    total, times = F.fold(both, shape, size, stride=step)[:, 0, :height, :width]
    mean: Tensor = total / times
    return mean


def _missing(length: int, size: int, step: int) -> int:
    return -(length - size) % step
