"""The errors a user can meet. Each says what is wrong, where, and what to do."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LONGEST = 300
"""Letters of a message of somebody else's code that are passed on."""


class RainbenchError(Exception):
    r"""A mistake in the call or its inputs: shown as one message, without a traceback.

    Args:
        message: What is wrong, with the file or name it is about.
        hint: What to do about it, as a sentence. Printed on its own line.

    Example:
        >>> str(RainbenchError("no such data set: rain10l", hint="did you mean rain100l?"))
        'no such data set: rain10l\n  did you mean rain100l?'
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}\n  {hint}" if hint else message)


class CardError(RainbenchError):
    """A card cannot be read, or says something that is not allowed.

    ``file`` is the card's, where it is known.
    """

    def __init__(self, message: str, *, hint: str = "", file: Path | None = None) -> None:
        self.file = file
        super().__init__(message, hint=hint)


class ImageError(RainbenchError):
    """A file cannot be used as an image. ``path`` names it."""

    def __init__(self, path: Path, message: str, *, hint: str = "") -> None:
        self.path = path
        super().__init__(f"{path}: {message}", hint=hint)


class PairError(RainbenchError):
    """A folder does not hold the pairs that its data set promises."""


class WeightsError(RainbenchError):
    """A file of weights is missing, altered, unsafe, or belongs to another network."""


class StoreError(RainbenchError):
    """A result cannot be written or read back."""


def told(error: BaseException) -> str:
    """Return what an error says in one line: a user's as it stands, any other with its kind.

    Example:
        >>> told(KeyError("conv.weight"))
        "KeyError: 'conv.weight'"
        >>> told(RainbenchError("a.png: is gray", hint="Convert it."))
        'a.png: is gray. Convert it.'
    """
    if isinstance(error, RainbenchError):
        return f"{error.message}. {error.hint}" if error.hint else error.message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f" ({error.filename})" if error.filename else "")
    try:
        text = " ".join(str(error).split())[:LONGEST]
    except Exception:  # it cannot even say what it is
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextlib.contextmanager
def failing_alone(what: str) -> Iterator[None]:
    """Turn whatever goes wrong with one thing among many into a user's error that names it.

    The traceback goes to the log, where ``-vv`` shows it. Ctrl-C is not held up.

    Args:
        what: Such as a file or an entry, for the beginning of the message.

    Raises:
        RainbenchError: In place of any other error.

    Example:
        >>> with failing_alone("net on rain100l"):
        ...     1 / 0
        Traceback (most recent call last):
        rainbench.core.errors.RainbenchError: net on rain100l: ZeroDivisionError: division by zero
    """
    try:
        yield
    except RainbenchError:
        raise
    except (Exception, SystemExit) as error:  # a network may call for the end
        import logging

        logging.getLogger(__name__).debug("%s", what, exc_info=True)
        raise RainbenchError(f"{what}: {told(error)}") from error


def needed(module: str, extra: str, what: str) -> Any:  # noqa: ANN401
    """Import a library that is not one of ours, or say how to get it.

    Raises:
        RainbenchError: It is not installed, or cannot be loaded here.
    """
    missing = RainbenchError(
        f"{what}: needs {module}, which is not installed",
        hint=f'Install it: pip install "rainbench[{extra}]"',
    )
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise RainbenchError(f"{what}: {module} cannot be loaded: {told(error)}") from None
        raise missing from None
    except Exception as error:  # built for another version of what it needs
        raise RainbenchError(f"{what}: {module} cannot be loaded: {told(error)}") from None
    if getattr(found, "__path__", None) and getattr(found, "__file__", None) is None:
        raise missing  # a folder of that name, such as our own of data sets, is taken for it
    return found
