"""Metrics in a run: each image once, resumed, added later, never of other pictures."""

import dataclasses
import json

import numpy as np
import pytest

from rainbench.catalog.registry import load_registry
from rainbench.core.images import read_image, write_png
from rainbench.metrics.quality.record import Metric, MetricError, ReadyMetric
from rainbench.pairs.load import load_pairs
from rainbench.report.tables import row_json, table_csv, table_json, table_markdown, write_tables
from rainbench.run.evaluate import run_plan
from rainbench.run.metrics.columns import HEADER, read_columns, read_values
from rainbench.run.options import RunOptions
from rainbench.run.outputs import score_folder
from rainbench.run.plan import make_plan
from rainbench.run.results import RunResults


def ready(name, function, *, full_reference=True, better=True, made_of="1", version=1):
    metric = Metric(
        name=name,
        version=version,
        title=f"the {name}",
        source="tests",
        full_reference=full_reference,
        higher_is_better=better,
        load=lambda _files: function,
    )
    return ReadyMetric(metric, function, {"file": made_of})


def brightness(restored, _clean):
    return float(restored.mean())


class Counted:
    """A metric that counts its calls, and fails where it is told to."""

    def __init__(self, fail=lambda restored: None):
        self.calls, self.fail = 0, fail

    def __call__(self, restored, clean):
        self.calls += 1
        self.fail(restored)
        assert restored.dtype == clean.dtype == np.uint8
        return float(np.abs(restored.astype(int) - clean).mean())


@pytest.fixture
def run(cards, toy, tmp_path):
    registry = load_registry([cards])

    def run(*metrics, entry="identity", limit=None):
        plan = make_plan(
            registry, datasets=["toy"], baselines=[entry], data_roots=[toy], limit=limit
        )
        outcomes = list(run_plan(plan, tmp_path / "run", RunOptions(), metrics=metrics))
        return outcomes[0], write_tables(tmp_path / "run", registry)

    run.registry = registry
    run.cell = RunResults(tmp_path / "run").cell("toy", "identity").folder
    return run


def test_each_image_is_measured_once_and_stands_in_the_tables(run, toy):
    counted = Counted()
    outcome, rows = run(ready("error", counted, better=False), ready("brightness", brightness))
    assert (outcome.state, outcome.problems, counted.calls) == ("done", (), 5)
    inputs = [read_image(toy / "toy" / "input" / f"{number}.png") for number in range(1, 6)]
    expected = np.mean([image.mean() for image in inputs])
    assert all(row.metrics["brightness"].mean == pytest.approx(expected) for row in rows)
    text = table_csv(rows).splitlines()
    assert text[0].endswith("peak_bytes,brightness,error")
    assert text[1].split(",")[-2] == f"{expected:.6f}"
    page = table_markdown(rows, run.registry)
    assert "| measured error ↓ |" in page and "brightness ↑: the brightness." in page
    first = json.loads(table_json(rows))["rows"][0]
    assert first["metrics"]["brightness"]["mean"] == pytest.approx(expected)
    assert row_json(rows[0])["metrics"] == first["metrics"]
    # Nothing of it is done again.
    assert run(ready("error", counted), ready("brightness", brightness))[0].state == "kept"
    assert counted.calls == 5


def test_scores_without_metrics_are_the_bytes_that_they_were(run):
    run()
    before = (run.cell / "images.csv").read_bytes(), (run.cell / "cell.json").read_bytes()
    run(ready("brightness", brightness))
    after = (run.cell / "images.csv").read_bytes(), (run.cell / "cell.json").read_bytes()
    assert before == after
    assert run()[1][0].metrics["brightness"].images == 5


def test_a_metric_added_later_leaves_the_others_alone(run):
    counted, later = Counted(), Counted()
    run(ready("error", counted))
    files = {file: file.read_bytes() for file in (run.cell / "metrics").iterdir()}
    outcome, rows = run(ready("error", counted), ready("later", later))
    assert (counted.calls, later.calls, outcome.state) == (5, 5, "done")
    assert all(file.read_bytes() == content for file, content in files.items())
    assert rows[0].metrics.keys() == {"error", "later"}
    assert rows[0].metrics["error"].mean == rows[0].metrics["later"].mean


