"""`rainbench run --detach`: it goes on without its terminal, is stopped, and goes on again."""

import json
import os
import signal
import sys
import time

import pytest
from click.testing import CliRunner

from rainbench.cli import cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="refused on Windows")

LOG = "detached.log"
VARYING = ("timing.csv", "timing.md", ".lock", LOG)


def files(out):
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in VARYING
    }


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def call(rainbench, toy, add_network, tmp_path):
    """Run a network that takes half a second for each of five images."""
    add_network("slow", "Pause", extra="[arguments]\npause = 0.5\n")

    def run(out, *words, **how):
        names = ("-b", "slow", "-b", "identity", "-d", "toy", "--data", toy)
        return rainbench("run", *names, "--out", tmp_path / out, *words, **how)

    return run


@pytest.mark.parametrize("how", [(), ("--cluster", "local:1", "--threads", "1")])
def test_a_run_goes_on_is_stopped_and_goes_on_again(call, rainbench, tmp_path, how):
    out = tmp_path / "o"
    done = call("o", *how, "--detach", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    process = told["process"]
    try:
        assert told["log"] == str(out / LOG) and os.getsid(process) == process
        assert until(lambda: (out / ".status.json").exists())
        assert "at work" in rainbench("status", out).stdout
        os.kill(process, signal.SIGINT)
        assert until(lambda: not is_there(process))
    finally:
        if is_there(process):
            os.killpg(process, signal.SIGKILL)
    assert "Interrupted. What was finished is kept" in (out / LOG).read_text()
    assert "stopped: run again to go on" in rainbench("status", out).stdout
    again = call("o", *how, "--detach")
    assert again.returncode == 0 and f"rainbench status {out}" in again.stderr
    assert "it says is in" in again.stderr and "kill -INT" in again.stderr
    assert until(lambda: "2 done" in rainbench("status", out).stdout)
    assert until(lambda: (out / "table.tex").exists())
    assert call("plain", *how[2:]).returncode == 0
    assert until(lambda: files(out) == files(tmp_path / "plain"), 20)


def test_what_ends_at_once_is_told_with_its_exit_code(call, tmp_path):
    done = call("o", "--cluster", "tcp://127.0.0.1:9x", "--detach")
    assert done.returncode == 2 and "no scheduler answers" in done.stderr, done.stderr
    assert "Error" in (tmp_path / "o" / LOG).read_text()


def test_a_slip_of_the_pen_leaves_nothing_behind(call, tmp_path):
    done = call("o", "-b", "nosuchnet", "--detach")
    assert done.returncode == 2 and "nosuchnet" in done.stderr
    assert not (tmp_path / "o").exists()


def test_where_it_makes_no_sense_it_is_refused(toy, tmp_path, monkeypatch):
    def refused(*words):
        words = ["run", "-b", "identity", *words, "--out", str(tmp_path / "o"), "--detach"]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code and not (tmp_path / "o").exists()
        return str(done.exception)

    assert "--dry-run ends at once" in refused("-d", "mini-streaks", "--dry-run")
    assert "real rain" in refused("--rainy", str(toy))
    monkeypatch.setattr("rainbench.commands.detached.sys.platform", "win32")
    assert "not for Windows" in refused("-d", "mini-streaks")


def test_it_is_of_one_call_and_kept_in_no_file_of_options(tmp_path):
    (tmp_path / "o.toml").write_text('baseline = ["identity"]\ndetach = true\n')
    done = CliRunner().invoke(cli, ["run", str(tmp_path / "o.toml")])
    assert "unknown key detach" in str(done.exception)
