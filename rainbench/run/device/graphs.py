"""A network's kernels as one CUDA graph, where that has been measured to be quicker.

A graph computes the same kernels on the same memory without Python in between: the bits are the
same. It helps where launching kernels takes longer than they do, small networks on large cards.
``torch.compile`` and other orders of memory give other roundings, so no measurement at the start of
a run may choose them: its numbers would depend on what else the machine was doing.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from rainbench.networks.base import as_restoration

AFTER = 8
"""Calls with one shape before a trial: a trial takes about as long as ten."""

MOST_GRAPHS = 4
"""Shapes that get a graph: each keeps memory for all that the network computes."""

LAUNCH_BOUND = 0.7
"""Share of a call's time that launching has to take for a graph to be tried."""

GAIN = 0.95
"""Share of the time that a quicker way may take at most."""

Call = Callable[[Tensor], Tensor]

_LOG = logging.getLogger(__name__)


class Clock(Protocol):
    """Measures calls."""

    def __call__(self, run: Callable[[], object]) -> tuple[float, float]:
        """Return the seconds until a call came back, and until the device was done with it."""


def cuda_clock(run: Callable[[], object]) -> tuple[float, float]:
    """Measure a call on the current CUDA device, which is idle before and after."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    run()
    launched = time.perf_counter()
    torch.cuda.synchronize()
    return launched - began, time.perf_counter() - began


def quickest(
    ways: Mapping[str, Call], inputs: Sequence[Tensor], clock: Clock, *, rounds: int = 3
) -> str:
    """Return which of several ways to compute is to be taken: by measuring.

    Args:
        ways: The first one is the definition: another one has to give the same bits.
        inputs: What to compare on; the first one is what is timed.
        clock: Measures.
        rounds: Timed calls of each, of which the quickest counts.

    Returns:
        The name of the quickest, the first one unless another takes `GAIN` of its time at most.

    Example:
        >>> times = iter([9, 9, 9, 1, 1, 1])
        >>> quickest(
        ...     {"plain": torch.neg, "twice": lambda x: -x}, [torch.ones(2)],
        ...     lambda run: (0.0, float(next(times))),
        ... )
        'twice'
    """
    (first, reference), *others = ways.items()
    expected = [reference(each) for each in inputs]

    def seconds(way: Call) -> float:
        return min(clock(lambda: way(inputs[0]))[1] for _ in range(rounds))

    best, least = first, GAIN * seconds(reference)
    for name, way in others:
        same = all(
            torch.equal(way(each), found) for each, found in zip(inputs, expected, strict=True)
        )
        if same and (its := seconds(way)) <= least:
            best, least = name, its
    return best


class Graphed:
    """Calls a network, by graphs for shapes that come often where they are quicker.

    Args:
        network: On its device, with a card of its own: it keeps nothing between its calls.
        capture: Makes a graph of a call with a batch.
        clock: Measures.
    """

    def __init__(
        self,
        network: Callable[[Tensor], object],
        capture: Callable[[Call, Tensor], Call],
        clock: Clock,
    ) -> None:
        self._network = network
        self._capture = capture
        self._clock = clock
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._graphs: dict[tuple[int, ...], Call] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        """Return the restored images."""
        shape = tuple(batch.shape)
        self._seen[shape] += 1
        if self._seen[shape] == AFTER and len(self._graphs) < MOST_GRAPHS:
            self._try(batch)
        return self._graphs.get(shape, self._plain)(batch)

    def _plain(self, batch: Tensor) -> Tensor:
        return as_restoration(self._network(batch)).image

    def _try(self, batch: Tensor) -> None:
        """Keep a graph for a batch's shape where launching is what takes the time."""
        launching, whole = self._clock(lambda: self._plain(batch))
        if launching < LAUNCH_BOUND * whole:
            return
        try:
            graph = self._capture(self._plain, batch)
            ways = {"plain": self._plain, "graph": graph}
            if quickest(ways, [batch, batch.flip(-1)], self._clock) == "graph":
                self._graphs[tuple(batch.shape)] = graph
        except RuntimeError:  # it looks at a value, or asks the machine for memory
            _LOG.debug("no graph", exc_info=True)


def captured(call: Call, batch: Tensor) -> Call:
    """Return a call as a CUDA graph, for batches of one shape.

    Raises:
        RuntimeError: The call waits for the device on its way.
    """
    given = batch.clone()
    side = torch.cuda.Stream(batch.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(batch.device))
    with torch.cuda.stream(side):
        for _ in range(2):  # libraries choose their kernels the first time
            call(given)
    torch.cuda.current_stream(batch.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Threads that decode pin memory meanwhile, which is none of the graph's business.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = call(given)

    def replay(other: Tensor) -> Tensor:
        given.copy_(other)
        graph.replay()
        return result.clone()

    return replay
