"""The records of decoding: what a video is, one of its frames, which frames are wanted, and errors.

Light on purpose: the decoder's process imports this before anything else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainbench.core.errors import RainbenchError

if TYPE_CHECKING:
    from rainbench.core.images import Image
    from rainbench.video.colour import Orientation

NOT_SHARED = -1
"""In the place of the file behind shared memory: there is none, pixels follow the messages."""

LARGEST_FRAME = 8192 * 8192
"""Pixels of one frame beyond which a video is refused before anything is allocated for it."""


class VideoError(RainbenchError):
    """A video cannot be used. ``path`` names it, ``frame`` the frame where there is one.

    ``reason`` is the message without these two.

    Example:
        >>> print(VideoError(Path("a.mp4"), "is cut short", frame=7, hint="Fetch it again."))
        a.mp4: frame 7: is cut short
          Fetch it again.
    """

    def __init__(
        self, path: Path, message: str, *, frame: int | None = None, hint: str = ""
    ) -> None:
        self.path = path
        self.frame = frame
        self.reason = message
        place = "" if frame is None else f"frame {frame}: "
        super().__init__(f"{path}: {place}{message}", hint=hint)


class DamageError(Exception):
    """Within the decoder's process: from here on the file is damaged; what came before is good.

    ``hint`` says what to do, where that is not to fetch the file again.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video once its first frame has been decoded.

    Attributes:
        path: The file or folder.
        frames: How many frames the file announces, or None; it may be wrong by a few.
        width: Width of a frame as shown, after rotation, in pixels.
        height: Height of a frame as shown, after rotation, in pixels.
        rate: Frames a second on average, or None.
        duration: Length in seconds, or None.
        container: The kind of file, as ``mov`` or ``folder``.
        codec: The codec, as ``h264``.
        pixel_format: How pixels are stored, as ``yuv420p10le``.
        matrix: The YCbCr matrix: ``bt601``, ``bt709``, ``bt2020``, ``smpte240m``, ``fcc``; ``rgb``
            or ``gray`` where there is none.
        range: ``limited`` (16 to 235 of 255 for luma) or ``full``.
        assumed: Which of ``matrix`` and ``range`` the file does not state.
        rotation: Degrees clockwise by which frames were turned to be shown: 0, 90, 180 or 270.
        mirrored: Whether they were mirrored, too.
        pixel_aspect: Width of a pixel over its height as shown; noted, never applied.
        interlaced: Whether the first frame holds two fields; they are not separated.
        stream: Of a file with several video streams, which one this is, counted from 1, and how
            many there are; pictures such as a cover do not count.
    """

    path: Path
    frames: int | None
    width: int
    height: int
    rate: Fraction | None
    duration: float | None
    container: str
    codec: str
    pixel_format: str
    matrix: str
    range: str
    assumed: tuple[str, ...] = ()
    rotation: int = 0
    mirrored: bool = False
    pixel_aspect: Fraction = Fraction(1)
    interlaced: bool = False
    stream: tuple[int, int] | None = None

    @property
    def stream_note(self) -> str:
        """Which of several video streams this is, for people; empty where there is one."""
        if self.stream is None:
            return ""
        number, count = self.stream
        return f"video stream {number} of {count}, the one that FFmpeg calls the best"

    def to_json(self) -> dict[str, Any]:
        """Return the record in plain types, for a message or a report.

        Example:
            >>> folder = VideoInfo(Path("a"), 3, 8, 6, Fraction(25, 2), None, "folder", "png",
            ...     "rgb24", "rgb", "full")
            >>> folder.to_json()["rate"], VideoInfo.from_json(folder.to_json()) == folder
            ('25/2', True)
        """
        return {
            key: str(value) if isinstance(value, Path | Fraction) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> VideoInfo:
        """Return the record that `to_json` made ``values`` of."""
        rate = values["rate"]
        return cls(
            **{
                **values,
                "path": Path(values["path"]),
                "rate": None if rate is None else Fraction(rate),
                "pixel_aspect": Fraction(values["pixel_aspect"]),
                "assumed": tuple(values["assumed"]),
                "stream": tuple(values["stream"]) if values.get("stream") else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame.

    Attributes:
        number: Its place in the video, counted as decoded, from 0.
        time: Seconds from the start of the file at which it is shown; None if not stated.
        image: ``(H, W, 3)`` uint8, RGB, upright; the caller's own copy.
    """

    number: int
    time: float | None
    image: Image


@dataclass(frozen=True, slots=True)
class Picture:
    """Within the decoder's process: a picture as stored, before it is turned upright.

    Attributes:
        number: Its place in the video.
        time: When it is shown, in seconds.
        data: Its rows, ``abs(step)`` bytes each.
        width: Pixels of a row.
        height: Rows.
        channels: 3 for RGB, 1 for gray.
        step: Bytes from one row to the next; negative when they lie bottom up.
        orientation: How it is to be turned.
    """

    number: int
    time: float | None
    data: Any
    width: int
    height: int
    channels: int
    step: int
    orientation: Orientation


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames are wanted: by number, or by time in seconds, ends excluded.

    Example:
        >>> wanted = Selection(first=2, stop=9, step=3)
        >>> [n for n in range(12) if wanted.takes(n, None)], wanted.is_past(9, None)
        ([2, 5, 8], True)
        >>> [n for n in range(8) if Selection(start=0.2, end=0.4).takes(n, n / 10)]
        [2, 3]
    """

    first: int = 0
    stop: int | None = None
    step: int = 1
    start: float | None = None
    end: float | None = None

    @property
    def by_time(self) -> bool:
        """Whether frames are chosen by their time stamps."""
        return self.start is not None or self.end is not None

    def takes(self, number: int, time: float | None) -> bool:
        """Return whether a frame is wanted."""
        if self.by_time and (time is None or time < (self.start or 0.0)):
            return False
        if number < self.first or self.is_past(number, time):
            return False
        return (number - self.first) % self.step == 0

    def is_past(self, number: int, time: float | None) -> bool:
        """Return whether neither this frame nor any after it is wanted."""
        if self.end is not None and time is not None and time >= self.end:
            return True
        return self.stop is not None and number >= self.stop
