"""On a GPU: the same numbers as on the CPU, image by image, within what 8-bit rounding flips."""

import csv

import numpy as np
import pytest
import torch

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device at hand")


def scores(out, entry):
    with (out / "cells/mini-streaks" / entry / "images.csv").open(newline="") as file:
        return [float(row["psnr"]) for row in csv.DictReader(file) if row["psnr"]]


@gpu
@pytest.mark.gpu
def test_gpu_and_cpu_agree(rainbench, tmp_path, add_network):
    add_network("blur", "Blur")
    for device in ("cpu", "cuda"):
        arguments = ("run", "-b", "blur", "-b", "median", "-d", "mini-streaks", "--device", device)
        assert rainbench(*arguments, "--out", tmp_path / device).returncode == 0
    for entry in ("blur", "median"):
        difference = np.subtract(scores(tmp_path / "cpu", entry), scores(tmp_path / "cuda", entry))
        assert np.abs(difference).max() < 0.005
