"""NIQE: how far the statistics of a picture are from those of undistorted photographs.

Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", IEEE Signal
Processing Letters 2013. What is undistorted is a model of photographs: a mean and a covariance of
36 features. The authors' model comes with BasicSR; one of ours comes with this package.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.metrics.quality.natural import (
    Floats,
    fit_shape,
    grey,
    halve,
    local_deviation,
    measure,
    normalise,
)

BLOCK = 96
"""Pixels along a side of the blocks that the models are made of."""

FEATURES = 36

SHARP = 0.75
"""Share of its sharpest block's sharpness that a block of a photograph must have, to be learnt."""

OUR_MODEL = "photographs.json"

LEAST_BLOCKS = 2
"""Blocks without which there is no covariance."""

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True, slots=True, eq=False)
class NaturalModel:
    """What undistorted photographs look like.

    Attributes:
        mean: ``(36,)`` of the features.
        covariance: ``(36, 36)``.
    """

    mean: Floats
    covariance: Floats


def niqe_features(image: Image) -> Floats:
    """Return the 36 features of each block of 96x96 pixels; what does not fill one is left out.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.

    Returns:
        ``(blocks, 36)``; NaN where a block has no contrast.
    """
    plane = _cut(image)
    return np.concatenate(
        [_scale(plane, BLOCK), _scale(halve(plane), BLOCK // 2)],
        axis=1,
    )


def _cut(image: Image) -> Floats:
    """Return the grey picture of whole blocks: what surrounds it there is its own edge."""
    rows, columns = (side // BLOCK * BLOCK for side in image.shape[:2])
    return grey(image[:rows, :columns], "y601-even")


def _scale(plane: Floats, side: int) -> Floats:
    """Return the 18 features of each block of one scale."""
    blocks = cut_blocks(normalise(plane, "nearest"), side)
    whole = fit_shape(measure(blocks))
    left, right = whole.scales
    columns = [whole.shape, (left + right) / 2]
    for neighbour in _NEIGHBOURS:
        shape = fit_shape(measure(blocks, neighbour))
        columns += [shape.shape, shape.mean, *shape.scales]
    return np.stack(columns, axis=1)


def cut_blocks(plane: Floats, side: int) -> Floats:
    """Cut ``(H, W)`` into ``(N, side, side)``."""
    rows, columns = (length // side for length in plane.shape)
    cut = plane.reshape(rows, side, columns, side).swapaxes(1, 2)
    return cut.reshape(-1, side, side)


def niqe(image: Image, model: NaturalModel) -> float:
    """Return how unnatural a picture is; 0 at the least, undistorted photographs have 2 to 5.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        model: What is natural.

    Raises:
        RainbenchError: The picture is too small, or has no contrast.
    """
    height, width = image.shape[:2]
    if (height // BLOCK) * (width // BLOCK) < LEAST_BLOCKS:
        raise RainbenchError(
            f"NIQE looks at blocks of {BLOCK}x{BLOCK} pixels and needs {LEAST_BLOCKS} of them; the "
            f"picture is {width}x{height}"
        )
    features = niqe_features(image)
    complete = features[~np.isnan(features).any(axis=1)]
    if len(complete) < LEAST_BLOCKS:
        raise RainbenchError(
            f"only {len(complete)} of the {len(features)} blocks of the picture have any contrast"
        )
    # As MATLAB's nanmean and nancov do: a block without contrast counts where it has a number.
    distance = model.mean - np.nanmean(features, axis=0)
    spread = (model.covariance + np.cov(complete, rowvar=False)) / 2
    return float(np.sqrt(distance @ np.linalg.pinv(spread) @ distance))


def fit_natural_model(images: Iterable[Image]) -> NaturalModel:
    """Fit a model of what is natural to undistorted photographs, by their sharper blocks.

    Args:
        images: ``(H, W, 3)`` uint8, RGB.
    """
    found = []
    for image in images:
        sharpness = cut_blocks(local_deviation(_cut(image), "nearest"), BLOCK).mean((1, 2))
        found.append(niqe_features(image)[sharpness > SHARP * sharpness.max()])
    features = np.concatenate(found)
    features = features[~np.isnan(features).any(axis=1)]
    return NaturalModel(features.mean(axis=0), np.cov(features, rowvar=False))


def read_published_model(file: Path) -> NaturalModel:
    """Read the authors' model from BasicSR's ``niqe_pris_params.npz``.

    Raises:
        RainbenchError: It is not such a file.
    """
    try:
        with np.load(file, allow_pickle=False) as content:
            mean = content["mu_pris_param"].reshape(FEATURES).astype(np.float64)
            spread = content["cov_pris_param"].reshape(FEATURES, FEATURES).astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise RainbenchError(f"{file}: is not a model of NIQE") from None
    return NaturalModel(mean, spread)


@functools.cache
def our_model() -> NaturalModel:
    """Return our own model of undistorted photographs, which says what it was fitted to."""
    text = resources.files(__package__).joinpath(OUR_MODEL).read_text(encoding="utf-8")
    content = json.loads(text)
    spread = np.zeros((FEATURES, FEATURES))
    rows, columns = np.triu_indices(FEATURES)
    spread[rows, columns] = spread[columns, rows] = content["covariance"]
    return NaturalModel(np.array(content["mean"]), spread)
