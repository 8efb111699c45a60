"""MATLAB files of version 5 to 7.2: their arrays of numbers, through structures and cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.published_files.wire import MOST_BYTES, DamagedError

if TYPE_CHECKING:
    from torch import Tensor

_MOST_NESTS = 6
_MOST_ARRAYS = 10_000


def read_matlab(path: Path) -> dict[str, Tensor]:
    """Read every array of floating point by its place, such as ``model.weight.3``.

    Fields of structures bear their names, cells are counted from one as MATLAB does. The axes are
    in MATLAB's order.

    Raises:
        DamagedError: It is too large, or holds no such array.
        OSError: It cannot be read.
    """
    import scipy.io
    import torch

    if path.stat().st_size > MOST_BYTES:
        raise DamagedError(f"it is larger than {MOST_BYTES:,} bytes")
    loaded = scipy.io.loadmat(path)
    found: dict[str, Tensor] = {}
    for name, value in loaded.items():
        if isinstance(value, np.ndarray):
            for place, array in _arrays(name, value, 0):
                if len(found) >= _MOST_ARRAYS:
                    raise DamagedError("it holds more arrays than any network")
                native = array.astype(array.dtype.newbyteorder("="))
                found[place] = torch.from_numpy(native)
    if not found:
        raise DamagedError("it holds no array of floating point")
    return found


def _arrays(name: str, value: NDArray[Any], depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
    if value.dtype in (np.float32, np.float64):
        yield name, value
    if depth >= _MOST_NESTS:
        return
    if value.dtype.names and value.size == 1:
        for field in value.dtype.names:
            inner = value.reshape(-1)[0][field]
            if isinstance(inner, np.ndarray):
                yield from _arrays(f"{name}.{field}", inner, depth + 1)
    elif value.dtype == object:
        for number, inner in enumerate(value.reshape(-1, order="F"), start=1):
            if isinstance(inner, np.ndarray):
                yield from _arrays(f"{name}.{number}", inner, depth + 1)
