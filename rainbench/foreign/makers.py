"""Makers of networks from Python: a class, a function or an object, in a file or at hand."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import nn

from rainbench.catalog.cards import WeightsCard
from rainbench.core.errors import RainbenchError, told
from rainbench.core.own_code.home import Home
from rainbench.core.text import did_you_mean
from rainbench.foreign.adapt import Adapted, ImageFunction, Ways
from rainbench.foreign.counts import Counts, call_once, count
from rainbench.foreign.held import code_of_object, state_hash
from rainbench.networks.fit import load_weights
from rainbench.networks.isolation import isolated
from rainbench.run.code import code_hash


class PythonMaker:
    """Makes the network that a class, a function or an object in Python code is.

    Args:
        title: What was given.
        find: Returns the object; whatever goes wrong in it is an error of its own.
        source: Returns a hash of the code.
        ways: How the network is called.
        arguments: Of the class or the function that returns a network.
        within: What it has to be made and called in.
        forget: Forgets what its code did, for it to be imported anew; None where it cannot be.
        weighted: Whether weights are given for it.
    """

    def __init__(
        self,
        title: str,
        find: Callable[[], object],
        source: Callable[[], str],
        ways: Ways,
        arguments: Mapping[str, object],
        within: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        forget: Callable[[], None] | None = None,
        *,
        weighted: bool = False,
    ) -> None:
        self._title, self._find, self._source = title, find, source
        self._ways, self._arguments, self._within = ways, arguments, within
        self._forget, self._weighted = forget, weighted

    def make(self, weights: WeightsCard | None, file: Path | None) -> nn.Module:
        """Return the network with its weights."""
        self.code()  # before the file of the weights is one that was read
        with self._within():
            network = self._bare()
            if weights is not None and file is not None:
                load_weights(network, file, weights.sha256, weights.state_dict)
        return self._adapted(network)

    def _adapted(self, network: nn.Module) -> Adapted:
        if isinstance(network, ImageFunction):
            return Adapted(network, within=self._within)
        ways = self._ways
        return Adapted(network, ways.value_range, ways.output, self._within, ways.returns)

    def _bare(self) -> nn.Module:
        found = self._find()
        if isinstance(found, nn.Module):
            try:
                return copy.deepcopy(found)  # a run moves it about, and somebody holds it
            except Exception:
                return found
        if isinstance(found, type) or (callable(found) and self._is_factory(found)):
            try:
                found = found(**self._arguments)
            except (Exception, SystemExit) as error:
                raise RainbenchError(
                    f"{self._title} cannot be made: {told(error)}",
                    hint="Arguments are given with --argument NAME=VALUE."
                    if isinstance(error, TypeError)
                    else "",
                ) from error
        if isinstance(found, nn.Module):
            return found
        if not callable(found):
            raise RainbenchError(
                f"{self._title} is a {type(found).__name__}, no network",
                hint="Name a torch.nn.Module, a function that returns one, or a function from an "
                "image to an image.",
            )
        if _wants_tensor(found):
            return _TensorFunction(found)
        return ImageFunction(found, self._ways.value_range, self._ways.returns)

    def _is_factory(self, found: Callable[..., object]) -> bool:
        """Return whether a function returns a network: it needs nothing, or has its arguments."""
        if self._arguments:
            return True
        return not _needed(found)

    @functools.cached_property
    def counts(self) -> Counts:
        """What making it tells; nothing where it cannot be made, which is told when it is run."""
        try:
            with isolated():
                with self._within():
                    network = self._bare()
                if self._forget and isinstance(network, ImageFunction):
                    call_once(self._adapted(network))
                    self._forget()
                return count(network, self._adapted(network), state=not self._weighted)
        except (Exception, SystemExit):
            return Counts()

    @functools.cached_property
    def untrained(self) -> bool:
        """Whether its parameters differ whenever it is made."""
        if self._weighted or not self.counts.parameters or self._is_object:
            return False
        states = set()
        for seed in (1, 2):
            try:
                with isolated(), self._within():
                    torch.manual_seed(seed)
                    states.add(state_hash(self._bare()))
            except (Exception, SystemExit):
                return False
        return len(states) > 1

    @property
    def _is_object(self) -> bool:
        try:
            with isolated():
                return isinstance(self._find(), nn.Module)
        except RainbenchError:
            return False

    @functools.cached_property
    def _code(self) -> str:
        counts = self.counts  # first: what is read when it is made and called is known then
        state = "" if self._weighted or self.untrained else counts.state  # it is loaded then
        parts = [self._source(), state, repr(sorted(self._arguments.items()))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def code(self) -> str:
        """Return a hash of the code and, where no weights are given, of what is in the network."""
        return self._code

    def renew(self) -> None:
        """Forget the hash: what a program holds may have changed since it was made."""
        for name in ("_code", "counts"):
            self.__dict__.pop(name, None)

    def facts(self) -> Mapping[str, object]:
        """Return what is known of it."""
        return {
            "title": self._title,
            "parameters": self.counts.parameters,
            "macs_per_pixel": self.counts.macs_per_pixel,
            **({"kind": "function"} if self.counts.is_function else {}),
            **self._ways.facts(),
        }


class _TensorFunction(nn.Module):
    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self._function = function

    def forward(self, rainy: torch.Tensor) -> object:
        return self._function(rainy)


def _needed(found: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters that a call has to give by their place."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):  # it tells nothing: as most functions of libraries
        return [inspect.Parameter("image", inspect.Parameter.POSITIONAL_ONLY)]
    return [
        each
        for each in parameters
        if each.default is each.empty
        and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]


def _wants_tensor(found: Callable[..., object]) -> bool:
    target = found if inspect.isroutine(found) else type(found).__call__
    needed = [each for each in _needed(target) if each.name != "self"]
    return bool(needed) and "Tensor" in str(needed[0].annotation)


def in_file(
    file: Path,
    name: str,
    title: str,
    ways: Ways,
    arguments: Mapping[str, object],
    *,
    weighted: bool,
) -> PythonMaker:
    """Return the maker of what a source file calls ``name``; empty: its only network."""
    home = Home(file)
    return PythonMaker(
        title, lambda: _named(home.load(), name, str(file)), home.code, ways, arguments,
        home.entered, home.forget, weighted=weighted,
    )  # fmt: skip


def in_package(
    module: str, name: str, ways: Ways, arguments: Mapping[str, object], *, weighted: bool
) -> PythonMaker:
    """Return the maker of what an installed module calls ``name``."""

    def find() -> object:
        try:
            found = importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise RainbenchError(f"{module}: cannot be imported: {told(error)}") from error
        return _named(found, name, module)

    return PythonMaker(
        f"{module}:{name}", find, lambda: code_hash(module), ways, arguments, weighted=weighted
    )


def at_hand(
    what: object, ways: Ways, arguments: Mapping[str, object], *, weighted: bool
) -> PythonMaker:
    """Return the maker of an object that a program holds: a module, a class or a function."""
    title = getattr(what, "__qualname__", "") or type(what).__name__
    return PythonMaker(
        title, lambda: what, lambda: code_of_object(what), ways, arguments, weighted=weighted
    )


def _named(module: object, name: str, where: str) -> object:
    if not name:
        own = [
            each
            for each, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, nn.Module)
            and value.__module__ == getattr(module, "__name__", "")
        ]
        if len(own) != 1:
            raise RainbenchError(
                f"{where}: holds {len(own) or 'no'} networks",
                hint="Say which class or function is meant: "
                + " or ".join(f"{where}:{each}" for each in own[:5] or ["NAME"]),
            )
        name = own[0]
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [each for each in vars(module) if not each.startswith("_")]
            raise RainbenchError(f"{where}: has no {name}", hint=did_you_mean(name, known))
        found = getattr(found, part)
    return found
