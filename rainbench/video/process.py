"""The caller's side of a decoder's process: start it, listen to it, and leave nothing of it behind.

The process is a fresh interpreter (no fork, so threads of the caller do not matter). Frames travel
through memory that both sides map and that has no name: if either is killed, nothing is left.
Where a process cannot be handed an open file, as on Windows, they come through its output instead.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.video.types import NOT_SHARED, VideoError

Message: TypeAlias = dict[str, Any]

WORKER = "rainbench.video.worker"
"""The module that the process runs."""

_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""Makes the C library reuse the memory of a frame for the next one: half the page faults."""


class DecoderProcess:
    """One decoder at work on one request."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.path = Path(request["path"])
        self._timeout = float(request["timeout"])
        self._memory_file = _open_unnamed_memory()
        shared = [] if self._memory_file == NOT_SHARED else [self._memory_file]
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _stop
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            pass_fds=shared,
            env={**os.environ, **_KEEP_MEMORY, "PYTHONPATH": _search_path()},
        )
        # A thread listens, since Windows cannot wait for a pipe with a time-out.
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        listener = threading.Thread(
            target=_listen, args=(self._process.stdout, self._messages), daemon=True
        )
        listener.start()
        self._stop = weakref.finalize(
            self, _stop, self._process, listener, self._errors, shared, os.getpid()
        )
        self._ring: RingView | None = None
        self._write(json.dumps({**request, "memory": self._memory_file}).encode() + b"\n")

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def close(self) -> None:
        """Kill the process if it still runs, and release its memory and files."""
        self._stop()
        self._ring = None

    def receive(self, after: int | None) -> dict[str, Any]:
        """Wait for the next message.

        Args:
            after: The last frame that is known to be decoded, for the message of an error.

        Raises:
            VideoError: The process has crashed, or says nothing for too long. It is gone then.
        """
        try:
            message = self._messages.get(timeout=self._timeout)
        except queue.Empty:
            self.close()
            raise VideoError(
                self.path,
                f"no frame came within {self._timeout:g} s; the decoder was stopped",
                frame=_next(after),
                hint="If the storage is that slow allow more time; else the file makes it hang.",
            ) from None
        if message is None:
            raise self._crash(after)
        return message

    def attach(self, start: dict[str, Any]) -> None:
        """Map the ring that the message ``start`` describes."""
        self._ring = RingView(self._memory_file, start)

    def take(self, frame: dict[str, Any]) -> Image:
        """Copy the picture of a message ``frame`` out of the ring, upright, and free its slot."""
        assert self._ring is not None
        image = self._ring.copy(frame)
        self._write(bytes([frame["slot"]]))
        return image

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # the pipe is broken: the next receive() says why
            self._process.stdin.write(data)

    def _crash(self, after: int | None) -> VideoError:
        code = self._process.wait()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 2000))
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        self.close()
        how = said[-1] if said else f"exit status {code}"
        if any(line.startswith("Timeout (") for line in said):  # the worker's own time limit
            how = "it hung"
        elif code < 0:
            how = signal.Signals(-code).name
        return VideoError(
            self.path,
            f"the decoder crashed ({how})",
            frame=_next(after),
            hint="The file is damaged, or its decoder is at fault: convert it, or leave it out.",
        )


def _listen(output: IO[bytes], messages: queue.SimpleQueue[Message | None]) -> None:
    """Pass on what a decoder says, with the pixels that follow where there are; None at the end."""
    stream = io.BufferedReader(cast("io.FileIO", output), 1 << 16)
    with suppress(OSError, ValueError):  # closed meanwhile; a line torn by a crash
        while line := stream.readline():
            message: Message = json.loads(line)
            if size := message.get("follows", 0):
                message["pixels"] = pixels = np.empty(size, np.uint8)
                if stream.readinto(pixels.data) < size:
                    break
            messages.put(message)
    messages.put(None)
    stream.detach()  # its owner closes it


class RingView:
    """The parent's view of the memory that frames come through."""

    def __init__(self, file: int, start: dict[str, Any]) -> None:
        self._slot_size = int(start["slot_size"])
        self._memory: mmap.mmap | None = None
        if file != NOT_SHARED:
            size = self._slot_size * start["slots"]
            self._memory = mmap.mmap(file, size, access=mmap.ACCESS_READ)
        orientation = start["orientation"]
        self._transpose = bool(orientation["transpose"])
        self._rows = slice(None, None, -1 if orientation["flip_y"] else 1)
        self._columns = slice(None, None, -1 if orientation["flip_x"] else 1)

    def copy(self, frame: dict[str, Any]) -> Image:
        """Return the picture in a slot, upright and as RGB."""
        height, width, channels = frame["shape"]
        stored: NDArray[np.uint8] = np.ndarray(
            (height, width, channels),
            np.uint8,
            frame["pixels"] if self._memory is None else self._memory,
            0 if self._memory is None else frame["slot"] * self._slot_size,
            (frame["step"], channels, 1),
        )
        if self._transpose:
            stored = stored.transpose(1, 0, 2)
        upright = stored[self._rows, self._columns]
        image = np.empty((*upright.shape[:2], 3), np.uint8)
        image[...] = upright  # one channel is repeated
        return image


def _open_unnamed_memory() -> int:
    if not hasattr(os, "fork"):  # only POSIX systems hand open files down to a new process
        return NOT_SHARED
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rainbench-frames")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _search_path() -> str:
    """The caller's own search path, so that the process finds the same packages."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)


def _next(after: int | None) -> int:
    return 0 if after is None else after + 1


def _stop(
    process: subprocess.Popen[bytes],
    listener: threading.Thread,
    errors: IO[bytes],
    shared: list[int],
    owner: int,
) -> None:
    if os.getpid() != owner:  # a fork of the caller must not end what the caller still reads
        return
    process.kill()
    process.wait()
    if listener is not threading.current_thread():  # which may be the one that collects garbage
        listener.join()
    for stream in (process.stdin, process.stdout, errors):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    for file in shared:
        os.close(file)
