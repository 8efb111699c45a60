"""Work for the tests of the pool, in a module that every process can import."""

import os
import signal
import sys
import time
from pathlib import Path

from rainbench.core.errors import ImageError
from rainbench.core.files import write_atomically
from rainbench.core.pool import run_all

FOREVER = 120


def _begin(folder, name):
    """Leave a file as a process does that is in the middle of writing it."""
    path = folder / f".{name}.{os.getpid()}.part"
    path.write_bytes(b"half")
    return path


def wait_tidily(task):
    folder, name = task
    unfinished = _begin(folder, name)
    try:
        time.sleep(FOREVER)
    finally:
        unfinished.unlink()


def wait_deaf(task):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    folder, name = task
    _begin(folder, name)
    time.sleep(FOREVER)


def die_in_the_second(task):
    folder, name = task
    if name == "2":
        _begin(folder, name)
        os.kill(os.getpid(), signal.SIGKILL)
    write_atomically(folder / name, b"done")
    return name


def name_of(task):
    return task[1]


def raise_error(task):
    folder, name = task
    raise ImageError(folder / name, "is no picture", hint="Fetch it again.")


def main(name):
    folder = Path.cwd()
    tasks = [(folder, str(number)) for number in range(1, 5)]
    work = getattr(sys.modules[__name__], name)
    print(run_all(work, tasks, 2, on_crash=lambda task: f"died: {task[1]}", folder=folder))


def interrupt_what_starts(folder):
    """Write a module with which, on ``PYTHONPATH``, a spawned process gets Ctrl-C as it begins."""
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if '--multiprocessing-fork' in sys.orig_argv:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
