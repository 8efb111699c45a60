"""``rainbench run``: the main job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.clusters import cluster_option, crew_at, running_on
from rainbench.commands.config import config_options
from rainbench.commands.config import save_config as write_config
from rainbench.commands.detached import detach_option, go_on_detached, refuse_detached
from rainbench.commands.folders import ad_hoc, images_given, pairs_options
from rainbench.commands.networks import network_options, with_networks
from rainbench.commands.options import (
    PLACE,
    arithmetic_options,
    cards_option,
    data_option,
    json_option,
    metrics_option,
    open_named_metrics,
    open_registry,
    weights_option,
)
from rainbench.commands.real_rain import run_real_rain
from rainbench.core.errors import RainbenchError
from rainbench.core.files import refuse_inside
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of, duration
from rainbench.core.watch import is_own_process, watched

if TYPE_CHECKING:
    from rainbench.metrics.quality.registry import Opened
    from rainbench.report.rows import Row
    from rainbench.run.evaluate import Outcome
    from rainbench.run.options import Precision, RunOptions
    from rainbench.run.plan import Plan

SHOWN_MISSING = 6

MOST_RANKED = 6
"""Entries of a data set that the summary shows, the best first; the tables have them all."""


@click.command(
    "run",
    epilog="""\b
Examples:
  rainbench run --all
  rainbench run --all --data DIR --weights DIR --out runs/full
  rainbench run -b prenet -b sian.rain100l -d rain100l --data DIR --weights DIR --limit 10
  rainbench run -b identity -d rain100h --data DIR --json
  rainbench run -b my_net.py:Net --weights my.pth -d rain100l --data DIR
  rainbench run -b my_net.py:Net@my.pth -b identity --rainy DIR/rainy --clean DIR/clean
  rainbench run -b prenet.rain100h --weights DIR --rainy photographs/ --out runs/real
  rainbench run -b prenet -d rain100l --data DIR --weights DIR --metrics niqe,my.py:sharpness
  rainbench run --all --data DIR --weights DIR --device cuda --precision tf32 --batch 8
  rainbench run --all --data DIR --weights DIR --out runs/full --cluster local:2
  rainbench run --all --data DIR --out runs/full --cluster slurm:slurm.toml --detach
  rainbench run -b "prenet*" -d rain100l --data DIR --weights DIR --save-config benchmark.toml
  rainbench run benchmark.toml --limit 5""",
)
@config_options
@click.option(
    "--all", "everything", is_flag=True, help="Every entry but slow ones on every data set found."
)
@click.option(
    "-b",
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME[.TAG]",
    help="Entry, baseline (all its tags) or pattern; or a network of your own: my_net.py:Net, "
    "my_net.py:Net@my.pth, net.onnx, net.pt2, cmd:PROGRAM, NAME=any of these. May be repeated.",
)
@click.option(
    "-d",
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME",
    help="Data set or pattern (rain100*); may be repeated.",
)
@pairs_options
@data_option
@weights_option
@cards_option
@click.option(
    "--out",
    type=PLACE,
    default=Path("runs/latest"),
    show_default=True,
    help="Folder of the results; an interrupted run continues in it.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N images of each set.")
@click.option("--layout", default="", help="Take this packaging of the data set, see `show`.")
@click.option("--allow-partial", is_flag=True, help="Leave out and list unusable pairs.")
@arithmetic_options
@click.option(
    "--tile",
    type=int,
    metavar="N",
    default=0,
    help="Cut images into tiles of N pixels a side, 64 or more (0: never).  [default: 0]",
)
@click.option(
    "--overlap",
    type=int,
    metavar="N",
    help="Pixels that tiles share, 0 to half of --tile. [default: the network's receptive field, "
    "half a tile at most]",
)
@click.option(
    "--batch",
    type=int,
    metavar="N",
    default=1,
    show_default=True,
    help="Let N images of one size, 1 to 1024, go through a network together, where that gives "
    "what single images give.",
)
@metrics_option
@network_options
@click.option(
    "--parquet",
    is_flag=True,
    help="Write table.parquet and images.parquet, all scores, too; for large runs.",
)
@cluster_option
@detach_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    everything: bool,
    baselines: Sequence[str],
    datasets: Sequence[str],
    rainy: Path | None,
    clean: Path | None,
    images: str | None,
    image_list: Path | None,
    data_roots: tuple[Path, ...],
    weight_roots: Sequence[Path],
    card_folders: tuple[Path, ...],
    out: Path,
    limit: int | None,
    layout: str,
    allow_partial: bool,
    device: str,
    precision: Precision,
    tile: int,
    overlap: int | None,
    batch: int,
    metrics: tuple[str, ...],
    threads: int | None,
    parquet: bool,
    cluster: str,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    save_config: Path | None,
) -> None:
    """Score entries on data sets and write tables, each cell beside the papers'.

    CONFIG is a TOML file of options, as --save-config writes it: baseline = ["prenet"], dataset =
    ["rain100l"], data = ["data"], limit = 10. What is given beside it counts before it.
    """
    if not (everything or baselines or datasets or rainy or clean):
        raise RainbenchError(
            "nothing to run", hint="Give --all, or entries with -b and data sets with -d."
        )
    if detach:
        real = "real rain is not one" if rainy is not None and clean is None else ""
        refuse_detached("--dry-run ends at once" if dry_run else real)
    with watched() as watch, ExitStack() as stack:  # before anything large is loaded
        from rainbench.api.datasets import with_card
        from rainbench.api.evaluation import carry_out
        from rainbench.catalog.folders import readable_folders
        from rainbench.report.parquet import open_parquet, write_parquet
        from rainbench.run.cluster.beside import processes_for, run_shared, shared
        from rainbench.run.cluster.status import NAME as STATUS
        from rainbench.run.cost import estimate_seconds
        from rainbench.run.options import resolve_options
        from rainbench.run.plan import choose, make_plan, plan_for
        from rainbench.run.results import lock_run

        if parquet:
            open_parquet()
        elsewhere = bool(cluster) and not (dry_run and cluster.startswith("local:"))
        if batch > 1 and (cluster or (rainy and not clean)):
            raise RainbenchError(
                f"--batch {batch} is for pairs in one process",
                hint="Leave it out with --cluster, and for real rain.",
            )
        if elsewhere:  # the workers know their device, and what it computes in
            options = resolve_options("cpu", "fp32", tile, threads, overlap)
            options = replace(options, precision=precision)
        else:
            options = resolve_options(device, precision, tile, threads, overlap, batch)
        registry = open_registry(card_folders, out)
        # Before the run's folder is made: a slip of the pen leaves nothing behind.
        registry, baselines, weight_roots = with_networks(registry, baselines, weight_roots, watch)
        for problem in registry.problems:
            say(f"Left out: {problem}")
        choose(baselines, registry.entries)
        if rainy is not None and clean is None:
            if cluster or parquet:
                raise RainbenchError(
                    f"--{'cluster' if cluster else 'parquet'} is for pairs, and there are no clean "
                    "pictures",
                    hint="Leave it out: real rain is restored in this process.",
                )
            ctx.exit(
                run_real_rain(
                    rainy, registry, baselines, readable_folders(weight_roots), out, options,
                    metrics, limit=limit, dry_run=dry_run, as_json=as_json,
                )
            )  # fmt: skip
        wanted = images_given(images, image_list)
        folders = ad_hoc(registry, rainy, clean, datasets)
        if folders:
            refuse_inside(out, [folders.rainy, folders.clean])
        sets = [] if folders else choose(datasets, registry.datasets_of)
        if wanted and not folders and len(sets) != 1:
            raise RainbenchError(
                "--images and --list pick images of one data set: give one with -d"
            )
        data_folders, weight_folders = readable_folders(data_roots), readable_folders(weight_roots)
        opened = open_named_metrics(metrics, weight_folders)
        if save_config is not None:
            write_config(ctx, save_config)
        if detach:  # what is wrong with the call was told before
            ctx.exit(go_on_detached(out, out / STATUS, as_json=as_json))
        opening = crew_at(cluster, device, options, dry=dry_run) if cluster else nullcontext()
        crew = stack.enter_context(opening)
        options = crew.options if crew else options
        with nullcontext() if dry_run else lock_run(out):
            with progress("pairs checked", None, quiet=as_json) as advance:
                if folders:
                    pairs = folders.load(wanted, limit, advance, allow_partial=allow_partial)
                    plan = plan_for(pairs, registry, baselines, weight_folders)
                    registry = with_card(registry, pairs.card, None if dry_run else out)
                else:
                    plan = make_plan(
                        registry,
                        datasets=datasets,
                        baselines=baselines,
                        data_roots=data_folders,
                        weight_roots=weight_folders,
                        layout=layout,
                        limit=limit,
                        images=wanted,
                        allow_partial=allow_partial,
                        advance=advance,
                    )
            processes = 1
            if threads is None and not (crew or opened.ready) and is_own_process():
                processes = processes_for(plan, out, options)
                options = shared(options, processes)
            seconds = (
                crew.estimate(plan.runnable)
                if crew
                else estimate_seconds(plan, options) / processes
            )
            _print_plan(plan, options, out, seconds, processes, named=bool(datasets))
            if dry_run:
                if crew:
                    crew.check_cells(plan.runnable)
                if as_json:
                    show_json(_plan_dict(plan, options, seconds) | _metrics_dict(opened))
                return
            total = sum(len(cell.pairs.pairs) for cell in plan.runnable)
            run = running_on(crew, plan, out, opened, metrics, weight_folders)
            if processes > 1:
                run = partial(run_shared, plan, out, options, processes, watch)
            with progress("images", total, quiet=as_json) as advance:
                outcomes, rows = carry_out(
                    plan, out, options, registry, opened.ready,
                    watch=watch, advance=advance, run=run,
                )  # fmt: skip
            if parquet:
                write_parquet(out, rows)
        _print_summary(outcomes, rows, out, as_json=as_json)
        failed = opened.missing or any(each.state == "failed" or each.problems for each in outcomes)
        unusable = plan.unusable or registry.problems or (datasets and plan.absent)
        if not plan.runnable and (unusable or baselines):
            ctx.exit(2)
        ctx.exit(1 if failed or unusable else 0)


def _print_plan(
    plan: Plan, options: RunOptions, out: Path, seconds: float, processes: int, *, named: bool
) -> None:
    from rainbench.run.plan import how_to_get_dataset

    sets = {cell.pairs.label: len(cell.pairs.pairs) for cell in plan.cells}
    for name, images in sets.items():
        entries = [cell for cell in plan.runnable if cell.pairs.label == name]
        say(f"{name}: {count_of(images, 'image')}, {count_of(len(entries), 'entry')}")
    unfit = plan.unfit
    for label, group in groupby(unfit, key=lambda cell: cell.pairs.label):
        names = ", ".join(cell.entry.name for cell in group)
        say(f"  left out on {label}, a set of single images: {names} (for videos)")
    if plan.slow:
        names = ", ".join(entry.name for entry in plan.slow)
        say(f"  left out as slow: {names} (-b NAME runs them)")
    missing = dict.fromkeys(c.entry.name for c in plan.cells if c.missing and c not in unfit)
    if missing:
        shown = ", ".join(list(missing)[:SHOWN_MISSING]) + ", ..." * (len(missing) > SHOWN_MISSING)
        say(f"  no weights found for {count_of(len(missing), 'entry')} ({shown}):")
        say("  give their folder with --weights; `rainbench show ENTRY` says where they come from")
    if not plan.runnable and not plan.unusable and len(missing) == 1:
        say("  " + next(cell.missing for cell in plan.cells if cell.missing))
    for card, reason in plan.unusable:
        say(f"cannot use {card.name}: {reason}")
    if named:
        for card in plan.absent:
            say(f"cannot use {card.name}: {how_to_get_dataset(card)}")
    elif plan.absent:
        say(
            f"no copy found of {count_of(len(plan.absent), 'data set')} (`rainbench list datasets`)"
        )
    threads = f", {count_of(options.threads, 'thread')}" if options.device == "cpu" else ""
    if processes > 1:
        threads = f", {processes} processes of {count_of(options.threads, 'thread')}"
    cells = count_of(len(plan.runnable), "cell")
    batches = f", batches of {options.batch}" if options.batch > 1 else ""
    say(
        f"{cells} into {out} on {options.device} in {options.precision}"
        f"{batches}{threads}: about {duration(seconds)}"
    )


def _plan_dict(plan: Plan, options: RunOptions, seconds: float) -> dict[str, object]:
    return {
        "cells": [
            {
                "dataset": cell.pairs.label,
                "entry": cell.entry.name,
                "images": len(cell.pairs.pairs),
                "missing": cell.missing,
            }
            for cell in plan.cells
        ],
        "unusable": [{"dataset": card.name, "reason": reason} for card, reason in plan.unusable],
        "absent": [card.name for card in plan.absent],
        "options": options.key_parts(),
        "seconds": round(seconds, 1),
    }


def _metrics_dict(opened: Opened) -> dict[str, object]:
    ready = [each.metric.name for each in opened.ready]
    found: dict[str, object] = {"metrics": ready, "missing_metrics": dict(opened.missing)}
    return found if ready or opened.missing else {}


def _print_summary(outcomes: list[Outcome], rows: list[Row], out: Path, *, as_json: bool) -> None:
    from rainbench.report.tables import row_json
    from rainbench.run.results import OTHER_PICTURES

    run = {(outcome.cell.pairs.card.name, outcome.cell.entry.name) for outcome in outcomes}
    before = [row for row in rows if (row.dataset, row.entry) not in run]
    rows = [row for row in rows if (row.dataset, row.entry) in run]
    counts = Counter(outcome.state for outcome in outcomes)
    if as_json:
        show_json({"cells": dict(counts), "rows": [row_json(row) for row in rows]})
        return
    _print_ranking(rows)
    for outcome in outcomes:
        if outcome.state == "failed":
            say(f"failed: {outcome.cell.entry.name} on {outcome.cell.pairs.label}: {outcome.note}")
            if outcome.hint:
                say(f"  {outcome.hint}")
        for problem in outcome.problems:
            say(f"{outcome.cell.entry.name} on {outcome.cell.pairs.label}: {problem}")
    datasets = {dataset for dataset, _ in run}
    for row in before:
        if row.dataset in datasets and OTHER_PICTURES.format(row.dataset) in row.note:
            say(f"no longer in the table: {row.note}")
    without = len({outcome.cell.entry.name for outcome in outcomes if outcome.state == "missing"})
    del counts["missing"]
    said = [f"{count} {state}" for state, count in sorted(counts.items())]
    said += [f"{count_of(without, 'entry')} left out for want of weights"] if without else []
    say(", ".join(said) or "nothing ran")
    say(f"Tables: {out / 'table'}.md, .csv, .json, .tex")


def _print_ranking(rows: Sequence[Row]) -> None:
    """Print the best of each data set under its default protocol, the input and every failure."""
    from rainbench.pairs.pixels.readings import DOUBTFUL
    from rainbench.report.grid import number
    from rainbench.run.options import PRECISIONS

    measured = [row for row in rows if row.is_default and row.state != "missing"]
    width = max((len(row.entry) for row in measured), default=0)
    for dataset, group in groupby(measured, key=lambda row: row.dataset):
        members = sorted(
            group, key=lambda row: (not row.images, -(row.psnr or 0), -(row.ssim or 0))
        )
        best, left_out = members[0], 0
        show(f"{dataset}, {count_of(best.images, 'image')}, {best.protocol}: PSNR in dB / SSIM")
        for place, row in enumerate(members):
            if row.images and place >= MOST_RANKED and row.entry != "identity":
                left_out += 1
                continue
            value = f"{number(row.psnr, 2):>6} / {number(row.ssim, 4)}" if row.images else row.note
            beside = ""
            if row.published:
                beside = (
                    f"   {row.published.where}: {number(row.reported_psnr, 2)} / "
                    f"{number(row.reported_ssim, 3)}  {row.state}"
                )
            measured_too = "".join(
                f"   {name} {number(column.mean, column.digits) or 'failed'}"
                for name, column in row.metrics.items()
            )
            how = "".join(
                f"   {'in ' * (remark in PRECISIONS)}{remark}"
                for remark in row.remarks.split("; ")
                if remark in PRECISIONS or remark.startswith(DOUBTFUL)
            )
            show(f"  {row.entry:{width}}  {value}{how}{measured_too}{beside}")
        if left_out:
            show(f"  and {left_out} more in the tables")
