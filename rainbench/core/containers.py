"""The outside of image files: what is wrong with one, before or without decoding it."""

from __future__ import annotations

import io
import operator
import os
import re
import struct
import warnings
import zlib
from pathlib import Path

from rainbench.core.errors import ImageError, RainbenchError

LARGEST_IMAGE = 64_000_000
"""Pixels beyond which a file is refused before it is decoded: a few hundred bytes can claim any
size, and 64 megapixels, more than photographs for this field have, are 200 MB once decoded."""

_INCOMPLETE = "The copy or download was incomplete: fetch it again."
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KNOWN_STARTS = {
    b"<": "it is an HTML or XML page, probably the error page of a failed download",
    b"PK\x03\x04": "it is a zip archive",
    b"\x1f\x8b": "it is a gzip file",
    b"version https://git-lfs": "it is a Git LFS pointer, not the file itself; run `git lfs pull`",
}


def check_container(data: bytes, path: Path, *, deep: bool = False) -> None:
    """Refuse what decoders pass silently or read otherwise than it was stored.

    Args:
        data: The file.
        path: Named in errors.
        deep: Let 16 bits a channel pass.

    Raises:
        ImageError: The file is empty, cut short, damaged, too large, no image, or holds several.
    """
    if not data:
        raise ImageError(path, "is empty", hint="The copy or download was cut short: fetch again.")
    for start, what in _KNOWN_STARTS.items():
        if data.lstrip()[: len(start)] == start:
            raise ImageError(path, f"is not an image: {what}")
    if data.startswith(_PNG_SIGNATURE):
        _check_png(data, path, deep=deep)
    elif data.startswith(b"\xff\xd8"):
        _check_jpeg(data, path)
    elif data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        _check_tiff(data, path)
    elif re.match(rb"P[2356]\s", data):
        _check_netpbm(data, path, deep=deep)
    else:
        if data.startswith(b"BM"):
            _check_bmp(data, path)
        _check_header(data, path)
        _check_levels(data, path)


def too_deep(path: Path, bits: int) -> ImageError:
    """Return the error of an image that has more bits a channel than eight."""
    return ImageError(
        path,
        f"has {bits} bits a channel",
        hint="Convert it to 8 bits a channel; of a pair, both images.",
    )


_SEVERAL = "holds several images, such as an animation or pages"
_ONE_EACH = "Save the one that is meant as PNG."


def _check_levels(data: bytes, path: Path) -> None:
    """Refuse forms that decoders read without an error but not exactly."""
    if data[28:30] == b"\x10\0" if data.startswith(b"BM") else _is_short_tga(data, path):
        raise ImageError(path, "has 5 bits a channel", hint="Convert it to PNG.")
    if data[:4] == b"RIFF" and data[12:16] == b"VP8X" and data[20:21] and data[20] & 2:
        raise ImageError(path, _SEVERAL, hint=_ONE_EACH)


def _is_short_tga(data: bytes, path: Path) -> bool:
    return path.suffix.lower() == ".tga" and data[16:17] in (b"\x0f", b"\x10")


def _check_header(data: bytes, path: Path) -> None:
    """Refuse an image of another format that claims too large a size, or holds several images."""
    import PIL.Image

    # For the whole process: filters are no affair of one thread, and the size is checked here.
    warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            _check_size(*image.size, path)
            if image.format == "WEBP":  # OpenCV leaves what cannot be decoded as it is
                image.load()
            if image.format == "GIF" and getattr(image, "n_frames", 1) > 1:
                raise ImageError(path, _SEVERAL, hint=_ONE_EACH)
    except PIL.Image.DecompressionBombError as error:
        if most_pixels() <= LARGEST_IMAGE:
            raise ImageError(path, f"claims too large a size: {error}") from None
    except (PIL.UnidentifiedImageError, OSError, ValueError):
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            raise ImageError(path, "is a damaged WebP", hint=_INCOMPLETE) from None
        return  # unknown to it: OpenCV, which has limits of its own, says what it is


_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
"""Bytes of the second header of a BMP, by its version."""


