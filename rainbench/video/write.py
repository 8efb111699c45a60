"""Writing frames as a video file, complete or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from rainbench.core.errors import StoreError
from rainbench.core.files import unfinished
from rainbench.core.images import Image

_H264 = {"crf": "16", "preset": "medium", "threads": "1"}
"""One thread: their number, which is that of the cores, is part of the bytes."""

_TICKS = 90_000
"""Units of time per second that frames with stated times are shown at."""

_ROUNDED = Fraction(1, 900)
"""Seconds that times may be off for no other reason than that Matroska rounds them to 1/1000."""

_BT601, _BT709, _LIMITED = 5, 1, 1
"""Matrices and range as FFmpeg numbers them."""

_HD_ROWS = 720
"""Rows from which players take colours for BT.709."""


class VideoWriter:
    """An open video file. A context manager: the file appears when it ends without an error.

    H.264 of a quality at which losses can hardly be seen (CRF 16), with colours stated in the file;
    or FFV1, which keeps every value. Sound is not written.

    Args:
        path: Where to; ``.mp4`` for H.264, ``.mkv`` for FFV1.
        width: Width of every frame, in pixels.
        height: Height of every frame, in pixels.
        rate: Frames a second, on average where frames come with times.
        lossless: FFV1 instead of H.264.

    Raises:
        StoreError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> file = Path(tempfile.mkdtemp()) / "black.mkv"
        >>> with VideoWriter(file, 16, 8, Fraction(25), lossless=True) as video:
        ...     video.write(np.zeros((8, 16, 3), np.uint8))
        >>> file.stat().st_size > 0
        True
    """

    def __init__(
        self, path: Path, width: int, height: int, rate: Fraction, *, lossless: bool = False
    ) -> None:
        import av

        self._path = path
        self._part = unfinished(path)
        self._written = 0
        self._last = -1
        even = width % 2 == 0 and height % 2 == 0
        self._format = "bgr0" if lossless else ("yuv420p" if even else "yuv444p")
        self._matrix = _BT709 if height >= _HD_ROWS else _BT601
        self._rate = rate
        try:
            # Without names and random numbers of the library's in it: same frames, same bytes.
            self._file: Any = av.open(
                str(self._part),
                "w",
                format="matroska" if lossless else "mp4",
                container_options={"fflags": "+bitexact"},
            )
        except OSError as error:
            raise _cannot(path, error) from None
        codec = ("ffv1", {}) if lossless else ("libx264", _H264)
        self._stream: Any = self._file.add_stream(codec[0], rate=rate, options=codec[1])
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = self._format
        if not lossless:
            self._stream.codec_context.colorspace = self._matrix
            self._stream.codec_context.color_range = _LIMITED
        self._stream.codec_context.time_base = Fraction(1, _TICKS)

    def write(self, image: Image, time: float | None = None) -> None:
        """Add a frame.

        Args:
            image: ``(H, W, 3)`` uint8, RGB.
            time: When it is shown, in seconds; by the rate if None.
        """
        import av

        frame: Any = av.VideoFrame.from_ndarray(image, format="rgb24")
        if self._format == "bgr0":
            frame = frame.reformat(format="bgr0")
        else:
            frame = frame.reformat(
                format=self._format, dst_colorspace=self._matrix, src_color_range=2,
                dst_color_range=_LIMITED,
            )  # fmt: skip
            frame.colorspace, frame.color_range = self._matrix, _LIMITED
        self._last = max(self._last + 1, round(self._when(time) * _TICKS))
        frame.time_base, frame.pts = Fraction(1, _TICKS), self._last
        self._written += 1
        self._mux(frame)

    def _when(self, time: float | None) -> Fraction:
        """Return a frame's time in seconds: on the grid of the rate if it is all but there."""
        if time is None:
            return self._written / self._rate
        on_grid = round(Fraction(time) * self._rate) / self._rate
        return on_grid if abs(on_grid - Fraction(time)) < _ROUNDED else Fraction(time)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._mux(None)
                self._file.close()
                self._part.replace(self._path)
        except OSError as problem:
            raise _cannot(self._path, problem) from None
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def _mux(self, frame: Any) -> None:  # noqa: ANN401
        try:
            self._file.mux(self._stream.encode(frame))
        except OSError as error:
            raise _cannot(self._path, error) from None


def _cannot(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot be written: {error.strerror or error}",
        hint="Free some space, or give another --out.",
    )
