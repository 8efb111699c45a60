"""Weights: found by name, checked by hash, never run."""

import dataclasses
import errno
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from rainbench.catalog.cards import WeightsCard
from rainbench.catalog.registry import Entry, load_registry
from rainbench.catalog.weights import file_hash, find_weights, read_state_dict
from rainbench.core.errors import WeightsError

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


def entry(sha256="0" * 64, files=("net/a.pth",), **changes):
    card = WeightsCard(tag="a", sha256=sha256, files=files, source="", licence="", trained_on=())
    return Entry(load_registry().baselines["prenet"], dataclasses.replace(card, **changes))


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"net": STATE, "clock": 7, "opt": {"state": {}}},
        {"params": STATE},
        {"state_dict": {f"module.{key}": value for key, value in STATE.items()}, "epoch": 3},
        {f"module.{key}": value for key, value in STATE.items()},
    ],
)
def test_known_nests(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    read = read_state_dict(tmp_path / "a.pth", file_hash(tmp_path / "a.pth"))
    assert list(read) == list(STATE)
    assert all(torch.equal(read[key], STATE[key]) for key in STATE)


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    assert torch.equal(read_state_dict(tmp_path / "a.safetensors")["conv.bias"], torch.ones(2))


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("save", [torch.save, lambda x, file: file.write_bytes(pickle.dumps(x))])
def test_a_pickle_that_would_run_code_is_refused_and_does_not(tmp_path, save):
    file = tmp_path / "evil.pth"
    save({"net": STATE, "extra": Evil(str(tmp_path / "it-ran"))}, file)
    with pytest.raises(WeightsError, match="refused; nothing of it was run"):
        read_state_dict(file, file_hash(file))
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "is an HTML page, not weights"),
        (b"", "is empty"),
        (b"PK\x03\x04 but no archive", "cut short or damaged"),
    ],
)
def test_files_that_are_no_weights(tmp_path, content, message):
    file = tmp_path / "a.pth"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_state_dict(file)


def test_no_state_dict(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state_dict(tmp_path / "list.pth")
    torch.save({"a": 3}, tmp_path / "number.pth")
    with pytest.raises(WeightsError, match="holds no state dict: no names with tensors"):
        read_state_dict(tmp_path / "number.pth")


def test_another_hash_than_the_cards(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="is not the file its card describes"):
        read_state_dict(tmp_path / "a.pth", "f" * 64)


def test_finding_prefers_the_right_hash(tmp_path):
    for name, value in (("one", 1.0), ("two", 2.0)):
        (tmp_path / name / "net").mkdir(parents=True)
        torch.save({"a": torch.tensor(value)}, tmp_path / name / "net" / "a.pth")
    wanted = tmp_path / "two" / "net" / "a.pth"
    roots = [tmp_path / "one", tmp_path / "two"]
    assert find_weights(entry(file_hash(wanted)), roots) == wanted.resolve()
    assert find_weights(entry(), [tmp_path / "one"]) is not None
    assert find_weights(entry(files=("b.pth",)), roots) is None


def test_finding_by_bare_name_anywhere_below(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    torch.save(STATE, tmp_path / "deep" / "er" / "a.pth")
    assert find_weights(entry(), [tmp_path]).name == "a.pth"


def test_a_wrong_file_of_the_right_name_does_not_hide_the_right_one(tmp_path, caplog):
    """Neither one at its place in an earlier folder, nor one met first further down."""
    wrong, right = tmp_path / "one" / "net" / "a.pth", tmp_path / "two" / "x" / "y" / "a.pth"
    nearer = tmp_path / "two" / "w" / "a.pth"
    for file, content in ((wrong, b"wrong"), (nearer, b"other"), (right, b"right")):
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    roots = [tmp_path / "one", tmp_path / "two"]
    assert find_weights(entry(file_hash(right)), roots) == right
    assert f"{wrong}: is not the file of prenet.a, which is {right}" in caplog.text
    assert find_weights(entry("1" * 64), roots) == wrong


def test_weights_that_cannot_be_read_are_passed_over(tmp_path, caplog, monkeypatch):
    files = [tmp_path / name / "net" / "a.pth" for name in ("locked", "open")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"right")
    hashed = file_hash(files[1])

    def refuse(path):
        if "locked" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return hashed

    monkeypatch.setattr("rainbench.catalog.weights.file_hash", refuse)
    assert find_weights(entry(hashed), [tmp_path / "locked", tmp_path / "open"]) == files[1]
    assert "a.pth: cannot be read: Permission denied" in caplog.text
