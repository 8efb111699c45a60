"""Errors that nobody foresaw, and how much is said."""

import os
import subprocess
import sys

import platformdirs
import pytest

from rainbench import cli


def crash(**_):
    raise ZeroDivisionError("no\nway")


@pytest.mark.parametrize("writable", [True, False])
def test_a_bug_is_one_line_with_the_place_of_its_log(tmp_path, monkeypatch, capsys, writable):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "logs" if writable else tmp_path / "file" / "logs"
    monkeypatch.setattr(platformdirs, "user_log_path", lambda *_, **__: folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(cli.cli, "main", crash)
    assert cli.command_line() == 70
    (log,) = tmp_path.rglob("crash-*.log")
    assert (log.parent == folder) == writable
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(log) in said and "ZeroDivisionError: no way" in said
    assert "Traceback" in log.read_text() and "in crash" in log.read_text()


@pytest.mark.parametrize(
    "call",
    [
        ("status", "N"),
        ("report", "N"),
        ("accept", "N", "--golden", "N"),
        ("claims", "--cards", "N"),
    ],
)
def test_a_name_that_is_too_long_leaves_no_crash_log(tmp_path, monkeypatch, capsys, call):
    monkeypatch.setattr(platformdirs, "user_log_path", lambda *_, **__: tmp_path / "logs")
    name = str(tmp_path / ("a" * 300))
    monkeypatch.setattr(
        "sys.argv", ["rainbench", *(name if word == "N" else word for word in call)]
    )
    assert cli.command_line() == 2
    said = capsys.readouterr().err
    assert name in said and "too long" in said and "crash-" not in said
    assert not list(tmp_path.rglob("crash-*.log"))


def test_warnings_and_details_are_chosen(rainbench, toy, tmp_path):
    broken = toy / "toy" / "input" / "1.png"
    good = tmp_path / "good"
    good.mkdir()
    (toy / "toy").rename(good / "toy")
    (toy / "toy" / "input").mkdir(parents=True)
    broken.write_bytes(b"")
    run = ("run", "-b", "identity", "-d", "toy", "--dry-run", "--data", toy, "--data", good)
    plain, quiet, verbose = (rainbench(*w, *run).stderr for w in ((), ("-q",), ("--verbose",)))
    assert "WARNING: toy: another copy is used" in plain and "INFO" not in plain
    assert "another copy" not in quiet
    assert f"INFO: toy: the copy in {good / 'toy'}" in verbose and "WARNING" in verbose
    assert rainbench("-v", "-q", "list").returncode == 2


def test_help_imports_nothing_slow():
    code = (
        "import sys; from rainbench.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('numpy', 'torch', 'logging', 'platformdirs', 'tomlkit')"
        " if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert done.stderr.strip() == "[]" and "--verbose" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize(
    "call",
    [
        "--help", "--version", "list", "list --json", "show prenet", "show rgb --json",
        "report --paper nasnet", "run -b identity -d toy --data {data} --out {out} --threads 1",
        "derain median {data}/toy/input --out {out}", "build-mini --help",
    ],
)  # fmt: skip
def test_a_full_disk_behind_standard_output_is_one_line(toy, cards, tmp_path, call):
    home = tmp_path / "home"
    words = call.format(data=toy, out=tmp_path / "out").split()
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "rainbench", "-q", *words], stdout=full, stderr=subprocess.PIPE,
            text=True, cwd=tmp_path,
            env={**os.environ, "HOME": str(home), "RAINBENCH_PATH": str(cards)},
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert line.startswith("Error: standard output")
    assert line.endswith("cannot be written: No space left on device")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert not list(home.rglob("crash-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_work_goes_on_where_messages_cannot_be_written(toy, cards, tmp_path):
    call = ["run", "-b", "identity", "-d", "toy", "--threads", "1", "--out", "out", "--data"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "rainbench", *call, toy], stdout=subprocess.PIPE, stderr=full,
            cwd=tmp_path, env={**os.environ, "RAINBENCH_PATH": str(cards)},
        )  # fmt: skip
    assert done.returncode == 0 and b"identity" in done.stdout
    assert (tmp_path / "out" / "table.csv").exists()
