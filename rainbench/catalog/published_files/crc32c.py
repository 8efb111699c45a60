"""The checksum of TensorFlow's files: CRC-32C (Castagnoli), which Python has not."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8


def _make_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _make_table()


def crc32c(data: bytes | memoryview) -> int:
    """Return the checksum of some bytes; a megabyte takes half a second.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Return a checksum as it is stored: beside data that hold checksums a plain one is weak.

    Example:
        >>> hex(masked(0xE3069283))
        '0xc78ab0e5'
    """
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
