"""Finding cards: built in, on ``RAINBENCH_PATH``, and in folders given on the command line."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.cards import BaselineCard, DatasetCard, WeightsCard
from rainbench.catalog.folders import card_files, content_root, plug_in_folders
from rainbench.catalog.schema import read_card
from rainbench.core.errors import CardError, RainbenchError
from rainbench.core.text import did_you_mean, fitting, named, shortened

UNASKED_SECONDS = 30
"""The most that an image of a million pixels may take, by its card, to be restored unasked."""


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
        if self.baseline.maker is not None:
            return self.weights is None and self.baseline.maker.untrained
        return self.weights is None and self.baseline.parameters > 0

    @property
    def is_video(self) -> bool:
        """Whether it restores clips as a whole, and no single images."""
        return self.baseline.restores == "videos"

    @property
    def is_slow(self) -> bool:
        """Whether it restores images so slowly that it has to be asked for."""
        return not self.is_video and self.baseline.seconds_per_megapixel > UNASKED_SECONDS

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
            tables, reasons and golden numbers counts, see
            `rainbench.catalog.folders.report_files`.
    """

    datasets: Mapping[str, DatasetCard]
    baselines: Mapping[str, BaselineCard]
    problems: tuple[CardError, ...]
    folders: tuple[Path, ...] = ()

    def dataset(self, word: str) -> DatasetCard:
        """Return the data set of a name, in any case, a title, or a name in papers.

        Raises:
            RainbenchError: There is none, or the word has several meanings.
        """
        found = named(word, self._dataset_spellings)
        if word not in found:
            self.raise_if_broken(word)
        return self.datasets[self._only(word, found, "data set", self.datasets)]

    def datasets_of(self, words: Iterable[str]) -> list[DatasetCard]:
        """Return the data sets of names or patterns, each once.

        A pattern such as ``rain100*`` takes the test sets that it fits; training sets where it
        fits no test set.

        Raises:
            RainbenchError: A word names nothing or several things, or a pattern fits nothing.
        """
        chosen: list[DatasetCard] = []
        for word in words:
            fits = fitting(word, self.datasets)
            if fits:
                cards = [self.datasets[name] for name in fits]
                tests = [card for card in cards if card.split == "test"]
                chosen += tests or cards
            elif fits is not None:
                known = did_you_mean(word.strip("*?"), self.datasets, self.spellings)
                raise RainbenchError(f"no data set fits the pattern {word}", hint=known)
            else:
                chosen.append(self.dataset(word))
        return list({card.name: card for card in chosen}.values())

    def baseline(self, word: str) -> BaselineCard:
        """Return the baseline of a name, in any case, or of a title.

        Raises:
            RainbenchError: There is none, or the word has several meanings.
        """
        found = named(word, self._baseline_spellings)
        if word not in found:
            self.raise_if_broken(word)
        return self.baselines[self._only(word, found, "baseline", self.baselines)]

    def printed_as(self, method: str, variant: str = "") -> BaselineCard | None:
        """Return the baseline whose network papers print as a method or a variant of one.

        Args:
            method: As in ``reports/papers``.
            variant: Likewise; one that no card claims, such as whose weights, is the plain method.

        Example:
            >>> load_registry().printed_as("NASNet", "SENet").name
            'nasnet_se'
        """
        cards = self.baselines.values()
        for name in (f"{method}|{variant}", method):
            for card in cards:
                if name in (card.printed_as or (card.title,)):
                    return card
        return None

    def entries(self, patterns: Iterable[str] = ()) -> list[Entry]:
        """Return the entries whose name, or whose baseline's name, matches one of the patterns.

        Args:
            patterns: ``prenet`` or ``PReNet`` (all its tags), ``prenet.rain100l``,
                ``*.rain100l``; none: all.

        Raises:
            RainbenchError: A pattern matches nothing, or a title has several meanings.
        """
        every = self._every_entry()
        chosen: list[Entry] = [] if patterns else list(every.values())
        for pattern in patterns:
            names = fitting(pattern, every)
            if not names:
                spellings = self._baseline_spellings | self._entry_spellings
                found = named(pattern, spellings)
                if pattern not in found:
                    self.raise_if_broken(pattern.partition(".")[0])
                name = self._only(pattern, found, "baseline", spellings)
                names = [
                    each for each, entry in every.items() if name in (each, entry.baseline.name)
                ]
            chosen.extend(entry for entry in map(every.get, names) if entry and entry not in chosen)
        return chosen

    def meaning(self, word: str) -> DatasetCard | BaselineCard | Entry:
        """Return what bears a name, of whatever kind: a data set, a baseline or an entry.

        Raises:
            RainbenchError: Nothing does, or several things do.
        """
        found = named(word, self.spellings)
        if word not in found:
            self.raise_if_broken(word.partition(".")[0])
        name = self._only(word, found, "", self.spellings)
        return self.datasets.get(name) or self.baselines.get(name) or self._every_entry()[name]

    def members(self, words: Iterable[str]) -> list[DatasetCard | Entry]:
        """Return the data sets and entries of names or patterns, each once; see `meaning`.

        Raises:
            RainbenchError: A word names nothing or several things, or a pattern fits nothing.
        """
        every: dict[str, DatasetCard | Entry] = {**self.datasets, **self._every_entry()}
        chosen: dict[str, DatasetCard | Entry] = {}
        for word in words:
            fits = fitting(word, every)
            if fits == []:
                raise RainbenchError(
                    f"nothing fits the pattern {shortened(word, 100)}",
                    hint=did_you_mean(word.strip("*?"), every, self.spellings),
                )
            if fits is None:
                meant = self.meaning(word)
                cards = self.entries([meant.name]) if isinstance(meant, BaselineCard) else [meant]
                chosen |= {each.name: each for each in cards}
            else:
                chosen |= {name: every[name] for name in fits}
        return list(chosen.values())

    def plus(self, entries: Iterable[Entry]) -> Registry:
        """Return these cards and entries without cards of their own, see `rainbench.foreign`.

        Raises:
            RainbenchError: Two entries have one name, or one is that of a card.
        """
        baselines = dict(self.baselines)
        for entry in entries:
            card = entry.baseline
            other = baselines.get(card.name)
            if other is not None and other != card:
                what = other.source if other.maker else "an entry of ours"
                raise RainbenchError(
                    f"{card.source} would be called {card.name}, as {what} is",
                    hint=f"Give it a name: NAME={card.source}.",
                )
            baselines[card.name] = card
        return dataclasses.replace(self, baselines=dict(sorted(baselines.items())))

    def raise_if_broken(self, name: str) -> None:
        """Raise the error of the card of this name, where it is one that cannot be read."""
        for problem in self.problems:
            if problem.file is not None and problem.file.stem.casefold() == name.casefold():
                raise problem

    @property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """What else people call each data set, baseline and entry: titles, names in papers."""
        return self._dataset_spellings | self._entry_spellings | self._baseline_spellings

    @property
    def _dataset_spellings(self) -> dict[str, tuple[str, ...]]:
        return {card.name: (card.title, *card.aliases) for card in self.datasets.values()}

    @property
    def _baseline_spellings(self) -> dict[str, tuple[str, ...]]:
        return {card.name: (card.title,) for card in self.baselines.values()}

    @property
    def _entry_spellings(self) -> dict[str, tuple[str, ...]]:
        return {
            name: (f"{entry.baseline.title}.{entry.weights.tag}",)
            for name, entry in self._every_entry().items()
            if entry.weights is not None
        }

    def _every_entry(self) -> dict[str, Entry]:
        every = (
            Entry(card, weights)
            for card in self.baselines.values()
            for weights in (card.weights or (None,))
        )
        return {entry.name: entry for entry in every}

    def _only(self, word: str, found: list[str], kind: str, known: Iterable[str]) -> str:
        """Return the one name that was found, or say what the word could mean."""
        word = shortened(word, 100)
        if len(found) > 1:
            readings = "; ".join(
                ", ".join(dict.fromkeys([name, *self.spellings[name]])) for name in found
            )
            raise RainbenchError(
                f'"{word}" has several meanings: {" or ".join(found)}',
                hint=f"Give one of these names: {readings}.",
            )
        if found:
            return found[0]
        if kind and (others := named(word, self.spellings)):
            known_as = "data set" if others[0] in self.datasets else "baseline"
            hint = f"{others[0]} is a {known_as}, not a {kind}."
        else:
            hint = did_you_mean(word, known, self.spellings)
        what = f"no such {kind}: {word}" if kind else f"nothing is called {word}"
        raise RainbenchError(what, hint=hint)


