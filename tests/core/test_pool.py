"""Processes of the pool: however a call ends, in seconds nobody and nothing half made is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pool_work import die_in_the_second, interrupt_what_starts, raise_error

from rainbench.core import pool
from rainbench.core.errors import RainbenchError
from rainbench.core.pool import _first_interrupt_alone, run_all

HELPERS = Path(__file__).parents[1] / "helpers"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as Unix has them")


@pytest.fixture
def start(tmp_path):
    """Start a call of the pool, leader of a process group of its own, and end it with the test."""
    started = []

    def call(name, before=""):
        path = os.pathsep.join(filter(None, [str(HELPERS), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, "-c", f"{before}\nfrom pool_work import main\nmain({name!r})"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield call
    for process in started:
        if any_left(process):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def any_left(process):
    """Whether a process of the group runs; those that ended and wait to be noticed do not count."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return any(int(row[0]) == process.pid and not row[1].startswith("Z") for row in rows)


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("work", ["wait_tidily", "wait_deaf"])
@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_ctrl_c_twice(start, tmp_path, work, pause):
    process = start(work)
    assert until(lambda: len(list(tmp_path.glob(".*.part"))) == 2, 60)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(pause)
    _, said = process.communicate(timeout=20)
    assert process.returncode and "KeyboardInterrupt" in said
    assert said.count("Traceback") <= 2, "one of the parent for each Ctrl-C, none of the workers"
    # A worker that was killed is still there for a moment on a busy machine.
    assert until(lambda: not any_left(process), 2)
    assert not list(tmp_path.glob(".*.part"))


def test_ctrl_c_does_not_reach_the_first_worker_while_it_starts(tmp_path):
    """Not even the first of a process: with it Python starts another, and unblocks the signal."""
    interrupt_what_starts(tmp_path)
    code = """
import multiprocessing
from rainbench.core.pool import interrupts_put_off
process = multiprocessing.get_context("spawn").Process(target=print, args=("lives",))
with interrupts_put_off():
    process.start()
process.join()
"""
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "lives\n", done.stderr


def test_a_second_ctrl_c_does_not_end_the_clean_up():
    before, steps = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), _first_interrupt_alone():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            steps.append("begun")
            signal.raise_signal(signal.SIGINT)
            steps.append("done")
    assert steps == ["begun", "done"] and signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("line", range(4))
def test_a_second_ctrl_c_does_not_swallow_the_first(line):
    """Wherever it comes while the first is handled, one of the two is raised."""
    seen = []

    def again(frame, event, _):
        if frame.f_code.co_filename == pool.__file__ and event == "line":
            seen.append(frame.f_lineno)
            if len(seen) == line + 1:
                signal.raise_signal(signal.SIGINT)
        return again

    with pytest.raises(KeyboardInterrupt), _first_interrupt_alone():
        sys.settrace(again)
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            sys.settrace(None)
    assert seen


def test_workers_end_with_a_parent_that_is_killed(start, tmp_path):
    process = start("wait_tidily")
    assert until(lambda: len(list(tmp_path.glob(".*.part"))) == 2, 60)
    process.kill()
    assert until(lambda: not any_left(process), 20)
    assert not list(tmp_path.glob(".*.part"))


def test_a_worker_that_dies_costs_its_own_task_alone(tmp_path):
    tasks = [(tmp_path, name) for name in "1234"]
    done = []
    found = run_all(
        die_in_the_second, tasks, 2,
        on_crash=lambda task: f"died: {task[1]}", on_done=done.append, folder=tmp_path,
    )  # fmt: skip
    assert found == ["1", "died: 2", "3", "4"] and sorted(done) == sorted(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3", "4"]


def test_an_error_comes_over_with_its_text(tmp_path):
    with pytest.raises(RainbenchError, match=r"1: is no picture\n  Fetch it again\.$"):
        run_all(raise_error, [(tmp_path, "1")] * 4, 2, on_crash=str)


NO_SEMAPHORES = """
import _multiprocessing
def refuse(*_, **__):
    raise PermissionError(13, "Permission denied")
_multiprocessing.SemLock = refuse
"""

NO_PROCESSES = """
import multiprocessing.popen_spawn_posix as popen
def refuse(*_, **__):
    raise BlockingIOError(11, "Resource temporarily unavailable")
popen.Popen._launch = refuse
"""


def test_without_shared_memory_the_work_is_done(start):
    shown, said = start("die_in_the_second", NO_SEMAPHORES).communicate(timeout=60)
    assert shown == "['1', 'died: 2', '3', '4']\n", said


def test_without_processes_the_work_is_done_here(start):
    shown, said = start("name_of", NO_PROCESSES).communicate(timeout=60)
    assert "no worker processes can be started (Resource temporarily unavailable)" in said
    assert said.count("\n") == 1 and shown == "['1', '2', '3', '4']\n", said
