"""``rainbench --log FILE``, and what the shell is told when somebody presses Tab."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ rainbench[\w.]*: ")


def test_a_log_file(rainbench, toy, tmp_path):
    file = tmp_path / "a.log"
    given = ("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", tmp_path / "run")
    quiet = rainbench("-q", "--log", file, *given)
    text = file.read_text()
    assert quiet.returncode == 0, quiet.stderr
    assert "INFO" in text and f"-q --log {file} run" in text.splitlines()[0]
    assert "toy: 5 images, 1 entry" in text, "what the command says"
    assert "the copy in" in text and "the copy in" not in quiet.stderr, "what is found"
    assert all(LINE.match(line) for line in text.splitlines())
    failed = rainbench("--log", file, "run", "-b", "identty", "-d", "toy")
    assert failed.returncode == 2 and file.read_text().startswith(text)
    assert "ERROR rainbench.said: " in file.read_text() and "identty" in failed.stderr
    plain = rainbench(*given, "--dry-run")
    both = rainbench("--log", file, *given, "--dry-run")
    assert (plain.stdout, plain.stderr) == (both.stdout, both.stderr)


@pytest.mark.parametrize("place", ["gone/a.log", "."])
def test_a_log_file_that_cannot_be_written(rainbench, tmp_path, place):
    done = rainbench("--log", tmp_path / place, "list", "protocols")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(tmp_path) in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_log_on_a_full_disk_ends_and_the_work_goes_on(rainbench):
    done = rainbench("--log", "/dev/full", "list", "protocols")
    assert done.returncode == 0 and "prenet-y" in done.stdout
    assert done.stderr == "WARNING: --log /dev/full: ends here: No space left on device\n"


def complete(*words):
    environment = {
        **os.environ,
        "_RAINBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["rainbench", *words]),
        "COMP_CWORD": str(len(words)),
    }
    call = [sys.executable, "-c", "from rainbench.cli import main; main()"]
    done = subprocess.run(call, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_bash_is_told_commands_options_and_choices():
    assert complete("re") == ["report", "review"]
    assert complete("run", "--base") == ["--baseline"]
    assert complete("train", "--log-to", "w") == ["wandb"]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_the_line_for_bash(tmp_path):
    """The line of the documentation in a real bash, with the command on the path."""
    command = tmp_path / "rainbench"
    command.write_text(f"#!{sys.executable}\nfrom rainbench.cli import main\nmain()\n")
    command.chmod(0o755)
    script = (
        'eval "$(_RAINBENCH_COMPLETE=bash_source rainbench)"\n'
        "COMP_WORDS=(rainbench leader) COMP_CWORD=1\n"
        "_rainbench_completion rainbench leader\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["leaderboard"], done.stderr
