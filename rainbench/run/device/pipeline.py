"""From pairs to scores on a device that does not wait.

A pair goes up once, while the network is at work on the ones before. It is restored and scored
there, and one row of numbers an image comes down, some images later: until then nobody looks. A
restored image comes down only where somebody asks for it, a metric beside the protocols or
whoever watches over a network without a card.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.machine import device_kind, usable_cores
from rainbench.core.watch import Watch
from rainbench.metrics.prediction import check_range, is_odd_range
from rainbench.metrics.torch_backend import Unread, measure
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_pair
from rainbench.run.clips.predict import ClipPredictor
from rainbench.run.device.batches import Group, held_back
from rainbench.run.device.graphs import Graphed, captured, cuda_clock
from rainbench.run.device.transfers import CudaTransfers, Transfers
from rainbench.run.metrics.measure import Measures
from rainbench.run.own_output import OwnOutput, is_ours
from rainbench.run.predict import Predictor
from rainbench.run.scores import Scores

IN_FLIGHT = 3
"""Groups that the device may have before it with nobody waiting for their scores: one at work, one
behind it, one whose scores come down."""

MOST_READERS = 8
"""Threads that decode: a PNG of 480x320 takes some 8 ms of a core, as long as a fast network."""


@dataclass(frozen=True, slots=True)
class _Uploaded:
    """A pair on its way up."""

    pair: Pair
    rainy: Image
    clean: Image
    tensors: tuple[Callable[[], Tensor], Callable[[], Tensor]]


@dataclass(frozen=True, slots=True)
class _Flight:
    """A group that the device is at work on."""

    members: Sequence[_Uploaded]
    restored: Tensor
    unread: Sequence[Unread]
    rows: Callable[[], NDArray[np.float64]]
    images: Callable[[], NDArray[np.float32]] | None
    marks: tuple[object, object]


class Pipeline:
    """Restores and scores the images of one cell on a device.

    Args:
        predictor: The entry, built; no program that works on folders.
        transfers: The device's.
        protocols: Names of the protocols.
        columns: Measures each image, too.
        watch: Is told of the image that is being worked on.
    """

    def __init__(
        self,
        predictor: Predictor,
        transfers: Transfers,
        protocols: Sequence[str],
        columns: Measures | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._predictor = predictor
        self._transfers = transfers
        self._protocols = protocols
        self._columns = columns
        self._watch = watch
        self._own: OwnOutput | None = None
        self._unseen = 0.0

    def scores(self, groups: Sequence[Group]) -> Iterator[tuple[str, Scores, float]]:
        """Yield each image's id, its scores and the seconds its restoring took.

        Raises:
            RainbenchError: An image cannot be read or restored; those before it were yielded.
        """
        if not is_ours(self._predictor.entry):
            self._own = OwnOutput(self._predictor, sum(map(len, groups)))
            self._unseen = self._own.wanted
        for flight in held_back(self._launched(groups), IN_FLIGHT - 1):
            yield from self._landed(flight)

    def _launched(self, groups: Sequence[Group]) -> Iterator[_Flight]:
        """Read ahead and give the device one group after the other."""
        readers = max(2, min(MOST_READERS, usable_cores()))
        ahead: deque[list[Future[_Uploaded]]] = deque()
        with ThreadPoolExecutor(readers) as pool:
            try:
                for group in groups:
                    ahead.append([pool.submit(self._read, *each) for each in group])
                    if sum(map(len, ahead)) > 2 * readers:
                        yield self._launch([job.result() for job in ahead.popleft()])
                while ahead:
                    yield self._launch([job.result() for job in ahead.popleft()])
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, pair: Pair, info: PairInfo) -> _Uploaded:
        rainy, clean = load_pair(absolute(pair), info)
        return _Uploaded(
            pair, rainy, clean, (self._transfers.upload(rainy), self._transfers.upload(clean))
        )

    def _launch(self, members: Sequence[_Uploaded]) -> _Flight:
        first = members[0]
        if self._watch:
            self._watch.now(f"at {first.pair.rainy.path}")
        with torch.inference_mode():
            rainy, clean = (
                torch.stack([each.tensors[which]() for each in members]) for which in (0, 1)
            )
            began = self._transfers.mark()
            with naming(first.pair):
                restored = self._restore(members, rainy)
            ended = self._transfers.mark()
            with naming(first.pair):
                clean = clean.permute(0, 3, 1, 2).contiguous()
                unread = [
                    measure(one.contiguous(), other, self._protocols)
                    for one, other in zip(restored, clean, strict=True)
                ]
            rows = self._transfers.download(torch.stack([each.values for each in unread]))
            images = None
            if self._unseen > 0 or self._columns:
                images = self._transfers.download(restored.permute(0, 2, 3, 1).contiguous())
        self._unseen -= len(members)
        return _Flight(members, restored, unread, rows, images, (began, ended))

    def _restore(self, members: Sequence[_Uploaded], rainy: Tensor) -> Tensor:
        """Return the restored images, ``(N, 3, H, W)`` float32."""
        for each in members:
            self._predictor.check(each.rainy)
        if len(members) > 1 or not self._predictor.in_tiles(*members[0].rainy.shape[:2]):
            return self._predictor.restore_on_device(rainy)
        whole = self._transfers.upload(self._predictor(members[0].rainy))()  # tiles meet here
        return whole.permute(2, 0, 1)[None]

    def _landed(self, flight: _Flight) -> Iterator[tuple[str, Scores, float]]:
        """Wait for the numbers of a group, look at them, and yield them."""
        rows = flight.rows()
        images = flight.images() if flight.images else None
        seconds = self._transfers.seconds(*flight.marks) / len(flight.members)
        for place, (each, unread) in enumerate(zip(flight.members, flight.unread, strict=True)):
            row = rows[place]
            with naming(each.pair):
                if not math.isfinite(row[0] + row[1]):
                    raise self._predictor.not_finite()
                if images is not None and self._own:
                    self._own.check(each.rainy, images[place], each.clean)
                if is_odd_range(row[0], row[1]):
                    restored = flight.restored[place].permute(1, 2, 0).contiguous()
                    check_range(restored.cpu().numpy(), each.clean)
            if images is not None and self._columns:
                self._columns.measure(each.pair.id, images[place], each.clean)
            yield each.pair.id, unread.scores(row), seconds


def accelerated(predictor: Predictor | ClipPredictor) -> Transfers | None:
    """Make a network on CUDA ready for the pipeline.

    Returns:
        How to copy to and from its device; None where images are restored and scored one by one
        on the host's side: on a CPU, and by programs that work on folders.
    """
    options = predictor.options
    if not isinstance(predictor, Predictor) or predictor.folders:
        return None
    if device_kind(options.device) != "cuda":
        return None
    # Autocast keeps weights that it has cast for one call only: a graph would use them later.
    keeps_weights = options.precision in ("fp32", "tf32")
    if keeps_weights and predictor.call is predictor.network and not predictor.entry.baseline.maker:
        predictor.call = Graphed(predictor.network, captured, cuda_clock(options.device))
    return CudaTransfers(options.device)


@contextlib.contextmanager
def naming(pair: Pair) -> Iterator[None]:
    """Name an image's file in an error."""
    try:
        yield
    except RainbenchError as error:
        raise RainbenchError(f"{pair.rainy.path}: {error.message}", hint=error.hint) from None


def absolute(pair: Pair) -> Pair:
    """Return a pair that is found where a network goes elsewhere meanwhile."""
    rainy, clean = (
        replace(source, path=source.path.absolute()) for source in (pair.rainy, pair.clean)
    )
    return replace(pair, rainy=rainy, clean=clean)
