"""What the variational methods share: periodic differences, their spectra, soft thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from rainbench.video_methods.base import Volume


def forward(volume: Volume, axis: int) -> Volume:
    """Return the difference to the next sample along an axis; behind the last comes the first.

    Example:
        >>> forward(np.array([[[1.0, 4.0, 6.0]]]), 2).tolist()
        [[[3.0, 2.0, -5.0]]]
    """
    return np.roll(volume, -1, axis) - volume


def adjoint(volume: Volume, axis: int) -> Volume:
    """Return the adjoint of `forward`: its matrix transposed, times a volume."""
    return np.roll(volume, 1, axis) - volume


def shrink(volume: Volume, threshold: float) -> Volume:
    """Move every value towards zero by a threshold: the proximal map of the absolute value.

    Example:
        >>> shrink(np.array([-3.0, 0.5, 2.0]), 1.0).tolist()
        [-2.0, 0.0, 1.0]
    """
    return volume - np.clip(volume, -threshold, threshold)


def spectrum(shape: Sequence[int], axis: int) -> Volume:
    """Return the eigenvalues of ``adjoint(forward(.))``, shaped to be multiplied with `transform`.

    Args:
        shape: Of the volume.
        axis: Of the difference.
    """
    length = shape[axis]
    kept = length // 2 + 1 if axis == len(shape) - 1 else length
    values = 2 - 2 * np.cos(2 * np.pi * np.arange(kept) / length)
    return values.reshape([-1 if each == axis else 1 for each in range(len(shape))])


def divide(volume: Volume, eigenvalues: Volume) -> Volume:
    """Solve a linear system that the Fourier transform makes diagonal.

    Args:
        volume: The right side.
        eigenvalues: Of the matrix, see `spectrum`.
    """
    transformed = fft.rfftn(volume)
    transformed /= eigenvalues
    solved: Volume = fft.irfftn(transformed, volume.shape, overwrite_x=True)
    return solved
