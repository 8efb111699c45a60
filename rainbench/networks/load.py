"""From an entry's card to its network, the weights loaded strictly."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.registry import Entry
from rainbench.catalog.weights import how_to_get_weights
from rainbench.core.errors import CardError, WeightsError
from rainbench.networks.fit import load_weights


def build_network(entry: Entry, weights: Path | None) -> nn.Module:
    """Build an entry's network and load its weights strictly.

    Raises:
        CardError: The card names a class that does not exist or does not take its arguments, or
            the parameter count is another than the card says.
        WeightsError: The weights are missing, unsafe, altered, or another network's.
    """
    card = entry.baseline
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
    load_weights(network, weights, known.sha256 if known else "", known.state_dict if known else "")
    return network.eval()


def construct(card: BaselineCard, arguments: Mapping[str, object]) -> nn.Module:
    """Make a baseline's network, its weights as its class initialises them.

    Raises:
        CardError: The class does not exist, does not take these arguments, or is no network.
    """
    module_name, class_name = card.network.split(":")
    try:
        network = getattr(importlib.import_module(module_name), class_name)(**arguments)
    except (ImportError, AttributeError) as error:
        raise CardError(f"{card.file}: network {card.network} cannot be found: {error}") from None
    except (TypeError, ValueError) as error:
        raise CardError(
            f"{card.file}: {class_name} does not take these arguments: {error}"
        ) from None
    if not isinstance(network, nn.Module):
        raise CardError(f"{card.file}: {card.network} is not a torch module")
    return network
