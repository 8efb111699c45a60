"""TensorFlow-1 checkpoints, two files each: a table of names, and the values one after the other.

``NAME.index`` is a sorted string table as LevelDB writes it: blocks of entries whose keys share
their beginnings, a checksum behind each block, a block that lists the blocks, and a footer that
says where that lies. Each entry names a tensor's type, shape, place and checksum in
``NAME.data-00000-of-00001``.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rainbench.catalog.published_files.crc32c import crc32c, masked
from rainbench.catalog.published_files.names import DATA, index_of
from rainbench.catalog.published_files.wire import (
    BYTES,
    MOST_BYTES,
    DamagedError,
    fields,
    nested,
    read_varint,
    take,
    whole,
)

if TYPE_CHECKING:
    from torch import Tensor

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
"""Bytes behind each block: how it is compressed, and its checksum."""

_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""Numbers of the types that are read; texts and the like are no weights."""

_OPTIMISER = re.compile(
    r"/(Adam(_1)?|Momentum|RMSProp(_1)?|Adagrad|ExponentialMovingAverage)$"
    r"|(^|/)(beta[12]_power|global_step)(_\d+)?$"
)
"""What a training keeps beside the network's own variables."""

_MOST_DIMENSIONS = 8


class _Entry(NamedTuple):
    kind: int
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


def read_tensorflow(data: Path) -> dict[str, Tensor]:
    """Read a checkpoint's variables by their names, in TensorFlow's order of axes.

    What an optimiser kept beside them is left out. All checksums are compared.

    Args:
        data: The file of values; its index lies beside it.

    Raises:
        DamagedError: They are damaged, of a kind that is not read, or do not belong together.
        OSError: One cannot be read.
    """
    import torch

    if (part := DATA.search(data.name)) is None or part.groups() != ("00000", "00001"):
        raise DamagedError("it is one of several parts of a checkpoint, which are not read")
    values, index = (_bytes(file) for file in (data, index_of(data)))
    found = {}
    for name, entry in _entries(index):
        if _OPTIMISER.search(name) or entry.kind not in _TYPES:
            continue
        kind = np.dtype(_TYPES[entry.kind])
        if entry.size != math.prod(entry.shape) * kind.itemsize:
            raise DamagedError(f"{name} has {entry.size:,} bytes, which its shape does not fill")
        stored = take(values, entry.offset, entry.size)
        if masked(crc32c(stored)) != entry.checksum:
            raise DamagedError(f"the checksum of {name} is wrong")
        array = np.frombuffer(stored, kind).reshape(entry.shape)
        found[name] = torch.from_numpy(array.astype(kind.newbyteorder("=")))
    return found


def _bytes(file: Path) -> memoryview:
    if file.stat().st_size > MOST_BYTES:
        raise DamagedError(f"{file.name} is larger than {MOST_BYTES:,} bytes")
    return memoryview(file.read_bytes())


def _entries(index: memoryview) -> Iterator[tuple[str, _Entry]]:
    """Yield what an index says of each tensor."""
    if len(index) < _FOOTER or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise DamagedError("the index does not end as one does")
    place = len(index) - _FOOTER
    _, place = _handle(index, place)  # of blocks that tell of blocks: none are written
    (start, size), _ = _handle(index, place)
    last = b""
    header = False
    for _, value in _block(index, start, size):
        (start, size), _ = _handle(value, 0)
        for key, message in _block(index, start, size):
            if key <= last and header:
                raise DamagedError("the names of the index are not in order")
            last = key
            if not header:
                _check_header(key, message)
                header = True
                continue
            try:
                name = key.decode()
            except UnicodeDecodeError:
                raise DamagedError("a name in the index is no text") from None
            yield name, _entry(name, message)
    if not header:
        raise DamagedError("the index is empty")


def _handle(data: memoryview, place: int) -> tuple[tuple[int, int], int]:
    start, place = read_varint(data, place)
    size, place = read_varint(data, place)
    return (start, size), place


def _block(index: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the keys and values of a block."""
    whole_block = take(index, start, size + _TRAILER)
    block, compressed = whole_block[:size], whole_block[size]
    if masked(crc32c(whole_block[: size + 1])) != struct.unpack("<I", whole_block[size + 1 :])[0]:
        raise DamagedError("a checksum of the index is wrong")
    if compressed:
        raise DamagedError("the index is compressed, which checkpoints are not")
    if size < 4:
        raise DamagedError("a block of the index is cut short")
    (restarts,) = struct.unpack("<I", block[-4:])
    entries = take(block, 0, max(0, size - 4 - 4 * restarts))
    place, key = 0, b""
    while place < len(entries):
        shared, place = read_varint(entries, place)
        own, place = read_varint(entries, place)
        length, place = read_varint(entries, place)
        if shared > len(key):
            raise DamagedError("a name of the index continues none")
        key = key[:shared] + bytes(take(entries, place, own))
        place += own
        yield key, take(entries, place, length)
        place += length


def _check_header(key: bytes, message: memoryview) -> None:
    """Refuse a checkpoint in several parts or of a machine that writes numbers backwards."""
    said = {number: value for number, _, value in fields(message)}
    if key or said.get(1) != 1 or said.get(2, 0) != 0:
        raise DamagedError("the index is not that of one file in the usual order of bytes")


def _entry(name: str, message: memoryview) -> _Entry:
    kind = offset = size = checksum = 0
    shape: tuple[int, ...] = ()
    for number, _, value in fields(message):
        if number == 1:
            kind = whole(value)
        elif number == 2:
            shape = _shape(nested(value))
        elif number == 3 and value:
            raise DamagedError(f"{name} lies in another part")
        elif number == 4:
            offset = whole(value)
        elif number == 5:
            size = whole(value)
        elif number == 6:
            checksum = whole(value)
        elif number == 7:
            raise DamagedError(f"{name} is cut into slices, which are not read")
    return _Entry(kind, shape, offset, size, checksum)


def _shape(message: memoryview) -> tuple[int, ...]:
    shape = []
    for number, kind, value in fields(message):
        if number == 2 and kind == BYTES:
            sides = [whole(side) for of, _, side in fields(nested(value)) if of == 1]
            shape.append(sides[-1] if sides else 0)
        elif number == 3 and value:
            raise DamagedError("a tensor's shape is not known")
    if len(shape) > _MOST_DIMENSIONS or any(side >> 40 for side in shape):
        raise DamagedError("a tensor has an impossible shape")
    return tuple(shape)
