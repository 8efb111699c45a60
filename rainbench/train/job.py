"""What a training is: everything that its result depends on, in one record."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rainbench.catalog.cards import BaselineCard, Degradation, Recipe
from rainbench.core.errors import RainbenchError
from rainbench.core.files import writing
from rainbench.core.machine import device_kind
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.networks.construct import construct
from rainbench.train.engine import Precision
from rainbench.train.material.scenes import TrainingPairs
from rainbench.train.photographs import Photographs
from rainbench.train.start import Start
from rainbench.train.validation import Validation


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a training computes.

    Attributes:
        seconds: Train for so long instead of the recipe's steps; 0 for its steps. The learning
            rate then follows the time, so the result depends on the machine's speed.
        seed: Of every random choice.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: Of the forward and backward passes; weights and losses are in single precision.
        threads: Threads on the CPU.
        workers: Processes that prepare patches; 0 prepares them in between.
        channels_last: Keep features with their channels last.
        fused: Update all parameters in one kernel.
        compiled: Run the network through ``torch.compile``.
        log_every: Steps between two rows of the log.
        validations: Validations over the whole training.
        checkpoint_seconds: Time between two checkpoints.
        log_to: Who gets the log's numbers, see `rainbench.train.trackers`.
    """

    seconds: float = 0.0
    seed: int = 0
    device: str = "cpu"
    precision: Precision = "fp32"
    threads: int = 1
    workers: int = 0
    channels_last: bool = False
    fused: bool = True
    compiled: bool = False
    log_every: int = 10
    validations: int = 10
    checkpoint_seconds: float = 60.0
    log_to: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training.

    Attributes:
        card: The baseline.
        arguments: Of its network's class, the card's own included.
        recipe: The card's, with the call's changes.
        options: How it computes.
        source: The pairs.
        indices: Those of them that are trained on.
        places: Where every patch lies, see `PatchSet`; none: anywhere.
        photographs: Photographs of rain that it learns from, too.
        validation: What it is validated on.
        trained_on: What the weights' card says of the source.
        degradation: What it learns to remove, as on the cards of data sets.
        leak_check: Against which test sets the clean images were checked, and what was found.
        start: Weights that it starts from; None for random ones.
    """

    card: BaselineCard
    arguments: Mapping[str, object]
    recipe: Recipe
    options: TrainOptions
    source: TrainingPairs
    indices: tuple[int, ...]
    validation: Validation
    places: tuple[tuple[int, int, int], ...] = ()
    photographs: Photographs | None = None
    trained_on: tuple[str, ...] = ()
    degradation: tuple[Degradation, ...] = ()
    leak_check: str = ""
    start: Start | None = None

    @property
    def length(self) -> int:
        """How much there is to do: its seconds where it is bound by time, else its steps."""
        return math.ceil(self.options.seconds) or self.recipe.steps

    @property
    def parameters(self) -> int:
        """How many parameters its network has."""
        network = construct(self.card, self.arguments)
        return sum(parameter.numel() for parameter in network.parameters())

    def key_parts(self) -> dict[str, object]:
        """Return what must be unchanged for a training to be resumed, as plain JSON."""
        options = dataclasses.asdict(self.options)
        for name in ("workers", "log_every", "checkpoint_seconds", "threads", "log_to"):
            del options[name]  # they change no number, or only its last bit
        options["device"] = device_kind(self.options.device)
        parts: dict[str, Any] = {
            "network": self.card.network,
            "arguments": dict(self.arguments),
            "recipe": dataclasses.asdict(
                dataclasses.replace(self.recipe, on={}, notes="", chosen=())
            ),
            "options": options,
            "data": self.source.label,
            "images": len(self.indices),
            "validation": self.validation.label,
            "protocol": self.validation.protocol,
        }
        if self.photographs is not None:
            parts["photographs"] = self.photographs.label
        else:  # so that trainings of before are known
            del parts["recipe"]["photographs"]
        if self.start is not None:
            parts["start"] = self.start.label
        plain: dict[str, object] = json.loads(json.dumps(parts))
        return plain

    @property
    def key(self) -> str:
        """The hash of `key_parts`, which the folder's record and the checkpoints carry."""
        return key_of(self.key_parts())


def claim_folder(job: Job, out: Path) -> None:
    """Write down what a folder is trained for, or check that it is the same as before.

    Raises:
        RainbenchError: The folder holds another training.
        StoreError: It cannot be written.
    """
    file = out / "job.json"
    wanted = job.key_parts()
    found = read_record(file)
    if found is not None and found.key != job.key:
        changed = _differences(found.facts, wanted) or ["its key"]
        raise RainbenchError(
            f"{out} holds a training with other settings: {'; '.join(changed[:3])}",
            hint="Give another --out, or the settings that it was begun with.",
        )
    if found is None and file.exists():
        raise RainbenchError(
            f"{file} is damaged, or of an earlier version of rainbench: it does not say what "
            "this folder was trained for",
            hint="Give another --out, or remove the folder to train from the start.",
        )
    if found is None:
        with writing(out):
            write_record(file, job.key, facts=wanted)


def _differences(found: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    changed = []
    for key, value in wanted.items():
        before = found.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            changed += _differences(before, value)
        elif before != value:
            changed.append(f"{key} was {before}, is {value}")
    return changed
