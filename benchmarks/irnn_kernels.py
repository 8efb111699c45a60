"""What the IRNN of SPANet costs line by line and in blocks: kernels, and time where it runs.

python benchmarks/irnn_kernels.py [--device cuda] [--side 256] [--batch 16]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, get_args

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rainbench.networks.irnn import IRNN, Steps


class Kernels(TorchDispatchMode):
    """Counts what PyTorch computes: every operation but views and empty tensors."""

    count = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Count one operation and run it."""
        aliases = [result.alias_info for result in func._schema.returns]
        views = all(alias is not None and not alias.is_write for alias in aliases)
        self.count += not (views or func.__name__.startswith(("empty", "new_empty")))
        return func(*args, **(kwargs or {}))


def seconds(run: Callable[[], object], device: str, repeats: int = 5) -> float:
    """Return the shortest time of some runs, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    """Print a line per way of taking the steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--channels", type=int, default=32)
    given = parser.parse_args()
    shape = (given.batch, given.channels, given.side, given.side)
    features = torch.rand(shape, device=given.device, requires_grad=True)
    unit = IRNN(given.channels).to(given.device)
    for steps in get_args(Steps)[1:]:
        unit.steps = steps
        with Kernels() as forwards:
            total = unit(features).sum()
        with Kernels() as backwards:
            total.backward()
        forward = seconds(lambda: unit(features), given.device)
        both = seconds(lambda: unit(features).sum().backward(), given.device)
        print(
            f"{steps:6}: {forwards.count:5} kernels forwards in {forward * 1e3:7.1f} ms, "
            f"{backwards.count:5} backwards in {(both - forward) * 1e3:7.1f} ms"
        )


if __name__ == "__main__":
    main()
