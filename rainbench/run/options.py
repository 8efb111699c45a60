"""How a run computes: everything that may change a number, in one record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from rainbench.core.errors import RainbenchError
from rainbench.core.machine import DeviceChoice, resolve_device, usable_cores

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The part of a call that is part of a result's key.

    Attributes:
        device: ``cpu`` or ``cuda``.
        precision: Of the network's arithmetic; scoring is always in float64.
        tile: Side of the tiles in pixels that an image is cut into, 0 for the whole image.
        overlap: Pixels that neighbouring tiles share; None for the network's receptive field.
        threads: Threads of the network on the CPU.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Precision = "fp32"
    tile: int = 0
    overlap: int | None = None
    threads: int = 1

    def key_parts(self) -> dict[str, object]:
        """Return what tells results apart: all but the number of threads."""
        parts = asdict(self)
        del parts["threads"]
        if not self.tile:
            del parts["overlap"]
        return parts


def resolve_options(
    device: DeviceChoice = "auto",
    precision: Precision = "fp32",
    tile: int = 0,
    threads: int | None = None,
    overlap: int | None = None,
) -> RunOptions:
    """Fill in what was left open and refuse what this machine cannot do.

    Raises:
        RainbenchError: CUDA was asked for and there is none, or a value is out of range.

    Example:
        >>> resolve_options("cpu", threads=2)
        RunOptions(device='cpu', precision='fp32', tile=0, overlap=None, threads=2)
    """
    if tile and tile < 64:
        raise RainbenchError(f"--tile {tile} is too small", hint="Give 64 or more, or 0 for none.")
    if tile and overlap is not None and not 0 <= overlap <= tile // 2:
        raise RainbenchError(
            f"--overlap {overlap} does not fit tiles of {tile}",
            hint="Give 0 or more, up to half of --tile.",
        )
    if threads is not None and threads < 1:
        raise RainbenchError(f"--threads {threads} must be at least 1")
    return RunOptions(resolve_device(device), precision, tile, overlap, threads or usable_cores())
