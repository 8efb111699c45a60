"""Patches: the n-th one of a training is the same whoever makes it, whenever, in any process."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from rainbench.core.errors import RainbenchError
from rainbench.core.pool import interrupts_put_off
from rainbench.core.random import philox, uniform
from rainbench.train.material.scenes import TrainingPairs, Window, shuffled

_LOG = logging.getLogger(__name__)

TRIES = 20
"""How many images in a row may be unusable before a training gives up."""


class Patch(NamedTuple):
    """One patch; all images ``(C, side, side)`` uint8.

    Attributes:
        rainy: RGB.
        clean: RGB.
        layers: The gray pictures that the losses need, of one channel.
        notes: What was wrong with images that were left out on the way, a sentence each.
    """

    rainy: Tensor
    clean: Tensor
    layers: Mapping[str, Tensor]
    notes: tuple[str, ...]


class Batch(NamedTuple):
    """Patches stacked, ``(N, C, side, side)`` uint8; see `Patch`."""

    rainy: Tensor
    clean: Tensor
    layers: dict[str, Tensor]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatchSet(Dataset[Patch]):
    """The endless list of a training's patches, by number.

    Every image is used once before any is used again, in a new random order each time.

    Attributes:
        source: The pairs.
        indices: Those of them to train on.
        side: Side of a patch in pixels.
        flip: Mirror at random, left to right.
        rotate: Turn at random by multiples of 90 degrees.
        seed: Of every random choice.
        layers: The gray pictures that are wanted beside each pair.
        scale: Least and largest factor by which a patch is enlarged at random.
        places: The image, row and column of every patch, see `strided`; without any a patch of each
            image lies anywhere. Where patches are mirrored each is taken both ways.
    """

    source: TrainingPairs
    indices: tuple[int, ...]
    side: int
    flip: bool
    rotate: bool
    seed: int
    layers: tuple[str, ...] = ()
    scale: tuple[float, float] = (1.0, 1.0)
    places: tuple[tuple[int, int, int], ...] = ()

    def __getitem__(self, number: int) -> Patch:
        """Return a patch.

        Raises:
            RainbenchError: `TRIES` images in a row cannot be used.
        """
        notes: list[str] = []
        for attempt in range(TRIES):
            try:
                return self._patch(self._unit(number + attempt), number, tuple(notes))
            except RainbenchError as error:
                notes.append(error.message)
        raise RainbenchError(
            f"{len(notes)} images in a row cannot be used; the last one: {notes[-1]}",
            hint="Check what --data or --clean names.",
        )

    def _unit(self, number: int) -> _Unit:
        """Return what the n-th patch is a patch of: each is taken once before any again."""
        ways = 2 if self.flip and self.places else 1
        count = ways * (len(self.places) or len(self.indices))
        turn, place = divmod(number, count)
        chosen = _order(count, self.seed, turn)[place]
        if not self.places:
            return _Unit(self.indices[chosen])
        index, top, left = self.places[chosen // ways]
        return _Unit(index, (top, left), bool(chosen % ways))

    def _patch(self, unit: _Unit, number: int, notes: tuple[str, ...]) -> Patch:
        generator = philox("patch", self.seed, number)
        down, right = uniform(generator, 0, 1), uniform(generator, 0, 1)
        zoom = uniform(generator, *self.scale) if self.scale != (1.0, 1.0) else 1.0
        window = Window(self.side, down, right, zoom=zoom, at=unit.at)
        key = ("patch", self.seed, number)
        scene = self.source.scene(unit.image, window, *key, layers=self.layers)
        turns = int(uniform(generator, 0, 4)) if self.rotate else 0
        mirrored = self.flip and uniform(generator, 0, 1) < 0.5
        turned = functools.partial(
            _turned, side=self.side, turns=turns, mirrored=unit.mirrored if unit.at else mirrored
        )
        layers = {kind: turned(layer) for kind, layer in scene.layers.items()}
        return Patch(turned(scene.rainy), turned(scene.clean), layers, notes)


class _Unit(NamedTuple):
    """An image, where a patch of it lies if that is not drawn, and whether it is mirrored then."""

    image: int
    at: tuple[int, int] | None = None
    mirrored: bool = False


def strided(
    source: TrainingPairs, indices: Sequence[int], side: int, stride: int
) -> tuple[tuple[int, int, int], ...]:
    """Return image, row and column of all patches that lie a stride apart.

    Images whose size cannot be told, or that are smaller than a patch, have none.

    Args:
        source: The pairs.
        indices: Those of them to train on.
        side: Side of a patch in pixels.
        stride: Pixels from one patch to the next, down and to the right.

    Raises:
        RainbenchError: There is no patch at all.
    """
    places: list[tuple[int, int, int]] = []
    for index in indices:
        try:
            height, width = source.size(index)
        except RainbenchError as error:
            _LOG.warning("left out: %s", error.message)
            continue
        rows, columns = (range(0, length - side + 1, stride) for length in (height, width))
        places += [(index, top, left) for top in rows for left in columns]
    if not places:
        raise RainbenchError(f"{source.label}: no image has a patch of {side}x{side}")
    return tuple(places)


def _turned(image: NDArray[np.uint8], *, side: int, turns: int, mirrored: bool) -> Tensor:
    """Return ``(H, W)`` or ``(H, W, C)`` as ``(C, side, side)``, resized, turned and mirrored."""
    if image.shape[0] != side:
        shrinks = image.shape[0] > side
        rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = cv2.resize(image, (side, side), interpolation=rule).astype(np.uint8, copy=False)
    image = np.rot90(image if image.ndim == 3 else image[..., None], turns)
    image = image[:, ::-1] if mirrored else image
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


@functools.lru_cache(maxsize=4)
def _order(count: int, seed: int, turn: int) -> Sequence[int]:
    return shuffled(count, "order", seed, turn)


class _Numbers(Sampler[int]):
    """The numbers of the patches that one of several processes trains on, from a step onwards."""

    def __init__(self, first_step: int, batch: int, rank: int, processes: int) -> None:
        self.first_step, self.batch = first_step, batch
        self.rank, self.processes = rank, processes

    def __iter__(self) -> Iterator[int]:
        share = self.batch // self.processes
        for step in itertools.count(self.first_step):
            start = step * self.batch + self.rank * share
            yield from range(start, start + share)


def load_batches(
    patches: PatchSet,
    *,
    batch: int,
    first_step: int = 0,
    workers: int = 0,
    rank: int = 0,
    processes: int = 1,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Yield the batches of a training from a step onwards, for ever.

    Args:
        patches: The list of patches.
        batch: Patches per step, over all processes; a multiple of their number.
        first_step: Where to start.
        workers: Processes that prepare batches ahead; 0 prepares each when it is asked for.
        rank: Which of the training processes this is.
        processes: How many there are.
        pinned: Put batches into memory that a GPU copies faster from.
    """
    if workers and not _can_share():
        _LOG.warning("memory cannot be shared here (/dev/shm): one process prepares the batches")
        workers = 0
    loader = DataLoader(
        patches,
        batch_size=batch // processes,
        sampler=_Numbers(first_step, batch, rank, processes),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pinned,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
        # A fork of a process whose libraries run threads may wait for ever for one of their locks.
        multiprocessing_context="spawn" if workers else None,
    )
    with interrupts_put_off():  # one that comes before `_one_thread` would kill a worker
        return iter(loader)


def _can_share() -> bool:
    """Return whether batches can be handed from process to process, as containers may forbid."""
    try:
        torch.empty(1).share_memory_()  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError):
        return False
    return True


def _collate(patches: list[Patch]) -> Batch:
    rainy, clean, layers, notes = zip(*patches, strict=True)
    return Batch(
        torch.stack(rainy),
        torch.stack(clean),
        {kind: torch.stack([each[kind] for each in layers]) for kind in layers[0]},
        tuple(itertools.chain.from_iterable(notes)),
    )


def _one_thread(_worker: int) -> None:
    """Keep a worker to one core, whichever library it calls; its parent handles the signals."""
    import signal

    import cv2
    import numba

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
