"""How long a run may take: multiply-adds of the cards over a quick look at this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rainbench.run.options import RunOptions

if TYPE_CHECKING:
    from rainbench.run.plan import Plan

SCORING_SECONDS_PER_PIXEL = 4e-7
_EFFICIENCY = 0.5
_PRECISION_GAIN = {"fp32": 1.0, "bf16": 2.0, "fp16": 2.0}


def estimate_seconds(plan: Plan, options: RunOptions) -> float:
    """Return a rough estimate of a plan's wall time in seconds, good to a factor of two.

    Every network's multiply-adds are divided by what one 32-channel convolution reaches here.
    """
    cells = plan.runnable
    pixels = [sum(info.width * info.height for info in cell.pairs.manifest) for cell in cells]
    multiply_adds = sum(
        cell.entry.macs_per_pixel * count for cell, count in zip(cells, pixels, strict=True)
    )
    scoring = sum(pixels) * SCORING_SECONDS_PER_PIXEL
    if not multiply_adds:
        return scoring
    speed = _convolution_speed(options) * _EFFICIENCY * _PRECISION_GAIN[options.precision]
    return scoring + multiply_adds / speed


def _convolution_speed(options: RunOptions) -> float:
    """Return multiply-adds per second of a 3x3 convolution, 32 channels, fp32."""
    import torch

    torch.set_num_threads(options.threads)
    layer = torch.nn.Conv2d(32, 32, 3, padding=1)
    layer = layer.to(options.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(1, 32, 256, 256, device=options.device)
    image = image.contiguous(memory_format=torch.channels_last)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(4):
            started = time.perf_counter()
            float(layer(image)[0, 0, 0, 0])
            best = min(best, time.perf_counter() - started)
    return 32 * 32 * 9 * 256 * 256 / best
