"""Scoring models on data sets: what ``rainbench run`` does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rainbench.api.datasets import Dataset, check_limit, with_card
from rainbench.api.models import Folders, Model, as_folders, is_own
from rainbench.api.results import Results
from rainbench.catalog.folders import readable_folders, run_cards
from rainbench.catalog.registry import Entry, Registry, load_registry
from rainbench.catalog.weights import find_weights
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import Advance, progress, unseen
from rainbench.core.watch import Watch
from rainbench.report.tables import write_tables
from rainbench.run.cluster.status import Status
from rainbench.run.evaluate import Outcome, run_plan
from rainbench.run.options import RunOptions, resolve_options
from rainbench.run.plan import Plan, cells_of, find_sets, how_to_get_dataset
from rainbench.run.results import RunResults, lock_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from rainbench.metrics.quality.record import ReadyMetric
    from rainbench.pairs.load import PairSet
    from rainbench.report.rows import Row

    Scored = str | Model | nn.Module | Callable[..., object]

TABLES_REST = 60
"""How many times as long as tables took to write they are left alone, until the run ends."""


def evaluate(
    models: Scored | Sequence[Scored],
    datasets: str | Dataset | Sequence[str | Dataset],
    *,
    out: str | Path,
    data: Folders = (),
    weights: Folders = (),
    cards: Folders = (),
    limit: int | None = None,
    layout: str = "",
    allow_partial: bool = False,
    device: str = "auto",
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32",
    tile: int = 0,
    overlap: int | None = None,
    threads: int | None = None,
    quiet: bool = True,
) -> Results:
    """Score models on data sets under every protocol, and write the tables.

    Whatever is finished in ``out`` already, of the same models, pictures, options and code, is
    kept, so that an interrupted call goes on when it is made again. A model that fails, and one
    whose weights are missing, are rows with their reason; see `Results.failures`.

    Args:
        models: Names or patterns, see `rainbench.list_models`, models of `rainbench.load_model`,
            modules, functions, and whatever else that takes.
        datasets: Names or patterns, and data sets of `rainbench.load_dataset`.
        out: Folder of the results.
        data: Folders that data sets lie in.
        weights: Folders that weights lie in.
        cards: Folders of further cards.
        limit: Only the first so many pairs of each data set that is given by name.
        layout: Take this packaging of them.
        allow_partial: Leave out and list their unusable pairs.
        device: As all that follow, see `rainbench.load_model`.
        precision: Of the networks' arithmetic.
        tile: Side of tiles; 0: none.
        overlap: Pixels that they share.
        threads: Of the networks on the CPU.
        quiet: Show no progress.

    Raises:
        RainbenchError: A name means nothing, no data set can be used, another run is at work in
            ``out``, or nothing can be written there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = evaluate(["identity", "median"], "mini-streaks", out=folder, limit=2)
        ...     results.to_dataframe().query("protocol == 'prenet-y'")["entry"].tolist()
        ['identity', 'median']
    """
    check_limit(limit)
    registry = load_registry([*as_folders(cards), *run_cards(Path(out))])
    options = resolve_options(device, precision, tile, threads, overlap)
    registry, entries = _entries(_listed(models), registry, readable_folders(as_folders(weights)))
    words = [each for each in _listed(datasets) if isinstance(each, str)]
    sets: list[PairSet] = [each.pairs for each in _listed(datasets) if isinstance(each, Dataset)]
    with lock_run(Path(out)):
        for pairs in sets:
            if pairs.card.name not in registry.datasets:
                registry = with_card(registry, pairs.card, Path(out))
        plan = Plan(())
        if words:
            found, unusable, absent = find_sets(
                registry,
                words,
                data_roots=as_folders(data),
                layout=layout,
                limit=limit,
                allow_partial=allow_partial,
            )
            sets += found
            plan = Plan((), tuple(unusable), tuple(absent))
        if not sets:
            raise RainbenchError(_nothing(plan, words))
        plan = Plan(tuple(cells_of(sets, entries)), plan.unusable, plan.absent)
        total = sum(len(cell.pairs.pairs) for cell in plan.runnable)
        with progress("images", total, quiet=quiet) as advance:
            outcomes, _ = carry_out(plan, Path(out), options, registry, advance=advance)
    return Results(Path(out), registry, plan=plan, outcomes=tuple(outcomes))


def carry_out(
    plan: Plan,
    out: Path,
    options: RunOptions,
    registry: Registry,
    metrics: Sequence[ReadyMetric] = (),
    *,
    watch: Watch | None = None,
    advance: Advance = unseen,
    run: Callable[[Advance], Iterator[Outcome]] | None = None,
) -> tuple[list[Outcome], list[Row]]:
    """Run a plan in a folder that is locked, and write its tables, now and then on the way too.

    Args:
        plan: What to do.
        out: The run's folder.
        options: How to compute.
        registry: The cards.
        metrics: What to measure beside the protocols.
        watch: Is told what is being worked on, see `rainbench.run.evaluate.run_plan`.
        advance: Called with how many images have just been finished, and of which cell.
        run: Runs the plan elsewhere, and yields what became of its cells in any order.

    Returns:
        What became of each cell, in the plan's order, and the rows of the tables.

    Raises:
        StoreError: The run's folder cannot be written.
    """
    RunResults(out).write_plan(plan)
    outcomes, due = [], 0.0
    with Status(out, plan) as status:
        counting = status.counting(advance)
        found = (
            run_plan(plan, out, options, watch=watch, advance=counting, metrics=metrics)
            if run is None
            else run(counting)
        )
        for outcome in found:
            outcomes.append(outcome)
            status.finished(outcome)
            if (before := time.monotonic()) >= due:
                write_tables(out, registry, final=False)
                now = time.monotonic()
                due = now + TABLES_REST * (now - before)
    places = {id(cell): place for place, cell in enumerate(plan.cells)}
    outcomes.sort(key=lambda outcome: places[id(outcome.cell)])
    return outcomes, write_tables(out, registry)


def _listed(given: object) -> list[Any]:
    if isinstance(given, Iterator | set | frozenset) or (
        isinstance(given, Sequence) and not isinstance(given, str)
    ):
        return list(given)
    if given is None or isinstance(given, Mapping):
        raise RainbenchError(f"a {type(given).__name__} was given", hint="Give a list.")
    return [given]


def _entries(
    models: Sequence[Scored], registry: Registry, weights: list[Path]
) -> tuple[Registry, list[tuple[Entry, Path | None]]]:
    """Return the entries that are meant with their weights, and a registry that knows them all."""
    found: dict[str, tuple[Entry, Path | None]] = {}
    for model in models:
        if isinstance(model, Model):
            chosen = [(model.entry, model.predictor.weights)]
            # What it holds may have changed since it was loaded.
            if renew := getattr(model.entry.baseline.maker, "renew", None):
                renew()
        elif is_own(model, registry):
            from rainbench.foreign.entry import entry_of

            entry = entry_of(model)
            chosen = [(entry, find_weights(entry, []))]
        else:
            entries = registry.entries([str(model)])
            chosen = [(entry, find_weights(entry, weights)) for entry in entries]
        for entry, file in chosen:
            if entry.baseline.maker is not None:
                registry = registry.plus([entry])
            found.setdefault(entry.name, (entry, file))
    if not found:
        raise RainbenchError("no model was given")
    return registry, list(found.values())


def _nothing(plan: Plan, words: Sequence[str]) -> str:
    reasons = [f"{card.name}: {reason}" for card, reason in plan.unusable]
    reasons += [f"{card.name}: {how_to_get_dataset(card, 'data=')}" for card in plan.absent]
    return "\n".join(reasons) or f"no data set: {', '.join(words) or 'none was given'}"