def _check_bmp(data: bytes, path: Path) -> None:
    """Refuse a BMP whose pixels would begin within its headers or its palette."""
    damaged = ImageError(path, "is a damaged BMP: its header is wrong", hint=_INCOMPLETE)
    if len(data) < 54:
        raise damaged
    pixels, header = struct.unpack("<II", data[10:18])
    if header not in _BMP_HEADERS:
        raise damaged
    palette = 0
    if header >= 40:
        depth, used = struct.unpack("<H", data[28:30])[0], struct.unpack("<I", data[46:50])[0]
        palette = 4 * (used or 1 << depth) if depth <= 8 else 0
    if pixels < 14 + header + palette:
        raise damaged


_NETPBM_GAP = rb"(?:\s|#[^\n]*\n)+"
_NETPBM = re.compile(rb"P([2356])" + 3 * (_NETPBM_GAP + rb"(\d{1,9})") + rb"\s")
"""Kind, width, height and the value of white of a PPM or PGM."""


def _check_netpbm(data: bytes, path: Path, *, deep: bool) -> None:
    """Refuse a PPM that OpenCV would read as far as it understands it.

    It takes ``2x`` for a width of 2 and knows no other white than 255 or 65535.
    """
    header = _NETPBM.match(data)
    if header is None:
        raise ImageError(
            path, "has a PPM header that is damaged, or of a kind that is not read",
            hint="Save it as an 8-bit binary PPM (P6) or as PNG.",
        )  # fmt: skip
    kind, width, height, white = (int(number) for number in header.groups())
    _check_size(width, height, path)
    if white == 65535 and not deep:
        raise too_deep(path, 16)
    if white not in (255, 65535):
        raise ImageError(path, f"has levels up to {white}, not 255", hint="Convert it to PNG.")
    wanted = width * height * (3 if kind in (3, 6) else 1) * (1 if white == 255 else 2)
    if kind in (5, 6) and len(data) - header.end() < wanted:
        raise ImageError(path, "is a PPM that is cut short", hint=_INCOMPLETE)


def _check_png(data: bytes, path: Path, *, deep: bool) -> None:
    cut = ImageError(
        path, "is a PNG that is cut short", hint="The copy or download was incomplete: fetch again."
    )
    position, ended, colours = len(_PNG_SIGNATURE), False, -1
    while not ended:
        header = data[position : position + 8]
        if len(header) < 8:
            raise cut
        length, kind = struct.unpack(">I4s", header)
        body = data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) < 4:
            raise cut
        if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            chunk = kind.decode("ascii", "replace")
            raise ImageError(
                path,
                f"is a damaged PNG: the checksum of its part {chunk} is wrong",
                hint="The copy or download was damaged: fetch again.",
            )
        if kind == b"IHDR" and length == 13:
            width, height, depth, colours = struct.unpack(">IIBB", body[:10])
            _check_size(width, height, path)
            if depth == 16 and not deep:
                raise too_deep(path, 16)
        if kind == b"acTL":
            raise ImageError(path, _SEVERAL, hint=_ONE_EACH)
        if kind == b"tRNS" and colours == 0 and not deep:  # OpenCV does not heed it
            raise ImageError(path, "is partly transparent", hint="Convert it to an RGB image.")
        ended = kind == b"IEND"
        position += 12 + length


_JPEG_ODDITIES = (
    "invalid sos parameters",  # written by some cameras; the picture is right
    "unknown adobe color transform",
    "unknown jfif revision",
    "unsupported color conversion",
    "could not determine",
)
"""What libjpeg says of files that are unusual; whatever else it says is of damaged ones."""


def _check_jpeg(data: bytes, path: Path) -> None:
    """Refuse a JPEG with a hole or without its end; what lies behind its end does not matter.

    Phones put a video there. OpenCV fills what it cannot decode with gray and says nothing, so the
    same library is asked again in its strict mode.
    """
    import simplejpeg

    position = 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            _check_size(width, height, path)
            break
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    try:
        simplejpeg.decode_jpeg(data, strict=True)
    except ValueError as error:
        words = str(error).casefold()
        if "premature end of jpeg file" in words:
            raise ImageError(path, "is a JPEG that is cut short", hint=_INCOMPLETE) from None
        if not any(oddity in words for oddity in _JPEG_ODDITIES):
            raise ImageError(path, f"is a damaged JPEG: {error}", hint=_INCOMPLETE) from None


_DEFLATE, _LZW, _PACKBITS = (8, 32946), 5, 32773
_JPEG = 7
"""Numbers of compressions in a TIFF."""

