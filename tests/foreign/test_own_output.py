"""What a network without a card gets wrong is told, and what it depends on is noticed."""

import functools
import json

import cv2
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


class Blending(nn.Module):
    """Takes a share of what it returned before, of the same size."""

    before = None

    def forward(self, rainy):
        if self.before is not None and self.before.shape == rainy.shape:
            rainy = 0.9 * rainy + 0.1 * self.before
        self.before = rainy
        return rainy


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
        (Blending(), "another result of a picture after another one"),
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


def test_a_square_scene_with_rows_as_columns(tmp_path):
    pairs = [
        (pair.rainy[:96, :96], pair.clean[:96, :96]) for pair in rb.load_dataset("mini-streaks")
    ]
    for number, pair in enumerate(pairs[:3]):
        for kind, image in zip(("rainy", "clean"), pair, strict=True):
            (tmp_path / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / kind / f"{number}.png"), np.ascontiguousarray(image))
    chosen = rb.load_dataset(rainy=tmp_path / "rainy", clean=tmp_path / "clean")
    for turn in (lambda image: image.swapaxes(0, 1), np.rot90, lambda image: np.rot90(image, 3)):
        model = rb.load_model(lambda image, turn=turn: turn(image).copy(), name="mine")
        (note,) = rb.evaluate(model, chosen, out=tmp_path / "o").failures.values()
        assert "returned the scene" in note


def test_memory_is_found_among_pictures_of_several_sizes(tmp_path):
    pairs = rb.load_dataset("mini-streaks")
    for number, width in enumerate((96, 100, 104, 96)):
        for kind in ("rainy", "clean"):
            (tmp_path / kind).mkdir(exist_ok=True)
            image = np.ascontiguousarray(getattr(pairs[number], kind)[:, :width])
            cv2.imwrite(str(tmp_path / kind / f"{number}.png"), image)
    chosen = rb.load_dataset(rainy=tmp_path / "rainy", clean=tmp_path / "clean")
    (note,) = rb.evaluate(Blending(), chosen, out=tmp_path / "o").failures.values()
    assert "after another one" in note


def test_what_is_right_is_scored(tmp_path):
    blur = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    results = rb.evaluate(
        [blur, rb.load_model(lambda image: image // 2 + 64, name="pale")],
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


def repository(folder, factor):
    """A repository whose test script puts the folder above on the path, by its whole name."""
    (folder / "models").mkdir(parents=True)
    (folder / "models/__init__.py").write_text("")
    (folder / "models/net.py").write_text("from .parts import K\n")
    (folder / "models/parts.py").write_text(f"K = {factor}\n")
    (folder / "test").mkdir()
    (folder / "test/derain.py").write_text(
        f"import sys\nsys.path.insert(0, {str(folder)!r})\nfrom models.net import K\n"
        "def dark(image):\n    from models import net\n    return (image * net.K).astype('u1')\n"
    )


def psnrs(rainbench, *words):
    done = rainbench("run", *words, "-d", "mini-streaks", "--limit", "1", "--out", "o", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return {
        row["entry"]: float(row["psnr"]) for row in said["rows"] if row["protocol"] == "rgb"
    }, said["cells"]


def test_two_repositories_with_modules_of_the_same_names(rainbench, tmp_path):
    repository(tmp_path / "one", 1.0)
    repository(tmp_path / "two", 0.5)
    words = ("-b", "one=one/test/derain.py:dark", "-b", "two=two/test/derain.py:dark")
    both, _ = psnrs(rainbench, *words)
    assert both["one"] > both["two"] + 5
    _, cells = psnrs(rainbench, *words)
    assert cells == {"kept": 2}
    (tmp_path / "two/models/parts.py").write_text("K = 0.9\n")
    after, cells = psnrs(rainbench, *words)
    assert cells == {"done": 1, "kept": 1} and after["two"] > both["two"] + 5


@pytest.mark.parametrize("when", ["import", "call"])
def test_files_elsewhere_that_code_reads_are_part_of_it(rainbench, tmp_path, when):
    kept = tmp_path / "kept/k.txt"
    kept.parent.mkdir()
    (tmp_path / "nets").mkdir()
    read = f"K = float(open({str(kept)!r}).read()); open('log.txt', 'a').write('read')"
    at_import, at_call = (read, "pass") if when == "import" else ("", read)
    (tmp_path / "nets/net.py").write_text(
        f"{at_import}\ndef dark(image):\n    {at_call}\n    return (image * K).astype('u1')\n"
    )
    found = []
    for k in (0.9, 0.9, 0.5):
        kept.write_text(str(k))
        values, cells = psnrs(rainbench, "-b", "net=nets/net.py:dark")
        found.append((round(values["net"]), "kept" in cells))
    assert found[0][0] == found[1][0] > found[2][0] and [each for _, each in found] == [0, 1, 0]


@pytest.mark.parametrize("path", ["'../kept/k.png'", "f'{FOLDER}/k.png'", "'kept/k.png'"])
def test_files_that_a_library_opens_by_itself_are_part_of_it(rainbench, tmp_path, path):
    """As OpenCV does, ONNX Runtime, safetensors and TorchScript; they are known by their names."""
    (tmp_path / "nets").mkdir()
    (tmp_path / "kept").mkdir()
    kept = tmp_path / ("nets" if "FOLDER" in path else "kept") / "k.png"
    change = "os.chdir(FOLDER)" if ".." in path else "pass"
    (tmp_path / "nets/net.py").write_text(
        f"import os\nimport cv2\nFOLDER = os.path.dirname(os.path.abspath(__file__))\n{change}\n"
        f"K = cv2.imread({path})[0, 0, 0] / 100\n"
        "def dark(image):\n    return (image * K).astype('u1')\n"
    )
    found = []
    for level in (90, 90, 50):
        cv2.imwrite(str(kept), np.full((2, 2, 3), level, np.uint8))
        _, cells = psnrs(rainbench, "-b", "net=nets/net.py:dark")
        found.append("kept" in cells)
    assert found == [False, True, False]


def test_a_function_is_called_anew_in_a_run(rainbench, tmp_path):
    """The small picture by which it is found out what it reads leaves nothing behind."""
    (tmp_path / "net.py").write_text(
        "calls = []\ndef f(image):\n    calls.append(image.shape)\n"
        "    assert calls[0] == image.shape, calls\n    return image\n"
    )
    _, cells = psnrs(rainbench, "-b", "net.py:f")
    assert cells == {"done": 1}
