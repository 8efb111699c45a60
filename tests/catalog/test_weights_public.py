"""Checkpoints as they lie in public: every form is loaded right, or refused by its name."""

import argparse
import collections
import datetime
import io
import math
import os
import pathlib
import pickle
import signal
import struct
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from rainbench.catalog.checkpoints import find_state_dicts, load_checkpoint
from rainbench.catalog.weights import read_state_dict
from rainbench.core.errors import WeightsError
from rainbench.networks.fit import load_weights


class Net(nn.Module):
    """A convolution and a norm, with the published keys as they are."""

    def __init__(self, width=3):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)

    @staticmethod
    def convert_published(published):
        return dict(published)


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(3)
    return Net().state_dict()


def other(state):
    return {key: value + 1 for key, value in state.items()}


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def loads(content, file, place=""):
    torch.save(content, file)
    network = Net()
    load_weights(network, file, place=place)
    return network.state_dict()


DISCRIMINATOR = {"conv.weight": torch.zeros(1, 3, 4, 4), "out.bias": torch.zeros(1)}
ADAM = {"state": {0: {"exp_avg": torch.zeros(3), "step": 4}}, "param_groups": [{"lr": 1e-3}]}

FORMS = {
    "plain": lambda s: s,
    "params_ema": lambda s: {"params_ema": s},
    "model_state_dict": lambda s: {"model_state_dict": s, "optimizer_state_dict": ADAM, "epoch": 1},
    "generator": lambda s: {"generator": s, "discriminator": DISCRIMINATOR},
    "net_g": lambda s: {"net_g": s, "net_d": DISCRIMINATOR, "iter": 5},
    "netG": lambda s: {"netG": prefixed(s, "module."), "netD": DISCRIMINATOR},
    "a name nobody knows": lambda s: {"deraining": s},
    "twice": lambda s: {"model": {"state_dict": s}, "ema": {"decay": 0.9}},
    "thrice": lambda s: {"ckpt": {"ema": {"module": s}}},
    "optimiser": lambda s: {"net": s, "optimizer": prefixed(s, ""), "sched": {"last": 3}},
    "module once": lambda s: prefixed(s, "module."),
    "module twice": lambda s: prefixed(s, "module.module."),
    "module on some": lambda s: {
        ("module." if "conv" in key else "") + key: value for key, value in s.items()
    },
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled and parallel": lambda s: prefixed(s, "module._orig_mod."),
    "net. before all": lambda s: prefixed(s, "netG."),
    "two names before all": lambda s: prefixed(s, "model.net."),
    "lightning": lambda s: {
        "state_dict": {**prefixed(s, "model."), **prefixed(DISCRIMINATOR, "loss.")},
        "pytorch-lightning_version": "2.1",
    },
    "flat and two": lambda s: {**prefixed(s, "netG."), **prefixed(DISCRIMINATOR, "netD.")},
    "thop": lambda s: {**s, "total_ops": torch.zeros(1), "conv.total_params": torch.zeros(1)},
    "a loss beside": lambda s: {"state_dict": s, "best": torch.tensor(31.0)},
    "an epoch among": lambda s: {**s, "epoch": 3, "name": "net", "lr": None},
    "equal ones": lambda s: {"params": s, "params_ema": dict(s)},
    "no batch counter": lambda s: {k: v for k, v in s.items() if not k.endswith("tracked")},
    "halves": lambda s: {k: v.half().float() if v.is_floating_point() else v for k, v in s.items()},
    "parameters": lambda s: {
        k: nn.Parameter(v) if v.is_floating_point() else v for k, v in s.items()
    },
    "numpy numbers": lambda s: {
        "state_dict": s, "psnr": np.float64(31.2), "n": np.int64(3), "ok": np.bool_(1),
        "history": np.arange(5.0), "all": [np.float32(1)],
    },
    "namespace": lambda s: {"state_dict": s, "args": argparse.Namespace(lr=0.1, out=None)},
    "paths and dates": lambda s: {
        "state_dict": s, "out": pathlib.PurePosixPath("x/y"),
        "when": datetime.datetime(2020, 1, 2),
    },
    "default dictionary": lambda s: {"net": s, "log": collections.defaultdict(list, {"a": [1]})},
    "counter": lambda s: {"net": s, "counted": collections.Counter("abca")},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_public_form_is_loaded_right(tmp_path, state, form):
    found = loads(FORMS[form](state), tmp_path / "a.pth")
    for key, value in state.items():
        if form == "no batch counter" and key.endswith("tracked"):
            continue
        expected = value.half().float() if form == "halves" and "conv" in key else value
        assert torch.equal(found[key], expected.to(value.dtype)) or form == "halves", key


def test_the_old_file_format_is_loaded_too(tmp_path, state):
    content = {"params": state, "psnr": np.float64(3), "args": argparse.Namespace(a=1)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    network = Net()
    load_weights(network, tmp_path / "a.pth")
    assert torch.equal(network.conv.weight, state["conv.weight"])


@pytest.mark.parametrize(
    ("make", "places"),
    [
        (lambda s: {"params": s, "params_ema": other(s)}, ["params", "params_ema"]),
        (lambda s: {"g_a": s, "g_b": prefixed(other(s), "module.")}, ["g_a", "g_b"]),
        (lambda s: {**prefixed(s, "model."), **prefixed(other(s), "ema.")}, ["model", "ema"]),
        (lambda s: {"sd": {"net": s, "ema": other(s)}}, ["sd/net", "sd/ema"]),
    ],
)  # fmt: skip
def test_two_that_fit_are_never_chosen_from_silently(tmp_path, state, make, places):
    file = tmp_path / "a.pth"
    with pytest.raises(WeightsError, match=f"fit Net: {' and '.join(places)}") as told:
        loads(make(state), file)
    assert all(f'state_dict = "{place}"' in told.value.hint for place in places)
    assert all(f"--state-dict {place}" in told.value.hint for place in places)
    first, second = (loads(make(state), file, place)["conv.bias"] for place in places)
    assert torch.equal(first, state["conv.bias"]) and torch.equal(second, first + 1)
    with pytest.raises(WeightsError, match='no state dict "emma", which the card names'):
        loads(make(state), file, "emma")


def test_the_choice_is_on_the_card_and_in_the_key_of_the_results(tmp_path, cards, toy, add_network):
    """Else results of the one would be kept for the other."""
    from rainbench.catalog.registry import load_registry
    from rainbench.catalog.weights import file_hash
    from rainbench.run.evaluate import run_plan
    from rainbench.run.options import RunOptions
    from rainbench.run.plan import make_plan
    from rainbench.run.results import RunResults

    shift = {"shift": torch.zeros(3)}
    brighter = {"shift": torch.full((3,), 0.1)}
    torch.save({"params": shift, "params_ema": brighter}, tmp_path / "w.pth")
    table = f'[[weights]]\ntag = "t"\nsha256 = "{file_hash(tmp_path / "w.pth")}"\n'
    table += 'files = ["w.pth"]\nsource = "s"\nlicence = "l"\ntrained_on = []\n'
    notes, psnr = [], []
    for chosen in ("", 'state_dict = "params"', 'state_dict = "params_ema"'):
        add_network("net", "Shift", 3, table + chosen)
        plan = make_plan(
            load_registry([cards]), datasets=["toy"], baselines=["net"], data_roots=[toy],
            weight_roots=[tmp_path],
        )  # fmt: skip
        (outcome,) = run_plan(plan, tmp_path / "out", RunOptions())
        notes.append((outcome.state, outcome.note))
        if outcome.state == "done":
            summary = RunResults(tmp_path / "out").cell("toy", "net.t").summary
            psnr.append(summary["means"]["rgb"]["psnr"])
    assert notes[0][0] == "failed" and "params and params_ema" in notes[0][1]
    assert [state for state, _ in notes[1:]] == ["done", "done"], notes
    assert psnr[0] > psnr[1] + 1


def test_a_class_without_a_converter_has_its_own_keys(tmp_path):
    plain = nn.Linear(2, 2)
    torch.save({"module.weight": torch.ones(2, 2), "module.bias": torch.ones(2)}, tmp_path / "a.pt")
    load_weights(plain, tmp_path / "a.pt")
    assert float(plain.weight.detach().sum()) == 4


def test_a_submodule_that_is_called_module(tmp_path):
    wrapped = nn.Sequential(collections.OrderedDict(module=nn.Linear(2, 2)))
    torch.save(
        {key: torch.ones_like(v) for key, v in wrapped.state_dict().items()}, tmp_path / "a.pt"
    )
    load_weights(wrapped, tmp_path / "a.pt")
    assert float(wrapped.module.bias.detach().sum()) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {**s, "conv.weight": torch.zeros(6, 3, 3, 3)},
         "conv.weight is 6x3x3x3 instead of 3x3x3x3"),
        (lambda s: {k: v for k, v in s.items() if "norm" not in k}, "lacks norm.bias, norm."),
        (lambda s: {**s, "tail.weight": torch.zeros(2)}, "has tail.weight too many"),
        (lambda s: {**s, "conv.bias": torch.tensor([1, 2, 3], dtype=torch.int8)},
         "conv.bias holds int8"),
        (lambda s: {**s, "conv.bias": torch.zeros(3).to_sparse()}, "conv.bias holds float32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_listed(tmp_path, state, change, message):
    with pytest.raises(WeightsError, match="does not fit Net: ") as told:
        loads(change(dict(state)), tmp_path / "a.pth")
    assert message in told.value.message


def test_another_networks_differences_are_not_all_listed(tmp_path):
    content = {f"layer{index}.weight": torch.zeros(2) for index in range(500)}
    with pytest.raises(WeightsError) as told:
        loads(content, tmp_path / "a.pth")
    assert len(told.value.message) < 500 and "and 497 more too many" in told.value.message


def test_a_key_of_any_length_is_told_in_a_line(tmp_path, state):
    with pytest.raises(WeightsError) as told:
        loads({**state, "k" * 10**6: torch.zeros(1)}, tmp_path / "a.pth")
    assert len(told.value.message) < 1000


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_parameters_that_are_no_numbers_are_refused(tmp_path, state, value):
    """What follows may cut them off, so that the restored image looks right."""
    weight = state["conv.weight"].double()
    weight.view(-1)[5] = value
    with pytest.raises(WeightsError, match=r"conv\.weight holds numbers that are not finite"):
        loads({**state, "conv.weight": weight}, tmp_path / "a.pth")
    assert loads({**state, "norm.running_mean": torch.full((3,), -math.inf)}, tmp_path / "b.pth")


def deflated(file):
    """Write a state dict of 100 MiB of zeros as an archive of 100 KiB."""
    whole = zipfile.ZipFile(io.BytesIO(torch_bytes({"a": torch.zeros(25 << 20)})))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in whole.infolist():
            archive.writestr(member.filename, whole.read(member))


HOSTILE = {
    "deflated": (deflated, "would unpack to 104,8.*which no weights of its size do"),
    "repeated": (
        lambda file: torch.save({"a": torch.zeros(1).expand(10**5, 10**5)}, file),
        "its tensors would take 40,000,000,000 bytes",
    ),
    "nested": (
        lambda file: torch.save(
            {"a\n": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])}, file
        ),
        "is a tensor of tensors",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_small_file_takes_no_more_memory_than_its_weights(tmp_path, kind):
    make, message = HOSTILE[kind]
    make(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=message):
        load_weights(Net(), tmp_path / "a.pth")


def test_an_archive_that_somebody_packed_again_is_read(tmp_path, state):
    whole = zipfile.ZipFile(io.BytesIO(torch_bytes(state)))
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for member in whole.infolist():
            archive.writestr(member.filename, whole.read(member))
    load_weights(Net(), tmp_path / "a.pth")


def zipped(*names):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return data.getvalue()


def torch_bytes(content):
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x05" + bytes(80)
FOREIGN = {
    "a.onnx": (ONNX, "is an ONNX file"),
    "onnx.pth": (ONNX, "is an ONNX file"),
    "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "is an HDF5 file"),
    "h5.pth": (b"\x89HDF\r\n\x1a\n" + bytes(50), "is an HDF5 file"),
    "net.keras": (zipped("config.json", "model.weights.h5"), "is a Keras file"),
    "saved_model.pb": (b"\x08\x01\x12\x90\x05\x0a" + bytes(50), "is a TensorFlow file"),
    "pb.pth": (b"\x08\x01\x12\x90\x05\x0a" + bytes(50), "is a TensorFlow saved model"),
    "model.ckpt.data-00000-of-00001": (bytes(70), "one half of a TensorFlow checkpoint"),
    "model.ckpt.index": (b"\x00\x00\x06" + bytes(70), "one half of a TensorFlow checkpoint"),
    "model.ckpt.meta": (b"\x0a\x06" + bytes(70), "a part of a TensorFlow checkpoint"),
    "net.tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(50), "is a TensorFlow Lite file"),
    "net.caffemodel": (b"\x0a\x04VGG_" + bytes(50), "cannot be read as weights"),
    "net.prototxt": (b'name: "VGG"' + bytes(50), "is a Caffe file"),
    "net.mat": (b"MATLAB 5.0 MAT-file, Platform" + bytes(99), "cannot be read as weights"),
    "lfs.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "Git LFS pointer"),
    "html.pth": (b"\n <!DOCTYPE html><html>", "is an HTML page, not weights"),
    "bom.pth": (b"\xef\xbb\xbf<html>", "is an HTML page, not weights"),
    "json.pth": (b'{"error": "quota exceeded"}', "is a text, not weights: it begins with '{"),
    "text.pth": (b"404: Not Found", "is a text, not weights: it begins with '404: Not Found'"),
    "empty.pth": (b"", "is empty"),
    "npz.pth": (zipped("conv.npy", "bias.npy"), "is a NumPy archive"),
    "npy.pth": (b"\x93NUMPY\x01\x00" + bytes(30), "is a NumPy array"),
    "packed.pth": (zipped("weights/net.pth"), "is a zip archive holding 'weights/net.pth'"),
    "none.pth": (zipped(), "is a zip archive without anything in it"),
    "script.pth": (zipped("net/data.pkl", "net/code/x.py", "net/constants.pkl"), "TorchScript"),
    "tgz.pth": (b"\x1f\x8b\x08" + bytes(30), "is a gzip archive"),
    "tar.pth": (b"net.pth".ljust(257, b"\0") + b"ustar\0" + bytes(300), "is a tar archive"),
    "photo.pth": (b"\x89PNG\r\n\x1a\n" + bytes(30), "is a picture"),
    "mat.pth": (b"MATLAB 5.0 MAT-file, Platform" + bytes(99), "is a MATLAB file"),
    "half.pth": (torch_bytes({"a": torch.zeros(999)})[:900], "cut short or damaged"),
    "noise.pth": (bytes(range(128, 256)) * 4, "cannot be read as weights"),
    "pickle.pth": (pickle.dumps({"a": 1}), "was refused; nothing of it was run"),
    "pickle0.pth": (pickle.dumps({"a": print}, 0), "cannot be read as weights"),
    "pickle4.pth": (pickle.dumps({"a": os.system}, 4), "was refused; nothing of it was run"),
    "cut.pth": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02", "cannot be read as weights"),
    "a.safetensors": (struct.pack("<Q", 1 << 40) + b"{}", "cannot be read as weights"),
}  # fmt: skip


def test_a_flipped_bit_among_the_numbers_is_found(tmp_path, state):
    file = tmp_path / "w.pth"
    torch.save(state, file)
    data = bytearray(file.read_bytes())
    numbers = next(iter(state.values())).numpy().tobytes()
    data[bytes(data).index(numbers) + 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="is damaged: the checksum"):
        load_checkpoint(file)


def test_a_damaged_stride_is_found(tmp_path, state):
    """The old format has no checksums: the file as it is, with one stride that is too short."""
    damaged = dict(state)
    weight = state["conv.weight"]
    stride = (weight.stride(0) - 1, *weight.stride()[1:])
    damaged["conv.weight"] = weight.as_strided(weight.shape, stride)
    file = tmp_path / "w.pth"
    torch.save({"params": damaged}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"w\.pth: is damaged: values of conv\.weight lie over"):
        load_weights(Net(), file)


@pytest.mark.parametrize("name", FOREIGN)
def test_other_files_are_called_what_they_are(tmp_path, name):
    content, message = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError) as told:
        read_state_dict(tmp_path / name)
    assert message in told.value.message and told.value.hint
    assert "\n" not in told.value.message and len(told.value.message) < 400
    assert "weights_only" not in str(told.value) and "Weights only" not in str(told.value)


def test_a_real_torchscript_program(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="is a TorchScript program"):
        read_state_dict(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"net": {}, "f": np.load}, "numpy.load"),
        ({"net": {}, "e": slice(3)}, "slice"),
    ],
)
def test_objects_are_refused_by_their_class(tmp_path, content, named):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=f"holds more than tensors \\({named}\\)"):
        read_state_dict(tmp_path / "a.pth")


