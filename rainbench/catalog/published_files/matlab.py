"""MATLAB files of version 5 to 7.2: their arrays of numbers, through structures and cells.

SciPy reads them, too, but a damaged file may end the process in its compiled code. A file is a list
of elements, each a kind, a length and that many bytes; an array is an element of elements: what it
is, its sides, its name, and its numbers or what it holds.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.published_files.wire import MOST_BYTES, DamagedError, take

if TYPE_CHECKING:
    from torch import Tensor

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {
    1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8",
    13: "<u8",
}  # fmt: skip
"""Kinds of numbers as they are stored, which may be shorter than those of the array."""

_CELLS, _STRUCTURE = 1, 2
_FLOATS = {6: np.float64, 7: np.float32}
_COMPLEX = 0x800

_MOST_NESTS = 6

Arrays = Iterator[tuple[str, NDArray[Any]]]


def read_matlab(path: Path) -> dict[str, Tensor]:
    """Read every array of floating point by its place, such as ``model.weight.3``.

    Fields of structures bear their names, cells are counted from one as MATLAB does. The axes are
    in MATLAB's order.

    Raises:
        DamagedError: It is damaged, too large, of another version, or holds no such array.
        OSError: It cannot be read.
    """
    import torch

    if path.stat().st_size > MOST_BYTES:
        raise DamagedError(f"it is larger than {MOST_BYTES:,} bytes")
    data = memoryview(path.read_bytes())
    if len(data) < _HEADER or bytes(data[124:128]) != b"\x00\x01IM":
        raise DamagedError("it is no MATLAB file of version 5 to 7.2 as PCs write it")
    found: dict[str, Tensor] = {}
    room = MOST_BYTES
    for kind, content in _elements(data[_HEADER:]):
        for name, array in _top(kind, content):
            if name in found:
                raise DamagedError(f"{name} stands in it twice")
            room -= array.nbytes
            if room < 0:
                raise DamagedError(f"unpacked it is larger than {MOST_BYTES:,} bytes")
            found[name] = torch.from_numpy(array)
    if not found:
        raise DamagedError("it holds no array of floating point")
    return found


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the kind and the bytes of each element."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack("<II", take(data, place, 8))
        if kind >> 16:  # both fit into four bytes, and the content into the next four
            size, kind = kind >> 16, kind & 0xFFFF
            if size > 4:
                raise DamagedError("a short element is too long")
            yield kind, take(data, place + 4, size)
            place += 8
            continue
        yield kind, take(data, place + 8, size)
        # Whatever is not compressed ends on a multiple of eight bytes.
        place += 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)


def _top(kind: int, content: memoryview) -> Arrays:
    if kind == _COMPRESSED:
        unpacking = zlib.decompressobj()
        try:
            unpacked = unpacking.decompress(content, MOST_BYTES)
        except zlib.error as error:
            raise DamagedError(str(error)) from None
        if not unpacking.eof:
            raise DamagedError("a part of it is cut short, or too large when unpacked")
        for inner_kind, inner in _elements(memoryview(unpacked)):
            yield from _matrix(inner_kind, inner, "", 0)
    else:
        yield from _matrix(kind, content, "", 0)


def _matrix(kind: int, content: memoryview, place: str, depth: int) -> Arrays:
    """Yield the arrays of an element that is one, or holds some."""
    if kind != _MATRIX:
        raise DamagedError(f"an element of kind {kind} stands where an array should be")
    if not content:  # an empty cell
        return
    if depth > _MOST_NESTS:
        raise DamagedError("arrays are nested without end")
    parts = _elements(content)
    flags = _whole(parts)
    sides = _whole(parts)
    name = _text(parts)
    if not flags or len(sides) > 8 or min(sides, default=0) < 0:
        raise DamagedError("an array has impossible sides")
    place = f"{place}.{name}".strip(".")
    what, count = flags[0] & 0xFF, math.prod(sides)
    if what in _FLOATS:
        if flags[0] & _COMPLEX:
            raise DamagedError(f"{place} holds complex numbers")
        yield place, _numbers(parts, count).astype(_FLOATS[what]).reshape(sides, order="F")
    elif what == _CELLS:
        for number in range(1, count + 1):
            yield from _matrix(*_next(parts), f"{place}.{number}", depth + 1)
    elif what == _STRUCTURE and count == 1:
        length = max(_whole(parts), default=0)
        names = bytes(_next(parts)[1])
        if length < 1 or len(names) % length:
            raise DamagedError(f"the names of {place} are cut short")
        for start in range(0, len(names), length):
            field = _named(names[start : start + length])
            yield from _matrix(*_next(parts), f"{place}.{field}", depth + 1)


def _next(parts: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    found = next(parts, None)
    if found is None:
        raise DamagedError("an array is cut short")
    return found


def _numbers(parts: Iterator[tuple[int, memoryview]], count: int) -> NDArray[Any]:
    kind, content = _next(parts)
    if kind not in _STORED:
        raise DamagedError(f"numbers are of kind {kind}")
    stored = np.dtype(_STORED[kind])
    if count * stored.itemsize != len(content):
        raise DamagedError(f"an array has {len(content):,} bytes, which its sides do not fill")
    return np.frombuffer(content, stored)


def _whole(parts: Iterator[tuple[int, memoryview]]) -> list[int]:
    """Return an element of whole numbers."""
    kind, content = _next(parts)
    stored = np.dtype(_STORED.get(kind, "<f8"))
    if stored.kind not in "iu" or len(content) % stored.itemsize:
        raise DamagedError(f"an element of kind {kind} stands where whole numbers should be")
    return [int(number) for number in np.frombuffer(content, stored)]


def _text(parts: Iterator[tuple[int, memoryview]]) -> str:
    return _named(bytes(_next(parts)[1]))


def _named(name: bytes) -> str:
    try:
        return name.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise DamagedError("a name in it is no text") from None
