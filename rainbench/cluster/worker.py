"""What a worker does for whatever it is given: says what it is, looks at files, works on a task.

Dask calls these functions in the worker's process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import platform
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.machine import (
    default_memory,
    keep_freed_memory,
    resolve_device,
    usable_cores,
)
from rainbench.core.pool import answer_to, when_parent_ends
from rainbench.core.resume import file_hash
from rainbench.version import __version__

CODE = "the code of rainbench"
"""What the hash of the source files is called among versions."""

_LIBRARIES = (
    "torch", "numpy", "opencv-python-headless", "scipy", "numba", "av", "pillow", "simplejpeg",
    "tifffile",
)  # fmt: skip
"""Whose versions may decide a byte of what builders write."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker says of itself.

    Attributes:
        host: Its machine.
        process: The number of its process.
        versions: Of all that decides what it computes, see `versions`.
        cores: How many it may use.
        memory: Bytes that all workers of its machine may fill together.
        resources: What it declares.
        problem: What is wrong with it.
    """

    host: str
    process: int
    versions: Mapping[str, str] | None = None
    cores: int = 1
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def look(device: str) -> Look:
    """Return what this worker is.

    Args:
        device: What is asked for; one that is not here is the worker's problem.
    """
    host, process = socket.gethostname(), os.getpid()
    try:
        with failing_alone(host):
            resolve_device(device)
            return Look(
                host, process, versions(), usable_cores(), default_memory(), resources_here()
            )
    except RainbenchError as error:
        return Look(host, process, problem=str(error))


def resources_here() -> dict[str, float]:
    """Return what this worker declares."""
    from distributed import get_worker

    return dict(get_worker().state.total_resources)


@functools.cache
def versions() -> Mapping[str, str]:
    """Return what has to be the same everywhere, as builders write the same bytes everywhere."""
    return {
        "rainbench": __version__,
        "python": platform.python_version(),
        "a processor of kind": platform.machine(),
        **{name: _version(name) for name in _LIBRARIES},
        CODE: _package_hash(),
    }


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:  # there under another name
        return "of unknown version"


def _package_hash() -> str:
    """Return the hash of all source files of this package."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        content = file.read_bytes().replace(b"\r\n", b"\n")  # as a checkout on Windows has it
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def differing(wanted: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Return how versions differ, as the end of a sentence about a machine.

    Example:
        >>> differing({"torch": "2.6", "numpy": "2"}, {"torch": "2.7", "numpy": "2"})
        'has torch 2.7, not 2.6'
    """
    first = next(name for name in wanted if own.get(name) != wanted[name])
    if first == CODE:
        return "has not the same code of rainbench"
    return f"has {first} {own.get(first)}, not {wanted[first]}"


def unseen_file(folder: str, files: Sequence[tuple[Path, int, str]]) -> tuple[str, str]:
    """Return this machine's name and what is wrong with the first file that it has not.

    Args:
        folder: Where relative paths begin.
        files: Path, length in bytes (-1: a folder) and SHA-256 (empty: whatever it is) of each.
    """
    host = socket.gethostname()
    with in_folder(folder):
        for path, length, sha256 in files:
            try:
                found = path.stat()
                if length >= 0 and found.st_size != length:
                    return host, f"{path}: is another file there, of {found.st_size:,} bytes"
                if not os.access(path, os.R_OK):
                    return host, f"{path}: may not be read there"
                if sha256 and file_hash(path) != sha256:
                    return host, f"{path}: is another file there: its SHA-256 differs"
            except OSError as error:
                return host, f"{path}: {error.strerror}"
    return host, ""


def unshared_folder(folder: str, shared: Path, file: str, content: bytes) -> tuple[str, str]:
    """Return this machine's name and why it cannot write into a folder that others write into.

    Args:
        folder: Where relative paths begin.
        shared: The folder.
        file: The name of a file that another machine has just written there.
        content: What it holds.
    """
    host = socket.gethostname()
    with in_folder(folder):
        try:
            if not shared.is_dir():
                return host, f"{shared}: there is no such folder there"
            if not (shared / file).is_file() or (shared / file).read_bytes() != content:
                return host, f"{shared}: is another folder there"
            if not os.access(shared, os.W_OK | os.X_OK):
                return host, f"{shared}: may not be written there"
        except OSError as error:
            return host, f"{shared}: {error.strerror}"
    return host, ""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a task.

    Attributes:
        answer: As `rainbench.core.pool.answer_to` has it.
        said: Warnings, in order.
        unfit: Why this worker may not work with the others; empty where it may.
    """

    answer: bytes = b""
    said: tuple[str, ...] = ()
    unfit: str = ""


def perform(folder: str, wanted: Mapping[str, str], work: Callable[[Any], Any], task: Any) -> Done:  # noqa: ANN401
    """Work on a task; whatever goes wrong is in the answer.

    Args:
        folder: Where relative paths begin.
        wanted: The versions of the workers that were looked at.
        work: A function of a module.
        task: What it is called with.
    """
    end_with_parent()
    _keep_memory()
    if wanted != (own := versions()):
        return Done(unfit=f"{socket.gethostname()} {differing(wanted, own)}")
    with in_folder(folder), listening() as said:
        answer = answer_to(work, task)
    return Done(answer, tuple(said))


@functools.cache
def _keep_memory() -> None:
    """Let memory that was freed be used again.

    Dask works in a thread that is not the first one, whose memory the C library gives back at every
    turn, and says so in the environment, too: half of the time of `build-spa` went into that.
    """
    keep_freed_memory()


@functools.cache
def end_with_parent() -> None:
    """End this process when the one that looks after it is gone.

    Dask's own way is ``os._exit``, which a network that is at work is not let near.
    """
    number = getattr(signal, "SIGKILL", signal.SIGTERM)
    when_parent_ends(lambda: os.kill(os.getpid(), number))


@contextlib.contextmanager
def in_folder(folder: str) -> Iterator[None]:
    """Work in a folder where it is there: paths may be absolute."""
    before = Path.cwd()
    with contextlib.suppress(OSError):
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Collect the package's warnings, each once; they are in the list at the end."""
    said: dict[str, None] = {}

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said[record.getMessage()] = None

    logger, listener = logging.getLogger("rainbench"), Listener(logging.WARNING)
    logger.addHandler(listener)
    found: list[str] = []
    try:
        yield found
    finally:
        logger.removeHandler(listener)
        found += said
