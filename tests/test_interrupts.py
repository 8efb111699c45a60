"""Ctrl-C at every moment of a process: one line, exit code 130, and the clean-up done."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

START = """
import atexit, os, signal, sys, time
from rainbench import cli, interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)

def press():
    signal.raise_signal(signal.SIGINT)
"""

CLEANS_UP = """
def work():
    try:
        press()
    finally:
        try:
            raise OSError
        except OSError:
            press()
        print("cleaned up", flush=True)
interrupts.run_program(work)
"""

NEVER_ENDS = """
interrupts.PATIENCE = 0.2
def work():
    try:
        press()
    finally:
        press()
        while True: time.sleep(0.1)
interrupts.run_program(work)
"""

LOST_IN_A_FINALISER = """
class Thing:
    def __del__(self): press()
def work():
    Thing()
    time.sleep(9)
interrupts.run_program(work)
"""

LOST_FOR_ANOTHER_ERROR = """
def lose(**_):
    try: press()
    except KeyboardInterrupt: pass
    raise ImportError("half loaded")
cli.cli.main = lose
interrupts.run_program(cli.command_line)
"""

TWICE_UNHEARD = """
def work():
    for _ in range(2):
        try: press()
        except KeyboardInterrupt as error: last = error
    return 7
interrupts.run_program(work)
"""

AFTER_THE_END = """
atexit.register(press)
def work(): press()
interrupts.run_program(work)
"""


def run(code):
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60
    )
    assert time.monotonic() - began < 30
    return done


@pytest.mark.parametrize(
    ("code", "status", "out"),
    [
        (CLEANS_UP, 130, "cleaned up\n"), (NEVER_ENDS, 130, ""), (LOST_IN_A_FINALISER, 130, ""),
        (LOST_FOR_ANOTHER_ERROR, 130, ""), (AFTER_THE_END, 130, ""), (TWICE_UNHEARD, 7, ""),
    ],
    ids=["cleans up", "never ends", "finaliser", "another error", "after the end", "unheard"],
)  # fmt: skip
def test_one_line_and_an_end(code, status, out):
    done = run(code)
    assert (done.returncode, done.stdout) == (status, out), done.stderr
    assert "Traceback" not in done.stderr and "Error" not in done.stderr
    told = "Interrupted. What was finished is kept: run the same command again.\n"
    assert done.stderr == ("" if code == TWICE_UNHEARD else told)


def test_what_is_well_done_is_not_called_interrupted():
    done = run("atexit.register(press)\ninterrupts.run_program(lambda: print('x') or 0)\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")


def test_where_it_is_ignored_it_stays_so():
    """As in the background of a shell."""
    code = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\ninterrupts.run_program(lambda: press() or 3)"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("module", ["rainbench.cli", "click", "rainbench.core.watch"])
def test_while_python_loads_the_command_line(module):
    code = f"""
import os, signal, sys
class Presses:
    def find_spec(self, name, *_):
        if name == {module!r}: signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Presses())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["rainbench", "list"]
from rainbench.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_the_installed_program_handles_it_first():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"rainbench": "rainbench.__main__:main"}


def test_python_itself_would_print_a_traceback():
    """What is tested here is not what happens anyway."""
    done = run("import click\ntry: press()\nfinally: press()\n")
    assert done.returncode == -signal.SIGINT and "Traceback" in done.stderr


@pytest.mark.parametrize("seconds", [0.3, 600])
def test_a_thread_that_a_network_left_does_not_keep_the_process(seconds):
    """Ctrl-C, which is not heard any more when the work is done, could not end it either."""
    program = f"""
import threading, time
from rainbench import interrupts
interrupts.THREADS = 2.0
def work():
    threading.Thread(target=lambda: time.sleep({seconds})).start()
    return 3
interrupts.run_program(work)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert ("A thread is still at work" in done.stderr) == (seconds == 600)
