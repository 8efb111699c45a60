"""What every entry has to keep, tried on small pictures: ours in the tests, anybody's by name.

Sizes, range, the same result twice, no memory of images before, no influence of the other images of
a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.registry import Entry
from rainbench.core.errors import RainbenchError, told
from rainbench.core.images import Image
from rainbench.run.options import RunOptions
from rainbench.run.own_output import OwnOutput, call_with_other_chance
from rainbench.run.predict import Predictor

SIZES = ((48, 64), (47, 61), (50, 37))
"""Heights and widths: a multiple of 16, odd ones, and an even one that 4 does not divide."""

SAME = 2e-4
"""Difference of two results in [0, 1] that another order of sums explains; half of an 8-bit level
is ten times as much."""

USUAL = (-0.5, 1.5)
"""Where restored values lie, nearly all, when the range is what was said."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one trial.

    Attributes:
        what: What was tried.
        state: Whether it is kept; ``note`` where it is not, which hinders no run.
        about: What was seen.
    """

    what: str
    state: Literal["good", "wrong", "note"]
    about: str


def examine(entry: Entry, weights: Path | None, options: RunOptions) -> list[Finding]:
    """Try out an entry.

    Args:
        entry: The network and its weights.
        weights: Where these lie.
        options: Where and how it computes.

    Returns:
        A finding for each trial; of a network that cannot be made, one alone.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> found = examine(load_registry().entries(["median"])[0], None, RunOptions())
        >>> {finding.state for finding in found}
        {'good'}
    """
    try:
        predict = Predictor(entry, weights, options)
    except RainbenchError as error:
        return [Finding("makes the network", "wrong", told(error))]
    made = f"{entry.parameters:,} parameters" if entry.parameters else "without parameters"
    return [Finding("makes the network", "good", made), *_trials(predict)]


def _trials(predict: Predictor) -> Iterator[Finding]:
    least = predict.entry.baseline.minimum_side
    pictures = [_picture(max(least, h), max(least, w), n) for n, (h, w) in enumerate(SIZES)]
    results: list[NDArray[np.float32] | None] = []
    for picture in pictures:
        what = f"restores {picture.shape[1]}x{picture.shape[0]}"
        try:
            results.append(predict(picture))
            yield Finding(what, "good", "an image of the same size, all values finite")
        except RainbenchError as error:
            results.append(None)
            yield Finding(what, "wrong", told(error))
    picture, first = pictures[0], results[0]
    if first is None:
        return
    yield _in_range(first)
    maker, restored = predict.entry.baseline.maker, [each for each in results if each is not None]
    if maker and "returns" not in maker.facts() and len(restored) == len(pictures):
        yield _as_meant(predict, pictures, restored)
    yield _tried(
        "gives the same twice", lambda: _apart(call_with_other_chance(predict, picture), first)
    )
    if predict.folders is None:
        yield _tried("forgets the image before", lambda: _after_another(predict, picture, first))
        yield _in_a_batch(predict, picture, first)


def _as_meant(
    predict: Predictor, pictures: Sequence[Image], results: Sequence[NDArray[np.float32]]
) -> Finding:
    """Return whether what comes back is the picture, and not the rain or another view of it."""
    what, own = "returns the restored picture", OwnOutput(predict, len(pictures))
    try:
        for number, (picture, restored) in enumerate(zip(pictures, results, strict=True)):
            height, width = picture.shape[:2]
            own.check_reading(picture, restored, _picture(height, width, number, streaks=0))
    except RainbenchError as error:
        return Finding(what, "wrong", told(error))
    return Finding(what, "good", "nothing fits better that a network may return")


def _after_another(predict: Predictor, picture: Image, first: NDArray[np.float32]) -> float:
    predict(_picture(picture.shape[0], picture.shape[1], 9))
    return _apart(predict(picture), first)


def _picture(height: int, width: int, number: int, streaks: float = 60.0) -> Image:
    """Return a picture with a smooth ground, an edge, and fine streaks of so many levels."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float64)
    ground = 90 + 60 * np.sin(across / (7 + number)) * np.cos(down / 11) + 40 * (across > width / 2)
    rain = streaks * ((across * 3 + down + 5 * number) % 17 < 1.5)
    colours = np.array([1.0, 0.9, 0.75 + 0.05 * number])
    coloured = (ground + rain)[..., None] * colours
    return np.asarray(coloured.clip(0, 255), np.uint8)


def _in_range(restored: NDArray[np.float32]) -> Finding:
    low, high = np.percentile(restored, [1, 99])
    about = f"values from {restored.min():.3g} to {restored.max():.3g} where white is 1"
    if USUAL[0] <= low and high <= USUAL[1]:
        return Finding("stays in the range", "good", about)
    return Finding("stays in the range", "wrong", f"{about}: is --value-range right?")


def _tried(what: str, apart: Callable[[], float]) -> Finding:
    try:
        found = apart()
    except RainbenchError as error:
        return Finding(what, "wrong", told(error))
    if found > SAME:
        return Finding(what, "wrong", f"results differ by {found:.2g} where white is 1")
    return Finding(what, "good", f"results differ by {found:.1g}" if found else "bit for bit")


def _in_a_batch(predict: Predictor, picture: Image, alone: NDArray[np.float32]) -> Finding:
    what = "keeps images of a batch apart"
    other = _picture(picture.shape[0], picture.shape[1], 5)
    try:
        both = predict.restore_batch(np.stack([picture, other]))
    except RainbenchError as error:
        return Finding(what, "note", f"takes one image at a time, as runs give them: {told(error)}")
    found = _apart(both[0], alone)
    if found > SAME:
        about = f"an image changes by {found:.2g} with the others of its batch"
        return Finding(what, "wrong", f"{about}: does it normalise over the batch?")
    return Finding(what, "good", f"results differ by {found:.1g}" if found else "bit for bit")


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max())
