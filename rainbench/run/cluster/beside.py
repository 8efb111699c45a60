"""A run on this machine's cores: cells go to processes beside this one, which works, too.

Small networks do not keep two threads busy, and reading, scoring and tables take turns with them.
Several processes of one thread each do, and give the same numbers: a cell is computed, and written,
by one of them as it is by one alone. This process begins at once; the others, which need some
seconds to load everything, come in when they are ready.

Only the package's own networks are run so. What somebody else's does to its process, and how it is
told apart when it dies, is the affair of `rainbench.core.watch`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rainbench.cluster.worker import end_with_parent, listening
from rainbench.core.machine import default_memory, default_workers, usable_cores
from rainbench.core.pool import PATIENCE, Helper, HelperDiedError, tell
from rainbench.core.progress import Advance
from rainbench.core.watch import Watch
from rainbench.run.cost import pixels_of, seconds_per_pixel
from rainbench.run.evaluate import Outcome, run_one
from rainbench.run.options import RunOptions
from rainbench.run.plan import Plan, PlannedCell
from rainbench.run.results import RunResults

_SPEED = 1e10
"""Multiply-adds a second by which cells are weighed against each other."""

_PROCESS_BYTES, _PIXEL_BYTES = 1 << 30, 4096
"""Memory of a process, and of a network for each pixel of its image: more than nearly all take."""

_LOG = logging.getLogger(__name__)


def processes_for(plan: Plan, out: Path, options: RunOptions) -> int:
    """Return how many processes are to share a run.

    As many as there are cores, where none would wait for one large cell at the end, and memory is
    enough for all; 1 where the plan has networks of others, or is not for the CPU.
    """
    cells = plan.runnable
    if options.device != "cpu" or not all(_is_ours(cell) for cell in cells):
        return 1
    results = RunResults(out)
    left = [
        cell
        for cell in cells
        if not (results.cell(cell.pairs.card.name, cell.entry.name).folder / "cell.json").exists()
    ]
    seconds = [pixels_of(cell) * seconds_per_pixel(cell.entry, _SPEED) for cell in left]
    largest = max(
        (info.width * info.height for cell in left for info in cell.pairs.manifest), default=0
    )
    room = 2 * default_memory() // (_PROCESS_BYTES + _PIXEL_BYTES * largest)
    fair = int(sum(seconds) / max(seconds)) if seconds else 1
    return max(1, min(default_workers(), room, fair))


def shared(options: RunOptions, processes: int) -> RunOptions:
    """Return how each of several processes computes: its part of the cores, as threads."""
    return replace(options, threads=max(1, usable_cores() // processes))


def _is_ours(cell: PlannedCell) -> bool:
    card = cell.entry.baseline
    return card.maker is None and card.network.startswith("rainbench.")


@dataclass(frozen=True, slots=True)
class _Task:
    cell: PlannedCell
    out: Path
    options: RunOptions


@dataclass(frozen=True, slots=True)
class _News:
    """How many images have just been finished, and of which cell."""

    amount: int
    what: str


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a cell, and the warnings on the way."""

    state: str
    note: str
    hint: str
    said: tuple[str, ...]


def _work(task: _Task) -> _Done:
    end_with_parent()
    with listening() as said:
        done = run_one(
            task.cell,
            task.out,
            task.options,
            advance=lambda amount, what: tell(_News(amount, what)),
            watch=Watch(),
        )
    return _Done(done.state, done.note, done.hint, tuple(said))


class _Cells:
    """The cells that nobody has begun.

    A process takes them in the plan's order, of entries that no other one has begun: it then has
    their code and what is counted of them. Only at the end it takes whatever is left.
    """

    def __init__(self, cells: Sequence[PlannedCell]) -> None:
        self._left = list(cells)
        self._by: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, process: int) -> PlannedCell | None:
        """Return the next cell for a process; None where there is none."""
        with self._lock:
            if not self._left:
                return None
            own = (cell for cell in self._left if self._by.get(cell.entry.name, process) == process)
            cell = next(own, self._left[0])
            self._left = [each for each in self._left if each is not cell]
            self._by.setdefault(cell.entry.name, process)
            return cell

    def give_back(self, cell: PlannedCell) -> None:
        """Take back a cell that was not done."""
        with self._lock:
            self._left.insert(0, cell)

    def give_up(self) -> None:
        """Leave nothing to be taken."""
        with self._lock:
            self._left.clear()


_Landed = _News | tuple[PlannedCell, _Done] | Exception | None
"""Of a process: progress, a cell that is done, what went wrong, or that it has ended."""


def run_shared(
    plan: Plan,
    out: Path,
    options: RunOptions,
    processes: int,
    watch: Watch,
    advance: Advance,
) -> Iterator[Outcome]:
    """Run the cells of a plan on several processes; yield what became of each, in any order.

    Args:
        plan: As all that follow, see `rainbench.run.evaluate.run_plan`.
        out: The run's folder.
        options: How each process computes.
        processes: How many, this one included.
        watch: Of this process.
        advance: Called in this thread.

    Raises:
        StoreError: The run's folder cannot be written.
    """
    cells = _Cells(plan.cells)
    landed: queue.SimpleQueue[_Landed] = queue.SimpleQueue()
    told: set[str] = set()

    def serve(helper: Helper[_Task, _Done], number: int) -> None:
        try:
            while (cell := cells.take(number)) is not None:
                try:
                    landed.put((cell, helper.ask(_Task(cell, out, options))))
                except HelperDiedError:  # memory may have run out: it is done here, after all
                    cells.give_back(cell)
                    return
        except Exception as error:
            landed.put(error)
        finally:
            landed.put(None)

    waiting: list[Outcome | None] = []

    def take_in(*, wait: bool = False) -> None:
        """Take in what has landed."""
        while wait or not landed.empty():
            each, wait = landed.get(), False
            if isinstance(each, Exception):
                raise each
            if isinstance(each, _News):
                advance(each.amount, each.what)
            else:
                waiting.append(each and _outcome(*each, told))

    def advance_all(amount: int, what: str) -> None:
        take_in()
        advance(amount, what)

    with contextlib.ExitStack() as stack:
        helpers = [
            stack.enter_context(Helper(_work, on_news=landed.put, folder=out / "cells"))
            for _ in range(1, processes)
        ]
        threads = [
            threading.Thread(target=serve, args=(helper, number), daemon=True)
            for number, helper in enumerate(helpers, start=1)
        ]
        for helper, thread in zip(helpers, threads, strict=True):
            thread.start()
            stack.callback(thread.join, PATIENCE)
            stack.callback(helper.kill)
        stack.callback(cells.give_up)
        at_work = len(helpers)
        while True:
            cell = cells.take(0)
            if cell is not None:
                yield run_one(cell, out, options, advance=advance_all, watch=watch)
            elif not at_work:
                return
            take_in(wait=cell is None)
            at_work -= waiting.count(None)
            yield from (each for each in waiting if each)
            waiting.clear()


def _outcome(cell: PlannedCell, done: _Done, told: set[str]) -> Outcome:
    for text in done.said:
        if text not in told:
            told.add(text)
            _LOG.warning("%s", text)
    return Outcome(cell, done.state, done.note, done.hint)
