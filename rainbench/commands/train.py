"""``rainbench train ENTRY``: weights of one's own, by the paper's recipe."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.folders import is_installed
from rainbench.catalog.registry import Registry
from rainbench.commands.options import (
    AT_ONCE,
    PLACE,
    NumberRange,
    cards_option,
    data_option,
    device_option,
    json_option,
    open_registry,
    weights_option,
)
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import MOST_AT_ONCE
from rainbench.core.packed.remote import places_here
from rainbench.core.progress import progress, say, show, show_json
from rainbench.core.text import duration

if TYPE_CHECKING:
    from rainbench.train.export import Export
    from rainbench.train.job import Job
    from rainbench.train.loop import Trained
    from rainbench.train.material.variety import Span

KINDS = ("streaks", "drops", "mist", "joint")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:  # generic since click 8.4 only
    FloatType = click.ParamType


class Time(FloatType):
    """A length of time such as ``90s``, ``20m`` or ``1.5h``, in seconds."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the text."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value).strip())
        if not found or not float(found[1]):
            self.fail(f"{value} is no time: give 90s, 20m or 1.5h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.command(
    "train",
    epilog="""\b
Examples:
  rainbench train prenet_r --clean PHOTOS --rain streaks --time 20m --short
  rainbench train nasnet -d rain100l-train --data DIR --device cuda --precision bf16
  rainbench train nasnet --width 16 --clean PHOTOS --time 20m --short --name streaks-w16 \\
      --export weights/nasnet.streaks-w16.safetensors
  accelerate launch --num_processes 2 -m rainbench train sian -d rain100h-train --data DIR
  torchrun --nproc-per-node 2 -m rainbench train sian --clean PHOTOS --short --device cpu""",
)
@click.argument("baseline", metavar="ENTRY")
@click.option("-d", "--dataset", default="", metavar="NAME", help="Train on the pairs of this set.")
@data_option
@click.option(
    "--clean",
    type=PLACE,
    help="Train on the clean images of this folder, rained upon on the fly.",
)
@click.option(
    "--rain",
    type=click.Choice(KINDS),
    default="streaks",
    show_default=True,
    help="What comes onto the clean images.",
)
@click.option(
    "--span",
    type=click.Choice(["narrow", "wide"]),
    default="narrow",
    show_default=True,
    help="How far its streaks differ from patch to patch; wide: thin and faint ones, too.",
)
@click.option(
    "--untouched",
    type=NumberRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Of the patches, left without rain: to leave clean pictures as they are.",
)
@click.option(
    "--photographs",
    type=PLACE,
    help="Photographs of rain to learn from as well, where the recipe does (sirr).",
)
@click.option(
    "--from",
    "start_name",
    metavar="ENTRY",
    help="Start from these weights and their arguments instead of random ones.",
)
@weights_option
@click.option("--steps", type=click.IntRange(min=1), help="Length in steps. [default: the recipe]")
@click.option("--time", "seconds", type=Time(), help="Length in time: 90s, 20m, 1.5h.")
@click.option("--short", is_flag=True, help="Our settings for minutes instead of the paper's.")
@click.option("--batch", type=click.IntRange(min=1), help="Patches per step. [default: the recipe]")
@click.option(
    "--patch",
    type=click.IntRange(min=1),
    help="Side of the patches in pixels; no image may be smaller. [default: the recipe]",
)
@click.option(
    "--learning-rate",
    type=NumberRange(min=0, min_open=True),
    help="At the first step. [default: the recipe]",
)
@click.option("--schedule", type=click.Choice(["constant", "steps", "cosine"]))
@click.option("--clip", type=click.FloatRange(min=0), help="Largest norm of the gradients; 0: any.")
@click.option(
    "--width",
    type=click.IntRange(min=1),
    help="Channels of a narrow version; name it with --name.",
)
@click.option(
    "--argument",
    "given_arguments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another argument of the network's class; may be repeated.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random choice.")
