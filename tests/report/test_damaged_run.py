"""One file of a run's folder is damaged by hand: neither compared as if whole, nor accepted."""

import json
import shutil

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.report.compare import compare_run, describe
from rainbench.report.golden import accept_run, golden_file
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import RunResults
from rainbench.run.scores import read_images_csv

CELL = "cells/toy/identity"


@pytest.fixture
def registry(cards):
    return load_registry([cards])


@pytest.fixture
def plan(registry, toy):
    return make_plan(registry, datasets=["toy"], baselines=["identity", "median"], data_roots=[toy])


@pytest.fixture
def run(plan, tmp_path):
    RunResults(tmp_path / "run").write_plan(plan)
    list(run_plan(plan, tmp_path / "run", RunOptions()))
    return tmp_path / "run"


def edited(**changes):
    """Change what a JSON file says; None takes a key out."""

    def edit(text):
        content = {**json.loads(text), **changes}
        return json.dumps({key: value for key, value in content.items() if value is not None})

    return edit


GONE = object()
DAMAGES = {
    "no key": ("key.json", GONE),
    "another weights": ("key.json", edited(weights="0" * 64)),
    "another weights, no hash": ("key.json", edited(weights="0" * 64, sha256=None)),
    "other options": ("key.json", edited(options={"precision": "fp32", "tile": 9})),
    "key cut short": ("key.json", lambda text: text[: len(text) // 2]),
    "key of nothing": ("key.json", lambda text: "{}"),
    "no cell": ("cell.json", GONE),
    "no entry": ("cell.json", edited(entry=None)),
    "no entry, no hash": ("cell.json", edited(entry=None, sha256=None)),
    "no data set, no hash": ("cell.json", edited(dataset=None, sha256=None)),
    "comparable": ("cell.json", edited(comparable=False)),
    "in tiles": ("cell.json", edited(options={"device": "cpu", "precision": "fp32", "tile": 64})),
    "left out": ("cell.json", edited(left_out=["1"])),
    "not all": ("cell.json", edited(complete_set=None)),
    "cell cut short": ("cell.json", lambda text: text[:-9]),
    "no scores": ("images.csv", GONE),
    "a digit": ("images.csv", lambda text: text.replace("2", "3", 1)),
}  # fmt: skip
BESIDE = {
    "no list": ("run.json", GONE),
    "a list cut short": ("run.json", lambda text: text[:-9]),
    "one missing": ("run.json", edited(missing=[["toy", "median", "no weights"]])),
    "no manifest": ("manifests/toy.csv", GONE),
    "manifest cut short": ("manifests/toy.csv", lambda text: text[: len(text) // 2]),
    "manifest of nothing": ("manifests/toy.csv", lambda text: ""),
    "a size": ("manifests/toy.csv", lambda text: text.replace("64", "65", 1)),
}


def damage(file, how):
    if how is GONE:
        file.unlink()
    else:
        text = file.read_text()
        file.write_text(how(text))
        assert file.read_text() != text


def outcome(run, golden, registry):
    """Return whether a run passes the comparison, what it says, and what can be accepted."""
    compared = compare_run(run, registry, golden)
    accepted = accept_run(run, run.parent / "accepted")
    good = [cell.entry for cell in accepted if cell.action != "left out"]
    shutil.rmtree(run.parent / "accepted", ignore_errors=True)
    return compared, "\n".join(describe(compared)), good


def test_each_damage_is_found(run, registry, plan, tmp_path):
    golden = tmp_path / "golden"
    assert {cell.action for cell in accept_run(run, golden)} == {"new"}
    compared, _, good = outcome(run, golden, registry)
    assert compared.passed and good == ["identity", "median"]
    for what, (name, how) in DAMAGES.items():
        file = run / CELL / name
        whole = file.read_bytes()
        damage(file, how)
        compared, said, good = outcome(run, golden, registry)
        assert not compared.passed and good == ["median"], what
        assert "run again" in said and (f"identity/{name}: " in said or what == "no cell"), what
        file.write_bytes(whole)
    for what, (name, how) in BESIDE.items():
        file = run / name
        whole = file.read_bytes()
        damage(file, how)
        compared, said, good = outcome(run, golden, registry)
        assert not compared.passed and good == [], what
        assert f"{file}: " in said and "run again" in said, what
        if what in ("no manifest", "a list cut short"):  # which mends it
            RunResults(run).write_plan(plan)
            assert outcome(run, golden, registry)[0].passed
        file.write_bytes(whole)
    assert outcome(run, golden, registry)[0].passed


def test_a_second_run_keeps_what_is_known_of_the_first(run, registry, tmp_path):
    """The manifest of a data set that is not in the second plan is guarded as before."""
    other = make_plan(registry, datasets=["mini-streaks"], baselines=["identity"], limit=1)
    RunResults(run).write_plan(other)
    list(run_plan(other, run, RunOptions()))
    assert RunResults(run).problems == []
    damage(run / "manifests/toy.csv", lambda text: text + "\n")
    assert "manifests/toy.csv: is damaged" in RunResults(run).problems[0]


def test_a_number_that_only_one_has_is_told_with_its_file(run, registry, tmp_path):
    golden = tmp_path / "golden"
    accept_run(run, golden)
    file = golden_file("toy", "identity", golden)
    lines = file.read_text().splitlines()
    first = lines[1].split(",")
    assert read_images_csv(run / CELL / "images.csv")
    file.write_text("\n".join([lines[0], ",".join([first[0], "", *first[2:]]), *lines[2:]]) + "\n")
    (drift,) = compare_run(run, registry, golden).drifts
    assert drift.message.startswith(f"{file}: holds no PSNR of image {first[0]}, which the run has")
    assert "None" not in drift.message and "`rainbench accept --replace`" in drift.message
    names = lines[0].split(",")  # a protocol without PSNR gets one
    column = names.index("rescan-rgb:1:psnr")
    first[column] = "30.0000"
    file.write_text("\n".join([lines[0], ",".join(first), *lines[2:]]) + "\n")
    (drift,) = compare_run(run, registry, golden).drifts
    assert drift.message.startswith(f"the run has no PSNR of image {first[0]}, but {file} holds 30")
