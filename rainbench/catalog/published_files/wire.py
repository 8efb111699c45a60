"""Protocol buffers as they lie in a file: fields by number, without a schema or a library.

Only what is asked for is looked into, and nothing is believed: a length that reaches beyond its
message is an error, and no memory is taken for what a file merely announces.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MOST_BYTES = 64 << 20
"""Of one file of published weights: the networks of this field are far smaller."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The kinds of values; groups, 3 and 4, have not been written since 2008."""


class DamagedError(ValueError):
    """Bytes that no program writes in this format."""


def read_varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return an unsigned number of up to 64 bits, seven a byte, and the place behind it.

    Raises:
        DamagedError: It does not end, or is larger.

    Example:
        >>> read_varint(memoryview(bytes([0xAC, 0x02, 7])), 0)
        (300, 2)
    """
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if value >> 64:
                break
            return value, place
    raise DamagedError("a number in it does not end")


def take(data: memoryview, place: int, length: int) -> memoryview:
    """Return ``length`` bytes from a place on.

    Raises:
        DamagedError: There are fewer.
    """
    if place + length > len(data):
        raise DamagedError(f"{length:,} bytes are announced, but {len(data) - place:,} follow")
    return data[place : place + length]


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield the number, the kind and the value of every field of a message, in order.

    A value is a whole number, or the bytes of a text, a nested message or a list of numbers.

    Raises:
        DamagedError: It is no message.

    Example:
        >>> [(number, value) for number, _, value in fields(memoryview(bytes([8, 3, 16, 5])))]
        [(1, 3), (2, 5)]
    """
    place = 0
    while place < len(message):
        tag, place = read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise DamagedError(f"a field has the number {number}")
        value: int | memoryview
        if kind == VARINT:
            value, place = read_varint(message, place)
        elif kind == BYTES:
            length, place = read_varint(message, place)
            value = take(message, place, length)
            place += length
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
            (value,) = struct.unpack("<I" if size == 4 else "<Q", take(message, place, size))
            place += size
        else:
            raise DamagedError(f"a field is of kind {kind}")
        yield number, kind, value


def nested(value: int | memoryview) -> memoryview:
    """Return a field's value that has to be bytes: a text or a message.

    Raises:
        DamagedError: It is a number.
    """
    if isinstance(value, int):
        raise DamagedError("a number stands where a message should be")
    return value


def whole(value: int | memoryview) -> int:
    """Return a field's value that has to be a whole number.

    Raises:
        DamagedError: It is something else.
    """
    if not isinstance(value, int):
        raise DamagedError("bytes stand where a number should be")
    return value


def text(value: int | memoryview) -> str:
    """Return a field's value that has to be a text.

    Raises:
        DamagedError: It is something else.
    """
    try:
        return bytes(nested(value)).decode()
    except UnicodeDecodeError:
        raise DamagedError("a name in it is no text") from None