_KNOWN_TO_OPENCV = (1, 2, 3, 4, _JPEG, _LZW, _PACKBITS, *_DEFLATE)
"""These, uncompressed, and fax (of masks)."""

_EXACT_COLOURS, _YCBCR = (0, 1, 2, 3), 6
"""Numbers of colour spaces in a TIFF: gray from white or from black, RGB, a palette."""


def _check_tiff(data: bytes, path: Path) -> None:
    """Refuse a TIFF whose compressed strips are damaged; OpenCV leaves the rest of them black."""
    import tifffile

    damaged = ImageError(path, "is a damaged TIFF", hint=_INCOMPLETE)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            # Of a damaged file they may be tuples, whose product is a very long one.
            _check_size(int(page.imagewidth), int(page.imagelength), path)
            compression, photometric = int(page.compression), int(page.photometric)
            samples, tiled = int(page.samplesperpixel), page.is_tiled
            row = (int(page.imagewidth) * samples * int(page.bitspersample) + 7) // 8
            size = row * int(page.imagelength)
            several = any(not each.is_reduced for each in file.pages[1:])
            places = zip(page.dataoffsets, page.databytecounts, strict=True)
            strips = [(operator.index(start), operator.index(length)) for start, length in places]
    except ImageError:
        raise
    except Exception:  # its parser raises whatever a damaged file makes it
        raise damaged from None
    if several:
        raise ImageError(path, _SEVERAL, hint=_ONE_EACH)
    if samples == 2 or photometric not in (*_EXACT_COLOURS, _YCBCR if compression == _JPEG else 0):
        raise ImageError(
            path, "is a TIFF in colours that are not read exactly", hint="Convert it to PNG."
        )
    if any(start + length > len(data) for start, length in strips):
        raise ImageError(path, "is a TIFF that is cut short", hint=_INCOMPLETE)
    if compression not in _KNOWN_TO_OPENCV:  # it hands out a black picture
        raise ImageError(
            path,
            f"is a TIFF compressed in a way that is not read (number {compression})",
            hint="Save it without compression, or with LZW or deflate.",
        )
    if compression in _DEFLATE:
        try:
            for start, length in strips:  # zlib checks the sum behind each
                zlib.decompress(data[start : start + length])
        except zlib.error:
            raise damaged from None
    elif compression == _LZW and not _libtiff_decodes(data):
        raise damaged
    elif compression == _PACKBITS:
        found = sum(_unpacked_size(data[start : start + length]) for start, length in strips)
        if found != size and not (tiled and found > size):  # tiles reach beyond the edges
            raise damaged


def _libtiff_decodes(data: bytes) -> bool:
    """Return whether libtiff decodes all of an image; OpenCV does not pass on that it cannot."""
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            image.load()
    except (PIL.UnidentifiedImageError, SyntaxError, ValueError):
        return True  # a kind of TIFF that it does not know: no proof of damage
    except OSError:
        return False
    return True


def _unpacked_size(packed: bytes) -> int:
    """Return how many bytes run lengths (PackBits, TIFF 6.0, section 9) stand for, 0 if cut."""
    position = size = 0
    while position < len(packed):
        head = packed[position]
        if head < 128:
            size += head + 1
            position += head + 2
        else:
            size += 257 - head if head > 128 else 0
            position += 2 if head > 128 else 1
    return size if position == len(packed) else 0


def most_pixels() -> int:
    """Return the most pixels that an image may have, `LARGEST_IMAGE` unless the user says so.

    Raises:
        RainbenchError: ``RAINBENCH_MAX_PIXELS`` is not a number.

    Example:
        >>> most_pixels() >= 1
        True
    """
    wanted = os.environ.get("RAINBENCH_MAX_PIXELS", "")
    if not wanted:
        return LARGEST_IMAGE
    if not wanted.isdecimal() or not 0 < len(wanted) < 13:
        raise RainbenchError(f"RAINBENCH_MAX_PIXELS={wanted}: not a number of pixels")
    return int(wanted)


def _check_size(width: int, height: int, path: Path) -> None:
    most = most_pixels()
    if width * height > most:
        raise ImageError(
            path,
            f"is {width}x{height} by its header, more than {most / 1e6:g} megapixels",
            hint="If that is right, set RAINBENCH_MAX_PIXELS to the number of pixels to allow.",
        )
