"""From the authors' state dicts to ours: renaming, and gluing together what we fuse.

A network describes its conversion as a plan: for each of our keys the published keys whose
tensors, glued along the output channels, make it. A plan names every published key exactly once,
so that what is missing and what does not belong there can both be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rainbench.core.text import shortened

Plan = Mapping[str, Sequence[str]]
"""Our key -> the published keys whose tensors are concatenated along dimension 0."""


def check_keys(published: Mapping[str, Tensor], expected: Sequence[str], network: str) -> None:
    """Raise unless ``published`` has exactly the expected keys.

    Args:
        published: The authors' state dict, outer dictionaries and ``module.`` prefix removed.
        expected: Every key that the network's published code saves.
        network: The network's name, for the message.

    Raises:
        KeyError: Keys are missing or do not belong to this network; the message names them.

    Example:
        >>> check_keys({"conv.weight": torch.zeros(1)}, ["conv.bias"], "PReNet")
        Traceback (most recent call last):
        ...
        KeyError: 'not a state dict of PReNet: missing conv.bias; unexpected conv.weight'
    """
    missing = [key for key in expected if key not in published]
    wanted = set(expected)
    unexpected = [key for key in published if key not in wanted]
    if missing or unexpected:
        parts = []
        if missing:
            parts.append("missing " + _listed(missing))
        if unexpected:
            parts.append("unexpected " + _listed(unexpected))
        raise KeyError(f"not a state dict of {network}: {'; '.join(parts)}")


def convert(published: Mapping[str, Tensor], plan: Plan, network: str) -> dict[str, Tensor]:
    """Rename and glue a published state dict as the plan says.

    Args:
        published: The authors' state dict, outer dictionaries and ``module.`` prefix removed.
        plan: See `Plan`.
        network: The network's name, for the message.

    Returns:
        Our state dict, ready for strict loading.

    Raises:
        KeyError: Keys are missing or do not belong to this network; the message names them.

    Example:
        >>> published = {"conv_i.bias": torch.zeros(2), "conv_f.bias": torch.ones(2)}
        >>> convert(published, {"gates.bias": ("conv_f.bias", "conv_i.bias")}, "toy")
        {'gates.bias': tensor([1., 1., 0., 0.])}
    """
    check_keys(published, [key for keys in plan.values() for key in keys], network)
    return {
        ours: published[theirs[0]]
        if len(theirs) == 1
        else torch.cat([published[k] for k in theirs])
        for ours, theirs in plan.items()
    }


def from_tensorflow(published: Mapping[str, Tensor], plan: Plan, network: str) -> dict[str, Tensor]:
    """Convert the variables of a TensorFlow checkpoint: as `convert`, kernels turned.

    TensorFlow's are ``(height, width, inputs, outputs)``, PyTorch's begin with the outputs and
    the inputs.

    Raises:
        KeyError: As there.

    Example:
        >>> found = from_tensorflow({"a": torch.zeros(3, 5, 2, 4)}, {"weight": ("a",)}, "toy")
        >>> found["weight"].shape
        torch.Size([4, 2, 3, 5])
    """
    renamed = convert(published, plan, network)
    return {
        key: value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
        for key, value in renamed.items()
    }


def unchanged(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict as it is: of a network whose authors publish none, the keys are ours."""
    return dict(published)


def layer(ours: str, *theirs: str, bias: bool = True) -> dict[str, tuple[str, ...]]:
    """Return the plan of one layer: its weight and, unless told otherwise, its bias.

    Example:
        >>> layer("f_in.conv", "conv0.0", bias=False)
        {'f_in.conv.weight': ('conv0.0.weight',)}
    """
    kinds = ("weight", "bias") if bias else ("weight",)
    return {f"{ours}.{kind}": tuple(f"{name}.{kind}" for name in theirs) for kind in kinds}


def _listed(keys: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(shortened(key, 100) for key in keys[:most])
    return shown if len(keys) <= most else f"{shown} and {len(keys) - most} more"
