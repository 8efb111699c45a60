"""What makers of a network that lies whole in one file share: counting it, its hash, its facts."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from rainbench.catalog.cards import WeightsCard
from rainbench.core.errors import WeightsError
from rainbench.core.resume import file_hash
from rainbench.foreign.adapt import Adapted, Ways
from rainbench.foreign.counts import Counts, count
from rainbench.networks.isolation import isolated


class OneFile(ABC):
    """Makes the network that is in a file, its weights included.

    Args:
        file: The file.
        kind: What wrote it.
        ways: How the network is called.
    """

    untrained = False

    def __init__(self, file: Path, kind: str, ways: Ways) -> None:
        self._file, self._kind, self._ways = file, kind, ways

    @abstractmethod
    def _load(self) -> nn.Module:
        """Return what the file holds."""

    def make(self, weights: WeightsCard | None, file: Path | None) -> nn.Module:  # noqa: ARG002
        """Return the network."""
        ways = self._ways
        return Adapted(self._load(), ways.value_range, ways.output, returns=ways.returns)

    @functools.cached_property
    def _counts(self) -> Counts:
        try:
            with isolated():
                network = self._load()
                return count(network, Adapted(network), state=False)
        except (Exception, SystemExit):
            return Counts()

    def _files(self) -> list[Path]:
        """Return the file and those beside it that belong to it."""
        return [self._file]

    @functools.cached_property
    def _hash(self) -> str:
        return hash_of(self._files())

    def code(self) -> str:
        """Return a hash of the file and of what belongs to it."""
        return self._hash

    def facts(self) -> Mapping[str, object]:
        """Return what is known of it."""
        return {
            "title": self._file.name,
            "kind": self._kind,
            "parameters": self._counts.parameters,
            "macs_per_pixel": self._counts.macs_per_pixel,
            **self._ways.facts(),
        }


def hash_of(files: list[Path]) -> str:
    """Return a hash of files, by their content and names.

    Raises:
        WeightsError: One cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(f"{file.name}\0{file_hash(file)}\0".encode())
        except OSError as error:
            raise WeightsError(f"{file}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:16]
