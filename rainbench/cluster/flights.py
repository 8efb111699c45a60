"""Tasks handed out to the workers of a cluster, and what becomes of them when a worker dies.

Dask places and moves the work. Handed out are as many tasks at a time as there are workers, so that
it is known which one a worker died of, and that any number of tasks takes little memory here and in
the scheduler. Only of many workers one is named here: Dask takes the next in turn of those that it
thinks idle, and a quarter of them would wait.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from rainbench.cluster.crew import Crew
from rainbench.core.errors import RainbenchError, told
from rainbench.core.progress import say

TRIES = 3
"""How often a task is begun whose worker dies, the last time with no other beside it."""

COUNT_AGAIN = 2.0
"""Seconds after which it is asked how many workers there are."""

MANY = 20
"""Workers from which Dask gives what asks for nothing to the next one in turn."""

BROUGHT = 30.0
"""Seconds in which a result is brought, unless its worker has gone."""

PATIENCE = 60.0
"""Seconds without any worker after which somebody is told."""

_LOG = logging.getLogger(__name__)

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Flight(Generic[Item]):
    """A task that was handed out."""

    item: Item
    name: str
    call: tuple[Any, ...]
    asked: Mapping[str, float]
    deaths: int = 0
    future: Any = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Landed(Generic[Item]):
    """What became of a task.

    Attributes:
        item: What it is of.
        answer: What its function returned.
        problem: Why there is no answer; empty where there is one.
        deaths: How often its worker died, where it was given up for that.
    """

    item: Item
    answer: Any = None
    problem: str = ""
    deaths: int = 0


class Flights(Generic[Item]):
    """The tasks that are handed out. A context manager: at its end the rest is given up.

    Args:
        crew: The workers.
        hint: What is to be done when the scheduler is gone.
    """

    def __init__(self, crew: Crew, hint: str) -> None:
        self._crew, self._hint = crew, hint
        self._flying: dict[str, _Flight[Item]] = {}
        self._suspects: deque[_Flight[Item]] = deque()
        self._unsent: deque[Landed[Item]] = deque()
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._counted = (-COUNT_AGAIN, 1, 0)
        self._there: tuple[str, ...] = ()
        self._alone_since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._crew.client.cancel([each.future for each in self._flying.values()])

    @property
    def flying(self) -> list[Item]:
        """What is handed out now."""
        return [flight.item for flight in self._flying.values()]

    @property
    def suspects(self) -> list[Item]:
        """What a worker died of twice, and waits to be alone."""
        return [flight.item for flight in self._suspects]

    @property
    def over(self) -> bool:
        """Whether nothing that was sent is still to land."""
        return not (self._flying or self._suspects or self._unsent)

    def free(self) -> tuple[int, int]:
        """Return how many workers have nothing to do, and how many of these have a GPU.

        None has while a task has to be alone.
        """
        if any(flight.deaths == TRIES - 1 for flight in self._flying.values()):
            return 0, 0
        every, with_gpu = self._count_workers()
        on_gpu = sum("GPU" in flight.asked for flight in self._flying.values())
        return max(0, every - len(self._flying)), max(0, with_gpu - on_gpu)

    def send(
        self,
        item: Item,
        name: str,
        asked: Mapping[str, float],
        function: Callable[..., Any],
        *arguments: object,
    ) -> None:
        """Hand a task out.

        Args:
            item: What it is of.
            name: What people call it.
            asked: What it asks of a worker, see `rainbench.cluster.crew.Crew.asked`.
            function: Is called there.
            arguments: What it is called with.
        """
        self._launch(_Flight(item, name, (function, *arguments), asked))

    def _launch(self, flight: _Flight[Item], *, anywhere: bool = False) -> None:
        key = f"{flight.name} ({uuid.uuid4().hex[:8]})"
        named = len(self._there) >= MANY and not (anywhere or flight.asked or flight.deaths)
        flight.at = self._idle_worker() if named else ""
        try:
            future = self._crew.client.submit(
                *flight.call,
                key=key,
                resources=dict(flight.asked) or None,
                workers=[flight.at] if flight.at else None,
                allow_other_workers=bool(flight.at),  # it may have gone
            )
        except Exception as error:
            problem = f"cannot be sent to a worker: {told(error)}"
            self._unsent.append(Landed(flight.item, problem=problem))
            return
        flight.future = future
        self._flying[future.key] = flight
        future.add_done_callback(lambda done: self._landed.put(done.key))

    def _idle_worker(self) -> str:
        """Return the address of a worker without a task; empty where none is known."""
        busy = {flight.at for flight in self._flying.values()}
        return next((at for at in self._there if at not in busy), "")

    def drop(self, unwanted: Callable[[Item], bool]) -> None:
        """Give up tasks that nobody waits for any more."""
        for key, flight in list(self._flying.items()):
            if unwanted(flight.item):
                del self._flying[key]
                flight.future.cancel()
        self._suspects = deque(each for each in self._suspects if not unwanted(each.item))
        self._unsent = deque(each for each in self._unsent if not unwanted(each.item))

    def wait(self) -> Landed[Item] | None:
        """Wait until a task lands for good; None where there may be a worker for another one.

        Raises:
            RainbenchError: The scheduler is gone.
        """
        if not self._flying and self._suspects:
            self._launch(self._suspects.popleft())
        if self._unsent:
            return self._unsent.popleft()
        while True:
            try:
                key = self._landed.get(timeout=COUNT_AGAIN)
                break
            except queue.Empty:
                if self._crew.client.status != "running":
                    raise self._lost() from None
                every, _ = self._count_workers()
                self._call_back()
                if every > len(self._flying):
                    return None
        flight = self._flying.pop(key, None)
        return self._taken(flight) if flight else None  # else it was dropped

    def _call_back(self) -> None:
        """Hand out anew what waits for a worker that has gone.

        Where all of them go at once Dask does not give it to those that come.
        """
        for key, flight in list(self._flying.items()):
            if flight.at and flight.at not in self._there:
                del self._flying[key]
                self._again(flight)

    def _again(self, flight: _Flight[Item]) -> None:
        """Hand a task out anew, and to any worker."""
        flight.future.cancel()
        self._launch(flight, anywhere=True)

    def _taken(self, flight: _Flight[Item]) -> Landed[Item] | None:
        """Return what a task brings; None where it is to be tried again."""
        from distributed import KilledWorker

        try:
            # A result that is lost with its worker is not made again where all have gone at once.
            while True:
                try:
                    answer = flight.future.result(timeout=BROUGHT if flight.at else None)
                    return Landed(flight.item, answer)
                except TimeoutError:
                    if flight.future.status == "error":
                        raise  # it is the task's own
                self._count_workers()
                if flight.at not in self._there:
                    self._again(flight)
                    return None
        except KilledWorker as error:
            return self._died(flight, error.allowed_failures + 1)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if flight.future.cancelled() or self._crew.client.status != "running":
                raise self._lost() from None
            _LOG.debug("%s", flight.name, exc_info=True)
            problem = f"a worker could not work on it: {told(error)}"
            return Landed(flight.item, problem=problem)

    def _died(self, flight: _Flight[Item], times: int) -> Landed[Item] | None:
        flight.deaths += times
        if flight.deaths >= TRIES:
            problem = f"its worker died {flight.deaths} times"
            return Landed(flight.item, problem=problem, deaths=flight.deaths)
        if flight.deaths == TRIES - 1:
            self._suspects.append(flight)  # what died beside another is tried alone at last
        else:
            self._launch(flight)
        return None

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
            self._there = tuple(there)
        return every, with_gpu

    def _lost(self) -> RainbenchError:
        return RainbenchError("the scheduler of the cluster is gone", hint=self._hint)
