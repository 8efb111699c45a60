"""The command line in a process of its own that has what takes long to import already.

Most of what a short command costs is the import of libraries. One process imports them and is
forked for each call: a call has its own memory, folder, environment, streams and exit code, and
imports rainbench itself anew.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

LIBRARIES = [
    "torch", "torch._dynamo", "scipy.stats", "scipy.ndimage", "scipy.signal", "cv2", "pandas",
    "numba", "jinja2", "matplotlib.figure", "matplotlib.backends.backend_agg",
]  # fmt: skip
"""What commands import; optimisers import the second when they take their first step."""

OWN = ("RAINBENCH_", "PYTEST_")
"""Variables that no library reads when it is imported."""

HELPERS = Path(__file__).parent


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a call: the tests' networks can be imported."""
    path = os.pathsep.join(filter(None, [str(HELPERS), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


class WarmProcess:
    """The process that is forked; started at the first call."""

    def __init__(self):
        self._process = self._socket = self._environment = None

    @staticmethod
    def _libraries_see(variables):
        return {name: text for name, text in variables.items() if not name.startswith(OWN)}

    def fits(self, variables) -> bool:
        """Say whether it can be forked for a call under these variables."""
        now = self._libraries_see(environment())
        return sys.platform == "linux" and self._libraries_see(variables) == now

    def call(self, arguments, variables, folder, timeout) -> subprocess.CompletedProcess:
        """Do what `subprocess.run` does with the command line, its output captured as text."""
        if self._environment != self._libraries_see(environment()):  # its libraries read another
            self.close()
            self._start()
        streams = [os.pipe(), os.pipe(), os.pipe()]  # standard output, standard error, exit code
        order = {"arguments": arguments, "environment": variables, "folder": str(folder)}
        message = json.dumps(order).encode("utf-8", "surrogateescape")
        socket.send_fds(self._socket, [message], [writes for _, writes in streams])
        for _, writes in streams:
            os.close(writes)
        texts = [b"", b"", b""]

        def read(number):
            with os.fdopen(streams[number][0], "rb") as pipe:
                texts[number] = pipe.read()

        begun = os.read(streams[2][0], 4)
        assert len(begun) == 4, "the process that is forked has died"
        command = int.from_bytes(begun, "little")
        readers = [threading.Thread(target=read, args=[number]) for number in range(3)]
        expired = threading.Timer(timeout, lambda: _kill(command))
        expired.start()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        in_time = expired.is_alive()
        expired.cancel()
        if not in_time:
            raise subprocess.TimeoutExpired(arguments, timeout, texts[0], texts[1])
        assert len(texts[2]) == 4, "the process that waits for the command line has died"
        code = int.from_bytes(texts[2], "little", signed=True)
        output, errors = (_as_text(text) for text in texts[:2])
        return subprocess.CompletedProcess(arguments, code, output, errors)

    def _start(self):
        self._environment = self._libraries_see(environment())
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import warm; warm.serve({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
            env=environment(),
        )
        theirs.close()

    def close(self):
        """End the process."""
        if self._process is not None:
            self._socket.close()
            self._process.wait()


def _kill(process):
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _as_text(data: bytes) -> str:
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def serve(number: int) -> None:
    """Fork for each order that comes through a socket, until it is closed."""
    for library in LIBRARIES:
        __import__(library)
    sys.modules["numba"].njit("i8(i8)")(lambda number: number)  # has it load its compiler
    gc.collect()
    gc.freeze()  # what is never looked through stays one copy
    calls = socket.socket(fileno=number)
    while True:
        message, files, _, _ = socket.recv_fds(calls, 1 << 20, 3)
        if not message:
            return
        if os.fork() == 0:
            calls.close()
            break
        for file in files:
            os.close(file)
        os.wait()
    # One process waits, so that nothing but the command line has the other's exit code to tell.
    command = os.fork()
    if command:
        os.write(files[2], command.to_bytes(4, "little"))
        os.close(files[0])
        os.close(files[1])
        _, status = os.waitpid(command, 0)
        os.write(files[2], os.waitstatus_to_exitcode(status).to_bytes(4, "little", signed=True))
        os._exit(0)
    _become(json.loads(message.decode("utf-8", "surrogateescape")), files)


def _become(order, files):
    """Be the command line from here to the end of the process."""
    os.dup2(files[0], 1)
    os.dup2(files[1], 2)
    for file in files:
        os.close(file)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = ["-c", *order["arguments"]]
    from rainbench.cli import main

    main()
