"""How far a run is, plain or on a cluster: a file beside its cells, for who asks meanwhile.

It is written now and then while a run is at work, and removed when it is over: then the cells say
all there is to say. Of a run that was killed it stays, and tells what there was to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rainbench.core.errors import RainbenchError
from rainbench.core.files import is_locked, read_regular_file, write_atomically
from rainbench.core.progress import Advance
from rainbench.run.cost import pixels_of, seconds_per_pixel
from rainbench.run.results import RunResults
from rainbench.run.scores import LARGEST_FILE, wrong_in_summary

if TYPE_CHECKING:
    from rainbench.run.evaluate import Outcome
    from rainbench.run.plan import Plan

NAME = ".status.json"

EVERY, REST = 2.0, 20
"""Seconds between two writings, and how many times as long as one took nothing is written."""

_SPEED = 1e10
"""Multiply-adds a second by which cells are weighed against each other; the pace is measured."""


@dataclass(slots=True)
class Part:
    """How far one cell is.

    Attributes:
        images: How many it has.
        weight: Seconds that it may take, about.
        before: How many images were there when the run began.
        done: How many there are.
        state: As `rainbench.run.evaluate.Outcome` has it; ``running``, or empty before.
        note: Why it failed.
    """

    images: int
    weight: float = 0.0
    before: int = 0
    done: int = 0
    state: str = ""
    note: str = ""


class Status:
    """Tells how far a run is. A context manager.

    Args:
        out: The run's folder.
        plan: What is to be done.
    """

    def __init__(self, out: Path, plan: Plan) -> None:
        self._file = out / NAME
        self._started = time.time()
        self._due = 0.0
        self._parts = {
            cell.name: Part(
                len(cell.pairs.pairs), pixels_of(cell) * seconds_per_pixel(cell.entry, _SPEED)
            )
            for cell in plan.runnable
        }

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            if kind is None:
                self._file.unlink(missing_ok=True)
            else:
                self._write()

    def counting(self, advance: Advance) -> Advance:
        """Return a function that counts, and then calls another one."""

        def count(amount: int, what: str) -> None:
            part = self._parts.get(what)
            if part is not None:
                if not part.state:  # first comes what earlier runs left
                    part.state, part.before = "running", amount
                part.done += amount
                self._write_now_and_then()
            advance(amount, what)

        return count

    def finished(self, outcome: Outcome) -> None:
        """Note what became of a cell."""
        if part := self._parts.get(outcome.cell.name):
            part.state, part.note = outcome.state, outcome.note
            self._write_now_and_then()

    def _write_now_and_then(self) -> None:
        before = time.monotonic()
        if before >= self._due:
            self._write()
            now = time.monotonic()
            self._due = now + max(EVERY, REST * (now - before))

    def _write(self) -> None:
        content = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self._started,
            "written": time.time(),
            "cells": {name: asdict(part) for name, part in self._parts.items()},
        }
        with contextlib.suppress(OSError):  # the run goes on without
            write_atomically(self._file, json.dumps(content).encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Standing:
    """What can be said of a run.

    Attributes:
        at_work: Whether a process works on it.
        where: Which one, of a run that is not over.
        seconds: How long it has been at work.
        seconds_left: How long it may take; None where that is not known.
        cells: How far each cell is, by its name.
    """

    at_work: bool
    where: str
    seconds: float
    seconds_left: float | None
    cells: Mapping[str, Part]

    @property
    def images(self) -> tuple[int, int]:
        """How many images are done, and how many there are."""
        parts = self.cells.values()
        return sum(part.done for part in parts), sum(part.images for part in parts)


def read_standing(out: Path) -> Standing:
    """Return how far a run is.

    Raises:
        RainbenchError: There is no run.
    """
    cells = _finished_cells(out)
    told = _read(out / NAME)
    at_work = is_locked(out)
    if told is None:
        if not cells and not at_work:
            raise RainbenchError(f"{out}: holds no run", hint="Give the --out of `rainbench run`.")
        return Standing(at_work, "", 0.0, None if at_work else 0.0, cells)
    parts = {name: Part(**part) for name, part in told["cells"].items()}
    # The folder of a cell that is not finished does not say which copy of a set it is about.
    names = {_without_copy(name): name for name in parts}
    cells = {
        name if cell.state == "done" else names.get(name, name): cell
        for name, cell in cells.items()
    }
    for name, part in parts.items():
        ended = name in cells and cells[name].state != "running"
        if part.state in ("", "running") and ended and not at_work:
            parts[name] = cells[name]  # written after the last word of a run that was killed
    seconds = max(0.0, float(told["written"]) - float(told["started"]))
    left = _seconds_left(parts, seconds)
    return Standing(at_work, f"{told['host']}, process {told['pid']}", seconds, left, cells | parts)


def _without_copy(name: str) -> str:
    """Return a cell's name with the data set's name alone.

    Example:
        >>> _without_copy("net on rain100l@480x320")
        'net on rain100l'
    """
    entry, on, label = name.rpartition(" on ")
    return entry + on + label.partition("@")[0]


def _read(file: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(read_regular_file(file, LARGEST_FILE))
        for part in told["cells"].values():
            Part(**part)
        return {**told, "started": float(told["started"]), "written": float(told["written"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _finished_cells(out: Path) -> dict[str, Part]:
    """Return the cells that were begun, by what the folder says of them.

    Of a finished one ``cell.json`` is believed: to look through all scores takes minutes.
    """
    found: dict[str, Part] = {}
    for cell in RunResults(out).cells():
        name = f"{cell.entry} on {cell.label}"
        if cell.claim is not None and not wrong_in_summary(cell.claim):
            images = int(cell.claim["images"])
            found[name] = Part(images, 0.0, images, images, "done")
            continue
        done = len(cell.scores)
        failed = cell.problem or os.path.lexists(cell.folder / "failed.json")
        state, note = ("failed", cell.failure) if failed else ("running", "")
        found[name] = Part(done, 0.0, done, done, state, note)
    return found


def _seconds_left(parts: Mapping[str, Part], seconds: float) -> float | None:
    """Return how long the rest takes at the pace of what was done since the run began."""
    done = left = 0.0
    for part in parts.values():
        per_image = part.weight / max(1, part.images)
        done += per_image * max(0, part.done - part.before)
        if part.state in ("", "running"):
            left += per_image * (part.images - part.done)
    if not left:
        return 0.0
    return seconds * left / done if done and seconds else None
