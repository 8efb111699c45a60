"""A data set that others can use: metadata, card, Croissant description, contact sheet, shards.

Every builder writes its images below ``ROOT/NAME/``, one folder a split, and hands the list of
pairs to `write_package`, which adds::

    ROOT/NAME.toml            the card: `rainbench run -d NAME --cards ROOT --data ROOT` works
    ROOT/NAME/metadata.csv    a row per pair: files, source, parameters, hashes
    ROOT/croissant.json       the Croissant description of all splits
    ROOT/contact_sheet.png    some pairs to look at
    ROOT/shards/NAME-00000.tar, where WebDataset shards were asked for

The bytes depend on the pairs alone, not on their order or the number of workers, and every file is
complete or absent.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import DatasetCard
from rainbench.core.errors import ImageError, RainbenchError, StoreError
from rainbench.core.escape import escape_formula
from rainbench.core.files import ALL_KEPT, write_atomically, writing
from rainbench.core.images import Image, decode_image, pixel_hash, write_png
from rainbench.core.text import natural_key
from rainbench.packaging.card_text import card_text
from rainbench.packaging.croissant import CroissantSplit, croissant_text
from rainbench.packaging.shards import write_shards

Parameter = str | int | float


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of an image file.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        pixels: `rainbench.core.images.pixel_hash`: the same however well the file is compressed.
        sha256: Of the file.
    """

    width: int
    height: int
    pixels: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecord:
    """One pair of a data set.

    Attributes:
        id: Unique in its split.
        source: What it was made from, a video or a photograph; all pairs of a source belong to
            one split.
        files: Path of each file, relative to the split's folder, by what it shows: ``rainy`` and
            ``clean`` at least; ``mask`` and others as the builder has them.
        parameters: How it was made.
    """

    id: str
    source: str
    files: Mapping[str, str]
    parameters: Mapping[str, Parameter] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a data set: a card, and the pairs in the folder that bears the card's name.

    Attributes:
        card: The description; its count and sizes are filled in from the pairs.
        pairs: The pairs, in any order.
        facts: Facts of files, by path, that the builder knows already and need not be read again.
        heading: What the card's first line says, as a comment; none when empty.
    """

    card: DatasetCard
    pairs: Sequence[PairRecord]
    facts: Mapping[str, FileFacts] = dataclasses.field(default_factory=dict)
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Extras:
    """What else to write.

    Attributes:
        hugging_face: Give ``metadata.csv`` the columns in which Hugging Face's image folders look
            for the pictures of a row: ``file_name`` for the rainy one, ``clean_file_name`` and so
            on for the others.
        webdataset: Write WebDataset shards as well.
    """

    hugging_face: bool = False
    webdataset: bool = False

    @classmethod
    def of(cls, names: Collection[str]) -> Extras:
        """Return the packagings of these names, as ``--also`` gives them."""
        return cls(hugging_face="hugging-face" in names, webdataset="webdataset" in names)


def write_package(
    root: Path,
    splits: Sequence[Split],
    *,
    sheet: Image | None = None,
    extras: Extras | None = None,
    workers: int = 1,
) -> list[DatasetCard]:
    """Describe the pairs of a data set so that people and programs can use them.

    Args:
        root: Holds a folder of images for each split, named as its card.
        splits: The splits; empty ones are left out.
        sheet: The contact sheet, see `rainbench.packaging.contact_sheet`.
        extras: What else to write.
        workers: Threads that read and hash files.

    Returns:
        The cards as written, with count and sizes.

    Raises:
        RainbenchError: An id occurs twice, a source is in two splits, or a pair is incomplete.
        ImageError: A file of a pair cannot be read.
        StoreError: A file cannot be written.
    """
    extras = extras or Extras()
    splits = [_in_order(split) for split in splits if split.pairs]
    check_no_leak({split.card.name: split.pairs for split in splits})
    cards, described = [], []
    with writing(root):
        for split in splits:
            folder = root / split.card.name
            facts = _facts(folder, split, workers)
            card = _completed(split, facts)
            table = metadata_csv(split.pairs, facts, extras=extras).encode()
            write_atomically(folder / "metadata.csv", table)
            heading = f"# {split.heading}\n" if split.heading else ""
            write_atomically(root / f"{card.name}.toml", (heading + card_text(card)).encode())
            if extras.webdataset:
                write_shards(root / "shards", card.name, _members(folder, split.pairs))
            described.append(_for_croissant(card, table))
            cards.append(card)
        if described:
            write_atomically(root / "croissant.json", croissant_text(described).encode())
    if sheet is not None:
        store_png(root / "contact_sheet.png", sheet)
    return cards


def check_no_leak(pairs_of: Mapping[str, Sequence[PairRecord]]) -> None:
    """Raise an error when two splits share a source.

    Args:
        pairs_of: The pairs of each split, by its name.

    Example:
        >>> pair = PairRecord(id="1", source="yard", files={})
        >>> check_no_leak({"a": [pair], "b": [pair]})
        Traceback (most recent call last):
        ...
        rainbench.core.errors.RainbenchError: a and b both hold pairs of yard
          All pairs of a source must be in one split, or a score says nothing.
    """
    home: dict[str, str] = {}
    for name, pairs in pairs_of.items():
        for source in sorted({pair.source for pair in pairs}):
            if source in home:
                raise RainbenchError(
                    f"{home[source]} and {name} both hold pairs of {source}",
                    hint="All pairs of a source must be in one split, or a score says nothing.",
                )
            home[source] = name


def file_facts(path: Path) -> FileFacts:
    """Read an image file once and return its size and both hashes."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    return facts_of(decode_image(data, path), data)


