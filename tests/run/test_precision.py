"""Precisions: which are refused where, and that no row hides one."""

import csv

import pytest
import torch

from rainbench.catalog.registry import Entry, load_registry
from rainbench.core.errors import RainbenchError
from rainbench.run.device.precision import arithmetic
from rainbench.run.options import PRECISIONS, RunOptions, check_precision, resolve_options
from rainbench.run.predict import PredictionError, Predictor


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_tf32_is_for_nvidia(device):
    with pytest.raises(RainbenchError, match=f"tf32 is the arithmetic of .*, and {device}"):
        check_precision(device, "tf32")
    check_precision(device, "bf16")


@pytest.mark.parametrize(
    ("capability", "refused"), [((7, 0), {"tf32", "bf16"}), ((8, 0), set()), ((9, 0), set())]
)
def test_old_cards_are_told_apart(monkeypatch, capability, refused):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")
    for precision in PRECISIONS:
        if precision in refused:
            with pytest.raises(RainbenchError, match=f"{precision}: Tesla V100 does not compute"):
                check_precision("cuda", precision)
        else:
            check_precision("cuda", precision)


def test_unknown():
    with pytest.raises(RainbenchError, match="precision 'int8'"):
        resolve_options("cpu", "int8")


def test_tf32_is_on_for_a_call_in_it_only():
    parts = torch.backends.cuda.matmul, torch.backends.cudnn

    def now():
        return [part.allow_tf32 for part in parts]

    before = now()
    with arithmetic(torch.device("cuda"), "tf32"):
        assert now() == [True, True]
        with arithmetic(torch.device("cuda"), "fp32"):
            assert now() == [False, False]
        assert now() == [True, True]
    assert now() == before


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_has_a_key_of_its_own(precision):
    others = [RunOptions(precision=each).key_parts() for each in PRECISIONS if each != precision]
    assert RunOptions(precision=precision).key_parts() not in others


def test_a_card_forbids(cards, add_network):
    add_network("net", "Same", 0, "reduced_precision = false")
    entry = Entry(load_registry([cards]).baselines["net"], None)
    with pytest.raises(PredictionError, match="net computes in fp32, as its card says"):
        Predictor(entry, None, RunOptions(precision="bf16"))
    Predictor(entry, None, RunOptions())


def test_rows_of_two_precisions_are_told_apart(rainbench, add_network, toy, tmp_path):
    add_network("net", "Same")
    add_network("firm", "Same", 0, "reduced_precision = false")
    common = ("-d", "toy", "--data", toy, "--out", tmp_path / "out", "--device", "cpu")
    assert rainbench("run", "-b", "firm", *common).returncode == 0
    done = rainbench("run", "-b", "net", *common, "--precision", "bf16")
    assert done.returncode == 0, done.stderr
    assert "net   " in done.stdout and "in bf16" in done.stdout
    with (tmp_path / "out/table.csv").open(newline="") as file:
        notes = {row["entry"]: row["note"] for row in csv.DictReader(file)}
    assert "bf16" in notes["net"] and "bf16" not in notes["firm"]
    # Neither is taken for the other when it is asked for again.
    assert "1 done" in rainbench("run", "-b", "net", *common).stderr
    done = rainbench("run", "-b", "firm", *common, "--precision", "bf16")
    assert done.returncode == 1 and "firm computes in fp32, as its card says" in done.stderr


def test_tf32_on_a_cpu_is_refused_at_once(rainbench, tmp_path):
    done = rainbench("run", "-b", "identity", "-d", "mini-streaks", "--precision", "tf32",
                     "--device", "cpu", "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 1 or done.returncode == 2
    assert "tf32 is the arithmetic of NVIDIA GPUs" in done.stderr
    assert not (tmp_path / "out").exists()
