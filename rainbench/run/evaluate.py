"""The engine: every cell of a plan, each image predicted once and scored under all protocols.

Reader threads decode ahead of the network and scoring threads follow behind it, so that the
device does not wait for either.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError, StoreError, failing_alone
from rainbench.core.files import writing
from rainbench.core.images import Image
from rainbench.core.machine import device_kind, usable_cores
from rainbench.core.progress import Advance, unseen
from rainbench.core.watch import Watch
from rainbench.metrics import PROTOCOLS, score_all
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.metrics.score import load_kernels, warm_up
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_pair
from rainbench.run.clips.frames import RestoredPair, restored_clips
from rainbench.run.clips.predict import ClipPredictor, options_of, predictor_of
from rainbench.run.cost import peak_bytes
from rainbench.run.device.batches import grouped, held_back, in_order, settled
from rainbench.run.device.pipeline import Pipeline, absolute, accelerated, naming
from rainbench.run.documents import write_json
from rainbench.run.metrics.measure import Columns, Measures, problems_of
from rainbench.run.options import RunOptions
from rainbench.run.own_output import OwnOutput, doubt_about
from rainbench.run.plan import Plan, PlannedCell, images_of, key_parts, made_with, provenance
from rainbench.run.predict import Predictor
from rainbench.run.results import RunResults
from rainbench.run.scores import Scores, is_complete, read_images_csv, summarise
from rainbench.run.store import CellStore

READ_AHEAD = 4
"""Pairs that are decoded before the network asks for them."""

SCORE_BEHIND = 4
"""Images that may wait for their scores."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one cell.

    Attributes:
        cell: The cell.
        state: ``done``, ``kept`` (complete from before), ``failed`` or ``missing``.
        note: The reason for the last two.
        hint: What to do about it.
        problems: Of the metrics that have no number for an image.
    """

    cell: PlannedCell
    state: str
    note: str = ""
    hint: str = ""
    problems: tuple[str, ...] = ()


def run_plan(
    plan: Plan,
    out: Path,
    options: RunOptions,
    *,
    advance: Advance = unseen,
    watch: Watch | None = None,
    metrics: Sequence[ReadyMetric] = (),
) -> Iterator[Outcome]:
    """Run cell after cell of a plan; one that fails becomes an outcome with its reason.

    Args:
        plan: What to do.
        out: The run's folder.
        options: How to compute.
        advance: Called with how many images have just been finished, and of which cell.
        watch: Is told of the cell and the image that are being worked on; a cell that a process
            died of before fails with what it knows.
        metrics: What to measure beside the protocols.

    Raises:
        StoreError: The run's folder cannot be written at all: everything else would fail too.
    """
    watch = watch or Watch()
    for cell in plan.cells:
        yield run_one(cell, out, options, advance=advance, watch=watch, metrics=metrics)


def run_one(
    cell: PlannedCell,
    out: Path,
    options: RunOptions,
    *,
    advance: Advance,
    watch: Watch,
    metrics: Sequence[ReadyMetric] = (),
) -> Outcome:
    """Run one cell of a plan, and return what became of it; the arguments are `run_plan`'s.

    Raises:
        StoreError: As there.
    """
    what = cell.name
    if cell.missing:
        return Outcome(cell, "missing", cell.missing)
    try:
        with failing_alone(what), watch.at(what, "before its first image"):
            outcome = _after_death(cell, out, watch.died.get(what, "")) or _run_and_measure(
                cell, out, options, advance, watch, metrics
            )
    except StoreError:
        raise
    except RainbenchError as error:
        outcome = Outcome(cell, "failed", error.message, error.hint)
    if outcome.state == "kept" and what in watch.finished:  # by a process that died since
        return Outcome(cell, "done")
    if outcome.state == "done":
        watch.has_finished(what)
    return outcome


def _after_death(cell: PlannedCell, out: Path, how: str) -> Outcome | None:
    """Return that a cell failed, and note it in its folder, where a process died of it."""
    if not how:
        return None
    folder = RunResults(out).cell(cell.pairs.card.name, cell.entry.name).folder
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "failed.json", {"reason": how})
    hint = "`rainbench -vv run` with this entry alone shows where in its code that was."
    return Outcome(cell, "failed", how, hint)


def _run_and_measure(
    cell: PlannedCell,
    out: Path,
    options: RunOptions,
    advance: Advance,
    watch: Watch,
    metrics: Sequence[ReadyMetric],
) -> Outcome:
    """Run a cell, and measure what was scored before by the metrics that have not seen it."""
    if not metrics:
        return run_cell(cell, out, options, advance=advance, watch=watch)
    result = RunResults(out).cell(cell.pairs.card.name, cell.entry.name)
    options = settled(cell, options_of(cell.entry, options), result)
    with Columns(result.folder, metrics, key_parts(cell, options), images_of(cell)) as columns:
        outcome = run_cell(cell, out, options, advance=advance, watch=watch, columns=columns)
        if columns.missing:
            outcome = dataclasses.replace(outcome, state="done")
            predictor = predictor_of(cell.entry, cell.weights, options)
            for pair, restored, clean, _ in _restored(
                cell.material, columns.missing, predictor, watch
            ):
                columns.measure(pair.id, restored, clean)
        return dataclasses.replace(outcome, problems=problems_of(columns.complete()))


def run_cell(
    cell: PlannedCell,
    out: Path,
    options: RunOptions,
    *,
    advance: Advance = unseen,
    watch: Watch | None = None,
    columns: Columns | None = None,
) -> Outcome:
    """Score one entry on one data set, continuing where an earlier run stopped.

    Each image that is restored is measured for the columns of metrics, too.

    Raises:
        RainbenchError: The network cannot be built, an image cannot be read or predicted, or the
            result cannot be written. What was scored before is on disk.
    """
    what = cell.name
    result = RunResults(out).cell(cell.pairs.card.name, cell.entry.name)
    options = settled(cell, options_of(cell.entry, options), result)
    parts = key_parts(cell, options)
    images = images_of(cell)
    if result.fits(parts, images, is_complete(cell.pairs, len(images))):
        advance(len(images), what)
        return Outcome(cell, "kept")
    # Inside of the store, which notes why a cell is not complete.
    with CellStore(result.folder, parts, tuple(PROTOCOLS), images) as store, failing_alone(what):
        advance(len(store.done), what)
        predictor = predictor_of(cell.entry, cell.weights, options)
        wanted = {image for image, _ in images} - store.done.keys()
        scored = score_pairs(predictor, cell.material, wanted, columns=columns, watch=watch)
        for image, scores, seconds in scored:
            store.append(image, scores, seconds)
            advance(1, what)
        complete_cell(store, cell, options, made_with(options))
    return Outcome(cell, "done")


def score_pairs(
    predictor: Predictor | ClipPredictor,
    pairs: Sequence[tuple[Pair, PairInfo]],
    wanted: Collection[str],
    *,
    columns: Measures | None = None,
    watch: Watch | None = None,
) -> Iterator[tuple[str, Scores, float]]:
    """Restore images and score them under all protocols.

    Args:
        predictor: The entry, built.
        pairs: Images of one data set in order; of clips, each clip's frames are all there.
        wanted: The ids of those to score.
        columns: Measures each image, too.
        watch: Is told of the image or clip that is being worked on.

    Yields:
        In order each image's id, its scores, and the seconds its prediction took.

    Raises:
        RainbenchError: An image cannot be read or predicted; those before it were yielded.
    """
    protocols = tuple(PROTOCOLS)
    if isinstance(predictor, Predictor):
        predictor.prepare(load_pair(pair, info)[0] for pair, info in pairs if pair.id in wanted)
    transfers = accelerated(predictor)
    if transfers is not None and isinstance(predictor, Predictor):
        groups = grouped(pairs, wanted, predictor.options)
        found = Pipeline(predictor, transfers, protocols, columns, watch).scores(groups)
    else:
        restored = _restored(pairs, wanted, predictor, watch, check=True)
        found = _scored(restored, predictor.options.device, protocols, columns)
    order = [pair.id for pair, _ in pairs if pair.id in wanted]
    yield from in_order((each for each in found if each[0] in wanted), order)


def complete_cell(
    store: CellStore, cell: PlannedCell, options: RunOptions, made: Mapping[str, object]
) -> None:
    """Write down that all images of a cell are scored, the means, and how they came about.

    Args:
        store: The cell's, every image appended.
        cell: The cell.
        options: Those of the entry.
        made: What `rainbench.run.plan.made_with` says where the images were restored.
    """
    scores = read_images_csv(store.folder / "images.csv")
    store.complete(
        {
            **summarise(cell.pairs, cell.entry.name, scores),
            "doubt": doubt_about(cell, scores),
            "peak_bytes": peak_bytes(cell.entry),
            "options": options.of(cell.entry.baseline).key_parts(),
            "provenance": provenance(cell, options, made),
        }
    )


def _restored(
    pairs: Sequence[tuple[Pair, PairInfo]],
    wanted: Collection[str],
    predictor: Predictor | ClipPredictor,
    watch: Watch | None = None,
    *,
    check: bool = False,
) -> Iterator[RestoredPair]:
    """Yield pairs in order, restored one by one or clip by clip.

    Args:
        pairs: All of them.
        wanted: The ids of those to yield.
        predictor: The entry, built.
        watch: Is told of the image or clip that is being worked on.
        check: Whether it is looked at whether the network gives its own output back.
    """
    if isinstance(predictor, ClipPredictor):
        yield from restored_clips(pairs, wanted, predictor, watch)
        return
    own = OwnOutput(predictor, len(wanted)) if check else None
    with ThreadPoolExecutor(2) as readers:
        groups = grouped(pairs, wanted, predictor.options)
        chosen = [each for group in groups for each in group]
        read = _read_ahead(chosen, readers)
        for group in groups:
            members = [next(read) for _ in group]
            if watch:
                watch.now(f"at {members[0][0].rainy.path}")
            started = time.perf_counter()
            found = _predict_group(predictor, members, own)
            seconds = predictor.seconds_of((time.perf_counter() - started) / len(group))
            for (pair, _, clean), restored in zip(members, found, strict=True):
                if pair.id in wanted:
                    yield pair, restored, clean, seconds


def _scored(
    pairs: Iterator[RestoredPair],
    device: str,
    protocols: Sequence[str],
    columns: Measures | None = None,
) -> Iterator[tuple[str, Scores, float]]:
    """Yield each pair's id and scores in order, with the seconds its prediction took."""
    load_kernels()
    with ThreadPoolExecutor(_scorers(device)) as scorers:
        scorers.submit(warm_up)  # while the first image is restored
        jobs = (
            (
                pair.id,
                scorers.submit(_evaluate, pair, restored, clean, protocols, device, columns),
                seconds,
            )
            for pair, restored, clean, seconds in pairs
        )
        # An image that cannot be scored ends it: the first one in order is the one to be named.
        for done, job, its_seconds in held_back(jobs, SCORE_BEHIND, lambda each: each[1].done()):
            yield done, job.result(), its_seconds


