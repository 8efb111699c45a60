"""This machine: its cores, its devices, its name, and a folder of its disk for one process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Literal

from rainbench.core.errors import RainbenchError

DeviceChoice = Literal["auto", "cpu", "cuda"]

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Tell the C library to reuse freed memory instead of returning it to the system.

    By default an array of some ten megabytes is mapped afresh each time and every page of it
    faults again; a PReNet pass took 12 % less time without that. Only for glibc; elsewhere nothing
    happens.

    Returns:
        Whether it took effect.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE) and mallopt(_M_TRIM_THRESHOLD, _LARGE))


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_gpu_driver() -> bool:
    """Return whether the driver of a GPU is installed: without one PyTorch need not be asked.

    Example:
        >>> has_gpu_driver() in (True, False)
        True
    """
    names = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libamdhip64.so")
    for name in names:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def resolve_device(device: DeviceChoice) -> Literal["cpu", "cuda"]:
    """Return the device to compute on: ``auto`` takes a GPU where PyTorch sees one.

    Raises:
        RainbenchError: CUDA was asked for and there is none.
    """
    if device == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise RainbenchError(
            "--device cuda: PyTorch sees no CUDA device here",
            hint="Use --device cpu, or install a CUDA build of PyTorch and check nvidia-smi.",
        )
    return "cpu"


def hardware(device: Literal["cpu", "cuda"], threads: int) -> str:
    """Return what a person calls the device, for the record.

    Example:
        >>> hardware("cpu", 1).endswith("1 thread")
        True
    """
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {threads} thread{'s' if threads != 1 else ''}"


def default_workers() -> int:
    """Return how many processes to use: the cores at hand, eight at most."""
    return min(8, usable_cores())


def default_memory() -> int:
    """Return a quarter of the machine's memory in bytes, 2 GiB where that is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):
        return 2 << 30
