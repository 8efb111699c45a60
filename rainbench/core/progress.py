"""What a person sees: one progress display, one way to print, nothing on a pipe but lines."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator

import click

from rainbench.core.errors import StoreError
from rainbench.core.escape import visible, visible_json

Advance = Callable[[int, str], None]
"""Called with how much was done since the last call, and what is being done. All long work takes
one, under the name ``advance``, and knows nothing of how it is shown."""


def unseen(_amount: int, _what: str) -> None:
    """Show nothing: the `Advance` of work that nobody watches."""


def say(text: str = "") -> None:
    """Print a line on standard error, where it does not mix with a command's result.

    Where it cannot be written, as on a full disk, the work goes on without.
    """
    try:
        click.echo(visible(text), err=True)
    except BrokenPipeError:
        raise
    except OSError:
        return


def show(text: str) -> None:
    """Print a command's result on standard output.

    Raises:
        StoreError: It cannot be written: it goes to a full disk.
    """
    try:
        click.echo(visible(text))
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
def progress(title: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """Show how far long work is: a bar on a terminal, a line now and then elsewhere.

    Yields:
        The function to call, see `Advance`.
    """
    if quiet or total <= 0:
        yield unseen
    elif sys.stderr is not None and sys.stderr.isatty():  # None: closed, as for a daemon
        with _bar(title, total) as advance:
            yield advance
    else:
        yield _lines(title, total)


@contextlib.contextmanager
def _bar(title: str, total: int) -> Iterator[Advance]:
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


def _lines(title: str, total: int, every: float = 15.0) -> Advance:
    done, last = 0, time.monotonic()

    def advance(amount: int, what: str) -> None:
        nonlocal done, last
        done += amount
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say(f"{title}: {done} of {total} {what}".rstrip())

    return advance