def _evaluate(
    pair: Pair,
    restored: NDArray[np.float32],
    clean: Image,
    protocols: Sequence[str],
    device: str,
    columns: Measures | None,
) -> Scores:
    if columns is not None:
        columns.measure(pair.id, restored, clean)
    with naming(pair):
        return score(restored, clean, protocols, device)


def _predict_group(
    predictor: Predictor, members: Sequence[tuple[Pair, Image, Image]], own: OwnOutput | None
) -> list[NDArray[np.float32]]:
    """Predict images that go together; an error names the first one's file."""
    with naming(members[0][0]):
        if len(members) == 1:
            found = [predictor(members[0][1])]
        else:
            found = list(predictor.restore_batch(np.stack([rainy for _, rainy, _ in members])))
        for (_, rainy, clean), restored in zip(members, found, strict=True):
            if own is not None:
                own.check(rainy, restored, clean)
        return found


def score(
    restored: NDArray[np.float32], clean: Image, protocols: Sequence[str], device: str
) -> Scores:
    """Score one image: by the torch backend where its network ran on CUDA, otherwise in NumPy."""
    if device_kind(device) != "cuda":  # Metal has no float64
        return score_all(restored, clean, protocols)
    import torch

    from rainbench.metrics.torch_backend import score_all_torch

    pair = [
        torch.from_numpy(image).to(device).permute(2, 0, 1).contiguous()
        for image in (restored, clean)
    ]
    return score_all_torch(pair[0], pair[1], protocols)


def _scorers(device: str) -> int:
    """Return how many threads score: one beside a network on the CPU, two beside a GPU."""
    return min(2, usable_cores()) if device_kind(device) == "cuda" else 1


def _read_ahead(
    pairs: Sequence[tuple[Pair, PairInfo]], readers: ThreadPoolExecutor
) -> Iterator[tuple[Pair, Image, Image]]:
    ahead: deque[tuple[Pair, Future[tuple[Image, Image]]]] = deque()
    for pair, info in pairs:
        # Where a network goes meanwhile, relative paths would lead elsewhere.
        ahead.append((pair, readers.submit(load_pair, absolute(pair), info)))
        if len(ahead) > READ_AHEAD:
            first, job = ahead.popleft()
            yield first, *job.result()
    for first, job in ahead:
        yield first, *job.result()
