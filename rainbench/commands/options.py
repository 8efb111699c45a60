"""Options that several commands share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from rainbench.catalog.folders import run_cards
from rainbench.catalog.registry import Registry, load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import MOST_AT_ONCE
from rainbench.core.progress import say
from rainbench.core.text import count_of

if TYPE_CHECKING:
    from rainbench.catalog.cards import DatasetCard
    from rainbench.metrics.quality.registry import Opened

_OLD_RUN = "rainbench.run-as-out"
_TRUSTED = "rainbench.trust-cards"


class NumberRange(click.FloatRange):
    """A number of a range; NaN, which no comparison refuses, is none."""

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Read the text."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


class PlacePath(click.Path):
    """A file or folder; an empty text, which would mean the current folder, is refused.

    Args:
        remote: Whether it may be an address, see `rainbench.core.packed.remote`.
        options: Of click.
    """

    def __init__(self, *, remote: bool = False, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.remote = remote

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Read the text."""
        if value == "":
            self.fail("it is empty: is a variable of the shell not set?", param, ctx)
        if isinstance(value, str) and "://" in value and not self.remote:
            self.fail(_not_here(value, param), param, ctx)
        return super().convert(value, param, ctx)


def _not_here(address: str, param: click.Parameter | None) -> str:
    if param is not None and param.name == "out":
        return (
            f"{address} is not on this machine, and results are written here: give a folder, and "
            "copy it there when all is done"
        )
    return f"{address} is not on this machine: only --data and --weights may be"


PLACE = PlacePath(path_type=Path)
"""Any file or folder of this machine."""

ROOT = PlacePath(path_type=Path, remote=True)
"""A folder that may be another machine's."""

AT_ONCE = click.IntRange(1, MOST_AT_ONCE)
"""How many threads or processes work at once."""

PICTURES = click.IntRange(0, 12)
"""How many images of a data set a page shows: twice `rainbench.report.page.content.EXTREMES`."""

Function = TypeVar("Function", bound=Callable[..., Any])


def run_argument(function: Function) -> Function:
    """Add the folder of a run, RUN; its old spelling ``--out`` works with a warning."""
    old = click.option(
        "--out",
        type=PLACE,
        hidden=True,
        expose_value=False,
        is_eager=True,
        callback=_old_run,
    )
    given = click.argument("run", type=PLACE, default=Path("runs/latest"), callback=_chosen_run)
    return with_options((given, old), function)


def _old_run(context: click.Context, _parameter: click.Parameter, folder: Path | None) -> None:
    if folder is not None:
        say(
            f"--out is deprecated here: the run's folder is given without it, as in "
            f"`rainbench {context.info_name} {folder}`"
        )
        context.meta[_OLD_RUN] = folder