@device_option("Where it trains.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--threads", type=AT_ONCE, help="On the CPU. [default: all cores]")
@click.option(
    "--workers", type=click.IntRange(0, MOST_AT_ONCE), help="Processes that prepare patches."
)
@click.option("--compile", "compiled", is_flag=True, help="Run through torch.compile.")
@click.option(
    "--channels-last/--channels-first",
    default=None,
    help="Order of the features in memory. [default: last on a GPU, first on the CPU]",
)
@click.option("--fused/--no-fused", default=True, show_default=True, help="One optimiser kernel.")
@click.option(
    "--out",
    type=PLACE,
    help="Folder of checkpoints and logs; an interrupted training goes on in it. "
    "[default: runs/train/ENTRY.NAME]",
)
@click.option("--name", "tag", metavar="TAG", help="The tag of the new weights.")
@click.option(
    "--export",
    "target",
    type=PLACE,
    help="Write the best weights to this .safetensors file and their table beside it.",
)
@click.option("--add-to-card", is_flag=True, help="Put the table on the baseline's card.")
@click.option("--validations", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--checkpoint-every",
    type=Time(),
    default="60s",
    show_default=True,
    help="Time between checkpoints, at most so much is lost.",
)
@click.option(
    "--log-to",
    multiple=True,
    type=click.Choice(["tensorboard", "wandb", "mlflow"]),
    help="Who gets the log's numbers, too; may be repeated. [default: tensorboard if installed]",
)
@cards_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    baseline: str,
    dataset: str,
    data_roots: tuple[Path, ...],
    clean: Path | None,
    rain: str,
    span: Span,
    untouched: float,
    photographs: Path | None,
    start_name: str | None,
    weight_roots: tuple[Path, ...],
    steps: int | None,
    seconds: float | None,
    short: bool,
    batch: int | None,
    patch: int | None,
    learning_rate: float | None,
    schedule: str | None,
    clip: float | None,
    width: int | None,
    given_arguments: tuple[str, ...],
    seed: int,
    device: str,
    precision: Literal["fp32", "bf16"],
    threads: int | None,
    workers: int | None,
    compiled: bool,
    channels_last: bool | None,
    fused: bool,
    out: Path | None,
    tag: str | None,
    target: Path | None,
    add_to_card: bool,
    validations: int,
    checkpoint_every: float,
    log_to: tuple[str, ...],
    card_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train the network of ENTRY by its paper's recipe; every value can be given instead.

    A training that was interrupted goes on when the same command is run again.
    """
    from rainbench.core.files import lock_folder, refuse_inside
    from rainbench.train.assemble import make_job, make_options, open_photographs, open_source
    from rainbench.train.engine import process_rank
    from rainbench.train.export import append_to_card
    from rainbench.train.recipes import resolve_recipe
    from rainbench.train.start import find_start
    from rainbench.train.trackers import check_trackers

    registry = open_registry(card_folders)
    card = _baseline(registry, baseline)
    if steps and seconds:
        raise RainbenchError("--steps and --time are two lengths: give one of them")
    if add_to_card and target is None:
        raise RainbenchError("--add-to-card needs --export, which writes the weights")
    if add_to_card and is_installed(card.file):
        raise RainbenchError(
            f"--add-to-card: {card.file} belongs to the installed package",
            hint="Copy it into a folder of yours under another name, which its key `name` has to "
            "say too, and train that name with --cards FOLDER. Or leave --add-to-card out: the "
            "table is written beside the weights.",
        )
    if target is not None and target.suffix != ".safetensors":
        raise RainbenchError(f"--export {target}: the file must end in .safetensors")
    check_trackers(log_to)
    given = {
        "steps": steps, "batch": batch, "patch": patch, "learning_rate": learning_rate,
        "schedule": schedule, "clip": clip,
    }  # fmt: skip
    changes = {name: value for name, value in given.items() if value is not None}
    recipe = resolve_recipe(
        card, changes, short=short, by_time=seconds is not None, dataset=dataset
    )
    options = make_options(
        seconds=seconds or 0.0, seed=seed, device=device, precision=precision, threads=threads,
        workers=workers, compiled=compiled, channels_last=channels_last, fused=fused,
        validations=validations, checkpoint_seconds=checkpoint_every, log_to=log_to,
    )  # fmt: skip
    weight_roots = tuple(places_here(weight_roots))
    start = find_start(registry, card, start_name, weight_roots) if start_name else None
    begun = start.card.arguments if start else {}
    arguments = {**card.arguments, **begun, **_arguments(given_arguments, width)}
    data_roots = tuple(places_here(data_roots))
    source = open_source(registry, dataset, data_roots, clean, rain, seed, span, untouched)
    photos = open_photographs(card, photographs)
    if tag is None:
        tag = "-".join(filter(None, (dataset or rain, f"w{width}" if width else "")))
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_-]*", tag):
        raise RainbenchError(f'--name "{tag}" has characters beyond a-z 0-9 _ -')
    out = out or Path("runs/train") / f"{card.name}.{tag}"
    refuse_inside(out, [each for each in (clean, photographs) if each])
    # Of several processes the first one writes and speaks.
    first = process_rank() == 0
    _speak(first)
    with lock_folder(out, "training") if first else contextlib.nullcontext():
        job = make_job(
            registry, card, arguments, recipe, options, source, data_roots, photos, start
        )
        if first:
            _announce(job, out)
        trained = _train(job, out, quiet=as_json or not first)
        if not first:
            ctx.exit(130 if trained.interrupted else 0)
        export = None
        if trained.interrupted:
            say(f"Interrupted. The same command goes on from {out}.")
            ctx.exit(130)
        if target is not None:
            export = _export(job, trained, out, target, tag, table_beside=not add_to_card)
            if add_to_card:
                append_to_card(card.file, export)
    _summary(job, trained, out, export, added=add_to_card, as_json=as_json)


def _speak(first: bool) -> None:
    """Show how a training goes, unless only errors are wanted; other processes say nothing."""
    package = logging.getLogger("rainbench")
    for shown in package.handlers[:1]:  # the screen; behind it stands the file of --log
        if not first:
            package.handlers = []
        elif shown.level == logging.WARNING:
            logging.getLogger("rainbench.train").setLevel(logging.INFO)
            shown.setLevel(logging.INFO)
            shown.addFilter(
                lambda record: (
                    record.levelno >= logging.WARNING or record.name.startswith("rainbench.train")
                )
            )


def _baseline(registry: Registry, name: str) -> BaselineCard:
    """Return the card of a baseline; an entry's tag says nothing here and is left off."""
    return registry.baseline(name.partition(".")[0])


