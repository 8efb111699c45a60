"""Slow, plain forms of the networks, straight from their published keys, to compare with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def convolve(state: State, name: str, x: Tensor, dilation: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    padding = dilation * (weight.shape[-1] // 2)
    bias = state.get(f"{name}.bias")
    return F.conv2d(x, weight, bias, padding=padding, dilation=dilation)


def residual_blocks(state: State, x: Tensor, names: list[str]) -> Tensor:
    for name in names:
        inner = F.relu(convolve(state, f"{name}.0", x))
        x = F.relu(F.relu(convolve(state, f"{name}.2", inner)) + x)
    return x


def lstm(state: State, gates_of: Tensor, cell: Tensor, suffix: str = "") -> tuple[Tensor, Tensor]:
    i, f, o, g = (convolve(state, f"conv_{gate}{suffix}.0", gates_of) for gate in "ifog")
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def prenet(name: str, state: State, rainy: Tensor, iterations: int) -> list[Tensor]:
    """All eight networks of the PReNet family."""
    repeated = name.endswith("_r")
    blocks = [f"res_conv{1 if repeated else block}" for block in range(1, 6)]
    h = c = rainy.new_zeros(rainy.shape[0], 32, *rainy.shape[2:])
    x, stages = rainy, []
    for _ in range(iterations):
        x = F.relu(
            convolve(state, "conv0.0", x if name == "PReNet_x" else torch.cat((rainy, x), 1))
        )
        if name == "Generator_lstm":
            h, c = lstm(state, torch.cat((residual_blocks(state, x, blocks), h), 1), c)
            x = h
        else:
            if name == "PReNet_GRU":
                both = torch.cat((x, h), 1)
                z = torch.sigmoid(convolve(state, "conv_z.0", both))
                b = torch.sigmoid(convolve(state, "conv_b.0", both))
                g = torch.tanh(convolve(state, "conv_g.0", torch.cat((b * h, x), 1)))
                x = h = (1 - z) * h + z * g
            elif not name.startswith("PRN"):
                h, c = lstm(state, torch.cat((x, h), 1), c)
                x = h
            x = residual_blocks(state, x, blocks)
        x = convolve(state, "conv.0", x)
        if name in ("PReNet", "PReNet_r", "PRN", "PRN_r"):
            x = x + rainy
        stages.append(x)
    return stages


def brn(state: State, rainy: Tensor, iterations: int) -> tuple[list[Tensor], list[Tensor]]:
    h = c = h_r = c_r = rainy.new_zeros(rainy.shape[0], 32, *rainy.shape[2:])
    x = r = rainy
    xs, rs = [], []
    for _ in range(iterations):
        r = F.relu(convolve(state, "conv0_r.0", torch.cat((rainy, r), 1)))
        h_r, c_r = lstm(state, torch.cat((r, h_r, h), 1), c_r, "_r")
        r = residual_blocks(state, h_r, [f"res_conv{block}_r" for block in (1, 2, 3)])
        r = convolve(state, "conv_r.0", r)
        x = F.relu(convolve(state, "conv0.0", torch.cat((rainy, x, r), 1)))
        h, c = lstm(state, torch.cat((x, h, h_r), 1), c)
        x = residual_blocks(state, h, [f"res_conv{block}" for block in range(1, 6)])
        x = convolve(state, "conv.0", x)
        xs.append(x)
        rs.append(r)
    return xs, rs


def sian(state: State, rainy: Tensor, stages: int) -> list[Tensor]:
    scales = (2, 1, 0)  # the published index of full, half and quarter
    states: list[tuple[Tensor, Tensor] | None] = [None, None, None]
    y, results = rainy, []
    for _ in range(stages):
        features = convolve(state, "body.tran_conv", torch.cat((rainy, y), 1))
        first = blur(features, (1.6**2 - 0.5**2) ** 0.5)
        for scale, index in enumerate(scales):
            layers = [first]
            for step in range(5):
                k = 2 ** (1 / 3)
                layers.append(blur(layers[-1], 1.6 * k**step * (k * k - 1) ** 0.5))
            first = F.max_pool2d(layers[3], 2) if scale < 2 else first
            dog = torch.cat([layers[step + 1] - layers[step] for step in range(5)], 1)
            pooled = F.avg_pool2d(features, 2**scale)
            f = convolve(state, f"body.scale_conv.{index}.conv_f.0", pooled)
            mask = torch.sigmoid(convolve(state, f"body.scale_conv.{index}.conv_m.0", dog))
            z = F.relu(convolve(state, f"body.scale_conv.{index}.conv_z.0", f * (1 + mask)))
            h, c = states[scale] or (torch.zeros_like(z), torch.zeros_like(z))
            forget, enter, leave, new = (
                convolve(state, f"body.lstm.{index}.conv_x{gate}", z)
                + convolve(state, f"body.lstm.{index}.conv_h{gate}", h)
                for gate in "fioj"
            )
            c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
            states[scale] = (torch.sigmoid(leave) * torch.tanh(c), c)
        full, half, up = (h for h, _ in (s for s in states if s is not None))
        for turn, finer in enumerate((half, full)):
            up = F.interpolate(up, scale_factor=2, mode="bilinear", align_corners=True)
            bottom, right = finer.shape[2] - up.shape[2], finer.shape[3] - up.shape[3]
            up = F.pad(up, (0, right, 0, bottom))
            name = f"body.up_conv.{turn}.conv_m.0"
            up = F.relu(convolve(state, name, torch.cat((finer, up), 1)))
        up = residual_blocks(state, up, ["body_end.0.body", "body_end.1.body"])
        y = rainy - convolve(state, "body_end.2", up)
        results.append(y)
    return results


def blur(x: Tensor, sigma: float) -> Tensor:
    """A 3x3 Gaussian with zeros around, as nine shifted and weighted copies."""
    weights = {
        (dy, dx): torch.exp(
            torch.tensor(-(dx * dx + dy * dy) / (2 * sigma**2), dtype=torch.float64)
        )
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    total = sum(weights.values())
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    return sum(
        padded[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        * (weight / total).float().to(x.dtype)  # the kernels are stored in single precision
        for (dy, dx), weight in weights.items()
    )


def rescan(
    unit: str, additive: bool, excited: bool, state: State, rainy: Tensor, stages: int = 4
) -> list[Tensor]:
    def activate(name: str, x: Tensor) -> Tensor:
        if excited:
            squeezed = x.mean((2, 3))
            squeezed = F.relu(
                squeezed @ state[f"{name}.fc.0.weight"].T + state[f"{name}.fc.0.bias"]
            )
            squeezed = squeezed @ state[f"{name}.fc.2.weight"].T + state[f"{name}.fc.2.bias"]
            x = x * torch.sigmoid(squeezed)[:, :, None, None]
        return F.leaky_relu(x, 0.2)

    hidden: list[Tensor | None] = [None] * 5
    cells: list[Tensor | None] = [None] * 5
    x, rains = rainy, []
    for _ in range(stages):
        for layer, dilation in enumerate((1, 1, 2, 4, 8)):
            name, h, c = f"rnns.{layer}", hidden[layer], cells[layer]

            def from_x(gate: str, name=name, x=x, dilation=dilation) -> Tensor:
                return convolve(state, f"{name}.conv{gate}", x, dilation)

            def from_h(gate: str, h: Tensor, name=name) -> Tensor:
                return convolve(state, f"{name}.conv_h{gate}", h)

            if unit == "Conv":
                new = from_x("")
            elif unit == "RNN":
                new = torch.tanh(from_x("_x") + (0 if h is None else from_h("", h)))
            elif unit == "GRU":
                if h is None:
                    new = torch.sigmoid(from_x("_xz")) * torch.tanh(from_x("_xn"))
                else:
                    z = torch.sigmoid(from_x("_xz") + from_h("z", h))
                    r = torch.sigmoid(from_x("_xr") + from_h("r", h))
                    new = (1 - z) * h + z * torch.tanh(from_x("_xn") + from_h("n", r * h))
            else:
                gates = [from_x(f"_x{gate}") for gate in "fioj"]
                if h is not None:
                    gates = [g + from_h(k, h) for g, k in zip(gates, "fioj", strict=True)]
                f, i, o = map(torch.sigmoid, gates[:3])
                cells[layer] = i * torch.tanh(gates[3]) + (0 if c is None else f * c)
                new = o * (cells[layer] if c is None else torch.tanh(cells[layer]))
            x = hidden[layer] = activate(f"{name}.se", new)
        rain = convolve(state, "dec.3", activate("dec.1", convolve(state, "dec.0", x)))
        rains.append(rain + rains[-1] if additive and rains else rain)
        x = rainy - rains[-1]
    return rains


def irnn(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> list[Tensor]:
    """Up, right, down, left; pixel by pixel."""
    height, width = x.shape[2:]
    down = [(y, col, y - 1, col) for y in range(height) for col in range(width)]
    up = [(y, col, y + 1, col) for y in reversed(range(height)) for col in range(width)]
    right = [(y, col, y, col - 1) for col in range(width) for y in range(height)]
    left = [(y, col, y, col + 1) for col in reversed(range(width)) for y in range(height)]
    results = []
    for path, w, b in zip((up, right, down, left), weights, biases, strict=True):
        h = torch.zeros_like(x)
        for y, col, py, pcol in path:
            step = x[:, :, y, col]
            if 0 <= py < height and 0 <= pcol < width:
                step = h[:, :, py, pcol] * w + b + step
            h[:, :, y, col] = F.relu(step)
        results.append(h)
    return results


def spanet(state: State, rainy: Tensor, *, gate: bool) -> tuple[Tensor, list[Tensor]]:
    def block(number: int, x: Tensor, attention: Tensor | float = 1.0) -> Tensor:
        name = f"res_block{number}.group1"
        inner = F.relu(convolve(state, f"{name}.conv1", x))
        inner = F.relu(convolve(state, f"{name}.conv2", inner, 2))
        return F.relu(convolve(state, f"{name}.conv3", inner) * attention + x)

    def attend(x: Tensor) -> Tensor:
        g = F.relu(convolve(state, "SAM1.attention_layer.conv1", x))
        g = F.relu(convolve(state, "SAM1.attention_layer.conv2", g))
        g = torch.sigmoid(convolve(state, "SAM1.attention_layer.conv3", g))
        x = convolve(state, "SAM1.conv_in", x)
        for turn, conv in (("irnn1", "conv2"), ("irnn2", "conv3")):
            names = [f"SAM1.{turn}.{d}_weight" for d in ("up", "right", "down", "left")]
            weights = [state[f"{name}.weight"].flatten() for name in names]
            parts = irnn(x, weights, [state[f"{name}.bias"] for name in names])
            if gate:
                parts = [part * g[:, [index]] for index, part in enumerate(parts)]
            x = convolve(state, f"SAM1.{conv}", torch.cat(parts, 1))
        return torch.sigmoid(convolve(state, "SAM1.conv_out", F.relu(x)))

    x = F.relu(convolve(state, "conv_in.0", rainy))
    for number in (1, 2, 3):
        x = block(number, x)
    masks = []
    for turn in range(4):
        masks.append(attend(x))
        for number in range(4 + 3 * turn, 7 + 3 * turn):
            x = block(number, x, masks[-1])
    for number in (16, 17):
        x = block(number, x)
    return convolve(state, "conv_out.0", x), masks
