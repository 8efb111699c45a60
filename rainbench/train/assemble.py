"""From a call to a training: the pairs it names, checked against the test sets found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.cards import BaselineCard, Recipe
from rainbench.catalog.registry import Registry
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import device_kind, resolve_device, usable_cores
from rainbench.pairs.layouts import copies_of, match_layouts
from rainbench.pairs.leaks import LARGEST_DISTANCE, fingerprint
from rainbench.pairs.load import first_that_fits, load_image
from rainbench.rain.transform import Synthesis, SynthesisKind
from rainbench.train.engine import Precision
from rainbench.train.job import Job, TrainOptions
from rainbench.train.sources import (
    CleanFolder,
    PairFolder,
    TrainingPairs,
    hold_out,
    open_clean_folder,
    open_pairs,
)
from rainbench.train.validation import load_validation

HELD_OUT = 8
"""Images that are never trained on."""

VALIDATION_SIDE = 256
"""Held-out images are cut to their middle of so many pixels a side."""

RAIN_ROWS = 480
"""Synthetic rain has the size that it has in images of so many rows."""

DEFAULT_PROTOCOL = "rgb"
"""The protocol of the validation where no test set suggests another."""

LEAK_CHECK_IMAGES = 5000
"""Beyond so many images, `rainbench check --leaks` has to be called by hand."""

Say = Callable[[str], None]


def make_options(
    *,
    seconds: float,
    seed: int,
    device: str,
    precision: Precision,
    threads: int | None,
    workers: int | None,
    compiled: bool,
    channels_last: bool | None,
    fused: bool,
    validations: int,
    checkpoint_seconds: float,
) -> TrainOptions:
    """Fill in what a call left open: what `benchmarks/training_speed.py` found to be fastest."""
    where = resolve_device(device)
    on_gpu, cores = device_kind(where) == "cuda", usable_cores()
    if workers is None:
        workers = min(8, cores - 1) if on_gpu else min(1, cores - 1)
    return TrainOptions(
        seconds=seconds,
        seed=seed,
        device=where,
        precision=precision,
        threads=threads or cores,
        workers=workers,
        channels_last=on_gpu if channels_last is None else channels_last,
        fused=fused,
        compiled=compiled,
        validations=validations,
        checkpoint_seconds=checkpoint_seconds,
    )


def open_source(
    registry: Registry,
    dataset: str,
    roots: Sequence[Path],
    clean: Path | None,
    rain: str,
    seed: int,
) -> TrainingPairs:
    """Open what a call names: a data set's copy, or clean images and what comes onto them.

    Raises:
        RainbenchError: It names both or neither, or what it names is not there.
    """
    if bool(dataset) == (clean is not None):
        raise RainbenchError(
            "nothing to train on" if not dataset else "-d and --clean are two sources",
            hint="Give either -d NAME with --data DIR, or --clean FOLDER with --rain KIND.",
        )
    if clean is not None:
        kind = cast("SynthesisKind", rain)
        return open_clean_folder(clean, Synthesis(kind=kind, seed=seed, rows=RAIN_ROWS))
    card = registry.dataset(dataset)
    copies = copies_of(card, list(roots), only=True)
    if not copies:
        raise RainbenchError(
            f"no copy of {card.name} found: {card.sources[0]}",
            hint="Give the folder that holds it with --data.",
        )
    return first_that_fits(card, copies, lambda copy: open_pairs(card, copy))


def make_job(
    registry: Registry,
    card: BaselineCard,
    arguments: Mapping[str, object],
    recipe: Recipe,
    options: TrainOptions,
    source: TrainingPairs,
    roots: Sequence[Path],
    *,
    tell: Say,
) -> Job:
    """Put a training together: hold some images out, and leave out those of test sets.

    Args:
        registry: All cards; its test sets of which a copy is found are checked for shared images.
        card: The baseline.
        arguments: Of its network.
        recipe: How it is trained.
        options: How that is computed.
        source: The pairs.
        roots: Folders that may hold test sets.
        tell: Called with what was found.

    Raises:
        RainbenchError: Nothing is left to train or validate on.
    """
    if recipe.patch % card.size_multiple or recipe.patch < card.minimum_side:
        raise RainbenchError(
            f"patches of {recipe.patch} pixels do not fit {card.name}",
            hint=f"Give a multiple of {card.size_multiple} with --patch, at least "
            f"{card.minimum_side}.",
        )
    if len(source) < 5:
        raise RainbenchError(
            f"{source.label}: too few to train on", hint="At least five images are needed."
        )
    indices, held = hold_out(source, HELD_OUT, options.seed)
    leaks, leak_check = shared_images(source, registry, roots)
    tell(f"leak check against {leak_check}")
    indices = tuple(index for index in indices if index not in leaks)
    if not indices:
        raise RainbenchError(f"{source.label}: every image is also in a test set")
    tests = _test_sets(source, registry)
    known = [registry.datasets[name].protocol for name in tests if name in registry.datasets]
    protocol = known[0] if known else DEFAULT_PROTOCOL
    return Job(
        card=card,
        arguments=arguments,
        recipe=recipe,
        options=options,
        source=source,
        indices=indices,
        validation=load_validation(
            source, held, side=VALIDATION_SIDE, protocol=protocol, seed=options.seed
        ),
        trained_on=tests,
        leak_check=leak_check,
    )


def _test_sets(source: TrainingPairs, registry: Registry) -> tuple[str, ...]:
    """Return the test sets that a source prepares for: of its degradation, or its own."""
    if isinstance(source, CleanFolder):
        return (f"mini-{source.synthesis.kind}",)
    if not isinstance(source, PairFolder):
        return ()
    name = source.card.name.removesuffix("-strict").removesuffix("-train")
    card = registry.datasets.get(name)
    return (name,) if card is not None and card.split == "test" else ()


def shared_images(
    source: TrainingPairs, registry: Registry, roots: Sequence[Path]
) -> tuple[set[int], str]:
    """Return which clean images of a source are also in a test set of which a copy is found.

    Pictures are compared by their fingerprint, see `rainbench.pairs.leaks`. An image that cannot
    be read is left to the training to report.

    Returns:
        Their numbers, and a sentence that says what was checked and found.
    """
    if len(source) > LEAK_CHECK_IMAGES:
        return set(), "nothing, there are too many images: see `rainbench check --leaks`"
    marks = {
        index: mark for index in range(len(source)) if (mark := _mark(source, index)) is not None
    }
    if not marks:
        return set(), "nothing, no image can be read"
    ours, numbers = np.stack(list(marks.values())), list(marks)
    found: set[int] = set()
    checked: list[str] = []
    for card in registry.datasets.values():
        copies = copies_of(card, list(roots), only=False) if card.split == "test" else []
        for copy in copies:
            pairs = match_layouts(card, copy)[0].pairs
            cleans = {pair.clean: None for pair in pairs}
            for clean in cleans:
                try:
                    bits = fingerprint(load_image(clean))
                except RainbenchError:
                    continue
                near = np.flatnonzero(np.count_nonzero(ours != bits, axis=1) <= LARGEST_DISTANCE)
                found.update(numbers[int(place)] for place in near)
            if cleans:
                checked.append(f"{card.name} ({len(cleans)})")
                break
    names = ", ".join(source.name(index).rpartition("/")[2] for index in sorted(found)[:5])
    where = ", ".join(checked) or "no test set (no copy found)"
    shared = "1 shared image" if len(found) == 1 else f"{len(found)} shared images"
    what = f"{shared} left out: {names}" if found else "no image shared"
    return found, f"{where}: {what}"


def _mark(source: TrainingPairs, index: int) -> NDArray[np.bool_] | None:
    try:
        return fingerprint(source.clean(index))
    except RainbenchError:
        return None
