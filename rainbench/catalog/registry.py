"""Finding cards: built in, on ``RAINBENCH_PATH``, and in folders given on the command line."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rainbench
from rainbench.catalog.cards import BaselineCard, DatasetCard, WeightsCard
from rainbench.catalog.schema import read_card
from rainbench.core.errors import CardError, RainbenchError
from rainbench.core.text import did_you_mean

_NO_CARDS = ("reasons.toml", "layouts.toml")
"""What may lie beside cards in a folder of the user's own, see `report_files`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A baseline with one of its files of weights: what a row of a table is about.

    Attributes:
        baseline: The card.
        weights: One of the card's weights, or None for a plain method or an untrained network.
    """

    baseline: BaselineCard
    weights: WeightsCard | None

    @property
    def name(self) -> str:
        """``network.tag``, or the network alone where there are no weights."""
        return f"{self.baseline.name}.{self.weights.tag}" if self.weights else self.baseline.name

    @property
    def arguments(self) -> dict[str, object]:
        """The keyword arguments of the network's class, the weights' own included."""
        return {**self.baseline.arguments, **(self.weights.arguments if self.weights else {})}

    @property
    def untrained(self) -> bool:
        """Whether it is a network that nobody's weights are known of: its output means nothing."""
        return self.weights is None and self.baseline.parameters > 0

    @property
    def parameters(self) -> int:
        """The exact number of parameters, those of a narrow version included."""
        return (self.weights.parameters if self.weights else 0) or self.baseline.parameters

    @property
    def macs_per_pixel(self) -> int:
        """Multiply-adds per input pixel, those of a narrow version included."""
        return (self.weights.macs_per_pixel if self.weights else 0) or self.baseline.macs_per_pixel


@dataclass(frozen=True, slots=True)
class Registry:
    """All cards that were found, and the cards that could not be read.

    Attributes:
        datasets: Data set cards by name.
        baselines: Baseline cards by name.
        problems: One error for each unreadable card; the others are not affected.
        folders: The folders of the user's own that were looked in; what they hold of published
            tables, reasons and golden numbers counts, see `report_files`.
    """

    datasets: Mapping[str, DatasetCard]
    baselines: Mapping[str, BaselineCard]
    problems: tuple[CardError, ...]
    folders: tuple[Path, ...] = ()

    def dataset(self, name: str) -> DatasetCard:
        """Return a data set's card by its name or by one of its aliases in papers.

        Raises:
            RainbenchError: There is none, or an alias is shared by several revisions.
        """
        if name in self.datasets:
            return self.datasets[name]
        self.raise_if_broken(name)
        wanted = name.casefold()
        named = [
            card
            for card in self.datasets.values()
            if wanted in (alias.casefold() for alias in card.aliases)
        ]
        if len(named) == 1:
            return named[0]
        if named:
            choices = ", ".join(sorted(card.name for card in named))
            raise RainbenchError(
                f'"{name}" names several revisions', hint=f"Choose one of: {choices}."
            )
        raise RainbenchError(
            f"no such data set: {name}", hint=did_you_mean(name, self.datasets, self.spellings)
        )

    def entries(self, patterns: Iterable[str] = ()) -> list[Entry]:
        """Return the entries whose name, or whose baseline's name, matches one of the patterns.

        Args:
            patterns: ``prenet`` (all its tags), ``prenet.rain100l``, ``*.rain100l``; none: all.

        Raises:
            RainbenchError: A pattern matches nothing.
        """
        every = [
            Entry(card, weights)
            for card in self.baselines.values()
            for weights in (card.weights or (None,))
        ]
        chosen: list[Entry] = [] if patterns else every
        for pattern in patterns:
            matching = [
                entry
                for entry in every
                if fnmatch.fnmatchcase(entry.name, pattern) or entry.baseline.name == pattern
            ]
            if not matching:
                self.raise_if_broken(pattern.partition(".")[0])
                names = {entry.name for entry in every} | set(self.baselines)
                raise RainbenchError(
                    f"no such baseline: {pattern}",
                    hint=did_you_mean(pattern, names, self.spellings),
                )
            chosen.extend(entry for entry in matching if entry not in chosen)
        return chosen

    def raise_if_broken(self, name: str) -> None:
        """Raise the error of the card of this name, where it is one that cannot be read."""
        for problem in self.problems:
            if problem.file is not None and problem.file.stem == name:
                raise problem

    @property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """What else people call each data set and baseline: titles, names in papers."""
        datasets = {card.name: (card.title, *card.aliases) for card in self.datasets.values()}
        return datasets | {card.name: (card.title,) for card in self.baselines.values()}


def content_root() -> Path:
    """Return the folder that holds ``datasets/``, ``baselines/`` and ``reports/``.

    In an installed wheel they lie inside the package, in a checkout beside it.
    """
    package = Path(rainbench.__file__).resolve().parent
    return package if (package / "datasets").is_dir() else package.parent


def report_files(pattern: str, folders: Sequence[Path] = ()) -> list[Path]:
    """Return files of what is known: those of the package, then those of the user's folders.

    Args:
        pattern: Such as ``papers/*.csv`` or ``reasons.toml``.
        folders: Each holds them directly or in ``reports/``, see `Registry.folders`.

    Example:
        >>> [file.name for file in report_files("reasons.toml")]
        ['reasons.toml']
    """
    roots = [content_root() / "reports"]
    roots += [place for folder in folders for place in (folder / "reports", folder)]
    found: dict[Path, Path] = {}
    for root in roots:
        for file in sorted(root.glob(pattern)):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def load_registry(extra: Sequence[Path] = ()) -> Registry:
    """Read every card on the search path.

    Args:
        extra: Folders given with ``--cards``. Each, like each folder of ``RAINBENCH_PATH``, holds
            cards directly or in ``datasets/`` and ``baselines/``, and may hold published tables,
            reasons and golden numbers, see `report_files`.

    Raises:
        RainbenchError: A folder of ``extra`` does not exist.
    """
    listed = [Path(part) for part in os.environ.get("RAINBENCH_PATH", "").split(os.pathsep) if part]
    for folder in extra:
        if not folder.is_dir():
            raise RainbenchError(f"{folder}: there is no such folder of cards")
    datasets: dict[str, DatasetCard] = {}
    baselines: dict[str, BaselineCard] = {}
    problems: list[CardError] = []
    for root in (content_root(), *listed, *extra):
        for file in _card_files(root, is_builtin=root == content_root()):
            try:
                card = read_card(file)
                cards: dict[str, DatasetCard] | dict[str, BaselineCard]
                cards = baselines if isinstance(card, BaselineCard) else datasets
                if card.name in cards:
                    raise CardError(
                        f'{file}: "{card.name}" is defined in {cards[card.name].file} already',
                        hint="Rename one of the two.",
                    )
                cards[card.name] = card  # type: ignore[assignment]
            except CardError as problem:
                problems.append(CardError(problem.message, hint=problem.hint, file=file))
    return Registry(
        dict(sorted(datasets.items())),
        dict(sorted(baselines.items())),
        tuple(problems),
        tuple(dict.fromkeys((*listed, *extra))),
    )


def _card_files(root: Path, *, is_builtin: bool) -> list[Path]:
    folders = [root / "datasets", root / "baselines"] + ([] if is_builtin else [root])
    return [
        file
        for folder in folders
        for file in sorted(folder.glob("*.toml"))
        if folder != root or file.name not in _NO_CARDS
    ]
