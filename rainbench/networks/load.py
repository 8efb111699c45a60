"""From an entry's card to its network, the weights loaded strictly."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from rainbench.catalog.registry import Entry
from rainbench.catalog.weights import how_to_get_weights, read_state_dict
from rainbench.core.errors import CardError, WeightsError
from rainbench.networks.construct import construct


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
    load_weights(network, weights, entry.weights.sha256 if entry.weights else "")
    return network.eval()


def load_weights(network: nn.Module, file: Path, sha256: str = "") -> None:
    """Load a checkpoint, ours or the authors', into a network; every key has to fit.

    Raises:
        WeightsError: The file is not usable, or belongs to another network.
    """
    state = read_state_dict(file, sha256)
    try:
        if file.suffix != ".safetensors":
            state = network.convert_published(state)  # type: ignore[operator]
        network.load_state_dict(state, strict=True)
    except (KeyError, RuntimeError) as error:
        reason = str(error.args[0]).replace("\n", " ")[:300]
        raise WeightsError(
            f"{file}: does not fit {type(network).__name__}: {reason}",
            hint="It is the checkpoint of another network or of another version of it.",
        ) from None
