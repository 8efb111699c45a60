"""Calls as they are recorded beside what they made, so that somebody else can make them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rainbench.core.escape import without_secrets

if TYPE_CHECKING:
    from rainbench.train.job import Job
    from rainbench.train.loop import Trained


_LEFT_OUT = ("--export", "--out", "--cluster")
"""Options that say where something went or was done, and change nothing of it."""


def recorded(words: Sequence[str]) -> str:
    """Return a call, by its words, as it is recorded: without its places.

    Example:
        >>> recorded(["claims", "--run", "--clean", "/home/me/photos", "--out", "runs/claims"])
        'rainbench claims --run --clean photos'
    """
    return shlex.join(["rainbench", *_without_places(words)])


def recorded_training(words: Sequence[str], job: Job, trained: Trained, target: Path) -> str:
    """Return the call of a training that makes the same weights elsewhere.

    Args:
        words: Of the call.
        job: What was trained.
        trained: Its outcome.
        target: The file of weights.
    """
    kept = _without_places(words)
    if not any(word.partition("=")[0] == "--device" for word in kept):
        kept += ["--device", job.options.device]
    if job.options.seconds:  # so long takes another number of steps on each machine
        kept = [*_by_steps(kept, trained.progress.step), "--schedule", job.recipe.schedule]
    return shlex.join(["rainbench", *kept, "--export", target.name])


def _by_steps(words: Sequence[str], steps: int) -> list[str]:
    """Return a call's words with the steps that were done in the place of the time they took.

    Example:
        >>> _by_steps(["train", "sian", "--time", "20m", "--short"], 700)
        ['train', 'sian', '--steps', '700', '--short']
    """
    replaced: list[str] = []
    rest = iter(words)
    for word in rest:
        option, equals, _ = word.partition("=")
        if option == "--time":
            if not equals:
                next(rest, "")
            replaced += ["--steps", str(steps)]
        else:
            replaced.append(word)
    return replaced


def _without_places(words: Sequence[str]) -> list[str]:
    """Return a call's words without where its files lie or went, which is nobody else's affair.

    Example:
        >>> _without_places(["train", "sian", "--clean", "/home/me/photos", "--out=x", "--short"])
        ['train', 'sian', '--clean', 'photos', '--short']
    """
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        value = without_secrets(value)
        if option in ("--clean", "--photographs", "--data", "--weights", "--cards", *_LEFT_OUT):
            value = value if equals else without_secrets(next(rest, ""))
            if option not in _LEFT_OUT:
                # A folder given as `.` has a name, too; a link keeps its own.
                kept += [option, Path(os.path.abspath(value)).name]  # noqa: PTH100
        elif option != "--add-to-card":
            kept.append(without_secrets(word))
    return kept
