"""A cell whose images are scored elsewhere: the answers are put in order and written by one."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from rainbench.core.errors import RainbenchError, StoreError, failing_alone
from rainbench.core.progress import Advance
from rainbench.metrics import PROTOCOLS
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.run.clips.predict import options_of
from rainbench.run.cluster.shards import Block, Pace, blocks
from rainbench.run.cluster.worker import Answer, Shard
from rainbench.run.evaluate import Outcome, complete_cell
from rainbench.run.metrics.measure import Columns, problems_of
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell, images_of, key_parts
from rainbench.run.results import RunResults
from rainbench.run.scores import is_complete
from rainbench.run.store import CellStore


class OpenCell:
    """A cell that is being worked on: what `rainbench.run.evaluate.run_cell` is in one process.

    What an image's lines say and their order are the same, and so is what is kept of a cell that
    fails: the images before the first that did.

    Args:
        cell: The entry on a data set.
        out: The run's folder.
        options: How to compute.
        metrics: What to measure beside the protocols.
        pace: How long shards are.
        advance: Called with how many images were finished; first with those of earlier runs.

    Raises:
        RainbenchError: It cannot be begun.

    Attributes:
        cell: The cell.
        rest: Its shards that were not handed out, each with its number.
        outcome: What became of it; None while there is something to do.
    """

    def __init__(
        self,
        cell: PlannedCell,
        out: Path,
        options: RunOptions,
        metrics: Sequence[ReadyMetric],
        pace: Pace,
        advance: Advance,
    ) -> None:
        self.cell = cell
        self.outcome: Outcome | None = None
        self._options = options_of(cell.entry, options)
        self._advance = advance
        self._answers: dict[int, Answer] = {}
        self._next = 0
        result = RunResults(out).cell(cell.pairs.card.name, cell.entry.name)
        parts, images = key_parts(cell, self._options), images_of(cell)
        with contextlib.ExitStack() as stack:
            columns = Columns(result.folder, metrics, parts, images)
            self._columns = stack.enter_context(columns)
            self._store: CellStore | None = None
            self._unscored: set[str] = set()
            if result.fits(parts, images, is_complete(cell.pairs, len(images))):
                advance(len(images), cell.name)
            else:
                store = CellStore(result.folder, parts, tuple(PROTOCOLS), images)
                self._store = stack.enter_context(store)
                self._unscored = {image for image, _ in images} - store.done.keys()
                advance(len(store.done), cell.name)
            wanted = frozenset(self._unscored | self._columns.missing)
            shards = [self._shard(block, wanted, pace) for block in blocks(cell, wanted, pace)]
            self._stack = stack.pop_all()
        self.rest = deque(enumerate(shards))
        self._count = len(shards)

    def _shard(self, block: Block, wanted: frozenset[str], pace: Pace) -> Shard:
        entry = self.cell.entry
        return Shard(
            self.cell.name,
            entry,
            self.cell.weights,
            self._options,
            block,
            frozenset(pair.id for pair, _ in block) & wanted,
            pace.seconds(entry, block),
            pace.memory(entry, block),
        )

    def take(self, number: int, answer: Answer, made: Mapping[str, str]) -> None:
        """Take in the answer to one of the shards, and write what no earlier one is missing for.

        Args:
            number: Of the shard.
            answer: What a worker says.
            made: What `rainbench.run.plan.made_with` says there.

        Raises:
            StoreError: It cannot be written.
        """
        self._answers[number] = answer
        while self.outcome is None and self._next in self._answers:
            self._write(self._answers.pop(self._next))
            self._next += 1
        self.finish(made)

    def _write(self, answer: Answer) -> None:
        for image, scores, seconds, values in answer.scored:
            if self._store is not None and image in self._unscored:
                self._store.append(image, scores, seconds)
                self._advance(1, self.cell.name)
            self._columns.add(image, values)
        if answer.failure is not None:
            message, hint = answer.failure
            self.fail(RainbenchError(message, hint=hint))

    def finish(self, made: Mapping[str, str]) -> None:
        """Complete the cell where all of its shards were written."""
        if self.outcome is not None or self._next < self._count:
            return
        try:
            with failing_alone(self.cell.name):
                if self._store is not None:
                    complete_cell(self._store, self.cell, self._options, made)
                problems = problems_of(self._columns.complete())
        except StoreError:
            self.close()
            raise
        except RainbenchError as error:
            self.fail(error)
            return
        was_complete = self._store is None and not self._count
        self.outcome = Outcome(self.cell, "kept" if was_complete else "done", problems=problems)
        self.close()

    def fail(self, error: RainbenchError) -> None:
        """Note in the cell's folder that it failed, and give up the rest of it."""
        self.outcome = Outcome(self.cell, "failed", error.message, error.hint)
        self.rest.clear()
        self._stack.__exit__(type(error), error, error.__traceback__)

    def close(self) -> None:
        """Close its files, whatever is still to do."""
        self._stack.close()