def load_registry(extra: Sequence[Path] = (), *, trusted: bool = False) -> Registry:
    """Read every card on the search path, those of installed packages included.

    Args:
        extra: Folders given with ``--cards``. Each, like each folder of ``RAINBENCH_PATH``, holds
            cards directly or in ``datasets/`` and ``baselines/``, and may hold published tables,
            reasons and golden numbers, see `rainbench.catalog.folders.report_files`.
        trusted: Whether networks that cards name may be any importable code, see
            `rainbench.networks.load.network_class`.

    Raises:
        RainbenchError: A folder of ``extra`` does not exist.
    """
    listed = [Path(part) for part in os.environ.get("RAINBENCH_PATH", "").split(os.pathsep) if part]
    for folder in extra:
        if not folder.is_dir():
            raise RainbenchError(f"{folder}: there is no such folder of cards")
    cards: dict[str, DatasetCard | BaselineCard] = {}
    problems: list[CardError] = []
    seen: set[Path] = set()
    for root in (content_root(), *plug_in_folders(), *listed, *extra):
        own = root != content_root()
        for file in card_files(root, own=own, problems=problems):
            if (place := file.parent.resolve() / file.name) in seen:
                continue
            seen.add(place)
            try:
                card = read_card(file, trusted=trusted)
                if card.name in cards:
                    raise CardError(
                        f'{file}: "{card.name}" is defined in {cards[card.name].file} already',
                        hint="Rename one of the two.",
                    )
                cards[card.name] = card
            except CardError as problem:
                problems.append(CardError(problem.message, hint=problem.hint, file=file))
    by_name = sorted(cards.items())
    return Registry(
        {name: card for name, card in by_name if isinstance(card, DatasetCard)},
        {name: card for name, card in by_name if isinstance(card, BaselineCard)},
        tuple(problems),
        tuple(dict.fromkeys((*listed, *extra))),
    )
