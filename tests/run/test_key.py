"""A cell's key: it changes exactly when something changes that its numbers depend on."""

import importlib
import shutil
import sys
import threading
from pathlib import Path

import pytest

from rainbench.catalog.registry import load_registry
from rainbench.metrics import PROTOCOLS
from rainbench.run import code, key
from rainbench.run.evaluate import _restored, _scored, run_plan
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.predict import Predictor
from rainbench.run.results import CellResult
from rainbench.run.scores import format_rows, means_of

ROOT = Path(code.__file__).parents[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose source is looked at instead of our own."""
    copy = tmp_path / "rainbench"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__", "page"))
    find = code.file_of_module

    def file(module):
        found = find(module)
        return copy / found.relative_to(ROOT) if found and found.is_relative_to(ROOT) else found

    monkeypatch.setattr(code, "file_of_module", file)
    code.code_hash.cache_clear()
    yield copy
    code.code_hash.cache_clear()


NETWORK = "rainbench.networks.prenet:PReNet"


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        (
            "core/images.py",
            "np.rint(scaled, out=scaled)",
            "np.floor(scaled, out=scaled)",
            "evaluation",
        ),
        ("networks/conventions.py", "image.flip(1) if self.bgr else", "", "evaluation"),
        ("run/predict.py", ".float() / 255", ".float() / 256", "evaluation"),
        ("run/tiling.py", "PROBE_WIDTH = ", "PROBE_WIDTH = 1 + ", "evaluation"),
        ("run/own_output.py", "return predictor(rainy)", "return -predictor(rainy)", "evaluation"),
        ("run/scores.py", ":.6f}", ":.5f}", "evaluation"),
        ("metrics/kernels.py", "COLUMNS + 16", "COLUMNS + 32", "evaluation"),
        ("metrics/psnr.py", "math.log10", "math.log2", "evaluation"),
        ("metrics/torch_planes.py", "_over_255", "_over_256", "evaluation"),
        ("metrics/torch_ssim.py", "(49 / 48)", "(48 / 49)", "evaluation"),
        ("run/device/pipeline.py", "row[0] + row[1]", "row[0]", "evaluation"),
        ("catalog/checkpoints.py", r"(?:module\.", r"(?:net\.", "evaluation"),
        ("networks/fit.py", "strict=True", "strict=False", "evaluation"),
        ("networks/blocks.py", "class ResidualBlock", "x = 1\n\n\nclass ResidualBlock", "network"),
        ("networks/prenet.py", "+ rainy", "- rainy", "network"),
        ("core/images.py", "IMREAD_UNCHANGED", "IMREAD_GRAYSCALE", "evaluation"),
        ("pairs/pictures.py", "_part(pair.rainy", "_part(pair.clean", "evaluation"),
        ("report/stats.py", "LEVEL = 0.05", "LEVEL = 0.01", ""),
        ("commands/run.py", "import click", "import click, json", ""),
        ("derain/folder.py", "yield", "yield 1 or", ""),
        ("networks/nasnet.py", "import", "# import\nimport", ""),
        ("train/loop.py", "import math", "import math, json", ""),
    ],
)
def test_the_code_that_counts(package, file, old, new, changes):
    before = key.code_of_network(NETWORK)
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    code.code_hash.cache_clear()
    now = key.code_of_network(NETWORK)
    assert [part for part in now if now[part] != before[part]] == ([changes] if changes else [])


@pytest.mark.parametrize("tile", [0, 32])
def test_every_file_that_a_number_passes_through_counts(pairs_on_disk, cards, tile):
    """What runs from the images to the numbers is what the hash was made of, seen at run time."""
    entry = "nasnet.streaks-w16"
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=[entry], data_roots=[pairs_on_disk]
    )
    cell = plan.cells[0]
    importlib.import_module(cell.entry.baseline.network.split(":")[0])  # classes are made here
    seen = set()

    def watch(frame, event, _):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("rainbench."):
            seen.add(module)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        predictor = Predictor(cell.entry, cell.weights, RunOptions(tile=tile))
        wanted = {pair.id for pair in cell.pairs.pairs}
        restored = _restored(cell.images, wanted, predictor, check=True)
        scored = _scored(restored, "cpu", tuple(PROTOCOLS))
        scores = {image: each for image, each, _ in scored}
        format_rows(scores)
        means_of(scores)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    network = code.sources(cell.entry.baseline.network.split(":")[0])
    assert seen - {*code.sources(key.EVALUATION), *network} == set()
    assert "rainbench.run.predict" in seen and len(seen) > 15


def test_words_of_protocols_do_not_count_but_settings_do(monkeypatch):
    import dataclasses

    before = dict(key.protocol_settings())
    monkeypatch.setattr(
        key,
        "PROTOCOLS",
        {
            **PROTOCOLS,
            "rgb": dataclasses.replace(PROTOCOLS["rgb"], title="new", warning="new"),
            "prenet-y": dataclasses.replace(PROTOCOLS["prenet-y"], multiple_of=8),
        },
    )
    key.protocol_settings.cache_clear()
    now = dict(key.protocol_settings())
    key.protocol_settings.cache_clear()
    assert [name for name in now if now[name] != before[name]] == ["prenet-y"]


def test_a_finished_cell_is_kept_until_its_code_changes(
    cards, add_network, pairs_on_disk, tmp_path, monkeypatch
):
    add_network("net", "Shift", 0)
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=["identity"], data_roots=[pairs_on_disk]
    )
    cell = tmp_path / "cells/toy/identity"

    def run():
        return [outcome.state for outcome in run_plan(plan, tmp_path, RunOptions())]

    assert (run(), run()) == (["done"], ["kept"])
    assert CellResult(cell).stale == ""
    other = {**key.code_of_network("rainbench.networks.plain:Identity"), "network": "other"}
    with monkeypatch.context() as patched:
        patched.setattr(key, "code_of_network", lambda _: other)
        patched.setattr("rainbench.run.plan.code_of_network", lambda _: other)
        assert CellResult(cell).stale == "the code of network changed since it was computed"
        assert (run(), run()) == (["done"], ["kept"])
        assert CellResult(cell).stale == ""
    assert CellResult(cell).stale != ""
    (cell / "key.json").write_text('{"dataset": "toy"}')
    assert CellResult(cell).stale == "nothing says by which code it was computed"
    assert run() == ["done"]
