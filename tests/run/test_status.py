"""`rainbench status`: before, while, and after a run, and of one that was stopped."""

import json

import pytest
from click.testing import CliRunner

from rainbench.api.evaluation import carry_out
from rainbench.catalog.registry import load_registry
from rainbench.cli import cli
from rainbench.core.errors import RainbenchError
from rainbench.run.cluster.status import NAME, read_standing
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import lock_run


@pytest.fixture
def plan(cards, toy, add_network):
    add_network("nan", "NotFinite")
    registry = load_registry([cards])
    names = ["identity", "nan", "median"]
    return make_plan(registry, datasets=["toy"], baselines=names, data_roots=[toy])


def said(out, *options):
    return CliRunner().invoke(cli, ["status", str(out), *options]).output


def test_how_far_a_run_is(plan, cards, tmp_path):
    """Asked when the last of three cells is about to begin; then it is stopped, then finished."""
    out, registry = tmp_path / "o", load_registry([cards])
    asked = []

    def run(advance):
        for number, outcome in enumerate(run_plan(plan, out, RunOptions(), advance=advance)):
            yield outcome
            if number == 1:
                (out / NAME).unlink(missing_ok=True)
                status_due(advance)
                asked.extend([read_standing(out), said(out), said(out, "--json")])
                raise KeyboardInterrupt

    def status_due(advance):
        advance(0, "median on toy")  # it has begun

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rainbench.run.cluster.status.EVERY", 0.0)
        patch.setattr("rainbench.run.cluster.status.REST", 0)
        with lock_run(out), pytest.raises(KeyboardInterrupt):
            carry_out(plan, out, RunOptions(), registry, run=run)
    standing, text, as_json = asked
    assert standing.at_work and standing.images == (5 + 3 + 0, 15)
    assert {name: part.state for name, part in standing.cells.items()} == {
        "identity on toy": "done", "nan on toy": "failed", "median on toy": "running",
    }  # fmt: skip
    assert standing.seconds_left > 0
    for line in (
        "at work on ", "3 cells: 1 done, 1 failed, 1 running", "8 of 15 images",
        "failed: nan on toy: ", "runs: median on toy, 0 of 5", "time left: about",
    ):  # fmt: skip
        assert line in text
    assert json.loads(as_json)["images_done"] == 8
    assert "stopped: run again to go on" in said(out)
    assert "begun: median on toy" in said(out) and "time left" not in said(out)
    carry_out(plan, out, RunOptions(), registry)
    assert not (out / NAME).exists()
    assert "nothing at work" in said(out) and "3 cells: 2 done, 1 failed" in said(out)


def test_what_is_no_run_is_told(tmp_path):
    with pytest.raises(RainbenchError, match="holds no run"):
        read_standing(tmp_path)
    (tmp_path / NAME).write_text('{"cells": {"x": 3}}')
    with pytest.raises(RainbenchError, match="holds no run"):
        read_standing(tmp_path)


def test_a_cell_of_a_copy_is_counted_once_while_it_runs(tmp_path):
    """Its folder says which copy of the set it is about only when it is done."""
    folder = tmp_path / "cells" / "toy" / "identity"
    folder.mkdir(parents=True)
    (folder / "key.json").write_text("{}")
    part = {"images": 5, "weight": 1.0, "before": 0, "done": 2, "state": "running", "note": ""}
    told = {"host": "x", "pid": 1, "started": 0.0, "written": 1.0}
    (tmp_path / NAME).write_text(json.dumps({**told, "cells": {"identity on toy@8x8": part}}))
    standing = read_standing(tmp_path)
    assert list(standing.cells) == ["identity on toy@8x8"] and standing.images == (2, 5)
