"""Exported programs: TorchScript and ``torch.export``, with their weights in one file."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path, PurePosixPath

import torch
from torch import nn

from rainbench.core.errors import RainbenchError, WeightsError, told
from rainbench.foreign.one_file import OneFile


class ProgramFile(OneFile):
    """Makes the network that is in a file of the kind ``torchscript`` or ``export``."""

    def _load(self) -> nn.Module:
        try:
            if self._kind == "export":
                return _exported(self._file)
            _check_script(self._file)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # files of it go on existing
                script: nn.Module = torch.jit.load(str(self._file), map_location="cpu")  # type: ignore[no-untyped-call]
        except RainbenchError:
            raise
        except Exception as error:  # readers raise whatever a damaged file makes them
            what = "a torch.export program" if self._kind == "export" else "a TorchScript program"
            raise WeightsError(f"{self._file}: cannot be read as {what}: {told(error)}") from None
        return script


class _Whole(nn.Module):
    """An exported program, called by its own rules; it does not know the modes of training."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, rainy: torch.Tensor) -> object:
        # It is specialised to the layout of memory in which it was exported.
        return self.graph(rainy.contiguous(memory_format=torch.contiguous_format))


def _exported(file: Path) -> nn.Module:
    with file.open("rb") as opened:
        start = opened.read(4)
    if not start.startswith(b"PK"):
        raise WeightsError(f"{file}: is no program of torch.export.save")
    return _Whole(torch.export.load(str(file)).module())


def _check_script(file: Path) -> None:
    """Refuse what is no TorchScript program, and say what it is."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
            parts = [PurePosixPath(name).parts for name in archive.namelist()]
        if damaged is not None:
            raise WeightsError(f"{file}: is damaged: the checksum of {damaged} in it is wrong")
        if any(len(part) > 1 and part[1] in ("code", "constants.pkl") for part in parts):
            return
        if any("models" in part for part in parts):
            raise WeightsError(
                f"{file}: is a program of torch.export", hint="Let its name end with .pt2."
            )
    raise WeightsError(
        f"{file}: is a checkpoint, not a TorchScript program: it has no network in it",
        hint=f"Name the class, too: -b my_net.py:Net --weights {file}. Or export the network with "
        "torch.jit.script or torch.export.",
    )


def is_script(file: Path) -> bool:
    """Return whether a file is a TorchScript program."""
    try:
        _check_script(file)
    except (RainbenchError, OSError):
        return False
    return True
