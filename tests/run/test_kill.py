"""Kill -9 at any moment, run again: the files end with the same bytes."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 20


def results(out):
    """Every file of a run but the timings, and the tables without their column of seconds."""
    found = {}
    for file in sorted(out.rglob("*")):
        if not file.is_file() or file.name in ("timing.csv", ".lock"):
            continue
        content = file.read_bytes()
        if file.name == "table.csv":
            rows = list(csv.DictReader(io.StringIO(content.decode())))
            content = repr([{**row, "seconds_per_image": ""} for row in rows]).encode()
        if file.name == "table.json":
            rows = json.loads(content)["rows"]
            content = repr([{**row, "seconds_per_image": ""} for row in rows]).encode()
        found[str(file.relative_to(out))] = content
    return found


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
    assert start(tmp_path / "killed").wait(120) == 0
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
    assert len(states) > 2, "every kill fell into the same moment: the test proves nothing"
