"""The caller's side of a decoder's process: start it, listen to it, and leave nothing of it behind.

The process is a fresh interpreter (no fork, so threads of the caller do not matter). Frames travel
through memory that both sides map and that has no name: if either is killed, nothing is left.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.images import Image
from rainbench.video.types import VideoError

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
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _stop
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            pass_fds=[self._memory_file],
            env={**os.environ, **_KEEP_MEMORY, "PYTHONPATH": _search_path()},
        )
        self._stop = weakref.finalize(
            self, _stop, self._process, self._errors, self._memory_file, os.getpid()
        )
        self._unread = b""
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
        deadline = time.monotonic() + self._timeout
        while b"\n" not in self._unread:
            part = self._read(max(0.0, deadline - time.monotonic()), after)
            if not part:
                raise self._crash(after)
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
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

    def _read(self, seconds: float, after: int | None) -> bytes:
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        if poll.poll(seconds * 1000):
            return os.read(self._process.stdout.fileno(), 1 << 16)
        self.close()
        raise VideoError(
            self.path,
            f"no frame came within {self._timeout:g} s; the decoder was stopped",
            frame=_next(after),
            hint="If the storage is that slow allow more time; else the file makes it hang.",
        )

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the next receive() says why
            self._process.stdin.write(data)

    def _crash(self, after: int | None) -> VideoError:
        code = self._process.wait()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 2000))
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        self.close()
        how = said[-1] if said else f"exit status {code}"
        if code < 0:
            how = "it hung" if code == -signal.SIGALRM else signal.Signals(-code).name
        return VideoError(
            self.path,
            f"the decoder crashed ({how})",
            frame=_next(after),
            hint="The file is damaged, or its decoder is at fault: convert it, or leave it out.",
        )


class RingView:
    """The parent's view of the memory that frames come through."""

    def __init__(self, file: int, start: dict[str, Any]) -> None:
        self._slot_size = int(start["slot_size"])
        self._memory = mmap.mmap(file, self._slot_size * start["slots"], prot=mmap.PROT_READ)
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
            self._memory,
            frame["slot"] * self._slot_size,
            (frame["step"], channels, 1),
        )
        if self._transpose:
            stored = stored.transpose(1, 0, 2)
        upright = stored[self._rows, self._columns]
        image = np.empty((*upright.shape[:2], 3), np.uint8)
        image[...] = upright  # one channel is repeated
        return image


def _open_unnamed_memory() -> int:
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
    process: subprocess.Popen[bytes], errors: IO[bytes], memory_file: int, owner: int
) -> None:
    if os.getpid() != owner:  # a fork of the caller must not end what the caller still reads
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    os.close(memory_file)
