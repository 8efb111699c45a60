"""Kill -9 at any moment, run again: the files end with the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 20


def results(out):
    """Every file of a run but the timings."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in ("timing.csv", "timing.md", ".lock")
    }


@pytest.mark.slow
def test_kill_at_random_moments_and_resume(tmp_path, cards, add_network, toy):
    add_network("slow", "Pause", 0, "arguments = { pause = 0.12 }\n")
    add_network("other", "Blur", 0)
    arguments = ["run", "-d", "toy", "-d", "mini-streaks", "-b", "slow", "-b", "other"]
    arguments += ["--data", toy, "--device", "cpu", "--threads", "1"]
    call = [sys.executable, "-c", "from rainbench.cli import main; main()", *map(str, arguments)]
    path = str(Path(__file__).parents[1] / "helpers")
    environment = {**os.environ, "PYTHONPATH": path, "RAINBENCH_PATH": str(cards)}

    def start(out):
        return subprocess.Popen(
            [*call, "--out", str(out)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    started = time.monotonic()
    assert start(tmp_path / "undisturbed").wait(120) == 0
    whole = time.monotonic() - started

    chance = random.Random(7)
    states = set()
    for _ in range(KILLS):
        process = start(tmp_path / "killed")
        try:
            process.wait(chance.uniform(0.3, 1.0) * whole)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        states.add(len(results(tmp_path / "killed")))
        if process.returncode == 0:  # the machine is quicker now: begin again, and kill sooner
            assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
            shutil.rmtree(tmp_path / "killed")
            whole *= 0.8
    assert start(tmp_path / "killed").wait(120) == 0
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
    assert len(states) > 2, "every kill fell into the same moment: the test proves nothing"
