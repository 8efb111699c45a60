"""Image files and bytes: the only place that knows file formats, BGR and quantising.

Everywhere else an image is RGB, ``uint8`` of shape ``(H, W, 3)``.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import ImageError, RainbenchError
from rainbench.core.files import read_regular_file, write_atomically

Image = NDArray[np.uint8]
"""An 8-bit RGB image, ``(H, W, 3)``."""

QuantisingRule = Literal["truncate", "round"]
"""How a float image in [0, 1] becomes 8-bit: towards zero, or to nearest (ties to even)."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
LARGEST_IMAGE = 64_000_000
"""Pixels beyond which a file is refused before it is decoded: a few hundred bytes can claim any
size, and 64 megapixels, more than photographs for this field have, are 200 MB once decoded."""

LARGEST_FILE = 1 << 30
"""Bytes beyond which a file is not read: four times an uncompressed image of the largest size."""

_INCOMPLETE = "The copy or download was incomplete: fetch it again."
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KNOWN_STARTS = {
    b"<": "it is an HTML or XML page, probably the error page of a failed download",
    b"PK\x03\x04": "it is a zip archive",
    b"\x1f\x8b": "it is a gzip file",
    b"version https://git-lfs": "it is a Git LFS pointer, not the file itself; run `git lfs pull`",
}


def read_image(path: Path, *, upright: bool = False) -> Image:
    """Read an image file as 8-bit RGB, or say why it cannot be used.

    Args:
        path: A PNG, JPEG or other common image file of 8 bits a channel and three channels. An
            alpha channel is accepted when it is opaque throughout.
        upright: Turn a photograph as its EXIF data ask for; otherwise pixels come as stored, which
            is what a pair's two images have in common.

    Returns:
        ``(H, W, 3)`` uint8, channels R, G, B.

    Raises:
        ImageError: The file is missing, empty, truncated, corrupt, not an image, too large, not
            8-bit, or not in colour.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "grey-blue.png"
        >>> write_png(file, np.full((2, 3, 3), (90, 100, 120), np.uint8))
        >>> read_image(file)[0, 0].tolist()
        [90, 100, 120]
    """
    return decode_image(read_image_bytes(path), path, upright=upright)


def read_image_bytes(path: Path) -> bytes:
    """Return the bytes of an image file, or say why it cannot be read.

    Raises:
        ImageError: There is no such file, it is a device, a pipe or a folder, is too large, or
            cannot be read.
    """
    try:
        return read_regular_file(path, LARGEST_FILE)
    except FileNotFoundError:
        what = "is a link to a file that is not there" if path.is_symlink() else "does not exist"
        raise ImageError(path, what) from None
    except OSError as error:
        raise ImageError(path, f"cannot be read: {error.strerror}") from None


def decode_image(data: bytes, path: Path, *, upright: bool = False) -> Image:
    """Decode the bytes of an image file; ``path`` is named in errors. See `read_image`."""
    import cv2

    _check_container(data, path)
    try:
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        decoded = None
    if decoded is None:
        raise ImageError(path, "is not an image that can be decoded; the file is corrupt")
    if decoded.dtype != np.uint8:
        raise ImageError(
            path,
            f"has {8 * decoded.dtype.itemsize} bits a channel",
            hint="Convert it to 8 bits a channel; of a pair, both images.",
        )
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    if channels == 4 and decoded[..., 3].min() == 255:
        channels = 3
        decoded = decoded[..., :3]
    if channels != 3:
        kind = {1: "gray", 4: "partly transparent"}.get(channels, f"of {channels} channels")
        raise ImageError(
            path, f"is {kind}, not RGB", hint="Convert it to an 8-bit RGB image; of a pair, both."
        )
    if upright:  # only this flag makes OpenCV heed EXIF, and it converts as well
        turned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        decoded = decoded if turned is None else turned
    return np.ascontiguousarray(decoded[..., ::-1])


def read_gray(path: Path) -> NDArray[np.uint16]:
    """Read a gray image file of 8 or 16 bits, such as a depth map or a mask.

    Args:
        path: A file of one channel, or of three that are equal.

    Returns:
        ``(H, W)`` uint16; 65535 is white, also in a file of 8 bits.

    Raises:
        ImageError: The file cannot be read, or is in colour.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mask.png"
        >>> write_png(file, np.array([[0, 1, 255]], np.uint8))
        >>> read_gray(file).tolist()
        [[0, 257, 65535]]
    """
    import cv2

    data = read_image_bytes(path)
    _check_container(data, path, deep=True)
    decoded = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16):
        raise ImageError(path, "is not an image of 8 or 16 bits that can be decoded")
    if decoded.ndim == 3:
        if (decoded != decoded[..., :1]).any():
            raise ImageError(path, "is in colour, not gray", hint="Save it with one channel.")
        decoded = decoded[..., 0]
    gray: NDArray[np.uint16] = decoded.astype(np.uint16)
    return gray if decoded.dtype == np.uint16 else gray * np.uint16(257)


def _check_container(data: bytes, path: Path, *, deep: bool = False) -> None:
    """Refuse what decoders pass silently: truncated files, broken checksums, huge sizes."""
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
    else:
        _check_header(data, path)


