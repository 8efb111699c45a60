"""Small trainings of several networks at the same budget, so that they can be compared.

All trainings on one kind of rain see the same patches for the same seed and are scored on the same
held-out images, whatever the seed. What differs is the network alone. Each is a folder of its own
as `rainbench train` makes it, whose last checkpoint says what was reached.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import click

from rainbench.catalog.registry import Registry
from rainbench.catalog.terms import LossTerm
from rainbench.claims.measured import Quantity
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.files import writing
from rainbench.core.pool import Pool
from rainbench.core.progress import Advance
from rainbench.core.resume import key_of, read_claim, read_record, write_record
from rainbench.metrics import Score
from rainbench.train.assemble import open_source
from rainbench.train.checkpoints import LAST, Progress, read_progress
from rainbench.train.job import Job, TrainOptions
from rainbench.train.loop import train
from rainbench.train.material.scenes import TrainingPairs
from rainbench.train.material.split import Split, split_source
from rainbench.train.recipes import resolve_recipe
from rainbench.train.validation import Validation, load_validation

_LOG = logging.getLogger(__name__)

RECORD = "trial.json"
"""The file of a training's folder that says that it is finished."""

BUDGET = "budget.json"
"""The file of a folder of trainings that says what each was given."""

SIDE = 192
"""Held-out images are cut to their middle of so many pixels a side: a second a validation."""

Scores = Mapping[tuple[str, str, int], Progress]
"""What was reached, by rain, network and seed."""


@dataclass(frozen=True, slots=True)
class Trainings:
    """What small trainings reached; a claim calls it with the networks that it asks for.

    Attributes:
        scores: What was reached; anything else is zero.
        seeds: How many seeds, from 0 on.
        asked: The networks that were asked for, each once, by rain and name.
    """

    scores: Scores = field(default_factory=dict)
    seeds: int = 1
    asked: dict[tuple[str, str], Network] = field(default_factory=dict)

    def __call__(
        self,
        rain: str,
        name: str,
        *,
        baseline: str = "",
        losses: tuple[LossTerm, ...] = (),
        **arguments: object,
    ) -> Quantity:
        """Return what a network reached on a kind of rain; see `Network`."""
        self.asked[rain, name] = Network(baseline or name, arguments, losses)
        found = [self.scores.get((rain, name, seed), Progress()) for seed in range(self.seeds)]
        psnr = tuple(progress.best_psnr for progress in found)
        return Quantity(name, {"psnr": psnr, "ssim": tuple(each.best_ssim for each in found)})

    @property
    def missing(self) -> tuple[str, ...]:
        """The networks that were asked for and not trained with every seed."""
        return tuple(
            name
            for rain, name in self.asked
            if any((rain, name, seed) not in self.scores for seed in range(self.seeds))
        )


