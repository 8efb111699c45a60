"""The option that spreads a command over a cluster, and what it opens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.commands.options import Function

if TYPE_CHECKING:
    from rainbench.core.progress import Advance
    from rainbench.metrics.quality.registry import Opened
    from rainbench.run.cluster.crew import Crew
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
def crew_at(place: str, device: str, options: RunOptions) -> Iterator[Crew]:
    """Open a cluster, look at its workers, and leave it at the end.

    Args:
        place: What ``--cluster`` says.
        device: What ``--device`` says, which the workers resolve.
        options: How to compute, the device apart.

    Raises:
        RainbenchError: There is no such cluster, or its workers do not fit together.
    """
    from rainbench.run.cluster.crew import crew_of
    from rainbench.run.cluster.places import opened

    with opened(place) as client:
        yield crew_of(client, device, options, place)


def running_on(
    crew: Crew | None,
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
