"""The last words: one line, the place of the log, an exit code; never a traceback."""

import errno
import json
import math
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from rainbench.core.crash import BUG, explain, write_crash_log
from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.progress import show_json


class Speechless(Exception):  # noqa: N818
    def __str__(self):
        raise ValueError


def deep():
    return deep()


def error_of(make):
    try:
        make()
    except Exception as error:
        return error
    raise AssertionError


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("make", "line", "code"),
    [
        (lambda: 1 / 0, "this is a bug of ours: ZeroDivisionError: division by zero", BUG),
        (deep, "this is a bug of ours: RecursionError: maximum recursion", BUG),
        (lambda: (_ for _ in ()).throw(Speechless), "this is a bug of ours: Speechless", BUG),
        (lambda: (_ for _ in ()).throw(MemoryError), "memory ran out", BUG),
        (lambda: Path("/nowhere/a").read_bytes(), "/nowhere/a: No such file or directory", 2),
        (lambda: os.close(999), "Bad file descriptor", 2),
    ],
)
def test_one_line_and_the_place_of_the_log(make, line, code, logs):
    told, found = explain(error_of(make))
    assert told.startswith(line) and "\n" not in told and found == code
    if sys.platform == "linux":
        (log,) = (logs / "state").rglob("crash-*.log")
        assert told.endswith(f"the details are in {log}")
        assert "Traceback" in log.read_text() and platform.python_version() in log.read_text()


def test_a_log_that_cannot_be_written_is_written_elsewhere_or_not_at_all(logs, monkeypatch):
    (logs / "state").write_text("a file where a folder should be")
    monkeypatch.setattr(tempfile, "tempdir", str(logs / "temporary"))
    if sys.platform == "linux":
        assert write_crash_log(ValueError("x")).parent == logs / "temporary"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert explain(ValueError("x")) == ("this is a bug of ours: ValueError: x", BUG)
    monkeypatch.undo()

    def nowhere():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.setattr(Path, "mkdir", full)
    assert write_crash_log(ValueError("x")) is None


def test_one_thing_among_many_fails_alone(caplog):
    caplog.set_level("DEBUG", "rainbench")
    with pytest.raises(RainbenchError, match=r"^a.png: ValueError: no$"), failing_alone("a.png"):
        raise ValueError("no")
    assert "Traceback" in caplog.text
    with pytest.raises(RainbenchError, match=r"^as it is$"), failing_alone("a.png"):
        raise RainbenchError("as it is")
    with pytest.raises(KeyboardInterrupt), failing_alone("a.png"):
        raise KeyboardInterrupt


CALL = [sys.executable, "-c", "from rainbench.cli import main; main()"]


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
def test_a_full_disk_and_a_reader_that_left():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*CALL, "list", "protocols"], stdout=full, stderr=-1, text=True)
    assert done.returncode == 2 and "No space left on device" in done.stderr
    said, remedy = done.stderr.splitlines()
    assert said.startswith("Error: standard output") and remedy.startswith("  Write it to")
    process = subprocess.Popen([*CALL, "list", "--json"], stdout=-1, stderr=-1, text=True)
    process.stdout.close()
    assert "Traceback" not in process.stderr.read() and process.wait() in (0, 1, 2)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_is_one_line(tmp_path):
    call = [*CALL, "run", "--all", "-b", "median", "-d", "mini-streaks", "--out", str(tmp_path)]
    process = subprocess.Popen(call, stdout=-1, stderr=-1, text=True, start_new_session=True)
    while not (tmp_path / ".lock").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "Traceback" not in told and "Interrupted." in told


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
def test_without_any_stream(tmp_path):
    """As a daemon has none."""
    call = [sys.executable, "-m", "rainbench", "run", "-b", "identity", "-d", "mini-spa"]
    words = " ".join(map(shlex.quote, [*call, "--limit", "1", "--out", str(tmp_path / "o")]))
    assert subprocess.run(["sh", "-c", f"exec {words} <&- >&- 2>&-"]).returncode == 0
    assert (tmp_path / "o/table.csv").exists()


def test_numbers_that_json_has_not_are_null(capsys):
    show_json({"a": [1.5, math.nan], "b": {"c": math.inf}})
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None], "b": {"c": None}}
