"""``rainbench claims``: what tables, shipped weights and small trainings say of papers' claims."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.catalog.registry import load_registry
from rainbench.commands.options import cards_option, json_option
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import did_you_mean

if TYPE_CHECKING:
    from rainbench.catalog.registry import Registry
    from rainbench.claims.evaluate import Claim, Finding
    from rainbench.claims.probes import ProbeFinding
    from rainbench.claims.trial_verdicts import TrialFinding
    from rainbench.report.grid import Grid


@click.command(
    "claims",
    epilog="""\b
Examples:
  rainbench claims
  rainbench claims --only A1 --only A3 --json
  rainbench claims --shipped
  rainbench claims --run --clean PHOTOS --out runs/claims
  rainbench claims --run --only A1 --steps 2000 --width 16 --clean PHOTOS --out runs/a1""",
)
@click.option("--only", multiple=True, metavar="ID", help="Only this claim; may be repeated.")
@click.option("--shipped", is_flag=True, help="Ask the weights that come with rainbench, too.")
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
    shipped: bool,
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
    """Evaluate the papers' claims on their own published tables.

    With --shipped, ask what the shipped weights make of the embedded sets, which takes a minute or
    two. With --run, try some claims by small trainings.

    Exit code 1 when the arithmetic finds something else than the person who read the tables.
    """
    from rainbench.catalog.published import load_published
    from rainbench.claims.evaluate import judge, load_claims
    from rainbench.claims.probe_tables import probe_rows
    from rainbench.claims.tables import disagreements, rows_csv
    from rainbench.commands.claim_trials import BUDGET, try_claims

    if out is not None and not trained and (out / BUDGET).exists():
        raise RainbenchError(
            f"{out} holds small trainings, and their part of the tables would be lost",
            hint="Give another --out, or --run, which does not train again what is trained.",
        )
    registry = load_registry(card_folders)
    claims = _chosen(load_claims(), only)
    published = load_published()
    findings = [found for claim in claims if (found := judge(claim, published, registry))]
    probed, readings = _probe(registry, claims, threads, quiet=as_json) if shipped else ([], [])
    tried: list[TrialFinding] = []
    grids: list[Grid] = []

    def keep(newly_tried: list[TrialFinding], scores: list[Grid]) -> None:
        """Write everything known so far, so that an interrupted call has its tables too."""
        nonlocal tried, grids
        tried = newly_tried
        grids = _grids(claims, findings, probed, tried, [*readings, *scores])
        if out is not None:
            _write(out, grids, rows_csv(findings, tried, probe_rows(probed)))

    if trained:
        from rainbench.claims.trials import Budget

        if clean is None or out is None:
            raise RainbenchError("--run needs --clean, the images to rain upon, and --out")
        budget = Budget(steps=steps, batch=batch, patch=patch, threads=threads)
        try_claims(registry, claims, budget, clean, out, width, seeds, keep=keep, quiet=as_json)
    else:
        keep([], [])
    _print(findings, probed, tried, grids, out, as_json=as_json)
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


def _probe(
    registry: Registry, claims: Sequence[Claim], threads: int, *, quiet: bool
) -> tuple[list[ProbeFinding], list[Grid]]:
    """Return what the shipped weights say, and a table of what was read off them."""
    from rainbench.claims.probe_tables import readings_grid
    from rainbench.claims.probe_values import passes_of, read_values
    from rainbench.claims.probes import judge_probe, parse_reading, readings_of

    wanted = [claim for claim in claims if claim.probe]
    if not wanted:
        raise RainbenchError("none of these claims is one that shipped weights can be asked")
    texts = readings_of(wanted)
    readings = [parse_reading(text) for text in texts]
    with progress("shipped weights", passes_of(readings), quiet=quiet) as advance:
        numbers = read_values(
            registry, readings, threads=threads, done=lambda name: advance(1, name)
        )
    values = dict(zip(texts, numbers, strict=True))
    return [judge_probe(claim, values) for claim in wanted], [readings_grid(values)]


def _grids(
    claims: Sequence[Claim],
    findings: Sequence[Finding],
    probed: Sequence[ProbeFinding],
    tried: Sequence[TrialFinding],
    measured: Sequence[Grid],
) -> list[Grid]:
    from rainbench.catalog.published import load_published
    from rainbench.claims.cells import spreads
    from rainbench.claims.probe_tables import probes_grid
    from rainbench.claims.tables import (
        open_grid,
        published_grid,
        spreads_grid,
        tests_grid,
        trials_grid,
    )

    decided = {finding.claim.id for finding in findings}
    decided |= {finding.claim.id for finding in tried if finding.comparisons}
    decided |= {finding.claim.id for finding in probed}
    shown = [claim for claim in claims if claim.tests]
    left = [claim for claim in claims if claim.id not in decided and not claim.tests]
    grids = [published_grid(findings), tests_grid(shown)]
    if probed:
        grids.append(probes_grid(probed))
    if tried:
        grids.append(trials_grid(tried))
    grids += measured
    grids.append(open_grid(left))
    if any(claim.id == "X1" for claim in claims):
        grids.append(spreads_grid(spreads(load_published())))
    return grids


def _write(out: Path, grids: Sequence[Grid], rows: str) -> None:
    import sys

    from rainbench.claims.tables import document
    from rainbench.commands.train import without_places
    from rainbench.core.files import write_atomically

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
    probed: Sequence[ProbeFinding],
    tried: Sequence[TrialFinding],
    grids: Sequence[Grid],
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from rainbench.claims.probe_tables import plain_probes
    from rainbench.claims.tables import as_plain

    if as_json:
        show_json({**as_plain(findings, tried), "shipped": plain_probes(probed)})
        return
    for finding in findings:
        show(f"{finding.claim.id:5}{finding.verdict:15}{finding.claim.claim}")
        for part in finding.parts:
            if not part.holds:
                show(f"{'':20}not so: {part.text}")
    for asked in probed:
        show(f"{asked.claim.id:5}{asked.verdict:30}{asked.claim.claim}")
    for trial in tried:
        show(f"{trial.claim.id:5}{trial.verdict:30}{trial.claim.claim}")
    counts = [f"{sum(f.verdict == word for f in findings)} {word}" for word in _VERDICTS]
    say(f"On the papers' own tables: {', '.join(counts)}.")
    if out is not None:
        say(f"Tables: {out / 'claims.md'}, {out / 'claims.csv'}")
    elif grids:
        say("`rainbench claims --out DIR` writes all numbers and the tests that show the rest.")


_VERDICTS = ("holds", "part", "does not hold")
