"""A decoder that misbehaves as the request's file name says: ``crash-3`` dies at frame 3.

Files that exist are really decoded. ``WITHOUT_POSIX`` hides what Windows lacks, ``GRACE`` is how
many seconds longer than the caller's time-out a hung decoder lives.
"""

import ctypes
import os
import select
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path

from rainbench.video import worker
from rainbench.video.colour import Orientation
from rainbench.video.types import Picture, VideoInfo


class HostileSource:
    def __init__(self, request):
        self.deed, number = Path(request["path"]).name.split("-")
        self.number = int(number)
        self.info = VideoInfo(
            request["path"], None, 8, 6, Fraction(25), None, "x", "x", "x", "rgb", "full"
        )

    def pictures(self):
        number = 0
        while True:
            if number == self.number:
                self.misbehave()
            data = bytes([number % 256]) * (8 * 6 * 3)
            yield Picture(number, None, data, 8, 6, 3, 24, Orientation())
            number += 1

    def misbehave(self):
        if self.deed == "segfault":
            ctypes.string_at(1)
        elif self.deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.deed == "abort":
            os.abort()
        elif self.deed == "exit":
            os._exit(3)
        elif self.deed == "hang":
            time.sleep(1000)
        elif self.deed == "seize":  # and no other thread of Python's may run
            ctypes.PyDLL(None).sleep(1000)
        elif self.deed == "raise":
            raise RuntimeError("a fault of the decoder")
        elif self.deed == "gobble":
            self.hoard = bytearray(1 << 40)
        elif self.deed == "chatter":
            os.write(1, b"printed by a library\n")


def open_source(request):
    if Path(request["path"]).exists():
        return worker.open_source(request)
    return HostileSource(request)


def hide_posix():
    names = {os: "fork memfd_create", select: "poll epoll", signal: "alarm setitimer SIGALRM"}
    for module, its in names.items():
        for name in its.split():
            if hasattr(module, name):
                delattr(module, name)
    sys.modules["resource"] = sys.modules["fcntl"] = None


if __name__ == "__main__":
    if "WITHOUT_POSIX" in os.environ:
        hide_posix()
    worker._GRACE = int(os.environ.get("GRACE", worker._GRACE))
    worker.serve(open_source)
