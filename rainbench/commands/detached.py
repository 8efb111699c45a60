"""A call that goes on in the background, in a session of its own: ``--detach``."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click

from rainbench.commands.options import Function
from rainbench.core.errors import RainbenchError
from rainbench.core.files import append_to, writing
from rainbench.core.progress import print_line, say, show_json

LOG = "detached.log"
"""The file in the run's folder that gets what the call says."""

PATIENCE = 20.0
"""Seconds in which a call that is to end at once, as for a cluster that is none, has ended."""

_OPTION = "--detach"


def detach_option(function: Function) -> Function:
    """Add ``--detach``."""
    return click.option(
        _OPTION,
        is_flag=True,
        help=f"Go on in the background, also when you log out; messages go to {LOG} in the run's "
        "folder.",
    )(function)


def refuse_detached(reason: str) -> None:
    """Refuse to go to the background for a reason, or where the system has no sessions.

    Raises:
        RainbenchError: There is a reason.
    """
    if sys.platform == "win32":
        raise RainbenchError(
            f"{_OPTION} is not for Windows, which has no sessions of that kind",
            hint="Leave it out, and keep the window open; or run under WSL.",
        )
    if reason:
        raise RainbenchError(f"{_OPTION} is for runs that take long: {reason}")


def go_on_detached(out: Path, status: Path, *, as_json: bool) -> int:
    """Make this call once more in the background; return when it has begun, or its exit code.

    Args:
        out: The run's folder, which gets the log.
        status: A file that is written when the work begins.
        as_json: Print where it is as JSON.

    Raises:
        StoreError: The log cannot be written.
    """
    log, before = out / LOG, _stamp(status)
    words = [word for word in sys.argv[1:] if word != _OPTION]
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with append_to(log) as file, _interrupts_by_default():
            begin = file.tell()
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rainbench", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    until = time.monotonic() + PATIENCE
    while process.poll() is None and _stamp(status) == before and time.monotonic() < until:
        time.sleep(0.1)
    with log.open("rb") as file:
        file.seek(begin)
        for line in file.read().decode("utf-8", "replace").splitlines():
            print_line(line)
    if process.returncode is not None:  # it had little to do, or could not begin
        return process.returncode
    process.returncode = 0  # nobody waits for it any more
    if as_json:
        show_json({"process": process.pid, "log": str(log)})
        return 0
    say(f"It goes on in the background as process {process.pid}; what it says is in {log}")
    say(f"  rainbench status {out}    how far it is")
    say(f"  kill -INT {process.pid}    stops it; the same command goes on then")
    return 0


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def _interrupts_by_default() -> Iterator[None]:
    """Start processes that an interrupt ends, in a shell's background too, where it is ignored."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
