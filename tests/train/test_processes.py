"""Several processes train as one does."""

import csv
import importlib.util
import os
import subprocess
import sys

import pytest

TRAIN = ["-m", "rainbench", "train", "small", "--device", "cpu", "--threads", "1", "--workers", "0"]


def rows(file):
    with file.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("accelerate"), reason="needs accelerate")
def test_two_processes_train_as_one(add_trainable, photographs, cards, tmp_path):
    add_trainable(steps=20)
    environment = {**os.environ, "RAINBENCH_PATH": str(cards), "OMP_NUM_THREADS": "1"}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, words in (("one", []), ("two", launch)):
        call = [sys.executable, *words, *TRAIN, "--clean", photographs, "--out", tmp_path / name]
        done = subprocess.run(call, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("dB / ") == 1, "only the first process speaks"
    one, two = (rows(tmp_path / name / "log.csv") for name in ("one", "two"))
    assert len(one) == len(two) == 2
    for first, second in zip(one, two, strict=True):
        for column in first:
            assert float(second[column]) == pytest.approx(float(first[column]), rel=1e-4), column