@dataclass(frozen=True, slots=True)
class Network:
    """A network that a claim wants trained.

    Attributes:
        baseline: Its card's name; another one than its own where it is a variant.
        arguments: Of its class, beside those of its card.
        losses: Of a variant, in the place of its recipe's; none for its own.
    """

    baseline: str
    arguments: Mapping[str, object]
    losses: tuple[LossTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What all trainings on one kind of rain share.

    Attributes:
        source: Clean images, rained upon.
        split: Those that are trained on, and what they were checked against.
        validation: The held-out ones.
        before: The mean score of these without any restoration.
    """

    source: TrainingPairs
    split: Split
    validation: Validation
    before: Score


def open_setting(registry: Registry, clean: Path, rain: str, patch: int) -> Setting:
    """Open clean images for trainings on one kind of rain, in patches of so many pixels a side.

    Raises:
        RainbenchError: There are too few images.
    """
    source = open_source(registry, "", (), clean, rain, seed=0)
    split = split_source(source, registry, (), patch, seed=0)
    card = registry.datasets.get(f"mini-{rain}")
    protocol = card.protocol if card else "rgb"
    validation = load_validation(source, split.held, side=SIDE, protocol=protocol, seed=0)
    return Setting(source, split, validation, validation.score_input())


class Trial(NamedTuple):
    """A training and its folder."""

    job: Job
    folder: Path


def trials_of(
    registry: Registry,
    trained: Trainings,
    settings: Mapping[str, Setting],
    out: Path,
    changes: Mapping[str, object],
    *,
    width: int,
    threads: int,
) -> dict[tuple[str, str, int], Trial]:
    """Return all trainings, by rain, network and seed.

    They come seed by seed, so that an early end leaves whole comparisons.

    Args:
        registry: All cards.
        trained: The networks that are asked for, and how many seeds.
        settings: What they are trained on, by rain.
        out: Holds a folder for each kind of rain.
        changes: To the recipes of the cards: steps, batch and patch.
        width: Of all networks.
        threads: On the CPU.
    """
    trials = {}
    for seed in range(trained.seeds):
        for (rain, name), network in trained.asked.items():
            card, setting = registry.baselines[network.baseline], settings[rain]
            losses = {"losses": network.losses} if network.losses else {}
            own = {**network.arguments, "width": width}
            job = Job(
                card=card,
                arguments={**card.arguments, **own},
                recipe=resolve_recipe(card, {**changes, **losses}, short=True),
                # One validation, at the end: none gains by choosing the best of several.
                options=TrainOptions(
                    seed=seed, threads=threads, validations=1, checkpoint_seconds=15.0
                ),
                source=setting.source,
                indices=setting.split.indices,
                validation=setting.validation,
                leak_check=setting.split.leak_check,
            )
            words = [name, *(f"{key}={value}" for key, value in sorted(own.items()))]
            trials[rain, name, seed] = Trial(job, out / rain / ",".join([*words, f"seed={seed}"]))
    return trials


def reached(trial: Trial) -> Progress | None:
    """Return what a finished training reached; None where there is none, or it was changed."""
    if read_record(trial.folder / RECORD, trial.job.key) is None:
        return None
    return read_progress(trial.folder / LAST, trial.job.key)


def _trained(trial: Trial) -> Progress:
    """Train, or continue from the last checkpoint, unless that was changed since it was finished.

    Raises:
        click.Abort: A person interrupted it.
    """
    job, folder = trial
    before = read_claim(folder / RECORD)
    if before is not None and before.key == job.key:
        (folder / LAST).unlink(missing_ok=True)
    trained = train(job, folder)
    if trained.interrupted:
        raise click.Abort
    with writing(folder):
        write_record(folder / RECORD, job.key, [folder / LAST])
    return trained.progress


def _trained_apart(trial: Trial) -> tuple[str, Progress | None, str]:
    """Train in another process; return the folder's name, what was reached, or why nothing was."""
    try:
        return trial.folder.name, _trained(trial), ""
    except StoreError:
        raise
    except RainbenchError as error:
        return trial.folder.name, None, str(error)


def run_trials(
    trials: Mapping[tuple[str, str, int], Trial], advance: Advance, pool: Pool | None = None
) -> Iterator[dict[tuple[str, str, int], Progress]]:
    """Train what is not trained yet; yield what is known at first and after each training.

    One that fails is a line in the log, and costs only the claims that ask for it. One that was
    killed continues from its last checkpoint.

    Args:
        trials: All trainings, in their order.
        advance: Called after each.
        pool: Trains several at once; what is known is then yielded at first and at last.

    Raises:
        StoreError: A folder cannot be written.
        click.Abort: A person interrupted a training.
    """
    found = {key: progress for key, trial in trials.items() if (progress := reached(trial))}
    yield found
    if pool is not None:
        missing = {key: trial for key, trial in trials.items() if key not in found}
        advance(len(found), "those of before")
        results = pool(
            _trained_apart,
            list(missing.values()),
            on_crash=lambda trial: (trial.folder.name, None, "the process that trained it died"),
            on_done=lambda result: advance(1, result[0]),
        )
        for key, (_, progress, problem) in zip(missing, results, strict=True):
            if progress is not None:
                found[key] = progress
            else:
                _LOG.warning("failed: %s: %s", trials[key].folder, problem)
        yield found
        return
    for key, trial in trials.items():
        if key not in found:
            try:
                found[key] = _trained(trial)
            except StoreError:
                raise
            except RainbenchError as error:
                _LOG.warning("failed: %s: %s", trial.folder, error)
            yield found
        advance(1, f"{trial.folder.name} on {key[0]}")


def claim_budget(out: Path, budget: str) -> None:
    """Write down what the trainings of a folder are given, or check that it is the same as before.

    Raises:
        RainbenchError: It holds trainings of another budget, or of an earlier version.
        StoreError: It cannot be written.
    """
    file = out / BUDGET
    before = read_claim(file)
    if before is None and not file.exists():
        with writing(out):
            write_record(file, key_of(budget), facts={"budget": budget})
    elif before is None or before.key != key_of(budget):
        other = before.facts.get("budget") if before else "damaged, or of an earlier version"
        raise RainbenchError(
            f"{out} holds trainings of another budget ({BUDGET}): {other}",
            hint="Give another --out, or the settings that it was begun with.",
        )
