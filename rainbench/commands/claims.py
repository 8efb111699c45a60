"""``rainbench claims``: what tables, shipped weights and small trainings say of papers' claims."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.options import cards_option, json_option, open_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import did_you_mean

if TYPE_CHECKING:
    from rainbench.catalog.registry import Registry
    from rainbench.claims.measured import Reading
    from rainbench.claims.verdicts import Claim, Finding, TableFinding
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
    help="Folder of claims.md and claims.csv, and of the trainings, which continue there.",
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
    from rainbench.claims.document import grids_of, readings_grid, rows_csv
    from rainbench.claims.printed import spreads
    from rainbench.claims.trials import Budget
    from rainbench.claims.verdicts import judge_by_tables, judge_by_weights, load_claims
    from rainbench.commands.claim_trials import BUDGET, try_claims

    if out is not None and not trained and (out / BUDGET).exists():
        raise RainbenchError(
            f"{out} holds small trainings, and their part of the tables would be lost",
            hint="Give another --out, or --run, which does not train again what is trained.",
        )
    registry = open_registry(card_folders)
    claims = _chosen(load_claims(), only)
    published = load_published()
    judged = (judge_by_tables(claim, published, registry) for claim in claims)
    tables = [finding for finding in judged if finding is not None]
    readings: dict[Reading, tuple[float, ...]] = {}
    if shipped:
        readings = _read(registry, claims, threads, quiet=as_json)
    asked = [judge_by_weights(claim, readings) for claim in claims if readings and claim.on_weights]
    tried: list[Finding] = []

    def keep(newly_tried: list[Finding], scores: list[Grid]) -> None:
        """Write everything known so far, so that an interrupted call has its tables too."""
        tried[:] = newly_tried
        if out is not None:
            measured = [*([readings_grid(readings)] if readings else []), *scores]
            grids = grids_of(claims, tables, asked, tried, measured, spreads(published))
            _write(out, grids, rows_csv(tables, tried, asked))

    if trained:
        if clean is None or out is None:
            raise RainbenchError("--run needs --clean, the images to rain upon, and --out")
        budget = Budget(steps=steps, batch=batch, patch=patch, threads=threads)
        try_claims(registry, claims, budget, clean, out, width, seeds, keep=keep, quiet=as_json)
    else:
        keep([], [])
    _print(tables, asked, tried, out, as_json=as_json)
    wrong = [finding for finding in tables if finding.disagrees]
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


def _read(
    registry: Registry, claims: Sequence[Claim], threads: int, *, quiet: bool
) -> dict[Reading, tuple[float, ...]]:
    """Return what the claims need to be read off the shipped weights, each reading once."""
    from rainbench.claims.readings import passes_of, read_values

    readings = dict.fromkeys(reading for claim in claims for reading in claim.readings)
    if not readings:
        raise RainbenchError("none of these claims is one that shipped weights can be asked")
    with progress("shipped weights", passes_of(readings), quiet=quiet) as advance:
        return read_values(registry, readings, threads=threads, done=lambda name: advance(1, name))


def _write(out: Path, grids: Sequence[Grid], rows: str) -> None:
    import sys

    from rainbench.claims.document import document
    from rainbench.commands.train import without_places
    from rainbench.core.files import write_atomically, writing

    command = shlex.join(["rainbench", *without_places(sys.argv[1:])])
    text = document("The papers' claims", grids, f"Made by `{command}`.")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / "claims.md", text.encode())
        write_atomically(out / "claims.csv", rows.encode())


def _print(
    tables: Sequence[TableFinding],
    asked: Sequence[Finding],
    tried: Sequence[Finding],
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from rainbench.claims.document import as_plain

    if as_json:
        show_json(as_plain(tables, tried, asked))
        return
    for finding in tables:
        show(f"{finding.claim.id:5}{finding.verdict:15}{finding.claim.sentence}")
        for part in finding.parts:
            if not part.holds:
                show(f"{'':20}not so: {part.text}")
    for other in (*asked, *tried):
        show(f"{other.claim.id:5}{other.verdict:30}{other.claim.sentence}")
    words = ("holds", "part", "does not hold")
    counts = [f"{sum(f.verdict == word for f in tables)} {word}" for word in words]
    say(f"On the papers' own tables: {', '.join(counts)}.")
    if out is not None:
        say(f"Tables: {out / 'claims.md'}, {out / 'claims.csv'}")
    else:
        say("`rainbench claims --out DIR` writes all numbers and the tests that show the rest.")
