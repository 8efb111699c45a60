"""Data sets as sequences of pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, overload

from rainbench.api.models import Folders, as_folders
from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.folders import readable_folders
from rainbench.catalog.registry import Registry, load_registry
from rainbench.core.errors import RainbenchError
from rainbench.core.files import write_atomically, writing
from rainbench.core.images import Image
from rainbench.core.text import fitting
from rainbench.pairs.copies import copies_of
from rainbench.pairs.load import PairSet, load_first_copy
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_pair

if TYPE_CHECKING:
    from rainbench.pairs.layouts import Pair


def list_datasets(pattern: str = "*", *, cards: Folders = ()) -> list[str]:
    """Return the names of all data sets that are known, whether or not there is a copy here.

    Args:
        pattern: With ``*`` and ``?``.
        cards: Folders of further cards.

    Raises:
        RainbenchError: A folder of cards does not exist.

    Example:
        >>> list_datasets("rain200?")
        ['rain200h', 'rain200l']
    """
    names = load_registry(as_folders(cards)).datasets
    found = fitting(pattern, names)
    return sorted(found if found is not None else [name for name in names if name == pattern])


class Sample:
    """A pair of a data set; its pictures are read when they are asked for.

    Args:
        pair: Where it lies.
        info: What was found when it was checked.

    Attributes:
        id: The same in every packaging of the data set.
    """

    def __init__(self, pair: Pair, info: PairInfo) -> None:
        self.id = pair.id
        self._pair, self._info = pair, info
        self._pictures: tuple[Image, Image] | None = None

    def __repr__(self) -> str:
        return f"Sample({self.id!r}, {self._info.width}x{self._info.height})"

    @property
    def rainy(self) -> Image:
        """``(H, W, 3)`` uint8, RGB."""
        return self._read()[0]

    @property
    def clean(self) -> Image:
        """``(H, W, 3)`` uint8, RGB."""
        return self._read()[1]

    def _read(self) -> tuple[Image, Image]:
        if self._pictures is None:
            self._pictures = load_pair(self._pair, self._info)
        return self._pictures


class Dataset:
    """A copy of a data set, every pair checked; see `load_dataset`.

    Args:
        pairs: The copy.

    Attributes:
        pairs: The copy, as the rest of the package knows it.

    Example:
        >>> rain = load_dataset("mini-streaks")
        >>> len(rain), rain[0].id, rain[0].rainy.shape, rain.problems
        (8, '1-astronaut_1', (128, 192, 3), [])
    """

    def __init__(self, pairs: PairSet) -> None:
        self.pairs = pairs

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} pairs in {str(self.pairs.folder)!r})"

    @property
    def name(self) -> str:
        """Its name, with that of an altered copy behind an @."""
        return self.pairs.label

    @property
    def card(self) -> DatasetCard:
        """What is known of the data set."""
        return self.pairs.card

    @property
    def problems(self) -> list[str]:
        """What was left out of the copy, a sentence each; only with ``allow_partial``."""
        return list(self.pairs.left_out)

    def __len__(self) -> int:
        return len(self.pairs.pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: int | slice) -> Sample | Dataset:
        """Return a pair, or the data set of some of them, which counts as incomplete."""
        if isinstance(index, slice):
            pairs, manifest = self.pairs.pairs[index], self.pairs.manifest[index]
            if not pairs:
                raise RainbenchError(f"{self.name}: no pair is left of {len(self)}")
            return Dataset(dataclasses.replace(self.pairs, pairs=pairs, manifest=manifest))
        return Sample(self.pairs.pairs[index], self.pairs.manifest[index])

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))


def load_dataset(
    name: str = "",
    *,
    rainy: str | Path | None = None,
    clean: str | Path | None = None,
    data: Folders = (),
    cards: Folders = (),
    layout: str = "",
    limit: int | None = None,
    allow_partial: bool = False,
) -> Dataset:
    """Find a copy of a data set and check every pair of it.

    Args:
        name: Its name, its title, or a name that papers use; ``hf-dataset://owner/name``, or where
            a data set of Hugging Face's was saved to disk. Of two folders without a card what
            they are called; empty: after the folders.
        rainy: A folder of rainy images, with ``clean``: no card is needed. An archive, or a folder
            in one (``pairs.zip/in``), will do.
        clean: A folder of their clean partners, paired by the names of the files.
        data: Folders to look in, archives (.zip, .tar, .tar.gz) included.
        cards: Folders of further cards.
        layout: Take this packaging, where several fit.
        limit: Only the first so many pairs.
        allow_partial: Leave unusable pairs out and list them, instead of refusing the copy.

    Raises:
        RainbenchError: There is no such data set, no copy of it is found, or what is found is not
            what its card says.

    Example:
        >>> len(load_dataset("mini-streaks", limit=3))
        3
    """
    from rainbench.pairs.folders import load_folders

    check_limit(limit)
    if rainy is not None or clean is not None:
        if rainy is None or clean is None:
            raise RainbenchError("give both folders, rainy= and clean=")
        return Dataset(
            load_folders(
                Path(rainy), Path(clean), name=name, limit=limit, allow_partial=allow_partial
            )
        )
    from rainbench.pairs.hub import find_columns, is_columns

    if is_columns(name):
        found = find_columns(name)
        return Dataset(
            load_folders(
                found.rainy, found.clean, name=found.name, source=found.source, limit=limit,
                allow_partial=allow_partial,
            )
        )  # fmt: skip
    if not name:
        raise RainbenchError("no data set was named", hint="list_datasets() gives the names.")
    card = load_registry(as_folders(cards)).dataset(name)
    folders = readable_folders(as_folders(data))
    copies: list[Path] = copies_of(card, folders, only=True)
    if not copies:
        looked = ", ".join(map(str, folders))
        raise RainbenchError(
            f"{card.name}: no copy found" + (f" in {looked}" if looked else ""),
            hint=f"It comes from {card.sources[0]}; give the folder that holds it as data=.",
        )
    return Dataset(
        load_first_copy(card, copies, layout=layout, limit=limit, allow_partial=allow_partial)
    )


def check_limit(limit: object) -> None:
    """Refuse a number of pairs that is none."""
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise RainbenchError(f"limit {limit!r}: give a whole number from 1, or None for all pairs")


def with_card(registry: Registry, card: DatasetCard, run: Path | None) -> Registry:
    """Return a registry that knows the card of a data set that has none elsewhere.

    Args:
        registry: The cards.
        card: The data set's.
        run: A run's folder, which receives the card, so that its reports know it.

    Raises:
        RainbenchError: A data set of another card bears its name.
        StoreError: The folder cannot be written.
    """
    from rainbench.packaging.card_text import card_text

    other = registry.datasets.get(card.name)
    if other is not None and other.file.parent.name != "cards":
        raise RainbenchError(f"{card.name} is a data set of ours", hint="Give another name.")
    if run is not None:
        file = run / "cards" / f"{card.name}.toml"
        with writing(run):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, card_text(card).encode())
        card = dataclasses.replace(card, file=file)
    return dataclasses.replace(registry, datasets={**registry.datasets, card.name: card})
