"""Batches of a run: the results of single images, or none, or a key that tells of them."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import toynets

from rainbench.catalog.registry import load_registry
from rainbench.run.device import batches
from rainbench.run.device.batches import grouped, in_order, settled
from rainbench.run.evaluate import run_plan, score_pairs
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.predict import Predictor
from rainbench.run.results import RunResults


def images(*sizes):
    return [
        (SimpleNamespace(id=str(place)), SimpleNamespace(height=height, width=width))
        for place, (height, width) in enumerate(sizes)
    ]


def ids(groups):
    return [[pair.id for pair, _ in group] for group in groups]


WIDE, HIGH = (2, 3), (3, 2)


def test_full_batches_of_one_size_and_what_is_left_over():
    some = images(WIDE, HIGH, WIDE, WIDE, HIGH, WIDE, WIDE)
    every = {pair.id for pair, _ in some}
    found = grouped(some, every, RunOptions(batch=2))
    assert ids(found) == [["0", "2"], ["1"], ["3", "5"], ["4"], ["6"]]
    assert ids(grouped(some, every, RunOptions())) == [[str(place)] for place in range(7)]


def test_groups_do_not_depend_on_what_is_wanted():
    """A run that is continued computes what one in a piece does."""
    some = images(*[WIDE] * 9)
    assert ids(grouped(some, {"5"}, RunOptions(batch=4))) == [["4", "5", "6", "7"]]
    assert ids(grouped(some, {"8"}, RunOptions(batch=4))) == [["8"]]


def test_images_in_tiles_go_singly():
    some = images(*[WIDE] * 4, *[(200, 50)] * 4)
    found = grouped(some, {pair.id for pair, _ in some}, RunOptions(batch=2, tile=100))
    assert [len(group) for group in found] == [2, 2, 1, 1, 1, 1]


def test_in_order():
    found = in_order([("c", {}, 3.0), ("a", {}, 1.0), ("b", {}, 2.0)], ["a", "b", "c"])
    assert list(found) == [("a", {}, 1.0), ("b", {}, 2.0), ("c", {}, 3.0)]
    assert list(in_order(iter([]), ["a"])) == []


@pytest.fixture
def run(cards, add_network, toy, tmp_path):
    """Run a network of the tests on the toy set; return its result and its folder's files."""

    def call(network, out="out", extra="", **options):
        add_network("net", network, 0, extra)
        plan = make_plan(
            load_registry([cards]), datasets=["toy"], baselines=["net"], data_roots=[toy]
        )
        (outcome,) = run_plan(plan, tmp_path / out, RunOptions(**options))
        cell = RunResults(tmp_path / out).cell("toy", "net")
        return SimpleNamespace(
            state=outcome.state, cell=cell, plan=plan,
            csv=(cell.folder / "images.csv").read_bytes(),
            key=json.loads((cell.folder / "key.json").read_text()),
        )  # fmt: skip

    return call


def test_a_batch_with_the_same_bits_leaves_no_trace(run):
    single = run("Remember", "single")
    toynets.Remember.seen.clear()
    batched = run("Remember", "batched", batch=2)
    sizes = [len(seen) for seen in toynets.Remember.seen]
    assert sizes == [2, 1, 1, 2, 2, 1]  # the first batch together and singly, then the run
    assert batched.csv == single.csv and batched.key == single.key
    assert batched.cell.summary["options"] == single.cell.summary["options"]
    assert run("Remember", "single", batch=2).state == "kept"
    assert run("Remember", "batched").state == "kept"


def test_a_batch_that_is_close_is_in_the_key_and_in_the_row(run, rainbench, cards, toy, tmp_path):
    single = run("Crowd", "single")
    batched = run("Crowd", "batched", batch=2)
    assert batched.key["options"]["batch"] == 2 and "batch" not in single.key["options"]
    for image, scores in single.cell.scores.items():
        assert batched.cell.scores[image]["rgb"] == pytest.approx(scores["rgb"], abs=1e-3)
    assert run("Crowd", "batched", batch=2).state == "kept"
    assert run("Crowd", "single", batch=2).state == "kept"  # single images are what is wanted
    assert run("Crowd", "batched").state == "done"


def test_a_batch_that_is_not_close_is_no_batch(run, caplog):
    single = run("Brighter", "single")
    with caplog.at_level(logging.WARNING):
        batched = run("Brighter", "batched", batch=2)
    assert "net restores an image in a batch otherwise than alone" in caplog.text
    assert batched.csv == single.csv and batched.key == single.key


def test_the_bound_is_a_millionth(run, caplog):
    extra = "[arguments]\neach = 1.2e-6"
    with caplog.at_level(logging.WARNING):
        assert "batch" not in run("Crowd", extra=extra, batch=2).key["options"]
    assert "otherwise than alone (by 1.2e-06" in caplog.text


def test_a_card_forbids_batches(run, caplog):
    toynets.Remember.seen.clear()
    with caplog.at_level(logging.WARNING):
        found = run("Remember", extra="tileable = false", batch=2)
    assert {len(seen) for seen in toynets.Remember.seen} == {1}
    assert "no batches" in caplog.text and "batch" not in found.key["options"]


def test_an_error_in_the_first_batch_is_that_of_its_image(run):
    found = run("NotFinite", batch=2)
    assert found.state in ("failed", "done")
    if found.state == "failed":
        assert "input/" in found.cell.failure


def test_scores_come_in_order_and_only_what_is_wanted(cards, add_network, toy):
    add_network("net", "Remember")
    plan = make_plan(load_registry([cards]), datasets=["toy"], baselines=["net"], data_roots=[toy])
    (cell,) = plan.cells
    predictor = Predictor(cell.entry, None, RunOptions(batch=2))
    toynets.Remember.seen.clear()
    found = list(score_pairs(predictor, cell.images, {"5", "2"}))
    assert [image for image, _, _ in found] == ["2", "5"]
    assert [len(seen) for seen in toynets.Remember.seen] == [2, 1]
    single = Predictor(cell.entry, None, RunOptions())
    assert [each[:2] for each in found] == [
        each[:2] for each in score_pairs(single, cell.images, {"5", "2"})
    ]


def test_too_few_images_are_not_tried(cards, add_network, toy, monkeypatch):
    add_network("net", "Remember")
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=["net"], data_roots=[toy], limit=3
    )
    (cell,) = plan.cells
    monkeypatch.setattr(batches, "Predictor", None)
    result = RunResults(toy).cell("toy", "net")
    assert settled(cell, RunOptions(batch=2), result).exact


def test_real_networks_in_batches(run):
    """Convolutions choose kernels by shape: whatever they choose, it is told or the same."""
    single = run("Same", "single")
    batched = run("Same", "batched", batch=2)
    if "batch" not in batched.key["options"]:
        assert batched.csv == single.csv
    for image in single.cell.scores:
        psnrs = [each.scores[image]["rgb"].psnr for each in (single.cell, batched.cell)]
        assert np.abs(np.subtract(*psnrs)) < 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch", 0), "--batch 0 is out of range"),
        (("--batch", 2, "--cluster", "local:1"), "--batch 2 is for pairs in one process"),
        (("--batch", 2, "--rainy", "pictures"), "--batch 2 is for pairs in one process"),
    ],
)
def test_what_the_command_refuses(rainbench, tmp_path, arguments, message):
    (tmp_path / "pictures").mkdir()
    chosen = () if "--rainy" in arguments else ("-d", "mini-streaks")
    done = rainbench("run", "-b", "identity", *chosen, *arguments)
    assert done.returncode == 2 or done.returncode == 1
    assert message in done.stderr and "Traceback" not in done.stderr
