"""The pool of `rainbench.core.pool` on a cluster: the same tasks, the same results in order."""

from __future__ import annotations

import logging
import pickle
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rainbench.cluster.crew import Crew
from rainbench.cluster.flights import Flights, Landed
from rainbench.cluster.worker import Done, perform
from rainbench.core.errors import RainbenchError
from rainbench.core.files import sweep
from rainbench.core.pool import Result, Task

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterPool:
    """A `rainbench.core.pool.Pool` whose processes are the workers of a cluster.

    A task whose worker dies is begun again, the third time with no other beside it; then it gets
    the result of tasks that died. Workers write where they are told to, so all have to see it.

    Attributes:
        crew: The workers.
        device: Where the work computes.
    """

    crew: Crew
    device: str = "cpu"

    def __call__(
        self,
        work: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        on_crash: Callable[[Task], Result],
        on_done: Callable[[Result], None] = lambda _: None,
        folder: Path | None = None,
    ) -> list[Result]:
        """Apply a function to every task; see `rainbench.core.pool.run_all`.

        Raises:
            RainbenchError: The scheduler is gone, or a worker has come that may not work with the
                others. What was finished is kept.
            Exception: Whatever ``work`` raises; what has not begun is then given up.
        """
        what = (
            work.func.__name__ if isinstance(work, partial) else getattr(work, "__name__", "task")
        )
        asked, versions, cwd = self.crew.asked(self.device), self.crew.versions, str(Path.cwd())
        waiting, told = deque(range(len(tasks))), set[str]()
        found: dict[int, Result] = {}
        with Flights[int](self.crew, _KEPT) as flights:
            while waiting or not flights.over:
                while waiting and flights.free()["GPU" in asked]:
                    index = waiting.popleft()
                    arguments = cwd, versions, work, tasks[index]
                    flights.send(index, f"{what} {index + 1}", asked, perform, *arguments)
                landed = flights.wait()
                if landed is None:
                    continue
                task = tasks[landed.item]
                result = on_crash(task) if landed.deaths else _result(landed, told)
                found[landed.item] = result
                on_done(result)
        if folder is not None:
            sweep(folder, whoever=True)  # what workers that died left half written
        return [found[index] for index in range(len(tasks))]


_KEPT = "What was finished is kept: start a scheduler, and run the same command again to go on."


def _result(landed: Landed[int], told: set[str]) -> Any:  # noqa: ANN401
    """Return what a task brought, and say its warnings that were not said before.

    Raises:
        Exception: What it raised.
    """
    if landed.problem:
        raise RainbenchError(f"a task {landed.problem}")
    done: Done = landed.answer
    if done.unfit:
        raise RainbenchError(
            f"a worker has come that may not work with the others: {done.unfit}",
            hint="Stop it, and run the same command again: what was finished is kept.",
        )
    for text in done.said:
        if text not in told:
            told.add(text)
            _LOG.warning("%s", text)
    well, value = pickle.loads(done.answer)
    if not well:
        raise value
    return value
