"""The data set of a build: accepted sequences named, linked, described, and swapped into place."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.core.files import writing
from rainbench.core.images import Image
from rainbench.core.text import count_of
from rainbench.packaging.contact_sheet import SheetRow, make_contact_sheet
from rainbench.packaging.package import (
    Extras,
    FileFacts,
    PairRecord,
    Parameter,
    Split,
    write_package,
)
from rainbench.packaging.split import SplitName, spread
from rainbench.spa.candidate import Candidate
from rainbench.spa.layout import (
    LAYOUTS,
    AcceptedSequence,
    lay_out,
    place_files,
    write_list,
)
from rainbench.spa.options import SpaOptions
from rainbench.spa.pairs import PairPlan, cut_windows, read_pair_image
from rainbench.spa.table.cells import RECORD
from rainbench.spa.table.entries import VideoEntry, counted

SHEET_ROWS = 12
"""Sequences on the contact sheet, to be seen at a glance."""

SHOWN = ("rainy", "clean", "mask")
"""Pictures of a pair on the contact sheet."""

_NO_LICENCE = "not stated to the builder"

_CITATION = (
    "clean frames after T. Wang, X. Yang, K. Xu, S. Chen, Q. Zhang, R. W. H. Lau: Spatial "
    "attentive single-image deraining with a high quality real rain dataset, CVPR 2019"
)


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """What was written.

    Attributes:
        cards: The cards, test before train.
        pairs: Pairs of each sequence, by its id.
    """

    cards: tuple[DatasetCard, ...]
    pairs: Counter[str]


def plan_all_pairs(
    split: Sequence[tuple[Candidate, SplitName]],
    options: SpaOptions,
    entries: Mapping[str, VideoEntry],
) -> list[tuple[Candidate, SplitName, PairPlan]]:
    """Say which pairs to make of each accepted sequence.

    Training pairs are crops of every frame used. Test pairs in the layout of SPA-Data are twice as
    large, as published (512 pixels beside 256). Where test pairs are limited, every sequence gives
    as many, and those that have fewer give all.

    Args:
        split: The accepted sequences and their split.
        options: The options.
        entries: What the table of videos says of each video, by its id.
    """
    plans = [
        _plan_pairs(candidate, name, entries[candidate.video_id].applied(options))
        for candidate, name in split
    ]
    tests = [number for number, (_, name) in enumerate(split) if name == "test"]
    if options.most_test_pairs is not None:
        shares = share_out(options.most_test_pairs, [len(plans[test].wanted) for test in tests])
        for test, share in zip(tests, shares, strict=True):
            plans[test] = _limited(plans[test], share)
    return [(*accepted, plan) for accepted, plan in zip(split, plans, strict=True)]


def _plan_pairs(candidate: Candidate, split: SplitName, options: SpaOptions) -> PairPlan:
    side = options.crop_side * (2 if options.layout == "spa" and split == "test" else 1)
    return PairPlan(
        spread(candidate.used, options.max_frames),
        cut_windows(candidate.width, candidate.height, side),
        options.mask_levels,
        allow_objects=options.allow_objects,
    )


def _limited(plan: PairPlan, most: int) -> PairPlan:
    """Return a plan of fewer pairs: of as few frames as hold them."""
    if len(plan.wanted) <= most:
        return plan
    frames = spread(plan.frames, -(-most // len(plan.windows)))
    return dataclasses.replace(plan, frames=frames, most=most)


def share_out(total: int, capacities: Sequence[int]) -> list[int]:
    """Share a number out evenly among some that can take a limited number each.

    Example:
        >>> share_out(10, [1, 9, 9]), share_out(10, [2, 2])
        ([1, 4, 5], [2, 2])
    """
    shares = [0] * len(capacities)
    by_size = sorted(range(len(capacities)), key=lambda index: capacities[index])
    for done, index in enumerate(by_size):
        shares[index] = min(capacities[index], (total - sum(shares)) // (len(shares) - done))
    return shares


def write_data_set(
    out: Path,
    sequences: Sequence[tuple[AcceptedSequence, SplitName]],
    options: SpaOptions,
    extras: Extras,
) -> WrittenSet:
    """Replace ``OUT/dataset``; the one before stays until the new one is complete.

    Args:
        out: The folder of the build.
        sequences: What was accepted, in the order in which videos are numbered, and its split.
        options: The options.
        extras: Other packagings to write.

    Raises:
        StoreError: A file cannot be written.
    """
    part, final, old = out / ".dataset.part", out / "dataset", out / ".dataset.old"
    with writing(out):
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
        part.mkdir(parents=True)
        splits = [_write_split(part, name, sequences, options) for name in ("test", "train")]
        cards = write_package(
            part, splits, sheet=_sheet(sequences), extras=extras, workers=options.workers
        )
        if final.exists():
            final.rename(old)
        if cards:
            part.rename(final)
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
    pairs = Counter(str(pair.parameters["sequence"]) for split in splits for pair in split.pairs)
    return WrittenSet(tuple(cards), pairs)


def _write_split(
    root: Path,
    name: str,
    sequences: Sequence[tuple[AcceptedSequence, SplitName]],
    options: SpaOptions,
) -> Split:
    split: SplitName = "test" if name == "test" else "train"
    chosen = [sequence for sequence, its_split in sequences if its_split == split]
    card = _card(split, chosen, options)
    records: list[PairRecord] = []
    facts: dict[str, FileFacts] = {}
    made: set[Path] = set()
    for record, sources, known in lay_out(chosen, options.layout, split):
        place_files(root / card.name, record, sources, made)
        facts.update({path: known[role] for role, path in record.files.items()})
        records.append(record)
    write_list(root / card.name, records, options.layout, split)
    return Split(card, records, facts)


def _card(
    split: SplitName, sequences: Sequence[AcceptedSequence], options: SpaOptions
) -> DatasetCard:
    other = f"{options.name}-train" if split == "test" else options.name
    name = options.name if split == "test" else f"{options.name}-train"
    videos = {sequence.video: sequence.parameters for sequence in sequences}
    licences = [str(parameters.get("licence", "")) for parameters in videos.values()]
    return DatasetCard(
        name=name,
        title=f"{options.name}, real rain ({split})",
        revision="1",
        degradation=("streaks",),
        origin="real",
        split=split,
        count=0,
        protocol="spanet-rgb" if options.layout == "spa" else "prenet-y",
        layouts=LAYOUTS[options.layout, split],
        licence=f"as the videos; {counted(licences) if any(licences) else _NO_LICENCE}",
        sources=("made by `rainbench build-spa` from the videos named in metadata.csv",),
        citation=_CITATION,
        confusable=(other,),
        notes=" ".join(_notes(sequences, videos, options)),
    )


def _notes(
    sequences: Sequence[AcceptedSequence],
    videos: Mapping[str, Mapping[str, Parameter]],
    options: SpaOptions,
) -> Iterator[str]:
    """Yield the sentences of a card's notes."""
    yield (
        f"Clean frames by the method {options.method}, computed from the video: not observed. "
        "All pairs of a video are in one split. A pixel of the mask is 255 where the mean of "
        f"R, G and B is at least {options.mask_levels:g} levels above the clean frame."
    )
    if options.allow_objects:
        yield (
            "A pixel of objects is 255 where walkers, cars or other things that are neither scene "
            "nor rain are seen, or the clean frame is in doubt and shows something else: "
            f"object_share of the pair, at most {options.allow_objects:g}."
        )
    else:
        yield "Pairs in which something else than scene and rain was found are left out."
    recordings: dict[str, list[str]] = {}
    for parameters in videos.values():
        if "recording" in parameters:
            labels = recordings.setdefault(str(parameters["recording"]), [])
            labels.append(str(parameters["video"]))
    if recordings:
        several = "; ".join(", ".join(sorted(names)) for names in list(recordings.values())[:5])
        more = " and others" if len(recordings) > 5 else ""
        yield (
            "Videos that have frames in common, or whose clean frames show one scene, are one "
            f"recording (recording) and in one split: {several}{more}."
        )
    corrected = sum(bool(sequence.parameters["corrections"]) for sequence in sequences)
    if corrected:
        yield (
            f"Rainy frames of {corrected} of {count_of(len(sequences), 'sequence')} are not as "
            "filmed (as_filmed is no): moved to one place by interpolation (corrections: shake) or "
            "brought to one brightness (light)."
        )
    repeating = sum("repeats" in sequence.parameters for sequence in sequences)
    if repeating:
        yield (
            f"Videos of {repeating} of {count_of(len(sequences), 'sequence')} show frames twice or "
            "more, being stored at a higher rate than filmed: each is used once (repeats: left "
            "out)."
        )
    if len(videos) == 1:
        yield "All pairs are of one video."
    for name in RECORD[:-1]:
        values = [str(parameters.get(name, "")) for parameters in videos.values()]
        if any(values):
            yield f"Videos by {name}: {counted(values)}."


def _sheet(sequences: Sequence[tuple[AcceptedSequence, SplitName]]) -> Image | None:
    """Draw the rainiest window of the middle frame of some sequences."""
    rows = []
    for index in spread(range(len(sequences)), SHEET_ROWS):
        sequence, split = sequences[index]
        if not sequence.pairs:
            continue
        frames = sorted({pair.frame for pair in sequence.pairs})
        middle = frames[len(frames) // 2]
        pair = max(
            (pair for pair in sequence.pairs if pair.frame == middle),
            key=lambda pair: (pair.rain_share, -pair.y, -pair.x),
        )
        label = f"{sequence.id}  frame {pair.frame}  {split}  rain {pair.rain_share:.0%}"
        images = [read_pair_image(sequence.folder, pair, role) for role in SHOWN]
        rows.append(SheetRow(label, images))
    return make_contact_sheet(rows) if rows else None
