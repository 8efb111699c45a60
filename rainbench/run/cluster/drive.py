"""The client's side of a run on a cluster: hands out shards, and writes what comes back.

`rainbench.cluster.flights` hands them out, as many at a time as there are workers.
"""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rainbench.cluster.flights import Flights
from rainbench.core.errors import RainbenchError, StoreError, failing_alone
from rainbench.core.machine import device_kind
from rainbench.core.progress import Advance, unseen
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.run.clips.predict import options_of
from rainbench.run.cluster.cells import OpenCell
from rainbench.run.cluster.crew import ScoringCrew
from rainbench.run.cluster.shards import Pace, in_order
from rainbench.run.cluster.worker import Answer, Session, Shard, score_shard
from rainbench.run.evaluate import Outcome
from rainbench.run.plan import Plan, PlannedCell

_LOG = logging.getLogger(__name__)


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
        crew: ScoringCrew,
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
            crew.versions,
            tuple(words),
            tuple(roots),
            {each.metric.name: dict(each.made_of) for each in metrics},
        )
        self._waiting: dict[bool, deque[PlannedCell]] = {True: deque(), False: deque()}
        for cell in in_order(plan.runnable, self._pace):
            self._waiting[self._on_gpu(cell)].append(cell)
        self._open: list[OpenCell] = []
        hint = f"What was scored is kept in {out}: start one, and run again to go on."
        self._flights = Flights[tuple[OpenCell, int, Shard]](crew, hint)
        self._outcomes: deque[Outcome] = deque()
        self._told: set[str] = set()

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
            with self._flights:
                while True:
                    self._hand_out()
                    while self._outcomes:
                        yield self._outcomes.popleft()
                    if self._flights.over:
                        return
                    self._wait()
        finally:
            for cell in self._open:
                cell.close()

    def running(self) -> list[Shard]:
        """Return the shards that are handed out."""
        return [shard for _, _, shard in self._flights.flying]

    def _on_gpu(self, cell: PlannedCell) -> bool:
        options = options_of(cell.entry, self._crew.options)
        return self._crew.has_gpus and device_kind(options.device) == "cuda"

    def _hand_out(self) -> None:
        """Hand out shards while there is a worker for one."""
        while True:
            free, with_gpu = self._flights.free()
            if not free:
                return
            chosen = self._next([True, False] if with_gpu else [False])
            if chosen is None:
                return
            number, shard = chosen.rest.popleft()
            self._flights.send(
                (chosen, number, shard),
                f"{shard.what}: {shard.place}",
                self._crew.asked(shard.options.device, shard.memory),
                score_shard,
                self._session,
                shard,
            )

    def _next(self, kinds: Sequence[bool]) -> OpenCell | None:
        """Return an open cell with a shard to hand out, opening another one where there is none."""
        suspected = {id(cell) for cell, _, _ in self._flights.suspects}
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
        self._flights.drop(lambda item: item[0] is opened)

    def _wait(self) -> None:
        """Wait until a shard lands, and take in what it brings."""
        landed = self._flights.wait()
        if landed is None:
            return
        cell, number, shard = landed.item
        answer: Answer = landed.answer
        if landed.problem:
            place = f" at {shard.place}" if landed.deaths else ""
            hint = (
                "Memory ran out, or the network ends its process: run this entry alone without "
                "--cluster."
            )
            answer = Answer(failure=(landed.problem + place, hint if landed.deaths else ""))
        if answer.unfit:
            raise RainbenchError(
                f"a worker has come that may not work for this run: {answer.unfit}",
                hint="Stop it, and run again: what was scored is kept.",
            )
        for text in answer.said:
            if text not in self._told:
                self._told.add(text)
                _LOG.warning("%s", text)
        cell.take(number, answer, self._made(cell))
        self._close_finished(cell)


def run_on(
    crew: ScoringCrew,
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
    crew.check_cells(plan.runnable)
    return lambda advance: Drive(
        crew, plan, out, metrics=metrics, words=words, roots=roots, advance=advance
    ).outcomes()
