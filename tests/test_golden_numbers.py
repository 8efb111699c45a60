"""The reported numbers are guarded: real images, published weights, golden scores per image."""

import json
from collections import defaultdict

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.report.golden import iterate_golden
from rainbench.run.store import read_images_csv

IMAGES = 2
"""Of each data set: enough to notice any change of a network, a protocol or the quantising."""


def golden_entries():
    by_dataset = defaultdict(list)
    for label, entry, _ in iterate_golden():
        by_dataset[label.partition("@")[0]].append(entry)
    return by_dataset


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("dataset", sorted(golden_entries()))
def test_no_number_drifts(rainbench, shared, tmp_path, dataset):
    entries = golden_entries()[dataset]
    names = [part for entry in entries for part in ("-b", entry)]
    done = rainbench(
        "run", *names, "-d", dataset, "--data", shared / "data", "--weights", shared / "weights",
        "--limit", IMAGES, "--device", "cpu", "--out", tmp_path, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    compared = json.loads(rainbench("compare", "--out", tmp_path, "--json").stdout)
    assert compared["drifts"] == []
    assert compared["guarded"] == len(entries)
    for entry in entries:
        assert len(read_images_csv(tmp_path / "cells" / dataset / entry / "images.csv")) == IMAGES


def test_golden_cells_have_cards():
    registry = load_registry()
    entries = {entry.name for entry in registry.entries()}
    for label, entry, _ in iterate_golden():
        assert entry in entries and label.partition("@")[0] in registry.datasets
