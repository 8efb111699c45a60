"""What a network without a card gets wrong is told, and what it depends on is noticed."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

import rainbench as rb


class Dropping(nn.Module):
    def forward(self, rainy):
        return nn.functional.dropout(rainy, 0.1)  # on, whatever `eval` says


class Darkening(nn.Module):
    calls = 0

    def forward(self, rainy):
        self.calls += 1
        return rainy * 0.95**self.calls


class Late:
    before = None

    def __call__(self, image):
        before, self.before = self.before, image.copy()
        return image if before is None else before


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Dropping(), "another result of the same picture each time"),
        (Darkening(), "another result of the same picture each time"),
        (Late(), "the scene of the picture before"),
        (lambda image: image[..., ::-1].copy(), "red and blue exchanged"),
        (lambda image: image[:, ::-1].copy(), "mirrored"),
        (lambda image: (image > 128).astype(np.uint8), "0 and 1, where white is 255"),
    ],
)
def test_a_result_that_cannot_be_right_is_refused(network, said, tmp_path):
    model = rb.load_model(network, name="mine")
    results = rb.evaluate(model, "mini-streaks", out=tmp_path, limit=3)
    (note,) = results.failures.values()
    assert said in note


def test_what_is_right_is_scored(tmp_path):
    blur = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    results = rb.evaluate(
        [blur, rb.load_model(lambda image: 255 - image, name="negative")],
        "mini-streaks", out=tmp_path, limit=3,
    )  # fmt: skip
    assert results.failures == {}


def scale(factor, image):
    return (image * factor).astype(np.uint8)


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, image):
        return scale(self.factor, image)


FACTOR = 0.9


def by_global(image):
    return scale(FACTOR, image)


@pytest.mark.parametrize("kind", ["partial", "object", "bound", "global", "same model"])
def test_values_that_a_function_depends_on_are_never_those_of_before(kind, tmp_path, monkeypatch):
    def psnr(network):
        model = network if isinstance(network, rb.Model) else rb.load_model(network, name="mine")
        frame = rb.evaluate(model, "mini-streaks", out=tmp_path, limit=1).to_dataframe()
        return float(frame.query("protocol == 'rgb'").psnr.iloc[0])

    made = Scale(0.9)
    first = {
        "partial": functools.partial(scale, 0.9), "object": Scale(0.9), "bound": made.__call__,
        "global": by_global, "same model": rb.load_model(made, name="mine"),
    }[kind]  # fmt: skip
    second = {"partial": functools.partial(scale, 0.5), "object": Scale(0.5)}.get(kind, first)
    before = psnr(first)
    made.factor = 0.5
    monkeypatch.setitem(globals(), "FACTOR", 0.5)
    assert psnr(second) < before - 3


def test_a_module_that_did_not_change_is_kept(tmp_path):
    for state in ("done", "kept"):
        torch.manual_seed(1)
        network = nn.Conv2d(3, 3, 1)
        outcomes = rb.evaluate(network, "mini-streaks", out=tmp_path, limit=1).outcomes
        assert [outcome.state for outcome in outcomes] == [state]


def test_helpers_and_files_that_code_reads_are_part_of_it(rainbench, tmp_path):
    (tmp_path / "net.py").write_text(
        "import importlib, json\n"
        "from pathlib import Path\n"
        "helper = importlib.import_module('helper')\n"
        "K = json.loads((Path(__file__).parent / 'k.json').read_text())\n"
        "def dark(image):\n"
        "    return (image * K * helper.K).astype('u1')\n"
    )

    def run(helper, k):
        (tmp_path / "helper.py").write_text(f"K = {helper}\n")
        (tmp_path / "k.json").write_text(f"{k}")
        words = ("-b", "net.py:dark", "-d", "mini-streaks", "--limit", "1", "--out", "o")
        done = rainbench("run", *words)
        assert done.returncode == 0, done.stderr
        return "1 kept" in done.stderr

    assert [run(1.0, 0.9), run(1.0, 0.9), run(0.5, 0.9), run(0.5, 0.8)] == [0, 1, 0, 0]
