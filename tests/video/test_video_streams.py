"""Files with several videos, and with pictures that are none: the best one is taken, and told."""

import logging
from fractions import Fraction

import numpy as np
import pytest

from rainbench.video import stream as stream_module
from rainbench.video.read import VideoError, probe, read_video
from rainbench.video.types import VideoInfo

av = pytest.importorskip("av")

COVER = av.stream.Disposition.attached_pic
DEFAULT = av.stream.Disposition.default


def write_streams(file, streams):
    """Write a file of streams, each a gray level, a number of frames and a disposition."""
    with av.open(str(file), "w") as output:
        made = []
        for codec, *_, disposition in streams:
            stream = output.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for stream, (_, gray, frames, _) in zip(made, streams, strict=True):
            for number in range(frames):
                picture = np.full((48, 64, 3), gray, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture).reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return file


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_the_default_one_of_two_is_taken_and_told(tmp_path, caplog, ending):
    none = av.stream.Disposition(0)
    two = [("libx264", 40, 3, none), ("libx264", 200, 5, DEFAULT)]
    file = write_streams(tmp_path / f"two.{ending}", two)
    with av.open(str(file)) as container:
        best = container.streams.best("video").index
        assert [bool(s.disposition & DEFAULT) for s in container.streams.video][best]
    with caplog.at_level(logging.WARNING):
        clip = read_video(file)
        probe(file)
    assert best == 1 and len(clip.frames) == 5 and abs(int(clip.frames[0, 0, 0, 0]) - 200) < 3
    assert clip.info.stream == (2, 2)
    assert VideoInfo.from_json(clip.info.to_json()) == clip.info
    (said,) = caplog.messages
    assert said == f"{file}: video stream 2 of 2, the one that FFmpeg calls the best, is taken"


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_is_no_video(tmp_path, caplog, first):
    streams = [("mjpeg", 200, 1, COVER), ("libx264", 40, 3, DEFAULT)]
    file = write_streams(tmp_path / "covered.mp4", streams if first else streams[::-1])
    clip = read_video(file)
    assert len(clip.frames) == 3 and abs(int(clip.frames[0, 0, 0, 0]) - 40) < 3
    assert clip.info.stream is None and caplog.messages == []


def test_a_cover_alone_is_no_video(tmp_path):
    file = write_streams(tmp_path / "cover.mp4", [("mjpeg", 200, 1, COVER)])
    with pytest.raises(VideoError, match="holds no video"):
        read_video(file)


def test_a_file_is_told_of_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(stream_module, "_TOLD", set())
    none = av.stream.Disposition(0)
    file = write_streams(tmp_path / "two.mkv", [("libx264", 40, 2, none)] * 2)
    assert probe(file).stream_note == probe(file).stream_note != ""
    assert len(caplog.messages) == 1
