"""This machine: its cores, its devices, its name, and a folder of its disk for one process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import sys
from pathlib import Path

from rainbench.core.errors import RainbenchError

MOST_AT_ONCE = max(64, 4 * (os.cpu_count() or 1))
"""Threads or processes that may be asked for: far more only wait, or cannot be started at all."""

SHORT_FLOATS = (8, 0)
"""The compute capability of the first NVIDIA cards (Ampere) that multiply in tf32 and bf16."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = (1 << 31) - 1
_RETURNED = 4 << 20


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
    return _set_malloc(_LARGE)


def return_freed_memory() -> bool:
    """Tell the C library to return every array of some megabytes to the system when it is freed.

    By default what is smaller than 32 MiB, as pictures of 4K are, may stay for later ones: a build
    of such a video held half a gigabyte of nothing. Costs page faults; only for glibc.

    Returns:
        Whether it took effect.

    Example:
        >>> return_freed_memory() in (True, False)
        True
    """
    return _set_malloc(_RETURNED)


def _set_malloc(size: int) -> bool:
    """Set the size from which memory is mapped by itself, and that from which it is returned."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, size) and mallopt(_M_TRIM_THRESHOLD, size))


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


def resolve_device(device: str) -> str:
    """Return the device to compute on, as PyTorch calls it.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or ``auto``, which takes a GPU where PyTorch
            sees one by CUDA.

    Raises:
        RainbenchError: There is no such device here.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    name = device.strip().lower()
    if name == "cpu":
        return name
    if name == "mps":  # before PyTorch is loaded: what it cannot do there is done by the CPU
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    import torch

    devices = _devices()
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if re.fullmatch(r"cuda(:\d{1,4})?", name):
        number = int(name[5:] or 0)
        if f"cuda:{number}" in devices:
            return name if ":" not in name else f"cuda:{number}"
        problem = "PyTorch sees no such CUDA device here"
        if "cuda:0" not in devices:
            problem = "PyTorch sees no CUDA device here"
    elif name == "mps":
        if name in devices:
            return name
        problem = "PyTorch sees no Metal device here"
    else:
        problem = "is not one of cpu, cuda, cuda:N, mps and auto"
    raise RainbenchError(
        f"--device {device}: {problem}",
        hint=f"Here are: {', '.join(devices)}. A card that is missing needs its driver, and a"
        " PyTorch built for it.",
    )


def check_precision(device: str, precision: str) -> None:
    """Refuse a precision that a device does not compute in.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.

    Raises:
        RainbenchError: It does not.

    Example:
        >>> try:
        ...     check_precision("cpu", "tf32")
        ... except RainbenchError as error:
        ...     print(error.message)
        --precision tf32 is the arithmetic of NVIDIA GPUs, and cpu is none
    """
    kind = device_kind(device)
    if precision == "tf32" and kind != "cuda":
        raise RainbenchError(
            f"--precision tf32 is the arithmetic of NVIDIA GPUs, and {device} is none",
            hint="Give --precision fp32.",
        )
    if precision in ("tf32", "bf16") and kind == "cuda":
        import torch

        capability = torch.cuda.get_device_capability(device)
        if capability < SHORT_FLOATS:
            raise RainbenchError(
                f"--precision {precision}: {torch.cuda.get_device_name(device)} does not compute in"
                f" it (its compute capability is {capability[0]}.{capability[1]}, 8.0 is needed)",
                hint="Give --precision fp32.",
            )


def _devices() -> list[str]:
    """Return the devices that PyTorch has here."""
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    metal = ["mps"] * torch.backends.mps.is_available()
    return ["cpu", *(f"cuda:{index}" for index in range(cards)), *metal]


def device_kind(device: str) -> str:
    """Return a device without its number.

    Example:
        >>> device_kind("cuda:1")
        'cuda'
    """
    return device.partition(":")[0]


def hardware(device: str, threads: int) -> str:
    """Return what a person calls the device, for the record.

    Example:
        >>> hardware("cpu", 1).endswith("1 thread")
        True
    """
    if device_kind(device) == "cuda":
        import torch

        return str(torch.cuda.get_device_name(device))
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    if device != "cpu":
        return f"{name}, {device}"
    return f"{name}, {threads} thread{'s' if threads != 1 else ''}"


def default_workers() -> int:
    """Return how many processes to use: the cores there are, eight at most."""
    return min(8, usable_cores())


def default_memory() -> int:
    """Return a quarter of the machine's memory in bytes, 2 GiB where that is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):
        return 2 << 30


def free_memory() -> int:
    """Return how many bytes of memory a process may still take, about; as known here.

    Example:
        >>> free_memory() > 0
        True
    """
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return 2 * default_memory()  # half of the machine's
