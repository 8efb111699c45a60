"""Work spread over processes: results in order, crashes as results, nobody left behind.

Each worker has a pipe of its own. Nothing else is shared, so no semaphore is needed (which takes a
writable ``/dev/shm``), and when a worker dies it is known which task it had.
"""

from __future__ import annotations

import contextlib
import copyreg
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType, MappingProxyType, TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar

from rainbench.core.errors import RainbenchError
from rainbench.core.progress import say

Task = TypeVar("Task")
Result = TypeVar("Result")


def _read_only(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


# Frozen records hold read-only mappings, which pickle does not know.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))

PATIENCE = 3.0
"""Seconds that a worker has to leave its work and remove its unfinished files when told to end."""


Pool = Callable[..., list[Any]]
"""What is called as `run_all` is, the number of workers apart, which it knows itself."""


def run_all(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    *,
    on_crash: Callable[[Task], Result],
    on_done: Callable[[Result], None] = lambda _: None,
    folder: Path | None = None,
) -> list[Result]:
    """Apply a function to every task, on several processes if asked.

    However it ends, by an error or an interrupt too, all its processes have ended before.

    Args:
        work: A function of a module, so that it can be sent to a process.
        tasks: What to work on; each must be picklable.
        workers: Processes; with one, or one task, all happens in this process.
        on_crash: Makes the result of a task whose process died, as happens without memory.
        on_done: Called here with each result as it comes, in any order.
        folder: Where the work writes: unfinished files of processes that died are removed there.

    Returns:
        The results in the order of the tasks.

    Raises:
        Exception: Whatever ``work`` raises; what has not begun is then given up.
    """
    found: dict[int, Result] = {}
    waiting = list(range(len(tasks)))
    if workers > 1 and len(tasks) > 1:
        try:
            died = _spread(work, tasks, waiting, workers, found, on_done, folder)
        except _NoProcessesError as error:
            say(f"no worker processes can be started ({error}): working in this process")
        else:
            # Whoever died may have lacked memory for all at once: each has a second try alone.
            for index in sorted(died):
                if _spread(work, tasks, [index], 1, found, on_done, folder):
                    found[index] = on_crash(tasks[index])
                    on_done(found[index])
    for index in waiting:
        if index not in found:
            found[index] = work(tasks[index])
            on_done(found[index])
    return [found[index] for index in waiting]


class _NoProcessesError(Exception):
    """The system starts no processes for us."""


def _spread(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    indices: Sequence[int],
    workers: int,
    found: dict[int, Result],
    on_done: Callable[[Result], None],
    folder: Path | None,
) -> list[int]:
    """Run some tasks on fresh processes; return those whose process died."""
    queue = deque(indices)
    died: list[int] = []
    with _first_interrupt_alone(), _Crew(work, folder) as crew:
        while queue or crew.busy:
            while queue and len(crew.busy) < workers and (worker := crew.free()) is not None:
                crew.give(worker, queue.popleft(), tasks)
            for index, answer in crew.answers():
                if answer is None:
                    died.append(index)
                    continue
                well, value = answer
                if not well:
                    raise value
                found[index] = value
                on_done(value)
    return died


class _Crew(Generic[Task, Result]):
    """The processes of one call, and the task that each of them has."""

    def __init__(
        self,
        work: Callable[[Task], Result],
        folder: Path | None,
        on_news: Callable[[Any], object] = lambda _: None,
    ) -> None:
        self._work = work
        self._folder = folder
        self._on_news = on_news
        self._processes: dict[Connection, SpawnProcess] = {}
        self._dead: list[int] = []
        self.busy: dict[Connection, int] = {}

    def free(self) -> Connection:
        """Return the pipe of a worker without a task, a new one where all have one.

        Raises:
            _NoProcessesError: There is no worker, and none can be started.
        """
        for pipe in self._processes:
            if pipe not in self.busy:
                return pipe
        ours, theirs = multiprocessing.Pipe()
        # A fresh interpreter: compiled kernels and OpenCV keep threads, which do not survive fork.
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        try:
            with interrupts_put_off():
                process.start()
                self._processes[ours] = process
        except OSError as error:
            raise _NoProcessesError(error.strerror or str(error)) from None
        finally:
            theirs.close()
        return ours

    def give(self, pipe: Connection, index: int, tasks: Sequence[Task]) -> None:
        """Send a worker its task; if it is dead already, `answers` will tell."""
        self.busy[pipe] = index
        with contextlib.suppress(OSError):
            pipe.send(tasks[index])

    def answers(self) -> Iterator[tuple[int, tuple[bool, Any] | None]]:
        """Wait for some workers; yield each one's task with its answer, None where it died."""
        for pipe in wait(list(self.busy)):
            assert isinstance(pipe, Connection)
            try:
                answer = pickle.loads(pipe.recv_bytes())
            except (EOFError, OSError):
                answer = None
            if answer is not None and answer[0] is None:  # only news
                self._on_news(answer[1])
                continue
            index = self.busy.pop(pipe)
            if answer is None:
                self._end([pipe])
            yield index, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with interrupts_put_off():
            self._end(list(self._processes), told=kind is not None)
            self._remove_unfinished()

    def kill(self) -> None:
        """Kill all workers, whatever they are at."""
        for process in list(self._processes.values()):
            process.kill()

    def _end(self, pipes: Iterable[Connection], *, told: bool = True) -> None:
        """End workers: idle ones by closing their pipes, others by a signal, at last by force."""
        with interrupts_put_off():
            ending = [self._processes[pipe] for pipe in pipes]
            for pipe, process in zip(pipes, ending, strict=True):
                pipe.close()
                if told:
                    process.terminate()
            until = time.monotonic() + PATIENCE
            for process in ending:
                process.join(max(0.0, until - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()
                if process.exitcode and process.pid:
                    self._dead.append(process.pid)
            for pipe in pipes:
                del self._processes[pipe]

    def _remove_unfinished(self) -> None:
        if self._folder is None:
            return
        for pid in self._dead:
            for unfinished in list(self._folder.rglob(f".*.{pid}.part")):
                unfinished.unlink(missing_ok=True)


class Helper(Generic[Task, Result]):
    """One process that works beside this one, which goes on meanwhile. A context manager.

    It is started at once, in the thread that enters; another thread may then ask it.

    Args:
        work: A function of a module, so that it can be sent to a process.
        on_news: Called, where it is asked, with what ``work`` tells on the way, see `tell`.
        folder: Where the work writes, see `run_all`.
    """

    def __init__(
        self,
        work: Callable[[Task], Result],
        on_news: Callable[[Any], object] = lambda _: None,
        folder: Path | None = None,
    ) -> None:
        self._crew = _Crew(work, folder, on_news)
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(_NoProcessesError):  # it then is as one that died
            self._pipe = self._crew.free()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._crew.__exit__(kind, error, trace)

    def kill(self) -> None:
        """End its process at once, whatever it is at; who asks it is told that it died."""
        self._crew.kill()

    def ask(self, task: Task) -> Result:
        """Have a task done.

        Raises:
            HelperDiedError: There is no process, or it died of the task.
            Exception: Whatever the work raises.
        """
        if self._pipe is None:
            raise HelperDiedError
        self._crew.give(self._pipe, 0, [task])
        while self._crew.busy:
            for _, answer in self._crew.answers():
                if answer is None:
                    self._pipe = None
                    raise HelperDiedError
                well, value = answer
                if not well:
                    raise value
                result: Result = value
                return result
        raise HelperDiedError


class HelperDiedError(Exception):
    """The process of a `Helper` is gone."""


_told: list[Connection] = []
"""The pipe to the parent, in a worker."""


def tell(news: object) -> None:
    """Tell the parent something while work is still going on; nothing happens in no worker."""
    for pipe in _told:
        with contextlib.suppress(OSError):  # nobody waits for it any more
            pipe.send_bytes(pickle.dumps((None, news)))


@contextlib.contextmanager
def _first_interrupt_alone() -> Iterator[None]:
    """Let only the first Ctrl-C be raised: one that follows it would keep workers from being ended.

    It could not be caught at another moment: it may come before the first line of a clean-up.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[int] = []

    def raise_first(number: int, frame: FrameType | None) -> None:
        # Asked before it is noted: the next may come between any two lines of this.
        if not came:
            came.append(number)
            before(number, frame)

    signal.signal(signal.SIGINT, raise_first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def interrupts_put_off() -> Iterator[None]:
    """Let Ctrl-C wait until this is done, and keep it from processes that are being started.

    Blocking the signal does so for this thread and for what it starts; another thread of this
    process may still take it, hence the handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        # It is started with the first process that is spawned, and then unblocks the signal.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
    if came and callable(before):
        before(came[0], None)


def _serve(pipe: Connection, work: Callable[[Any], object]) -> None:
    """Be a worker: answer tasks until the pipe is closed."""
    _leave_interrupts_to_the_parent()
    _told[:] = [pipe]
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send_bytes(answer_to(work, task))
        except OSError:  # nobody waits for it any more
            return


def answer_to(work: Callable[[Any], object], task: object) -> bytes:
    """Return what work makes of a task, pickled: whether it went well, and the result or error."""
    try:
        return pickle.dumps((True, work(task)))
    except Exception as error:
        return _as_bytes(error)


def _as_bytes(error: Exception) -> bytes:
    """Return an answer that is an error; its text alone where it cannot be sent itself."""
    text = "".join(traceback.format_exception(error))
    error.add_note(text)
    try:
        data = pickle.dumps((False, error))
        pickle.loads(data)
    except Exception:
        known = isinstance(error, RainbenchError)
        return pickle.dumps((False, RainbenchError(str(error)) if known else RuntimeError(text)))
    return data


def _end(*_: object) -> NoReturn:
    """End a worker; where an exit cannot be raised, as in a callback from C, nobody is told."""
    sys.unraisablehook = lambda _: None
    sys.exit(1)


def _leave_interrupts_to_the_parent() -> None:
    """Ignore Ctrl-C, end tidily when told to, and end when the parent is gone.

    Ctrl-C goes to all processes of a terminal at once. Of them only the parent decides what ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def end() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)

    when_parent_ends(end)


def when_parent_ends(deed: Callable[[], object]) -> None:
    """Do something when the process that started this one by `multiprocessing` is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        deed()

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
