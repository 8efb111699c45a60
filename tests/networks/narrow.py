"""Small versions of all networks, one per variant, cheap enough to learn in a test."""

from __future__ import annotations

import torch
from torch import nn

from rainbench.networks.brn import BRN
from rainbench.networks.daiam import DAiAM
from rainbench.networks.drn import DRN
from rainbench.networks.jorder_e import JORDERE
from rainbench.networks.lpnet import LPNet
from rainbench.networks.nasnet import NASNet
from rainbench.networks.prenet import PRN, PReNet, PReNet_r, PRN_r
from rainbench.networks.prenet_ablations import Generator_lstm, PReNet_GRU, PReNet_LSTM, PReNet_x
from rainbench.networks.rescan import RESCAN
from rainbench.networks.rranet import RRANet
from rainbench.networks.sian import SIAN
from rainbench.networks.spanet import SPANet

SLIM = {"width": 8, "blocks": 1}
FEW = {"iterations": 2}
SMALL_SIAN = {"width": 6, "stages": 2, "dead": False}
FULL_SIAN = {"kernels": "full", "merge": "joint", "mask_relu": True}
DAM = SLIM | {"branches": ("joint",), "encoder_steps": 2}

NARROW: dict[str, tuple[type[nn.Module], dict[str, object]]] = {
    "prenet": (PReNet, FEW | {"width": 8}),
    "prenet-r": (PReNet_r, FEW | {"width": 8}),
    "prn": (PRN, FEW | {"width": 8}),
    "prn-r": (PRN_r, FEW | {"width": 8}),
    "prenet-lstm": (PReNet_LSTM, FEW),
    "prenet-gru": (PReNet_GRU, FEW),
    "prenet-x": (PReNet_x, FEW),
    "generator-lstm": (Generator_lstm, FEW),
    "brn": (BRN, FEW | {"width": 8, "dead": False}),
    "rescan": (RESCAN, {"stages": 2, "width": 10}),
    "rescan-lstm": (RESCAN, {"stages": 2, "width": 7, "unit": "LSTM", "mode": "Add"}),
    "rescan-rnn": (RESCAN, {"stages": 2, "width": 7, "unit": "RNN"}),
    "drn": (DRN, FEW | {"recursions": 2, "width": 8}),
    "lpnet": (LPNet, {"recursions": 2}),
    "jorder-e": (JORDERE, SLIM),
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
    "sian-literal": (SIAN, SMALL_SIAN | {"blur": "literal"}),
    "sian-full": (SIAN, SMALL_SIAN | FULL_SIAN),
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
