"""A network changes, closes or replaces what the whole process uses: the run goes on right."""

import builtins
import gc
import json
import locale
import logging
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from toynets import MEDDLING

from rainbench.catalog.registry import load_registry
from rainbench.networks import process_state
from rainbench.networks.isolation import isolated
from rainbench.run import evaluate
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan


def state():
    """Everything that a network might change and that others would notice, read in its own way."""
    loggers = [logging.getLogger(name) for name in ("rainbench", "rainbench.run.predict")]
    return {
        "print": builtins.print, "open": builtins.open, "dumps": json.dumps,
        "conv": functional.conv2d, "mean": np.mean, "call": torch.nn.Module.__call__,
        "write": os.write,
        "folder": Path.cwd(), "environment": dict(os.environ), "umask": process_state._umask(),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "timer": signal.getitimer(signal.ITIMER_REAL)[0] > 5,
        "blocked": signal.pthread_sigmask(0, []),
        "streams": [sys.stdin, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__],
        "files": [os.fstat(n)[:3] for n in (0, 1, 2)], "disabled": logging.root.manager.disable,
        "loggers": [(each.disabled, each.level, each.propagate) for each in loggers],
        "warnings": list(warnings.filters), "recursion": sys.getrecursionlimit(),
        "gc": gc.isenabled(), "errors": np.geterr(), "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(), "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(), "matmul": torch.get_float32_matmul_precision(),
        "autocast": torch.is_autocast_enabled("cpu"), "anomaly": torch.is_anomaly_enabled(),
        "hooks": len(torch.nn.modules.module._global_forward_hooks),
        "random": (torch.rand(1).item(), np.random.random()),  # noqa: NPY002
        "locale": locale.setlocale(locale.LC_ALL),
    }  # fmt: skip


@pytest.mark.parametrize("what", MEDDLING)
def test_each_change_is_put_back(what):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = state()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    with isolated("net"):
        MEDDLING[what]()
    after = state()
    assert [name for name in before if before[name] != after[name]] == []


def test_what_is_replaced_is_said_once(caplog):
    for _ in range(2):
        with isolated("some net"):
            functional.conv2d = max
    assert caplog.text.count("some net replaced torch.nn.functional.conv2d for all") == 1


def test_what_a_package_wraps_of_its_own_stays():
    """PyTorch wraps `manual_seed` when its compiler is loaded: no network did that."""
    code = (
        "import torch\n"
        "from rainbench.networks.isolation import isolated\n"
        "before = torch.manual_seed\n"
        "with isolated('net'):\n"
        "    import torch._dynamo\n"
        "print(torch.manual_seed is not before and torch.manual_seed.__wrapped__ is before)\n"
        "with isolated('net'):\n"
        "    torch.manual_seed = lambda seed: None\n"
        "print(torch.manual_seed.__wrapped__ is before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
    assert done.stderr.count("replaced torch.manual_seed") == 1


def test_an_import_during_the_call_stays():
    with isolated():
        json.something_new = 1
    assert json.something_new == 1
    del json.something_new


def test_a_run_with_every_meddler(rainbench, toy, tmp_path, add_network):
    """Each by itself as a network; `identity` behind them has the numbers that it always has."""
    names = []
    for index, what in enumerate(MEDDLING):
        names.append(f"a{index:02}")
        add_network(names[-1], "Meddling", extra=f'[arguments]\nwhat = "{what}"\n')
    entries = [word for name in [*names, "identity"] for word in ("-b", name)]
    words = ["run", *entries, "-d", "toy", "--data", "data", "--device", "cpu", "--out", "o"]
    done = rainbench(*words, "--limit", 3, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["cells"] == {"done": len(names) + 1}
    alone = ["run", "-b", "identity", *words[words.index("-d") :]]
    alone[-1] = "alone"
    assert rainbench(*alone, "--limit", 3).returncode == 0
    (right,) = (tmp_path / "alone").rglob("images.csv")
    for file in (tmp_path / "o").rglob("images.csv"):
        assert file.read_bytes() == right.read_bytes(), MEDDLING.keys()


def test_pictures_are_found_wherever_a_network_goes(cards, toy, tmp_path, add_network, monkeypatch):
    """Those that follow are read while it is there."""
    monkeypatch.chdir(toy.parent)
    monkeypatch.setattr(evaluate, "READ_AHEAD", 1)
    add_network("net", "Meddling", extra='[arguments]\nwhat = "goes elsewhere"\n')
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=["net"], data_roots=[Path("data")]
    )
    (outcome,) = evaluate.run_plan(plan, tmp_path / "out", RunOptions())
    assert outcome.state == "done", outcome.note
