"""Trials: small trainings of several networks at the same budget, so that they can be compared.

All trials on one kind of rain see the same patches for the same seed and are scored on the same
held-out images, whatever the seed. What differs is the network alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Registry
from rainbench.catalog.terms import LossTerm
from rainbench.core.files import write_atomically, writing
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.networks.load import construct
from rainbench.train.assemble import open_source, split_source
from rainbench.train.job import Job, TrainOptions
from rainbench.train.loop import train
from rainbench.train.recipes import resolve_recipe
from rainbench.train.sources import TrainingPairs
from rainbench.train.validation import Validation, load_validation

RECORD, RESULT = "trial.json", "result.json"
"""The files of a trial's folder that say that it is complete, and what it reached."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What every trial is given.

    Attributes:
        steps: Steps of a training.
        batch: Patches per step.
        patch: Side of a patch in pixels.
        side: Held-out images are cut to their middle of so many pixels a side.
        threads: Threads on the CPU.
    """

    steps: int = 300
    batch: int = 4
    patch: int = 48
    side: int = 192
    threads: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training.

    Attributes:
        card: The baseline.
        arguments: What differs from its card's arguments: those of a narrow version.
        seed: Of the first weights and of the patches.
        variant: What it is called where its losses are not those of its card.
        losses: Those, in the place of its recipe's; none for its own.
    """

    card: BaselineCard
    arguments: Mapping[str, object]
    seed: int
    variant: str = ""
    losses: tuple[LossTerm, ...] = ()

    @property
    def name(self) -> str:
        """What claims and tables call it: the variant, or the baseline."""
        return self.variant or self.card.name

    @property
    def folder(self) -> str:
        """The name of its folder.

        Example:
            >>> from rainbench.catalog.registry import load_registry
            >>> Trial(card=load_registry().baselines["dam"], arguments={"width": 8}, seed=2).folder
            'dam,width=8,seed=2'
        """
        words = [f"{name}={value}" for name, value in sorted(self.arguments.items())]
        return ",".join([self.name, *words, f"seed={self.seed}"])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a trial reached.

    Attributes:
        psnr: Mean PSNR in dB on the held-out images, after the last step.
        ssim: Mean SSIM.
        input_psnr: Mean PSNR in dB of the rainy images, before any restoration.
        input_ssim: Their mean SSIM.
        parameters: Of the network.
        seconds: Time of the training.
    """

    psnr: float
    ssim: float
    input_psnr: float
    input_ssim: float
    parameters: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class TrialSetting:
    """What all trials on one kind of rain share.

    Attributes:
        source: Clean images, rained upon.
        indices: Those that are trained on.
        validation: The held-out ones.
        leak_check: What they were checked against.
    """

    source: TrainingPairs
    indices: tuple[int, ...]
    validation: Validation
    leak_check: str


def open_setting(registry: Registry, clean: Path, rain: str, budget: Budget) -> TrialSetting:
    """Open clean images for trials on one kind of rain.

    Raises:
        RainbenchError: There are too few images.
    """
    source = open_source(registry, "", (), clean, rain, seed=0)
    split = split_source(source, registry, (), budget.patch, seed=0)
    card = registry.datasets.get(f"mini-{rain}")
    validation = load_validation(
        source, split.held, side=budget.side, protocol=card.protocol if card else "rgb", seed=0
    )
    return TrialSetting(source, split.indices, validation, split.leak_check)


def run_trial(trial: Trial, setting: TrialSetting, budget: Budget, out: Path) -> TrialResult | None:
    """Train and score one network, or read what an earlier call reached.

    A trial that was killed continues from its last checkpoint; so does one whose result was changed
    or lost since, which then is made again.

    Args:
        trial: What to train.
        setting: On what.
        budget: How long.
        out: The folder that holds the trials of this kind of rain.

    Returns:
        The result; None when a person interrupted it.

    Raises:
        RainbenchError: The training diverged, or the folder holds one with other settings.
    """
    done = read_trial(trial, setting, budget, out)
    if done is not None:
        return done
    folder = out / trial.folder
    job = _job(trial, setting, budget)
    trained = train(job, folder)
    if trained.interrupted:
        return None
    progress, before = trained.progress, trained.input_score
    network = construct(job.card, job.arguments)
    result = TrialResult(
        psnr=progress.best_psnr,
        ssim=progress.best_ssim,
        input_psnr=before.psnr or 0.0,
        input_ssim=before.ssim,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        seconds=round(progress.seconds, 1),
    )
    file = folder / RESULT
    with writing(folder):
        write_atomically(file, json.dumps(dataclasses.asdict(result), indent=1).encode())
        write_record(folder / RECORD, _key(job), [file])
    return result


def _job(trial: Trial, setting: TrialSetting, budget: Budget) -> Job:
    changes: dict[str, object] = {
        "steps": budget.steps,
        "batch": budget.batch,
        "patch": budget.patch,
    }
    if trial.losses:
        changes["losses"] = trial.losses
    return Job(
        card=trial.card,
        arguments={**trial.card.arguments, **trial.arguments},
        recipe=resolve_recipe(trial.card, changes, short=True),
        # One validation, at the end: no trial gains by choosing the best of several.
        options=TrainOptions(
            seed=trial.seed, threads=budget.threads, validations=1, checkpoint_seconds=15.0
        ),
        source=setting.source,
        indices=setting.indices,
        validation=setting.validation,
        leak_check=setting.leak_check,
    )


def _key(job: Job) -> str:
    """Return the hash of all that a trial's numbers depend on."""
    return key_of({**job.key_parts(), "protocol": job.validation.protocol})


def read_trial(
    trial: Trial, setting: TrialSetting, budget: Budget, out: Path
) -> TrialResult | None:
    """Return what a trial reached that is complete and as it was written; None for any other.

    Args:
        trial: The training.
        setting: On what.
        budget: How long.
        out: The folder that holds the trials of this kind of rain.
    """
    folder = out / trial.folder
    if read_record(folder / RECORD, _key(_job(trial, setting, budget))) is None:
        return None
    return TrialResult(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
