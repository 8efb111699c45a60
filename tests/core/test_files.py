"""Folders and files that are written: locked, swept, and their errors told apart."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rainbench.core.errors import StoreError
from rainbench.core.files import (
    append_to,
    is_file,
    is_locked,
    lock_folder,
    sweep,
    unfinished,
    write_atomically,
    writing,
)


def gone():
    """Return the number of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


@pytest.mark.skipif(os.name != "posix", reason="processes cannot be asked after elsewhere")
def test_unfinished_files_of_processes_that_are_gone_are_removed(tmp_path):
    dead, alive = gone(), os.getppid()
    (tmp_path / "cells").mkdir()
    stale = [tmp_path / f".a.csv.{dead}.part", tmp_path / "cells" / f"..b.json.{dead}.part"]
    ours = [f".c.png.{alive}.part", f"a.{dead}.part", ".part", f".{dead}.part", ".x.y.part"]
    ours += [f".a.csv.{dead}.part.txt", ".big.99999999999.part"]
    for name in [*stale, *(tmp_path / name for name in ours)]:
        name.write_text("x")
    (tmp_path / f".link.{dead}.part").symlink_to(tmp_path / "cells")
    with lock_folder(tmp_path, "run"):
        left = {file.name for file in tmp_path.iterdir()} - {".lock", "cells"}
    assert left == {*ours, f".link.{dead}.part"}
    assert not list((tmp_path / "cells").iterdir())
    sweep(tmp_path / "nowhere")
    sweep(tmp_path, whoever=True)
    assert not (tmp_path / f".c.png.{alive}.part").exists() and (tmp_path / ".part").exists()


def test_a_folder_is_locked_once_and_never_through_a_link(tmp_path):
    with lock_folder(tmp_path / "run", "run"):
        if sys.platform != "win32":
            with pytest.raises(StoreError, match="another run is writing here"):
                lock_folder(tmp_path / "run", "run").__enter__()
    with lock_folder(tmp_path / "run", "run"):  # what is left of it locks nobody out
        pass
    (tmp_path / "linked").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "linked" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match="is a link"):
        lock_folder(tmp_path / "linked", "run").__enter__()
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_lock_that_is_a_pipe_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(StoreError, match=r"\.lock: cannot be written: it is a device, a pipe"):
        lock_folder(tmp_path, "run").__enter__()


def test_a_folder_in_the_place_of_a_file_is_named_by_the_name_of_that(tmp_path):
    (tmp_path / "table.md").mkdir()
    with pytest.raises(StoreError, match=r"/table\.md: cannot be written"), writing(tmp_path):
        write_atomically(tmp_path / "table.md", b"x")
    assert [file.name for file in tmp_path.iterdir()] == ["table.md"]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EROFS, "another --out"),
        (errno.EACCES, "another --out"),
        (errno.ENOENT, "another --out"),
        (errno.ENAMETOOLONG, "shorter --out"),
        (errno.EEXIST, "a file where a folder is needed"),
        (errno.ENOTDIR, "a file where a folder is needed"),
    ],
)
def test_what_the_system_refuses_is_told_with_what_to_do(tmp_path, number, hint):
    refused = pytest.raises(StoreError, match=f"{tmp_path}: cannot be written: ")
    with refused as told, writing(tmp_path):
        raise OSError(number, os.strerror(number))
    assert hint in told.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="has no /proc")
@pytest.mark.parametrize(
    "out", ["/proc/rainbench", "x" * 300, "x" * 5000, "/dev/null", "/dev/null/x"]
)
def test_places_where_no_run_can_be(out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="cannot be written") as told:
        lock_folder(Path(out), "run").__enter__()
    assert "disk is full" not in told.value.hint and not is_file(Path(out))


def test_a_folder_left_half_written_is_removed(tmp_path):
    left, own = tmp_path / f".mini.{gone()}.part", tmp_path / ".mini.x.part"
    for folder in (left, own):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "1.png").touch()
    sweep(tmp_path, ".*.part")
    assert not left.exists() and (own / "deep" / "1.png").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="nobody can ask there")
def test_who_only_asks_keeps_nobody_from_locking(tmp_path):
    """As `is_locked` does for an instant, which here is a tenth of a second."""
    import fcntl

    (tmp_path / ".lock").touch()
    assert not is_locked(tmp_path)
    with (tmp_path / ".lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        until = threading.Timer(0.1, fcntl.flock, (asking, fcntl.LOCK_UN))
        until.start()
        with lock_folder(tmp_path, "run"):
            assert is_locked(tmp_path)
        until.join()


@pytest.mark.skipif(os.name != "posix", reason="pipes with names")
def test_a_pipe_for_a_lock_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    call = f"from rainbench.core.files import is_locked, Path; is_locked(Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", call], check=True, timeout=30)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes with names")
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_nothing_is_appended_to_what_another_has_put_there(tmp_path, kind):
    file, other = tmp_path / "log", tmp_path / "other"
    other.write_text("mine")
    {
        "link": lambda: file.symlink_to(other),
        "dangling link": lambda: file.symlink_to(tmp_path / "new"),
        "pipe": lambda: os.mkfifo(file),
        "folder": file.mkdir,
    }[kind]()
    with pytest.raises((StoreError, OSError)):
        append_to(file)
    assert other.read_text() == "mine" and not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "雨" * 85], ids=["x", "é", "雨"])
def test_a_file_with_the_longest_name_there_can_be_is_written(tmp_path, name):
    write_atomically(tmp_path / name, b"all of it")
    assert (tmp_path / name).read_bytes() == b"all of it"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert unfinished(tmp_path / name) != unfinished(tmp_path / f"{name[:-1]}y")
