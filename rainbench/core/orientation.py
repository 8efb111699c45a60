"""Which way up an image file asks to be shown: the orientation flag of EXIF, in all formats.

Libraries differ: ``cv2.imread`` turns pictures, ``PIL.Image.open`` does not, and OpenCV turns a
TIFF even when asked not to. Here the flag is read from the file, and `turned` is the only place
that heeds it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

AS_STORED = 1
"""The flag of a picture that is shown as it was stored, and of one without a flag."""

LYING = 5
"""The first of the flags that exchange width and height."""

_TAG = 0x0112
_KINDS = {1: "B", 3: "H", 4: "I"}
"""Numbers of a TIFF's types that hold whole numbers, as `struct` calls them."""

_PNG_START = 8
_PAST_EXIF = frozenset({0xD9, 0xDA})
"""Markers of a JPEG behind which no EXIF is looked for: its end, its picture."""


def find_orientation(data: bytes) -> int:
    """Return the orientation flag of an image file, 1 to 8; 1 where there is none that is valid.

    Args:
        data: A JPEG, PNG, WebP, TIFF or AVIF; other formats have no flag.

    Example:
        >>> find_orientation(b"P6 1 1 255 ...")
        1
    """
    if data.startswith(b"\xff\xd8"):
        exif = next(_of_jpeg(data), b"")
    elif data.startswith(b"\x89PNG"):
        exif = next(_of_chunks(data, _PNG_START, ">I4s", b"eXIf", 4), b"")
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        exif = next(_of_chunks(data, 12, "<4sI", b"EXIF", 0), b"")
    elif data[:4] in (b"II*\0", b"MM\0*"):
        exif = data
    elif data[:4] in (b"II+\0", b"MM\0+"):
        return _valid(_of_big_tiff(data)[0])
    elif data[4:8] == b"ftyp":
        return _valid(_of_avif(data))
    else:
        return AS_STORED
    return _valid(_in_exif(exif)[0])


def without_orientation(data: bytes) -> bytes:
    """Return a TIFF with its flag taken off, which OpenCV heeds whatever it is told."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        value, start, kind = _in_exif(data)
    elif data[:4] in (b"II+\0", b"MM\0+"):
        value, start, kind = _of_big_tiff(data)
    else:
        return data
    if value == AS_STORED:
        return data
    return data[:start] + struct.pack(kind, AS_STORED) + data[start + struct.calcsize(kind) :]


Level = TypeVar("Level", bound=np.generic)


def turned(image: NDArray[Level], orientation: int) -> NDArray[Level]:
    """Return a picture as its flag asks to show it.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, as stored.
        orientation: The flag, 1 to 8 (EXIF 2.32, tag 0x0112).

    Example:
        >>> turned(np.array([[1, 2, 3]]), 6).tolist()
        [[1], [2], [3]]
    """
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image[:, ::-1] if orientation in (2, 3, 6, 7) else image


def as_stored(image: NDArray[Level], orientation: int) -> NDArray[Level]:
    """Return an upright picture as it lay in its file, what `turned` does undone.

    Example:
        >>> as_stored(np.array([[1], [2], [3]]), 6).tolist()
        [[1, 2, 3]]
    """
    return turned(image, {6: 8, 8: 6}.get(orientation, orientation))


def _valid(value: int) -> int:
    return value if 1 <= value <= 8 else AS_STORED


def _in_exif(exif: bytes) -> tuple[int, int, str]:
    """Return the flag in EXIF data, where it stands, and its form; 1 where there is none."""
    exif_start = 6 if exif.startswith(b"Exif\0\0") else 0
    exif = exif[exif_start:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4], "")
    try:
        if order:
            (first,) = struct.unpack_from(f"{order}I", exif, 4)
            (count,) = struct.unpack_from(f"{order}H", exif, first)
            for start in range(first + 2, first + 2 + 12 * count, 12):
                tag, kind, _ = struct.unpack_from(f"{order}HHI", exif, start)
                if tag == _TAG and kind in _KINDS:
                    form = order + _KINDS[kind]
                    return struct.unpack_from(form, exif, start + 8)[0], start + 8, form
    except struct.error:  # cut short: as good as none, as for every viewer
        pass
    return AS_STORED, 0, ""


def _of_jpeg(data: bytes) -> Iterator[bytes]:
    position = 2
    while data[position : position + 1] == b"\xff" and position + 4 <= len(data):
        marker = data[position + 1]
        if marker in _PAST_EXIF:
            return
        if marker == 0xFF:  # any number of them may stand before a marker
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : end]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            yield body
        position = end


def _of_chunks(data: bytes, start: int, form: str, wanted: bytes, behind: int) -> Iterator[bytes]:
    """Yield the bodies of a kind of chunks, behind each of which so many bytes are passed over."""
    while start + 8 <= len(data):
        one, other = struct.unpack_from(form, data, start)
        kind, length = (one, other) if isinstance(one, bytes) else (other, one)
        if kind == wanted:
            yield data[start + 8 : start + 8 + length]
        start += 8 + length + behind
        if not behind:  # chunks of a RIFF begin at even places
            start += length % 2


def _of_big_tiff(data: bytes) -> tuple[int, int, str]:
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            tag = file.pages.first.tags.get(_TAG)
            kind = _KINDS.get(int(tag.dtype)) if tag and tag.count == 1 else None
            if kind:
                return int(tag.value), int(tag.valueoffset), file.byteorder + kind
    except Exception:  # its parser raises whatever a damaged file makes it
        pass
    return AS_STORED, 0, ""


def _of_avif(data: bytes) -> int:
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return int(image.getexif().get(_TAG, AS_STORED))
    except (PIL.UnidentifiedImageError, OSError, ValueError, TypeError):
        return AS_STORED