def test_no_value_beside_the_tensors_is_ever_made(tmp_path, state):
    """A pickle may give the harmless names any arguments: they are not called with them."""

    made = []

    class Spy(argparse.Namespace):
        def __init__(self, *values):
            made.append(values)

    torch.save({"net": state, "args": argparse.Namespace(b=1)}, tmp_path / "a.pth")
    before = argparse.Namespace
    try:
        argparse.Namespace = Spy
        assert list(read_state_dict(tmp_path / "a.pth")) == list(state)
    finally:
        argparse.Namespace = before
    assert made == []


def deep(state, depth, key="state_dict"):
    content = dict(state)
    for _ in range(depth):
        content = {key: content}
    return content


@pytest.fixture
def ten_seconds():
    """Whatever takes longer is an endless loop."""
    if not hasattr(signal, "alarm"):
        yield
        return
    signal.alarm(10)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("inside", [{}, {"epoch": 1}])
def test_a_checkpoint_that_holds_itself(tmp_path, state, ten_seconds, inside):
    endless = dict(inside)
    endless["state_dict"] = endless
    torch.save(endless, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state_dict(tmp_path / "a.pth")
    endless["net"] = state  # what it holds besides is found all the same
    torch.save(endless, tmp_path / "a.pth")
    assert list(read_state_dict(tmp_path / "a.pth")) == list(state)


def test_dictionaries_nested_without_end(ten_seconds, state):
    with_two_ways = {}
    for _ in range(60):  # 2 ** 60 paths
        with_two_ways = {"a": with_two_ways, "b": with_two_ways}
    assert find_state_dicts(with_two_ways) == {}
    assert list(find_state_dicts({"params": state, "ema": {"net": state}})) == ["params", "ema/net"]
    assert find_state_dicts(deep(state, 10_000)) == {}
    assert list(find_state_dicts(deep(state, 5))) == ["/".join(["state_dict"] * 5)]


def test_a_file_that_is_nested_ten_thousand_times(tmp_path, ten_seconds):
    body = b"\x80\x02" + b"}U\x01a" * 10_000 + b"}" + b"s" * 10_000 + b"."
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a/data.pkl", body)
        archive.writestr("a/version", b"3\n")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state_dict(tmp_path / "a.pth")
