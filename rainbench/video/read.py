"""Frames of a video file, a folder of images or a ``.mat`` stack, as upright 8-bit RGB.

Every source is decoded in a process of its own, so that a codec that crashes, hangs or asks for
absurd amounts of memory becomes a `VideoError` that names the file and the frame. At most a few
frames are in flight. `rainbench.video.colour` says how colours are converted.

Frames are decoded in order from the first, whatever part is wanted: seeking would depend on the
container's index and on where key frames lie. What lies before a damaged frame is handed out first.
Missing data are always noticed in MP4, AVI, Matroska and WebM files; damage within a frame only as
far as its codec notices: a broken frame in all but raw video, single wrong bytes in FFV1 always, in
H.264 and MJPEG about half the time, in HEVC and VP9 seldom. The rest decode to a wrong picture
without any sign.

On Windows nothing limits a decoder's memory, and large frames come more slowly.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.video.stream import FrameStream
from rainbench.video.types import Frame, Selection, VideoError, VideoInfo

__all__ = [
    "VIDEO_SUFFIXES",
    "Clip",
    "Frame",
    "FrameStream",
    "VideoError",
    "VideoInfo",
    "decode",
    "probe",
    "read_video",
]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".mpg", ".mpeg", ".wmv"}
    | {".flv", ".f4v", ".ogv", ".mxf", ".asf", ".3gp", ".3g2", ".m2ts", ".vob", ".dv", ".nut"}
    | {".m2v", ".h264", ".264", ".hevc", ".265", ".ivf", ".obu", ".mjpeg", ".mjpg", ".y4m", ".mat"}
)
"""Names that files with frames usually end with, in lower case."""

_TIMEOUT = 60.0
"""Seconds without a frame after which a decoder is stopped; chosen: far more than a frame takes."""


def decode(
    path: Path,
    *,
    frames: slice | None = None,
    start: float | None = None,
    end: float | None = None,
    variable: str | None = None,
    allow_truncated: bool = False,
    timeout: float = _TIMEOUT,
) -> FrameStream:
    """Start to decode a video and return its frames as they come.

    Args:
        path: A video file; a folder of images, taken in natural order; or a ``.mat`` file with a
            uint8 stack ``(H, W, N)``, whose gray is repeated into RGB, or ``(H, W, 3, N)``.
        frames: Which frames, counted as decoded from 0: ``slice(start, stop, step)``, none
            negative. As with lists, a stop beyond the end is no error.
        start: Take frames shown at this time in seconds from the start of the file or later.
        end: Take frames shown before this time.
        variable: The variable of a ``.mat`` file; by default the only stack, or ``input``.
        allow_truncated: Where the file turns out damaged or cut short, end after the frames before
            that and say so in `FrameStream.damage`, instead of raising an error.
        timeout: Seconds to wait for a frame, or for the start, before giving up.

    Raises:
        VideoError: At once, if there is nothing to decode: the path is missing, empty, no video,
            without pictures, too large, or none of the wanted frames exists. While iterating, after
            the good frames: a frame is damaged or has another size than the first, the file is cut
            short, or the decoder crashed or hung. ``frame`` tells which frame.
        RainbenchError: The choice of frames makes no sense.

    Example:
        >>> import tempfile
        >>> from rainbench.core.images import write_png
        >>> folder = Path(tempfile.mkdtemp())
        >>> for shade in (1, 2, 10):
        ...     write_png(folder / f"{shade}.png", np.full((6, 8, 3), shade, np.uint8))
        >>> with decode(folder, frames=slice(1, None)) as stream:
        ...     [(frame.number, int(frame.image[0, 0, 0])) for frame in stream]
        [(1, 2), (2, 10)]
    """
    selection = _select(frames, start, end)
    if not timeout > 0 or math.isinf(timeout):
        raise RainbenchError(
            f"a time-out of {timeout} s cannot be used", hint="Give a positive, finite number."
        )
    request = {
        "path": str(path),
        "selection": asdict(selection),
        "variable": variable,
        "timeout": timeout,
    }
    return FrameStream(request, allow_truncated=allow_truncated)


def probe(path: Path, *, variable: str | None = None, timeout: float = _TIMEOUT) -> VideoInfo:
    """Return what is known of a video after its first frame. Arguments and errors as in `decode`.

    Example:
        >>> import tempfile
        >>> from rainbench.core.images import write_png
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_png(folder / "a.png", np.zeros((6, 8, 3), np.uint8))
        >>> info = probe(folder)
        >>> info.width, info.height, info.frames, info.codec
        (8, 6, 1, 'png')
    """
    with decode(path, frames=slice(0, 1), variable=variable, timeout=timeout) as stream:
        return stream.info


@dataclass(frozen=True, slots=True)
class Clip:
    """The decoded frames of one video, all in memory.

    Attributes:
        info: What is known of the video.
        frames: ``(N, H, W, 3)`` uint8, RGB.
        numbers: The place of each frame in the video.
        times: When each is shown, in seconds; None where not stated.
        damage: Why they end early; see `FrameStream`.
    """

    info: VideoInfo
    frames: NDArray[np.uint8]
    numbers: tuple[int, ...]
    times: tuple[float | None, ...]
    damage: str = ""


def read_video(
    path: Path,
    *,
    frames: slice | None = None,
    start: float | None = None,
    end: float | None = None,
    variable: str | None = None,
    allow_truncated: bool = False,
    timeout: float = _TIMEOUT,
) -> Clip:
    """Decode a video into one array. Arguments and errors as in `decode`.

    Memory is that of the frames and little more: the array is sized by the number of frames wanted
    or announced, and grown by half where that was wrong.

    Example:
        >>> import scipy.io, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "stack.mat"
        >>> stack = np.arange(5, dtype=np.uint8) * np.ones((4, 6, 1), np.uint8)
        >>> scipy.io.savemat(file, {"input": stack})
        >>> clip = read_video(file, frames=slice(None, None, 2))
        >>> clip.frames.shape, clip.frames[:, 0, 0, 1].tolist(), clip.numbers
        ((3, 4, 6, 3), [0, 2, 4], (0, 2, 4))
    """
    with decode(
        path,
        frames=frames,
        start=start,
        end=end,
        variable=variable,
        allow_truncated=allow_truncated,
        timeout=timeout,
    ) as stream:
        info = stream.info
        shape = (info.height, info.width, 3)
        pixels = np.empty((_expected(info, frames, start, end), *shape), np.uint8)
        numbers: list[int] = []
        times: list[float | None] = []
        for frame in stream:
            if len(numbers) == len(pixels):
                pixels.resize((len(pixels) + len(pixels) // 2 + 1, *shape), refcheck=False)
            pixels[len(numbers)] = frame.image
            numbers.append(frame.number)
            times.append(frame.time)
        pixels.resize((len(numbers), *shape), refcheck=False)
        return Clip(info, pixels, tuple(numbers), tuple(times), stream.damage)


def _expected(info: VideoInfo, frames: slice | None, start: float | None, end: float | None) -> int:
    """Guess how many frames will come: at least one, never more than could fill 1 GiB unasked."""
    count = info.frames
    if count is None and info.duration and info.rate:
        count = round(info.duration * info.rate)
    if count is not None and (start is not None or end is not None) and info.rate:
        length = (end if end is not None else info.duration or 0.0) - (start or 0.0)
        count = min(count, math.ceil(max(0.0, length) * info.rate) + 1)
    if frames is not None:
        first, step = frames.start or 0, frames.step or 1
        stop = min(x for x in (frames.stop, count, 1 << 62) if x is not None)
        count = None if stop == 1 << 62 else -(-(stop - first) // step)
    most = (1 << 30) // (info.height * info.width * 3)
    return max(1, min(count or 64, most))


def _select(frames: slice | None, start: float | None, end: float | None) -> Selection:
    chosen = frames if frames is not None else slice(None)
    first, stop, step = chosen.start, chosen.stop, chosen.step
    numbers = [value for value in (first, stop, step) if value is not None]
    if any(not isinstance(value, int) or value < 0 for value in numbers) or step == 0:
        raise RainbenchError(
            f"frames {chosen} cannot be chosen",
            hint="Frames count from 0, forwards: a video's end is not known beforehand.",
        )
    if frames is not None and (start is not None or end is not None):
        raise RainbenchError(
            "frames are chosen both by number and by time", hint="Give one or the other."
        )
    if (stop is not None and stop <= (first or 0)) or (
        end is not None and not end > max(0.0, start or 0.0)
    ):
        what = f"{first or 0}:{stop}" if frames is not None else f"{start or 0:g} s to {end:g} s"
        raise RainbenchError(
            f"the choice of frames, {what}, is empty", hint="The end is not included."
        )
    return Selection(first or 0, stop, step or 1, start, end)
