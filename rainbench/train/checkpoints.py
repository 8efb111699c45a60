"""Checkpoints: written aside and renamed, so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

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
    file: Path,
    key: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    rain: nn.Module | None = None,
) -> None:
    """Write everything that continuing needs; the file is whole or the former one.

    Args:
        file: The checkpoint.
        key: Of the training: it continues from no other one's checkpoint.
        network: Whose weights are kept.
        optimiser: Whose state is kept.
        progress: How far the training has come.
        rain: What has been learnt of the rain of photographs, if anything is.

    Raises:
        StoreError: It cannot be written.
    """
    content = {
        "key": key,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": dataclasses.asdict(progress),
        **({} if rain is None else {"rain": rain.state_dict()}),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        write_atomically(file, buffer.getvalue())
    except OSError as error:
        raise StoreError(
            f"{file}: cannot be written: {error.strerror}",
            hint="Free some space and run the same command again: the training continues.",
        ) from None


def load_checkpoint(
    file: Path,
    key: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    rain: nn.Module | None = None,
) -> Progress:
    """Read a checkpoint back into a network, its optimiser and the rain of photographs.

    Raises:
        RainbenchError: The file is damaged, or of another training.
    """
    content = _read(file, key)
    try:
        network.load_state_dict(content["network"], strict=True)
        optimiser.load_state_dict(content["optimiser"])
        if rain is not None:
            rain.load_state_dict(content["rain"], strict=True)
        return Progress(**content["progress"])
    except Exception as error:  # whatever a damaged state makes torch raise
        raise _unreadable(file, error) from None


def read_progress(file: Path, key: str) -> Progress:
    """Return how far a checkpoint's training has come.

    Raises:
        RainbenchError: The file is missing, damaged, or of another training.
    """
    content = _read(file, key)
    try:
        return Progress(**content["progress"])
    except (KeyError, TypeError) as error:
        raise _unreadable(file, error) from None


def load_state(file: Path, key: str | None = None) -> dict[str, Tensor]:
    """Return the network's tensors out of a checkpoint, on the CPU.

    Args:
        file: The checkpoint.
        key: Of the training that must have written it; None for any.

    Raises:
        RainbenchError: The file is damaged, or of another training.
    """
    state: dict[str, Tensor] = _read(file, key)["network"]
    return state


def _read(file: Path, key: str | None) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        found = content.get("key")
    except Exception as error:  # readers raise whatever a damaged file makes them
        raise _unreadable(file, error) from None
    if key is not None and found != key:
        whose = "another training" if found else "an earlier version of rainbench"
        raise RainbenchError(f"{file}: a checkpoint of {whose}", hint=_REMOVE)
    return content


def _unreadable(file: Path, error: Exception) -> RainbenchError:
    return RainbenchError(
        f"{file}: cannot be read as a checkpoint: {type(error).__name__}: {error}", hint=_REMOVE
    )


_REMOVE = "Remove it to start this training afresh, or give another --out."
