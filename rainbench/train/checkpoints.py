"""Checkpoints: written aside and renamed, so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import torch
from torch import Tensor, nn

from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.files import write_atomically

LAST, BEST = "last.pt", "best.pt"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: Steps done.
        seconds: Time they took, validation included, interruptions left out.
        best_step: The step of the best validation so far; 0 before the first.
        best_psnr: Its PSNR in dB.
        best_ssim: Its SSIM.
    """

    step: int = 0
    seconds: float = 0.0
    best_step: int = 0
    best_psnr: float = 0.0
    best_ssim: float = 0.0


def save_checkpoint(
    file: Path, network: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write everything that going on needs; the file is whole or the former one.

    Raises:
        StoreError: It cannot be written.
    """
    content = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": dataclasses.asdict(progress),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        write_atomically(file, buffer.getvalue())
    except OSError as error:
        raise StoreError(
            f"{file}: cannot be written: {error.strerror}",
            hint="Free some space and run the same command again: the training goes on.",
        ) from None


def load_checkpoint(
    file: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None = None
) -> Progress:
    """Read a checkpoint back into a network and its optimiser.

    Raises:
        RainbenchError: The file is damaged, or of another network.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(content["network"], strict=True)
        if optimiser is not None:
            optimiser.load_state_dict(content["optimiser"])
        return Progress(**content["progress"])
    except Exception as error:  # readers raise whatever a damaged file makes them
        raise RainbenchError(
            f"{file}: cannot be read as a checkpoint: {type(error).__name__}: {error}",
            hint="Remove it to start this training afresh, or give another --out.",
        ) from None


def load_state(file: Path) -> dict[str, Tensor]:
    """Return the network's tensors out of a checkpoint, on the CPU."""
    content = torch.load(file, map_location="cpu", weights_only=True)
    state: dict[str, Tensor] = content["network"]
    return state
