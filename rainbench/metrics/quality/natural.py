"""What natural pictures have in common: the statistics that NIQE and BRISQUE are made of.

A grey picture is normalised by the mean and deviation around each pixel; of a natural one, what is
left is nearly Gaussian, and products of neighbours follow an asymmetric generalised Gaussian. The
parameters of these distributions are the features (Mittal 2012 and 2013).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from rainbench.core.images import Image
from rainbench.metrics.colour import luma_plane
from rainbench.metrics.record import Colour

Floats = NDArray[np.float64]

Border = Literal["nearest", "zero"]
"""What surrounds a picture: its own edge, or black, as MATLAB's ``filter2`` has it."""

_BORDERS = {"nearest": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}

_WINDOW = cv2.getGaussianKernel(7, 7 / 6, cv2.CV_64F)
"""The window of the local mean, MATLAB's ``fspecial('gaussian', 7, 7/6)``, along one axis."""


def _cubic(distance: Floats) -> Floats:
    """Return Keys' cubic kernel with a = -1/2, which MATLAB resizes with."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


_HALVING = _cubic((np.arange(8) - 3.5) / 2) / 2
"""Weights of the eight samples that make one of a picture of half the size."""

FLAT = 1e-9
"""Normalised contrast below which there is none: grey levels are whole numbers."""

SHAPES = np.arange(200, 10001) / 1000
"""The shape parameters that a distribution is looked for among."""


@functools.cache
def _moment_ratios() -> Floats:
    """Return E|x|^2 / E x^2 of generalised Gaussians, which grows with their `SHAPES`."""
    ratios: Floats = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))
    return ratios


def grey(image: Image, colour: Colour) -> Floats:
    """Return one luma of a picture in whole grey levels, ``(H, W)``.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        colour: A luma of `rainbench.metrics.colour`; rounded to the next level, ties to even.
    """
    plane, unit = luma_plane(image, colour)
    return np.rint(plane / unit)


def normalise(plane: Floats, border: Border) -> Floats:
    """Return a picture less its local mean, over its local deviation and one grey level.

    Args:
        plane: ``(H, W)`` grey levels.
        border: What surrounds it.
    """
    mean = _blur(plane, border)
    normalised: Floats = (plane - mean) / (_deviation(plane, mean, border) + 1)
    # Where nothing differs, the sign of what the sums leave would be counted.
    normalised[np.abs(normalised) < FLAT] = 0
    return normalised


def local_deviation(plane: Floats, border: Border) -> Floats:
    """Return the deviation of the grey levels around each pixel, ``(H, W)``."""
    return _deviation(plane, _blur(plane, border), border)


def _deviation(plane: Floats, mean: Floats, border: Border) -> Floats:
    deviation: Floats = np.sqrt(np.abs(_blur(plane * plane, border) - mean * mean))
    return deviation


def _blur(plane: Floats, border: Border) -> Floats:
    return np.asarray(
        cv2.sepFilter2D(plane, cv2.CV_64F, _WINDOW, _WINDOW, borderType=_BORDERS[border]),
        np.float64,
    )


def halve(plane: Floats) -> Floats:
    """Make a picture half as large, as MATLAB's ``imresize(plane, 0.5)`` does.

    Bicubic with antialiasing; odd sides are rounded up.

    Example:
        >>> halve(np.full((5, 6), 7.0)).round(9).tolist()
        [[7.0, 7.0, 7.0], [7.0, 7.0, 7.0], [7.0, 7.0, 7.0]]
    """
    filtered = cv2.sepFilter2D(
        plane, cv2.CV_64F, _HALVING, _HALVING, anchor=(3, 3), borderType=cv2.BORDER_REFLECT
    )
    return np.asarray(filtered[::2, ::2], np.float64)


class Shape(NamedTuple):
    """Asymmetric generalised Gaussians, one for each block.

    Attributes:
        shape: 2 for a Gaussian, less for heavier tails.
        left: Deviation of the negative values; NaN where there is none.
        right: That of the positive values.
    """

    shape: Floats
    left: Floats
    right: Floats

    @property
    def mean(self) -> Floats:
        """The mean of the distributions whose scales are `scales`."""
        left, right = self.scales
        mean: Floats = (right - left) * gamma(2 / self.shape) / gamma(1 / self.shape)
        return mean

    @property
    def scales(self) -> tuple[Floats, Floats]:
        """The scale parameters to the left and to the right."""
        factor = np.sqrt(gamma(1 / self.shape) / gamma(3 / self.shape))
        return self.left * factor, self.right * factor


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What distributions are fitted to, for each block ``(N,)``.

    Attributes:
        ratio: E|x|^2 / E x^2.
        variance: E x^2.
        left: Deviation of the negative values; NaN where there is none.
        right: That of the positive values.
    """

    ratio: Floats
    variance: Floats
    left: Floats
    right: Floats


def measure(blocks: Floats, neighbour: tuple[int, int] = (0, 0)) -> Moments:
    """Return the moments of each block, or of its pixels' products with a neighbour.

    Args:
        blocks: ``(N, H, W)``; each goes on at its opposite edge.
        neighbour: Where it is: rows above and columns to the left.
    """
    from rainbench.metrics.quality.natural_kernels import product_moments

    sums = product_moments(np.ascontiguousarray(blocks), *neighbour)
    magnitudes, squares, left, right, negative, positive = sums.T
    pixels = blocks.shape[1] * blocks.shape[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Moments(
            (magnitudes / pixels) ** 2 / (squares / pixels),
            squares / pixels,
            np.sqrt(left / negative),
            np.sqrt(right / positive),
        )


def fit_shape(moments: Moments) -> Shape:
    """Fit an asymmetric generalised Gaussian to each block.

    Where a block has values of one sign only, its deviations are NaN and its shape is the least.
    """
    skew = moments.left / moments.right
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = moments.ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    return Shape(SHAPES[_nearest(_moment_ratios(), ratio)], moments.left, moments.right)


def fit_symmetric(moments: Moments) -> Floats:
    """Return the shape of the generalised Gaussian of mean 0 that is nearest to each block."""
    growing = 1 / _moment_ratios()[::-1]
    index = _nearest(growing, 1 / moments.ratio)
    return SHAPES[len(SHAPES) - 1 - index]


def _nearest(table: Floats, values: Floats) -> NDArray[np.intp]:
    """Return the place of the nearest number of a growing table; the first for NaN."""
    after = np.clip(np.searchsorted(table, values), 1, len(table) - 1)
    before = after - 1
    nearest = np.where(values - table[before] <= table[after] - values, before, after)
    return np.where(np.isnan(values), 0, nearest)
