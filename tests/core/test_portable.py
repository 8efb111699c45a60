"""What a system that is not of the POSIX kind gets instead."""

import multiprocessing
import os
import sys
import types

import pytest

from rainbench.core.errors import StoreError
from rainbench.core.files import lock_folder
from rainbench.core.machine import default_memory, default_workers


@pytest.fixture
def windows(monkeypatch):
    """Without ``fcntl``; a byte of a file is locked as Windows does it."""
    locked = set()

    def locking(handle, mode, size):
        assert (mode, size) == (2, 1)
        name = os.fstat(handle).st_ino
        if name in locked:
            raise PermissionError(13, "Permission denied")
        locked.add(name)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    stand_in = types.SimpleNamespace(LK_NBLCK=2, locking=locking)
    monkeypatch.setitem(sys.modules, "msvcrt", stand_in)
    for name in ("getuid", "sched_getaffinity", "sysconf"):
        monkeypatch.delattr(os, name, raising=False)


def test_folders_are_locked(windows, tmp_path):
    with (
        lock_folder(tmp_path, "run"),
        lock_folder(tmp_path / "other", "run"),
        pytest.raises(StoreError, match="another run is writing here"),
        lock_folder(tmp_path, "run"),
    ):
        pytest.fail("two at once")


def test_all_cores_are_used(windows):
    assert default_workers() == min(8, multiprocessing.cpu_count())
    assert default_memory() == 2 << 30
