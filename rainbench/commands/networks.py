"""Options of commands that take a network without a card in the place of an entry's name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rainbench.commands.options import Function, NumberRange, is_trusted, with_options
from rainbench.core.errors import CardError, RainbenchError
from rainbench.core.files import is_file
from rainbench.core.packed.remote import places_here

if TYPE_CHECKING:
    from rainbench.catalog.registry import Entry, Registry
    from rainbench.core.watch import Watch

_META = "rainbench.network"

_DEFAULTS: dict[str, Any] = {
    "channel_order": "rgb", "value_range": "", "size_multiple": 1, "output": "", "returns": "",
    "state_dict": "", "arguments": {}, "time_limit": 3600.0,
}  # fmt: skip


def network_options(function: Function) -> Function:
    """Add the options that say how a network without a card is called, for `with_networks`."""
    options = (
        _option(
            "--channel-order", "channel_order", type=click.Choice(["rgb", "bgr"]),
            help="Of your own network's input.",
        ),
        _option(
            "--value-range", "value_range", type=click.Choice(["0..1", "0..255", "-1..1"]),
            help="Black and white in your own network's input and output. [default: 0..1]",
        ),
        _option(
            "--multiple-of", "size_multiple", type=click.IntRange(1, 1024), metavar="N",
            help="Pad images to a multiple of N for your own network, and cut the result.",
        ),
        _option(
            "--output", "output", metavar="PLACE",
            help="Which image, where your own network returns several: 0, -1, restored.",
        ),
        _option(
            "--returns", "returns", type=click.Choice(["image", "rain", "change"]),
            help="What your own network returns: the restored image, what is taken from the rainy "
            "one, or what is added to it. [default: image, and what looks like another is refused]",
        ),
        _option(
            "--argument", "arguments", multiple=True, metavar="NAME=VALUE",
            help="An argument of your own network's class; may be repeated.",
        ),
        _option(
            "--state-dict", "state_dict", metavar="PLACE",
            help="Which state dict of the file given with --weights, such as params_ema.",
        ),
        _option(
            "--time-limit", "time_limit", type=NumberRange(min=0, min_open=True),
            metavar="SECONDS", help="Of a program (cmd:) for a folder. [default: 3600]",
        ),
    )  # fmt: skip
    return with_options(options, function)


def network_settings(context: click.Context) -> dict[str, Any]:
    """Return what was given of these options, by name, in the form in which it is given."""
    given = dict(context.meta.get(_META, {}))
    if "arguments" in given:
        pairs = given["arguments"].items()
        given["arguments"] = tuple(f"{name}={json.dumps(value)}" for name, value in pairs)
    return given


def _option(flag: str, name: str, **settings: Any) -> Any:  # noqa: ANN401
    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401
        if value is not None and value != ():
            given = read_arguments(value) if name == "arguments" else value
            context.meta.setdefault(_META, {})[name] = given

    return click.option(flag, name, expose_value=False, callback=keep, **settings)


def read_arguments(words: Sequence[str]) -> dict[str, object]:
    """Return what ``--argument NAME=VALUE`` says; values as in JSON, and texts.

    Raises:
        RainbenchError: One is not NAME=VALUE.

    Example:
        >>> read_arguments(["width=32", "mode=full", "gate=true"])
        {'width': 32, 'mode': 'full', 'gate': True}
    """
    found: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise RainbenchError(
                f"--argument {word}: is not NAME=VALUE", hint="For example --argument width=32."
            )
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = {"True": True, "False": False, "None": None}.get(text, text)
    return found


def with_networks(
    registry: Registry, words: Sequence[str], weight_roots: Sequence[Path], watch: Watch
) -> tuple[Registry, list[str], list[Path]]:
    """Return a registry that knows the networks among ``words``, the names, and the folders.

    Args:
        registry: The cards.
        words: Names, patterns, and what `rainbench.foreign.entry.entry_of` takes.
        weight_roots: Folders, and files of weights for the networks without a card.
        watch: What the process is at. A network of which one died before is a problem of the
            registry, and no name.

    Raises:
        RainbenchError: A network cannot be there, or nobody can know which one a file or an option
            is for.
    """
    given = click.get_current_context().meta.get(_META, {})
    weight_roots = places_here(weight_roots)
    files = [root for root in weight_roots if is_file(root)]
    folders = [root for root in weight_roots if root not in files]
    foreign = [word for word in dict.fromkeys(words) if _is_foreign(word, registry)]
    if not foreign:
        if len(files) == 1 and words and not set(given) - {"state_dict", "arguments"}:
            from rainbench.foreign.entry import with_file

            return (*with_file(registry, words, files[0], **given), folders)
        _refuse_left_over(given, files)
        return registry, list(words), folders
    _refuse_untrusted(foreign)
    from rainbench.foreign.entry import entry_of, takes_weights
    from rainbench.foreign.words import read_word

    takers = [word for word in foreign if takes_weights(word) and not read_word(word).weights]
    if files and len(takers) != 1:
        which = f"which of {', '.join(takers)}" if takers else "none of these networks"
        raise RainbenchError(
            f"--weights {files[0]}: {which} takes it" + ("?" if takers else ""),
            hint=f"Write it behind the network: {takers[0]}@{files[0]}"
            if takers
            else "Their weights are in themselves: leave it out.",
        )
    settings = {**_DEFAULTS, **given}
    names: dict[str, list[str]] = {}
    entries: list[Entry] = []
    dead = [CardError(f"{word}: {watch.died[word]}") for word in foreign if word in watch.died]
    if len(dead) == len(set(words)):
        raise RainbenchError("\n".join(map(str, dead)))
    for word in foreign:
        if word in watch.died:
            names[word] = []
            continue
        chosen = files if files and word in takers else [None]
        with watch.at(word, "while it was made and counted"):
            made = [entry_of(word, weights=file, **settings) for file in chosen]
        weights = tuple(entry.weights for entry in made if entry.weights is not None)
        card = dataclasses.replace(made[0].baseline, weights=weights)
        entries += [dataclasses.replace(made[0], baseline=card)]
        names[word] = [entry.name for entry in made]
    return (
        dataclasses.replace(registry.plus(entries), problems=(*registry.problems, *dead)),
        [name for word in words for name in names.get(word, [word])],
        folders,
    )


def _refuse_untrusted(foreign: Sequence[str]) -> None:
    """Refuse code that a file of options names: it may come from somebody else."""
    context = click.get_current_context()
    from_file = context.get_parameter_source("baselines") is ParameterSource.DEFAULT_MAP
    if from_file and not is_trusted(context):
        raise RainbenchError(
            f"the file of options names {foreign[0]}, code that is not part of rainbench and was "
            "not run; give --trust-cards if you know it and trust it"
        )


def _is_foreign(word: str, registry: Registry) -> bool:
    from rainbench.foreign.words import is_foreign

    return is_foreign(word) and word not in {entry.name for entry in registry.entries()}


def _refuse_left_over(given: dict[str, Any], files: Sequence[Path]) -> None:
    if files:
        raise RainbenchError(
            f"--weights {files[0]}: is a file",
            hint="Give the folder that it lies in. A file goes with one network: "
            f"-b prenet --weights {files[0]}, or -b my_net.py:Net --weights {files[0]}",
        )
    if given:
        flag = next(iter(given)).replace("_", "-").replace("size-multiple", "multiple-of")
        raise RainbenchError(
            f"--{flag.removesuffix('s')} is for a network without a card",
            hint="Cards say how their networks are called.",
        )
