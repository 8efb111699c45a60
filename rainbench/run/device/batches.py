"""Images of one size that go through a network together, where that gives what single ones give.

Which images go together depends on the data set alone: full batches of one size, in the order of
the images; what is left over goes singly. So a run that is continued computes the same batches.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_image
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell, images_of, key_parts
from rainbench.run.predict import Predictor
from rainbench.run.results import CellResult
from rainbench.run.scores import Scores, is_complete

Item = TypeVar("Item")

CLOSE = 1e-6
"""How far a result of a batch may lie from that of the image alone, where white is 1."""

LEAST_BATCHES = 2
"""Full batches that a size must have: the first of each size is also restored image by image."""

Group = list[tuple[Pair, PairInfo]]
"""Images that go through a network together."""

_LOG = logging.getLogger(__name__)


def grouped(
    images: Sequence[tuple[Pair, PairInfo]], wanted: Collection[str], options: RunOptions
) -> list[Group]:
    """Return images in groups of one size, the group of the first image first.

    Args:
        images: All images of a cell, in order.
        wanted: The ids of those to restore; groups without any are left out, others are whole.
        options: Of the entry.
    """
    by_size: dict[tuple[int, int], Group] = {}
    for pair, info in images:
        by_size.setdefault((info.height, info.width), []).append((pair, info))
    places = {pair.id: place for place, (pair, _) in enumerate(images)}
    groups: list[Group] = []
    for size, members in by_size.items():
        length = options.batch
        tiled = 0 < options.tile < max(size)
        whole = len(members) // length * length
        if tiled or whole < LEAST_BATCHES * length:
            length, whole = 1, len(members)
        groups += [members[at : at + length] for at in range(0, whole, length)]
        groups += [[each] for each in members[whole:]]
    groups = [group for group in groups if any(pair.id in wanted for pair, _ in group)]
    return sorted(groups, key=lambda group: places[group[0][0].id])


def in_order(
    found: Iterable[tuple[str, Scores, float]], order: Sequence[str]
) -> Iterator[tuple[str, Scores, float]]:
    """Yield what was found of images in their order, each as soon as it can be.

    Example:
        >>> list(in_order([("b", {}, 0.1), ("a", {}, 0.2)], ["a", "b"]))
        [('a', {}, 0.2), ('b', {}, 0.1)]
    """
    waiting: dict[str, tuple[str, Scores, float]] = {}
    rest = iter(order)
    due = next(rest, "")
    for each in found:
        waiting[each[0]] = each
        while due in waiting:
            yield waiting.pop(due)
            due = next(rest, "")


def held_back(
    launched: Iterator[Item], most: int, ready: Callable[[Item], bool] = lambda _: False
) -> Iterator[Item]:
    """Yield work under way in its order: the first as soon as it is ready, or too many wait.

    Args:
        launched: What begins a piece of work at each step.
        most: Pieces that may be under way beside the one that is begun.
        ready: Whether a piece is done.

    Raises:
        Exception: What ``launched`` raises, after all that was begun before, which is good.

    Example:
        >>> list(held_back(iter("abc"), 1))
        ['a', 'b', 'c']
    """
    waiting: deque[Item] = deque()
    while True:
        try:
            item = next(launched)
        except StopIteration:
            break
        except Exception:
            yield from waiting
            raise
        waiting.append(item)
        while waiting and (len(waiting) > most or ready(waiting[0])):
            yield waiting.popleft()
    yield from waiting


def settled(cell: PlannedCell, options: RunOptions, result: CellResult) -> RunOptions:
    """Return options with the batches that a cell's network may have.

    The first batch of each size is restored together and singly. Where all are the same to the
    last bit, the key does not tell of batches; where they are `CLOSE`, it does; otherwise there
    are none, and a warning says so.

    Args:
        cell: The cell.
        options: Of the entry.
        result: What there is of it: a finished cell of either kind is taken as it is.
    """
    if options.batch == 1 or options.exact is not None:
        return options
    if cell.entry.is_video or not cell.entry.baseline.tileable:  # they go singly
        return options
    images = images_of(cell)
    kinds = replace(options, exact=True), replace(options, exact=False)
    for kind in kinds:
        if result.fits(key_parts(cell, kind), images, is_complete(cell.pairs, len(images))):
            return kind
    try:
        apart = _apart(cell, options)
    except RainbenchError as error:  # it comes again with the image that it comes from
        _LOG.debug("%s: no batches: %s", cell.name, error.message)
        return replace(options, batch=1)
    if apart <= CLOSE:
        return kinds[apart > 0]
    _LOG.warning(
        "%s restores an image in a batch otherwise than alone (by %.2g where white is 1): "
        "its images go singly",
        cell.entry.name,
        apart,
    )
    return replace(options, batch=1)


def _apart(cell: PlannedCell, options: RunOptions) -> float:
    """Return how far the first batches of all sizes lie from their images' own results."""
    every = [pair.id for pair, _ in cell.images]
    first: dict[tuple[int, int], Group] = {}
    for group in grouped(cell.images, every, options):
        if len(group) > 1:
            first.setdefault((group[0][1].height, group[0][1].width), group)
    if not first:
        return 0.0
    predictor = Predictor(cell.entry, cell.weights, options)
    furthest = 0.0
    for group in first.values():
        rainy = [load_image(pair.rainy, info.rainy_sha256) for pair, info in group]
        together = predictor.restore_batch(np.stack(rainy))
        alone = [predictor(each) for each in rainy]
        furthest = max(
            furthest,
            *(float(np.abs(one - other).max()) for one, other in zip(together, alone, strict=True)),
        )
    return furthest
