"""The code that a baseline's card names, if it may be imported."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rainbench.catalog.cards import BaselineCard
from rainbench.core.errors import CardError
from rainbench.core.text import did_you_mean


def find_named(card: BaselineCard, *, offered: bool) -> Any:  # noqa: ANN401 (it may be anything)
    """Return what a card names; importing a module runs its code.

    A card is a text that may come with somebody's data set: only what is offered is imported,
    unless the user said that the cards are to be trusted.

    Args:
        card: Names it as ``module:Class``.
        offered: Whether the module is one of ours, or of an installed package that offers it.

    Raises:
        CardError: The card is not trusted with this module, or there is no such thing in it.
    """
    if not (card.trusted or offered):
        raise CardError(
            f"{card.file}: names {card.network}, code that is not part of rainbench and was not "
            "run; give --trust-cards if you know it and trust it"
        )
    module, _, name = card.network.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # the module is somebody's and may do anything
        raise CardError(
            f"{card.file}: network {card.network} cannot be found: {type(error).__name__}: {error}"
        ) from None


def check_arguments(
    card: BaselineCard, named: Callable[..., object], arguments: Mapping[str, object]
) -> None:
    """Compare a card's arguments with the names that a class takes.

    Args:
        card: Names the class.
        named: The class.
        arguments: What it is to be called with.

    Raises:
        CardError: It does not take one of them, or cannot do without another.
    """
    try:
        parameters = inspect.signature(named).parameters
    except (TypeError, ValueError):  # it tells no signature: calling it will show
        return
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    names = {name for name, each in parameters.items() if each.kind is not each.POSITIONAL_ONLY}
    unknown = [name for name in arguments if name not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise CardError(
            f'{card.file}: {card.network} does not take these arguments: it has no "{unknown[0]}"',
            hint=hint,
        )
    missing = [
        name
        for name, each in parameters.items()
        if each.default is each.empty and each.kind is not each.VAR_POSITIONAL
        and name not in arguments
    ]  # fmt: skip
    if missing:
        raise CardError(
            f"{card.file}: {card.network} does not take these arguments: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing"
        )
