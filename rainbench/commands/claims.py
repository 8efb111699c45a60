"""``rainbench claims``: what published tables and small trainings say of the papers' claims."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.catalog.cards import did_you_mean
from rainbench.catalog.registry import Registry, load_registry
from rainbench.commands.options import cards_option, json_option
from rainbench.console import progress, say, show, show_json
from rainbench.errors import RainbenchError, StoreError

if TYPE_CHECKING:
    from rainbench.report.claims import Claim, Finding
    from rainbench.report.grid import Grid
    from rainbench.report.trial_claims import TrialFinding
    from rainbench.train.trials import Budget, Ground, Trial, TrialResult


@click.command(
    "claims",
    epilog="""\b
Examples:
  rainbench claims
  rainbench claims --only A1 --only A3 --json
  rainbench claims --run --clean PHOTOS --out runs/claims
  rainbench claims --run --only A1 --steps 2000 --width 16 --clean PHOTOS --out runs/a1""",
)
@click.option("--only", multiple=True, metavar="ID", help="Only this claim; may be repeated.")
@click.option("--run", "trained", is_flag=True, help="Try the claims of kind S by small trainings.")
@click.option(
    "--clean",
    type=click.Path(path_type=Path),
    help="The clean images that the trainings rain upon.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of claims.md and claims.csv, and of the trainings, which go on in it.",
)
@click.option("--steps", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--width", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--patch", type=click.IntRange(min=16), default=32, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@cards_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    only: tuple[str, ...],
    trained: bool,
    clean: Path | None,
    out: Path | None,
    steps: int,
    seeds: int,
    width: int,
    patch: int,
    batch: int,
    threads: int,
    card_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Evaluate the papers' claims on their own published tables; with --run, try some of them.

    Exit code 1 when the arithmetic finds something else than the person who read the tables.
    """
    from rainbench.report.claim_tables import disagreements, rows_csv
    from rainbench.report.claims import judge, load_claims
    from rainbench.report.published import load_published

    registry = load_registry(card_folders)
    claims = _chosen(load_claims(), only)
    published = load_published()
    findings = [found for claim in claims if (found := judge(claim, published, registry))]
    tried: list[TrialFinding] = []
    grids = _grids(claims, findings, (), ())

    def keep(newly_tried: list[TrialFinding], scores: list[Grid]) -> None:
        """Write everything known so far, so that an interrupted call has its tables too."""
        nonlocal tried, grids
        tried, grids = newly_tried, _grids(claims, findings, newly_tried, scores)
        if out is not None:
            _write(out, grids, rows_csv(findings, tried))

    if trained:
        from rainbench.train.trials import Budget

        if clean is None or out is None:
            raise RainbenchError("--run needs --clean, the images to rain upon, and --out")
        budget = Budget(steps=steps, batch=batch, patch=patch, threads=threads)
        _try(registry, claims, budget, clean, out, width, seeds, keep=keep, quiet=as_json)
    else:
        keep([], [])
    _print(findings, tried, grids, out, as_json=as_json)
    wrong = disagreements(findings)
    for finding in wrong:
        say(
            f"{finding.claim.id}: {finding.verdict} by the numbers, "
            f'"{finding.claim.own_table}" as read by hand'
        )
    ctx.exit(1 if wrong else 0)


def _chosen(claims: Sequence[Claim], only: Sequence[str]) -> list[Claim]:
    known = {claim.id: claim for claim in claims}
    for name in only:
        if name not in known:
            raise RainbenchError(f"no such claim: {name}", hint=did_you_mean(name, known))
    return [claim for claim in claims if not only or claim.id in only]


