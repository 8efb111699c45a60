"""Several processes train as one does; TensorBoard gets what the CSV gets."""

import csv
import importlib.util
import os
import subprocess
import sys

import pytest

from rainbench.train.log import Log

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


@pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="needs tensorboard")
def test_tensorboard_gets_the_numbers_of_the_log(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for last in (0, 20):  # the second time as after an interruption at step 20
        log = Log(tmp_path / "log.csv", last, tmp_path / "board")
        for step in (last + 10, last + 20, last + 30):
            log.add(step, {"loss": 1 / step})
        log.close()
    board = EventAccumulator(str(tmp_path / "board"))
    board.Reload()
    read = {event.step: event.value for event in board.Scalars("loss")}
    wanted = {int(row["step"]): float(row["loss"]) for row in rows(tmp_path / "log.csv")}
    assert read == pytest.approx(wanted) and list(wanted) == [10, 20, 30, 40, 50]


def test_the_log_needs_no_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    log = Log(tmp_path / "log.csv", 0, tmp_path / "board")
    log.add(10, {"loss": 0.5})
    log.close()
    assert rows(tmp_path / "log.csv") == [{"step": "10", "loss": "0.5"}]
    assert not (tmp_path / "board").exists()
