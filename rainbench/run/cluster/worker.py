"""What a worker does in a run: it says what it is, and scores shards, one at a time.

A network is built once in a process and kept while shards of its entry come.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rainbench.catalog.registry import Entry
from rainbench.cluster.worker import (
    CODE,
    Look,
    differing,
    end_with_parent,
    in_folder,
    listening,
    resources_here,
)
from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.machine import check_precision, resolve_device, usable_cores
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.metrics.quality.registry import open_metrics
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.run.clips.predict import ClipPredictor, predictor_of
from rainbench.run.code import code_hash
from rainbench.run.cost import network_speed
from rainbench.run.evaluate import score_pairs
from rainbench.run.key import EVALUATION
from rainbench.run.metrics.columns import Value
from rainbench.run.metrics.measure import Values
from rainbench.run.options import RunOptions
from rainbench.run.plan import made_with
from rainbench.run.predict import Predictor
from rainbench.run.scores import Scores

KEPT = 2
"""Networks that a worker keeps: the next entry's shards begin before the last one's have ended."""


@dataclass(frozen=True, slots=True)
class Session:
    """What all shards of a run have in common.

    Attributes:
        run: A name that no other run has.
        folder: The folder that the command was started in, for paths that are relative to it.
        versions: Those of the worker that was looked at, see `versions`.
        metrics: What is measured beside the protocols, as it was named.
        roots: Folders that metrics look for files in.
        made_of: What the numbers of each metric depend on where the command was started.
    """

    run: str
    folder: str
    versions: Mapping[str, str]
    metrics: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()
    made_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shard:
    """A block of images of one cell.

    Attributes:
        what: The cell's name.
        entry: The baseline and its weights.
        weights: Where these lie.
        options: How to compute.
        images: The images in order; of clips, each clip's frames are all there.
        wanted: The ids of those to score.
        seconds: How long it may take.
        memory: Bytes that it may need.
    """

    what: str
    entry: Entry
    weights: Path | None
    options: RunOptions
    images: tuple[tuple[Pair, PairInfo], ...]
    wanted: frozenset[str]
    seconds: float
    memory: int

    @property
    def place(self) -> str:
        """Which images they are, for people."""
        ids = [pair.id for pair, _ in self.images if pair.id in self.wanted]
        return f"image {ids[0]}" if len(ids) == 1 else f"images {ids[0]} to {ids[-1]}"


Scored = tuple[str, Scores, float, Sequence[Value]]
"""An image's id, its scores, the seconds of its prediction, and what each metric says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a shard.

    Attributes:
        scored: Its images, in order, up to the first that failed.
        failure: The message and the hint of why it ended early; None where it did not.
        said: Warnings, in order.
        unfit: Why this worker may not work for this run; empty where it may.
    """

    scored: tuple[Scored, ...] = ()
    failure: tuple[str, str] | None = None
    said: tuple[str, ...] = ()
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class Scorer(Look):
    """What a worker that scores says of itself.

    Attributes:
        device: That it computes on; empty where what was asked for is not there.
        made: What stands in the provenance of what it computes.
        speed: Multiply-adds that whole networks do in a second, about.
    """

    device: str = ""
    made: Mapping[str, str] | None = None
    speed: float = 1.0


def versions() -> dict[str, str]:
    """Return what has to be the same everywhere: of libraries, and the code that numbers need."""
    made = made_with(RunOptions())
    return {name: made[name] for name in ("rainbench", "torch", "numpy", "python")} | {
        CODE: code_hash(EVALUATION)
    }


def look(device: str, options: RunOptions) -> Scorer:
    """Return what this worker is.

    Args:
        device: What was asked for: ``auto``, ``cpu``, ``cuda``.
        options: How a run computes, the device apart.
    """
    host, process = socket.gethostname(), os.getpid()
    try:
        with failing_alone(host):
            options = replace(options, device=resolve_device(device))
            check_precision(options.device, options.precision)
            return Scorer(
                host,
                process,
                versions(),
                usable_cores(),
                resources=resources_here(),
                device=options.device,
                made=made_with(options),
                speed=network_speed(options),
            )
    except RainbenchError as error:
        return Scorer(host, process, problem=str(error))


def score_shard(session: Session, shard: Shard) -> Answer:
    """Score the images of a shard; whatever goes wrong is in the answer."""
    end_with_parent()
    if session.versions != (own := _own_versions()):
        return Answer(unfit=f"{socket.gethostname()} {differing(session.versions, own)}")
    scored: list[Scored] = []
    failure = None
    with in_folder(session.folder), listening() as said:
        try:
            with failing_alone(shard.what):
                predictor, values = _predictor(session, shard), _values(session)
                for image, scores, seconds in score_pairs(
                    predictor, shard.images, shard.wanted, columns=values
                ):
                    measured = values.found.pop(image) if values else ()
                    scored.append((image, scores, seconds, measured))
        except RainbenchError as error:
            failure = error.message, error.hint
    return Answer(tuple(scored), failure, tuple(said))


@functools.cache
def _own_versions() -> Mapping[str, str]:
    return versions()


_built: dict[object, Predictor | ClipPredictor] = {}
"""The networks that this process keeps, the one used last at the end."""


def _predictor(session: Session, shard: Shard) -> Predictor | ClipPredictor:
    """Return a shard's network, built now where it is not there."""
    key = session.run, shard.entry.name, shard.options
    built = _built.pop(key, None)
    while built is None and len(_built) >= KEPT:  # before the next one takes memory
        del _built[next(iter(_built))]
    _built[key] = built or predictor_of(shard.entry, shard.weights, shard.options)
    return _built[key]


@functools.lru_cache(maxsize=1)
def _metrics(_run: str, words: tuple[str, ...], roots: tuple[Path, ...]) -> tuple[ReadyMetric, ...]:
    """Return a run's metrics, ready in this process.

    Raises:
        RainbenchError: One cannot be had here.
    """
    found = open_metrics(words, roots)
    for name, reason in found.missing.items():
        raise RainbenchError(f"{socket.gethostname()}: cannot measure {name}: {reason}")
    return found.ready


def _values(session: Session) -> Values | None:
    """Return what measures the images of a shard beside the protocols.

    Raises:
        RainbenchError: A metric is not here, or not the same.
    """
    if not session.metrics:
        return None
    ready = _metrics(session.run, session.metrics, session.roots)
    for each in ready:
        if dict(each.made_of) != dict(session.made_of.get(each.metric.name, {})):
            raise RainbenchError(
                f"{socket.gethostname()}: has another {each.metric.name} than the machine that the "
                "run was started on"
            )
    return Values(ready)