def _arguments(given: tuple[str, ...], width: int | None) -> dict[str, object]:
    """Read ``KEY=VALUE`` texts; values are TOML, and bare words are texts."""
    import tomllib

    arguments: dict[str, object] = {} if width is None else {"width": width}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise RainbenchError(f"--argument {text} must be KEY=VALUE")
        try:
            arguments[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            arguments[key] = value
    return arguments


def _announce(job: Job, out: Path) -> None:
    recipe, options = job.recipe, job.options
    length = duration(options.seconds) if options.seconds else f"{recipe.steps:,} steps"
    losses = " + ".join(
        f"{term.weight:g} {term.label}" if term.weight != 1 else term.label
        for term in recipe.losses
    )
    arguments = ", ".join(f"{name}={value}" for name, value in job.arguments.items())
    say(f"{job.card.title} ({arguments or 'no arguments'}) into {out}: {length}")
    say(f"  data: {job.source.label}, {len(job.indices)} in training; {job.validation.label}")
    if job.start is not None:
        say(f"  from the weights of {job.start.entry}")
    if job.photographs is not None:
        say(f"  and without truth: {job.photographs.label}")
    say(
        f"  {recipe.batch} patches of {recipe.patch}x{recipe.patch} a step, {recipe.optimiser} "
        f"from {recipe.learning_rate:g} ({recipe.schedule}); {losses}"
    )
    say(f"  on {options.device} in {options.precision}, seed {options.seed}")


def _train(job: Job, out: Path, *, quiet: bool) -> Trained:
    from rainbench.train.loop import train

    title = "seconds" if job.options.seconds else "steps"
    with progress(title, job.length, quiet=quiet) as advance:
        return train(job, out, advance=advance)


def _export(
    job: Job, trained: Trained, out: Path, target: Path, tag: str, *, table_beside: bool
) -> Export:
    from rainbench.commands.recorded import recorded_training
    from rainbench.train.export import export_weights

    command = recorded_training(sys.argv[1:], job, trained, target)
    return export_weights(
        job, trained, out, target, tag=tag, command=command, table_beside=table_beside
    )


def _summary(
    job: Job, trained: Trained, out: Path, export: Export | None, *, added: bool, as_json: bool
) -> None:
    best = trained.progress
    if as_json:
        show_json(
            {
                "steps": best.step,
                "seconds": best.seconds,
                "best_step": best.best_step,
                "psnr": best.best_psnr,
                "ssim": best.best_ssim,
                "input_psnr": trained.input_score.psnr,
                "input_ssim": trained.input_score.ssim,
                "worse_than_input": trained.worse_than_input,
                "patches_per_second": trained.patches_per_second,
                "waiting_for_data": trained.waiting,
                "export": str(export.file) if export else "",
            }
        )
        return
    say(
        f"{best.step:,} steps in {duration(best.seconds)}: {trained.patches_per_second:.1f} "
        f"patches/s, {trained.waiting:.1%} of the time spent waiting for patches"
    )
    show(
        f"{job.card.name}: {best.best_psnr:.2f} dB / {best.best_ssim:.4f} at step "
        f"{best.best_step:,} ({'worse than the ' if trained.worse_than_input else ''}rainy input "
        f"{trained.input_score.psnr:.2f} / {trained.input_score.ssim:.4f})"
    )
    if export is None:
        say(f"Weights: {out / 'best.pt'}; --export FILE.safetensors writes them with their table.")
    else:
        where = "is on" if added else "belongs at the end of"
        say(f"Weights: {export.file}. Their table {where} {job.card.file}:\n")
        show(export.table)
