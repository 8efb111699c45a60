"""Where the pairs of accepted sequences lie in the data set: names, links, the list file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import Layout
from rainbench.core.files import write_atomically
from rainbench.packaging.package import FileFacts, PairRecord, Parameter
from rainbench.packaging.split import SplitName
from rainbench.spa.options import SpaLayout
from rainbench.spa.pairs import ROLES, SequencePair

LAYOUTS: dict[tuple[SpaLayout, SplitName], tuple[Layout, ...]] = {
    ("spa", "train"): (
        Layout(
            name="authors",
            rainy="real_world/{video:d}/{video:d}-{frame:d}/{video:d}-{frame:d}_{x:d}_{y:d}.png",
            clean="real_world_gt/{video:d}/{video:d}_{x:d}_{y:d}.png",
        ),
        Layout(name="list", list_file="real_world.txt"),
    ),
    ("spa", "test"): (
        Layout(
            name="authors-nested",
            rainy="real_test_1000/rain/{id:d}.png",
            clean="real_test_1000/gt/{id:d}gt.png",
        ),
        Layout(name="list", list_file="real_test_1000.txt"),
    ),
    ("pairs", "train"): (Layout(name="pairs", rainy="rainy/{id}.png", clean="clean/{id}.png"),),
    ("pairs", "test"): (Layout(name="pairs", rainy="rainy/{id}.png", clean="clean/{id}.png"),),
}
"""The packaging of each layout and split, as the card states it."""


@dataclass(frozen=True, slots=True)
class AcceptedSequence:
    """A sequence whose pairs go into the data set.

    Attributes:
        id: The sequence's id.
        video: The id of its video: all pairs of a video belong to one split.
        folder: Its folder, which holds its pairs.
        pairs: Its pairs, as they lie there.
        parameters: How it was made, repeated for each of its pairs.
    """

    id: str
    video: str
    folder: Path
    pairs: Sequence[SequencePair]
    parameters: Mapping[str, Parameter]


def lay_out(
    sequences: Sequence[AcceptedSequence], layout: SpaLayout, split: SplitName
) -> Iterator[tuple[PairRecord, dict[str, Path], Mapping[str, FileFacts]]]:
    """Name the pairs of one split.

    A rainy picture that equals an earlier one of the split is left out: two equal frames, or
    two windows without rain.

    Args:
        sequences: The split's sequences, in the order in which they are numbered.
        layout: The naming.
        split: The split.

    Yields:
        Each pair's record, where its files lie now, and the facts of those files by role.
    """
    seen: set[str] = set()
    count = 0
    for number, sequence in enumerate(sequences):
        for pair in sequence.pairs:
            if pair.facts["rainy"].pixels in seen:
                continue
            seen.add(pair.facts["rainy"].pixels)
            identity, files = _names(sequence, pair, layout, split, number, count)
            parameters: dict[str, Parameter] = {
                "sequence": sequence.id,
                "frame": pair.frame,
                "x": pair.x,
                "y": pair.y,
                "rain_share": pair.rain_share,
                **({"object_share": pair.object_share} if "objects" in files else {}),
                **sequence.parameters,
            }
            record = PairRecord(
                id=identity, source=sequence.video, files=files, parameters=parameters
            )
            yield record, {role: sequence.folder / pair.path(role) for role in files}, pair.facts
            count += 1


def _names(
    sequence: AcceptedSequence,
    pair: SequencePair,
    layout: SpaLayout,
    split: SplitName,
    number: int,
    count: int,
) -> tuple[str, dict[str, str]]:
    """Return id and paths of a pair."""
    place = f"{pair.x}_{pair.y}"
    own = [role for role in pair.facts if role != "clean"]  # the clean one is shared
    if layout == "pairs":
        identity = f"{sequence.id}_{pair.frame}_{place}"
        return identity, _ordered({role: f"{role}/{identity}.png" for role in pair.facts}, pair)
    if split == "test":
        name, folders = f"{count:03d}", {"rainy": "rain"}
        files = {role: f"real_test_1000/{folders.get(role, role)}/{name}.png" for role in own}
        return str(count), _ordered({**files, "clean": f"real_test_1000/gt/{name}gt.png"}, pair)
    video = f"{number:03d}"
    frame = f"{video}/{video}-{pair.frame}/{video}-{pair.frame}_{place}.png"
    folders = {"rainy": "real_world"}
    files = {role: f"{folders.get(role, f'real_world_{role}')}/{frame}" for role in own}
    files["clean"] = f"real_world_gt/{video}/{video}_{place}.png"
    return f"{number}_{pair.frame}_{place}", _ordered(files, pair)


def _ordered(files: dict[str, str], pair: SequencePair) -> dict[str, str]:
    """Return files in the order in which tables have them."""
    return {role: files[role] for role in ROLES if role in pair.facts}


def place_files(
    folder: Path, record: PairRecord, sources: Mapping[str, Path], made: set[Path]
) -> None:
    """Put the files of a pair where its record says: by hard link, or by copy where that fails.

    Args:
        folder: Of the split.
        record: The pair.
        sources: Where its files lie now, by role.
        made: Folders known to exist; added to.

    Raises:
        OSError: A file can neither be linked nor copied.
    """
    for role, path in record.files.items():
        target = folder / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        if target.exists():  # a clean picture that many frames share
            continue
        try:
            os.link(sources[role], target)
        except OSError:
            shutil.copyfile(sources[role], target)


def write_list(
    folder: Path, records: Sequence[PairRecord], layout: SpaLayout, split: SplitName
) -> None:
    """Write SPA-Data's list file, a line per pair: rainy path, blank, clean path."""
    if layout == "spa" and records:
        name = "real_world.txt" if split == "train" else "real_test_1000.txt"
        lines = [f"{record.files['rainy']} {record.files['clean']}\n" for record in records]
        write_atomically(folder / name, "".join(lines).encode())
