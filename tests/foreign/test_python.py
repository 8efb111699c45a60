"""A class, a function or an object of somebody's own is an entry like those of the cards."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rainbench.core.errors import RainbenchError
from rainbench.foreign.entry import entry_of
from rainbench.run.options import RunOptions
from rainbench.run.plan import foreign_parts
from rainbench.run.predict import PredictionError, Predictor

GRAY = np.full((9, 7, 3), 102, np.uint8)


def restored(entry, image=GRAY, **options):
    weights = Path(entry.weights.files[0]) if entry.weights else None
    return Predictor(entry, weights, RunOptions(**options))(image)


def test_a_class_of_two_files_with_weights(folder):
    before = list(sys.path), set(sys.modules)
    entry = entry_of(f"{folder}/my_net.py:Net", weights=folder / "my.pth")
    assert entry.name == "my_net-net.my"
    assert entry.parameters == 4 * 28 + 3 * 5 and not entry.untrained
    assert entry.macs_per_pixel == 3 * 4 * 9 + 4 * 3
    image = restored(entry)
    # In the middle: 27 values of 0.4, times 0.01, in four channels of 0.25, and the bias.
    assert image[4, 3] == pytest.approx([27 * 0.4 * 0.01 + 0.1] * 3)
    assert list(sys.path) == before[0]
    assert not {"gain", "offset", "blocks"} & (set(sys.modules) - before[1])
    assert not list(folder.rglob("__pycache__"))


def test_two_folders_with_files_of_the_same_names(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "gain.py").write_text("GAIN = 2.0\n")
    (other / "offset.py").write_text("OFFSET = 1.0\n")
    ones = [
        entry_of(f"{place}/my_net.py:Net", weights=folder / "my.pth") for place in (folder, other)
    ]
    predictors = [Predictor(one, folder / "my.pth", RunOptions()) for one in ones]
    values = [float(predict(GRAY)[4, 3, 0]) for predict in (*predictors, *predictors)]
    assert values == pytest.approx([0.208, 1.416, 0.208, 1.416])
    codes = [one.baseline.maker.code() for one in ones]
    assert codes[0] != codes[1]


@pytest.mark.parametrize("name", ["my_net", "blocks", "gain", "offset"])
def test_every_file_beside_it_counts(folder, name):
    def code():
        return entry_of(f"{folder}/my_net.py:Net", weights=folder / "my.pth").baseline.maker.code()

    before = code()
    assert code() == before
    (folder / f"{name}.py").write_text((folder / f"{name}.py").read_text() + "\nnew = 1\n")
    assert code() != before
    changed = code()
    (folder / "other.py").write_text("x = 1\n")
    assert code() == changed


def test_a_file_in_a_package(folder):
    for name in ("__init__.py", "nets/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    deep = "from torch import nn\nfrom ..blocks import Block\nfrom mine.gain import GAIN\n"
    deep += "class Deep(nn.Module):\n    def forward(self, x):\n        return x * GAIN / 2\n"
    (folder / "nets/deep.py").write_text(deep)
    entry = entry_of(f"{folder}/nets/deep.py:Deep")
    assert restored(entry)[0, 0] == pytest.approx([0.2] * 3)


def test_weights_that_are_random_are_not_run(folder):
    assert entry_of(f"{folder}/my_net.py:Net").untrained
    assert not entry_of(f"{folder}/my_net.py:loaded").untrained


def test_what_a_function_loads_counts(folder):
    text = "\n\ndef read():\n    import torch\n    net = Net()\n"
    text += f"    net.load_state_dict(torch.load({str(folder / 'plain.pth')!r}))\n    return net\n"
    (folder / "my_net.py").write_text((folder / "my_net.py").read_text() + text)
    state = torch.load(folder / "my.pth")["model"]
    codes = []
    for bias in (0.1, 0.2, 0.1):
        state["module.block.tail.bias"].fill_(bias)
        torch.save(
            {key.removeprefix("module."): v for key, v in state.items()}, folder / "plain.pth"
        )
        entry = entry_of(f"{folder}/my_net.py:read")
        assert restored(entry)[4, 3, 0] == pytest.approx(0.108 + bias)
        codes.append(entry.baseline.maker.code())
    assert codes[0] == codes[2] != codes[1]


def test_a_function_from_image_to_image(folder):
    entry = entry_of(f"{folder}/my_net.py:darker")
    assert restored(entry)[0, 0] == pytest.approx([51 / 255] * 3)
    assert entry.parameters == 0 and not entry.untrained
    half = entry_of(lambda image: image / 2, value_range="0..255")
    assert restored(half)[0, 0] == pytest.approx([0.2] * 3)
    with pytest.raises(PredictionError, match="up to 51"):
        restored(entry_of(lambda image: image / 2))
    with pytest.raises(PredictionError, match="returned 9x7 for an image of 9x7x3"):
        restored(entry_of(lambda image: image[..., 0]))


class Kept(nn.Module):
    def __init__(self, gain=1.0, shape=lambda x: x):
        super().__init__()
        self.gain, self.shape = gain, shape

    def forward(self, rainy):
        return self.shape(rainy * self.gain)


def test_a_module_at_hand_is_not_changed_and_known_by_its_values():
    module = Kept(0.5).train()
    entry = entry_of(module, name="mine")
    assert restored(entry)[0, 0] == pytest.approx([0.2] * 3)
    assert module.training and entry.name == "mine"
    codes = [entry_of(Kept(gain)).baseline.maker.code() for gain in (0.5, 0.25, 0.5)]
    assert codes[0] == codes[2] != codes[1]


RETURNS = {
    "tensor": (lambda x: x, ""),
    "one in a list": (lambda x: [x], ""),
    "stages that end in it": (lambda x: (x, [x * 0, x]), "0"),
    "the same twice": (lambda x: (x, [x + 0]), ""),
    "with a mask": (lambda x: {"mask": x[:, :1], "image": x}, ""),
    "scales": (lambda x: [x, x[..., ::2, ::2]], ""),
    "the last": (lambda x: [x * 0, x], "-1"),
    "by name": (lambda x: {"rain": x * 0, "image": x}, "image"),
    "deep": (lambda x: {"all": [x * 0, (x,)]}, "all.1.0"),
}


@pytest.mark.parametrize("what", RETURNS)
def test_what_a_module_may_return(what):
    shape, output = RETURNS[what]
    assert restored(entry_of(Kept(1.0, shape), output=output)) == pytest.approx(0.4)


WRONG = {
    "two images": (lambda x: [x, x * 0], "", "2 different images: 0 and 1"),
    "no image": (lambda x: [x[:, :1]], "", r"without an image .*1x3x9x7 \(0: 1x1x9x7\)"),
    "nothing": (lambda x: None, "", "returned a NoneType without an image"),
    "no such place": (lambda x: [x], "2", "nothing called 2"),
    "no tensor there": (lambda x: {"a": [x]}, "a", "returned a list as a"),
    "another size": (lambda x: x[..., 1:], "", "1x3x9x6"),
    "whole numbers": (lambda x: (x * 255).byte(), "", "uint8"),
    "levels": (lambda x: x * 255, "", "--value-range"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_module_may_not_return(what):
    shape, output, said = WRONG[what]
    with pytest.raises(PredictionError, match=said) as raised:
        restored(entry_of(Kept(1.0, shape), output=output))
    assert "returned" in str(raised.value)


def test_ranges_and_channels():
    seen = []

    def look(x):
        seen.append(x.clone())
        return x

    image = GRAY.copy()
    image[..., 2] = 255
    for value_range, expected in (("0..255", 102.0), ("-1..1", -0.2), (1, 0.4), (255, 102.0)):
        entry = entry_of(Kept(1.0, look), value_range=value_range, channel_order="bgr")
        assert restored(entry, image) == pytest.approx(image / 255, abs=1e-6)
        assert seen[-1][0, 1, 0, 0].item() == pytest.approx(expected, abs=1e-5)
        assert seen[-1][0, 0].mean() > seen[-1][0, 2].mean()
    with pytest.raises(RainbenchError, match="no range"):
        entry_of(Kept(), value_range="2")
    with pytest.raises(PredictionError, match="255 is white"):
        restored(entry_of(Kept(1 / 255, look), value_range="0..255"))


def test_sizes_are_padded_on_demand():
    def even(x):
        return nn.functional.interpolate(nn.functional.avg_pool2d(x, 2), scale_factor=2)

    with pytest.raises(PredictionError, match="--multiple-of 8"):
        restored(entry_of(Kept(1.0, even)))
    assert restored(entry_of(Kept(1.0, even), size_multiple=8)) == pytest.approx(0.4)

    def by_eight(x):
        return nn.functional.pixel_shuffle(nn.functional.pixel_unshuffle(x, 8), 8)

    image = np.full((100, 130, 3), 102, np.uint8)  # even sides
    with pytest.raises(PredictionError, match=r"divisible by 8; if .* --multiple-of 8 \(now 1\)"):
        restored(entry_of(Kept(1.0, by_eight)), image)
    with pytest.raises(PredictionError, match=r"--multiple-of 8 \(now 4\)"):
        restored(entry_of(Kept(1.0, by_eight), size_multiple=4), image)


BROKEN = {
    "no such file": ("gone.py:Net", "there is no such file"),
    "no form": ("x:y:z", "no network is named like this"),
    "nothing behind": ("cmd:", "names nothing"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_call_that_cannot_be_right_is_refused(what):
    word, said = BROKEN[what]
    with pytest.raises(RainbenchError, match=said):
        entry_of(word)


CODE = {
    "raise ValueError('at home')": "cannot be imported: ValueError: at home .line 1",
    "import no_such_module": "No module named 'no_such_module'",
    "def (": "SyntaxError",
    "raise SystemExit(0)": "SystemExit",
    "import os; os._exit(0)": "os._exit",
    "Net = 3": "is a int, no network",
    "class Net:\n    def __init__(self, a): pass": "cannot be made: TypeError",
    "Other = 1": "has no Net",
    "def Net(): return 3": "is a int, no network",
}


@pytest.mark.parametrize("text", CODE)
def test_what_is_wrong_with_the_code_is_told_when_it_is_run(tmp_path, text):
    (tmp_path / "net.py").write_text(text)
    entry = entry_of(f"{tmp_path}/net.py:Net")
    assert foreign_parts(entry)["foreign"]["parameters"] == 0
    with pytest.raises(RainbenchError, match=CODE[text]):
        restored(entry)


def test_arguments(folder):
    entry = entry_of(f"{folder}/my_net.py:Net", arguments={"width": 6})
    assert entry.parameters == 6 * 28 + 3 * 7
    wrong = entry_of(f"{folder}/my_net.py:Net", arguments={"wide": 6})
    with pytest.raises(RainbenchError, match="wide"):
        restored(wrong)


def test_the_only_network_of_a_file(tmp_path):
    (tmp_path / "one.py").write_text(
        "from torch import nn\nclass Only(nn.Module):\n    def forward(self, x): return x / 2\n"
    )
    assert restored(entry_of(f"{tmp_path}/one.py")) == pytest.approx(0.2)


def test_other_weights_are_refused(folder, tmp_path):
    torch.save(nn.Conv2d(3, 3, 1).state_dict(), tmp_path / "other.pth")
    entry = entry_of(f"{folder}/my_net.py:Net", weights=tmp_path / "other.pth")
    with pytest.raises(RainbenchError, match="does not fit Net"):
        restored(entry)
    with pytest.raises(RainbenchError, match="no such file"):
        entry_of(f"{folder}/my_net.py:Net", weights=tmp_path / "gone.pth")
