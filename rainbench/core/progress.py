"""What a person sees: one progress display, one way to print, nothing on a pipe but lines."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator

import click

from rainbench.core.errors import StoreError
from rainbench.core.escape import visible, visible_json, without_secrets

Advance = Callable[[int, str], None]
"""Called with how much was done since the last call, and what is being done. All long work takes
one, under the name ``advance``, and knows nothing of how it is shown."""


def unseen(_amount: int, _what: str) -> None:
    """Show nothing: the `Advance` of work that nobody watches."""


def keep_stdout() -> None:
    """Keep standard output for `show` alone: whatever else is written to it goes to standard error.

    Libraries written in C, child processes and ``os.write(1, ...)`` know the stream by its number,
    and would write into the middle of a table or of JSON. To be called once, by the program.
    """
    if sys.stdout is None or sys.stderr is None:  # closed, as for a daemon
        return
    try:
        sys.stdout.flush()
        own, error = os.dup(sys.stdout.fileno()), sys.stderr.fileno()
        os.dup2(error, sys.stdout.fileno())
    except (OSError, ValueError):  # no streams of the system, as in a notebook
        return
    sys.stdout = os.fdopen(  # for the rest of the process
        own, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors,
        buffering=1 if sys.stdout.line_buffering else -1,
    )  # fmt: skip


_notes: list[Callable[[str, bool], object]] = []
"""Get what is said, for the file of `rainbench --log`."""


def note_said(deed: Callable[[str, bool], object]) -> None:
    """Call a function with all that is said from now on, and whether it tells of an error."""
    _notes[:] = [deed]


def note(text: str, *, error: bool = False) -> None:
    """Put a text where what is said is noted, without saying it."""
    text = without_secrets(text)  # a file of what was said is sent to others
    for deed in _notes:
        deed(text, error)


def say(text: str = "") -> None:
    """Print a line on standard error, where it does not mix with a command's result.

    Where it cannot be written, as on a full disk, the work goes on without.
    """
    note(text)
    print_line(text)


def print_line(text: str) -> None:
    """Print a line as `say` does, of what is in the log's file already."""
    try:
        click.echo(visible(text), err=True)
    except BrokenPipeError:
        raise
    except OSError:
        return


def show(text: str, *, secrets: bool = False) -> None:
    """Print a command's result on standard output.

    Args:
        text: The result.
        secrets: It is an address with a token of ours, which its reader needs.

    Raises:
        StoreError: It cannot be written: it goes to a full disk.
    """
    try:
        click.echo(visible(text, secrets=secrets))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(
            f"standard output: cannot be written: {error.strerror}",
            hint="Write it to a place with free space; what lies in folders is kept.",
        ) from None


def show_json(content: object) -> None:
    """Print a command's result for machines."""
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, default=str)
    show(visible_json(text))


def _plain(content: object) -> object:
    """Return the same with null for numbers that JSON has not: NaN and infinities."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


@contextlib.contextmanager
def progress(title: str, total: int | None, *, quiet: bool = False) -> Iterator[Advance]:
    """Show how far long work is: a bar on a terminal, a line now and then elsewhere.

    Args:
        title: What is counted.
        total: How much there is to do; None where that is not known yet.
        quiet: Show nothing.

    Yields:
        The function to call, see `Advance`.
    """
    if quiet or (total is not None and total <= 0):
        yield unseen
    elif sys.stderr is not None and sys.stderr.isatty():  # None: closed, as for a daemon
        with _bar(title, total) as advance:
            yield advance
    else:
        yield _lines(title, total)


@contextlib.contextmanager
def _bar(title: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.fields[what]}", markup=False), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, what=visible(title))
        yield lambda amount, what: bar.update(task, advance=amount, what=visible(what or title))


def _lines(title: str, total: int | None, every: float = 15.0) -> Advance:
    done, last = 0, time.monotonic()
    of = "" if total is None else f" of {total}"

    def advance(amount: int, what: str) -> None:
        nonlocal done, last
        done += amount
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say(f"{title}: {done}{of} {what}".rstrip())

    return advance
