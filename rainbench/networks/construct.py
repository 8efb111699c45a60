"""From what a card names to a network: which code may be imported, and with which arguments."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from importlib import metadata

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from rainbench.catalog.cards import BaselineCard
from rainbench.catalog.folders import content_root
from rainbench.catalog.named_code import check_arguments, find_named
from rainbench.core.errors import CardError, told
from rainbench.core.machine import free_memory
from rainbench.networks.work import TooMuchWorkError, multiply_adds

OURS = "rainbench.networks"
PLUG_INS = "rainbench.networks"
"""The group of entry points by which an installed package offers modules of networks."""

_LOG = logging.getLogger(__name__)


def construct(card: BaselineCard, arguments: Mapping[str, object]) -> nn.Module:
    """Make a baseline's network, its weights as its class initialises them.

    Raises:
        CardError: The class may not be imported or does not exist, is no network, does not take
            these arguments, or is far larger or slower with them than the card says.
    """
    named = network_class(card)
    check_arguments(card, named, arguments)
    ours = card.network.startswith(f"{OURS}.")
    try:
        if ours:
            _check_size(card, named, arguments)
        network = named(**arguments)
        if ours and not _is_known(card, arguments):
            _check_work(card, network, arguments)
        return network
    except CardError:
        raise
    except (Exception, SystemExit) as error:  # mostly of what happens inside of the class
        what = "cannot be made with the arguments of its card"
        if isinstance(error, TypeError) and str(error).startswith(f"{named.__name__}.__init__()"):
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
        with _counted_registration(card, most):
            _SIZES[key] = sum(each.numel() for each in network(**arguments).parameters())
    if _SIZES[key] > most:
        raise _too_large(card, f"{_SIZES[key]:,} parameters")
    if (needed := 4 * _SIZES[key]) > free_memory():
        raise CardError(
            f"{card.file}: {card.network} has {_SIZES[key]:,} parameters with these arguments, "
            f"which take {needed / 1e9:,.1f} GB of memory, more than there is"
        )


@contextlib.contextmanager
def _counted_registration(card: BaselineCard, most: int) -> Iterator[None]:
    """Let networks be made without memory for their parameters, and stop one that is too large.

    A million blocks would take minutes, and gigabytes for the mere objects, before they could be
    counted at the end. Parameters may be shared, so more of them are registered than there are.
    """
    here, parameters, modules = threading.get_ident(), 0, 0

    def of_parameter(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal parameters
        if parameter is not None and threading.get_ident() == here:
            parameters += parameter.numel()
            if parameters > _MOST_SHARED * most:
                raise _too_large(card, f"more than {parameters:,} parameters")

    def of_module(_module: nn.Module, _name: str, _child: nn.Module | None) -> None:
        nonlocal modules
        if threading.get_ident() == here:
            modules += 1
            if modules > _MOST_LAYERS:
                raise _too_large(card, f"more than {_MOST_LAYERS:,} layers")

    hooks = [
        register_module_parameter_registration_hook(of_parameter),
        register_module_module_registration_hook(of_module),
    ]
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _too_large(card: BaselineCard, what: str) -> CardError:
    return CardError(
        f"{card.file}: with these arguments {card.network} has {what}, many more than the card says"
    )


def _is_known(card: BaselineCard, arguments: Mapping[str, object]) -> bool:
    """Return whether a network is that of a card of the package, whose numbers tests hold."""
    entries = ({**card.arguments, **weights.arguments} for weights in card.weights)
    return (
        card.file.resolve().is_relative_to(content_root() / "baselines")
        and arguments in [card.arguments, *entries]
    )  # fmt: skip


def _check_work(card: BaselineCard, network: nn.Module, arguments: Mapping[str, object]) -> None:
    """Refuse a network that takes far longer than its card says, by a small picture.

    What is solved anew for each image makes many small steps; its card tells seconds in the place
    of multiply-adds. A card that says itself that its network takes long is believed: to count so
    many would take long, too.
    """
    said = max([card.macs_per_pixel, *(each.macs_per_pixel for each in card.weights)])
    if (not said and card.seconds_per_megapixel) or said > _MOST_COUNTED:
        return
    most = 10 * said + 10**7
    key = type(network), repr(sorted(arguments.items())), most
    if key in _BEARABLE or not any(True for _ in network.parameters()):
        return
    side = -(-64 // card.size_multiple) * card.size_multiple
    was_training = network.training
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            multiply_adds(network.eval(), torch.full((1, 3, side, side), 0.5), most=most * side**2)
    except TooMuchWorkError:
        raise CardError(
            f"{card.file}: with these arguments {card.network} takes many more multiply-adds or "
            f"steps for a pixel than the {card.macs_per_pixel:,} that the card says",
            hint="Correct the arguments, or macs_per_pixel.",
        ) from None
    except Exception:
        _LOG.debug("%s cannot be counted", card.name, exc_info=True)  # its row will say why
    finally:
        network.train(was_training)
    _BEARABLE.add(key)


_MOST_COUNTED = 10**7
"""Multiply-adds for a pixel, by a card, beyond which they are not counted: some seconds of work."""

_MOST_LAYERS = 20_000
"""Layers, and groups of layers, of a network: those of ours have some hundred."""

_MOST_SHARED = 2
"""How often a parameter may be registered."""

_SIZES: dict[tuple[type[nn.Module], str], int] = {}
"""Parameters by class and arguments: every data set's cell builds its entry's network again."""

_BEARABLE: set[tuple[type[nn.Module], str, int]] = set()
"""Networks, by class and arguments, that were found to work no more than so many multiply-adds."""
