"""TensorBoard, W&B and MLflow get what the CSV gets, by stand-ins and for real where they load."""

import csv
import importlib.util
import json
import logging
import os
import sys
import types
from pathlib import Path

import pytest
import toynets

from rainbench.core.errors import RainbenchError
from rainbench.train.log import Log
from rainbench.train.trackers import TRACKERS, Trackers, check_trackers


def needs(name):
    return pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"needs {name}")


def rows(file):
    with file.open() as stream:
        return list(csv.DictReader(stream))


def train(out, names):
    """Write the logs of a training that was killed behind step 40 and goes on from step 20."""
    for last in (0, 20):
        trackers = Trackers(names, out, last, {"network": "net", "recipe": {"steps": 50}})
        log = Log(out / "training.csv", last, trackers)
        validation = Log(out / "validation.csv", last, trackers, "validation")
        for step in (last + 10, last + 20, last + 30):
            log.add(step, {"loss": 1 / step})
        validation.add(last + 30, {"psnr": 20.0 + last})
        for each in (log, validation, trackers):
            each.close()


def wanted(out):
    return {int(row["step"]): float(row["loss"]) for row in rows(out / "training.csv")}


@needs("tensorboard")
def test_tensorboard_gets_the_numbers_of_the_log(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, ["tensorboard"])
    board = EventAccumulator(str(tmp_path / "tensorboard/training"))
    board.Reload()
    read = {event.step: event.value for event in board.Scalars("loss")}
    assert read == pytest.approx(wanted(tmp_path)) and list(read) == [10, 20, 30, 40, 50]


@needs("mlflow")
def test_mlflow_gets_the_numbers_of_the_log(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train(tmp_path, ["mlflow"])
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "mlflow").resolve().as_uri())
    number = client.get_experiment_by_name("rainbench").experiment_id
    (run,) = client.search_runs([number])
    history = client.get_metric_history(run.info.run_id, "training/loss")
    read = {each.step: each.value for each in history}
    assert read == pytest.approx(wanted(tmp_path))
    assert run.data.metrics["validation/psnr"] == 40 and run.info.status == "FINISHED"


@needs("wandb")
def test_wandb_writes_an_offline_run(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    train(tmp_path, ["wandb"])
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) >= 1


class WandB(types.ModuleType):
    """What stands for wandb: it keeps what it is given."""

    def __init__(self):
        super().__init__("wandb")
        self.calls, self.rows, self.ended = [], [], 0

    def init(self, **given):
        self.calls.append(given)
        return self

    def log(self, values):
        self.rows.append(values)

    def finish(self):
        self.ended += 1


class MLflow(types.ModuleType):
    """What stands for mlflow."""

    def __init__(self):
        super().__init__("mlflow")
        self.runs, self.rows, self.tags, self.ended, self.place = [], [], {}, [], ""

    def MlflowClient(self, tracking_uri):  # noqa: N802
        self.place = tracking_uri
        return self

    def get_experiment_by_name(self, name):
        return types.SimpleNamespace(experiment_id="7") if self.runs else None

    def create_experiment(self, name):
        return "7"

    def search_runs(self, numbers, filter_string):
        assert numbers == ["7"]
        return [run for run in self.runs if f"'{run.tag}'" in filter_string]

    def create_run(self, number, tags):
        run = types.SimpleNamespace(
            info=types.SimpleNamespace(run_id=f"run {len(self.runs)}"), tag=tags["rainbench"]
        )
        self.runs.append(run)
        return run

    def set_tag(self, run, name, value):
        self.tags[name] = value

    def log_metric(self, run, name, value, step):
        self.rows.append((run, name, value, step))

    def set_terminated(self, run):
        self.ended.append(run)


STEPS = [10, 20, 30, 30, 30, 40, 50, 50]


def test_a_stand_in_of_wandb(tmp_path, monkeypatch):
    wandb = WandB()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    train(tmp_path, ["wandb"])
    first, second = wandb.calls
    assert first == second and first["mode"] == "offline" and first["dir"] == str(tmp_path)
    assert first["config"]["network"] == "net" and wandb.ended == 2
    assert [row["step"] for row in wandb.rows] == STEPS
    assert wandb.rows[3] == {"step": 30, "validation/psnr": 20.0}
    monkeypatch.setenv("WANDB_MODE", "online")
    Trackers(["wandb"], tmp_path, 0, {})
    assert wandb.calls[-1]["mode"] == "online"


def test_a_stand_in_of_mlflow(tmp_path, monkeypatch):
    mlflow = MLflow()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train(tmp_path, ["mlflow"])
    assert len(mlflow.runs) == 1 and mlflow.ended == ["run 0", "run 0"]
    assert [row[3] for row in mlflow.rows] == STEPS
    assert mlflow.rows[0] == ("run 0", "training/loss", 0.1, 10)
    assert mlflow.place == f"file://{tmp_path}/mlflow" and mlflow.tags["network"] == "net"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    Trackers(["mlflow"], tmp_path, 0, {})
    assert mlflow.place == "http://localhost:1"


@pytest.mark.parametrize("where", ["init", "log", "finish"])
def test_one_that_fails_does_not_end_a_training(tmp_path, monkeypatch, caplog, where):
    def fails(*_, **__):
        raise ConnectionError("no route to host")

    wandb = WandB()
    setattr(wandb, where, fails)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with caplog.at_level(logging.WARNING):
        train(tmp_path, ["wandb"])
    assert list(wanted(tmp_path)) == [10, 20, 30, 40, 50]
    said = [record.message for record in caplog.records]
    assert len(said) == 2 and "--log-to wandb: gets no more numbers: ConnectionError" in said[0]


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_not_installed(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RainbenchError, match=f"--log-to {name}: needs {name}") as caught:
        check_trackers([name])
    assert f"rainbench[{name}]" in caught.value.hint


def test_without_any(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    train(tmp_path, [])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["training.csv", "validation.csv"]


def test_the_command_line(rainbench, add_trainable, photographs, tmp_path):
    add_trainable(steps=2)
    (tmp_path / "wandb.py").write_text(
        "import json\n"
        "def init(**given):\n"
        "    import wandb\n"
        "    return wandb\n"
        "def log(values):\n"
        "    open('rows.jsonl', 'a').write(json.dumps(values) + chr(10))\n"
        "def finish():\n"
        "    open('rows.jsonl', 'a').write('0')\n"
    )
    given = ("train", "small", "--device", "cpu", "--clean", photographs, "--out", tmp_path / "out")
    path = [str(tmp_path), str(Path(toynets.__file__).parent), os.environ.get("PYTHONPATH", "")]
    env = {"PYTHONPATH": os.pathsep.join(path)}
    done = rainbench(*given, "--workers", "0", "--log-to", "wandb", env=env)
    assert done.returncode == 0, done.stderr
    *lines, last = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert last == "0" and "training/loss" in json.loads(lines[0])
    missing = rainbench(*given, "--log-to", "mlflow", env=env)
    if importlib.util.find_spec("mlflow") is None:
        assert missing.returncode == 2 and "rainbench[mlflow]" in missing.stderr
