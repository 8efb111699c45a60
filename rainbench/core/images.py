"""Image files and bytes: the only place that knows file formats, BGR and quantising.

Everywhere else an image is RGB, ``uint8`` of shape ``(H, W, 3)``, upright.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.core.containers import check_container, too_deep
from rainbench.core.errors import ImageError
from rainbench.core.files import read_regular_file, write_atomically, writing
from rainbench.core.orientation import LYING, find_orientation, turned, without_orientation
from rainbench.core.text import count_of

_LOG = logging.getLogger(__name__)

Image = NDArray[np.uint8]
"""An 8-bit RGB image, ``(H, W, 3)``."""

QuantisingRule = Literal["truncate", "round"]
"""How a float image in [0, 1] becomes 8-bit: towards zero, or to nearest (ties to even)."""

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".tga", ".jp2", ".j2k"}
)
"""Endings of files that are read as images, exactly as they were stored."""

UNREAD_SUFFIXES = frozenset(
    {".avif", ".heic", ".heif", ".jxl", ".jxr", ".jpx", ".jpf", ".hdr", ".exr", ".pfm", ".psd"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pcx", ".ras", ".sr"}
)
"""Endings of pictures that are not read: of more than 8 bits, or of formats of few programs."""

LARGEST_FILE = 1 << 30
"""Bytes beyond which a file is not read: four times an uncompressed image of the largest size."""


def note_unread(files: Iterable[Path]) -> None:
    """Say in the log which pictures among a folder's files are passed over for their endings.

    Example:
        >>> note_unread([Path("a.png"), Path("readme.txt")])
    """
    unread = [file for file in files if file.suffix.lower() in UNREAD_SUFFIXES]
    if unread:
        _LOG.warning(
            "%s not read, such as %s: files that end with %s are left out; convert them to PNG",
            count_of(len(unread), "picture"),
            unread[0],
            ", ".join(sorted({file.suffix.lower() for file in unread})),
        )


def read_image(path: Path) -> Image:
    """Read an image file as upright 8-bit RGB, or say why it cannot be used.

    Args:
        path: A PNG, JPEG or other common image file of 8 bits a channel, in colour or gray: a
            gray one gives three equal channels, as the field's scripts (`cv2.imread`) take it, and
            that is said once. An alpha channel is accepted when it is opaque throughout. A file
            of any format with an orientation flag (EXIF) is turned as the flag asks, as
            ``cv2.imread`` and every viewer do; ``PIL.Image.open`` does not.

    Returns:
        ``(H, W, 3)`` uint8, channels R, G, B.

    Raises:
        ImageError: The file is missing, empty, truncated, corrupt, not an image, too large, not
            8-bit, partly transparent, or in a form that is not read exactly.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "grey-blue.png"
        >>> write_png(file, np.full((2, 3, 3), (90, 100, 120), np.uint8))
        >>> read_image(file)[0, 0].tolist()
        [90, 100, 120]
    """
    return read_oriented(path)[0]


def read_oriented(path: Path) -> tuple[Image, int]:
    """Read an image as `read_image` does; return its orientation flag, too, 1 if it has none."""
    data = read_image_bytes(path)
    return decode_image(data, path), find_orientation(data)


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


def decode_image(data: bytes, path: Path) -> Image:
    """Decode the bytes of an image file; ``path`` is named in errors. See `read_image`."""
    check_container(data, path)
    decoded = _decode(data, path)
    if decoded is None:
        raise ImageError(path, "is not an image that can be decoded; the file is corrupt")
    if decoded.dtype != np.uint8:
        raise too_deep(path, 8 * decoded.dtype.itemsize)
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    if channels == 1:
        _note_gray(path)
        decoded = np.repeat(decoded.reshape(*decoded.shape[:2], 1), 3, axis=2)
    elif channels == 4 and decoded[..., 3].min() == 255:
        decoded = decoded[..., :3]
    elif channels != 3:
        kind = "partly transparent" if channels == 4 else f"of {channels} channels"
        raise ImageError(
            path, f"is {kind}, not RGB", hint="Convert it to an 8-bit RGB image; of a pair, both."
        )
    return np.ascontiguousarray(decoded[..., ::-1])


_GRAY_TOLD = threading.Event()


def _note_gray(path: Path) -> None:
    """Say once in a process what is made of gray pictures; training reads each many times."""
    if not _GRAY_TOLD.is_set():
        _GRAY_TOLD.set()
        _LOG.warning(
            "%s is a gray image: it, and others like it, are read as three equal channels, as "
            "cv2.imread does",
            path,
        )


def _decode(data: bytes, path: Path) -> NDArray[np.generic] | None:
    """Return the pixels upright, as OpenCV has them: gray, BGR or BGRA; None if they are none."""
    decoded = _decode_as_stored(without_orientation(data), path)
    return (
        None if decoded is None else np.ascontiguousarray(turned(decoded, find_orientation(data)))
    )


def _decode_as_stored(data: bytes, path: Path) -> NDArray[np.generic] | None:
    import cv2

    decoded = None
    if not data.startswith(b"GIF8"):
        with contextlib.suppress(cv2.error):
            decoded = cv2.imdecode(
                np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
            )
    if decoded is None and (data.startswith(b"GIF8") or path.suffix.lower() == ".tga"):
        return _decode_with_pillow(data)
    return decoded


def _decode_with_pillow(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a TGA or a GIF, which not every OpenCV can."""
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data), formats=("GIF", "TGA")) as image:
            clear = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
            gray = image.mode in ("1", "L") and not clear
            rgb = np.asarray(image.convert("L" if gray else "RGBA" if clear else "RGB"))
    except (OSError, ValueError, SyntaxError):  # what its parsers raise
        return None
    return rgb if gray else np.ascontiguousarray(rgb[..., [2, 1, 0, 3][: rgb.shape[2]]])


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
    data = read_image_bytes(path)
    check_container(data, path, deep=True)
    decoded = _decode(data, path)
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16):
        raise ImageError(path, "is not an image of 8 or 16 bits that can be decoded")
    if decoded.ndim == 3:
        if (decoded != decoded[..., :1]).any():
            raise ImageError(path, "is in colour, not gray", hint="Save it with one channel.")
        decoded = decoded[..., 0]
    gray: NDArray[np.uint16] = decoded.astype(np.uint16)
    return gray if decoded.dtype == np.uint16 else gray * np.uint16(257)


def read_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image file, upright, without decoding it.

    Raises:
        ImageError: The file cannot be read, or has no head of an image.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "wide.png"
        >>> write_png(file, np.zeros((2, 5), np.uint8))
        >>> read_size(file)
        (5, 2)
    """
    from PIL import Image as Pillow

    data = read_image_bytes(path)
    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            width, height = opened.size
    except (OSError, ValueError, SyntaxError, TypeError):  # what its parsers raise
        raise ImageError(path, "is not an image whose size can be told") from None
    return (height, width) if find_orientation(data) >= LYING else (width, height)


def write_png(path: Path, image: Image) -> None:
    """Write an RGB or gray image as PNG, complete or not at all (written aside, then renamed).

    Args:
        path: Where to; the folder must exist.
        image: ``(H, W, 3)`` uint8, RGB, or ``(H, W)`` uint8, gray.

    Raises:
        ImageError: The array is no image.
        StoreError: The file cannot be written, and on a full disk no other could.
    """
    data = encode_png(path, image)
    with writing(path):
        write_atomically(path, data)


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
