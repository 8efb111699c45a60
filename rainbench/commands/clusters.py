"""The option that spreads a command over a cluster, and what it opens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rainbench.commands.options import Function
from rainbench.core.errors import RainbenchError

if TYPE_CHECKING:
    from rainbench.cluster.crew import Crew
    from rainbench.core.pool import Pool
    from rainbench.core.progress import Advance
    from rainbench.metrics.quality.registry import Opened
    from rainbench.run.cluster.crew import ScoringCrew
    from rainbench.run.evaluate import Outcome
    from rainbench.run.options import RunOptions
    from rainbench.run.plan import Plan


def cluster_option(function: Function) -> Function:
    """Add ``--cluster``."""
    return click.option(
        "--cluster",
        default="",
        metavar="PLACE",
        help="Spread the work over processes or machines by Dask: local:N (N processes here), "
        "tcp://HOST:PORT (a scheduler), file:SCHEDULER.json, slurm:OPTIONS.toml.",
    )(function)


@contextlib.contextmanager
def crew_at(
    place: str, device: str, options: RunOptions, *, dry: bool = False
) -> Iterator[ScoringCrew | None]:
    """Open a cluster for a run, look at its workers, and leave it at the end.

    Args:
        place: What ``--cluster`` says.
        device: What ``--device`` says, which the workers resolve.
        options: How to compute, the device apart.
        dry: Start nothing: of a cluster that is not there yet, see that it could be started.

    Raises:
        RainbenchError: There is no such cluster, or its workers do not fit together.
    """
    from rainbench.cluster.places import check_place, opened
    from rainbench.run.cluster.crew import scoring_crew_of

    if dry and not check_place(place):
        yield None
        return
    with opened(place) as client:
        yield scoring_crew_of(client, device, options, place)


@contextlib.contextmanager
def builders_at(
    place: str, out: Path, device: str = "cpu", *, dry: bool = False
) -> Iterator[Crew | None]:
    """Open a cluster for a builder, look at its workers, and leave it at the end.

    Args:
        place: What ``--cluster`` says.
        out: Where the builder writes.
        device: Where it computes.
        dry: As of `crew_at`; what is in ``out`` is left as it is.

    Raises:
        RainbenchError: There is no such cluster, its workers do not fit together, or ``--workers``
            says where to work, too.
    """
    from rainbench.cluster.crew import crew_of
    from rainbench.cluster.places import check_place, opened
    from rainbench.core.files import sweep

    given = click.get_current_context().get_parameter_source("workers")
    if given is ParameterSource.COMMANDLINE:
        raise RainbenchError(
            "--workers and --cluster are two ways to spread the work: give one of them",
            hint="--cluster local:N has N processes on this machine.",
        )
    if dry and not check_place(place):
        yield None
        return
    try:
        with opened(place) as client:
            yield crew_of(client, device, place)
    finally:
        if not dry:
            sweep(out)  # what workers that were ended left half written


def check_files(crew: Crew | None, files: Sequence[Path]) -> None:
    """Refuse, as `pool_of` does, files that a machine does not see; of no crew, none.

    Raises:
        RainbenchError: The machine and the file are named.
    """
    if crew is not None:
        from rainbench.cluster.crew import files_of

        crew.check_files(files_of(files))


def pool_of(
    crew: Crew | None, files: Sequence[Path], out: Path, device: str = "cpu"
) -> Pool | None:
    """Return what does a builder's work on a cluster; None where that is this machine's.

    Args:
        crew: The workers, if any.
        files: What they read.
        out: Where they write, a folder that is locked.
        device: Where they compute.

    Raises:
        RainbenchError: A machine does not see a file, or not that folder.
    """
    if crew is None:
        return None
    from rainbench.cluster.pool import ClusterPool

    check_files(crew, files)
    crew.check_shared(out)
    return ClusterPool(crew, device)


def running_on(
    crew: ScoringCrew | None,
    plan: Plan,
    out: Path,
    opened: Opened,
    words: Sequence[str],
    roots: list[Path],
) -> Callable[[Advance], Iterator[Outcome]] | None:
    """Return what runs a plan on a cluster, for `rainbench.api.evaluation.carry_out`.

    Args:
        crew: The workers; None: in this process.
        plan: What to do.
        out: The run's folder.
        opened: The metrics to measure, too.
        words: What ``--metrics`` says.
        roots: Folders of their files.

    Raises:
        RainbenchError: A machine does not see a file.
    """
    if crew is None:
        return None
    from rainbench.metrics.quality.registry import split_words
    from rainbench.run.cluster.drive import run_on

    named = [word for word in split_words(",".join(words)) if word not in opened.missing]
    return run_on(crew, plan, out, opened.ready, named, roots)
