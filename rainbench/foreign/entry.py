"""Anything that restores images as an entry, so that it is run like every other one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn

from rainbench.catalog.cards import BaselineCard, Maker, WeightsCard
from rainbench.catalog.registry import Entry, Registry
from rainbench.catalog.weights import file_hash
from rainbench.core.errors import RainbenchError, WeightsError
from rainbench.core.files import is_file
from rainbench.core.resume import git_hash, hash_like
from rainbench.core.text import safe_name
from rainbench.foreign import commands, libraries, makers, onnx_file, programs
from rainbench.foreign.adapt import Returns, ValueRange, Ways
from rainbench.foreign.words import Word, is_foreign, read_word

_RANGES: Mapping[object, ValueRange] = {
    "": "", "0..1": "0..1", "0..255": "0..255", "-1..1": "-1..1",
    1: "0..1", 255: "0..255", (0, 1): "0..1", (0, 255): "0..255", (-1, 1): "-1..1",
}  # fmt: skip


def entry_of(
    what: str | nn.Module | Callable[..., Any],
    *,
    weights: Path | None = None,
    name: str = "",
    channel_order: Literal["rgb", "bgr"] = "rgb",
    value_range: object = "",
    size_multiple: int = 1,
    arguments: Mapping[str, object] | None = None,
    output: str = "",
    returns: Returns = "",
    state_dict: str = "",
    time_limit: float = 3600.0,
) -> Entry:
    """Return an entry for a network that has no card.

    What is wrong with its code is told when it is run, as a failure of its own: only what is wrong
    with the call is an error here.

    Args:
        what: ``my_net.py:Net``, ``package.module:Net``, a file of a TorchScript program or of
            ``torch.export``; any of these with ``NAME=`` in front; or a module, a class, or a
            function that a program holds.
        weights: The checkpoint of a class that makes its network without weights.
        name: How the entry is called; an empty text: after the file and the class.
        channel_order: The order in which it wants the channels.
        value_range: Black and white in its input and output: ``"0..1"``, ``"0..255"`` or
            ``"-1..1"``; 1 and 255 are the first two. An empty text: 0..1 for a network, and uint8
            for a function from an image to an image.
        size_multiple: Images are padded to a multiple of this, and the result is cut.
        arguments: Of the class, or of the function that returns a network.
        output: Which image it is where several are returned: ``0``, ``-1``, ``restored``.
        returns: What that image is: ``image``, the restored one; ``rain``, what is taken from the
            rainy one; ``change``, what is added to it. Where it is said, a result that looks like
            something else is scored all the same.
        state_dict: Where the weights lie in their file, such as ``params_ema``, if several fit.
        time_limit: Seconds that a program may take for a folder.

    Raises:
        RainbenchError: There is no such file, or no such kind of network.

    Example:
        >>> from rainbench.run.options import RunOptions
        >>> from rainbench.run.predict import Predictor
        >>> import numpy as np
        >>> entry = entry_of(lambda image: image // 2, name="darker")
        >>> predict = Predictor(entry, None, RunOptions())
        >>> round(float(predict(np.full((4, 5, 3), 102, np.uint8)).max()), 3)
        0.2
    """
    if value_range not in _RANGES:
        raise RainbenchError(
            f"{value_range}: no range of values", hint='Give "0..1", "0..255" or "-1..1".'
        )
    if not 1 <= size_multiple <= 1024:
        raise RainbenchError(f"a multiple of {size_multiple}: give 1 to 1024")
    if returns not in get_args(Returns):
        raise RainbenchError(
            f"{returns}: no network returns that", hint="Give image, rain, change."
        )
    ways = Ways(_RANGES[value_range], output, returns)
    given = dict(arguments or {})
    if isinstance(what, str):
        word = read_word(what)
        name = name or word.name
        if word.weights:
            weights = weights or Path(word.weights).expanduser()
        if weights is not None and not takes_weights(what):
            raise RainbenchError(f"{word.text}: has its weights in itself, not in {weights}")
        maker = _maker(word, ways, given, weighted=weights is not None, time_limit=time_limit)
    else:
        maker = makers.at_hand(what, ways, given, weighted=weights is not None)
    facts, place = maker.facts(), ""
    if isinstance(what, str):
        place = read_word(what).text
    title = str(facts["title"])
    parameters, macs = facts["parameters"], facts.get("macs_per_pixel", 0)
    card = BaselineCard(
        name=safe_name(name or title)[:64] or "network",
        title=title,
        network=title,
        parameters=parameters if isinstance(parameters, int) else 0,
        macs_per_pixel=macs if isinstance(macs, int) else 0,
        paper="",
        source=place or title,
        licence="",
        arguments=given,
        channel_order=channel_order,
        value_range=255 if ways.value_range == "0..255" and facts.get("kind") != "function" else 1,
        size_multiple=size_multiple,
        weights=(_weights_card(weights, state_dict),) if weights is not None else (),
        maker=maker,
    )
    return Entry(card, card.weights[0] if card.weights else None)


def with_file(
    registry: Registry,
    names: Sequence[str],
    file: Path,
    *,
    state_dict: str = "",
    arguments: Mapping[str, object] | None = None,
) -> tuple[Registry, list[str]]:
    """Return a registry in which an entry of ours has its weights in a file, and the entry's name.

    A file that the card knows is the entry of its tag. Any other is weights of the user's own, with
    a tag after the file.

    Args:
        registry: The cards.
        names: Of one baseline, or one entry of it.
        file: The weights.
        state_dict: Where they lie in it.
        arguments: Of the class, where they differ from the card's.

    Raises:
        RainbenchError: There is no such file, it could belong to several, or it is not the file of
            an entry that is named with its tag.
    """
    found = {entry.baseline.name: entry for name in names for entry in registry.entries([name])}
    if len(found) != 1:
        raise RainbenchError(
            f"--weights {file}: which of {', '.join(found)} takes it?",
            hint="Give one of them with it; or give the folder that holds all files.",
        )
    (entry,) = found.values()
    card = entry.baseline
    own = _weights_card(file, state_dict)
    hashes = {own.sha256, git_hash(file)}
    known = [each for each in card.weights if each.known in hashes]
    named = [each for each in card.weights if f"{card.name}.{each.tag}" in names]
    if known and not (named and named[0].known not in hashes):
        own = dataclasses.replace(known[-1], files=own.files)
    elif named:
        kind = "sha256" if named[0].sha256 else "git hash"
        raise RainbenchError(
            f"--weights {file}: is not the file of {names[0]} (its {kind} begins with "
            f"{hash_like(file, named[0].known)[:12]}, not {named[0].known[:12]})",
            hint=f"Weights of your own go with the network alone: {card.name}.",
        )
    else:
        tag = own.tag
        while tag in {each.tag for each in card.weights}:
            tag += "-own"
        own = dataclasses.replace(own, tag=tag, arguments=dict(arguments or {}))
    others = tuple(each for each in card.weights if each.tag != own.tag)
    card = dataclasses.replace(card, weights=(*others, own))
    baselines = {**registry.baselines, card.name: card}
    return dataclasses.replace(registry, baselines=baselines), [f"{card.name}.{own.tag}"]


def takes_weights(word: str) -> bool:
    """Return whether a network that a word names may have its weights in a file of their own.

    Example:
        >>> takes_weights("my_net.py:Net"), takes_weights("net.onnx")
        (True, False)
    """
    return read_word(word).kind in ("file", "package")


def _maker(
    word: Word, ways: Ways, arguments: Mapping[str, object], *, weighted: bool, time_limit: float
) -> Maker:
    """Return the maker of what a word names."""
    file = Path(word.target).expanduser()
    if word.kind == "package":
        beside = Path(*word.target.split(".")).with_suffix(".py")
        if not is_file(beside):
            return makers.in_package(word.target, word.object, ways, arguments, weighted=weighted)
        file = beside  # called from the folder that a package lies in
    if word.kind in ("file", "package"):
        _check_file(file)
        title = f"{file.name}:{word.object}" if word.object else file.name
        return makers.in_file(file, word.object, title, ways, arguments, weighted=weighted)
    if word.kind == "command":
        return commands.CommandMaker(word.target, ways, time_limit)
    if arguments:
        raise RainbenchError(f"{word.text}: takes no arguments", hint="Leave out --argument.")
    if word.kind in ("torchscript", "export"):
        _check_file(file)
        return programs.ProgramFile(file, word.kind, ways)
    if word.kind == "onnx":
        _check_file(file)
        return onnx_file.OnnxFile(file, ways)
    if word.kind == "spandrel":
        _check_file(file)
        return libraries.SpandrelFile(file, ways)
    return _from_hub(word, ways)


def _from_hub(word: Word, ways: Ways) -> Maker:
    """Return the maker of a file of a repository, known by the commit that it is of."""
    found = libraries.fetch_from_hub(word.target)
    kind = read_word(found.file.name).kind if is_foreign(found.file.name) else "spandrel"
    maker: Maker
    if kind == "onnx":
        maker = onnx_file.OnnxFile(found.file, ways)
    elif kind == "export" or (kind == "torchscript" and programs.is_script(found.file)):
        maker = programs.ProgramFile(found.file, kind, ways)
    else:  # a checkpoint, whose architecture is told by its keys
        maker = libraries.SpandrelFile(found.file, ways)
    return libraries.FromHub(maker, found)


def _check_file(file: Path) -> None:
    if not is_file(file):
        there = "is no file" if os.path.lexists(file) else "there is no such file"
        raise RainbenchError(f"{file}: {there}")


def _weights_card(file: Path, state_dict: str) -> WeightsCard:
    _check_file(file)
    try:
        file_hash.cache_clear()  # a notebook may have trained and saved again
        sha256 = file_hash(file)
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read: {error.strerror}") from None
    return WeightsCard(
        tag=safe_name(file.stem)[:64] or "weights", sha256=sha256, files=(str(file.resolve()),),
        source=file.name, licence="", trained_on=(), state_dict=state_dict,
    )  # fmt: skip
