"""Standard streams while somebody's network is called: lent to it, and put back afterwards."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


class Lent(io.TextIOBase):
    """A stream to write to, which can be closed without an end of the one behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write to the stream behind, even after this one was closed."""
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        """Return the number of the stream behind."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether a person is behind it."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return self._stream.encoding

    @property
    def buffer(self) -> io.BufferedWriter:
        """The bytes of the same file, to be closed without an end of it."""
        return open(self.fileno(), "wb", closefd=False)


@contextlib.contextmanager
def streams_lent() -> Iterator[None]:
    """Lend standard error as every stream to write to; put the real ones back, whatever happened.

    What is closed by its number is opened again: else the next file would get the number, and what
    libraries say would be written into it.
    """
    own = sys.stdin, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    kept: dict[int, tuple[int, os.stat_result]] = {}
    numbers = {0, 1, 2}
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # as in a notebook
            numbers.add(stream.fileno())
    for number in numbers:
        with contextlib.suppress(OSError):  # closed, as for a daemon
            kept[number] = os.dup(number), os.fstat(number)
    lent = Lent(sys.stderr) if sys.stderr is not None else None
    sys.stdout = sys.stderr = lent
    sys.__stdout__ = sys.__stderr__ = lent  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = own[:3]
        sys.__stdout__, sys.__stderr__ = own[3:]  # type: ignore[misc]
        for number, (copy, was) in kept.items():
            with contextlib.suppress(OSError):  # it has closed the copy as well
                if not _is(number, was):
                    os.dup2(copy, number)
                os.close(copy)


def _is(number: int, was: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), was)
    except OSError:
        return False
