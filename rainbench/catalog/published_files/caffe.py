"""Caffe's ``.caffemodel``: a protocol buffer of layers, each with its arrays of numbers."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rainbench.catalog.published_files.wire import (
    BYTES,
    FIXED32,
    MOST_BYTES,
    VARINT,
    DamagedError,
    fields,
    nested,
    read_varint,
    text,
    whole,
)

if TYPE_CHECKING:
    from torch import Tensor

_LAYER, _OLD_LAYER = 100, 2
_NAME, _BLOBS = 1, 7
_OLD_NAME, _OLD_BLOBS = 4, 6
"""Numbers of fields, of today's layers and of those of 2014."""

_MOST_DIMENSIONS = 8


def read_caffe(path: Path) -> dict[str, Tensor]:
    """Read the arrays of each layer.

    Of a convolution ``NAME.0`` is the kernel, ``NAME.1`` the bias. A kernel is ``(outputs, inputs,
    height, width)`` as Caffe saw it: whoever handed pictures to it column by column has to exchange
    the last two.

    Raises:
        DamagedError: It is damaged, holds no array, or a layer's name stands twice.
        OSError: It cannot be read.
    """
    import torch

    if path.stat().st_size > MOST_BYTES:
        raise DamagedError(f"it is larger than {MOST_BYTES:,} bytes")
    found: dict[str, Tensor] = {}
    for number, _, value in fields(memoryview(path.read_bytes())):
        if number not in (_LAYER, _OLD_LAYER):
            continue
        of_name, of_blobs = (_NAME, _BLOBS) if number == _LAYER else (_OLD_NAME, _OLD_BLOBS)
        name, blobs = "", []
        for of, _, part in fields(nested(value)):
            if of == of_name:
                name = text(part)
            elif of == of_blobs:
                blobs.append(_blob(nested(part)))
        for place, blob in enumerate(blobs):
            if f"{name}.{place}" in found:
                raise DamagedError(f"two layers are called {name}")
            found[f"{name}.{place}"] = torch.from_numpy(blob)
    if not found:
        raise DamagedError("it holds no layer with numbers")
    return found


def _blob(message: memoryview) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return an array: its shape, or its four old sides, and its numbers in either precision."""
    sides: list[int] = []
    old = {1: 1, 2: 1, 3: 1, 4: 1}
    singles, doubles = bytearray(), bytearray()
    for number, kind, value in fields(message):
        if number in old and kind == VARINT:
            old[number] = whole(value)
        elif number == 7:
            sides = _shape(nested(value))
        elif number == 5:
            singles += struct.pack("<I", value) if kind == FIXED32 else nested(value)
        elif number == 8 and kind == BYTES:
            doubles += nested(value)
    if singles and doubles:
        raise DamagedError("an array stands in two precisions")
    shape = sides or list(old.values())
    numbers, kind_of = (doubles, "<f8") if doubles else (singles, "<f4")
    if len(shape) > _MOST_DIMENSIONS or math.prod(shape) * int(kind_of[2]) != len(numbers):
        raise DamagedError(f"an array has {len(numbers):,} bytes, which its shape does not fill")
    array = np.frombuffer(bytes(numbers), kind_of).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="))


def _shape(message: memoryview) -> list[int]:
    """Return the sides of an array, packed together or one by one."""
    sides: list[int] = []
    for number, kind, value in fields(message):
        if number != 1:
            continue
        if kind == VARINT:
            sides.append(whole(value))
            continue
        packed, place = nested(value), 0
        while place < len(packed):
            side, place = read_varint(packed, place)
            sides.append(side)
    return sides
