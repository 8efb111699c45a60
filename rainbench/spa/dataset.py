"""The data set of a build: accepted sequences named, linked, described, and swapped into place."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.core.files import writing
from rainbench.core.images import Image
from rainbench.packaging.contact_sheet import SheetRow, make_contact_sheet
from rainbench.packaging.package import Extras, FileFacts, PairRecord, Split, write_package
from rainbench.packaging.split import SplitName, choose_test_videos, spread
from rainbench.spa.candidate import Candidate
from rainbench.spa.layout import (
    LAYOUTS,
    TEST_PAIRS,
    AcceptedSequence,
    lay_out,
    place_files,
    write_list,
)
from rainbench.spa.options import SpaOptions
from rainbench.spa.pairs import ROLES, PairPlan, cut_windows, read_pair_image

SHEET_ROWS = 12
"""Sequences on the contact sheet, to be seen at a glance."""

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


def split_candidates(
    candidates: Sequence[Candidate], options: SpaOptions
) -> list[tuple[Candidate, SplitName]]:
    """Say of each accepted sequence to which split its video belongs."""
    test = choose_test_videos(
        [candidate.video_id for candidate in candidates], options.test_share, options.seed
    )
    return [
        (candidate, "test" if candidate.video_id in test else "train") for candidate in candidates
    ]


def plan_pairs(
    candidate: Candidate, split: SplitName, options: SpaOptions, test_sequences: int
) -> PairPlan:
    """Say which pairs to make of a sequence.

    Training pairs are crops of every frame used. Test pairs in the layout of SPA-Data are twice as
    large, as published (512 pixels beside 256), and 1000 in all.

    Args:
        candidate: The accepted clean frame.
        split: Its split.
        options: The options.
        test_sequences: How many sequences share the test pairs.
    """
    published_test = options.layout == "spa" and split == "test"
    side = options.crop_side * (2 if published_test else 1)
    windows = cut_windows(candidate.width, candidate.height, side)
    most = options.max_frames
    if published_test:
        share = max(1, TEST_PAIRS // max(1, test_sequences) // len(windows))
        most = min(most or share, share)
    frames = range(candidate.first, candidate.first + candidate.frames)
    return PairPlan(spread(frames, most), windows, options.mask_levels)


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
    card = _card(split, options)
    records: list[PairRecord] = []
    facts: dict[str, FileFacts] = {}
    made: set[Path] = set()
    chosen = [sequence for sequence, its_split in sequences if its_split == split]
    for record, sources, known in lay_out(chosen, options.layout, split):
        place_files(root / card.name, record, sources, made)
        facts.update({path: known[role] for role, path in record.files.items()})
        records.append(record)
    write_list(root / card.name, records, options.layout, split)
    return Split(card, records, facts)


def _card(split: SplitName, options: SpaOptions) -> DatasetCard:
    other = f"{options.name}-train" if split == "test" else options.name
    name = options.name if split == "test" else f"{options.name}-train"
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
        licence="as the videos; not stated to the builder",
        sources=("made by `rainbench build-spa` from the videos named in metadata.csv",),
        citation=_CITATION,
        confusable=(other,),
        notes=(
            f"Clean frames by the method {options.method}, computed from the video: not observed. "
            "All pairs of a video are in one split. A pixel of the mask is 255 where the mean of "
            f"R, G and B is at least {options.mask_levels:g} levels above the clean frame."
        ),
    )


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
        images = [read_pair_image(sequence.folder, pair, role) for role in ROLES]
        rows.append(SheetRow(label, images))
    return make_contact_sheet(rows) if rows else None
