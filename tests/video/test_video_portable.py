"""Without shared memory, alarms and limits, as on Windows: the same frames, errors and order."""

import os

import numpy as np
import pytest
import scipy.io
from videos import moving_frames, noisy_frames, write_video

from rainbench.core.images import write_png
from rainbench.video import process as decode_process
from rainbench.video.container import _name_for_ffmpeg
from rainbench.video.read import VideoError, read_video
from rainbench.video.types import NOT_SHARED

FRAMES = moving_frames(9, 34, 50)
SOURCES = {
    "turned.mp4": lambda file: write_video(file, FRAMES, rotation=90),
    "colour.mkv": lambda file: write_video(file, FRAMES, "ffv1", "bgr0"),
    "gray.mkv": lambda file: write_video(file, FRAMES, "ffv1", "gray"),
    "raw.avi": lambda file: write_video(file, FRAMES, "rawvideo", "bgr24"),  # rows bottom up
    "stack.mat": lambda file: scipy.io.savemat(file, {"input": np.stack(FRAMES, -1)}),
    "folder": lambda folder: write_folder(folder),
}


def write_folder(folder):
    folder.mkdir()
    for number, frame in enumerate(FRAMES):
        write_png(folder / f"{number}.png", frame)


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_frames(name, tmp_path, request, monkeypatch):
    source = tmp_path / name
    SOURCES[name](source)
    shared = read_video(source)
    request.getfixturevalue("windows")
    monkeypatch.setattr(decode_process, "WORKER", "hostile_decoder")
    assert decode_process._open_unnamed_memory() == NOT_SHARED
    alone = read_video(source)
    assert np.array_equal(alone.frames, shared.frames) and len(alone.frames) == len(FRAMES)
    assert (alone.info, alone.numbers, alone.times) == (shared.info, shared.numbers, shared.times)


def test_the_module_itself_starts(windows, tmp_path):
    """Not through a helper: what the package runs, by its own name."""
    video = write_video(tmp_path / "a.mkv", FRAMES, "ffv1", "bgr0")
    assert np.array_equal(read_video(video).frames, FRAMES)


def test_cut_short(windows, tmp_path):
    video = write_video(tmp_path / "a.mkv", noisy_frames(), "ffv1", "bgr0")
    whole = read_video(video).frames
    video.write_bytes(video.read_bytes()[:-40_000])
    part = read_video(video, allow_truncated=True)
    assert part.damage and 0 < len(part.frames) < len(whole)
    assert np.array_equal(part.frames, whole[: len(part.frames)])


def test_large_frames_are_not_torn(windows, tmp_path):
    """Each is many times what a pipe holds."""
    frames = noisy_frames(3, 720, 1280)
    video = write_video(tmp_path / "a.avi", frames, "rawvideo", "bgr24")
    assert np.array_equal(read_video(video).frames, frames)


def test_name_that_is_no_text(tmp_path, monkeypatch):
    """Where an open file has no other name by which FFmpeg could find it."""
    file = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    assert _name_for_ffmpeg(file.with_name("a.mp4")) == file.with_name("a.mp4")
    monkeypatch.setattr("rainbench.video.container._OPEN_FILES", tmp_path / "none")
    with pytest.raises(VideoError, match="name"):
        _name_for_ffmpeg(file)
