"""The decoder's process as it is where the system is not of the POSIX kind."""

import os
import select
import signal
import subprocess
import sys

import pytest

from rainbench.video import process as decode_process


@pytest.fixture
def windows(monkeypatch):
    """Hide what Windows lacks, from this process and from decoders that helpers start."""
    for module, names in {
        os: ["fork", "memfd_create", "getuid", "sched_getaffinity"],
        select: ["poll", "epoll"],
        signal: ["alarm", "pthread_sigmask"],
    }.items():
        for name in names:
            monkeypatch.delattr(module, name, raising=False)
    for name in ("resource", "fcntl"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("WITHOUT_POSIX", "1")

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, pass_fds=(), **options):
            assert not pass_fds, "pass_fds not supported on Windows."  # its own words
            super().__init__(*arguments, **options)

    monkeypatch.setattr(decode_process.subprocess, "Popen", Popen)
