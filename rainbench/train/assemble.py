"""From a call to a training: the pairs it names, checked against the test sets found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from rainbench.catalog.cards import BaselineCard, DatasetCard, Recipe
from rainbench.catalog.registry import Registry
from rainbench.catalog.terms import layers_of
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import check_precision, device_kind, resolve_device, usable_cores
from rainbench.metrics import PROTOCOLS
from rainbench.networks.construct import construct
from rainbench.pairs.copies import copies_of
from rainbench.rain.transform import Synthesis, SynthesisKind
from rainbench.train.engine import Precision
from rainbench.train.job import Job, TrainOptions
from rainbench.train.material.patches import strided
from rainbench.train.material.scenes import TrainingPairs
from rainbench.train.material.sources import (
    CleanFolder,
    PairFolder,
    open_clean_folder,
    open_pairs,
)
from rainbench.train.material.split import split_source
from rainbench.train.material.variety import Span, VariedRain
from rainbench.train.photographs import Photographs
from rainbench.train.start import Start
from rainbench.train.validation import load_validation

VALIDATION_SIDE = 256
"""Held-out images are cut to their middle of so many pixels a side."""

RAIN_ROWS = 480
"""Synthetic rain has the size that it has in images of so many rows."""

DEFAULT_PROTOCOL = "rgb"
"""The protocol of the validation where no test set suggests another."""


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
    log_to: tuple[str, ...] = (),
) -> TrainOptions:
    """Fill in what a call left open: what `benchmarks/training_speed.py` found to be fastest.

    Raises:
        RainbenchError: There is no such device, or it does not compute in this precision.
    """
    where = resolve_device(device)
    check_precision(where, precision)
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
        log_to=log_to,
    )


def open_source(
    registry: Registry,
    dataset: str,
    roots: Sequence[Path],
    clean: Path | None,
    rain: str,
    seed: int,
    span: Span = "narrow",
    untouched: float = 0.0,
) -> TrainingPairs:
    """Open what a call names: a data set's copy, or clean images and what comes onto them.

    Args:
        registry: Knows the data sets.
        dataset: The name of one, or an empty text.
        roots: Folders that may hold it.
        clean: A folder of clean images.
        rain: What comes onto them.
        seed: Of the rain.
        span: How far it differs from patch to patch.
        untouched: Share of the patches that get none.

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
        plain = Synthesis(kind=kind, seed=seed, rows=RAIN_ROWS)
        varied = VariedRain(rain=plain, span=span, untouched=untouched)
        return open_clean_folder(clean, plain if varied == VariedRain(rain=plain) else varied)
    if span != "narrow" or untouched:
        raise RainbenchError(
            "--span and --untouched are of rain that is synthesised, and the pairs of a set have "
            "theirs",
            hint="Leave them out, or give --clean FOLDER in the place of -d.",
        )
    card = registry.dataset(dataset)
    copies = copies_of(card, list(roots), only=True)
    if not copies:
        raise RainbenchError(
            f"no copy of {card.name} found: {card.sources[0]}",
            hint="Give the folder that holds it with --data.",
        )
    return open_pairs(card, copies)


def open_photographs(card: BaselineCard, folder: Path | None) -> Photographs | None:
    """Open the photographs of rain that a recipe asks for.

    Raises:
        RainbenchError: It asks for some and none are given, or the other way about, or there is no
            image in the folder.
    """
    wanted = card.recipe is not None and card.recipe.photographs is not None
    if wanted and folder is None:
        raise RainbenchError(
            f"{card.name} learns from photographs of rain, too",
            hint="Give a folder of them with --photographs; they need no clean images.",
        )
    if folder is None:
        return None
    if not wanted:
        raise RainbenchError(
            f"--photographs: the recipe of {card.name} learns nothing from them",
            hint="Leave it out, or train sirr.",
        )
    if not folder.is_dir():
        raise RainbenchError(f"{folder}: there is no such folder of photographs")
    return Photographs(open_clean_folder(folder, Synthesis(kind="streaks", seed=0)))


def make_job(
    registry: Registry,
    card: BaselineCard,
    arguments: Mapping[str, object],
    recipe: Recipe,
    options: TrainOptions,
    source: TrainingPairs,
    roots: Sequence[Path],
    photographs: Photographs | None = None,
    start: Start | None = None,
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
        photographs: Photographs of rain to learn from, too, see `open_photographs`.
        start: Weights to start from, see `rainbench.train.start.find_start`.

    Raises:
        RainbenchError: Too little is left to train and validate on.
    """
    if recipe.patch % card.size_multiple or recipe.patch < card.minimum_side:
        raise RainbenchError(
            f"patches of {recipe.patch} pixels do not fit {card.name}",
            hint=f"Give a multiple of {card.size_multiple} with --patch, at least "
            f"{card.minimum_side}.",
        )
    network = construct(card, arguments)  # what is wrong is told before any image is looked at
    if start is not None:
        start.load(network)
    layers = layers_of(recipe.losses)
    _check_layers(source, layers, card)
    split = split_source(source, registry, roots, recipe.patch, options.seed, layers)
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
        places=strided(source, split.indices, recipe.patch, recipe.stride) if recipe.stride else (),
        photographs=photographs,
        validation=load_validation(
            source.rained() if isinstance(source, CleanFolder) else source,
            split.held,
            side=VALIDATION_SIDE,
            protocol=protocol,
            seed=options.seed,
        ),
        trained_on=tuple(dict.fromkeys((*(start.card.trained_on if start else ()), *trained_on))),
        degradation=akin.degradation if akin else (),
        leak_check=split.leak_check,
        start=start,
    )


def _check_layers(source: TrainingPairs, layers: Sequence[str], card: BaselineCard) -> None:
    """Refuse a source of which no pair has what the losses need.

    Raises:
        RainbenchError: No pair has one of the layers.
    """
    lacking = {source.lacking(index, layers) for index in range(len(source))}
    if lacking and "" not in lacking:
        missing = " and a ".join(sorted(kind.replace("_", " ") for kind in lacking))
        raise RainbenchError(
            f"{card.name} is trained with a {missing}, which no pair of {source.label} has",
            hint="Train on a set that was synthesised with masks (the layout on its card says "
            "where they lie), on clean images with --clean, or choose a network whose attention "
            "takes the joint mask, as dam.",
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
