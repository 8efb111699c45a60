"""Convolutional sparse coding of rain by filters of several sizes, for `ms_csc`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg

from rainbench.video_methods.base import Volume

Filters = NDArray[np.float64]
"""``(K, S, S)``: square filters in the middle of a square of the largest size, each of norm 1."""

Maps = NDArray[np.float32]
"""``(K, T, H, W)``: how strong each filter is at each place, never negative."""

_FIRST_PENALTY, _GROWTH, _LARGEST_PENALTY = 1.0, 1.01, 1e5
_CHECKED_EVERY, _CLOSE = 10, 1e-10
"""Steps after which it is looked whether the halves of the ADMM are close in the mean square."""

_FILTER_STEP, _LEAST = 0.01, 1e-5
"""Of the descent of the filters, and their least value."""

_TINY = float(np.finfo(np.float64).eps)


def first_filters(rain: Volume, sizes: Sequence[int]) -> Filters:
    """Return what is positive in the second and following principal components of patches.

    Which of the two signs of a component that is depends on the library that finds it; here it is
    LAPACK's ``gesvd`` in single precision, as in Octave.

    Args:
        rain: ``(T, H, W)``.
        sizes: Sides of the filters, odd, the largest first.
    """
    side = sizes[0]
    total, square, count = np.zeros(side**2), np.zeros((side**2, side**2)), 0
    for patches in _patches(rain[None].astype(np.float32), [side]):
        total += patches.sum(1, dtype=np.float64)
        square += patches @ patches.T
        count += patches.shape[1]
    scatter = square - np.outer(total, total) / count
    components = linalg.svd(scatter.astype(np.float32), lapack_driver="gesvd")[0]
    filters = np.maximum(components[:, 1 : len(sizes) + 1], 0).T.astype(np.float64)
    # The patches are read column by column.
    filters = filters.reshape(-1, side, side).transpose(0, 2, 1)
    return _normalised(filters * _supports(sizes))


def code(
    rain: Volume, filters: Filters, weights: Sequence[float], steps: int
) -> tuple[Maps, NDArray[np.float32]]:
    """Return the maps that make up a clip with the filters, and the layer of each filter.

    Args:
        rain: ``(T, H, W)``.
        filters: The filters.
        weights: What a map of each filter costs.
        steps: Of the ADMM, at most.
    """
    size = rain.shape[1:]
    spectra = _spectra(filters, size)[:, None]
    power = (np.abs(spectra) ** 2).sum(0)
    seen = np.conj(spectra) * fft.rfft2(rain.astype(np.float32))
    costs = np.asarray(weights, np.float32)[:, None, None, None]
    maps = np.zeros((len(filters), *rain.shape), np.float32)
    multiplier, penalty = np.zeros_like(maps), np.float32(_FIRST_PENALTY)
    solved = seen
    for step in range(1, steps):
        right = seen + penalty * fft.rfft2(maps - multiplier)
        shared = (spectra * right).sum(0) / (penalty + power)
        solved = (right - shared * np.conj(spectra)) / penalty
        free = fft.irfft2(solved, size)
        maps = np.maximum(free + multiplier - costs / penalty, 0)
        multiplier += free - maps
        if penalty < _LARGEST_PENALTY:
            penalty = np.float32(penalty * _GROWTH)
        if step % _CHECKED_EVERY == 0 and np.mean(np.square(free - maps)) <= _CLOSE:
            break
    layers: NDArray[np.float32] = fft.irfft2(solved * spectra, size)
    return maps, layers


def fitted_filters(
    rain: Volume, maps: Maps, filters: Filters, sizes: Sequence[int], steps: int
) -> Filters:
    """Return filters that make up a clip better with given maps: a few steps of steepest descent.

    Args:
        rain: ``(T, H, W)``.
        maps: The maps.
        filters: Those to begin with.
        sizes: Their sides.
        steps: How many.
    """
    margin = sizes[0] // 2
    inner = rain[:, margin:-margin, margin:-margin]
    length = sum(side**2 for side in sizes)
    gram, target = np.zeros((length, length)), np.zeros(length)
    for patches, picture in zip(_patches(maps, sizes), inner, strict=True):
        gram += patches @ patches.T
        target += patches @ picture.ravel().astype(np.float32)
    vector = np.concatenate([each.T.ravel() for each in _cut_out(filters, sizes)])
    ends = np.cumsum([side**2 for side in sizes])
    for _ in range(steps):
        slope = gram @ vector - target
        vector = np.maximum(vector - _FILTER_STEP * slope, _LEAST)
        parts = np.split(vector, ends[:-1])
        vector = np.concatenate([part / (np.linalg.norm(part) + _TINY) for part in parts])
        if np.linalg.norm(slope) < _LEAST:
            break
    fitted = np.zeros(filters.shape)
    for found, part, side in zip(fitted, np.split(vector, ends[:-1]), sizes, strict=True):
        start = margin - side // 2
        found[start : start + side, start : start + side] = part.reshape(side, side).T
    return fitted


def _patches(maps: Maps, sizes: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    """Yield for each frame all patches of all maps, a patch a column, read column by column."""
    margin = sizes[0] // 2
    height, width = (side - 2 * margin for side in maps.shape[2:])
    for frame in range(maps.shape[1]):
        rows = [
            maps[number, frame, top : top + height, left : left + width].ravel()
            for number, side in enumerate(sizes)
            for left in range(margin - side // 2, margin + side // 2 + 1)
            for top in range(margin - side // 2, margin + side // 2 + 1)
        ]
        yield np.stack(rows)


def _supports(sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Return where in the largest square each filter may be other than zero."""
    distance = np.abs(np.arange(sizes[0]) - sizes[0] // 2)
    far = np.maximum(distance[:, None], distance)
    return np.stack([far <= side // 2 for side in sizes])


def _cut_out(filters: Filters, sizes: Sequence[int]) -> Iterator[NDArray[np.float64]]:
    middle = sizes[0] // 2
    for each, side in zip(filters, sizes, strict=True):
        part = slice(middle - side // 2, middle + side // 2 + 1)
        yield each[part, part]


def _normalised(filters: Filters) -> Filters:
    norms = np.sqrt(np.square(filters).sum((1, 2), keepdims=True)) + _TINY
    normal: Filters = filters / norms
    return normal


def _spectra(filters: Filters, size: tuple[int, ...]) -> NDArray[np.complex64]:
    """Return the Fourier transforms by which a map's is multiplied to be correlated with them."""
    padded = np.zeros((len(filters), *size))
    side = filters.shape[1]
    padded[:, :side, :side] = filters[:, ::-1, ::-1]
    padded = np.roll(padded, (-(side // 2), -(side // 2)), (1, 2))
    return np.asarray(fft.rfft2(padded), np.complex64)
