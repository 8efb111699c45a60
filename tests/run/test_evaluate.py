"""The engine: in order, each image once, whatever the scoring path."""

from collections import Counter

import numpy as np
import pytest
import toynets

from rainbench.catalog.registry import load_registry
from rainbench.core.images import read_image, write_png
from rainbench.metrics import PROTOCOLS
from rainbench.run.evaluate import run_plan, score
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan
from rainbench.run.results import RunResults
from rainbench.run.scores import read_images_csv


def test_each_image_is_predicted_once_and_scored_under_every_protocol(cards, add_network, tmp_path):
    add_network("net", "Remember")
    toynets.Remember.seen.clear()
    counted = Counter()

    def advance(amount, what):
        counted[what] += amount

    plan = make_plan(
        load_registry([cards]), datasets=["mini-streaks"], baselines=["net"], advance=advance
    )
    (outcome,) = run_plan(plan, tmp_path, RunOptions(), advance=advance)
    assert outcome.state == "done" and len(toynets.Remember.seen) == 8
    assert counted == {"mini-streaks": 8, "net on mini-streaks": 8}
    scores = read_images_csv(tmp_path / "cells/mini-streaks/net/images.csv")
    assert list(scores)[3] == "4-table_1" and len(scores) == 8
    assert all(list(per_image) == list(PROTOCOLS) for per_image in scores.values())


def test_an_image_replaced_during_a_run_fails_its_cell(cards, toy, tmp_path):
    """It would be scored under the hash of the picture that it was when the plan was made."""
    plan = make_plan(
        load_registry([cards]), datasets=["toy"], baselines=["identity"], data_roots=[toy]
    )
    (cell,) = plan.cells
    pair = cell.pairs.pairs[1]
    clean = read_image(pair.clean.path)
    for file, swapped in ((pair.rainy.path, clean), (pair.clean.path, 255 - clean)):
        before = file.read_bytes()
        write_png(file, swapped)
        (outcome,) = run_plan(plan, tmp_path / file.parent.name, RunOptions())
        assert outcome.state == "failed"
        assert outcome.note == f"{file}: changed while the run was going on"
        result = RunResults(tmp_path / file.parent.name).cell("toy", "identity")
        assert result.failure == outcome.note and len(result.scores) == 1
        file.write_bytes(before)
        (outcome,) = run_plan(plan, tmp_path / file.parent.name, RunOptions())
        assert outcome.state == "done"


def test_both_scoring_paths_agree():
    chance = np.random.default_rng(3)
    clean = chance.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    restored = (clean / 255 + chance.normal(0, 0.03, clean.shape)).astype(np.float32)
    plain = score(restored, clean, list(PROTOCOLS), "cpu")
    meta = pytest.importorskip("rainbench.metrics.torch_backend")
    import torch

    pair = [torch.from_numpy(image).permute(2, 0, 1) for image in (restored, clean)]
    by_torch = meta.score_all_torch(pair[0], pair[1], list(PROTOCOLS))
    for name, value in plain.items():
        assert by_torch[name].ssim == pytest.approx(value.ssim, abs=1e-9), name
        assert (by_torch[name].psnr or 0) == pytest.approx(value.psnr or 0, abs=1e-9), name
