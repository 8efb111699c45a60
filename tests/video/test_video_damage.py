"""Bad and hostile input: damage, crashes, hangs, and callers who leave early."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from videos import moving_frames, noisy_frames, write_sound, write_video

from rainbench.video import process as decode_process
from rainbench.video.read import VideoError, decode, probe, read_video

FRAMES = noisy_frames()
HELPERS = Path(__file__).parents[1] / "helpers"


def gone(pid):
    """Whether a process has ended; one that awaits its parent's notice counts, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ends_soon(pid):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if gone(pid):
            return True
        time.sleep(0.02)
    return False


KINDS = {
    "a.mp4": ("libx264", "yuv420p", {"movflags": "faststart"}),
    "a.mkv": ("libx264", "yuv420p", {}),
    "a.webm": ("libvpx-vp9", "yuv420p", {}),
    "b.mp4": ("libx265", "yuv420p", {"movflags": "faststart"}),
    "c.mp4": ("libsvtav1", "yuv420p", {"movflags": "faststart"}),
    "a.avi": ("mpeg4", "yuv420p", {}),
    "b.avi": ("mjpeg", "yuvj420p", {}),
    "c.avi": ("rawvideo", "bgr24", {}),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, (codec, pixel_format, options) in KINDS.items():
        write_video(folder / name, FRAMES, codec, pixel_format, **options)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_cut_short_anywhere(videos, name, tmp_path):
    """Whatever is handed out is right, and an error follows unless only the index is lost."""
    data = (videos / name).read_bytes()
    whole = read_video(videos / name).frames
    for share in (0.5, 0.8, 0.93):
        cut = tmp_path / name
        cut.write_bytes(data[: int(len(data) * share)])
        good = []
        try:
            with decode(cut) as stream:
                good.extend(frame.image for frame in stream)
            assert len(good) == len(whole)
        except VideoError as error:
            assert error.path == cut
            assert "cut short" in str(error) or error.frame == len(good)
            if good:
                partial = read_video(cut, allow_truncated=True)
                assert np.array_equal(partial.frames, good)
                assert partial.damage.startswith(f"frame {len(good)}: ")
                part = read_video(cut, frames=slice(len(good)))
                assert not part.damage
        assert np.array_equal(good, whole[: len(good)] if good else [])
    assert len(good) < len(whole) or name.endswith("avi")


def test_cut_between_two_frames(videos, tmp_path):
    """The last whole block is complete, so that no decoder notices anything."""
    data = (videos / "a.mkv").read_bytes()
    cut = tmp_path / "a.mkv"
    last = data.rindex(b"\xa3")  # a block of Matroska
    cut.write_bytes(data[: data.rindex(b"\xa3", 0, last - 1)])
    with pytest.raises(VideoError, match="is missing: the file is cut short by"):
        read_video(cut)


def test_mp4_without_its_index(tmp_path):
    video = write_video(tmp_path / "a.mp4", FRAMES)
    video.write_bytes(video.read_bytes()[:15000])
    with pytest.raises(VideoError, match="cut short: its index"):
        read_video(video, allow_truncated=True)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "c.avi"])
def test_damaged_frame(videos, name, tmp_path):
    """The data of one frame are overwritten; what is shown before it comes out first."""
    av = pytest.importorskip("av")
    with av.open(str(videos / name)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    data = (videos / name).read_bytes()
    position = data.index(packets[9])
    bad = tmp_path / name
    size = len(packets[9])
    bad.write_bytes(data[:position] + b"\xff" * size + data[position + size :])
    undamaged = read_video(videos / name)
    whole = undamaged.frames
    good = []
    with (
        pytest.raises(VideoError, match=r"cannot be decoded|is damaged") as caught,
        decode(bad) as stream,
    ):
        good.extend(frame.image for frame in stream)
    assert caught.value.frame == len(good)
    assert 5 <= len(good) <= 9  # B frames are stored out of order
    assert np.array_equal(good, whole[: len(good)])
    partial = read_video(bad, allow_truncated=True)
    assert len(partial.frames) == len(good)
    assert partial.times == undamaged.times[: len(good)]  # of the decoder's last frames, too


@pytest.mark.parametrize("marker", [b"\0\0", b"\xff\xde"])
def test_a_jpeg_frame_without_a_picture(videos, tmp_path, marker):
    """FFmpeg hands out what its memory held before, without a word."""
    data = bytearray((videos / "b.avi").read_bytes())
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    data[scans[2] : scans[2] + 2] = marker
    bad = tmp_path / "b.avi"
    bad.write_bytes(data)
    with pytest.raises(VideoError, match="frame 2: is damaged: it holds no picture"):
        read_video(bad)
    assert len(read_video(bad, allow_truncated=True).frames) == 2


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.mp4", None, "there is no such file"),
        ("a.mp4", b"", "is empty"),
        ("a.mp4", b"Not a film\n" * 50, "it is a text file"),
        ("a.mp4", b"<!DOCTYPE html><html>", "error page of a failed download"),
        ("a.mp4", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        ("a.avi", bytes(5000), "zeros only"),
        ("a.mkv", np.random.default_rng(0).bytes(5000), "is not a video that can be read"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/a.ts\n", "it is a playlist"),
        ("a.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n", "it is a text file"),
        ("a.ans", b"\x1b[31mred\n", "it is a text file"),
    ],
)
def test_what_is_no_video(name, data, words, tmp_path):
    file = tmp_path / name
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(VideoError, match=words) as caught:
        decode(file)
    assert str(file) in str(caught.value)


def test_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(VideoError, match="is a folder without images"):
        decode(tmp_path)


def test_special_files_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match="not a regular file"):
        decode(tmp_path / "a.mp4")


