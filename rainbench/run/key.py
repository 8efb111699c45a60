"""What a cell's numbers depend on: the parts of its key, and whether they are still what they were.

A finished cell is kept as long as its key is the same. The key holds

* the entry: its card's arguments and conventions, the hash of its weights;
* the images: the hashes of their decoded pixels;
* the options that change a number, see `rainbench.run.options.RunOptions.key_parts`;
* the protocols: every setting of each, its version included, but not its words;
* the code, see `rainbench.run.code`: the files of the network's, and of all between the images and
  the lines of ``images.csv`` and the means of ``cell.json``.

Reports, figures, training, the command line and what a card says for people are not in it; neither
are the versions of Python and PyTorch nor the machine, which are ``cell.json``'s provenance.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rainbench.catalog.cards import Maker
from rainbench.core.resume import key_of
from rainbench.metrics import PROTOCOLS
from rainbench.run.code import code_hash

EVALUATION = "rainbench.run.evaluate"
"""From the images of a data set to the files of a cell; all else that this needs it imports."""

FOREIGN = "rainbench.foreign.entry"
"""What calls networks without a card."""

SCORING = ("rainbench.metrics", "rainbench.pairs.load", "rainbench.run.results")
"""The same for images that somebody else restored."""

_WORDS = frozenset({"name", "title", "source", "repository", "conventions", "warning"})


def code_of_network(network: str) -> dict[str, str]:
    """Return the hashes of the code that a network's numbers depend on.

    Args:
        network: Its class, such as ``rainbench.networks.prenet:PReNet``.
    """
    module = network.partition(":")[0]
    return {"network": code_hash(module), "evaluation": code_hash(EVALUATION)}


def code_of_maker(maker: Maker) -> dict[str, str]:
    """Return the same for a network without a card, and what adapts it."""
    network = key_of([maker.code(), code_hash(FOREIGN)])
    return {"network": network, "evaluation": code_hash(EVALUATION)}


def code_of_folder() -> dict[str, str]:
    """Return the hash of the code that the numbers of a folder of restored images depend on."""
    return {"evaluation": code_hash(*SCORING)}


@functools.cache
def protocol_settings() -> Mapping[str, str]:
    """Return each protocol's version and a hash of what it does.

    Example:
        >>> protocol_settings()["prenet-y"].split("-")[0]
        '1'
    """
    settings = {}
    for name, protocol in PROTOCOLS.items():
        values = [
            (field.name, getattr(protocol, field.name))
            for field in fields(protocol)
            if field.name not in _WORDS
        ]
        digest = hashlib.sha256(repr(values).encode()).hexdigest()
        settings[name] = f"{protocol.version}-{digest[:8]}"
    return settings


def stale_reason(parts: Mapping[str, Any]) -> str:
    """Return why a finished cell's numbers are not those of today's code; empty when they are.

    The cell's data and weights are not looked at: they may be out of reach.

    Args:
        parts: What the cell's ``key.json`` says.
    """
    try:
        before, protocols = parts["code"], parts["protocols"]
        if "foreign" in parts:  # whose code may be out of reach, as data and weights may
            now = {"evaluation": code_hash(EVALUATION)}
        else:
            now = code_of_network(parts["network"]) if "network" in parts else code_of_folder()
        changed = [f"the code of {name}" for name in now if before.get(name) != now[name]]
        changed += [
            f"protocol {name}"
            for name in sorted({*protocols, *protocol_settings()})
            if protocols.get(name) != protocol_settings().get(name)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "nothing says by which code it was computed"
    return f"{', '.join(changed)} changed since it was computed" if changed else ""
