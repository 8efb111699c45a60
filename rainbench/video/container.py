"""Video files, decoded with PyAV; runs within the decoder's process only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from rainbench.core.text import count_of
from rainbench.video.colour import (
    Av,
    Colour,
    Orientation,
    RgbConverter,
    UnsupportedError,
    read_colour,
    read_orientation,
)
from rainbench.video.damage import (
    describe_start,
    holds_a_scan,
    is_whole,
    missing_bytes,
    mpeg4_index_missing,
)
from rainbench.video.types import (
    LARGEST_FRAME,
    DamageError,
    Picture,
    Selection,
    VideoError,
    VideoInfo,
)

_DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,nut,mxf,ivf,obu,av1,"
    "yuv4mpegpipe,h264,hevc,m4v,mjpeg,dv"
)
"""No playlists, no image sequences, no text drawn as pictures: nothing that opens other files."""
_OPEN_FILES = Path("/dev/fd")
"""Where a POSIX system shows the open files of a process by their numbers."""

_LOST_SECONDS = 0.5
"""How much earlier than announced a file without a frame count may end; chosen."""


class ContainerSource:
    """The frames of the video stream that FFmpeg calls the best one, in the order they are shown.

    That is one that the file marks as its default, and of several the one with the most data.
    Pictures that are no video, such as the cover of an album, do not count.

    One thread decodes, so that an error belongs to the packet that caused it. Decoders are told to
    stop at errors rather than to paint over them; no frame is handed out from a damaged one on.
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        import av

        self._path = path
        self._selection = selection
        self._error = av.FFmpegError
        self._container = self._open(av)
        self._among: tuple[int, int] | None = None
        self._stream = self._find_stream(av)
        context = self._stream.codec_context
        context.thread_count = 1
        context.options = {"err_detect": "crccheck+explode", "max_pixels": str(LARGEST_FRAME)}
        self._check_size(context.width, context.height, 0)
        # FFV1's decoder tells of a wrong checksum in its log only.
        self._reads_log = context.name == "ffv1"
        self._is_jpeg = context.name == "mjpeg"
        self._log = av.logging
        if self._reads_log:
            self._log.set_level(self._log.ERROR)
        self._converter = RgbConverter()
        self._orientation = Orientation()
        self._info: VideoInfo | None = None
        self._packets = 0

    @property
    def info(self) -> VideoInfo:
        """What is known of the video, once the first frame was decoded."""
        assert self._info is not None
        return self._info

    def pictures(self) -> Iterator[Picture | None]:
        """Yield wanted frames, and None in place of each that is not."""
        number = 0
        for frame in self._counted():
            time = self._time_of(frame)
            if self._info is None:
                self._info = self._describe(frame)
                self._first_size = (frame.width, frame.height)
            self._check_frame(frame, number, time)
            if self._selection.is_past(number, time):
                return
            wanted = self._selection.takes(number, time)
            yield self._convert(frame, number, time) if wanted else None
            number += 1
            if self._selection.is_past(number, None):
                return
        self._check_end(number, time if number else None)

    def _open(self, av: Av) -> Av:
        try:
            return av.open(
                f"file:{_name_for_ffmpeg(self._path)}",
                container_options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        except av.FFmpegError as error:
            raise self._unreadable(error.strerror or "") from None

    def _unreadable(self, reason: str) -> VideoError:
        if mpeg4_index_missing(self._path):
            return VideoError(
                self._path,
                "is cut short: its index, which is written last, is missing",
                hint="The copy, download or recording was not completed: fetch it again.",
            )
        if lacking := missing_bytes(self._path):
            return VideoError(
                self._path,
                f"is cut short by {lacking} bytes, within its header",
                hint="The copy, download or recording was not completed: fetch it again.",
            )
        what = describe_start(self._path)
        return VideoError(
            self._path,
            f"is not a video: {what}" if what else f"is not a video that can be read ({reason})",
            hint="Give MP4, MOV, MKV, WebM or AVI files, folders of images, or .mat stacks.",
        )

    def _find_stream(self, av: Av) -> Av:
        kinds = av.stream.Disposition
        stills = kinds.attached_pic | kinds.timed_thumbnails | kinds.still_image
        streams = [s for s in self._container.streams.video if not s.disposition & stills]
        if not streams:
            sound = bool(self._container.streams.audio)
            raise VideoError(
                self._path,
                "holds sound but no video" if sound else "holds no video",
                hint="Give the file with the pictures.",
            )
        best = self._container.streams.best("video")
        chosen = best if best in streams else streams[0]
        if chosen.codec_context is None:
            raise VideoError(
                self._path,
                "is coded in a way that no installed decoder understands",
                hint="Convert it to H.264 or FFV1.",
            )
        if len(streams) > 1:
            self._among = (streams.index(chosen) + 1, len(streams))
        return chosen

    def _counted(self) -> Iterator[Av]:
        """Yield frames, and say of a file that is cut short how many it announces beyond them."""
        decoded = 0
        try:
            for frame in self._decode():
                yield frame
                decoded += 1
        except DamageError as error:
            lost = self._lost(decoded) if missing_bytes(self._path) else ""
            raise DamageError(f"{error}{lost}", hint=error.hint) from None

    def _lost(self, decoded: int) -> str:
        """Return how many frames a file that is cut short lacks, if it says how many it had."""
        announced = self._stream.frames
        if decoded >= announced:
            return ""
        return f", {announced - decoded} of the {announced} frames that it announces are lost"

    def _decode(self) -> Iterator[Av]:
        limit: int | None = None
        try:
            for packet in self._container.demux(self._stream):
                self._packets += packet.size > 0
                limit = packet.pts if packet.pts is not None else packet.dts
                if packet.is_corrupt:
                    yield from self._flush(limit)
                    raise DamageError("is not complete in the file")
                if self._is_jpeg and packet.size:
                    self._check_jpeg(bytes(packet))
                logged = self._log.get_last_error()[0]
                for frame in packet.decode():
                    _refuse_damaged(frame)
                    if self._reads_log and self._log.get_last_error()[0] > logged:
                        raise DamageError("is damaged: a checksum is wrong")
                    yield frame
        except self._error as error:
            yield from self._flush(limit)
            raise DamageError(f"cannot be decoded ({error.strerror})") from None

    def _check_jpeg(self, packet: bytes) -> None:
        if not holds_a_scan(packet):
            raise DamageError("is damaged: it holds no picture")
        if self._container.format.name == "mjpeg" and not is_whole(packet):  # no length is stated
            raise DamageError("is not complete in the file")

    def _flush(self, limit: int | None) -> Iterator[Av]:
        """Yield the good frames that the decoder still holds, up to the damaged one."""
        if limit is None:
            return
        try:
            for frame in self._stream.codec_context.decode(None):
                if frame.pts is None or frame.pts >= limit:
                    return
                _refuse_damaged(frame)
                yield frame
        except (self._error, DamageError):
            return

    def _check_size(self, width: int, height: int, number: int) -> None:
        if width * height > LARGEST_FRAME:
            raise VideoError(
                self._path,
                f"claims to be {width}x{height}, more than this reader accepts",
                frame=number,
                hint="The file is damaged, or has to be scaled down first.",
            )

    def _check_frame(self, frame: Av, number: int, time: float | None) -> None:
        if (frame.width, frame.height) != self._first_size:
            width, height = self._first_size
            raise VideoError(
                self._path,
                f"is {frame.width}x{frame.height} but frame 0 is {width}x{height}",
                frame=number,
                hint=f"Take only the first {count_of(number, 'frame')}, or split the video.",
            )
        if self._selection.by_time and time is None:
            raise VideoError(
                self._path, "has no time stamp", frame=number, hint="Choose frames by number."
            )

    def _check_end(self, decoded: int, last: float | None) -> None:
        announced = self._stream.frames
        lacking = missing_bytes(self._path)
        if lacking and not (decoded and 0 < announced <= self._packets):
            cut = f"is missing: the file is cut short by {lacking} bytes{self._lost(decoded)}"
            raise DamageError(cut)
        length = _announced_length(self._stream)
        if announced or length is None or last is None or self._selection.by_time:
            return
        lost = length - last - 1 / (self.info.rate or 1)
        if lost > _LOST_SECONDS:
            raise DamageError(f"is missing: the video ends {lost:.1f} s before its stated end")

    def _time_of(self, frame: Av) -> float | None:
        base = frame.time_base or self._stream.time_base  # the decoder's last frames bear none
        if frame.pts is None or not base:
            return None
        start = self._container.start_time  # in microseconds
        return round(float(frame.pts * base) - (start / 1e6 if start is not None else 0.0), 6)

    def _describe(self, frame: Av) -> VideoInfo:
        stream = self._stream
        self._orientation, colour = self._orient(frame), self._colour(frame, 0)
        width, height = frame.width, frame.height
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if self._orientation.transpose:
            width, height, aspect = height, width, 1 / aspect
        duration = _announced_length(stream)
        if duration is None and self._container.duration is not None:
            duration = self._container.duration / 1e6
        return VideoInfo(
            path=self._path,
            frames=stream.frames or None,
            width=width,
            height=height,
            rate=stream.average_rate or stream.guessed_rate or None,
            duration=duration,
            container=self._container.format.name.split(",")[0],
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            matrix=colour.matrix,
            range=colour.range,
            assumed=colour.assumed,
            rotation=self._orientation.rotation,
            mirrored=self._orientation.mirrored,
            pixel_aspect=aspect,
            interlaced=frame.interlaced_frame,
            stream=self._among,
        )

    def _orient(self, frame: Av) -> Orientation:
        try:
            data = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV fails on side data that it has no name for
            data = None
        try:
            return read_orientation(None if data is None else bytes(data))
        except UnsupportedError as error:
            raise VideoError(
                self._path, str(error), hint="Re-encode it upright, without a rotation tag."
            ) from None

    def _colour(self, frame: Av, number: int) -> Colour:
        try:
            return read_colour(frame)
        except UnsupportedError as error:
            raise VideoError(
                self._path,
                str(error),
                frame=number,
                hint=error.hint or "Re-encode it with BT.709.",
            ) from None

    def _convert(self, frame: Av, number: int, time: float | None) -> Picture:
        data, step, channels = self._converter.convert(frame, self._colour(frame, number))
        return Picture(
            number, time, data, frame.width, frame.height, channels, step, self._orientation
        )


def _name_for_ffmpeg(path: Path) -> Path:
    """Return the path itself, or one that is valid UTF-8 and leads to the same file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        if not _OPEN_FILES.exists():
            hint = "Rename it, or copy it to a file of another name."
            raise VideoError(path, "has a name that is no valid Unicode", hint=hint) from None
        return _OPEN_FILES / str(os.open(path, os.O_RDONLY))
    return path.absolute()


def _refuse_damaged(frame: Av) -> None:
    if frame.is_corrupt:
        raise DamageError("is damaged")


def _announced_length(stream: Av) -> float | None:
    """Seconds of a stream by its header, or by the tag ``DURATION`` of Matroska files."""
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        return None