def test_sound_only(tmp_path):
    with pytest.raises(VideoError, match="holds sound but no video"):
        probe(write_sound(tmp_path / "a.m4a"))


def test_video_without_a_frame(videos, tmp_path):
    """An AVI file whose list of frames is empty."""
    data = (videos / "c.avi").read_bytes()
    start = data.index(b"movi")
    empty = data[: start - 4] + struct.pack("<I", 4) + b"movi"
    file = tmp_path / "a.avi"
    file.write_bytes(empty[:4] + struct.pack("<I", len(empty) - 8) + empty[8:])
    with pytest.raises(VideoError, match=r"a\.avi: holds no frames"):
        decode(file)


def test_size_that_changes(tmp_path):
    parts = [
        write_video(tmp_path / f"{i}.h264", moving_frames(6, 48, width), container="h264")
        for i, width in enumerate((64, 80))
    ]
    joined = tmp_path / "a.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with decode(joined) as stream:
        numbers = []
        with pytest.raises(VideoError, match="frame 6: is 80x48 but frame 0 is 64x48"):
            numbers.extend(frame.number for frame in stream)
    assert len(read_video(joined, frames=slice(6)).frames) == 6


@pytest.mark.parametrize("size", [(100_000, 100_000), (60_000, 8_000), (2**31 - 1, 1)])
def test_absurd_sizes_are_refused_before_memory_is_taken(videos, size, tmp_path):
    data = bytearray((videos / "c.avi").read_bytes())
    header = data.index(b"strf") + 8
    data[header + 4 : header + 12] = struct.pack("<ii", *size)
    file = tmp_path / "a.avi"
    file.write_bytes(data)
    started = time.monotonic()
    with pytest.raises(VideoError, match=r"a\.avi: "):
        decode(file)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("place", [-1, -3, -4])
def test_checksum_of_a_matlab_variable_is_checked(place, tmp_path):
    file = tmp_path / "a.mat"
    scipy.io.savemat(file, {"input": np.stack(FRAMES[:3], -1)}, do_compression=True)
    assert len(read_video(file).frames) == 3
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    with pytest.raises(VideoError, match="damaged"):
        read_video(file)


# Crashes, hangs and callers who leave


@pytest.fixture(params=["posix", "windows"])
def hostile(request, monkeypatch, tmp_path):
    if request.param == "windows":
        request.getfixturevalue("windows")
    monkeypatch.syspath_prepend(str(HELPERS))
    monkeypatch.setattr(decode_process, "WORKER", "hostile_decoder")
    return tmp_path


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("segfault", r"crashed \(SIGSEGV\)"),
        ("kill", r"crashed \(SIGKILL\)"),
        ("abort", r"crashed \(SIGABRT\)"),
        ("exit", r"crashed \(exit status 3\)"),
        ("raise", r"crashed \(RuntimeError: a fault of the decoder\)"),
        ("gobble", "needs more than 8 GiB"),
    ],
)
@pytest.mark.parametrize("number", [0, 7])
def test_crash_is_an_error_after_the_good_frames(hostile, deed, words, number):
    images = []
    with (
        pytest.raises(VideoError, match=f"frame {number}: .*{words}") as caught,
        decode(hostile / f"{deed}-{number}", allow_truncated=True) as stream,
    ):
        images.extend(frame.image for frame in stream)
    assert caught.value.frame == number
    assert [int(image[0, 0, 0]) for image in images] == list(range(number))


def test_hang_is_stopped(hostile):
    with decode(hostile / "hang-3", timeout=1.5) as stream:
        pid = stream.pid
        with pytest.raises(VideoError, match=r"frame 3: no frame came within 1.5 s"):
            list(stream)
        assert gone(pid)
        assert list(stream) == []


@pytest.mark.parametrize("deed", ["hang", "seize"])
def test_hung_decoder_ends_by_itself(hostile, deed, monkeypatch):
    """Nobody asks for the next frame, and so nobody notices and kills it."""
    monkeypatch.setenv("GRACE", "0")
    with decode(hostile / f"{deed}-2", timeout=1) as stream:
        assert ends_soon(stream.pid)
        with pytest.raises(VideoError, match=r"frame 2: the decoder crashed \(it hung\)"):
            list(stream)