def _chosen_run(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    old = context.meta.get(_OLD_RUN)
    if old is None:
        return folder
    if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
        raise RainbenchError(f"two run folders: {folder} and {old}", hint="Leave out --out.")
    return Path(old)


def data_option(function: Function) -> Function:
    """Add ``--data``, given several times or as the path list ``RAINBENCH_DATA``."""
    return _roots_option("--data", "data_roots", "data sets", "RAINBENCH_DATA")(function)


def weights_option(function: Function) -> Function:
    """Add ``--weights``, given several times or as the path list ``RAINBENCH_WEIGHTS``."""
    return _roots_option("--weights", "weight_roots", "weights", "RAINBENCH_WEIGHTS")(function)


def _roots_option(flag: str, name: str, what: str, variable: str) -> Callable[[Function], Function]:
    return click.option(
        flag,
        name,
        multiple=True,
        type=ROOT,
        callback=_with_environment(variable),
        help=f"Folder that holds {what}, or its address (s3://, hf://, ...); may be repeated. Also "
        f"{variable} (a path list).",
    )


def cards_option(function: Function) -> Function:
    """Add ``--cards``, and ``--trust-cards`` for `open_registry`."""
    options = (
        click.option(
            "--cards",
            "card_folders",
            multiple=True,
            type=PLACE,
            help="Folder of further cards; may be repeated. Also RAINBENCH_PATH (a path list).",
        ),
        click.option(
            "--trust-cards",
            is_flag=True,
            expose_value=False,
            callback=_trust,
            help="Import whatever code the cards name as networks: it can do anything you can.",
        ),
    )
    return with_options(options, function)


def _trust(context: click.Context, _parameter: click.Parameter, trusted: bool) -> None:
    context.meta[_TRUSTED] = trusted


def open_registry(folders: Sequence[Path], run: Path | None = None) -> Registry:
    """Read the cards of a command that has `cards_option`, trusted if its user said so.

    Args:
        folders: Given with ``--cards``.
        run: The run's folder of a command that has one: it holds cards of data sets without one.
    """
    trusted = is_trusted(click.get_current_context())
    return load_registry([*folders, *run_cards(run)], trusted=trusted)


def is_trusted(context: click.Context) -> bool:
    """Return whether ``--trust-cards`` was given."""
    return bool(context.meta.get(_TRUSTED, False))


def device_option(text: str) -> Callable[[Function], Function]:
    """Return ``--device``, which `rainbench.core.machine.resolve_device` reads."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="DEVICE",
        help=f"{text} cpu, cuda, cuda:N or mps; auto: cuda where there is one.",
    )


def arithmetic_options(function: Function) -> Function:
    """Add ``--device``, ``--precision`` and ``--threads``: where and how networks run."""
    options = (
        device_option("Where networks run."),
        click.option(
            "--precision",
            type=click.Choice(["fp32", "tf32", "bf16", "fp16"]),
            default="fp32",
            show_default=True,
            help="Arithmetic of the networks; results in any but fp32 are marked in tables. tf32: "
            "NVIDIA GPUs only.",
        ),
        click.option(
            "--threads",
            type=AT_ONCE,
            help="Threads of a network on the CPU. [default: all cores; `run` may share them "
            "between processes]",
        ),
    )
    return with_options(options, function)


def with_options(options: Sequence[Callable[[Function], Function]], function: Function) -> Function:
    """Add options, which ``--help`` shows in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def metrics_option(function: Function) -> Function:
    """Add ``--metrics``; the function gets the words as ``metrics``."""
    return click.option(
        "--metrics",
        multiple=True,
        metavar="NAME,...",
        help="Measure these, too: names (`rainbench list metrics`), or FILE.py:FUNCTION for a "
        "function f(restored, clean) or f(restored) of yours; may be repeated.",
    )(function)


def open_named_metrics(words: Sequence[str], roots: Sequence[Path]) -> Opened:
    """Make the metrics of `metrics_option` ready, and say what is missing of the others."""
    from rainbench.metrics.quality.registry import Opened, open_metrics, split_words

    named = split_words(",".join(words))
    if words and not named:
        raise RainbenchError("--metrics: names no metric", hint="See `rainbench list metrics`.")
    opened = open_metrics(named, roots) if named else Opened()
    for name, reason in opened.missing.items():
        say(f"cannot measure {name}: {reason}")
    return opened


def json_option(function: Function) -> Function:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(
        function
    )


def dry_run_option(function: Function) -> Function:
    """Add ``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help="Print the plan and stop.")(function)


def also_option(function: Function) -> Function:
    """Add ``--also``: other packagings of a data set."""
    return click.option(
        "--also",
        type=click.Choice(["hugging-face", "webdataset"]),
        multiple=True,
        help="Write this packaging too; may be repeated.",
    )(function)


def workers_option(function: Function) -> Function:
    """Add ``--workers``; the function gets the default where none is given."""

    def number(_context: click.Context, _parameter: click.Parameter, given: int | None) -> int:
        from rainbench.core.machine import default_workers

        return given or default_workers()

    return click.option(
        "--workers",
        type=AT_ONCE,
        callback=number,
        help="Processes. [default: cores, at most 8]",
    )(function)


def print_data_sets(cards: Iterable[DatasetCard], root: Path) -> None:
    """Say how to score on the data sets that a build has written to a folder."""
    for card in cards:
        say(f"{card.name}: {count_of(card.count, 'pair')}; to score on them:")
        say(f"  rainbench run --all -d {card.name} --cards {root} --data {root}")


def _with_environment(
    variable: str,
) -> Callable[[click.Context, click.Parameter, tuple[Path, ...]], tuple[Path, ...]]:
    def add(
        _context: click.Context, _parameter: click.Parameter, given: tuple[Path, ...]
    ) -> tuple[Path, ...]:
        # The colon of an address parts no paths.
        listed = re.split(f"{re.escape(os.pathsep)}(?!//)", os.environ.get(variable, ""))
        return given + tuple(Path(part) for part in listed if part)

    return add
