"""Damaged files are read rightly or refused, whatever the damage: see `engine`.

200 mutants of each kind; RAINBENCH_MUTANTS asks for another number.
"""

import os
import sys

import pytest
from engine import OUTCOMES, fuzz, judge
from kinds import KINDS

from rainbench.core.errors import RainbenchError

MUTANTS = int(os.environ.get("RAINBENCH_MUTANTS", "200"))
ALLOWED = ("refused", "unchanged", "agreed")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")


@pytest.mark.timeout(max(600, MUTANTS))
@pytest.mark.parametrize("kind", KINDS)
def test_right_or_refused(kind):
    tally, findings = fuzz(kind, MUTANTS)
    assert sum(tally.values()) == MUTANTS
    assert findings == []
    assert set(tally) <= set(ALLOWED)
    assert tally["refused"] and tally["refused"] < MUTANTS, "nothing is tried"


class Reader:
    """Stands for a reader with a fault of each kind."""

    def __init__(self, deed):
        self.deed = deed

    def judge(self, data):
        if self.deed == "refuse":
            raise RainbenchError("refused")
        if self.deed == "crash":
            raise KeyError("x")
        return self.deed


@pytest.mark.parametrize(
    ("deed", "outcome", "told"),
    [
        ("refuse", "refused", ""),
        ("agreed", "agreed", ""),
        ("differing", "differing", "differing"),
        ("crash", "crashed", "KeyError: 'x'"),
    ],
)
def test_what_is_a_finding(deed, outcome, told):
    found, what = judge(Reader(deed), b"")
    assert found == outcome and found in OUTCOMES and what.endswith(told)
    assert bool(what) == (outcome not in ALLOWED)


@pytest.mark.parametrize(
    ("deed", "outcome"), [("die", "crashed"), ("sleep", "hung"), ("spin", "hung")]
)
def test_processes_that_die_or_hang_are_counted(deed, outcome, monkeypatch, tmp_path):
    """The one mutant is counted, and those after it are tried all the same."""
    fault = {"die": "os._exit(9)", "sleep": "time.sleep(100)", "spin": "while True: pass"}[deed]
    child = tmp_path / "child.py"
    child.write_text(
        "import json, os, sys, time\n"
        "first, count = int(sys.argv[7]), int(sys.argv[9])\n"
        "for number in range(first, first + count):\n"
        "    if number == 3:\n"
        f"        {fault}\n"
        "    print(json.dumps((number, 'refused', '')), flush=True)\n"
    )
    monkeypatch.setattr("engine.__file__", str(child))
    monkeypatch.setattr("engine.PATIENCE", 2.0)
    monkeypatch.setattr("engine.STARVED", 5 if deed == "spin" else 1)
    tally, findings = fuzz("x", 6)
    assert tally == {"refused": 5, outcome: 1} and len(findings) == 1
    assert findings[0].startswith(f"x 3: {outcome}")
