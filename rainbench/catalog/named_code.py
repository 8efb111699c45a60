"""The code that a baseline's card names, if it may be imported."""

from __future__ import annotations

import importlib
from typing import Any

from rainbench.catalog.cards import BaselineCard
from rainbench.core.errors import CardError


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
