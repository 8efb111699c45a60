"""Work whose process may die without a word: its parent knows what it was at, and goes on.

Native code can end a process where no ``except`` helps: by a segmentation fault, an ``abort``, or
for want of memory. So a child does the work, forked before anything is loaded, which takes no time.
What it is at stands in memory that both share; when it dies, the parent forks another, which passes
over that. On systems other than Linux, whose libraries do not bear a fork, and in a process that
keeps threads already, the work is done where it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import click

from rainbench.core.errors import RainbenchError
from rainbench.core.progress import say

PASSED_ON = 1.0
"""Seconds after which Ctrl-C is passed on to a child that has not ended of it: it may not know."""

PATIENCE = 3.0
"""Seconds that a child has after a second Ctrl-C."""

_PR_SET_PDEATHSIG = 1


class Watch:
    """What a process is at, for whoever outlives it.

    Attributes:
        died: What processes of this call died of before, each with how they did.
    """

    def __init__(self) -> None:
        self.died: dict[str, str] = {}
        self._what = ""
        self._at, self._done, self._left = (_Note(size) for size in (1 << 16, 1 << 20, 1 << 12))

    @cached_property
    def finished(self) -> frozenset[str]:
        """What processes of this call finished before one of them died."""
        return frozenset(self._done.lines() if self.died else ())

    @contextlib.contextmanager
    def at(self, what: str, place: str = "") -> Iterator[None]:
        """Note what is being done inside, until it is left by whatever way but death.

        Args:
            what: Its name, the same in the process that goes on.
            place: What exactly, see `now`.
        """
        self._what = what
        self.now(place)
        try:
            yield
        finally:
            self._at.write(None)

    def now(self, place: str) -> None:
        """Note what exactly is being done: it comes behind "the process ended"."""
        self._at.write([self._what, place])

    def has_finished(self, what: str) -> None:
        """Note that something need not be begun again."""
        self._done.add_line(what)

    def leave(self, code: int) -> None:
        """Note that the work ended in order; what the process dies of now is of no account."""
        self._left.write(code)

    def stay_behind(self) -> None:
        """Return in a child; its parent waits for it, and forks another when one dies at something.

        Raises:
            SystemExit: In the parent, with the code of a child that ended in order.
            RainbenchError: In the parent: a child died, and nobody knows of what.
        """
        while True:
            parent = os.getpid()
            if not (child := os.fork()):
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:  # it was killed meanwhile
                    raise SystemExit(1)
                return
            code, interrupts = _wait_for(child)
            left, at = self._left.read(), self._at.read()
            if left is not None:
                ended = 130 if interrupts else left  # a signal may come while it winds up
                raise SystemExit(code if code >= 0 else ended)
            if interrupts:
                raise KeyboardInterrupt
            how = _how(code)
            if at is None:
                raise RainbenchError(
                    f"the process died ({how})",
                    hint="What was finished is kept. `rainbench -vv` shows where it was.",
                )
            what, place = at
            self.died[what] = f"its process died ({how}) {place}".rstrip()
            say(f"{what}: {self.died[what]}: going on without it")


_own_process = False
"""Whether this process is the program's own, so that a child may end it."""


def own_process() -> None:
    """Say that this process runs nothing but one command, as `rainbench.cli.main` does.

    Where a command is called within another program a child would go on with that program.
    """
    global _own_process  # noqa: PLW0603
    _own_process = True


def is_own_process() -> bool:
    """Return whether this process runs nothing but one command, so that others may stand by it."""
    return _own_process


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Do the work inside in a child where that can be done, to go on when it dies.

    To be entered before anything that keeps threads is loaded, as NumPy does.
    """
    watch = Watch()
    if _own_process and _has_no_threads():
        watch.stay_behind()
    try:
        yield watch
    except click.exceptions.Exit as end:
        watch.leave(end.exit_code)
        raise
    except BaseException:
        watch.leave(1)
        raise
    watch.leave(0)


def _has_no_threads() -> bool:
    """Return whether this process may be forked; those of libraries Python does not know of."""
    try:
        return sys.platform == "linux" and len([*Path("/proc/self/task").iterdir()]) == 1
    except OSError:  # sealed in without /proc
        return False


def _wait_for(child: int) -> tuple[int, int]:
    """Return a child's exit code, below 0 for a signal, and how often Ctrl-C was pressed."""
    came = 0

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        nonlocal came  # the terminal tells the child as well
        came += 1
        if came <= 2:
            signal.setitimer(signal.ITIMER_REAL, PASSED_ON if came == 1 else PATIENCE)

    def overdue(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT if came == 1 else signal.SIGKILL)

    handlers = {signal.SIGALRM: overdue}
    if callable(signal.getsignal(signal.SIGINT)):  # else it is ignored, as in the background
        handlers[signal.SIGINT] = interrupted
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), came
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}, without a word"
    if -code == signal.SIGKILL:
        return "SIGKILL: memory ran out, or somebody killed it"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"  # of real time


class _Note:
    """A JSON document, or lines as far as there is room, in memory that forked processes share."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size)

    def write(self, content: object) -> None:
        data = json.dumps(content).encode()
        if len(data) + 8 > len(self._memory):
            return
        self._memory[:8] = bytes(8)  # whoever dies half way has written nothing
        self._memory[8 : 8 + len(data)] = data
        self._memory[:8] = len(data).to_bytes(8, "big")

    def add_line(self, text: str) -> None:
        line = text.encode("utf-8", "surrogatepass") + b"\0"
        end = 8 + int.from_bytes(self._memory[:8], "big")
        if end + len(line) <= len(self._memory):
            self._memory[end : end + len(line)] = line
            self._memory[:8] = (end - 8 + len(line)).to_bytes(8, "big")

    def lines(self) -> list[str]:
        data = self._memory[8 : 8 + int.from_bytes(self._memory[:8], "big")]
        return data.decode("utf-8", "surrogatepass").split("\0")

    def read(self) -> Any:  # noqa: ANN401
        length = int.from_bytes(self._memory[:8], "big")
        return json.loads(self._memory[8 : 8 + length]) if length else None