def _try(
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
    """Train what is not trained yet; after each training, judge the claims by all there is."""
    from rainbench.machine import lock_folder
    from rainbench.train.trials import open_ground

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
        with progress("trainings", len(trials), quiet=quiet) as advance:
            for rain, trial in trials:
                result = _one(trial, rain, grounds, budget, out)
                if result is not None:
                    results.setdefault(rain, {})[trial.card.name, trial.seed] = result
                keep(*_judged(wanted, results, grounds, seeds, _words(budget, width)))
                advance(1, f"{trial.folder} on {rain}")


def _judged(
    claims: Sequence[Claim],
    results: Mapping[str, Mapping[tuple[str, int], TrialResult]],
    grounds: Mapping[str, Ground],
    seeds: int,
    budget: str,
) -> tuple[list[TrialFinding], list[Grid]]:
    """Return what the trainings say, and a table of them for each kind of rain."""
    from rainbench.report.claim_tables import scores_grid
    from rainbench.report.trial_claims import Scored, judge_trials

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
    from rainbench.train.trials import run_trial

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
    from rainbench.report.trial_claims import networks_of
    from rainbench.train.trials import Trial

    found: dict[tuple[str, str], tuple[str, Trial]] = {}
    for seed in range(seeds):
        for claim in claims:
            assert claim.trial is not None
            for name in networks_of(claim):
                if name not in registry.baselines:
                    registry.raise_if_broken(name)
                    raise RainbenchError(
                        f"{claim.id} names no known baseline: {name}",
                        hint=did_you_mean(name, registry.baselines),
                    )
                trial = Trial(
                    card=registry.baselines[name],
                    arguments={**claim.trial.arguments, "width": width},
                    seed=seed,
                )
                found.setdefault((claim.trial.rain, trial.folder), (claim.trial.rain, trial))
    return list(found.values())


def _words(budget: Budget, width: int) -> str:
    return (
        f"{budget.steps} steps of {budget.batch} patches of {budget.patch}x{budget.patch}, "
        f"networks of width {width}"
    )


def _same_budget(out: Path, budget: Budget, width: int, clean: Path) -> None:
    """Refuse to mix trainings of two budgets in one folder."""
    from rainbench.images import write_atomically

    file = out / "budget.json"
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


def _grids(
    claims: Sequence[Claim],
    findings: Sequence[Finding],
    tried: Sequence[TrialFinding],
    scores: Sequence[Grid],
) -> list[Grid]:
    from rainbench.report.claim_tables import (
        open_grid,
        published_grid,
        spreads_grid,
        tests_grid,
        trials_grid,
    )
    from rainbench.report.claims import spreads
    from rainbench.report.published import load_published

    decided = {finding.claim.id for finding in findings}
    decided |= {finding.claim.id for finding in tried if finding.comparisons}
    shown = [claim for claim in claims if claim.tests]
    left = [claim for claim in claims if claim.id not in decided and not claim.tests]
    grids = [published_grid(findings), tests_grid(shown)]
    if tried:
        grids += [trials_grid(tried), *scores]
    grids.append(open_grid(left))
    if any(claim.id == "X1" for claim in claims):
        grids.append(spreads_grid(spreads(load_published())))
    return grids


def _write(out: Path, grids: Sequence[Grid], rows: str) -> None:
    import sys

    from rainbench.commands.train import without_places
    from rainbench.images import write_atomically
    from rainbench.report.claim_tables import document

    command = shlex.join(["rainbench", *without_places(sys.argv[1:])])
    text = document("The papers' claims", grids, f"Made by `{command}`.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / "claims.md", text.encode())
        write_atomically(out / "claims.csv", rows.encode())
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from None


def _print(
    findings: Sequence[Finding],
    tried: Sequence[TrialFinding],
    grids: Sequence[Grid],
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from rainbench.report.claim_tables import as_plain

    if as_json:
        show_json(as_plain(findings, tried))
        return
    for finding in findings:
        show(f"{finding.claim.id:5}{finding.verdict:15}{finding.claim.claim}")
        for part in finding.parts:
            if not part.holds:
                show(f"{'':20}not so: {part.text}")
    for trial in tried:
        show(f"{trial.claim.id:5}{trial.verdict:28}{trial.claim.claim}")
    counts = [f"{sum(f.verdict == word for f in findings)} {word}" for word in _VERDICTS]
    say(f"On the papers' own tables: {', '.join(counts)}.")
    if out is not None:
        say(f"Tables: {out / 'claims.md'}, {out / 'claims.csv'}")
    elif grids:
        say("`rainbench claims --out DIR` writes all numbers and the tests that show the rest.")


_VERDICTS = ("holds", "part", "does not hold")
