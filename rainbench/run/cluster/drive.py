"""The client's side of a run on a cluster: hands out shards, and writes what comes back.

Dask places, moves and repeats the work. Handed out are as many shards at a time as there are
workers, so that it is known which one a worker died of, and that a run of any size takes little
memory here and in the scheduler.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rainbench.core.errors import RainbenchError, StoreError, failing_alone, told
from rainbench.core.machine import device_kind
from rainbench.core.progress import Advance, say, unseen
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.run.clips.predict import options_of
from rainbench.run.cluster.cells import OpenCell
from rainbench.run.cluster.crew import Crew
from rainbench.run.cluster.shards import Pace, in_order
from rainbench.run.cluster.worker import Answer, Session, Shard, score_shard
from rainbench.run.evaluate import Outcome
from rainbench.run.plan import Plan, PlannedCell

TRIES = 3
"""How often a shard is begun whose worker dies, the last time with no other beside it."""

COUNT_AGAIN = 2.0
"""Seconds after which it is asked how many workers there are."""

PATIENCE = 60.0
"""Seconds without any worker after which somebody is told."""

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Flight:
    """A shard that was handed out."""

    cell: OpenCell
    number: int
    shard: Shard
    deaths: int = 0
    future: Any = None


class Drive:
    """A plan being carried out on a cluster.

    Args:
        crew: The workers.
        plan: What to do.
        out: The run's folder.
        metrics: What to measure beside the protocols.
        words: The metrics as they were named.
        roots: Folders that they look for files in.
        advance: Called with how many images have just been finished, and of which cell.
    """

    def __init__(
        self,
        crew: Crew,
        plan: Plan,
        out: Path,
        *,
        metrics: Sequence[ReadyMetric] = (),
        words: Sequence[str] = (),
        roots: Sequence[Path] = (),
        advance: Advance = unseen,
    ) -> None:
        self._crew, self._plan, self._out = crew, plan, out
        self._metrics, self._advance = metrics, advance
        self._pace = Pace.of(plan.runnable, crew.speed, len(crew.looks), crew.peaks(plan.runnable))
        self._session = Session(
            uuid.uuid4().hex,
            str(Path.cwd()),
            next(iter(crew.looks.values())).versions or {},
            tuple(words),
            tuple(roots),
            {each.metric.name: dict(each.made_of) for each in metrics},
        )
        self._waiting: dict[bool, deque[PlannedCell]] = {True: deque(), False: deque()}
        for cell in in_order(plan.runnable, self._pace):
            self._waiting[self._on_gpu(cell)].append(cell)
        self._open: list[OpenCell] = []
        self._flights: dict[str, _Flight] = {}
        self._suspects: deque[_Flight] = deque()
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._told: set[str] = set()
        self._counted = (-COUNT_AGAIN, 1, 0)
        self._alone_since = 0.0

    def outcomes(self) -> Iterator[Outcome]:
        """Carry the plan out, and yield what became of each cell, in any order.

        Raises:
            RainbenchError: The run's folder cannot be written, the scheduler is gone, or a worker
                has come that may not work for this run. What was scored is kept.
        """
        yield from (
            Outcome(cell, "missing", cell.missing) for cell in self._plan.cells if cell.missing
        )
        try:
            while True:
                self._hand_out()
                while self._outcomes:
                    yield self._outcomes.popleft()
                if not self._flights:
                    if not self._suspects:
                        return
                    self._send(self._suspects.popleft())
                self._wait()
        finally:
            for cell in self._open:
                cell.close()
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._crew.client.cancel([each.future for each in self._flights.values()])

    def running(self) -> list[Shard]:
        """Return the shards that are handed out."""
        return [flight.shard for flight in self._flights.values()]

    def _on_gpu(self, cell: PlannedCell) -> bool:
        options = options_of(cell.entry, self._crew.options)
        return self._crew.has_gpus and device_kind(options.device) == "cuda"

    def _hand_out(self) -> None:
        """Hand out shards while there is a worker for one."""
        if any(flight.deaths == TRIES - 1 for flight in self._flights.values()):
            return  # it is alone
        every, with_gpu = self._count_workers()
        while len(self._flights) < every:
            on_gpu = sum(self._on_gpu(each.cell.cell) for each in self._flights.values())
            kinds = ([True] if on_gpu < with_gpu else []) + [False]
            chosen = self._next(kinds)
            if chosen is None:
                return
            self._send(_Flight(chosen, *chosen.rest.popleft()))

    def _next(self, kinds: Sequence[bool]) -> OpenCell | None:
        """Return an open cell with a shard to hand out, opening another one where there is none."""
        suspected = {id(each.cell) for each in self._suspects}
        for cell in self._open:
            if cell.rest and id(cell) not in suspected and self._on_gpu(cell.cell) in kinds:
                return cell
        for kind in kinds:
            while self._waiting[kind]:
                opened = self._begin(self._waiting[kind].popleft())
                if opened is not None:
                    return opened
        return None

    def _begin(self, cell: PlannedCell) -> OpenCell | None:
        """Open a cell; None where there is nothing to hand out for it."""
        try:
            with failing_alone(cell.name):
                opened = OpenCell(
                    cell, self._out, self._crew.options, self._metrics, self._pace, self._advance
                )
        except StoreError:
            raise
        except RainbenchError as error:
            self._outcomes.append(Outcome(cell, "failed", error.message, error.hint))
            return None
        self._open.append(opened)
        opened.finish(self._made(opened))  # where all was done before
        self._close_finished(opened)
        return opened if opened.outcome is None else None

    def _made(self, opened: OpenCell) -> Mapping[str, str]:
        return self._crew.made_by(options_of(opened.cell.entry, self._crew.options))

    def _close_finished(self, opened: OpenCell) -> None:
        if opened.outcome is None:
            return
        self._open.remove(opened)
        self._outcomes.append(opened.outcome)
        for flight in [each for each in self._flights.values() if each.cell is opened]:
            del self._flights[flight.future.key]
            flight.future.cancel()
        self._suspects = deque(each for each in self._suspects if each.cell is not opened)

    def _send(self, flight: _Flight) -> None:
        shard = flight.shard
        try:
            future = self._crew.client.submit(
                score_shard,
                self._session,
                shard,
                key=f"{shard.what}: {shard.place} ({uuid.uuid4().hex[:8]})",
                resources=self._crew.resources(shard.options, shard.memory) or None,
            )
        except Exception as error:
            self._fail(flight, f"cannot be sent to a worker: {told(error)}")
            return
        flight.future = future
        self._flights[future.key] = flight
        future.add_done_callback(lambda done: self._landed.put(done.key))

    def _fail(self, flight: _Flight, reason: str, hint: str = "") -> None:
        answer = Answer(failure=(reason, hint))
        flight.cell.take(flight.number, answer, self._made(flight.cell))
        self._close_finished(flight.cell)

    def _wait(self) -> None:
        """Wait until a shard lands, and take in what it brings."""
        while True:
            try:
                key = self._landed.get(timeout=COUNT_AGAIN)
                break
            except queue.Empty:
                if self._crew.client.status != "running":
                    raise self._lost() from None
                if self._count_workers()[0] > len(self._flights):
                    return  # there may be something for a worker that has come
        flight = self._flights.pop(key, None)
        if flight is None:  # of a cell that was given up
            return
        answer = self._answer(flight)
        if answer is None:
            return
        if answer.unfit:
            raise RainbenchError(
                f"a worker has come that may not work for this run: {answer.unfit}",
                hint="Stop it, and run again: what was scored is kept.",
            )
        for text in answer.said:
            if text not in self._told:
                self._told.add(text)
                _LOG.warning("%s", text)
        flight.cell.take(flight.number, answer, self._made(flight.cell))
        self._close_finished(flight.cell)

    def _answer(self, flight: _Flight) -> Answer | None:
        """Return what a shard brings; None where it is to be tried again, or failed for good."""
        from distributed import KilledWorker

        try:
            found: Answer = flight.future.result()
            return found
        except KilledWorker as error:
            self._count_death(flight, error.allowed_failures + 1)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if flight.future.cancelled() or self._crew.client.status != "running":
                raise self._lost() from None
            _LOG.debug("%s", flight.shard.what, exc_info=True)
            self._fail(flight, f"a worker could not work on it: {told(error)}")
        return None

    def _count_death(self, flight: _Flight, deaths: int) -> None:
        flight.deaths += deaths
        shard = flight.shard
        if flight.deaths >= TRIES:
            self._fail(
                flight,
                f"its worker died {flight.deaths} times at {shard.place}",
                "Memory ran out, or the network ends its process: run this entry alone without "
                "--cluster.",
            )
        elif flight.deaths == TRIES - 1:
            self._suspects.append(flight)  # what died beside another is tried alone at last
        else:
            self._send(flight)

    def _count_workers(self) -> tuple[int, int]:
        """Return how many workers there are, and how many of them have a GPU."""
        asked, every, with_gpu = self._counted
        now = time.monotonic()
        if now - asked >= COUNT_AGAIN:
            try:
                there = self._crew.client.nthreads()
            except Exception:
                raise self._lost() from None
            if there:
                self._alone_since = 0.0
            elif not self._alone_since:
                self._alone_since = now
            elif now - self._alone_since > PATIENCE:
                self._alone_since = now + 1e9  # said once
                say("no worker is left: waiting for one")
            every = max(1, len(there))
            with_gpu = every - self._crew.others  # workers that were replaced have new addresses
            self._counted = now, every, with_gpu
        return every, with_gpu

    def _lost(self) -> RainbenchError:
        return RainbenchError(
            "the scheduler of the cluster is gone",
            hint=f"What was scored is kept in {self._out}: start one, and run again to go on.",
        )


def run_on(
    crew: Crew,
    plan: Plan,
    out: Path,
    metrics: Sequence[ReadyMetric] = (),
    words: Sequence[str] = (),
    roots: Sequence[Path] = (),
) -> Callable[[Advance], Iterator[Outcome]]:
    """Return what carries a plan out on a cluster, after a look at whether all files are in sight.

    Args:
        crew: As all that follow, see `Drive`.
        plan: What to do.
        out: The run's folder.
        metrics: What to measure, too.
        words: As they were named.
        roots: Folders of their files.

    Raises:
        RainbenchError: A machine does not see a file.
    """
    crew.check_files(plan.runnable)
    return lambda advance: Drive(
        crew, plan, out, metrics=metrics, words=words, roots=roots, advance=advance
    ).outcomes()
