"""The engine: every cell of a plan, each image predicted once and scored under all protocols.

Reader threads decode ahead of the network and scoring threads follow behind it, so that the
device does not wait for either.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError, StoreError, failing_alone
from rainbench.core.images import Image
from rainbench.core.machine import device_kind, usable_cores
from rainbench.core.progress import Advance, unseen
from rainbench.metrics import PROTOCOLS, score_all
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_pair
from rainbench.run.cost import peak_bytes
from rainbench.run.options import RunOptions
from rainbench.run.plan import Plan, PlannedCell, key_parts, provenance
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
    """

    cell: PlannedCell
    state: str
    note: str = ""
    hint: str = ""


def run_plan(
    plan: Plan,
    out: Path,
    options: RunOptions,
    *,
    advance: Advance = unseen,
) -> Iterator[Outcome]:
    """Run cell after cell of a plan; one that fails becomes an outcome with its reason.

    Args:
        plan: What to do.
        out: The run's folder.
        options: How to compute.
        advance: Called with how many images have just been finished, and of which cell.

    Raises:
        StoreError: The run's folder cannot be written at all: everything else would fail too.
    """
    for cell in plan.cells:
        if cell.missing:
            yield Outcome(cell, "missing", cell.missing)
            continue
        try:
            with failing_alone(f"{cell.entry.name} on {cell.pairs.label}"):
                outcome = run_cell(cell, out, options, advance=advance)
        except StoreError:
            raise
        except RainbenchError as error:
            outcome = Outcome(cell, "failed", error.message, error.hint)
        yield outcome


def run_cell(
    cell: PlannedCell,
    out: Path,
    options: RunOptions,
    *,
    advance: Advance = unseen,
) -> Outcome:
    """Score one entry on one data set, continuing where an earlier run stopped.

    Raises:
        RainbenchError: The network cannot be built, an image cannot be read or predicted, or the
            result cannot be written. What was scored before is on disk.
    """
    what = f"{cell.entry.name} on {cell.pairs.label}"
    result = RunResults(out).cell(cell.pairs.card.name, cell.entry.name)
    parts = key_parts(cell, options)
    images = [(info.id, info.rainy_sha256 + info.clean_sha256) for info in cell.pairs.manifest]
    if result.fits(parts, images, is_complete(cell.pairs, len(images))):
        advance(len(images), what)
        return Outcome(cell, "kept")
    protocols = tuple(PROTOCOLS)
    # Inside of the store, which notes why a cell is not complete.
    with CellStore(result.folder, parts, protocols, images) as store, failing_alone(what):
        advance(len(store.done), what)
        predictor = Predictor(cell.entry, cell.weights, options)
        pairs = zip(cell.pairs.pairs, cell.pairs.manifest, strict=True)
        remaining = [(pair, info) for pair, info in pairs if pair.id not in store.done]
        predictor.prepare(load_pair(pair, info)[0] for pair, info in remaining)
        for image, scores, seconds in _scored(remaining, predictor, protocols):
            store.append(image, scores, seconds)
            advance(1, what)
        scored = read_images_csv(result.folder / "images.csv")
        store.complete(
            {
                **summarise(cell.pairs, cell.entry.name, scored),
                "peak_bytes": peak_bytes(cell.entry),
                "options": options.key_parts(),
                "provenance": provenance(cell, options),
            }
        )
    return Outcome(cell, "done")


def _scored(
    pairs: Sequence[tuple[Pair, PairInfo]], predictor: Predictor, protocols: Sequence[str]
) -> Iterator[tuple[str, Scores, float]]:
    """Yield each pair's id and scores in order, with the seconds its prediction took."""
    with ThreadPoolExecutor(2) as readers, ThreadPoolExecutor(_scorers(predictor)) as scorers:
        waiting: deque[tuple[str, Future[Scores], float]] = deque()
        try:
            for pair, rainy, clean in _read_ahead(pairs, readers):
                started = time.perf_counter()
                restored = predict_pair(predictor, pair, rainy)
                seconds = predictor.seconds_of(time.perf_counter() - started)
                job = scorers.submit(score, restored, clean, protocols, predictor.options.device)
                waiting.append((pair.id, job, seconds))
                while waiting and (waiting[0][1].done() or len(waiting) > SCORE_BEHIND):
                    done, finished, its_seconds = waiting.popleft()
                    yield done, finished.result(), its_seconds
        except Exception:
            yield from ((done, job.result(), its) for done, job, its in waiting)
            raise
        yield from ((done, job.result(), its) for done, job, its in waiting)


def predict_pair(predictor: Predictor, pair: Pair, rainy: Image) -> NDArray[np.float32]:
    """Predict one image; an error names the image's file."""
    try:
        return predictor(rainy)
    except RainbenchError as error:
        raise RainbenchError(f"{pair.rainy.path}: {error.message}", hint=error.hint) from None


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


def _scorers(predictor: Predictor) -> int:
    """Return how many threads score: one beside a network on the CPU, two beside a GPU."""
    return min(2, usable_cores()) if device_kind(predictor.options.device) == "cuda" else 1


def _read_ahead(
    pairs: Sequence[tuple[Pair, PairInfo]], readers: ThreadPoolExecutor
) -> Iterator[tuple[Pair, Image, Image]]:
    ahead: deque[tuple[Pair, Future[tuple[Image, Image]]]] = deque()
    for pair, info in pairs:
        ahead.append((pair, readers.submit(load_pair, pair, info)))
        if len(ahead) > READ_AHEAD:
            first, job = ahead.popleft()
            yield first, *job.result()
    for first, job in ahead:
        yield first, *job.result()
