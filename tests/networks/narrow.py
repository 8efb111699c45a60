"""Narrow versions of the networks that are trained here: one per variant, cheap enough to learn."""

from __future__ import annotations

import torch
from torch import nn

from rainbench.networks.daiam import DAiAM
from rainbench.networks.nasnet import NASNet
from rainbench.networks.rranet import RRANet
from rainbench.networks.sian import SIAN
from rainbench.networks.spanet import SPANet

SLIM = {"width": 8, "blocks": 1}
SMALL_SIAN = {"width": 6, "stages": 2, "dead": False}
DAM = SLIM | {"branches": ("joint",), "encoder_steps": 2}

NARROW: dict[str, tuple[type[nn.Module], dict[str, object]]] = {
    "nasnet": (NASNet, SLIM),
    "nasnet-plain": (NASNet, SLIM | {"attention": "none"}),
    "nasnet-se": (NASNet, SLIM | {"attention": "se", "se_reduction": 1}),
    "nasnet-direct": (NASNet, SLIM | {"fuse": False}),
    "nasnet-1": (NASNet, SLIM | {"stages": 1}),
    "nasnet-2": (NASNet, SLIM | {"stages": 2}),
    "nasnet-4": (NASNet, SLIM | {"stages": 4}),
    "rranet": (RRANet, {"width": 6, "stages": 2}),
    "rranet-replicate": (RRANet, {"width": 4, "stages": 2, "window": 5, "border": "replicate"}),
    "dam-zero": (DAiAM, DAM | {"attention": "zero"}),
    "dam-odd": (DAiAM, DAM | {"attention": "odd"}),
    "dam": (DAiAM, DAM),
    "d-dam": (DAiAM, DAM | {"stages": 2}),
    "daiam": (DAiAM, SLIM),
    "daiam-daiam": (DAiAM, SLIM | {"stages": 2, "link": "direct"}),
    "d-daiam": (DAiAM, SLIM | {"stages": 2}),
    "d-daiam-3": (DAiAM, SLIM | {"stages": 3}),
    "sian": (SIAN, SMALL_SIAN),
    "sian-baseline": (SIAN, SMALL_SIAN | {"stages": 1, "attention": False, "recurrent": False}),
    "sian-lstm": (SIAN, SMALL_SIAN | {"attention": False}),
    "sian-literal": (SIAN, SMALL_SIAN | {"blur": "literal", "kernels": "full"}),
    "sian-joint": (SIAN, SMALL_SIAN | {"merge": "joint", "mask_relu": True}),
    "spanet-a": (SPANet, {"width": 6, "attention": "none"}),
    "spanet-b": (SPANet, {"width": 6, "attention": "once", "gate": True}),
    "spanet-c": (SPANet, {"width": 6, "attention": "own", "gate": True}),
    "spanet-d": (SPANet, {"width": 6, "dead": False}),
    "spanet-f": (SPANet, {"width": 9, "gate": True}),
}
"""Class and arguments by the name of the variant."""


def narrow(name: str, seed: int = 0) -> nn.Module:
    """One of them, initialised as its class does it, from a seed."""
    kind, arguments = NARROW[name]
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return kind(**arguments)
