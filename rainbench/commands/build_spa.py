"""``rainbench build-spa``: real rain/clean pairs from static-camera videos."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from rainbench.commands.clusters import builders_at, check_files, cluster_option, pool_of
from rainbench.commands.options import (
    PLACE,
    NumberRange,
    also_option,
    device_option,
    dry_run_option,
    json_option,
    print_data_sets,
    workers_option,
)
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import count_of, duration

if TYPE_CHECKING:
    from rainbench.spa.builder import BuildReport
    from rainbench.spa.plan import SpaPlan
    from rainbench.spa.summary import SummaryRow


SHOWN_PASSED_OVER = 10
"""Lines for files that may be taken for videos and are not read."""

METHODS = (
    "robust", "exact", "spanet-reference", "lowrank", "mode", "median", "mean", "min",
    "fastderain", "jiang2017", "wei2017", "ms-csc",
)  # fmt: skip


@click.command(
    "build-spa",
    epilog="""\b
Examples:
  rainbench build-spa videos/ --out runs/rain
  rainbench build-spa yard.mp4 street.mov --out runs/rain --layout pairs
  rainbench build-spa videos/ --out runs/rain --review   (then: rainbench review runs/rain)
  rainbench build-spa videos/ --out runs/rain --dry-run
  rainbench build-spa videos/ --out runs/rain --write-videos videos/videos.csv
  rainbench build-spa videos/ --out runs/rain --cluster file:/shared/cluster.json
  rainbench run -b prenet -d spa-rain --cards runs/rain/dataset --data runs/rain/dataset""",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=PLACE)
@click.option(
    "--out",
    type=PLACE,
    required=True,
    help="Folder of the results; an interrupted build continues in it.",
)
@click.option(
    "--videos",
    "table",
    type=PLACE,
    metavar="FILE",
    help="Table (CSV or TOML) of options and origin of each video. [default: videos.csv or "
    "videos.toml in a folder given]",
)
@click.option(
    "--write-videos",
    "template",
    type=PLACE,
    metavar="FILE",
    help="Write such a table to fill in, with a row per video, and end.",
)
@click.option(
    "--method",
    type=click.Choice([*METHODS, "notebook"]),  # the former name of spanet-reference
    metavar=f"[{'|'.join(METHODS)}]",
    default="robust",
    show_default=True,
    help="How the clean frame is made; the last four are backgrounds of video methods, for "
    "comparison: they take seconds to minutes for a frame, and all frames at once into memory.",
)
@click.option(
    "--frames",
    default="",
    metavar="N|auto|paper",
    help="Frames to use; auto: all, then half as many while the judge rejects them; paper: by "
    "density, and more while the judge asks for them. [default: all, 300 to 1000 at most]",
)
@click.option(
    "--density",
    type=click.Choice(["auto", "sparse", "normal", "dense"]),
    default="auto",
    show_default=True,
    help="Of the rain: with --frames paper, start with 20, 100 or 200 frames, add 10, 20 or 50.",
)
@click.option(
    "--align/--no-align",
    default=None,
    help="Correct shake and light always or never. [default: where a sequence is not static]",
)
@click.option(
    "--min-psnr",
    type=float,
    default=36.0,
    show_default=True,
    metavar="DB",
    help="Reject clean frames whose estimated PSNR is lower.",
)
@click.option(
    "--layout",
    type=click.Choice(["spa", "pairs"]),
    default="spa",
    show_default=True,
    help="File names of SPA-Data, or plain rainy/, clean/ and mask/.",
)
@click.option(
    "--crop",
    type=click.IntRange(min=0),
    help="Side of the crops, 0 for whole frames. [default: 256 with spa, 0 with pairs]",
)
@click.option(
    "--max-frames",
    type=click.IntRange(min=1),
    help="Pairs of at most N frames of a sequence, evenly spread. [default: all frames used]",
)
@click.option(
    "--test-share",
    type=NumberRange(0, 1),
    default=0.2,
    show_default=True,
    help="Share of the videos whose pairs are for testing.",
)
@click.option(
    "--test-pairs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most pairs for testing, evenly from all test videos. [default: 1000 with spa, all with "
    "pairs]",
)
@click.option(
    "--allow-objects",
    type=NumberRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Keep pairs in which walkers, cars and other things that are not rain cover at most this "
    "share; masks of them are then written, too.",
)
@click.option("--review", is_flag=True, help="A person decides: see `rainbench review`.")
@click.option("--allow-truncated", is_flag=True, help="Use the good frames before a damaged one.")
@also_option
@workers_option
@cluster_option
@device_option("Where --method exact counts its votes; all others run on the CPU.")
@click.option(
    "--memory",
    default="",
    metavar="SIZE",
    help="Memory for frames, of each machine. [default: a quarter of the RAM]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For choosing test videos.")
@click.option("--name", default="", help="Of the data set. [default: spa- and the folder's name]")
@dry_run_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    paths: tuple[Path, ...],
    out: Path,
    table: Path | None,
    template: Path | None,
    frames: str,
    density: Literal["auto", "sparse", "normal", "dense"],
    also: tuple[str, ...],
    device: str,
    memory: str,
    name: str,
    cluster: str,
    dry_run: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - those of `SpaOptions`
) -> None:
    """Make pairs of real rainy frames and one clean frame from videos of a static camera.

    PATH is a video, a folder of images, a .mat stack, or a folder that holds any of them at any
    depth. Every scene becomes a sequence with a clean frame that is judged: accepted, made again
    from more frames, or rejected. What is accepted becomes a data set in OUT/dataset.
    """
    from rainbench.core.machine import default_memory
    from rainbench.core.text import parse_size
    from rainbench.packaging.package import Extras
    from rainbench.run.results import lock_run
    from rainbench.spa.builder import build_spa
    from rainbench.spa.inputs import find_inputs
    from rainbench.spa.options import SpaOptions, choose_device, data_set_name, parse_frames
    from rainbench.spa.plan import estimate_seconds, plan_build
    from rainbench.spa.table.entries import write_template

    spa_options = SpaOptions(
        frames=parse_frames(frames),
        density=None if density == "auto" else density,
        device=choose_device(device, options["method"], here=not cluster),
        memory=parse_size(memory) if memory else default_memory(),
        name=name or data_set_name(out),
        **options,
    )
    if template is not None:
        write_template(template, find_inputs(paths, out))
        say(f"{template}: fill in what is known, and give it as --videos {template}")
        return
    plan = plan_build(paths, out, spa_options, table)
    with ExitStack() as stack:
        crew = None
        if cluster:
            crew = stack.enter_context(builders_at(cluster, out, spa_options.device, dry=dry_run))
        if crew is not None:
            many = replace(spa_options, workers=len(crew.looks))
            plan = replace(plan, seconds=estimate_seconds(plan.videos, many))
            own = spa_options.memory if memory else crew.least_memory
            spa_options = replace(spa_options, workers=crew.most_on_a_machine, memory=own)
        _print_plan(plan, spa_options.name, out)
        if dry_run:
            check_files(crew, plan.files)
            if as_json:
                show_json(plan.as_table())
            ctx.exit(1 if plan.unusable else 0)
        with lock_run(out), progress("videos", len(plan.videos), quiet=as_json) as advance:
            report = build_spa(
                plan,
                out,
                spa_options,
                extras=Extras.of(also),
                advance=advance,
                pool=pool_of(crew, plan.files, out, spa_options.device),
            )
    for warning in report.warnings:
        say(f"warning: {warning}")
    _print_report(report, out, as_json=as_json)
    ctx.exit(1 if any(row.state == "failed" for row in report.rows) else 0)


def _print_plan(plan: SpaPlan, name: str, out: Path) -> None:
    for video in plan.videos:
        say(video.line())
    if plan.table:
        named = sum(bool(video.entry.place) for video in plan.videos)
        say(f"{plan.table} says something of {named} of them")
    for label, reason in plan.unusable:
        say(f"cannot use {label}: {reason}")
    for label, other in plan.duplicates:
        say(f"left out {label}: the same bytes as {other}")
    for label, reason in plan.passed_over[:SHOWN_PASSED_OVER]:
        say(f"passed over {label}: {reason}")
    if (more := len(plan.passed_over) - SHOWN_PASSED_OVER) > 0:
        say(f"and {more} more passed over (--dry-run --json lists all)")
    videos = count_of(len(plan.videos), "video")
    say(f"{videos} into {name} in {out}: about {duration(plan.seconds)}")


def _print_report(report: BuildReport, out: Path, *, as_json: bool) -> None:
    if as_json:
        show_json(report.as_table())
        return
    for row in report.rows:
        show(_line(row))
    say(report.totals)
    if any(row.state == "waiting" for row in report.rows):
        say(f"Decide with `rainbench review {out}`, then run the same command again.")
    say(f"Summary: {out / 'summary.md'}")
    print_data_sets(report.cards, out / "dataset")


def _line(row: SummaryRow) -> str:
    where = row.sequence or row.video
    if not row.frames:
        return f"{row.state}: {where}: {row.reason}"
    judged = f"{row.estimated_psnr:.1f} dB" if row.estimated_psnr is not None else "not judged"
    detail = f"{row.frames} frames, {judged}" + (
        f", {count_of(row.pairs, 'pair')}" if row.pairs else ""
    )
    return f"{row.state}: {where}: {detail}" + (f": {row.reason}" if row.reason else "")