def _check_header(data: bytes, path: Path) -> None:
    """Refuse an image of another format whose header claims too large a size."""
    import PIL.Image

    # For the whole process: filters are no affair of one thread, and the size is checked here.
    warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            _check_size(*image.size, path)
    except PIL.Image.DecompressionBombError as error:
        if most_pixels() <= LARGEST_IMAGE:
            raise ImageError(path, f"claims too large a size: {error}") from None
    except (PIL.UnidentifiedImageError, OSError, ValueError):
        return  # unknown to it: OpenCV, which has limits of its own, says what it is


def _check_png(data: bytes, path: Path, *, deep: bool) -> None:
    cut = ImageError(
        path, "is a PNG that is cut short", hint="The copy or download was incomplete: fetch again."
    )
    position, ended = len(_PNG_SIGNATURE), False
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
            raise ImageError(path, f"is a damaged PNG: the checksum of {kind!r} is wrong")
        if kind == b"IHDR":
            width, height, depth = struct.unpack(">IIB", body[:9])
            _check_size(width, height, path)
            if depth == 16 and not deep:
                raise ImageError(
                    path,
                    "has 16 bits a channel",
                    hint="Convert it to 8 bits a channel; of a pair, both images.",
                )
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
"""Numbers of compressions in a TIFF."""


def _check_tiff(data: bytes, path: Path) -> None:
    """Refuse a TIFF whose compressed strips are damaged; OpenCV leaves the rest of them black."""
    import tifffile

    damaged = ImageError(path, "is a damaged TIFF", hint=_INCOMPLETE)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            _check_size(page.imagewidth, page.imagelength, path)
            compression = int(page.compression)
            strips = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    except ImageError:
        raise
    except Exception:  # its parser raises whatever a damaged file makes it
        raise damaged from None
    if any(start + length > len(data) for start, length in strips):
        raise ImageError(path, "is a TIFF that is cut short", hint=_INCOMPLETE)
    if compression in _DEFLATE:
        try:
            for start, length in strips:  # zlib checks the sum behind each
                zlib.decompress(data[start : start + length])
        except zlib.error:
            raise damaged from None
    elif compression in (_LZW, _PACKBITS) and not _decodes_strictly(data):
        raise damaged


def _decodes_strictly(data: bytes) -> bool:
    """Return whether FFmpeg finds no fault in an image; it stops at the first one it sees."""
    import av

    try:
        with av.open(io.BytesIO(data)) as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode"}
            return any(True for _ in container.decode(stream))
    except av.error.InvalidDataError:
        return False
    except (av.FFmpegError, OSError, IndexError, ValueError):
        return True  # a kind of TIFF that it does not know: no proof of damage


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


def write_png(path: Path, image: Image) -> None:
    """Write an RGB or gray image as PNG, complete or not at all (written aside, then renamed).

    Args:
        path: Where to; the folder must exist.
        image: ``(H, W, 3)`` uint8, RGB, or ``(H, W)`` uint8, gray.

    Raises:
        ImageError: The file cannot be written.
    """
    try:
        write_atomically(path, encode_png(path, image))
    except OSError as error:
        raise ImageError(path, f"cannot be written: {error.strerror}") from None


def encode_png(path: Path, image: Image) -> bytes:
    """Return the bytes of `write_png`; ``path`` is named in errors."""
    import cv2

    try:
        bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".png", bgr)[1].tobytes()
    except cv2.error:
        raise ImageError(
            path, f"an array of shape {image.shape} cannot be written as PNG"
        ) from None


def encode_ppm(image: Image) -> bytes:
    r"""Return an RGB image as PPM: without compression, so the same bytes everywhere.

    Example:
        >>> encode_ppm(np.full((1, 2, 3), 65, np.uint8))
        b'P6\n2 1\n255\nAAAAAA'
    """
    height, width = image.shape[:2]
    return b"P6\n%d %d\n255\n" % (width, height) + image.tobytes()


def quantise(image: NDArray[np.float32], rule: QuantisingRule) -> Image:
    """Clamp a float image to [0, 1] and make it 8-bit by the given rule.

    The product with 255 is taken in float32, as the published scripts do it.

    Args:
        image: Any shape, nominally in [0, 1].
        rule: ``truncate`` (``np.uint8(255 * y)``, the PReNet scripts) or ``round`` (to nearest,
            ties to even).

    Example:
        >>> quantise(np.array([-0.1, 0.5, 1.2], np.float32), "truncate").tolist()
        [0, 127, 255]
        >>> quantise(np.array([-0.1, 0.51, 1.2], np.float32), "round").tolist()
        [0, 130, 255]
    """
    scaled = np.clip(image, 0, 1) * np.float32(255)
    if rule == "round":
        np.rint(scaled, out=scaled)
    return scaled.astype(np.uint8)


def pixel_hash(image: Image) -> str:
    """Return the SHA-256 of an image's size and RGB bytes: equal pictures, equal hash.

    Independent of the file format and of how well it was compressed.
    """
    digest = hashlib.sha256(struct.pack(">II", *image.shape[:2]))
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
