"""From an entry's card to its network, the weights loaded strictly."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from rainbench.catalog.registry import Entry
from rainbench.catalog.weights import how_to_get_weights
from rainbench.core.errors import CardError, WeightsError
from rainbench.networks.construct import construct
from rainbench.networks.fit import load_weights


def build_network(entry: Entry, weights: Path | None) -> nn.Module:
    """Build an entry's network and load its weights strictly.

    Raises:
        CardError: The card names a class that does not exist or does not take its arguments, or
            the parameter count is another than the card says.
        WeightsError: The weights are missing, unsafe, altered, or another network's.
    """
    card = entry.baseline
    if card.maker is not None:
        return card.maker.make(entry.weights, weights)
    network = construct(card, entry.arguments)
    found = sum(parameter.numel() for parameter in network.parameters())
    if found != entry.parameters:
        raise CardError(
            f"{card.file}: says {entry.parameters:,} parameters, but {card.network} has {found:,}"
            f" ({entry.name})"
        )
    if entry.weights is None and not entry.untrained:
        return network.eval()
    if weights is None:
        raise WeightsError(f"{entry.name}: {how_to_get_weights(entry)}")
    known = entry.weights
    if known is None:
        load_weights(network, weights)
    else:
        wanted = known.hash_of(weights)
        load_weights(network, weights, wanted, known.state_dict, known.index_sha256)
    return network.eval()
