"""From what a card names to a network: which code may be imported, and with which arguments."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

import torch
from torch import nn

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.named_code import check_arguments, find_named
from rainbench.core.errors import CardError, told

OURS = "rainbench.networks"
PLUG_INS = "rainbench.networks"
"""The group of entry points by which an installed package offers modules of networks."""


def construct(card: BaselineCard, arguments: Mapping[str, object]) -> nn.Module:
    """Make a baseline's network, its weights as its class initialises them.

    Raises:
        CardError: The class may not be imported or does not exist, is no network, or does not
            take these arguments.
    """
    network = network_class(card)
    check_arguments(card, network, arguments)
    try:
        if card.network.startswith(f"{OURS}."):
            _check_size(card, network, arguments)
        return network(**arguments)
    except CardError:
        raise
    except (Exception, SystemExit) as error:  # mostly of what happens inside of the class
        what = "cannot be made with the arguments of its card"
        if isinstance(error, TypeError) and str(error).startswith(f"{network.__name__}.__init__()"):
            what = "does not take these arguments"  # said of the call itself
        raise CardError(f"{card.file}: {card.network} {what}: {told(error)}") from None


def network_class(card: BaselineCard) -> type[nn.Module]:
    """Return the class that a card names; importing a module runs its code.

    A card is a text that may come with somebody's data set. So only our own networks are
    imported, and the modules that an installed package offers under `PLUG_INS`, unless the user
    said that the cards are to be trusted.

    Raises:
        CardError: The card is not trusted with this module, or there is no such network.
    """
    found = find_named(card, offered=_is_offered(card.network.partition(":")[0]))
    # Asked before anything is called: `os:system` is importable, too.
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise CardError(f"{card.file}: {card.network} is no network: not a torch.nn.Module class")
    return found


def _is_offered(module: str) -> bool:
    if _is_in(module, OURS):  # looking through all installed packages takes milliseconds
        return True
    offered = {point.value.partition(":")[0] for point in metadata.entry_points(group=PLUG_INS)}
    # Cards that came with a package may name what is in it.
    models = metadata.entry_points(group="rainbench.models")
    offered |= {point.value.partition(":")[0].partition(".")[0] for point in models}
    return any(_is_in(module, each) for each in offered)


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _check_size(
    card: BaselineCard, network: type[nn.Module], arguments: Mapping[str, object]
) -> None:
    """Refuse a network that is far larger than its card says, before memory is taken for it."""
    most = 2 * max([card.parameters, *(each.parameters for each in card.weights)]) + 10**8
    key = network, repr(sorted(arguments.items()))
    if key not in _SIZES:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            _SIZES[key] = sum(each.numel() for each in network(**arguments).parameters())
    if (found := _SIZES[key]) > most:
        raise CardError(
            f"{card.file}: with these arguments {card.network} has {found:,} parameters, many more "
            "than the card says"
        )


_SIZES: dict[tuple[type[nn.Module], str], int] = {}
"""Parameters by class and arguments: every data set's cell builds its entry's network again."""
