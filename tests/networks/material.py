"""What the tests of the networks share: published keys, weights by rule, inputs, checkpoints."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rainbench.core.images import read_image
from rainbench.networks.brn import BRN
from rainbench.networks.ddn import DDN
from rainbench.networks.drn import DRN
from rainbench.networks.lpnet import LPNet
from rainbench.networks.plain import Identity, MedianFilter
from rainbench.networks.prenet import PRN, PReNet, PReNet_r, PRN_r
from rainbench.networks.prenet_ablations import Generator_lstm, PReNet_GRU, PReNet_LSTM, PReNet_x
from rainbench.networks.rescan import RESCAN
from rainbench.networks.sian import SIAN
from rainbench.networks.spanet import SPANet

Shapes = dict[str, tuple[int, ...]]

CLASSES = {
    kind.__name__: kind
    for kind in (
        PReNet,
        PReNet_r,
        PRN,
        PRN_r,
        PReNet_LSTM,
        PReNet_GRU,
        PReNet_x,
        Generator_lstm,
        BRN,
        SIAN,
        SPANet,
        RESCAN,
        LPNet,
        DDN,
        DRN,
        Identity,
        MedianFilter,
    )
}
SAME_KEYS_AND_SHAPES = {"PReNet", "PReNet_LSTM", "Generator_lstm"}
LEARNED = [name for name in CLASSES if name not in ("Identity", "MedianFilter")]


def conv(name: str, outputs: int, inputs: int, size: int = 3, *, bias: bool = True) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (outputs, inputs, size, size)}
    return shapes | {f"{name}.bias": (outputs,)} if bias else shapes


def prenet_shapes(
    *, gates: str = "ifgo", blocks: int = 5, inputs: int = 6, suffix: str = "", wide: int = 64
) -> Shapes:
    shapes = conv(f"conv0{suffix}.0", 32, inputs)
    for block in range(1, blocks + 1):
        shapes |= conv(f"res_conv{block}{suffix}.0", 32, 32)
        shapes |= conv(f"res_conv{block}{suffix}.2", 32, 32)
    for gate in gates:
        shapes |= conv(f"conv_{gate}{suffix}.0", 32, wide)
    return shapes | conv(f"conv{suffix}.0", 3, 32)


def sian_shapes() -> Shapes:
    shapes = conv("body.tran_conv", 32, 6)
    for scale in range(3):
        shapes |= conv(f"body.scale_conv.{scale}.conv_f.0", 32, 32)
        shapes |= conv(f"body.scale_conv.{scale}.conv_m.0", 32, 160)
        shapes |= conv(f"body.scale_conv.{scale}.conv_z.0", 32, 32)
        for gate in "fioj":
            shapes |= conv(f"body.lstm.{scale}.conv_x{gate}", 32, 32)
            shapes |= conv(f"body.lstm.{scale}.conv_h{gate}", 32, 32, bias=False)
    for turn in range(2):
        shapes |= conv(f"body.up_conv.{turn}.conv_m.0", 32, 64)
        shapes |= conv(f"body.conv_m.{2 * turn}", 32, 32)
        shapes |= conv(f"body_end.{turn}.body.0", 32, 32)
        shapes |= conv(f"body_end.{turn}.body.2", 32, 32)
    return shapes | conv("body_end.2", 3, 32)


RESCAN_GATES = {"Conv": ("", ""), "RNN": ("x", "h"), "GRU": ("zrn", "zrn"), "LSTM": ("fioj",) * 2}


def rescan_shapes(unit: str = "GRU", squeeze_excitation: bool = True) -> Shapes:
    def excitation(name: str) -> Shapes:
        weights = {f"{name}.fc.0.weight": (6, 24), f"{name}.fc.2.weight": (24, 6)}
        return weights | {f"{name}.fc.0.bias": (6,), f"{name}.fc.2.bias": (24,)}

    shapes: Shapes = {}
    for layer in range(5):
        name, inputs = f"rnns.{layer}", 3 if layer == 0 else 24
        if unit == "Conv":
            shapes |= conv(f"{name}.conv", 24, inputs)
        elif unit == "RNN":
            shapes |= conv(f"{name}.conv_x", 24, inputs) | conv(f"{name}.conv_h", 24, 24)
        else:
            for gate in "zrn" if unit == "GRU" else "fioj":
                shapes |= conv(f"{name}.conv_x{gate}", 24, inputs)
                shapes |= conv(f"{name}.conv_h{gate}", 24, 24)
        shapes |= excitation(f"{name}.se") if squeeze_excitation else {}
    shapes |= conv("dec.0", 24, 24) | conv("dec.3", 3, 24, 1)
    return shapes | (excitation("dec.1") if squeeze_excitation else {})


def spanet_shapes() -> Shapes:
    shapes = conv("conv_in.0", 32, 3, bias=False)
    for turn in ("irnn1", "irnn2"):
        for direction in ("left", "right", "up", "down"):
            name = f"SAM1.{turn}.{direction}_weight"
            shapes |= {f"{name}.weight": (32, 1, 1, 1), f"{name}.bias": (32,)}
    shapes |= conv("SAM1.conv_in", 32, 32, bias=False)
    shapes |= conv("SAM1.conv2", 32, 128, bias=False) | conv("SAM1.conv3", 32, 128, bias=False)
    shapes |= conv("SAM1.attention_layer.conv1", 16, 32)
    shapes |= conv("SAM1.attention_layer.conv2", 16, 16)
    shapes |= conv("SAM1.attention_layer.conv3", 4, 16, 1)
    shapes |= conv("SAM1.conv_out", 1, 32, 1, bias=False)
    for block in range(1, 18):
        name = f"res_block{block}.group1"
        shapes |= conv(f"{name}.conv1", 32, 32, 1, bias=False)
        shapes |= conv(f"{name}.conv2", 32, 32, 3, bias=False)
        shapes |= conv(f"{name}.conv3", 32, 32, 1, bias=False)
    return shapes | conv("conv_out.0", 3, 32, bias=False)


def lpnet_shapes() -> Shapes:
    shapes: Shapes = {}
    for level in range(1, 6):
        c = 2 ** (level - 1)
        sizes = [(3, 3, 3, c), (3, 3, c, c), (1, 1, c, c), (3, 3, c, c), (1, 1, c, 3)]
        for number, size in enumerate(sizes):
            name = f"inference/subnet{level}"
            shapes |= {f"{name}/weights_{number}": size, f"{name}/biases_{number}": size[-1:]}
    return shapes


def ddn_shapes() -> Shapes:
    shapes: Shapes = {}
    for number in range(1, 27):
        inputs, outputs = 3 if number == 1 else 16, 3 if number == 26 else 16
        shapes[f"conv_{number}/weights_{number}"] = (3, 3, inputs, outputs)
        for kind in ("biases", "scale", "beta"):
            shapes[f"conv_{number}/{kind}_{number}"] = (outputs,)
    return shapes


def drn_shapes() -> Shapes:
    shapes = conv("conv0.0", 16, 6) | conv("conv.0", 3, 16)
    for block in (1, 2):
        shapes |= conv(f"res_conv{block}.0", 16, 16) | conv(f"res_conv{block}.2", 16, 16)
    return shapes


PUBLISHED: dict[str, Shapes] = {
    "PReNet": prenet_shapes(),
    "PReNet_r": prenet_shapes(blocks=1),
    "PRN": prenet_shapes(gates=""),
    "PRN_r": prenet_shapes(gates="", blocks=1),
    "PReNet_LSTM": prenet_shapes(),
    "PReNet_GRU": prenet_shapes(gates="zbg"),
    "PReNet_x": prenet_shapes(inputs=3),
    "Generator_lstm": prenet_shapes(),
    "BRN": prenet_shapes(inputs=9, wide=96) | prenet_shapes(suffix="_r", wide=96),
    "SIAN": sian_shapes(),
    "SPANet": spanet_shapes(),
    "RESCAN": rescan_shapes(),
    "LPNet": lpnet_shapes(),
    "DDN": ddn_shapes(),
    "DRN": drn_shapes(),
}
"""The keys and shapes of every published checkpoint."""


def by_rule(shapes: Shapes, gain: float = 1.0) -> dict[str, Tensor]:
    """Weights made from their names alone: the rule that the reference outputs were made by."""
    state = {}
    for key, shape in shapes.items():
        drawn = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
        if len(shape) >= 2:
            drawn *= gain / np.sqrt(np.prod(shape[1:]))
        elif key.endswith(".weight"):
            drawn = 1 + 0.1 * drawn
        else:
            drawn *= 0.05
        state[key] = torch.from_numpy(drawn).float()
    return state


def tame(name: str) -> dict[str, Tensor]:
    """Weights by rule of a published class, but recurrences that do not grow without bound."""
    state = by_rule(PUBLISHED.get(name, {}))
    return {key: 0.2 * value if "irnn" in key else value for key, value in state.items()}


def build(name: str, published: dict[str, Tensor] | None = None, **arguments: object) -> nn.Module:
    """A network in evaluation mode, with weights by rule unless others are given."""
    if published is None:
        published = tame(name)
    network = CLASSES[name](**arguments)
    network.load_state_dict(network.convert_published(published), strict=True)
    return network.eval()


def image(height: int = 17, width: int = 23, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator)


def read_published(file: Path) -> dict[str, Tensor]:
    """The authors' state dict, outer dictionary and prefix removed."""
    loaded = torch.load(file, map_location="cpu", weights_only=True)
    state = loaded.get("net", loaded)
    return {key.removeprefix("module."): value for key, value in state.items()}


def read_rainy(shared: Path, name: str, *, bgr: bool = False) -> Tensor:
    """An input of the reference outputs, ``(1, 3, H, W)`` float32."""
    pixels = read_image(shared / "networks" / "inputs" / f"{name}_rainy.png")
    pixels = np.ascontiguousarray(pixels[..., ::-1]) if bgr else pixels
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def golden(shared: Path, stem: str) -> dict[str, np.ndarray]:
    with np.load(shared / "networks" / "golden" / f"{stem}.npz") as arrays:
        return dict(arrays)


def worst(ours: Tensor, reference: np.ndarray) -> float:
    """The largest absolute difference; shapes have to agree."""
    ours_array = ours.detach().numpy()
    assert ours_array.shape == reference.shape
    return float(np.abs(ours_array - reference).max())


SMALL, ODD = "in0_astronaut_64x64", "in1_chelsea_101x75"
