"""From a decoded picture to upright 8-bit RGB: matrix, range, bit depth and orientation.

The conversion is swscale's with every choice spelled out:

- The **matrix** and **range** are those that the file states. Where it states none, BT.601 limited
  is assumed whatever the size, as ffmpeg and thus the published extraction code do; ``yuvj`` and
  gray formats are full range. Constant-luminance and other matrices that swscale lacks are refused.
- **Accurate rounding, full chroma interpolation, bit-exact**: within 0.52 levels of the formula.
  The faster default is biased by -0.8 levels and differs from one processor to another.
- **Chroma upsampling** is bilinear with samples taken to lie centred between luma samples in both
  directions (weights 3/4 and 1/4). Sources that put them at the left are off by a quarter of a
  chroma sample.
- **More than 8 bits** are rounded to nearest in the same step, without dither; in full range white
  is taken for 2^bits instead of 2^bits - 1, so that up to 0.94 levels are added, and gray of
  limited range may be a level low.
- **HDR** (the curves PQ and HLG) is refused: its levels are those of another curve than pictures
  and networks have, and how they become 8 bits is a choice that is the user's.
- **Alpha** is dropped, other transfer curves are left alone, fields are not separated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

Av: TypeAlias = Any
"""An object of PyAV's, which is imported late and checked without its types."""
Buffer: TypeAlias = Any
"""Anything with the buffer protocol."""

_LIMITED, _FULL = 1, 2
"""Ranges as FFmpeg numbers them."""

_UNSPECIFIED_MATRICES = (0, 2, 3)
_MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
}
_SWSCALE_MATRICES = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
_OTHER_MATRICES = {8: "YCgCo", 10: "BT.2020 constant luminance", 14: "ICtCp"}
_HDR = {16: "PQ", 18: "HLG"}
"""Matrices and transfer curves by their numbers in ITU-T H.273, which files state; swscale numbers
matrices in its own way."""

_TO_SDR = (
    "Convert it first, for example with ffmpeg: -vf zscale=t=linear:npl=100,format=gbrpf32le,"
    "zscale=p=bt709,tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)

_LIMITED_TO_FULL = bytes(min(255, max(0, round((y - 16) * 255 / 219))) for y in range(256))
"""The level from 0 to 255 of every luma from 16 to 235."""


class UnsupportedError(Exception):
    """The picture's colours or orientation cannot be converted; the text says why.

    ``hint`` says what to do, where that is not the usual.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Colour:
    """How the pixels of a frame are coded. See `rainbench.video.types.VideoInfo`."""

    matrix: str
    range: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is shown: transposed first, then mirrored.

    Attributes:
        transpose: Rows become columns.
        flip_x: Then left and right are swapped.
        flip_y: Then top and bottom are swapped.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether text in the picture would be in mirror writing, however it is turned."""
        return (self.transpose + self.flip_x + self.flip_y) % 2 == 1

    @property
    def rotation(self) -> int:
        """Degrees clockwise; of a mirrored picture, after it was mirrored left to right."""
        if not self.transpose:
            return 180 if self.flip_y else 0
        turned_right = not self.flip_y if not self.mirrored else self.flip_y
        return 90 if turned_right else 270


def read_orientation(matrix: bytes | None) -> Orientation:
    """Read a display matrix: nine native 32-bit numbers ``a b u c d v x y w``.

    A stored point (p, q) is shown at (a p + c q, b p + d q).

    Raises:
        UnsupportedError: The picture is turned by other than quarters, or skewed.

    Example:
        >>> one = 1 << 16
        >>> turned = read_orientation(struct.pack("=9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30))
        >>> turned.rotation, turned.mirrored
        (90, False)
    """
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
    if a and d and not b and not c:
        return Orientation(transpose=False, flip_x=a < 0, flip_y=d < 0)
    if b and c and not a and not d:
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    raise UnsupportedError("is to be shown at an angle that is not a multiple of 90 degrees")


def read_colour(frame: Av) -> Colour:
    """Read how a decoded ``av.VideoFrame`` codes colour.

    Raises:
        UnsupportedError: It is HDR, or its matrix cannot be converted.
    """
    name = frame.format.name
    if curve := _HDR.get(frame.color_trc):
        raise UnsupportedError(f"is HDR (its curve is {curve}), which is not read", hint=_TO_SDR)
    if frame.format.is_rgb or frame.format.has_palette:
        return Colour("rgb", "full", ())
    assumed = []
    if name.startswith("yuvj") or frame.color_range == _FULL:
        range_ = "full"
    elif frame.color_range == _LIMITED:
        range_ = "limited"
    else:
        assumed.append("range")
        range_ = "full" if _is_gray(name) else "limited"
    if _is_gray(name):
        return Colour("gray", range_, tuple(assumed))
    matrix = _MATRICES.get(frame.colorspace, "")
    if frame.colorspace in _UNSPECIFIED_MATRICES:
        assumed.insert(0, "matrix")
        matrix = "bt601"
    if not matrix:
        found = _OTHER_MATRICES.get(frame.colorspace, f"number {frame.colorspace}")
        raise UnsupportedError(f"codes its colours by a matrix that cannot be converted: {found}")
    return Colour(matrix, range_, tuple(assumed))


class RgbConverter:
    """Converts frames of one video to 8-bit RGB, or to 8-bit gray where they are gray."""

    def __init__(self) -> None:
        from av.video.reformatter import Interpolation, VideoReformatter

        self._reformatter = VideoReformatter()
        self._flags = (
            Interpolation.BILINEAR
            | Interpolation.ACCURATE_RND
            | Interpolation.FULL_CHR_H_INT
            | Interpolation.BITEXACT
        )

    def convert(self, frame: Av, colour: Colour) -> tuple[Buffer, int, int]:
        """Return the pixels of a frame, the bytes from one row to the next, and the channels.

        The step is negative where the rows lie bottom up, as in some raw files.
        """
        if _is_gray(frame.format.name):
            gray = self._reformat(frame, "gray", 5, _FULL)
            (plane,) = gray.planes
            if colour.range == "limited":  # swscale takes gray for full range, whatever its tag
                return bytes(plane).translate(_LIMITED_TO_FULL), plane.line_size, 1
            return plane, plane.line_size, 1
        matrix = _SWSCALE_MATRICES.get(colour.matrix)
        rgb = self._reformat(frame, "rgb24", matrix, _FULL if colour.range == "full" else _LIMITED)
        (plane,) = rgb.planes
        return plane, plane.line_size, 3

    def _reformat(self, frame: Av, target: str, matrix: int | None, source_range: int) -> Av:
        return self._reformatter.reformat(
            frame,
            format=target,
            src_colorspace=matrix,
            interpolation=self._flags,
            src_color_range=source_range,
            dst_color_range=_FULL,
            threads=1,
        )


def _is_gray(name: str) -> bool:
    return name.startswith("gray") and not name.startswith("grayf")
