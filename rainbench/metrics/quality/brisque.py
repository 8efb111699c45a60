"""BRISQUE: 36 statistics of a natural picture, and the regression that makes a score of them.

Mittal, Moorthy and Bovik, "No-reference image quality assessment in the spatial domain", IEEE
Transactions on Image Processing 2012. The regression is a support vector machine that the authors
trained on the opinions of the LIVE database; it is theirs and does not come with this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.metrics.quality.natural import (
    Floats,
    fit_shape,
    fit_symmetric,
    grey,
    halve,
    measure,
    normalise,
)

FEATURES = 36

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))

_LOWEST = (
    *(0.338, 0.017204, 0.236, -0.123884, 0.000155, 0.001122, 0.244, -0.123586, 0.000152),
    *(0.000975, 0.249, -0.135687, 0.000174, 0.000913, 0.258, -0.143408, 0.000179, 0.000888),
    *(0.471, 0.012809, 0.218, -0.094876, 1.5e-05, 0.001272, 0.222, -0.115772, 1.6e-05),
    *(0.001374, 0.227, -0.117188, 3e-05, 0.001122, 0.228, -0.12243, 2.8e-05, 0.001118),
)
_HIGHEST = (
    *(10, 0.806612, 1.642, 0.20293, 0.712298, 0.470257, 1.641, 0.179083, 0.710456),
    *(0.470984, 1.555, 0.100858, 0.684173, 0.534174, 1.561, 0.100486, 0.685696, 0.536508),
    *(3.264, 0.703171, 1.046, 0.187459, 0.442057, 0.40803, 1.042, 0.162604, 0.444362),
    *(0.40243, 0.996, 0.098323, 0.531903, 0.369589, 0.99, 0.098658, 0.530092, 0.370399),
)
"""Of each feature over the authors' training pictures: -1 and 1 to their regression."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A support vector regression with a radial kernel.

    Attributes:
        vectors: ``(N, 36)`` scaled features.
        weights: ``(N,)`` of them.
        gamma: Of the kernel ``exp(-gamma d^2)``.
        offset: Taken off the sum.
    """

    vectors: Floats
    weights: Floats
    gamma: float
    offset: float

    def __call__(self, features: Floats) -> float:
        """Return the score of 36 features."""
        lowest, highest = np.array(_LOWEST), np.array(_HIGHEST)
        scaled = 2 * (features - lowest) / (highest - lowest) - 1
        distances = ((self.vectors - scaled) ** 2).sum(axis=1)
        return float(self.weights @ np.exp(-self.gamma * distances) - self.offset)


def read_regression(file: Path) -> Regression:
    """Read the authors' ``allmodel``, a text of LIBSVM.

    Raises:
        RainbenchError: It is not such a file.
    """
    try:
        head, _, body = file.read_text(encoding="ascii").partition("SV\n")
        facts = dict(line.split(maxsplit=1) for line in head.splitlines())
        rows = [line.split() for line in body.splitlines()]
        weights = np.array([float(row[0]) for row in rows])
        vectors = np.zeros((len(rows), FEATURES))
        for vector, row in zip(vectors, rows, strict=True):
            for part in row[1:]:  # zeros are left out of the file
                index, value = part.split(":")
                vector[int(index) - 1] = float(value)
        if facts["svm_type"] != "epsilon_svr" or facts["kernel_type"] != "rbf" or not rows:
            raise ValueError
        return Regression(vectors, weights, float(facts["gamma"]), float(facts["rho"]))
    except (OSError, ValueError, KeyError, IndexError):
        raise RainbenchError(f"{file}: is not a regression written by LIBSVM") from None


def brisque_features(image: Image) -> Floats:
    """Return the 36 features of a picture.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.

    Returns:
        ``(36,)``; NaN where the picture has no contrast.
    """
    plane = grey(image, "yiq")
    return np.concatenate([_scale(plane), _scale(halve(plane))])


def _scale(plane: Floats) -> Floats:
    normalised = normalise(plane, "zero")[None]
    whole = measure(normalised)
    columns = [fit_symmetric(whole), whole.variance]
    for neighbour in _NEIGHBOURS:
        shape = fit_shape(measure(normalised, neighbour))
        left, right = shape.left, shape.right
        columns += [shape.shape, shape.mean, left * left, right * right]
    return np.concatenate(columns)


def brisque(image: Image, regression: Regression) -> float:
    """Return how distorted a picture looks: about 0 for none, 100 for very much.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        regression: From features to the score.

    Raises:
        RainbenchError: The picture has no contrast.
    """
    features = brisque_features(image)
    if np.isnan(features).any():
        raise RainbenchError("the picture has no contrast")
    return regression(features)
