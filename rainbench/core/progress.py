"""What a person sees: one progress display, one way to print, nothing on a pipe but lines."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator

import click

Advance = Callable[[int, str], None]
"""Called by long work with how much was done since the last call and what is being done."""


def unseen(_amount: int, _what: str) -> None:
    """Show no progress."""


def say(text: str = "") -> None:
    """Print a line on standard error, where it does not mix with a command's result."""
    click.echo(text, err=True)


def show(text: str) -> None:
    """Print a command's result on standard output."""
    click.echo(text)


def show_json(content: object) -> None:
    """Print a command's result for machines."""
    click.echo(json.dumps(content, indent=1, ensure_ascii=False, default=str))


@contextlib.contextmanager
def progress(title: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """Show how far long work is: a bar on a terminal, a line now and then elsewhere.

    Yields:
        A function to call, see `Advance`.
    """
    if quiet or total <= 0:
        yield unseen
    elif sys.stderr.isatty():
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
        TextColumn("{task.fields[what]}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, what=title)
        yield lambda amount, what: bar.update(task, advance=amount, what=what or title)


def _lines(title: str, total: int, every: float = 15.0) -> Advance:
    done, last = 0, time.monotonic()

    def advance(amount: int, what: str) -> None:
        nonlocal done, last
        done += amount
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say(f"{title}: {done} of {total} {what}".rstrip())

    return advance
