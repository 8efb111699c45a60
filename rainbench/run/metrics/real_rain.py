"""Real rain without truth: a folder of rainy pictures, by metrics that need no clean ones.

``real-rain/FOLDER/ENTRY/`` holds the columns of metrics as beside a cell, and ``shown/``, the
restored pictures of the gallery. The first row is the rainy pictures themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.registry import Entry
from rainbench.core.errors import ImageError, RainbenchError, StoreError, failing_alone
from rainbench.core.files import writing
from rainbench.core.images import IMAGE_SUFFIXES, Image, pixel_hash, read_image, write_png
from rainbench.core.packed.places import check_place
from rainbench.core.progress import Advance, unseen
from rainbench.core.resume import key_of, read_record, write_record
from rainbench.core.text import natural_key, safe_name
from rainbench.metrics.quality.record import ReadyMetric
from rainbench.pairs.files import name_problem
from rainbench.pairs.load import PairSet
from rainbench.pairs.matching import images_below, unread_below
from rainbench.pairs.pictures import CHANGED
from rainbench.run.metrics.columns import Column
from rainbench.run.metrics.measure import Columns, as_saved
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell, key_parts
from rainbench.run.predict import Predictor

REAL_RAIN = "real-rain"

INPUT = "identity"
"""The entry that stands for the rainy pictures themselves."""


@dataclass(frozen=True, slots=True)
class RainyPictures:
    """A folder of rainy pictures, each decoded once.

    Attributes:
        name: What tables call it, safe as a folder's name.
        folder: Where it is.
        files: Each picture's file by its path in the folder, in order.
        hashes: The hash of each picture's pixels.
        problems: Files that cannot be used, a sentence each.
    """

    name: str
    folder: Path
    files: Mapping[str, Path]
    hashes: Mapping[str, str]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of one entry.

    Attributes:
        entry: Its name.
        columns: The results of the metrics by name.
        shown: The restored pictures that are shown, by the picture's name.
        failure: Why there are none; empty where there are.
    """

    entry: str
    columns: Mapping[str, Column]
    shown: Mapping[str, Path]
    failure: str = ""


def find_pictures(
    folder: Path, limit: int | None = None, advance: Advance = unseen
) -> RainyPictures:
    """Return the pictures in a folder and the folders in it.

    Raises:
        RainbenchError: There is no such folder, or no usable picture in it.
    """
    check_place(folder)
    found = {path.relative_to(folder).as_posix(): path for path in images_below(folder)}
    files, hashes = {}, {}
    problems = [name_problem(file, "") for file in unread_below(folder)]
    for name in sorted(found, key=natural_key)[:limit]:
        try:
            hashes[name] = pixel_hash(read_image(found[name]))
            files[name] = found[name]
        except ImageError as error:
            problems.append(str(error))
        advance(1, folder.name)
    if not files:
        reasons = "".join(f"\n  - {problem}" for problem in problems)
        raise RainbenchError(
            f"{folder}: holds no picture that can be used{reasons}",
            hint=f"Pictures end with {', '.join(sorted(IMAGE_SUFFIXES))}.",
        )
    name = safe_name(folder.resolve().name) or "pictures"
    return RainyPictures(name, folder, files, hashes, tuple(problems))


def restore_all(
    pictures: RainyPictures,
    entries: Sequence[tuple[Entry, Path | None]],
    out: Path,
    options: RunOptions,
    metrics: Sequence[ReadyMetric],
    shown: Sequence[str],
    *,
    advance: Advance = unseen,
) -> Iterator[Restored]:
    """Restore and measure every picture by every entry; one that fails is a row with its reason.

    Args:
        pictures: The rainy pictures.
        entries: Each with the file of its weights.
        out: The run's folder.
        options: How to compute.
        metrics: What to measure; none may need a clean picture.
        shown: The pictures to keep for the gallery.
        advance: Called with how many pictures have just been finished, and by which entry.

    Raises:
        StoreError: The run's folder cannot be written.
    """
    for entry, weights in entries:
        folder = out / REAL_RAIN / pictures.name / entry.name
        cell = PlannedCell(_pair_set(pictures), entry, weights)
        try:
            with failing_alone(entry.name):
                yield _restore(pictures, cell, folder, options, metrics, shown, advance)
        except StoreError:
            raise
        except RainbenchError as error:
            yield Restored(entry.name, {}, {}, error.message)


def _restore(
    pictures: RainyPictures,
    cell: PlannedCell,
    folder: Path,
    options: RunOptions,
    metrics: Sequence[ReadyMetric],
    shown: Sequence[str],
    advance: Advance,
) -> Restored:
    parts = key_parts(cell, options)
    gallery = _Gallery(folder / "shown", parts, pictures, shown)
    predictor: Predictor | None = None
    with Columns(folder, metrics, parts, list(pictures.hashes.items())) as columns:
        for name, file in pictures.files.items():
            if name in columns.missing or name in gallery.missing:
                rainy = read_image(file)
                if pixel_hash(rainy) != pictures.hashes[name]:
                    raise ImageError(file, CHANGED, hint="Run again.")
                predictor = predictor or Predictor(cell.entry, cell.weights, options)
                restored = as_saved(predictor(rainy))
                columns.measure(name, restored, None)
                if name in gallery.missing:
                    gallery.keep(name, restored)
            advance(1, cell.entry.name)
        results = columns.complete()
    return Restored(cell.entry.name, {each.name: each for each in results}, gallery.files)


class _Gallery:
    """The restored pictures of an entry that are shown, kept with a record each."""

    def __init__(
        self,
        folder: Path,
        parts: Mapping[str, object],
        pictures: RainyPictures,
        shown: Sequence[str],
    ) -> None:
        self._folder = folder
        restored_by = {name: value for name, value in parts.items() if name != "protocols"}
        self._keys = {name: key_of([restored_by, pictures.hashes[name]]) for name in shown}
        self.files = {name: folder / f"{key}.png" for name, key in self._keys.items()}
        self.missing = {
            name
            for name, key in self._keys.items()
            if read_record(folder / f"{key}.json", key) is None
        }

    def keep(self, name: str, restored: Image) -> None:
        file, key = self.files[name], self._keys[name]
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_png(file, restored)
            write_record(file.with_suffix(".json"), key, [file])


def _pair_set(pictures: RainyPictures) -> PairSet:
    """Return what a cell's key asks of its data set: a name, and no pairs."""
    card = DatasetCard(
        name=pictures.name,
        title=pictures.folder.name,
        revision="",
        degradation=(),
        origin="real",
        split="test",
        count=0,
        protocol="",
        layouts=(),
        licence="",
        sources=(),
        citation="",
    )
    return PairSet(card, pictures.folder, "", (), (), None)
