"""How much faster is our PReNet than the same weights run the plain way?

The plain way is NCHW, eager, with separate convolutions for the four gates, as published. Ours is
in channels-last order with the gates fused, as the runner calls it. The two are timed in turn; the
ratio is the median over the turns. Other jobs on the machine disturb the wall time most, so the
ratio of the process's CPU times is the one to trust, best with ``--threads 1``.

    python benchmarks/prenet_speed.py --threads 1
    python benchmarks/prenet_speed.py --checkpoint PReNet6_Rain100H.pth
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from rainbench.core.machine import keep_freed_memory
from rainbench.networks.prenet import PReNet

WANTED_RATIO, TOLERANCE = 1.2, 5e-6


def random_published(seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict with the published keys: uniform weights of the usual scale."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"conv0.0": (32, 6), "conv.0": (3, 32)}
    shapes |= {f"res_conv{block}.{conv}": (32, 32) for block in range(1, 6) for conv in (0, 2)}
    shapes |= {f"conv_{gate}.0": (32, 64) for gate in "ifgo"}
    state = {}
    for name, (outputs, inputs) in shapes.items():
        bound = (inputs * 9) ** -0.5
        for kind, shape in (("weight", (outputs, inputs, 3, 3)), ("bias", (outputs,))):
            state[f"{name}.{kind}"] = (2 * torch.rand(shape, generator=generator) - 1) * bound
    return state


def plain_prenet(published: Mapping[str, Tensor], rainy: Tensor, iterations: int = 6) -> Tensor:
    """Run PReNet straight from its published keys, ``(N, 3, H, W)``."""

    def conv(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, published[f"{name}.weight"], published[f"{name}.bias"], padding=1)

    h = c = rainy.new_zeros(rainy.shape[0], 32, *rainy.shape[2:])
    x = rainy
    for _ in range(iterations):
        x = F.relu(conv("conv0.0", torch.cat((rainy, x), 1)))
        x = torch.cat((x, h), 1)
        i, f, o = (torch.sigmoid(conv(f"conv_{gate}.0", x)) for gate in "ifo")
        g = torch.tanh(conv("conv_g.0", x))
        c = f * c + i * g
        x = h = o * torch.tanh(c)
        for block in range(1, 6):
            inner = F.relu(conv(f"res_conv{block}.0", x))
            x = F.relu(F.relu(conv(f"res_conv{block}.2", inner)) + x)
        x = conv("conv.0", x) + rainy
    return x


def timed(run: Callable[[], Tensor]) -> tuple[float, float, Tensor]:
    """Return CPU seconds, wall seconds and the result."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def main() -> int:
    """Measure, print, and return 0 when ours is fast and equal enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="a published PReNet; random without")
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    call = parser.parse_args()

    torch.set_num_threads(call.threads)
    keep_freed_memory()
    published = random_published()
    if call.checkpoint:
        published = torch.load(call.checkpoint, map_location="cpu", weights_only=True)
    network = PReNet().eval()
    network.load_state_dict(network.convert_published(published))
    network.to(memory_format=torch.channels_last)
    rainy = torch.rand(1, 3, call.height, call.width, generator=torch.Generator().manual_seed(1))
    ways: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: plain_prenet(published, rainy),
        "ours": lambda: network(rainy.contiguous(memory_format=torch.channels_last)).image,
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    results: dict[str, Tensor] = {}
    with torch.inference_mode():
        for repeat in range(call.repeats + 1):
            for way, run in ways.items():
                cpu, wall, results[way] = timed(run)
                if repeat:  # the first turn warms up
                    seconds[way].append((cpu, wall))
    difference = (results["plain"] - results["ours"]).abs().max().item()
    medians = {
        way: [statistics.median(column) for column in zip(*times, strict=True)]
        for way, times in seconds.items()
    }
    size = f"{call.width}x{call.height}"
    print(
        f"PReNet, {size}, {call.threads} threads, {call.repeats} turns, torch {torch.__version__}"
    )
    for way, (cpu, wall) in medians.items():
        print(f"  {way:5}  {cpu:6.2f} s CPU  {wall:6.2f} s wall")
    cpu_ratio, wall_ratio = (
        statistics.median(
            plain[clock] / ours[clock]
            for plain, ours in zip(seconds["plain"], seconds["ours"], strict=True)
        )
        for clock in (0, 1)
    )
    print(f"  ratio  {cpu_ratio:6.2f}   CPU  {wall_ratio:6.2f}   wall  (wanted: {WANTED_RATIO})")
    best = min(seconds["plain"])[0] / min(seconds["ours"])[0]
    print(f"  ratio of the best turns {best:.2f} CPU: what a quiet machine would show")
    print(f"  largest difference {difference:.1e}  (allowed: {TOLERANCE})")
    return int(max(cpu_ratio, wall_ratio) < WANTED_RATIO or difference > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
