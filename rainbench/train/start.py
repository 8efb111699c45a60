"""Weights that a training starts from, in the place of random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from rainbench.catalog.cards import BaselineCard, WeightsCard
from rainbench.catalog.registry import Registry
from rainbench.catalog.weights import find_weights, how_to_get_weights
from rainbench.core.errors import RainbenchError, WeightsError
from rainbench.networks.fit import load_weights


@dataclass(frozen=True, slots=True)
class Start:
    """An entry's weights, found on disk.

    Attributes:
        entry: Its name.
        file: The weights.
        card: What its card says of them.
    """

    entry: str
    file: Path
    card: WeightsCard

    @property
    def label(self) -> str:
        """Name and hash, for what a training must keep to be resumed."""
        return f"{self.entry} {self.card.sha256 or self.card.git_sha1}"

    def load(self, network: nn.Module) -> None:
        """Load them into a network.

        Raises:
            WeightsError: They are damaged, altered, or another network's.
        """
        wanted = self.card.hash_of(self.file)
        load_weights(network, self.file, wanted, self.card.state_dict, self.card.index_sha256)


def find_start(registry: Registry, card: BaselineCard, name: str, roots: Sequence[Path]) -> Start:
    """Find the weights that a training is to start from.

    Args:
        registry: Knows the entries.
        card: What is trained.
        name: An entry of that baseline, such as ``sian.streaks-w12``.
        roots: Folders that may hold weights; those that are shipped are found without.

    Raises:
        RainbenchError: It is no single entry with weights, or one of another network.
        WeightsError: There is no file of them.

    Example:
        >>> from rainbench.catalog.registry import load_registry
        >>> registry = load_registry()
        >>> found = find_start(registry, registry.baseline("sian"), "sian.streaks-w12", [])
        >>> found.file.name, found.card.arguments["width"]
        ('sian.streaks-w12.safetensors', 12)
    """
    found = registry.entries([name])
    entry = found[0]
    if len(found) != 1 or entry.weights is None:
        names = ", ".join(entry.name for entry in registry.entries([card.name]) if entry.weights)
        raise RainbenchError(
            f"--from {name}: names no weights to start from",
            hint=f"Name one entry: {names or f'{card.name} has none with weights'}.",
        )
    if entry.baseline.network != card.network:
        raise RainbenchError(
            f"--from {name}: weights of {entry.baseline.name} do not fit {card.name}",
            hint="Start from an entry of the network that is trained.",
        )
    file = find_weights(entry, roots)
    if file is None:
        raise WeightsError(f"--from {name}: {how_to_get_weights(entry)}")
    return Start(entry.name, file, entry.weights)
