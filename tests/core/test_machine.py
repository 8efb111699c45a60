"""Devices and counts that are asked for: there, or refused with what there is."""

import os
import subprocess
import sys

import pytest
import torch

from rainbench.core.errors import RainbenchError
from rainbench.core.machine import MOST_AT_ONCE, resolve_device
from rainbench.run.options import RunOptions, resolve_options
from rainbench.spa.options import choose_device
from rainbench.train.engine import make_engine


@pytest.fixture
def cards(monkeypatch):
    """Pretend that there are so many CUDA cards, and a Metal device or none."""

    def set_cards(count, *, metal=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: metal)

    return set_cards


@pytest.mark.parametrize(
    ("count", "asked", "found"),
    [
        (0, "auto", "cpu"), (0, "cpu", "cpu"), (0, "CPU", "cpu"), (2, "auto", "cuda"),
        (2, "cuda", "cuda"), (2, "cuda:0", "cuda:0"), (2, "cuda:1", "cuda:1"),
        (2, "cuda:01", "cuda:1"), (2, "cpu", "cpu"),
    ],
)  # fmt: skip
def test_devices_that_are_there(cards, count, asked, found):
    cards(count)
    assert resolve_device(asked) == found


def test_metal(cards):
    cards(0, metal=True)
    assert resolve_device("mps") == "mps"
    assert resolve_device("auto") == "cpu"  # its numbers are no other machine's


@pytest.mark.parametrize(
    ("count", "asked", "message"),
    [
        (0, "cuda", "no CUDA device"), (0, "cuda:0", "no CUDA device"),
        (2, "cuda:2", "no such CUDA device"), (2, "mps", "no Metal device"),
        (2, "cuda:", "is not one of"), (2, "cuda:x", "is not one of"), (2, "cuda:-1", "is not one"),
        (2, "gpu", "is not one of cpu, cuda, cuda:N, mps and auto"), (2, "", "is not one of"),
        (2, "cuda:99999999999", "is not one of"), (2, "cpu:0", "is not one of"),
        (2, "meta", "is not one of"),
    ],
)  # fmt: skip
def test_devices_that_are_not(cards, count, asked, message):
    cards(count)
    for resolve in (resolve_device, resolve_options, lambda name: choose_device(name, "exact")):
        with pytest.raises(RainbenchError, match=message) as told:
            resolve(asked)
        here = "cpu, cuda:0, cuda:1." if count else "cpu."
        assert told.value.hint.startswith(f"Here are: {here}")


def test_which_card_it_was_is_not_part_of_the_key():
    assert RunOptions("cuda:1").key_parts() == RunOptions("cuda").key_parts()
    assert RunOptions("cuda").key_parts() != RunOptions("mps").key_parts()


def test_a_numbered_card_is_not_for_several_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RainbenchError, match="each of several processes has a card of its own"):
        make_engine("cuda:1")


@pytest.mark.parametrize("threads", [0, -1, MOST_AT_ONCE + 1, 99_999])
def test_threads_out_of_range(threads):
    with pytest.raises(RainbenchError, match=f"--threads {threads} is out of range"):
        resolve_options("cpu", threads=threads)
    assert resolve_options("cpu", threads=MOST_AT_ONCE).threads == MOST_AT_ONCE


@pytest.mark.parametrize(
    "call",
    [
        ("run", "-b", "identity", "-d", "mini-streaks", "--threads", "99999"),
        ("derain", "identity", "x.png", "--out", "y", "--threads", "0"),
        ("train", "prenet_r", "--clean", ".", "--threads", "-3"),
        ("train", "prenet_r", "--clean", ".", "--workers", "99999"),
        ("build-spa", "x.mp4", "--out", "y", "--workers", "99999"),
        ("synth", "streaks", ".", "--out", "y", "--workers", "99999"),
        ("run", "-b", "identity", "-d", "mini-streaks", "--device", "cuda:7"),
        ("train", "prenet_r", "--clean", ".", "--device", "tpu"),
        ("build-spa", "x.mp4", "--out", "y", "--device", "mps"),
    ],
)
def test_the_command_line_refuses_them(call, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from rainbench.cli import cli

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, call)
    said = f"{done.output}{done.exception}"
    assert done.exit_code and (call[-1] in said)
    assert isinstance(done.exception, RainbenchError | SystemExit)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has GNU's OpenMP on Linux")
@pytest.mark.parametrize(
    ("given", "count"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "70"}, "70"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
)
def test_threads_that_wait_leave_their_core_to_others(given, count):
    """Unless told otherwise; OpenMP says itself what it goes by when it is loaded."""
    told = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if name not in told}
    done = subprocess.run(
        [sys.executable, "-c", "import rainbench.__main__, torch"],
        env={**environment, **given, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"GOMP_SPINCOUNT = '{count}'" in done.stderr
