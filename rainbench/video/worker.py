"""The decoder's process: reads a request, decodes, puts frames into memory shared with its parent.

Protocol: one JSON object a line. Standard input brings the request, then single bytes, each the
number of a slot of the ring that is free again; its end means that nobody listens any more.
Standard output carries ``start`` (once, with the first frame's facts), ``frame``, ``skip``, and at
last ``end``, ``damage`` or ``error``. A process that ends without one of these three has crashed.
Without shared memory the pixels of a slot follow their ``frame``, as many bytes as it announces.
"""

from __future__ import annotations

import faulthandler
import json
import math
import mmap
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from rainbench.video.types import (
    NOT_SHARED,
    DamageError,
    Picture,
    Selection,
    VideoError,
    VideoInfo,
)

Buffer: TypeAlias = bytes | memoryview

SLOTS = 4
"""Frames in flight between the processes; fewer of large ones; chosen."""
_MEMORY_LIMIT = 8 << 30
"""Bytes of address space of the decoder: a file that asks for more is hostile or broken."""

_RING_LIMIT = 512 << 20
"""Bytes of the memory shared with the parent; very large frames get fewer slots, two at least."""
_GRACE = 10
"""Seconds after the parent's own time-out at which a hung decoder ends even if nobody kills it."""


class PictureSource(Protocol):
    """Something that yields pictures."""

    @property
    def info(self) -> VideoInfo:
        """What is known of it once the first picture has been yielded."""

    def pictures(self) -> Iterator[Picture | None]:
        """Yield wanted pictures, None for each that is not wanted."""


class Watch:
    """Ends this process when it hangs, even within a library, and nobody is left to kill it.

    It is set again at most once a second: each time costs a thread.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._renewal = -math.inf

    def reset(self) -> None:
        """Start to count again."""
        now = time.monotonic()
        if now >= self._renewal:
            faulthandler.dump_traceback_later(self._seconds, exit=True)
            self._renewal = now + 1

    def pause(self) -> None:
        """Count no longer, until the next `reset`."""
        faulthandler.cancel_dump_traceback_later()
        self._renewal = -math.inf


class Ring:
    """Equal slots of memory, shared with the parent where the system lets us; without a name."""

    def __init__(self, file: int, picture: Picture) -> None:
        self.step = -(-picture.width * 3 // 64) * 64
        self.slot_size = self.step * picture.height
        self.slots = max(2, min(SLOTS, _RING_LIMIT // self.slot_size))
        if file != NOT_SHARED:
            os.ftruncate(file, self.slots * self.slot_size)
        self._memory = mmap.mmap(file, self.slots * self.slot_size)

    def put(self, slot: int, picture: Picture) -> int:
        """Copy a picture into a slot and return the bytes from row to row."""
        start = slot * self.slot_size
        size = picture.step * picture.height
        if 0 < picture.step <= self.step:
            self._memory[start : start + size] = memoryview(picture.data)[:size]
            return picture.step
        rows = memoryview(picture.data)
        step, row = abs(picture.step), picture.width * picture.channels
        for y in range(picture.height):
            stored = y if picture.step > 0 else picture.height - 1 - y
            position = start + y * self.step
            self._memory[position : position + row] = rows[stored * step : stored * step + row]
        return self.step

    def read(self, slot: int, size: int) -> memoryview:
        """Return the first bytes of a slot, for a parent that does not share the memory."""
        return memoryview(self._memory)[slot * self.slot_size :][:size]


def main() -> None:
    """Serve one request with the real decoders."""
    serve(open_source)


def open_source(request: dict[str, Any]) -> PictureSource:
    """Open what a request names: a file, a folder of images or a ``.mat`` stack."""
    path = Path(request["path"])
    selection = Selection(**request["selection"])
    if not path.exists():
        raise VideoError(path, "there is no such file or folder", hint="Check the path.")
    if path.is_dir():
        from rainbench.video.stills import FolderSource

        return FolderSource(path, selection)
    if not path.is_file():
        raise VideoError(path, "is not a regular file", hint="Copy what it holds to a file.")
    if path.stat().st_size == 0:
        raise VideoError(
            path, "is empty", hint="The copy or download was cut short: fetch it again."
        )
    if path.suffix.lower() == ".mat":
        from rainbench.video.stills import MatSource

        return MatSource(path, selection, request["variable"])
    from rainbench.video.container import ContainerSource

    return ContainerSource(path, selection)


def serve(opener: Callable[[dict[str, Any]], PictureSource]) -> None:
    """Answer the request that stands on standard input."""
    output = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not print into the protocol
    request = _read_request()
    watch = Watch(math.ceil(request["timeout"]) + _GRACE)

    def send(kind: str, pixels: Buffer = b"", **values: Any) -> None:  # noqa: ANN401 - any JSON
        line = json.dumps({"kind": kind, **values}) + "\n"
        try:
            _write_all(output, line.encode())
            _write_all(output, pixels)
        except OSError:  # nobody listens any more
            os._exit(0)

    path, state = Path(request["path"]), {"decoded": 0}
    watch.reset()
    _limit_memory()
    try:
        _deliver(opener(request), request, send, watch, state)
    except DamageError as error:
        send("damage", message=str(error), frame=state["decoded"], hint=error.hint)
    except VideoError as error:
        send("error", message=error.reason, frame=error.frame, hint=error.hint)
    except MemoryError:
        send(
            "error",
            message=f"needs more than {_MEMORY_LIMIT >> 30} GiB to be decoded",
            frame=state["decoded"],
            hint="The file is damaged, or has to be scaled down first.",
        )
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        send("error", message=message, frame=None, hint=f"Look at {path.parent}.")


def _deliver(
    source: PictureSource,
    request: dict[str, Any],
    send: Callable[..., None],
    watch: Watch,
    state: dict[str, int],
) -> None:
    ring: Ring | None = None
    shared = request["memory"] != NOT_SHARED
    free: list[int] = []
    delivered = 0
    for picture in source.pictures():
        if picture is None:
            send("skip", number=state["decoded"])
        else:
            if ring is None:
                ring = Ring(request["memory"], picture)
                free = list(range(ring.slots))
                send(
                    "start",
                    info=source.info.to_json(),
                    slots=ring.slots,
                    slot_size=ring.slot_size,
                    orientation=asdict(picture.orientation),
                )
            if not free:
                watch.pause()  # the consumer may take its time
                free += _read_free_slots()
            slot = free.pop()
            step = ring.put(slot, picture)
            size = 0 if shared else step * picture.height
            send(
                "frame",
                ring.read(slot, size),
                number=picture.number,
                time=picture.time,
                slot=slot,
                shape=(picture.height, picture.width, picture.channels),
                step=step,
                follows=size,
            )
            delivered += 1
        state["decoded"] += 1
        watch.reset()
    send("end", frames=state["decoded"], delivered=delivered)


def _write_all(output: int, data: Buffer) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(output, rest) :]


def _read_request() -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1 << 16)
        if not part:
            sys.exit(0)
        line += part
    request: dict[str, Any] = json.loads(line)
    return request


def _read_free_slots() -> bytes:
    slots = os.read(0, SLOTS)
    if not slots:
        os._exit(0)  # the parent is gone
    return slots


def _limit_memory() -> None:
    """Let a file that asks for absurd amounts of memory fail instead of filling the machine."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(hard, _MEMORY_LIMIT)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    main()
