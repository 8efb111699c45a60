"""Ctrl-C in a process of our own: one line, exit code 130 and an end within seconds.

What Python does by itself is fit for short programs: a second Ctrl-C falls into the clean-up that
the first has begun, and one more prints a traceback while the process winds up.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys

TYPE_CHECKING = False  # that of typing, which takes longer to import than all else here

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130
"""The exit code: that of shells, 128 and the number of the signal."""

TOLD = "Interrupted. What was finished is kept: run the same command again.\n"

PATIENCE = 3.0
"""Seconds that the clean-up has after a second Ctrl-C."""

LAST = 1.0
"""Seconds that the process has to wind up when all is cleaned up."""

THREADS = 5.0
"""Seconds that threads have to end when the work is done."""

AGAIN = 0.05
"""Seconds after which an interrupt is raised again that came where none can be raised."""

_came = False
_status: int | None = None


def run_program(work: Callable[[], int]) -> NoReturn:
    """Do what the process is for, and end it with the exit code that this returns.

    Where Ctrl-C is ignored, as in the background of a shell, it stays so.

    Raises:
        SystemExit: Always.
    """
    global _status  # noqa: PLW0603
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _lost
    atexit.register(_end)  # the first one registered is the last one called
    try:
        _status = work()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _wait_for_threads(_status)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Objects of compilers that were half made cannot be taken down: nobody has to be told.
        sys.unraisablehook = lambda _: None
        _later(LAST, lambda: os._exit(INTERRUPTED))
        _tell(TOLD)
        _status = INTERRUPTED
    sys.exit(_status)


def _wait_for_threads(status: int) -> None:
    """Let what somebody's network has started end, but not keep the process for ever."""
    threading = sys.modules.get("threading")
    if threading is None or not any(
        each is not threading.main_thread() and not each.daemon for each in threading.enumerate()
    ):
        return

    def end() -> NoReturn:
        _tell("A thread is still at work; what was asked for is done: ending without it.\n")
        os._exit(status)

    _later(THREADS, end)


def _end() -> None:
    """End the process with its exit code when all clean-up is done.

    To take down PyTorch module by module, as Python would, takes a second. An interrupt that went
    through code in C would end the process by the signal.
    """
    if _status is not None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(_status)


def has_come() -> bool:
    """Return whether Ctrl-C was pressed: what fails after it may have failed of it."""
    return _came


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Raise an interrupt, unless it would fall into the clean-up after another one."""
    global _came  # noqa: PLW0603
    _came = True
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    if error is None:
        raise KeyboardInterrupt
    _later(PATIENCE, _give_up)


def _lost(what: sys.UnraisableHookArgs) -> None:
    """Raise an interrupt once more that had no effect, as in a finaliser or a callback."""
    if issubclass(what.exc_type, KeyboardInterrupt):
        import _thread

        _later(AGAIN, _thread.interrupt_main)
    else:
        sys.__unraisablehook__(what)


def _later(seconds: float, deed: Callable[[], object]) -> None:
    import threading  # costs some milliseconds, which most calls need not wait for

    timer = threading.Timer(seconds, deed)
    timer.daemon = True
    timer.start()


def _give_up() -> NoReturn:
    """End the process without the rest of a clean-up that does not end."""
    _tell(TOLD)
    os._exit(INTERRUPTED)


def _tell(text: str) -> None:
    try:
        os.write(2, text.encode())
    except OSError:  # closed, or nobody reads it
        return