def facts_of(image: Image, data: bytes) -> FileFacts:
    """Return the facts of a file from its picture and its bytes."""
    height, width = image.shape[:2]
    return FileFacts(width, height, pixel_hash(image), hashlib.sha256(data).hexdigest())


def metadata_csv(
    pairs: Sequence[PairRecord], facts: Mapping[str, FileFacts], *, extras: Extras | None = None
) -> str:
    """Return a table with a header and a line per pair, in the order given.

    Args:
        pairs: The pairs.
        facts: Of every file, by its path.
        extras: Whether the columns for Hugging Face are wanted.
    """
    roles = list(dict.fromkeys(role for pair in pairs for role in pair.files))
    parameters = list(dict.fromkeys(name for pair in pairs for name in pair.parameters))
    hugging_face = extras is not None and extras.hugging_face
    others = [role for role in roles if role != "rainy"] if hugging_face else []
    header = ["file_name"] * hugging_face + ["id", "source", *roles, "width", "height"]
    header += [f"{role}_pixels_sha256" for role in roles] + [f"{role}_sha256" for role in roles]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # Last, for the loader drops the ending: the picture then takes the place of the path.
    writer.writerow([*header, *parameters, *(f"{role}_file_name" for role in others)])
    for pair in pairs:
        known = {role: facts[path] for role, path in pair.files.items()}
        size = known["rainy"]
        row: list[object] = [pair.files["rainy"]] if hugging_face else []
        row += [
            escape_formula(pair.id),
            escape_formula(pair.source),
            *(pair.files.get(role, "") for role in roles),
        ]
        row += [size.width, size.height]
        row += [known[role].pixels if role in known else "" for role in roles]
        row += [known[role].sha256 if role in known else "" for role in roles]
        row += [_text(pair.parameters.get(name, "")) for name in parameters]
        row += [pair.files.get(role, "") for role in others]
        writer.writerow(row)
    return text.getvalue()


def _text(value: Parameter) -> str:
    return f"{value:.6g}" if isinstance(value, float) else escape_formula(str(value))


def store_png(path: Path, image: Image) -> None:
    """Write an image as PNG; a full disk is an error that says what to do, as in `writing`."""
    try:
        write_png(path, image)
    except ImageError as error:
        raise StoreError(error.message, hint=ALL_KEPT) from None


def _in_order(split: Split) -> Split:
    pairs = sorted(split.pairs, key=lambda pair: (natural_key(pair.id), pair.id))
    for before, after in itertools.pairwise(pairs):
        if before.id == after.id:
            raise RainbenchError(f"{split.card.name}: two pairs have the id {after.id}")
    for pair in pairs:
        if not {"rainy", "clean"} <= set(pair.files):
            raise RainbenchError(f"{split.card.name}: the pair {pair.id} is not complete")
    return dataclasses.replace(split, pairs=pairs)


def _facts(folder: Path, split: Split, workers: int) -> dict[str, FileFacts]:
    paths = dict.fromkeys(path for pair in split.pairs for path in pair.files.values())
    unknown = [path for path in paths if path not in split.facts]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        read = pool.map(lambda path: file_facts(folder / path), unknown)
        return {**split.facts, **dict(zip(unknown, read, strict=True))}


def _completed(split: Split, facts: Mapping[str, FileFacts]) -> DatasetCard:
    rainy = [facts[pair.files["rainy"]] for pair in split.pairs]
    sizes = tuple(sorted({(file.width, file.height) for file in rainy}))
    return dataclasses.replace(split.card, count=len(split.pairs), sizes=sizes)


def _members(folder: Path, pairs: Sequence[PairRecord]) -> Iterator[tuple[str, dict[str, Path]]]:
    for pair in pairs:
        yield pair.id, {role: folder / path for role, path in pair.files.items()}


def _for_croissant(card: DatasetCard, table: bytes) -> CroissantSplit:
    header = table.decode().splitlines()[0].split(",")
    return CroissantSplit(card, tuple(header), hashlib.sha256(table).hexdigest())
