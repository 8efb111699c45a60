"""What a run will do, before it does it: the cells, what is missing, how long it may take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.folders import readable_folders
from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import file_hash, find_weights, how_to_get_weights
from rainbench.core.errors import CardError, RainbenchError, failing_alone
from rainbench.core.machine import device_kind
from rainbench.core.progress import Advance, unseen
from rainbench.core.text import did_you_mean, shortened
from rainbench.metrics import PROTOCOLS
from rainbench.pairs.copies import copies_of
from rainbench.pairs.layouts import Pair
from rainbench.pairs.load import PairSet, load_first_copy
from rainbench.pairs.manifest import PairInfo
from rainbench.run.clips.whole import Frame, frames_beside, hashes_of_clips, in_time, restorable
from rainbench.run.key import code_of_maker, code_of_network, protocol_settings
from rainbench.run.options import RunOptions
from rainbench.version import __version__

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One entry to be scored on one data set.

    Attributes:
        pairs: The data set's copy.
        entry: The baseline and its weights.
        weights: Where the weights lie, or None when there are none.
        missing: What keeps the cell from being run, and what to do about it; empty when nothing.
        beside: Frames that are not scored, but that a method for videos needs for those that are.
    """

    pairs: PairSet
    entry: Entry
    weights: Path | None
    missing: str = ""
    beside: tuple[Frame, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: the entry and the data set's label."""
        return f"{self.entry.name} on {self.pairs.label}"

    @property
    def images(self) -> list[tuple[Pair, PairInfo]]:
        """The data set's pairs, each with what the manifest says of it."""
        return list(zip(self.pairs.pairs, self.pairs.manifest, strict=True))

    @property
    def material(self) -> list[tuple[Pair, PairInfo]]:
        """What is restored: the images, and with them all frames of their clips where it counts."""
        if not self.beside:
            return self.images
        return in_time(self.pairs, [*self.images, *self.beside])


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a run in order, and the data sets that cannot be used.

    Attributes:
        cells: Data set by data set, so that images stay in the file cache.
        unusable: For each data set that was found but is not right: its card and the reason.
        absent: Data sets that no copy was found of.
        slow: Entries that were left out as nobody asked for them.
    """

    cells: tuple[PlannedCell, ...]
    unusable: tuple[tuple[DatasetCard, str], ...] = ()
    absent: tuple[DatasetCard, ...] = field(default=())
    slow: tuple[Entry, ...] = ()

    @property
    def runnable(self) -> tuple[PlannedCell, ...]:
        """The cells that nothing is missing for."""
        return tuple(cell for cell in self.cells if not cell.missing)

    @property
    def unfit(self) -> tuple[PlannedCell, ...]:
        """The cells of a method for videos on a set of single images, which were asked for."""
        return tuple(cell for cell in self.cells if not _fits(cell.entry, cell.pairs))


def make_plan(
    registry: Registry,
    *,
    datasets: Sequence[str] = (),
    baselines: Sequence[str] = (),
    data_roots: Sequence[Path] = (),
    weight_roots: Sequence[Path] = (),
    layout: str = "",
    limit: int | None = None,
    images: Collection[str] = (),
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> Plan:
    """Find the data sets and weights that a run asks for.

    Args:
        registry: All cards.
        datasets: Names or patterns; none means every test set of which a copy is found.
        baselines: Patterns of entries; none means every entry but untrained networks and slow ones.
        data_roots: Folders to look for data sets in.
        weight_roots: Folders to look for weights in.
        layout: Take this packaging, see `rainbench.pairs.load.load_pairs`.
        limit: Only the first so many pairs of each data set.
        images: Only the pairs of these ids; given for a single data set.
        allow_partial: Leave out unusable pairs instead of refusing the data set.
        workers: Threads that decode.
        advance: Called after each pair that was checked with 1 and the data set's name.

    Raises:
        RainbenchError: A name is unknown, a root is not a folder, or none can be read.
    """
    weight_roots = readable_folders(weight_roots)
    entries, slow = _entries(registry, baselines)
    found = [(entry, find_weights(entry, weight_roots)) for entry in entries]
    sets, unusable, absent = find_sets(
        registry,
        datasets,
        data_roots=data_roots,
        layout=layout,
        limit=limit,
        images=images,
        allow_partial=allow_partial,
        workers=workers,
        advance=advance,
    )
    cells = cells_of(sets, found, asked=bool(baselines))
    return Plan(tuple(cells), tuple(unusable), tuple(absent), slow)


def _entries(registry: Registry, baselines: Sequence[str]) -> tuple[list[Entry], tuple[Entry, ...]]:
    """Return the entries of a run, and those that are too slow to be run unasked."""
    named = choose(baselines, registry.entries)
    if named:
        return named, ()
    every = [entry for entry in registry.entries() if not entry.untrained]
    slow = tuple(entry for entry in every if entry.is_slow)
    return [entry for entry in every if not entry.is_slow], slow


def find_sets(
    registry: Registry,
    datasets: Sequence[str] = (),
    *,
    data_roots: Sequence[Path] = (),
    layout: str = "",
    limit: int | None = None,
    images: Collection[str] = (),
    allow_partial: bool = False,
    workers: int = 2,
    advance: Advance = unseen,
) -> tuple[list[PairSet], list[tuple[DatasetCard, str]], list[DatasetCard]]:
    """Find and check copies of data sets.

    Args:
        registry: All cards.
        datasets: As all that follow, see `make_plan`.
        data_roots: Folders to look in.
        layout: Take this packaging.
        limit: The first so many pairs only.
        images: Only the pairs of these ids.
        allow_partial: Leave out unusable pairs.
        workers: Threads that decode.
        advance: Called after each pair.

    Returns:
        The usable copies, the data sets that cannot be used with the reason, and those that no
        copy was found of.

    Raises:
        RainbenchError: A name is unknown, or no root can be read.
    """
    data_roots = readable_folders(data_roots)
    cards = choose(datasets, registry.datasets_of) or [
        card for card in registry.datasets.values() if card.split == "test"
    ]
    sets: list[PairSet] = []
    unusable: list[tuple[DatasetCard, str]] = []
    absent: list[DatasetCard] = []
    for card in cards:
        copies = copies_of(card, list(data_roots), only=len(cards) == 1)
        if not copies:
            absent.append(card)
            continue
        try:
            check_protocol(card)
            with failing_alone(card.name):
                pairs = load_first_copy(
                    card,
                    copies,
                    layout=layout,
                    limit=limit,
                    images=images,
                    allow_partial=allow_partial,
                    workers=workers,
                    advance=advance,
                )
        except RainbenchError as error:
            unusable.append((card, str(error)))
            continue
        sets.append(pairs)
    return sets, unusable, absent


def cells_of(
    sets: Iterable[PairSet], entries: Sequence[tuple[Entry, Path | None]], *, asked: bool = True
) -> Iterator[PlannedCell]:
    """Yield every entry on every data set, set by set.

    Networks for single images restore the frames of clips one by one.

    Args:
        sets: Copies of data sets.
        entries: Each with the file of its weights, None where there is none.
        asked: Whether somebody named the entries, so that it is said of a method for videos that
            it cannot restore single images; otherwise it is passed over there.
    """
    for pairs in sets:
        beside: tuple[Frame, ...] | None = None
        for entry, weights in entries:
            missing = "" if weights is not None else how_to_get_weights(entry)
            if not _fits(entry, pairs):
                if not asked:
                    continue
                missing = f"restores videos, and {pairs.card.name} is a set of single images"
            if not entry.is_video or missing:
                yield PlannedCell(pairs, entry, weights, missing)
                continue
            try:
                beside = frames_beside(pairs) if beside is None else beside
            except RainbenchError as error:
                yield PlannedCell(pairs, entry, weights, f"a frame beside the chosen ones: {error}")
                continue
            rest, left_out = restorable(pairs, entry) if pairs.partial else (pairs, [])
            for reason in left_out:
                _LOG.warning("%s on %s: left out: %s", entry.name, pairs.label, reason)
            if not rest.pairs:
                yield PlannedCell(pairs, entry, weights, f"no clip can be used: {left_out[0]}")
                continue
            clips = {pair.clip for pair in rest.pairs}
            around = tuple(frame for frame in beside if frame[0].clip in clips)
            yield PlannedCell(rest, entry, weights, beside=around)


def _fits(entry: Entry, pairs: PairSet) -> bool:
    return pairs.card.clips or not entry.is_video


def plan_for(
    pairs: PairSet,
    registry: Registry,
    baselines: Sequence[str] = (),
    weight_roots: Sequence[Path] = (),
) -> Plan:
    """Return the plan of entries on pairs that are at hand, see `rainbench.pairs.folders`.

    Args:
        pairs: The data set.
        registry: As all that follow, see `make_plan`.
        baselines: Patterns of entries.
        weight_roots: Folders to look for weights in.
    """
    entries, slow = _entries(registry, baselines)
    found = [(entry, find_weights(entry, weight_roots)) for entry in entries]
    return Plan(tuple(cells_of([pairs], found, asked=bool(baselines))), slow=slow)


Chosen = TypeVar("Chosen")


def choose(words: Sequence[str], find: Callable[[Sequence[str]], Sequence[Chosen]]) -> list[Chosen]:
    """Return what words name, passing over cards that are left out.

    Args:
        words: Names or patterns.
        find: Such as `rainbench.catalog.registry.Registry.entries`.

    Raises:
        RainbenchError: A word names nothing, or all that the words name are cards left out.
    """
    broken: list[CardError] = []
    chosen: list[Chosen] = []
    for word in words:
        try:
            chosen += [each for each in find([word]) if each not in chosen]
        except CardError as error:  # the command says so of every card that is left out
            broken.append(error)
    if broken and not chosen:
        raise broken[0]
    return chosen


def check_protocol(card: DatasetCard) -> None:
    """Refuse a card of which no number could be shown under its default protocol.

    Raises:
        CardError: Its protocol does not exist.
    """
    if card.protocol not in PROTOCOLS:
        raise CardError(
            f"{card.file}: there is no protocol {shortened(card.protocol, 60)}",
            hint=did_you_mean(card.protocol, PROTOCOLS),
        )


def how_to_get_dataset(card: DatasetCard, by: str = "--data") -> str:
    """Return the sentence that tells where a data set comes from, and ``by`` what it is given."""
    return f"no copy found; it comes from {card.sources[0]}: give its folder with {by}"


def images_of(cell: PlannedCell) -> list[tuple[str, str]]:
    """Return the id of each image of a cell and the hash of its two pictures.

    What a method for videos makes of a frame depends on its whole clip, so there it is the hash of
    this and of the clean picture.
    """
    if not cell.entry.is_video:
        return [(info.id, info.rainy_sha256 + info.clean_sha256) for info in cell.pairs.manifest]
    clips = hashes_of_clips(cell.material)
    return [(info.id, clips[pair.clip] + info.clean_sha256) for pair, info in cell.images]


def key_parts(cell: PlannedCell, options: RunOptions) -> dict[str, object]:
    """Return what a cell's numbers depend on, the images apart; see `rainbench.run.key`.

    When a part of it changes, just the cells that it touches are run again.
    """
    entry = cell.entry
    maker = entry.baseline.maker
    chosen = entry.weights.state_dict if entry.weights else ""
    return {
        "dataset": cell.pairs.card.name,
        "entry": entry.name,
        "network": entry.baseline.network,
        "code": code_of_maker(maker) if maker else code_of_network(entry.baseline.network),
        "arguments": {name: entry.arguments[name] for name in sorted(entry.arguments)},
        "channel_order": entry.baseline.channel_order,
        "value_range": entry.baseline.value_range,
        "size_multiple": entry.baseline.size_multiple,
        "weights": file_hash(cell.weights) if cell.weights else "",
        "protocols": protocol_settings(),
        "options": options.of(entry.baseline).key_parts(),
        **({"state_dict": chosen} if chosen else {}),
        **foreign_parts(entry),
    }


def foreign_parts(entry: Entry) -> dict[str, object]:
    """Return what is to be known of an entry without a card; empty for one that has a card."""
    maker = entry.baseline.maker
    return {"foreign": {**maker.facts(), "code": maker.code()}} if maker else {}


def made_with(options: RunOptions) -> dict[str, str]:
    """Return with what numbers are computed in this process: versions and the device's name."""
    import platform

    import numpy as np
    import torch

    device = platform.machine()
    if device_kind(options.device) == "cuda":
        device = torch.cuda.get_device_name(options.device)
    return {
        "rainbench": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
    }


def provenance(
    cell: PlannedCell, options: RunOptions, made: Mapping[str, object]
) -> dict[str, object]:
    """Return with what a cell was computed: versions, files, device, threads.

    Args:
        cell: The cell.
        options: How it was computed.
        made: What `made_with` says where that was.
    """
    return {
        **made,
        "threads": options.threads,
        "layout": cell.pairs.layout,
        "weights_file": cell.weights.name if cell.weights else "",
        "parameters": cell.entry.parameters,
    }
