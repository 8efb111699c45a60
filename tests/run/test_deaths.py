"""A network that ends the whole process: a failed row that names it; the others are done."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toynets import DEATHS

from rainbench.run.results import RunResults
from rainbench.run.scores import read_images_csv

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the work has no parent")

ENDED = {"segfault": "SIGSEGV", "exit of libc": "exit code 0", "kill": "SIGKILL"}


@pytest.fixture
def deadly(add_network):
    def add(name, way, at=3):
        add_network(name, "Deadly", extra=f'[arguments]\nway = "{way}"\nat = {at}\n')

    return add


def test_each_death_is_a_failed_row_and_the_others_are_done(rainbench, toy, tmp_path, deadly):
    assert ENDED.keys() == DEATHS.keys()
    for index, way in enumerate(DEATHS):
        deadly(f"net{index}", way)
    deadly("made", "segfault", at=0)
    arguments = ["run", "-b", "net*", "-b", "made", "-b", "identity", "-b", "median", "-d", "toy"]
    arguments += ["--data", toy, "--out", "o", "--device", "cpu", "--json"]
    done = rainbench(*arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert told["cells"] == {"done": 2, "failed": len(DEATHS) + 1}
    results = RunResults(tmp_path / "o")
    for index, how in enumerate(ENDED.values()):
        cell = results.cell("toy", f"net{index}")
        assert cell.failure.startswith(f"its process died ({how}")
        assert cell.failure.endswith(f" at {toy}/toy/input/3.png")
        assert f"net{index} on toy: {cell.failure}" in done.stderr
    assert "before its first image" in results.cell("toy", "made").failure
    assert {"net0", "median"} <= {row["entry"] for row in told["rows"]}
    kept = read_images_csv(tmp_path / "o/cells/toy/net1/images.csv")
    assert len(kept) < 3
    one = RunResults(tmp_path / "alone")
    (tmp_path / "alone/cells/toy").mkdir(parents=True)
    for name in ("net1", "median"):
        (results.folder / "cells/toy" / name).rename(one.folder / "cells/toy" / name)
    words = ["run", "-b", "net1", "-b", "median", "-d", "toy", "--data", toy, "--out", "alone"]
    again = rainbench(*words, "--device", "cpu")
    assert again.returncode == 1 and "1 failed, 1 kept" in again.stderr
    assert "failed: net1 on toy: its process died (exit code 0, without a word) at " in again.stderr
    assert read_images_csv(one.cell("toy", "net1").folder / "images.csv").keys() >= kept.keys()
    assert not list(tmp_path.rglob(".*.part"))


def test_check_tells_of_a_network_that_dies_when_it_is_made(rainbench, toy, deadly):
    deadly("made", "segfault", at=0)
    done = rainbench("check", "made", "identity", "toy", "--data", toy, "--json")
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 1 and found["made"]["about"] == "its process died (SIGSEGV)"
    assert found["identity"]["state"] == found["toy"]["state"] == "good"


@pytest.mark.parametrize("when", ["import", "forward"])
def test_a_network_without_a_card_that_dies_ends_nothing_else(rainbench, toy, tmp_path, when):
    """It dies while it is made, or counted, before there is an entry that could fail."""
    (tmp_path / "net.py").write_text(
        "import ctypes\nfrom torch import nn\n"
        f"def at(when):\n    if when == {when!r}:\n        ctypes.string_at(0)\n"
        "at('import')\n"
        "class Net(nn.Conv2d):\n"
        "    def __init__(self):\n        super().__init__(3, 3, 1)\n"
        "    def forward(self, rainy):\n        at('forward')\n        return rainy\n"
    )
    words = ["run", "-d", "toy", "--data", toy, "--out", "o", "--device", "cpu"]
    done = rainbench(*words, "-b", "net.py:Net", "-b", "identity")
    assert done.returncode == 1
    assert "Left out: net.py:Net: its process died (SIGSEGV) while it was made" in done.stderr
    assert "1 done" in done.stderr and RunResults(tmp_path / "o").cell("toy", "identity").scores
    alone = rainbench("derain", "net.py:Net", toy / "toy" / "input", "--out", "d")
    assert alone.returncode == 2 and "Error: net.py:Net: its process died" in alone.stderr


def test_a_crash_at_the_end_of_the_process_is_of_no_account(rainbench, toy, add_network):
    add_network("net", "CrashesAtExit")
    done = rainbench("run", "-b", "net", "-d", "toy", "--data", toy, "--out", "o", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["cells"] == {"done": 1}


def start(cards, toy, out, network):
    path = os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), *sys.path])
    words = ["run", "-b", network, "-d", "toy", "--data", toy, "--out", out, "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from rainbench.cli import main; main()", *map(str, words)],
        env={**os.environ, "RAINBENCH_PATH": str(cards), "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    while not (out / "cells/toy" / network / "images.csv").exists():
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()[0]
    return process


@pytest.mark.parametrize("deaf", [False, True])
def test_ctrl_c_ends_it(cards, toy, tmp_path, add_network, deaf):
    """Once, told to the parent alone; twice, where a network has ears for nothing."""
    add_network("net", "Deaf" if deaf else "Pause", extra="[arguments]\npause = 9.0\n")
    process = start(cards, toy, tmp_path / "o", "net")
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    if deaf:
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert time.monotonic() - began < 5 and process.returncode == 130
    assert said.count("Interrupted.") == 1 and "Traceback" not in said


def test_nothing_is_left_when_the_parent_is_killed(cards, toy, tmp_path, add_network):
    add_network("net", "Pause", extra="[arguments]\npause = 9.0\n")
    process = start(cards, toy, tmp_path / "o", "net")
    process.kill()
    process.wait()
    again = start(cards, toy, tmp_path / "o", "net")  # the folder is free
    time.sleep(0.5)
    assert again.poll() is None
    os.killpg(again.pid, signal.SIGKILL)
    assert "another run" not in again.communicate()[0]


def test_derain_goes_on_after_a_death(rainbench, toy, tmp_path, deadly):
    deadly("dead", "segfault", at=5)  # with the two passes that look for the receptive field
    words = ["derain", "dead", toy / "toy/input", "--out", "o", "--device", "cpu", "--json"]
    done = rainbench(*words)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert told["counts"] == {"done": 4, "failed": 1}
    (failed,) = [each for each in told["files"] if each["state"] == "failed"]
    assert "its process died (SIGSEGV)" in failed["note"] and failed["source"] in failed["note"]
    assert len(list((tmp_path / "o").glob("*.png"))) == 4
