"""Trying claims: which trainings they need, one after the other, judged as they are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Registry
from rainbench.claims.document import scores_grid
from rainbench.claims.measured import Scored
from rainbench.claims.trials import (
    Budget,
    Trial,
    TrialResult,
    TrialSetting,
    open_setting,
    read_trial,
    run_trial,
)
from rainbench.claims.verdicts import Claim, Finding, judge_by_trainings
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.files import lock_folder, writing
from rainbench.core.progress import progress, say
from rainbench.core.resume import key_of, read_claim, write_record
from rainbench.core.text import did_you_mean
from rainbench.report.grid import Grid

BUDGET = "budget.json"
"""The file of a folder of trainings that says what each was given."""


def try_claims(
    registry: Registry,
    claims: Sequence[Claim],
    budget: Budget,
    clean: Path,
    out: Path,
    width: int,
    seeds: int,
    *,
    keep: Callable[[list[Finding], list[Grid]], None],
    quiet: bool,
) -> None:
    """Train what is not trained yet; after each training, judge the claims by all there is.

    Args:
        registry: All cards.
        claims: Those that no training tries are passed over.
        budget: What every training is given.
        clean: The folder of clean images to rain upon.
        out: Holds the trainings.
        width: Of all networks.
        seeds: How many, from 0 on.
        keep: Called after each training with the findings, and a table for each kind of rain.
        quiet: Show no progress.

    Raises:
        RainbenchError: No claim can be tried, or the folder holds trainings of another budget.
    """
    wanted = [claim for claim in claims if claim.by_training]
    if not wanted:
        raise RainbenchError("none of these claims can be tried by small trainings")
    trials = trials_of(registry, wanted, width, seeds)
    say(
        f"{len(trials)} trainings of {budget.steps} steps, {budget.batch} patches of "
        f"{budget.patch}x{budget.patch} a step, into {out}"
    )
    with lock_folder(out, "set of trainings"):
        words = (
            f"{budget.steps} steps of {budget.batch} patches of {budget.patch}x{budget.patch}, "
            f"networks of width {width}"
        )
        _same_budget(out, f"{words}, on images of {clean.name}")
        kinds = dict.fromkeys(rain for rain, _ in trials)
        settings = {rain: open_setting(registry, clean, rain, budget) for rain in kinds}
        state = _Trials(wanted, settings, seeds, words)
        # What earlier calls finished is known at once, whichever training comes next.
        for rain, trial in trials:
            state.add(rain, trial, read_trial(trial, settings[rain], budget, out / rain))
        keep(*state.judged())
        with progress("trainings", len(trials), quiet=quiet) as advance:
            for rain, trial in trials:
                if (rain, trial.name, trial.seed) not in state.results:
                    state.add(rain, trial, _one(trial, rain, settings[rain], budget, out))
                    keep(*state.judged())
                advance(1, f"{trial.folder} on {rain}")


@dataclass(frozen=True, slots=True)
class _Trials:
    """What was reached so far, by rain, network and seed."""

    claims: Sequence[Claim]
    settings: Mapping[str, TrialSetting]
    seeds: int
    budget: str
    results: dict[tuple[str, str, int], TrialResult] = field(default_factory=dict)

    def add(self, rain: str, trial: Trial, result: TrialResult | None) -> None:
        """Take a result in; None where there is none."""
        if result is not None:
            self.results[rain, trial.name, trial.seed] = result

    def judged(self) -> tuple[list[Finding], list[Grid]]:
        """Return what the trainings say, and a table of them for each kind of rain."""
        scores = {key: Scored(result.psnr, result.ssim) for key, result in self.results.items()}
        findings = [judge_by_trainings(claim, scores, self.seeds) for claim in self.claims]
        return findings, [
            self._grid(rain) for rain in dict.fromkeys(rain for rain, *_ in self.results)
        ]

    def _grid(self, rain: str) -> Grid:
        own = {key[1:]: result for key, result in self.results.items() if key[0] == rain}
        setting, first = self.settings[rain], next(iter(own.values()))
        hours = sum(result.seconds for result in own.values()) / 3600
        note = (
            f"{setting.source.label}; scored on {setting.validation.label}, "
            f"{setting.validation.protocol}. Rainy input {first.input_psnr:.2f} dB / "
            f"{first.input_ssim:.4f}. Leak check against {setting.leak_check}. Budget: "
            f"{self.budget}, {self.seeds} seeds; {hours:.2f} hours by the clock, whatever ran "
            "beside."
        )
        scores = {key: Scored(result.psnr, result.ssim) for key, result in own.items()}
        parameters = {name: result.parameters for (name, _), result in own.items()}
        return scores_grid(f"Small trainings on {rain}", scores, parameters, note)


def _one(
    trial: Trial, rain: str, setting: TrialSetting, budget: Budget, out: Path
) -> TrialResult | None:
    """Train one network; a failure costs its own claims only."""
    try:
        result = run_trial(trial, setting, budget, out / rain)
    except StoreError:
        raise
    except RainbenchError as error:
        say(f"failed: {trial.folder} on {rain}: {error}")
        return None
    if result is None:
        raise click.Abort
    return result


def trials_of(
    registry: Registry, claims: Sequence[Claim], width: int, seeds: int
) -> list[tuple[str, Trial]]:
    """Return all trainings once, each with its kind of rain.

    They come seed by seed, so that an early end leaves whole comparisons.

    Raises:
        RainbenchError: There is no such baseline, or two claims differ about what a name means.
    """
    found: dict[tuple[str, str, int], tuple[str, Trial]] = {}
    pairs = [(claim, wanted) for claim in claims for wanted in claim.networks]
    for seed in range(seeds):
        for claim, wanted in pairs:
            trial = Trial(
                card=_card(registry, claim, wanted.baseline),
                arguments={**wanted.arguments, "width": width},
                seed=seed,
                variant=wanted.name if wanted.name != wanted.baseline else "",
                losses=wanted.losses,
            )
            first = found.setdefault((wanted.rain, wanted.name, seed), (wanted.rain, trial))[1]
            if first != trial:
                raise RainbenchError(
                    f"{claim.id} gives {wanted.name} other arguments or losses than a claim before"
                )
    return list(found.values())


def _card(registry: Registry, claim: Claim, name: str) -> BaselineCard:
    if name not in registry.baselines:
        registry.raise_if_broken(name)
        raise RainbenchError(
            f"{claim.id} names no known baseline: {name}",
            hint=did_you_mean(name, registry.baselines),
        )
    return registry.baselines[name]


def _same_budget(out: Path, budget: str) -> None:
    """Refuse to mix trainings of two budgets in one folder.

    Raises:
        RainbenchError: It holds trainings of another budget, or of an earlier version.
        StoreError: It cannot be written.
    """
    file = out / BUDGET
    before = read_claim(file)
    if before is not None and before.key == key_of(budget):
        return
    hint = "Give another --out, or the settings that it was begun with."
    if before is not None:
        other = before.facts.get("budget")
        raise RainbenchError(f"{out} holds trainings of another budget: {other}", hint=hint)
    if file.exists():
        raise RainbenchError(
            f"{file} is damaged, or of an earlier version of rainbench", hint="Give another --out."
        )
    with writing(out):
        write_record(file, key_of(budget), facts={"budget": budget})
