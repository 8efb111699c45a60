"""Exported programs: TorchScript and ``torch.export``, with their weights in one file."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path, PurePosixPath

import torch
from torch import nn

from rainbench.core.errors import RainbenchError, WeightsError, told
from rainbench.foreign.one_file import OneFile
from rainbench.run.predict import PredictionError


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
        return _Script(script)


class _Script(nn.Module):
    """A TorchScript program, whose failures are told by their last line."""

    def __init__(self, script: nn.Module) -> None:
        super().__init__()
        self.script = script

    def forward(self, rainy: torch.Tensor) -> object:
        try:
            return self.script(rainy)
        except RuntimeError as error:
            said = [line for line in str(error).splitlines() if line.strip()]
            if "TorchScript interpreter" not in said[0] or "memory" in said[-1]:
                raise
            height, width = rainy.shape[-2:]
            raise PredictionError(
                f"the program failed on an image of {width}x{height}: {said[-1].strip()}",
                hint="If it was traced, the size of its example may be in it: export it by "
                "torch.jit.script, or by torch.export with dynamic_shapes.",
            ) from error


class _Whole(nn.Module):
    """An exported program, called by its own rules; it does not know the modes of training."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, rainy: torch.Tensor) -> object:
        # It is specialised to the layout of memory in which it was exported.
        rainy = rainy.contiguous(memory_format=torch.contiguous_format)
        try:
            return self.graph(rainy)
        except (AssertionError, RuntimeError) as error:
            if "Guard failed" not in str(error) and "symbolic shape constraint" not in str(error):
                raise
            height, width = rainy.shape[-2:]
            raise PredictionError(
                f"it was exported for other sizes than {width}x{height}: {told(error)}",
                hint="Export it with dynamic_shapes: torch.export.export(net, (image,), "
                "dynamic_shapes=({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)).",
            ) from error


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
