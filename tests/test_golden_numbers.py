"""The reported numbers are guarded by golden scores per image.

Those of published weights on real images are, where the reference material is; those of the
weights that come with us on the embedded sets are everywhere.
"""

import json
from collections import defaultdict

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.catalog.weights import shipped_weights
from rainbench.report.compare import compare_run, describe
from rainbench.report.golden import iterate_golden
from rainbench.run.evaluate import run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import RunResults
from rainbench.run.scores import read_images_csv

IMAGES = 2
"""Of each data set: enough to notice any change of a network, a protocol or the quantising."""

AGAIN = """
Were weights or their arithmetic changed on purpose? Then accept the new numbers, all at once:
  rainbench run --all --device cpu --out runs/golden
  rainbench accept runs/golden --golden reports/golden --replace
"""


def golden_entries(*, embedded):
    datasets = load_registry().datasets
    by_dataset = defaultdict(list)
    for label, entry, _ in iterate_golden():
        name = label.partition("@")[0]
        if bool(datasets[name].embedded) == embedded:
            by_dataset[name].append(entry)
    return by_dataset


def ours(registry):
    """The plain methods, and the entries whose weights come with their cards.

    The embedded sets are of single images. Slow methods are compared with their authors' programs,
    or with plain forms, on smaller images.
    """
    entries = [
        entry
        for entry in registry.entries()
        if not (entry.untrained or entry.is_video or entry.is_slow)
    ]
    return [each for each in entries if each.weights is None or shipped_weights(each) is not None]


@pytest.mark.parametrize("dataset", sorted(golden_entries(embedded=True)))
def test_no_number_of_ours_drifts(tmp_path, dataset):
    """The first image of each embedded set, by the weights that were trained for it."""
    registry = load_registry()
    chosen = [
        entry.name
        for entry in ours(registry)
        if entry.weights is None
        or entry.weights.degradation == registry.datasets[dataset].degradation
    ]
    plan = make_plan(registry, datasets=[dataset], baselines=chosen, limit=1)
    RunResults(tmp_path).write_plan(plan)
    outcomes = run_plan(plan, tmp_path, RunOptions())
    assert [outcome.state for outcome in outcomes] == ["done"] * len(chosen)
    compared = compare_run(tmp_path, registry, wanted=len(chosen))
    assert compared.passed, "\n".join(describe(compared)) + AGAIN


def test_every_cell_of_ours_is_guarded():
    registry = load_registry()
    names = {entry.name for entry in ours(registry)}
    embedded = {card.name for card in registry.datasets.values() if card.embedded}
    guarded = {name: set(entries) for name, entries in golden_entries(embedded=True).items()}
    assert guarded == dict.fromkeys(embedded, names), AGAIN


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "entry"),
    [
        (name, entry)
        for name, entries in golden_entries(embedded=False).items()
        for entry in entries
    ],
)
def test_no_number_drifts(rainbench, shared, tmp_path, dataset, entry):
    done = rainbench(
        "run", "-b", entry, "-d", dataset, "--data", shared / "data",
        "--weights", shared / "weights", "--limit", IMAGES, "--device", "cpu", "--out", tmp_path,
        timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    compared = json.loads(rainbench("compare", "--out", tmp_path, "--json").stdout)
    assert compared["drifts"] == []
    scores = read_images_csv(tmp_path / "cells" / dataset / entry / "images.csv")
    assert len(scores) == IMAGES
    every = [score for each in scores.values() for score in each.values()]
    values = sum((score.psnr is not None) + (score.ssim == score.ssim) for score in every)
    assert compared["guarded"] == values


def test_golden_cells_have_cards():
    registry = load_registry()
    entries = {entry.name for entry in registry.entries()}
    for label, entry, _ in iterate_golden():
        assert entry in entries and label.partition("@")[0] in registry.datasets
