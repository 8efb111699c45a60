"""The errors a user can meet. Each says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path


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
