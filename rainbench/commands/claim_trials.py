"""Trying claims: which trainings they need, one after the other, judged as they are done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Registry
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.progress import progress, say
from rainbench.core.text import did_you_mean

if TYPE_CHECKING:
    from rainbench.claims.evaluate import Claim
    from rainbench.claims.trial_verdicts import TrialFinding
    from rainbench.claims.trials import Budget, Ground, Trial, TrialResult
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
    keep: Callable[[list[TrialFinding], list[Grid]], None],
    quiet: bool,
) -> None:
    """Train what is not trained yet; after each training, judge the claims by all there is.

    Args:
        registry: All cards.
        claims: Those without a trial are passed over.
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
    from rainbench.claims.trials import open_ground, read_trial
    from rainbench.core.files import lock_folder

    wanted = [claim for claim in claims if claim.trial is not None]
    if not wanted:
        raise RainbenchError("none of these claims can be tried by small trainings")
    trials = _trials(registry, wanted, width, seeds)
    say(
        f"{len(trials)} trainings of {budget.steps} steps, {budget.batch} patches of "
        f"{budget.patch}x{budget.patch} a step, into {out}"
    )
    results: dict[str, dict[tuple[str, int], TrialResult]] = {}
    with lock_folder(out, "set of trainings"):
        _same_budget(out, budget, width, clean)
        grounds = {
            rain: open_ground(registry, clean, rain, budget)
            for rain in dict.fromkeys(rain for rain, _ in trials)
        }
        words = _words(budget, width)
        # What earlier calls finished is known at once, whichever training comes next.
        for rain, trial in trials:
            result = read_trial(trial, grounds[rain], budget, out / rain)
            if result is not None:
                results.setdefault(rain, {})[trial.name, trial.seed] = result
        keep(*_judged(wanted, results, grounds, seeds, words))
        with progress("trainings", len(trials), quiet=quiet) as advance:
            for rain, trial in trials:
                own = results.setdefault(rain, {})
                if (trial.name, trial.seed) not in own:
                    result = _one(trial, rain, grounds, budget, out)
                    if result is not None:
                        own[trial.name, trial.seed] = result
                    keep(*_judged(wanted, results, grounds, seeds, words))
                advance(1, f"{trial.folder} on {rain}")


def _judged(
    claims: Sequence[Claim],
    results: Mapping[str, Mapping[tuple[str, int], TrialResult]],
    grounds: Mapping[str, Ground],
    seeds: int,
    budget: str,
) -> tuple[list[TrialFinding], list[Grid]]:
    """Return what the trainings say, and a table of them for each kind of rain."""
    from rainbench.claims.tables import scores_grid
    from rainbench.claims.trial_verdicts import Scored, judge_trials

    scored = {
        rain: {key: Scored(result.psnr, result.ssim) for key, result in own.items()}
        for rain, own in results.items()
    }
    tried = [
        judge_trials(claim, scored.get(claim.trial.rain, {}), seeds)
        for claim in claims
        if claim.trial is not None
    ]
    grids = []
    for rain, own in results.items():
        if not own:
            continue
        ground, first = grounds[rain], next(iter(own.values()))
        hours = sum(result.seconds for result in own.values()) / 3600
        note = (
            f"{ground.source.label}; scored on {ground.validation.label}, "
            f"{ground.validation.protocol}. Rainy input {first.input_psnr:.2f} dB / "
            f"{first.input_ssim:.4f}. Leak check against {ground.leak_check}. "
            f"Budget: {budget}, {seeds} seeds; {hours:.2f} hours by the clock, whatever ran beside."
        )
        parameters = {name: result.parameters for (name, _), result in own.items()}
        grids.append(scores_grid(f"Small trainings on {rain}", scored[rain], parameters, note))
    return tried, grids


def _one(
    trial: Trial, rain: str, grounds: Mapping[str, Ground], budget: Budget, out: Path
) -> TrialResult | None:
    """Train one network; a failure costs its own claims only."""
    from rainbench.claims.trials import run_trial

    try:
        result = run_trial(trial, grounds[rain], budget, out / rain)
    except StoreError:
        raise
    except RainbenchError as error:
        say(f"failed: {trial.folder} on {rain}: {error}")
        return None
    if result is None:
        raise click.Abort
    return result


def _trials(
    registry: Registry, claims: Sequence[Claim], width: int, seeds: int
) -> list[tuple[str, Trial]]:
    """Return all trainings once, seed by seed: an early end leaves whole comparisons."""
    from rainbench.claims.trial_verdicts import networks_of
    from rainbench.claims.trials import Trial

    found: dict[tuple[str, str, int], tuple[str, Trial]] = {}
    for seed in range(seeds):
        for claim in claims:
            assert claim.trial is not None
            variants = {variant.name: variant for variant in claim.trial.variants}
            for name in networks_of(claim):
                variant = variants.get(name)
                card = _card(registry, claim, variant.baseline if variant else name)
                trial = Trial(
                    card=card,
                    arguments={**claim.trial.arguments, "width": width},
                    seed=seed,
                    variant=name if variant else "",
                    losses=variant.losses if variant else (),
                )
                rain = claim.trial.rain
                other = found.setdefault((rain, name, seed), (rain, trial))[1]
                if (other.arguments, other.losses) != (trial.arguments, trial.losses):
                    raise RainbenchError(
                        f"{claim.id} gives {name} other arguments or losses than a claim before"
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


def _words(budget: Budget, width: int) -> str:
    return (
        f"{budget.steps} steps of {budget.batch} patches of {budget.patch}x{budget.patch}, "
        f"networks of width {width}"
    )


def _same_budget(out: Path, budget: Budget, width: int, clean: Path) -> None:
    """Refuse to mix trainings of two budgets in one folder."""
    from rainbench.core.files import write_atomically

    file = out / BUDGET
    text = f"{_words(budget, width)}, on images of {clean.name}"
    try:
        if file.exists():
            before = json.loads(file.read_text(encoding="utf-8"))["budget"]
            if before != text:
                raise RainbenchError(
                    f"{out} holds trainings of another budget: {before}",
                    hint="Give another --out, or the settings it was begun with.",
                )
            return
        write_atomically(file, json.dumps({"budget": text}).encode())
    except OSError as error:
        raise StoreError(f"{file}: cannot be written: {error.strerror}") from None
