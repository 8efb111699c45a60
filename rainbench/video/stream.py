"""The iterator over a decoder's frames, and what its last message means to the caller."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rainbench.core.text import count_of
from rainbench.video.process import DecoderProcess
from rainbench.video.types import Frame, VideoError, VideoInfo

_LOG = logging.getLogger(__name__)

_TOLD: set[Path] = set()
"""Files with several videos of which it was said which one is taken."""


class FrameStream(Iterator[Frame]):
    """The frames of one video, from a decoder at work; made by `decode`.

    Use it as an iterator, best in a ``with`` statement. However it ends - exhausted, closed,
    dropped, or with the caller killed - the decoder's process ends with it.

    Attributes:
        info: What is known of the video.
        damage: Why the frames end before the video does; empty unless ``allow_truncated`` was
            given and the video turned out damaged.
    """

    def __init__(self, request: dict[str, Any], *, allow_truncated: bool) -> None:
        self.damage = ""
        self._allow_truncated = allow_truncated
        self._decoded: int | None = None
        self._delivered = 0
        self._process = DecoderProcess(request)
        self._ended = False
        self.info = self._start()

    @property
    def pid(self) -> int:
        """The number of the decoder's process."""
        return self._process.pid

    def __iter__(self) -> FrameStream:
        return self

    def __next__(self) -> Frame:
        if self._ended:
            raise StopIteration
        message = self._receive()
        if message["kind"] != "frame":
            self.close()
            self._finish(message)
            raise StopIteration
        self._decoded = number = message["number"]
        self._delivered += 1
        return Frame(number, message["time"], self._process.take(message))

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoder's process; no more frames come. May be called any number of times."""
        self._ended = True
        self._process.close()

    def _start(self) -> VideoInfo:
        try:
            message = self._receive()
            if message["kind"] == "start":
                self._process.attach(message)
                return _told_of_streams(VideoInfo.from_json(message["info"]))
            self._finish(message)
            raise AssertionError(f"a decoder ended with {message} before it started")
        except BaseException:
            self.close()
            raise

    def _receive(self) -> dict[str, Any]:
        """Return the next message that is not about a skipped frame."""
        try:
            while True:
                message = self._process.receive(self._decoded)
                if message["kind"] != "skip":
                    return message
                self._decoded = message["number"]
        except VideoError:
            self.close()
            raise

    def _finish(self, message: dict[str, Any]) -> None:
        """Raise the error that a closing message stands for, or note the damage."""
        path = self._process.path
        if message["kind"] == "end":
            if not self._delivered:
                raise _nothing(path, int(message["frames"]))
            return
        frame = message["frame"]
        if message["kind"] == "damage" and self._allow_truncated and self._delivered:
            self.damage = f"frame {frame}: {message['message']}"
            return
        hint = message.get("hint", "")
        if message["kind"] == "damage":
            good = count_of(self._delivered, "good frame")
            hint = (hint or "Fetch the file again").rstrip(".") + (
                f", or allow truncated videos to use {good} before it."
                if self._delivered
                else "; no frame of it can be used."
            )
        raise VideoError(path, message["message"], frame=frame, hint=hint)


def _told_of_streams(info: VideoInfo) -> VideoInfo:
    """Say once of a file with several videos which one is taken."""
    if info.stream_note and info.path not in _TOLD:
        _TOLD.add(info.path)
        _LOG.warning("%s: %s, is taken", info.path, info.stream_note)
    return info


def _nothing(path: Path, decoded: int) -> VideoError:
    if not decoded:
        return VideoError(
            path, "holds no frames", hint="The recording or copy failed: fetch the file again."
        )
    return VideoError(
        path,
        f"has {count_of(decoded, 'frame')}, none of them among those wanted",
        hint="Choose other frames.",
    )
