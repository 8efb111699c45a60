"""Exported networks: TorchScript, torch.export and ONNX."""

import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from rainbench.core.errors import RainbenchError, WeightsError
from rainbench.foreign.entry import entry_of
from rainbench.run.options import RunOptions
from rainbench.run.predict import PredictionError, Predictor

GRAY = np.full((9, 11, 3), 102, np.uint8)


class Half(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.conv.weight.data = 0.5 * torch.eye(3)[:, :, None, None]

    def forward(self, rainy):
        return self.conv(rainy)


def restored(entry, image=GRAY):
    return Predictor(entry, None, RunOptions(tile=64))(image)


def test_torchscript(tmp_path):
    torch.jit.script(Half().eval()).save(tmp_path / "net.pt")
    entry = entry_of(str(tmp_path / "net.pt"))
    assert restored(entry) == pytest.approx(0.2)
    assert (entry.name, entry.parameters, entry.untrained) == ("net", 9, False)
    before = entry.baseline.maker.code()
    torch.jit.script(nn.Identity()).save(tmp_path / "net.pt")
    assert entry_of(str(tmp_path / "net.pt")).baseline.maker.code() != before


def test_torch_export(tmp_path):
    side = torch.export.Dim("height", min=4, max=4096), torch.export.Dim("width", min=4, max=4096)
    shapes = ({2: side[0], 3: side[1]},)
    program = torch.export.export(Half().eval(), (torch.rand(1, 3, 16, 24),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    entry = entry_of(str(tmp_path / "net.pt2"))
    assert restored(entry) == pytest.approx(0.2)
    assert entry.parameters == 9
    fixed = torch.export.export(Half().eval(), (torch.rand(1, 3, 16, 24),))
    torch.export.save(fixed, tmp_path / "fixed.pt2")
    entry = entry_of(str(tmp_path / "fixed.pt2"))
    assert restored(entry, np.full((16, 24, 3), 102, np.uint8)) == pytest.approx(0.2)
    with pytest.raises(PredictionError, match="11"):
        restored(entry)


FILES = {
    "checkpoint.pt": "is a checkpoint, not a TorchScript program",
    "text.pt": "is a checkpoint, not",
    "text.pt2": "no program of torch.export",
    "checkpoint.pt2": "cannot be read as a torch.export program",
    "cut.pt": "is a checkpoint, not|cannot be read as a TorchScript",
}


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_called_what_they_are(tmp_path, name):
    file = tmp_path / name
    if name.startswith("checkpoint"):
        torch.save(Half().state_dict(), file)
    elif name.startswith("cut"):
        torch.jit.script(Half()).save(file)
        file.write_bytes(file.read_bytes()[:-50])
    else:
        file.write_text("hello")
    with pytest.raises(RainbenchError, match=FILES[name]):
        restored(entry_of(str(file)))


def test_weights_beside_a_file_that_has_them(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(RainbenchError, match="weights in itself"):
        entry_of(str(tmp_path / "net.onnx"), weights=tmp_path / "w.pth")


class Node:
    def __init__(self, name, shape, kind="tensor(float)"):
        self.name, self.shape, self.type = name, shape, kind


def runtime(inputs, run, outputs=("restored",)):
    """What stands for onnxruntime: a model of these inputs that computes ``run``."""

    class Session:
        def __init__(self, file, options, providers):
            assert providers == ["CPUExecutionProvider"]

        def get_inputs(self):
            return inputs

        def get_outputs(self):
            return [Node(name, []) for name in outputs]

        def run(self, names, given):
            return run(*given.values())

    module = types.ModuleType("onnxruntime")
    module.SessionOptions = types.SimpleNamespace
    module.get_available_providers = lambda: ["CPUExecutionProvider"]
    module.InferenceSession = Session
    return module


MODELS = {
    "open": (["n", 3, "h", "w"], lambda x: [x / 2], {}),
    "fixed, right": (["n", 3, 9, 11], lambda x: [x / 2], {}),
    "channels last": ([1, None, None, 3], lambda x: [x / 2], {}),
    "levels": (["n", 3, "h", "w"], lambda x: [x / 2], {"value_range": "0..255"}),
}


@pytest.mark.parametrize("what", MODELS)
def test_onnx(tmp_path, monkeypatch, what):
    shape, run, options = MODELS[what]
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime([Node("rainy", shape)], run))
    (tmp_path / "net.onnx").write_bytes(b"x")
    assert restored(entry_of(str(tmp_path / "net.onnx"), **options)) == pytest.approx(0.2)


def test_onnx_of_bytes_and_several_outputs(tmp_path, monkeypatch):
    (tmp_path / "net.onnx").write_bytes(b"x")
    given = []

    def run(image):
        given.append(image)
        return [image // 2, image[:, :1]]

    node = Node("rainy", [1, 3, "h", "w"], "tensor(uint8)")
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime([node], run, ("restored", "mask")))
    for value_range in ("", "0..255"):
        entry = entry_of(str(tmp_path / "net.onnx"), value_range=value_range)
        assert restored(entry) == pytest.approx(51 / 255)
        assert given[-1].dtype == np.uint8 and given[-1].max() == 102


BAD = {
    "another size": ([Node("x", [1, 3, 32, 32])], "takes images of 32x32 only.* 11x9"),
    "two inputs": ([Node("x", [1, 3, 9, 11]), Node("t", [1])], "2 inputs, not one image: x, t"),
    "gray": ([Node("x", [1, 1, 9, 11])], "1x1x9x11, not a batch of RGB"),
    "whole numbers": ([Node("x", [1, 3, 9, 11], "tensor(int64)")], "is a tensor.int64., not an"),
}


@pytest.mark.parametrize("what", BAD)
def test_onnx_that_takes_no_image(tmp_path, monkeypatch, what):
    inputs, said = BAD[what]
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime(inputs, lambda x: [x]))
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(RainbenchError, match=said):
        restored(entry_of(str(tmp_path / "net.onnx")))


def blur(side):
    def run(image):
        half = side // 2
        padded = torch.nn.functional.pad(torch.from_numpy(image), (half,) * 4, mode="reflect")
        return [torch.nn.functional.avg_pool2d(padded, side, 1).numpy()]

    return run


SIDES = {
    "larger": (70, 101),
    "a tile": (32, 32),
    "one pixel more": (33, 32),
    "lower": (20, 77),
    "smaller": (17, 18),
}


@pytest.mark.parametrize("what", SIDES)
@pytest.mark.parametrize("options", [{}, {"value_range": "0..255"}])
def test_onnx_of_one_size_is_tiled(tmp_path, monkeypatch, what, options):
    """As a whole, but near the picture's own edge where it was padded."""
    height, width = SIDES[what]
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    (tmp_path / "net.onnx").write_bytes(b"x")
    results = []
    for shape in ([1, 3, 32, 32], [1, 3, "h", "w"]):
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime([Node("x", shape)], blur(9)))
        entry = entry_of(str(tmp_path / "net.onnx"), **options)
        results.append(Predictor(entry, None, RunOptions())(image))
    inner = np.s_[: height - 8, : width - 8] if min(height, width) < 32 else np.s_[:]
    np.testing.assert_allclose(results[0][inner], results[1][inner], atol=1e-6)


FAR = {
    "a wide view": blur(25),
    "the whole image": lambda image: [image - image.mean() + 0.4],
    "where it is": lambda image: [image * np.linspace(0.5, 1, 32, dtype=np.float32)],
    "no image": lambda image: [image[..., :5, :5]],
}


@pytest.mark.parametrize("what", FAR)
def test_onnx_of_one_size_that_cannot_be_tiled(tmp_path, monkeypatch, what):
    image = np.random.default_rng(1).integers(0, 256, (48, 90, 3)).astype(np.uint8)
    image[:, 40:] //= 3
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime([Node("x", [1, 3, 32, 32])], FAR[what]))
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(RainbenchError, match="takes images of 32x32 only") as caught:
        Predictor(entry_of(str(tmp_path / "net.onnx")), None, RunOptions())(image)
    assert "dynamic_axes" in caught.value.hint


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "net.onnx").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RainbenchError, match=r'pip install "rainbench\[onnx\]"'):
        restored(entry_of(str(tmp_path / "net.onnx")))
    broken = runtime([], None)
    broken.InferenceSession = lambda *_, **__: 1 / 0
    monkeypatch.setitem(sys.modules, "onnxruntime", broken)
    with pytest.raises(WeightsError, match="cannot be read as an ONNX model"):
        restored(entry_of(str(tmp_path / "net.onnx")))


def test_the_files_beside_a_model_count(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"x")

    def code():
        return entry_of(str(tmp_path / "net.onnx")).baseline.maker.code()

    before = code()
    (tmp_path / "net.onnx.data").write_bytes(b"y")
    assert code() != before
