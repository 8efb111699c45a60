"""``rainbench claims``: what tables, shipped weights and small trainings say of papers' claims."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.clusters import builders_at, cluster_option, pool_of
from rainbench.commands.options import PLACE, cards_option, json_option, open_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of, did_you_mean

if TYPE_CHECKING:
    from rainbench.catalog.registry import Registry
    from rainbench.claims.document import Findings
    from rainbench.claims.sentences import Claim


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
    type=PLACE,
    help="The clean images that the trainings rain upon.",
)
@click.option(
    "--out",
    type=PLACE,
    help="Folder of claims.md and claims.csv, and of the trainings, which continue there.",
)
@click.option("--steps", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--seeds", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option("--width", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--patch", type=click.IntRange(min=16), default=32, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@cluster_option
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
    cluster: str,
    card_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Evaluate the papers' claims on their own published tables.

    With --shipped, ask what the shipped weights make of the embedded sets, which takes a minute or
    two. With --run, try some claims by small trainings.

    Exit code 1 when the arithmetic finds something else than the person who read the tables.
    """
    from rainbench.catalog.published import load_published
    from rainbench.claims.document import Findings
    from rainbench.claims.printed import Tables, spreads
    from rainbench.claims.sentences import Finding, load_claims
    from rainbench.claims.trainings import BUDGET
    from rainbench.core.files import refuse_inside

    if out is not None and not trained and (out / BUDGET).exists():
        raise RainbenchError(
            f"{out} holds small trainings, and their part of the tables would be lost",
            hint="Give another --out, or --run, which does not train again what is trained.",
        )
    registry = open_registry(card_folders)
    claims = _chosen(load_claims(), only)
    published = load_published(registry.folders)
    tables = [
        Finding(claim, tuple(claim.on_tables(Tables(published, registry, claim.paper))))
        for claim in claims
        if claim.on_tables
    ]
    found = Findings(claims=claims, tables=tables, spreads=spreads(published))
    if shipped:
        found = _ask(registry, found, threads, quiet=as_json)
    if trained:
        if clean is None or out is None:
            raise RainbenchError("--run needs --clean, the images to rain upon, and --out")
        refuse_inside(out, [clean])
        changes = {"steps": steps, "batch": batch, "patch": patch}
        # Everything known so far is written each time: an interrupted call has its tables too.
        for found in _try(  # noqa: B020 (the findings grow)
            registry, found, changes, clean, out,
            width=width, seeds=seeds, threads=threads, cluster=cluster, quiet=as_json,
        ):  # fmt: skip
            _write(out, found)
    elif out is not None:
        _write(out, found)
    _print(found, out, as_json=as_json)
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


def _ask(registry: Registry, found: Findings, threads: int, *, quiet: bool) -> Findings:
    """Return the findings with what the shipped weights say."""
    from rainbench.claims.readings import Weights
    from rainbench.claims.sentences import Finding

    asking = [claim for claim in found.claims if claim.on_weights]
    if not asking:
        raise RainbenchError("none of these claims is one that shipped weights can be asked")
    weights, answers = Weights(registry, threads), []
    with progress("shipped weights", len(asking), quiet=quiet) as advance:
        for claim in asking:
            assert claim.on_weights is not None
            answers.append(Finding(claim, tuple(claim.on_weights(weights))))
            advance(1, claim.id)
    return replace(found, weights=answers, readings=weights.values)


def _try(
    registry: Registry,
    found: Findings,
    changes: Mapping[str, int],
    clean: Path,
    out: Path,
    *,
    width: int,
    seeds: int,
    threads: int,
    cluster: str,
    quiet: bool,
) -> Iterator[Findings]:
    """Yield the findings with what small trainings say: at first, and after each of them."""
    from rainbench.claims import trainings
    from rainbench.claims.document import scores_grid
    from rainbench.claims.sentences import judge_by_trainings
    from rainbench.core.files import lock_folder

    asking = [claim for claim in found.claims if claim.by_training]
    if not asking:
        raise RainbenchError("none of these claims can be tried by small trainings")
    asked = trainings.Trainings(seeds=seeds)
    for claim in asking:
        assert claim.by_training is not None
        claim.by_training(asked)
    words = (
        f"{count_of(changes['steps'], 'step')} of {changes['batch']} patches of "
        f"{changes['patch']}x{changes['patch']}, networks of width {width}"
    )
    say(f"{count_of(len(asked.asked) * seeds, 'training')} of {words}, into {out}")
    opened = builders_at(cluster, out) if cluster else nullcontext()
    with opened as crew, lock_folder(out, "set of trainings"):
        trainings.claim_budget(out, f"{words}, on images of {clean.name}")
        settings = {
            rain: trainings.open_setting(registry, clean, rain, changes["patch"])
            for rain in dict.fromkeys(rain for rain, _ in asked.asked)
        }
        trials = trainings.trials_of(
            registry, asked, settings, out, changes, width=width, threads=threads
        )
        sizes = {name: trial.job.parameters for (_, name, _), trial in trials.items()}
        words = f"{words}, {count_of(seeds, 'seed')}"
        pool = pool_of(crew, [file for file in clean.rglob("*") if file.is_file()], out)
        with progress("trainings", len(trials), quiet=quiet) as advance:
            for scores in trainings.run_trials(trials, advance, pool):
                yield replace(
                    found,
                    trainings=[judge_by_trainings(claim, scores, seeds) for claim in asking],
                    scores=[
                        scores_grid(rain, scores, settings[rain], sizes, words)
                        for rain in dict.fromkeys(rain for rain, *_ in scores)
                    ],
                )


def _write(out: Path, found: Findings) -> None:
    from rainbench.commands.recorded import recorded
    from rainbench.core.files import write_atomically, writing

    text = found.document("The papers' claims", f"Made by `{recorded(sys.argv[1:])}`.")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / "claims.md", text.encode())
        write_atomically(out / "claims.csv", found.rows_csv().encode())


def _print(found: Findings, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        show_json(found.as_plain())
        return
    for finding in found.tables:
        show(f"{finding.claim.id:5}{finding.verdict:15}{finding.claim.sentence}")
        for part in finding.parts:
            if part.verdict != "holds":
                show(f"{'':20}not so: {part.text}")
    for other in (*found.weights, *found.trainings):
        show(f"{other.claim.id:5}{other.verdict:30}{other.claim.sentence}")
    verdicts = [finding.verdict for finding in found.tables]
    counts = [f"{verdicts.count(word)} {word}" for word in ("holds", "part", "does not hold")]
    say(f"On the papers' own tables: {', '.join(counts)}.")
    if out is not None:
        say(f"Tables: {out / 'claims.md'}, {out / 'claims.csv'}")
    else:
        say("`rainbench claims --out DIR` writes all numbers and the tests that show the rest.")
