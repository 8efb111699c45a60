"""What a file is that was taken for weights: told by its first bytes, or its members if a zip.

Downloads go wrong in few ways, and other frameworks' files have few forms. Each is called what it
is, since "cannot be unpickled" tells nobody what to do.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from rainbench.catalog.published_files.reading import is_read_here

LOOKED_AT = 512
"""Bytes at the beginning of a file that tell what it is; a tar archive says so at byte 257."""

AGAIN = "Fetch the file again from its source."
CONVERT = (
    "Load it where it was made and save its tensors with torch.save(network.state_dict(), FILE)."
)
UNPACK = "Unpack it and give the folder that holds the checkpoint."

_A_PAGE = "is an HTML page, not weights", "The download returned an error page. " + AGAIN

_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "Run `git lfs pull`."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", CONVERT),
    (b"\x93NUMPY", "a NumPy array", CONVERT),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", CONVERT),
    (b"GGUF", "a GGUF file", CONVERT),
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"%PDF", "a PDF document", AGAIN),
    (b"\x89PNG", "a picture", AGAIN),
    (b"\xff\xd8\xff", "a picture", AGAIN),
)
_PLACES = (
    (4, b"TFL3", "a TensorFlow Lite file", CONVERT),
    (257, b"ustar", "a tar archive", UNPACK),
)
_SUFFIXES = (
    (".onnx", "an ONNX file"),
    (".prototxt", "a Caffe file"),
    (".h5", "a Keras file"),
    (".keras", "a Keras file"),
    (".pb", "a TensorFlow file"),
    (".meta", "a part of a TensorFlow checkpoint"),
    (".tflite", "a TensorFlow Lite file"),
    (".pdparams", "a PaddlePaddle file"),
    (".engine", "a TensorRT file"),
)
# A protocol buffer whose first field is a small version and whose second is a text: an ONNX model's
# `ir_version` and `producer_name`. TensorFlow's saved model has a nested message in its place.
_ONNX = re.compile(rb"\x08[\x01-\x20]\x12.[\w .+-]{3,}", re.DOTALL)
_SAVED_MODEL = re.compile(rb"\x08\x01\x12.{1,6}\x0a", re.DOTALL)
_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)


def what_is_wrong(path: Path) -> tuple[str, str] | None:
    """Return what a file is, and what to do about it, if it cannot be weights that are read here.

    Args:
        path: A readable file.

    Returns:
        Such as ``("is a picture", "Fetch the file again from its source.")``; None where nothing
        speaks against it.

    Raises:
        OSError: It cannot be read.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "net.pth"
        >>> _ = file.write_bytes(b"Not Found")
        >>> what_is_wrong(file)[0]
        "is a text, not weights: it begins with 'Not Found'"
    """
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if not start:
        return "is empty", AGAIN
    if is_read_here(path):  # whose bytes may begin in any way
        return _wrong_of_others(start)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return _A_PAGE
    for magic, what, hint in _STARTS:
        if start.startswith(magic):
            return f"is {what}", hint
    for place, magic, what, hint in _PLACES:
        if start[place : place + len(magic)] == magic:
            return f"is {what}", hint
    if start.startswith(b"PK"):
        return _wrong_zip(path)
    if found := _by_framework(path, start):
        return f"is {found}, which is not read here", CONVERT
    if _is_text(start):
        shown = " ".join(start.decode(errors="replace").split())[:60]
        return f"is a text, not weights: it begins with {shown!r}", AGAIN
    return None


def _wrong_of_others(start: bytes) -> tuple[str, str] | None:
    """Return what another framework's file is in truth; its reader finds any damage."""
    if start.startswith(b"version https://git-lfs"):
        _, what, hint = _STARTS[0]
        return f"is {what}", hint
    return _A_PAGE if _PAGE.match(start) else None


def _by_framework(path: Path, start: bytes) -> str:
    suffix = path.suffix.lower()
    for ending, what in _SUFFIXES:
        if suffix == ending:
            return what
    if _ONNX.match(start):
        return "an ONNX file"
    return "a TensorFlow saved model" if _SAVED_MODEL.match(start) else ""


def _wrong_zip(path: Path) -> tuple[str, str] | None:
    """Return what is wrong with a zip archive: a checkpoint is one that holds ``data.pkl``."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "is a zip archive, as PyTorch writes it, that is cut short or damaged", AGAIN
    parts = [PurePosixPath(name).parts for name in names]
    if any(len(part) > 1 and part[1] in ("code", "constants.pkl") for part in parts):
        hint = "Load it with torch.jit.load and save its tensors: torch.save(it.state_dict(), FILE)"
        return "is a TorchScript program, which could run anything", hint
    if any(part and part[-1] == "data.pkl" for part in parts):
        return None
    if _all_end(names, ".npy"):
        return "is a NumPy archive (.npz)", CONVERT
    if any(name.endswith(".weights.h5") for name in names):
        return "is a Keras file", CONVERT
    if "_CodeSignature" in {part[0] for part in parts if part} or "Manifest.json" in names:
        return "is a Core ML package", CONVERT
    shown = f" holding {names[0]!r}" if names else " without anything in it"
    return f"is a zip archive{shown}, not a checkpoint", UNPACK


def _all_end(names: Iterable[str], ending: str) -> bool:
    names = list(names)
    return bool(names) and all(name.endswith(ending) for name in names)


def _is_text(start: bytes) -> bool:
    """Return whether bytes are text for people, which pickles of the first protocol are not."""
    try:
        text = start.decode("ascii")
    except UnicodeDecodeError:
        return False
    # A text pickle begins with an opening mark or a class, each told by one letter and a line.
    pickled = re.match(r"\(d|\(l|\(i|c[\w.]+\n|\}q|\]q", text)
    return not pickled and all(letter.isprintable() or letter in "\t\r\n" for letter in text)
