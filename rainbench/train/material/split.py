"""Which images of a source are trained on: the usable ones, some held out, none of a test set."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.registry import Registry
from rainbench.core.errors import RainbenchError
from rainbench.core.text import count_of
from rainbench.pairs.copies import copies_of
from rainbench.pairs.layouts import match_layouts
from rainbench.pairs.leaks import LARGEST_DISTANCE, fingerprint
from rainbench.pairs.pictures import load_image
from rainbench.train.material.scenes import TrainingPairs, Window, shuffled
from rainbench.train.material.sources import LOOKED_AT

_LOG = logging.getLogger(__name__)

HELD_OUT = 8
"""Images that are never trained on."""

LEAST_IMAGES = 5
"""Fewer cannot be split into those to train on and one to validate on, a fifth."""

SHOWN_PROBLEMS = 10
"""Images left out that are named; of more it is said how many they are."""


class Split(NamedTuple):
    """The usable pairs of a source.

    Attributes:
        indices: Those to train on, none of them in a test set.
        held: Those to validate on.
        leak_check: Against which test sets they were checked, and what was found.
    """

    indices: tuple[int, ...]
    held: tuple[int, ...]
    leak_check: str


def split_source(
    source: TrainingPairs,
    registry: Registry,
    roots: Sequence[Path],
    patch: int,
    seed: int,
    layers: Collection[str] = (),
) -> Split:
    """Look at a source's images: hold some out, leave out the unusable and those of test sets.

    Every image that cannot be read or is smaller than a patch is named in the log.

    Args:
        source: The pairs.
        registry: Its test sets of which a copy is found are checked for shared images.
        roots: Folders that may hold test sets.
        patch: Side of the patches in pixels.
        seed: Chooses which are held out.
        layers: What a pair needs beside its pictures.

    Raises:
        RainbenchError: Fewer than `LEAST_IMAGES` can be used, or all of them are in test sets.
    """
    marks, problems = _look_at(source, patch, layers)
    usable = list(marks) if marks or problems else range(len(source))
    if len(usable) < LEAST_IMAGES:
        raise RainbenchError(
            "; ".join([f"{source.label}: too few to train on", *_first(problems)]),
            hint=f"At least {LEAST_IMAGES} images are needed, of {patch}x{patch} pixels or more; "
            "--patch N takes smaller patches.",
        )
    for problem in _first(problems):
        _LOG.warning("left out: %s", problem)
    indices, held = hold_out(usable, HELD_OUT, seed)
    leaks, leak_check = _shared_images(source, marks, registry, roots)
    _LOG.info("leak check against %s", leak_check)
    indices = tuple(index for index in indices if index not in leaks)
    if not indices:
        raise RainbenchError(f"{source.label}: every image is also in a test set")
    return Split(indices, held, leak_check)


def _look_at(
    source: TrainingPairs, patch: int, layers: Collection[str]
) -> tuple[dict[int, NDArray[np.bool_]], list[str]]:
    """Return the usable images' fingerprints by number, and what is wrong with the others.

    Both are empty where there are too many to look at.
    """
    marks: dict[int, NDArray[np.bool_]] = {}
    problems = []
    for index in range(len(source) if len(source) <= LOOKED_AT else 0):
        if lacking := source.lacking(index, layers):
            problems.append(f"{source.name(index)} has no {lacking.replace('_', ' ')}")
            continue
        try:
            image = source.clean(index)
            Window(patch).of(image, source.name(index))
        except RainbenchError as error:
            problems.append(error.message)
        else:
            marks[index] = fingerprint(image)
    return marks, problems


def _first(problems: Sequence[str]) -> list[str]:
    more = len(problems) - SHOWN_PROBLEMS
    return [*problems[:SHOWN_PROBLEMS], *([f"and {count_of(more, 'other')}"] if more > 0 else [])]


def _shared_images(
    source: TrainingPairs,
    marks: Mapping[int, NDArray[np.bool_]],
    registry: Registry,
    roots: Sequence[Path],
) -> tuple[set[int], str]:
    """Return which clean images of a source are also in a test set of which a copy is found.

    Pictures are compared by their fingerprint, see `rainbench.pairs.leaks`.

    Returns:
        Their numbers, and a sentence that says what was checked and found.
    """
    if not marks:
        return set(), "nothing, there are too many images: see `rainbench check --leaks`"
    ours, numbers = np.stack(list(marks.values())), list(marks)
    found: set[int] = set()
    checked: list[str] = []
    for card in registry.datasets.values():
        copies = copies_of(card, list(roots), only=False) if card.split == "test" else []
        for copy in copies:
            pairs = match_layouts(card, copy)[0].pairs
            cleans = {pair.clean: None for pair in pairs}
            for clean in cleans:
                try:
                    bits = fingerprint(load_image(clean))
                except RainbenchError:
                    continue
                near = np.flatnonzero(np.count_nonzero(ours != bits, axis=1) <= LARGEST_DISTANCE)
                found.update(numbers[int(place)] for place in near)
            if cleans:
                checked.append(f"{card.name} ({len(cleans)})")
                break
    names = ", ".join(source.name(index).rpartition("/")[2] for index in sorted(found)[:5])
    where = ", ".join(checked) or "no test set (no copy found)"
    shared = count_of(len(found), "shared image")
    what = f"{shared} left out: {names}" if found else "no image shared"
    return found, f"{where}: {what}"


def hold_out(
    numbers: Sequence[int], count: int, seed: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split the numbers of pairs into those to train on and those to validate on.

    Args:
        numbers: Of a source's usable pairs.
        count: How many to hold out; never more than a fifth of all.
        seed: Chooses which.

    Returns:
        Both in rising order.
    """
    count = min(count, len(numbers) // 5)
    order = [numbers[place] for place in shuffled(len(numbers), "hold out", seed)]
    return tuple(sorted(order[count:])), tuple(sorted(order[:count]))