def test_what_a_library_prints_does_no_harm(hostile):
    with decode(hostile / "chatter-2") as stream:
        assert [next(stream).number for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("how", ["close", "drop", "raise", "exhaust"])
def test_nothing_is_left_behind(videos, how):
    before = {file.name for file in Path("/proc/self/fd").iterdir()}
    stream = decode(videos / "a.mp4")
    pid = stream.pid
    assert not gone(pid)
    next(stream)
    if how == "close":
        stream.close()
        stream.close()
        assert list(stream) == []
    elif how == "raise":
        with pytest.raises(KeyError), stream:
            raise KeyError
    elif how == "exhaust":
        assert len(list(stream)) == len(FRAMES) - 1
    del stream
    assert not Path(f"/proc/{pid}").exists()  # not even a zombie
    assert {file.name for file in Path("/proc/self/fd").iterdir()} == before


def test_slow_reader_holds_the_decoder_back(hostile):
    """An endless video: the decoder fills its slots, then waits."""
    with decode(hostile / "none-99999999") as stream:
        next(stream)
        time.sleep(0.3)
        stat = Path(f"/proc/{stream.pid}/stat")
        used = stat.read_text().split()[13:15]
        time.sleep(0.3)
        assert stat.read_text().split()[13:15] == used
        assert [next(stream).number for _ in range(500)] == list(range(1, 501))


def test_killed_caller_takes_the_decoder_along(hostile):
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "if 'WITHOUT_POSIX' in os.environ: del os.fork\n"
        "from rainbench.video import process as decode_process\n"
        "from rainbench.video.read import decode\n"
        "decode_process.WORKER = 'hostile_decoder'\n"
        "stream = decode(Path('none-99999999')); next(stream)\n"
        "print(stream.pid, flush=True); time.sleep(100)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HELPERS), *sys.path])},
        cwd=hostile,
    ) as caller:
        pid = int(caller.stdout.readline())
        assert not gone(pid)
        caller.send_signal(signal.SIGKILL)
    assert ends_soon(pid)


def test_the_caller_never_loads_the_codecs(videos):
    code = (
        "import sys; from pathlib import Path\n"
        "from rainbench.video.read import read_video\n"
        f"assert len(read_video(Path({str(videos / 'a.mp4')!r})).frames) == {len(FRAMES)}\n"
        "print('av' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_checksums_of_the_codec_are_checked(tmp_path):
    """FFV1 of version 3 protects each slice: a single wrong bit is noticed."""
    av = pytest.importorskip("av")
    options = {"level": "3", "slicecrc": "1", "slices": "4"}
    video = write_video(tmp_path / "a.mkv", FRAMES[:4], "ffv1", "bgr0", options=options)
    with av.open(str(video)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    data = bytearray(video.read_bytes())
    data[data.index(packets[2]) + len(packets[2]) // 2] ^= 1
    video.write_bytes(data)
    with pytest.raises(VideoError, match=r"frame 2: .* checksum is wrong"):
        read_video(video)


UNSTATED = {
    "a.y4m": ("wrapped_avframe", "yuv420p", None, {}),
    "b.y4m": ("wrapped_avframe", "yuv444p10le", None, {"strict": "-1"}),
    "c.y4m": ("wrapped_avframe", "gray", None, {}),
    "a.obu": ("libsvtav1", "yuv420p", None, {}),
    "a.mjpeg": ("mjpeg", "yuvj420p", "mjpeg", {}),
    "a.ts": ("mpeg2video", "yuv420p", None, {}),
    "live.mkv": ("libx264", "yuv420p", None, {"live": "1"}),
}


@pytest.mark.parametrize("name", UNSTATED)
def test_cut_within_the_last_frame_of_a_file_that_states_no_length(name, tmp_path):
    """Nothing of it may be missing in silence: FFmpeg passes over what is left of the frame."""
    codec, pixel_format, container, options = UNSTATED[name]
    file = tmp_path / name
    write_video(file, FRAMES[:9], codec, pixel_format, container=container, **options)
    data = file.read_bytes()
    whole = read_video(file).frames
    assert len(whole) == 9
    for lost in (20, 400):
        file.write_bytes(data[:-lost])
        with pytest.raises(VideoError, match=r"cut short|not complete|cannot be decoded") as error:
            read_video(file)
        partial = read_video(file, allow_truncated=True)
        assert len(partial.frames) == error.value.frame < 9
        assert np.array_equal(partial.frames, whole[: len(partial.frames)])


def test_how_many_frames_are_lost_with_the_end(videos, tmp_path):
    cut = tmp_path / "a.mp4"
    cut.write_bytes((videos / "a.mp4").read_bytes()[:-3000])
    with pytest.raises(VideoError, match=r", \d of the 20 frames that it announces are lost") as e:
        read_video(cut)
    assert f", {20 - e.value.frame} of the 20 " in str(e.value)
