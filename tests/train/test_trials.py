"""Trials: trained once, at one budget, and gone on with."""

import pytest


@pytest.mark.slow
def test_trials_are_trained_once_and_are_not_mixed(rainbench, photographs, tmp_path):
    out = tmp_path / "out"
    call = ["claims", "--run", "--only", "E3", "--width", 4, "--patch", 16, "--batch", 1]
    call += ["--seeds", 2, "--clean", photographs, "--out", out]
    assert rainbench(*call, "--steps", 2).returncode == 0
    results = {file: file.stat().st_mtime_ns for file in out.rglob("trial.json")}
    assert len(results) == 4
    text = (out / "claims.md").read_text()
    assert "nasnet &gt; nasnet_direct" in text and "2 seeds" in text and str(tmp_path) not in text
    lost = next(iter(results))
    lost.unlink()  # as if the call had been killed before this one was done
    content = (out / "claims.csv").read_bytes()
    assert rainbench(*call, "--steps", 2).returncode == 0
    again = {file: file.stat().st_mtime_ns for file in out.rglob("trial.json")}
    assert {file for file in results if again[file] == results[file]} == set(results) - {lost}
    assert (out / "claims.csv").read_bytes() == content
    other = rainbench(*call, "--steps", 3)
    assert other.returncode == 2 and "holds trainings of another budget" in other.stderr
