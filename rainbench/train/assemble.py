"""From a call to a training: the pairs it names, checked against the test sets found."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.cards import BaselineCard, DatasetCard, Recipe
from rainbench.catalog.registry import Registry
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import DeviceChoice, resolve_device, usable_cores
from rainbench.core.text import count_of
from rainbench.metrics import PROTOCOLS
from rainbench.networks.load import construct
from rainbench.pairs.layouts import copies_of, match_layouts
from rainbench.pairs.leaks import LARGEST_DISTANCE, fingerprint
from rainbench.pairs.load import load_image
from rainbench.rain.transform import Synthesis, SynthesisKind
from rainbench.train.engine import Precision
from rainbench.train.job import Job, TrainOptions
from rainbench.train.sources import (
    LOOKED_AT,
    CleanFolder,
    PairFolder,
    TrainingPairs,
    Window,
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

LEAST_IMAGES = 5
"""Fewer cannot be split into those to train on and one to validate on, a fifth."""

SHOWN_PROBLEMS = 10
"""Images left out that are named; of more it is said how many they are."""

_LOG = logging.getLogger(__name__)


def make_options(
    *,
    seconds: float,
    seed: int,
    device: DeviceChoice,
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
    on_gpu, cores = where == "cuda", usable_cores()
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
    return open_pairs(card, copies)


def make_job(
    registry: Registry,
    card: BaselineCard,
    arguments: Mapping[str, object],
    recipe: Recipe,
    options: TrainOptions,
    source: TrainingPairs,
    roots: Sequence[Path],
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

    Raises:
        RainbenchError: Too little is left to train and validate on.
    """
    if recipe.patch % card.size_multiple or recipe.patch < card.minimum_side:
        raise RainbenchError(
            f"patches of {recipe.patch} pixels do not fit {card.name}",
            hint=f"Give a multiple of {card.size_multiple} with --patch, at least "
            f"{card.minimum_side}.",
        )
    construct(card, arguments)  # wrong arguments are told before any image is looked at
    split = split_source(source, registry, roots, recipe.patch, options.seed)
    trained_on, akin = _purpose(source, registry)
    protocol = akin.protocol if akin else DEFAULT_PROTOCOL
    if not PROTOCOLS[protocol].has_psnr:  # the best weights are those of the highest PSNR
        protocol = DEFAULT_PROTOCOL
    return Job(
        card=card,
        arguments=arguments,
        recipe=recipe,
        options=options,
        source=source,
        indices=split.indices,
        validation=load_validation(
            source,
            split.held,
            side=VALIDATION_SIDE,
            protocol=protocol,
            seed=options.seed,
        ),
        trained_on=trained_on,
        degradation=akin.degradation if akin else (),
        leak_check=split.leak_check,
    )


def _purpose(
    source: TrainingPairs, registry: Registry
) -> tuple[tuple[str, ...], DatasetCard | None]:
    """Return what a card says that weights are trained on, and a data set of such rain."""
    if isinstance(source, CleanFolder):
        kind = source.synthesis.kind
        return (f"{source.title} + rainbench {kind}",), registry.datasets.get(f"mini-{kind}")
    if not isinstance(source, PairFolder):
        return (), None
    test = registry.datasets.get(source.card.name.removesuffix("-strict").removesuffix("-train"))
    card = test if test is not None and test.split == "test" else source.card
    return (card.name,), card


class Split(NamedTuple):
    """The usable pairs of a source.

    Attributes:
        indices: Those to train on, none of them in a test set.
        held: Those to validate on.
        leak_check: Against which test sets they were checked, and what was found.
    """

    indices: tuple[int, ...]
    held: tuple[int, ...]
    leak_check: str


def split_source(
    source: TrainingPairs, registry: Registry, roots: Sequence[Path], patch: int, seed: int
) -> Split:
    """Look at a source's images: hold some out, leave out the unusable and those of test sets.

    Every image that cannot be read or is smaller than a patch is named in the log.

    Args:
        source: The pairs.
        registry: Its test sets of which a copy is found are checked for shared images.
        roots: Folders that may hold test sets.
        patch: Side of the patches in pixels.
        seed: Chooses which are held out.

    Raises:
        RainbenchError: Fewer than `LEAST_IMAGES` can be used, or all of them are in test sets.
    """
    marks, problems = _look_at(source, patch)
    usable = list(marks) if marks or problems else range(len(source))
    if len(usable) < LEAST_IMAGES:
        raise RainbenchError(
            "; ".join([f"{source.label}: too few to train on", *_first(problems)]),
            hint=f"At least {LEAST_IMAGES} images are needed, of {patch}x{patch} pixels or more; "
            "--patch N takes smaller patches.",
        )
    for problem in _first(problems):
        _LOG.warning("left out: %s", problem)
    indices, held = hold_out(usable, HELD_OUT, seed)
    leaks, leak_check = _shared_images(source, marks, registry, roots)
    _LOG.info("leak check against %s", leak_check)
    indices = tuple(index for index in indices if index not in leaks)
    if not indices:
        raise RainbenchError(f"{source.label}: every image is also in a test set")
    return Split(indices, held, leak_check)


def _look_at(source: TrainingPairs, patch: int) -> tuple[dict[int, NDArray[np.bool_]], list[str]]:
    """Return the usable images' fingerprints by number, and what is wrong with the others.

    Both are empty where there are too many to look at.
    """
    marks: dict[int, NDArray[np.bool_]] = {}
    problems = []
    for index in range(len(source) if len(source) <= LOOKED_AT else 0):
        try:
            image = source.clean(index)
            Window(patch).of(image, source.name(index))
        except RainbenchError as error:
            problems.append(error.message)
        else:
            marks[index] = fingerprint(image)
    return marks, problems


def _first(problems: Sequence[str]) -> list[str]:
    more = len(problems) - SHOWN_PROBLEMS
    return [*problems[:SHOWN_PROBLEMS], *([f"and {count_of(more, 'other')}"] if more > 0 else [])]


def _shared_images(
    source: TrainingPairs,
    marks: Mapping[int, NDArray[np.bool_]],
    registry: Registry,
    roots: Sequence[Path],
) -> tuple[set[int], str]:
    """Return which clean images of a source are also in a test set of which a copy is found.

    Pictures are compared by their fingerprint, see `rainbench.pairs.leaks`.

    Returns:
        Their numbers, and a sentence that says what was checked and found.
    """
    if not marks:
        return set(), "nothing, there are too many images: see `rainbench check --leaks`"
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
    shared = count_of(len(found), "shared image")
    what = f"{shared} left out: {names}" if found else "no image shared"
    return found, f"{where}: {what}"
