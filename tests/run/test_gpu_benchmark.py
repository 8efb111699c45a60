"""The script that checks and measures a GPU: its half that needs none."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_cpu_half(cards, toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAINBENCH_PATH", str(cards))
    monkeypatch.chdir(tmp_path)
    call = ["gpu.py", "--device", "cpu", "--quick", "--threads", "1", "--data", str(toy),
            "-d", "toy", "-b", "prenet_r.streaks-w16", "--out", "gpu"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", call)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "benchmarks/gpu.py"), run_name="__main__")
    assert ended.value.code == 0, capsys.readouterr().out
    found = json.loads((tmp_path / "gpu/gpu.json").read_text())
    assert found["failures"] == []
    parts = {name for name in found if ":" in name}
    assert len(parts) == 9 and not any("error" in found[name] for name in parts)
    assert max(found["check: backend"].values()) < 1e-9
    (cell,) = found["check: golden"].values()
    assert cell["against"] == "the CPU" and cell["values"] > 20
    (speed,) = found["speed: run"].values()
    assert 0 < speed["share of the device for the network"] < 1
    assert found["speed: training"]["bf16"]["patches/s"] > 0
    assert "## speed: run" in (tmp_path / "gpu/gpu.md").read_text()


def test_a_check_that_fails_is_the_exit_code(cards, toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAINBENCH_PATH", str(cards))
    monkeypatch.chdir(tmp_path)
    call = ["gpu.py", "--device", "cpu", "--quick", "--threads", "1", "--data", str(toy),
            "-d", "toy", "-b", "identity", "--minutes", "0", "--out", "gpu"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", call)
    script = runpy.run_path(str(ROOT / "benchmarks/gpu.py"), run_name="gpu")
    bench = script["Bench"](None, [], 1e12)
    bench.check("near", 1e-10, 1e-9)
    assert bench.failures == []
    bench.check("far", 2e-9, 1e-9)
    bench.check("no number", float("nan"), 1e-9)
    bench.part("broken", lambda: 1 / 0)
    assert len(bench.failures) == 3
    with pytest.raises(SystemExit):  # no time: every part is left out and says so
        script["main"]()
    found = json.loads((tmp_path / "gpu/gpu.json").read_text())
    assert found["speed: run"] == {"left out": "no time was left"}