def test_a_failure_is_of_its_column_and_named(run):
    def fail(restored):
        if restored.mean() > 100:
            raise MetricError("odd: too bright")

    outcome, rows = run(ready("odd", Counted(fail)), ready("brightness", brightness))
    column = rows[0].metrics["odd"]
    assert outcome.state == "done" and column.mean is None
    assert outcome.problems == (f"odd: {column.problem}",)
    assert column.problem.endswith("too bright") and " of 5 images" in column.problem
    assert rows[0].psnr and rows[0].metrics["brightness"].mean
    assert "too bright" in table_markdown(rows, run.registry)
    assert table_csv(rows).splitlines()[1].endswith(",")
    assert json.loads(table_json(rows))["rows"][0]["metrics"]["odd"]["problem"] == column.problem


def test_an_interrupted_column_goes_on_to_the_same_bytes(run):
    counted = Counted()
    run(ready("error", counted))
    file = run.cell / "metrics" / "error.csv"
    whole, record = file.read_bytes(), file.with_suffix(".json").read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept in (b"", lines[0], b"".join(lines[:3]), b"".join(lines[:4])[:-3], b"\xff\x00"):
        file.write_bytes(kept)
        before = counted.calls
        run(ready("error", counted))
        assert file.read_bytes() == whole and file.with_suffix(".json").read_bytes() == record
        assert counted.calls - before == 5 - max(0, min(2, kept.count(b"\n") - 1))


@pytest.mark.parametrize("number", ["3", "-1e9", "", "nan", "x"])
def test_a_number_edited_by_hand_is_measured_again(run, number):
    counted = Counted()
    run(ready("error", counted))
    file = run.cell / "metrics" / "error.csv"
    whole = file.read_text()
    image, _, problem, check = whole.splitlines()[2].split(",")
    edited = whole.replace(whole.splitlines()[2], f"{image},{number},{problem},{check}")
    file.write_text(edited)
    assert "error" not in run()[1][0].metrics
    run(ready("error", counted))
    assert file.read_text() == whole and counted.calls == 6


def test_other_code_version_or_file_of_a_metric_is_another_metric(run):
    counted = Counted()
    for changes in ({}, {"made_of": "2"}, {"version": 2}):
        run(ready("error", counted, **changes))
    assert counted.calls == 15


def test_a_column_of_other_images_is_not_shown(run, toy):
    run(ready("error", Counted()), limit=3)
    assert run(limit=3)[1][0].metrics["error"].images == 3
    assert "error" not in run()[1][0].metrics  # 5 images now
    counted = Counted()
    assert run(ready("error", counted))[1][0].metrics["error"].images == 5
    assert counted.calls == 2  # the first three are what they were
    changed = read_image(toy / "toy" / "input" / "2.png")
    changed[0, 0] ^= 1
    write_png(toy / "toy" / "input" / "2.png", changed)
    assert "error" not in run()[1][0].metrics
    run(ready("error", counted))
    assert counted.calls == 3


def test_what_is_no_record_is_passed_over(run):
    run(ready("error", Counted()))
    parts = RunResults(run.cell.parents[2]).cell("toy", "identity").parts
    file = run.cell / "metrics" / "error.json"
    content = json.loads(file.read_text())
    assert read_columns(run.cell, parts).keys() == {"error"}
    for facts in (
        {"digits": "3"},
        {"mean": []},
        {"mean": "many"},
        {"images": None},
        {"title": 3},
        {"higher_is_better": "yes"},
        {"cell": "another"},
    ):
        file.write_text(json.dumps({**content, "facts": {**content["facts"], **facts}}))
        assert read_columns(run.cell, parts) == {}
    for text in ("", "[]", "{", '{"key": "a", "files": {}, "facts": {}}'):
        file.write_text(text)
        assert read_columns(run.cell, parts) == {}


def test_hostile_image_names_and_problems_come_back(tmp_path):
    from rainbench.run.metrics.columns import ColumnStore, Value

    images = [("=cmd|' /C calc'!A0", "h1"), ('a,b\n"c"', "h2"), ("plain", "h3")]
    metric = ready("error", brightness)
    with ColumnStore(tmp_path, metric, {"a": 1}, images) as store:
        store.append(images[0][0], Value(1.0))
        store.append(images[1][0], Value(None, '=1+1, "quoted"'))
        store.append(images[2][0], Value(float("inf")))
        assert store.complete().mean is None
    text = (tmp_path / "metrics" / "error.csv").read_text()
    assert text.startswith(",".join(HEADER)) and "\n=cmd" not in text and ',"=1' not in text
    again = ColumnStore(tmp_path, metric, {"a": 1}, images)
    assert again.missing == [] and again.done[images[1][0]].problem == '=1+1, "quoted"'
    assert read_values(tmp_path / "metrics" / "error.csv").keys() == dict(images).keys()


