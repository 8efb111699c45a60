"""Which of a checkpoint's state dicts belongs to a network: the one that fits it exactly."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from rainbench.catalog.checkpoints import spellings
from rainbench.catalog.weights import read_state_dicts
from rainbench.core.errors import WeightsError
from rainbench.core.text import shortened

_LOG = logging.getLogger(__name__)

SHOWN = 3
"""Differences of each kind that an error names."""


def load_weights(
    network: nn.Module, file: Path, sha256: str = "", place: str = "", index_sha256: str = ""
) -> None:
    """Load a checkpoint, ours or the authors', into a network; every key has to fit.

    Args:
        network: It is changed only in its parameters and buffers.
        file: The checkpoint; it may hold several state dicts.
        sha256: What the card says of it, see `rainbench.catalog.cards.WeightsCard.hash_of`; an
            empty text checks nothing.
        place: Which state dict is meant, such as ``params_ema``; an empty text means the only one
            that fits.
        index_sha256: What the card says of the index of a TensorFlow checkpoint.

    Raises:
        WeightsError: The file is not usable, none of its state dicts fits, or several do which
            differ.
    """
    state_dicts = read_state_dicts(file, sha256, index_sha256)
    if place:
        if place not in state_dicts:
            there = ", ".join(filter(None, state_dicts)) or "a state dict without a name"
            raise WeightsError(
                f'{file}: holds no state dict "{place}", which the card names',
                hint=f"It holds {there}.",
            )
        state_dicts = {place: state_dicts[place]}
    fitting: dict[str, dict[str, Tensor]] = {}
    reasons: list[str] = []
    for name, state in state_dicts.items():
        found = _fitted(network, state, published=file.suffix != ".safetensors")
        if isinstance(found, str):
            reasons.append(f"{name}: {found}" if name else found)
        elif not any(_equal(found, other) for other in fitting.values()):
            fitting[name] = found
    kind = type(network).__name__
    if not fitting:
        raise WeightsError(
            f"{file}: does not fit {kind}: {'; '.join(reasons[:SHOWN])}",
            hint="It is the checkpoint of another network or of another version of it.",
        )
    if len(fitting) > 1:
        names = [name or "the whole" for name in fitting]
        raise WeightsError(
            f"{file}: holds {len(fitting)} different state dicts that fit {kind}: "
            f"{' and '.join(names)}",
            hint="Say which one is meant: "
            + " or ".join(f"--state-dict {name}" for name in fitting if name)
            + "; with a card, in its [[weights]] table: "
            + " or ".join(f'state_dict = "{name}"' for name in fitting if name),
        )
    ((name, state),) = fitting.items()
    if len(state_dicts) > 1:
        _LOG.info('%s: takes "%s"', file, name)
    network.load_state_dict(state, strict=True)


def _fitted(
    network: nn.Module, state: Mapping[str, Tensor], *, published: bool
) -> dict[str, Tensor] | str:
    """Return a state dict under the network's own keys, or why it does not fit."""
    reason = ""
    for spelt in spellings(state):
        try:
            # A class without it is somebody's own: its keys are the network's as they are.
            convert = getattr(network, "convert_published", dict) if published else dict
            own = dict(convert(spelt))
            wrong = _differences(network, own)
        except KeyError as error:
            said = str(error.args[0]) if error.args else ""
            wrong = said if " " in said else f"has no key {said}"
        except Exception as error:  # a converter meets another network's tensors
            wrong = f"cannot be converted: {type(error).__name__}: {error}".splitlines()[0][:300]
        if not wrong:
            return own
        reason = reason or wrong
    return reason


def _differences(network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Return in which keys, shapes and kinds of numbers a state dict differs from a network."""
    wanted = network.state_dict()
    # Batch norms count their batches since PyTorch 0.4.1 only.
    missing = [
        key for key in wanted.keys() - state.keys() if not key.endswith("num_batches_tracked")
    ]
    reasons = []
    if missing:
        reasons.append(f"lacks {_few(sorted(missing))}")
    if unknown := sorted(map(str, state.keys() - wanted.keys())):
        reasons.append(f"has {_few(unknown)} too many")
    both = [key for key in wanted if key in state]
    shapes = [
        f"{key} is {_size(state[key])} instead of {_size(wanted[key])}"
        for key in both
        if state[key].shape != wanted[key].shape
    ]
    # A quantised copy would be taken for weights of its whole numbers without a word.
    kinds = [
        f"{key} holds {str(state[key].dtype).removeprefix('torch.')}"
        for key in both
        if state[key].is_floating_point() != wanted[key].is_floating_point()
        or state[key].layout != torch.strided
        or state[key].is_meta
    ]
    reasons += [_few(each) for each in (shapes, kinds) if each]
    return "; ".join(reasons) or _not_finite(network, state)


def _not_finite(network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Return which parameters hold NaN: what follows may cut it off, and the result looks right.

    Buffers may: a mask is minus infinity where nothing is to be seen.
    """
    found = [
        f"{name} holds numbers that are not finite (NaN)"
        for name, parameter in network.named_parameters()
        if parameter.is_floating_point() and not state[name].to(parameter.dtype).isfinite().all()
    ]
    return _few(found)


def _few(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(shortened(item, 200) for item in items[:SHOWN]) + more


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )
