"""How a run computes: everything that may change a number, in one record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from rainbench.catalog.cards import BaselineCard
from rainbench.core.errors import RainbenchError
from rainbench.core.machine import MOST_AT_ONCE, device_kind, resolve_device, usable_cores

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The part of a call that is part of a result's key.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: Of the network's arithmetic; scoring is always in float64.
        tile: Side of the tiles in pixels that an image is cut into, 0 for the whole image.
        overlap: Pixels that neighbouring tiles share; None for the network's receptive field.
        threads: Threads of the network on the CPU.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    tile: int = 0
    overlap: int | None = None
    threads: int = 1

    def of(self, card: BaselineCard) -> RunOptions:
        """Return how a baseline computes: without tiles where its card says so."""
        return self if card.tileable else replace(self, tile=0, overlap=None)

    def key_parts(self) -> dict[str, object]:
        """Return what tells results apart: all but the number of threads and of the device."""
        parts = {**asdict(self), "device": device_kind(self.device)}
        del parts["threads"]
        if not self.tile:
            del parts["overlap"]
        return parts


def resolve_options(
    device: str = "auto",
    precision: Precision = "fp32",
    tile: int = 0,
    threads: int | None = None,
    overlap: int | None = None,
) -> RunOptions:
    """Fill in what was left open and refuse what this machine cannot do.

    Raises:
        RainbenchError: The device is not there, or a value is out of range.

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
    if threads is not None and not 1 <= threads <= MOST_AT_ONCE:
        raise RainbenchError(
            f"--threads {threads} is out of range",
            hint=f"Give 1 to {MOST_AT_ONCE}; this process may use {usable_cores()} cores.",
        )
    if precision not in ("fp32", "bf16", "fp16"):
        raise RainbenchError(f"precision {precision!r}", hint="Give fp32, bf16 or fp16.")
    return RunOptions(resolve_device(device), precision, tile, overlap, threads or usable_cores())