def test_infinite_values_have_an_infinite_mean(run):
    rows = run(ready("psnr-like", lambda restored, clean: float("inf")))[1]
    assert rows[0].metrics["psnr-like"].mean == float("inf")
    assert table_csv(rows).splitlines()[1].endswith(",inf")


def test_a_scored_folder_is_measured_too(cards, toy, tmp_path):
    registry = load_registry([cards])
    pairs = load_pairs(registry.dataset("toy"), toy / "toy")
    counted = Counted()

    def score():
        metrics = [ready("error", counted), ready("bright", brightness, full_reference=False)]
        return score_folder(toy / "toy" / "input", pairs, "mine", tmp_path / "run", metrics=metrics)

    assert score().unmeasured == () and counted.calls == 5
    score()
    assert counted.calls == 5
    rows = write_tables(tmp_path / "run", registry)
    assert rows[0].metrics["bright"].images == 5 and rows[0].entry == "mine"


def test_the_command_says_what_is_missing_and_fails_by_column(rainbench, toy, tmp_path):
    (tmp_path / "my.py").write_text("def bad(restored):\n    return float('nan')\n")
    run = ("run", "-b", "identity", "-d", "toy", "--data", toy, "--out", "r")
    plan = rainbench(*run, "--metrics", "niqe,my.py:bad", "--dry-run", "--json")
    assert plan.returncode == 0 and not (tmp_path / "r").exists()
    content = json.loads(plan.stdout)
    assert content["metrics"] == ["bad"] and "niqe_pris" in content["missing_metrics"]["niqe"]
    done = rainbench(*run, "--metrics", "niqe,my.py:bad")
    assert done.returncode == 1 and "cannot measure niqe: needs niqe_pris" in done.stderr
    assert "bad: 5 of 5 images: returned no number" in done.stderr and "toy" in done.stdout
    slip = rainbench(*run, "--metrics", "niqqe")
    assert slip.returncode == 2 and 'Did you mean "niqe"' in slip.stderr
    scored = rainbench(
        *("score", toy / "toy" / "input", "-d", "toy", "--data", toy, "--out", "r2"),
        *("--name", "mine", "--metrics", "my.py:bad", "--json"),
    )
    assert scored.returncode == 1
    assert json.loads(scored.stdout)["rows"][0]["metrics"]["bad"]["mean"] is None


def test_the_page_has_a_column_for_each_metric(run, tmp_path):
    from rainbench.report.page.content import page_content

    run(ready("error", Counted(), better=False), ready("bad", lambda *_pictures: float("nan")))
    (dataset,) = page_content(tmp_path / "run", run.registry)["datasets"]
    assert [each["heading"] for each in dataset["metrics"]] == ["bad ↑", "error ↓"]
    cell = dataset["cells"][0]["metrics"]
    assert cell["error"]["mean"] > 0 and cell["error"]["problem"] == ""
    assert cell["bad"]["mean"] is None and "NaN" in cell["bad"]["problem"]


class Carried:
    """The mean of all pictures so far: two calls with the first one tell nothing."""

    def __init__(self):
        self.seen = []

    def __call__(self, restored, clean):
        self.seen.append(float(restored.mean()))
        return sum(self.seen) / len(self.seen)


KEEPING = {
    "a mean that is carried on": Carried,
    "a count of the calls": lambda: lambda restored, clean, calls=[]: calls.append(1) or len(calls),
    "random numbers": lambda: lambda restored, clean: np.random.rand(),  # noqa: NPY002
}


@pytest.mark.parametrize("what", KEEPING)
@pytest.mark.parametrize("where", ["own code", "module"])
def test_a_metric_that_keeps_something_between_its_calls(run, what, where):
    metric = dataclasses.replace(ready("kept", KEEPING[what]()), made_of={where: "pkg.metrics"})
    outcome, rows = run(metric)
    assert outcome.state == "done" and "another value of the same picture" in outcome.problems[0]
    assert all(row.metrics["kept"].mean is None for row in rows)


def test_a_metric_that_keeps_nothing_is_asked_again_twice(run):
    counted = Counted()
    metric = dataclasses.replace(ready("error", counted), made_of={"own code": "1"})
    outcome, rows = run(metric)
    assert outcome.problems == () and counted.calls == 5 + 2
    assert rows[0].metrics["error"].mean is not None
