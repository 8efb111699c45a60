"""Cells that several processes share: the bytes of one, whoever computes them, and whoever dies."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import StoreError
from rainbench.core.watch import Watch
from rainbench.run.cluster import beside
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import RunResults

VARYING = ("timing.csv",)


@pytest.fixture(scope="module")
def plan():
    sets = ("mini-streaks", "mini-drops")
    return make_plan(load_registry(), datasets=sets, baselines=("identity", "median"), limit=2)


@pytest.fixture(scope="module")
def alone(plan, tmp_path_factory):
    """The files of a run in one process."""
    out = tmp_path_factory.mktemp("alone")
    assert {each.state for each in run_plan(plan, out, RunOptions())} == {"done"}
    return files(out)


def files(out):
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in VARYING
    }


def run(plan, out, advance=lambda *_: None):
    return list(beside.run_shared(plan, out, RunOptions(), 2, Watch(), advance))


def test_two_processes_write_the_bytes_of_one(plan, alone, tmp_path, monkeypatch):
    own, counted = [], []

    def run_one_and_wait(cell, out, *arguments, **named):
        own.append(cell.name)
        done = original(cell, out, *arguments, **named)
        until = time.monotonic() + 120
        while len(list(out.glob("cells/*/*/cell.json"))) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        return done

    original = beside.run_one
    monkeypatch.setattr(beside, "run_one", run_one_and_wait)
    outcomes = run(plan, tmp_path, lambda amount, what: counted.append((what, amount)))
    assert 0 < len(own) < len(plan.cells), "the other process did nothing"
    names = [cell.name for cell in plan.cells]
    assert sorted(each.cell.name for each in outcomes) == sorted(names)
    assert {each.state for each in outcomes} == {"done"}
    assert all(sum(n for what, n in counted if what == name) == 2 for name in names)
    assert files(tmp_path) == alone


def test_what_a_process_dies_of_is_done_by_this_one(plan, alone, tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "_work", sys.exit)
    assert {each.state for each in run(plan, tmp_path)} == {"done"}
    assert files(tmp_path) == alone


def test_a_folder_that_cannot_be_written_ends_it(plan, tmp_path):
    (tmp_path / "cells").write_text("a file, where folders are to be")
    with pytest.raises(StoreError):
        run(plan, tmp_path)


def test_how_many_processes_there_are(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "default_workers", lambda: 4)
    monkeypatch.setattr(beside, "default_memory", lambda: 64 << 30)
    assert beside.processes_for(plan, tmp_path, RunOptions()) == 4
    assert beside.processes_for(plan, tmp_path, RunOptions(device="cuda")) == 1
    one = replace(plan, cells=plan.cells[:1])
    assert beside.processes_for(one, tmp_path, RunOptions()) == 1, "there is nothing to share"
    maker = replace(plan.cells[1].entry.baseline, network="somebody.else:Net")
    theirs = replace(plan.cells[1], entry=replace(plan.cells[1].entry, baseline=maker))
    mixed = replace(plan, cells=(*plan.cells, theirs))
    assert beside.processes_for(mixed, tmp_path, RunOptions()) == 1
    monkeypatch.setattr(beside, "default_memory", lambda: 1 << 30)
    assert beside.processes_for(plan, tmp_path, RunOptions()) == 1, "memory is for one"
    monkeypatch.setattr(beside, "usable_cores", lambda: 7)
    assert beside.shared(RunOptions(), 2).threads == 3
    assert beside.shared(RunOptions(), 7).threads == 1


def test_one_cell_longer_than_all_others_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "default_workers", lambda: 2)
    names = ("identity", "nasnet.streaks-w32")
    plan = make_plan(load_registry(), datasets=("mini-streaks",), baselines=names, limit=2)
    assert beside.processes_for(plan, tmp_path, RunOptions()) == 1


def test_what_is_done_already_is_nothing_to_share(plan, tmp_path):
    for cell in plan.cells:
        folder = RunResults(tmp_path).cell(cell.pairs.card.name, cell.entry.name).folder
        folder.mkdir(parents=True)
        (folder / "cell.json").write_text("{}")
    assert beside.processes_for(plan, tmp_path, RunOptions()) == 1


PROGRAM = """
import sys
from rainbench.core import machine
machine.default_workers = lambda: 2
from rainbench.cli import main
main()
"""


def start(tmp_path, *words):
    """Start the command as a user does, on as many processes as two cores have."""
    file = tmp_path / "program.py"
    guarded = PROGRAM.replace("main()\n", "if __name__ == '__main__':\n    main()\n")
    file.write_text(guarded)
    call = [sys.executable, str(file), "run", "-d", "mini-*", "--device", "cpu", "--out"]
    return subprocess.Popen(
        [*call, str(tmp_path / "o"), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=Path(__file__).parents[2], start_new_session=True,
    )  # fmt: skip


def members(group):
    """Return the processes of a group that are still alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(stat)
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_ctrl_c_leaves_no_process_and_the_command_goes_on(tmp_path):
    words = ["-b", "nasnet.*", "-b", "sian.streaks-w12", "--limit", "3"]
    process = start(tmp_path, *words)
    said = process.stdout.readline()
    while "cells into" not in said:
        said = process.stdout.readline()
        assert process.poll() is None
    assert "2 processes of" in said
    while not list((tmp_path / "o").glob("cells/*/*/images.csv")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "Traceback" not in rest
    until = time.monotonic() + 10
    while members(process.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert members(process.pid) == []
    assert not list(tmp_path.rglob("failed.json"))
