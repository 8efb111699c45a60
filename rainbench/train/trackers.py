"""Where else the numbers of a training go: TensorBoard, Weights & Biases or MLflow, if asked for.

All of them write below the training's folder and need no connection: W&B as an offline run (set
``WANDB_MODE=online`` for a live one), MLflow as files (set ``MLFLOW_TRACKING_URI`` for a server).
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from rainbench.core.errors import RainbenchError, needed, told
from rainbench.core.resume import key_of

_LOG = logging.getLogger(__name__)

_MODULES = MappingProxyType(
    {"tensorboard": "torch.utils.tensorboard.writer", "wandb": "wandb", "mlflow": "mlflow"}
)
TRACKERS = tuple(_MODULES)
"""Their names, each that of the extra that installs it."""

_LONGEST = 500
"""Letters of a value that MLflow takes in every version."""


class _Tracker(Protocol):
    def add(self, group: str, step: int, values: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class _TensorBoard:
    """Files of TensorBoard, a folder for each group; those beyond the last step are purged."""

    def __init__(self, module: Any, out: Path, last_step: int, _facts: Mapping[str, str]) -> None:  # noqa: ANN401
        self._module, self._folder, self._purged = module, out / "tensorboard", last_step + 1
        self._boards: dict[str, Any] = {}

    def add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        if group not in self._boards:
            self._boards[group] = self._module.SummaryWriter(
                str(self._folder / group), purge_step=self._purged
            )
        for name, value in values.items():
            self._boards[group].add_scalar(name, value, step)
        self._boards[group].flush()

    def close(self) -> None:
        for board in self._boards.values():
            board.close()


class _WandB:
    """A run of Weights & Biases, the same one when the training is continued."""

    def __init__(self, module: Any, out: Path, _last_step: int, facts: Mapping[str, str]) -> None:  # noqa: ANN401
        mode = os.environ.get("WANDB_MODE", "offline")
        self._run = module.init(
            project=os.environ.get("WANDB_PROJECT", "rainbench"), name=out.name, id=_id(out),
            resume="allow", dir=str(out), mode=mode, config=dict(facts),
        )  # fmt: skip
        if mode == "offline":
            _LOG.info("wandb: an offline run; `wandb sync %s/wandb/offline-run-*` sends it", out)

    def add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        # A step of its own: after an interruption it goes back, which W&B's own cannot.
        named = {f"{group}/{name}": value for name, value in values.items()}
        self._run.log({"step": step, **named})

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    """A run of MLflow, the same one when the training is continued."""

    def __init__(self, module: Any, out: Path, _last_step: int, facts: Mapping[str, str]) -> None:  # noqa: ANN401
        place = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not place:
            place = (out / "mlflow").resolve().as_uri()
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer ones ask for consent
        self._client = module.MlflowClient(tracking_uri=place)
        found = self._client.get_experiment_by_name("rainbench")
        number = found.experiment_id if found else self._client.create_experiment("rainbench")
        runs = self._client.search_runs([number], filter_string=f"tags.rainbench = '{_id(out)}'")
        run = runs[0] if runs else self._client.create_run(number, tags={"rainbench": _id(out)})
        self._run = run.info.run_id
        for name, value in facts.items():
            self._client.set_tag(self._run, name, value[:_LONGEST])

    def add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, f"{group}/{name}", value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


_OPEN: Mapping[str, Callable[[Any, Path, int, Mapping[str, str]], _Tracker]] = MappingProxyType(
    {"tensorboard": _TensorBoard, "wandb": _WandB, "mlflow": _MLflow}
)


def _id(out: Path) -> str:
    return key_of([str(out.resolve())])[:16]


def check_trackers(names: Sequence[str]) -> None:
    """Refuse what is not installed, before a training begins.

    Raises:
        RainbenchError: A library is not installed, or cannot be loaded.
    """
    for name in names:
        needed(name, name, f"--log-to {name}")
        needed(_MODULES[name], name, f"--log-to {name}")


class Trackers:
    """Several at once. One that fails is a warning and gets no more: the training goes on.

    Args:
        names: Out of `TRACKERS`; none: TensorBoard's files, where it is installed.
        out: The training's folder.
        last_step: Where it goes on.
        facts: What is trained.

    Raises:
        RainbenchError: A library is not installed.
    """

    def __init__(
        self, names: Sequence[str], out: Path, last_step: int, facts: Mapping[str, object]
    ) -> None:
        check_trackers(names)
        if not names and importlib.util.find_spec("tensorboard") is not None:
            names = ("tensorboard",)
        texts = {name: str(value) for name, value in facts.items()}
        self._open: dict[str, _Tracker] = {}
        for name in names:
            try:
                module = needed(_MODULES[name], name, f"--log-to {name}")
                self._open[name] = _OPEN[name](module, out, last_step, texts)
            except (Exception, SystemExit) as error:  # of libraries that are not ours
                _warn(name, error)

    def add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Pass numbers on: of a group, ``training`` or ``validation``."""
        for name, tracker in list(self._open.items()):
            try:
                tracker.add(group, step, values)
            except Exception as error:  # of libraries that are not ours
                _warn(name, error)
                del self._open[name]

    def close(self) -> None:
        """Finish what was written."""
        for name, tracker in self._open.items():
            try:
                tracker.close()
            except Exception as error:  # of libraries that are not ours
                _warn(name, error)


def _warn(name: str, error: BaseException) -> None:
    reason = error.message if isinstance(error, RainbenchError) else told(error)
    _LOG.warning("--log-to %s: gets no more numbers: %s", name, reason)
