"""Folders of images and ``.mat`` stacks as videos; runs within the decoder's process only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import ImageError
from rainbench.core.images import IMAGE_SUFFIXES, Image, read_image
from rainbench.video.colour import Orientation
from rainbench.video.damage import matlab_checksum_wrong
from rainbench.video.types import (
    LARGEST_FRAME,
    DamageError,
    Picture,
    Selection,
    VideoError,
    VideoInfo,
)

_LARGEST_STACK = 4 << 30
"""Samples of a MATLAB variable at most: it is read whole, within the decoder's memory limit."""


class FolderSource:
    """The images directly in a folder, in natural order: ``frame2.png`` before ``frame10.png``.

    Hidden files and files of other kinds do not count.
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        _refuse_times(path, selection)
        self._path = path
        self._selection = selection
        self._files = list_images(path)
        if not self._files:
            raise VideoError(
                path,
                "is a folder without images",
                hint=f"Images are {', '.join(sorted(IMAGE_SUFFIXES))}, directly in the folder.",
            )
        self._first: tuple[Path, Image] | None = None

    @property
    def info(self) -> VideoInfo:
        """What is known of the sequence, once its first image was read."""
        assert self._first is not None
        file, image = self._first
        return _describe(self._path, len(self._files), image, "folder", file.suffix[1:].lower())

    def pictures(self) -> Iterator[Picture | None]:
        """Yield wanted images, and None in place of each that is not; those are not read."""
        for number, file in enumerate(self._files):
            if self._selection.is_past(number, None):
                return
            if not self._selection.takes(number, None):
                yield None
                continue
            image = self._read(file)
            self._first = self._first or (file, image)
            self._check_size(image, file, number)
            yield _picture(number, image)

    def _read(self, file: Path) -> Image:
        try:
            return read_image(file)
        except ImageError as error:
            message = error.message.removeprefix(f"{file}: ")
            raise DamageError(f"{file.name} {message}", hint=error.hint) from None

    def _check_size(self, image: Image, file: Path, number: int) -> None:
        assert self._first is not None
        first, expected = self._first
        if image.shape != expected.shape:
            sizes = [f"{height}x{width}" for width, height, _ in (image.shape, expected.shape)]
            raise VideoError(
                self._path,
                f"{file.name} is {sizes[0]} but {first.name} is {sizes[1]}",
                frame=number,
                hint="Images of one sequence have one size: move the others elsewhere.",
            )


class MatSource:
    """A stack of 8-bit frames in a ``.mat`` file: ``(H, W, N)`` gray or ``(H, W, 3, N)`` RGB.

    Gray frames become RGB by repetition. MATLAB files hold no pickles: whatever is in one, nothing
    of it is executed.
    """

    def __init__(self, path: Path, selection: Selection, variable: str | None) -> None:
        _refuse_times(path, selection)
        self._path = path
        self._selection = selection
        self._stack = _load_stack(path, variable)
        self._count = self._stack.shape[-1]

    @property
    def info(self) -> VideoInfo:
        """What is known of the stack."""
        return _describe(self._path, self._count, self._stack[..., 0], "mat", "raw")

    def pictures(self) -> Iterator[Picture | None]:
        """Yield wanted frames, and None in place of each that is not."""
        for number in range(self._count):
            if self._selection.is_past(number, None):
                return
            wanted = self._selection.takes(number, None)
            yield _picture(number, self._stack[..., number]) if wanted else None


def list_images(folder: Path) -> list[Path]:
    """Return the images directly in a folder, in natural order.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("f10.png", "f2.PNG", "notes.txt", "._f2.png"):
        ...     (folder / name).touch()
        >>> [file.name for file in list_images(folder)]
        ['f2.PNG', 'f10.png']
    """
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not file.name.startswith(".")
        and file.is_file()
    ]
    return sorted(files, key=lambda file: (_natural_key(file.name), file.name))


def _natural_key(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts]


def _refuse_times(path: Path, selection: Selection) -> None:
    if selection.by_time:
        raise VideoError(path, "has no time stamps", hint="Choose frames by number.")


def _picture(number: int, image: NDArray[np.uint8]) -> Picture:
    pixels = np.ascontiguousarray(image)
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    data = pixels.data.cast("B")
    return Picture(number, None, data, width, height, channels, width * channels, Orientation())


def _describe(
    path: Path, count: int, image: NDArray[np.uint8], container: str, codec: str
) -> VideoInfo:
    pixels, matrix = ("gray", "gray") if image.ndim == 2 else ("rgb24", "rgb")
    height, width = image.shape[:2]
    return VideoInfo(
        path, count, width, height, None, None, container, codec, pixels, matrix, "full"
    )


def _load_stack(path: Path, variable: str | None) -> NDArray[np.uint8]:
    import scipy.io

    try:
        listed = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(path)}
        name = _choose(path, listed, variable)
        stack = scipy.io.loadmat(path, variable_names=[name])[name]
    except NotImplementedError:
        raise VideoError(
            path,
            "is a MATLAB 7.3 file (HDF5), which is not read here",
            hint="Save it again in MATLAB with save(file, '-v7').",
        ) from None
    except (VideoError, MemoryError):
        raise
    except Exception as error:  # scipy's reader fails in a dozen ways on damaged files
        raise VideoError(
            path,
            f"is not a MATLAB file, or is damaged ({error})",
            hint="The copy or download may have been cut short: fetch it again.",
        ) from None
    if matlab_checksum_wrong(path):
        raise VideoError(
            path, "is damaged: the checksum of a variable is wrong", hint="Fetch the file again."
        )
    if not isinstance(stack, np.ndarray) or stack.dtype != np.uint8:
        raise _wrong_kind(path, name, str(getattr(stack, "dtype", type(stack).__name__)))
    return stack


def _choose(path: Path, listed: dict[str, tuple[Any, str]], variable: str | None) -> str:
    """Pick the variable asked for, the only stack there is, or the one called ``input``."""
    stacks = [name for name, (shape, kind) in listed.items() if kind == "uint8" and _stacks(shape)]
    if variable is None:
        if len(stacks) != 1 and "input" not in stacks:
            found = ", ".join(f"{name} {shape} {kind}" for name, (shape, kind) in listed.items())
            what = "several stacks of frames" if stacks else "no stack of 8-bit frames"
            raise VideoError(
                path,
                f"holds {what}: {found or 'nothing at all'}",
                hint="Save the frames as uint8 under the name input: (H, W, N) gray or "
                "(H, W, 3, N) RGB.",
            )
        variable = stacks[0] if len(stacks) == 1 else "input"
    if variable not in listed:
        raise VideoError(
            path,
            f"has no variable {variable!r}",
            hint=f"It holds {', '.join(listed) or 'nothing'}.",
        )
    shape, kind = listed[variable]
    if not _stacks(shape):
        raise VideoError(
            path,
            f"{variable} has shape {tuple(shape)}",
            hint="A stack is (H, W, N) gray or (H, W, 3, N) RGB; (H, W, 3) could be either.",
        )
    if kind != "uint8":
        raise _wrong_kind(path, variable, kind)
    if shape[0] * shape[1] > LARGEST_FRAME or np.prod(shape, dtype=float) > _LARGEST_STACK:
        raise VideoError(
            path, f"{variable} has shape {tuple(shape)}: too large", hint="Split the stack."
        )
    return variable


def _wrong_kind(path: Path, name: str, kind: str) -> VideoError:
    return VideoError(
        path,
        f"{name} holds {kind}, not uint8",
        hint="Convert it in MATLAB with im2uint8, knowing its range.",
    )


def _stacks(shape: tuple[int, ...]) -> bool:
    if not all(shape):
        return False
    return (len(shape) == 3 and shape[2] != 3) or (len(shape) == 4 and shape[2] == 3)
