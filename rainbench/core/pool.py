"""Work spread over processes: results in order, crashes as results, nobody left behind."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_all(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    *,
    on_crash: Callable[[Task], Result],
    on_done: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Apply a function to every task, on several processes if asked.

    Args:
        work: A function of a module, so that it can be sent to a process.
        tasks: What to work on; each must be picklable.
        workers: Processes; with one, or one task, all happens in this process.
        on_crash: Makes the result of a task whose process died, as happens without memory.
        on_done: Called here with each result as it comes, in any order.

    Returns:
        The results in the order of the tasks.

    Raises:
        Exception: Whatever ``work`` raises; what has not begun is then given up.
    """
    if workers <= 1 or len(tasks) <= 1:
        results = []
        for task in tasks:
            results.append(work(task))
            on_done(results[-1])
        return results
    found: dict[int, Result] = {}
    _one_pool(work, tasks, range(len(tasks)), workers, found, on_done)
    # Whoever died took the whole pool along: each task left gets a process to itself.
    for index, task in enumerate(tasks):
        if index not in found:
            _one_pool(work, tasks, [index], 1, found, on_done)
        if index not in found:
            found[index] = on_crash(task)
            on_done(found[index])
    return [found[index] for index in range(len(tasks))]


def _one_pool(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    indices: Sequence[int],
    workers: int,
    found: dict[int, Result],
    on_done: Callable[[Result], None],
) -> None:
    """Run some tasks in a fresh pool; those whose process died are missing from ``found``."""
    # A fresh interpreter each: compiled kernels and OpenCV keep threads, which do not survive fork.
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(indices))
    with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as pool:
        futures: dict[Future[Result], int] = {
            pool.submit(work, tasks[index]): index for index in indices
        }
        try:
            for future in as_completed(futures):
                try:
                    found[futures[future]] = future.result()
                except BrokenProcessPool:
                    continue
                on_done(found[futures[future]])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone, however that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
