"""Decoding: every codec, colour, orientation, time, choice of frames, folders and stacks."""

import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import scipy.io
from videos import MATRICES, from_planes, moving_frames, to_rgb, upsample, write_video

from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.frames.sources import as_source
from rainbench.video.colour import Orientation
from rainbench.video.read import VideoError, decode, probe, read_video

FRAMES = moving_frames()


def psnr(first, second):
    return 10 * np.log10(255**2 / np.mean((np.float64(first) - np.float64(second)) ** 2))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve frames at 25 a second, H.264 in MP4, with B frames."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name", "read_back"),
    [
        ("libx264", "yuv420p", "a.mp4", "h264"),
        ("libx264", "yuv420p", "a.ts", "h264"),
        ("libx265", "yuv420p10le", "a.mkv", "hevc"),
        ("libvpx-vp9", "yuv420p", "a.webm", "vp9"),
        ("libsvtav1", "yuv420p10le", "a.mp4", "av1"),
        ("mjpeg", "yuvj422p", "a.avi", "mjpeg"),
        ("mpeg4", "yuv420p", "a.avi", "mpeg4"),
        ("prores", "yuv422p10le", "a.mov", "prores"),
    ],
)
def test_lossy_codecs_give_every_frame_in_order(codec, pixel_format, name, read_back, tmp_path):
    av = pytest.importorskip("av")
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {codec}")
    frames = moving_frames(height=64, width=64)  # SVT-AV1 wants no smaller
    video = write_video(tmp_path / name, frames, codec, pixel_format)
    result = read_video(video)
    assert (result.info.codec, result.info.pixel_format) == (read_back, pixel_format)
    assert len(result.frames) == len(frames)
    assert result.times == tuple(round(i / 25, 6) for i in range(len(frames)))
    for i, frame in enumerate(result.frames):
        scores = [psnr(frame, other) for other in frames]
        assert np.argmax(scores) == i
        assert scores[i] > 20  # rough pictures at the codec's default quality


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name", "options"),
    [
        ("ffv1", "bgr0", "a.mkv", {}),
        ("rawvideo", "bgr24", "a.avi", {}),
        ("libx264rgb", "rgb24", "a.mp4", {"qp": "0"}),
        ("huffyuv", "rgb24", "a.avi", {}),
        ("ffv1", "bgra", "a.mkv", {}),
    ],
)
@pytest.mark.parametrize("size", [(32, 48), (17, 31)], ids=["even", "odd"])
def test_lossless_rgb_is_exact(codec, pixel_format, name, options, size, tmp_path):
    frames = moving_frames(5, *size)
    video = write_video(tmp_path / name, frames, codec, pixel_format, options=options)
    result = read_video(video)
    assert np.array_equal(result.frames, frames)
    assert (result.info.matrix, result.info.range, result.info.assumed) == ("rgb", "full", ())


def random_planes(bits, divisor, colour_range):
    """A picture of noise within the legal range, chroma 60..195 so that few colours clip."""
    rng, scale = np.random.default_rng(1), 2 ** (bits - 8)
    kind = np.uint8 if bits == 8 else np.uint16
    low, high = (16 * scale, 235 * scale + 1) if colour_range == "limited" else (0, 256 * scale)
    luma = rng.integers(low, high, (32, 48)).astype(kind)
    small = (32 // divisor, 48 // divisor)
    return luma, *(rng.integers(60 * scale, 196 * scale, small).astype(kind) for _ in "br")


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("colour_range", ["limited", "full"])
@pytest.mark.parametrize(
    ("pixel_format", "bits", "divisor"),
    [("yuv420p", 8, 2), ("yuv420p10le", 10, 2), ("yuv444p", 8, 1), ("yuv444p12le", 12, 1)],
)
def test_colour_follows_the_formula(matrix, colour_range, pixel_format, bits, divisor, tmp_path):
    planes = random_planes(bits, divisor, colour_range)
    frame = from_planes(pixel_format, planes)
    video = write_video(
        tmp_path / "a.mkv", [frame], "ffv1", pixel_format, matrix=matrix, colour_range=colour_range
    )
    result = read_video(video)
    assert (result.info.matrix, result.info.range) == (matrix, colour_range)
    assert result.info.assumed == ()
    luma, blue, red = (plane.astype(float) for plane in planes)
    if divisor == 2:
        blue, red = upsample(blue), upsample(red)
    error = result.frames[0] - to_rgb(luma, blue, red, matrix, colour_range, bits)
    # To nearest is 0.5; swscale's tables add 0.02. Of more than 8 bits in full range it drops the
    # lower ones: white of 10 and 12 bits becomes 255.75 and 255.94 where the formula has 255.
    tolerance = {8: 0.52, 10: 1.27, 12: 1.46}[bits if colour_range == "full" else 8]
    assert np.abs(error).max() <= tolerance
    assert abs(error.mean()) <= (0.5 if tolerance > 1 else 0.02)


def test_untagged_colour_is_bt601_limited_and_said_to_be_assumed(tmp_path):
    planes = random_planes(8, 1, "limited")
    video = write_video(tmp_path / "a.mkv", [from_planes("yuv444p", planes)], "ffv1", "yuv444p")
    result = read_video(video)
    assert result.info.assumed == ("matrix", "range")
    expected = to_rgb(*(plane.astype(float) for plane in planes), "bt601", "limited")
    assert np.abs(result.frames[0] - expected).max() <= 0.52


@pytest.mark.parametrize(("number", "curve"), [(16, "PQ"), (18, "HLG")])
@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [
        ("libx265", "yuv420p10le", "a.mp4"),
        ("libsvtav1", "yuv420p10le", "a.mp4"),
        ("prores", "yuv422p10le", "a.mov"),
        ("ffv1", "yuv422p10le", "a.mkv"),
        ("libx264", "yuv420p", "a.mkv"),
    ],
)
def test_hdr_is_refused(tmp_path, codec, pixel_format, name, number, curve):
    """Its levels would be taken for those of another curve, and look washed out."""
    frames = moving_frames(4, 64, 64)
    known = {"matrix": "bt2020", "colour_range": "limited"}
    file = write_video(tmp_path / name, frames, codec, pixel_format, transfer=number, **known)
    with pytest.raises(VideoError, match=rf"is HDR \(its curve is {curve}\)") as told:
        probe(file)
    assert "tonemap" in told.value.hint
    wide = write_video(tmp_path / f"sdr-{name}", frames, codec, pixel_format, transfer=14, **known)
    assert len(read_video(wide).frames) == 4  # BT.2020 of the usual curve


@pytest.mark.parametrize(("colour_range", "white"), [("limited", 235), ("full", 255), (None, 255)])
@pytest.mark.parametrize(("pixel_format", "scale"), [("gray", 1), ("gray10le", 4)])
def test_gray_of_either_range(colour_range, white, pixel_format, scale, tmp_path):
    kind = np.uint8 if scale == 1 else np.uint16
    black = 16 if colour_range == "limited" else 0
    luma = np.full((8, 10), black * scale, kind)
    luma[:, 5:] = white * scale + (3 if scale == 4 and white == 255 else 0)
    video = write_video(
        tmp_path / "a.mkv",
        [from_planes(pixel_format, [luma])],
        "ffv1",
        pixel_format,
        colour_range=colour_range,
    )
    result = read_video(video)
    assert result.info.matrix == "gray"
    # 10-bit gray is rounded to 8 bits as if it were full range, and only then stretched.
    tolerance = 1 if (scale, colour_range) == (4, "limited") else 0
    assert np.abs(result.frames[0][:, :5] - 0.0).max() <= tolerance
    assert np.abs(result.frames[0][:, 5:] - 255.0).max() <= tolerance


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_tag(degrees, tmp_path):
    frames = moving_frames(2, 16, 24)
    video = write_video(
        tmp_path / "a.mov", frames, "rawvideo", "rgb24", rotation=degrees, aspect=Fraction(4, 3)
    )
    result = read_video(video)
    turned = np.stack([np.rot90(frame, degrees // 90) for frame in frames])
    assert np.array_equal(result.frames, turned)  # the tag counts counterclockwise
    assert (result.info.height, result.info.width) == turned.shape[1:3]
    assert result.info.rotation == -degrees % 360
    assert not result.info.mirrored
    aspect = Fraction(3, 4) if degrees in (90, 270) else Fraction(4, 3)
    assert result.info.pixel_aspect == aspect  # noted, not applied


def test_orientations_are_named_as_they_look():
    picture = np.arange(6).reshape(2, 3)
    for transpose in (False, True):
        for flip_x in (False, True):
            for flip_y in (False, True):
                orientation = Orientation(transpose, flip_x, flip_y)
                shown = picture.T if transpose else picture
                shown = shown[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
                start = picture[:, ::-1] if orientation.mirrored else picture
                assert np.array_equal(shown, np.rot90(start, -orientation.rotation // 90))


def test_tilted_video_is_refused(tmp_path):
    video = write_video(tmp_path / "a.mov", FRAMES[:1], "rawvideo", "rgb24", rotation=45)
    with pytest.raises(VideoError, match="not a multiple of 90 degrees"):
        probe(video)


def test_variable_frame_rate_keeps_times_and_counts_frames(tmp_path):
    times = [0, 4, 9, 30, 31, 50, 51, 52, 60, 80, 81, 100]
    for name in ("a.mp4", "a.mkv"):
        video = write_video(tmp_path / name, FRAMES, times=times)
        result = read_video(video)
        assert result.times == tuple(t / 100 for t in times)
        assert result.numbers == tuple(range(12))
        part = read_video(video, start=0.3, end=0.52)
        assert part.numbers == (3, 4, 5, 6)
        assert np.array_equal(part.frames, result.frames[3:7])


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (slice(None), range(12)),
        (slice(3), range(3)),
        (slice(4, 9, 2), range(4, 9, 2)),
        (slice(10, 100), range(10, 12)),
        (slice(0, None, 5), range(0, 12, 5)),
    ],
)
def test_frames_by_number(clip, frames, expected):
    everything = read_video(clip)
    part = read_video(clip, frames=frames)
    assert part.numbers == tuple(expected)
    assert np.array_equal(part.frames, everything.frames[frames])
    assert part.frames.base is None or part.frames.base.nbytes < 2 * part.frames.nbytes


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"frames": slice(-5, None)}, "Frames count from 0"),
        ({"frames": slice(0, 5, 0)}, "cannot be chosen"),
        ({"frames": slice(5, 5)}, "is empty"),
        ({"start": 2.0, "end": 1.0}, "is empty"),
        ({"frames": slice(2), "start": 1.0}, "one or the other"),
        ({"timeout": 0.0}, "positive, finite number"),
        ({"frames": slice(50, None)}, "has 12 frames, none of them"),
        ({"start": 9.0}, "has 12 frames, none of them"),
    ],
)
def test_choices_that_make_no_sense(clip, choice, words):
    with pytest.raises(RainbenchError, match=words):
        decode(clip, **choice)


def test_probe_tells_what_the_file_says(clip):
    info = probe(clip)
    assert (info.frames, info.width, info.height, info.rate) == (12, 48, 32, 25)
    assert (info.container, info.codec, info.pixel_format) == ("mov", "h264", "yuv420p")
    assert info.duration == pytest.approx(0.48)
    assert type(info).from_json(info.to_json()) == info


@pytest.mark.parametrize(
    "name",
    [
        "two words.mp4",
        "дождь 雨 ☔.mp4",
        "a:b.mp4",
        "%03d#?.mp4",
        "-i.mp4",
        "file:x.mp4",
        "a\nb.mp4",
    ],
)
def test_odd_names(clip, name, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).frames == 12


def test_name_that_is_no_unicode(clip, tmp_path):
    video = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    try:
        video.write_bytes(clip.read_bytes())
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert len(read_video(video).frames) == 12


def test_many_videos_at_once_from_threads(clip):
    expected = read_video(clip).frames
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(read_video, [clip] * 6):
            assert np.array_equal(result.frames, expected)


def test_frames_are_the_callers_own(clip):
    with decode(clip) as stream:
        first = next(stream).image
        kept = first.copy()
        first[:] = 0
        others = [frame.image for frame in stream]
    assert all(image.flags.writeable and image.flags.c_contiguous for image in others)
    assert np.array_equal(read_video(clip).frames[0], kept)


def test_decoded_frames_suit_the_extraction(clip):
    assert as_source(read_video(clip).frames).shape == (12, 32, 48, 3)


# Folders of images


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "Дождь 1"
    images.mkdir()
    for i, frame in enumerate(FRAMES):
        write_png(images / f"frame{i}.png", frame)
    (images / "notes.txt").write_text("no image")
    (images / "._frame0.png").write_text("left by a Mac")
    return images


def test_folder_in_natural_order(folder):
    result = read_video(folder)
    assert np.array_equal(result.frames, FRAMES)
    assert (result.info.frames, result.info.container, result.times[0]) == (12, "folder", None)
    assert read_video(folder, frames=slice(9, None, 2)).numbers == (9, 11)


def test_folder_with_an_image_of_another_size(folder):
    write_png(folder / "frame7.png", FRAMES[7][:20])
    with decode(folder) as stream:
        assert [next(stream).number for _ in range(7)] == list(range(7))
        with pytest.raises(VideoError, match=r"frame 7: frame7.png is 48x20 .* 48x32") as caught:
            next(stream)
    assert caught.value.frame == 7


def test_folder_with_a_damaged_image(folder):
    image = folder / "frame5.png"
    image.write_bytes(image.read_bytes()[:-30])
    with pytest.raises(VideoError, match=r"frame 5: frame5.png is a PNG that is cut short"):
        read_video(folder)
    partial = read_video(folder, allow_truncated=True)
    assert len(partial.frames) == 5
    assert "frame 5" in partial.damage
    assert len(read_video(folder, frames=slice(5)).frames) == 5


@pytest.mark.parametrize("kind", ["16 bits", "partly transparent"])
def test_a_folder_with_an_image_that_has_to_be_converted(folder, kind):
    import cv2

    deep = np.full((32, 48, 3), 300, np.uint16)
    clear = np.full((32, 48, 4), 100, np.uint8)
    cv2.imwrite(str(folder / "frame5.png"), deep if kind == "16 bits" else clear)
    with pytest.raises(VideoError, match=kind) as caught:
        read_video(folder)
    assert "Convert it to" in caught.value.hint and "etch" not in caught.value.hint


def test_folder_knows_no_times(folder):
    with pytest.raises(VideoError, match="no time stamps"):
        read_video(folder, start=1.0)


# Stacks of MATLAB


def test_gray_stack_becomes_rgb_by_repetition(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (10, 12, 5), dtype=np.uint8)
    scipy.io.savemat(tmp_path / "a.mat", {"video": stack, "note": "text", "rate": 25.0})
    result = read_video(tmp_path / "a.mat")
    assert np.array_equal(result.frames, np.repeat(stack.transpose(2, 0, 1)[..., None], 3, -1))


def test_colour_stack_and_choice_of_the_variable(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (10, 12, 3, 5), dtype=np.uint8)
    scipy.io.savemat(tmp_path / "a.mat", {"a": stack, "b": 255 - stack})
    assert np.array_equal(
        read_video(tmp_path / "a.mat", variable="b").frames, 255 - stack.transpose(3, 0, 1, 2)
    )
    with pytest.raises(VideoError, match=r"several stacks .* a \(10, 12, 3, 5\) uint8"):
        probe(tmp_path / "a.mat")
    with pytest.raises(VideoError, match=r"no variable 'c'[\s\S]*It holds a, b"):
        probe(tmp_path / "a.mat", variable="c")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"a": np.zeros((4, 5, 6))},
            r"no stack of 8-bit frames: a .* double[\s\S]*under the name input",
        ),
        ({"a": np.zeros((4, 5, 3), np.uint8)}, "no stack"),
        ({"a": np.array([[1, "x"]], object)}, "no stack"),
        ({}, "nothing at all"),
    ],
)
def test_mat_files_without_frames(content, words, tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", content)
    with pytest.raises(VideoError, match=words):
        probe(tmp_path / "a.mat")


def test_damaged_and_foreign_mat_files(tmp_path):
    file = tmp_path / "a.mat"
    stack = np.random.default_rng(0).integers(0, 256, (40, 40, 9), dtype=np.uint8)
    scipy.io.savemat(file, {"a": stack}, do_compression=True)
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:130], b"not a stack"):
        file.write_bytes(data)
        with pytest.raises(VideoError, match=r"a\.mat: .*(damaged|nothing at all)"):
            probe(file)
    file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" + bytes(600))
    with pytest.raises(VideoError, match=r"HDF5[\s\S]*-v7"):
        probe(file)


# Real files


@pytest.mark.data
def test_yard_is_shown_upright(shared):
    with decode(shared / "data/videos/yard.mp4") as stream:
        assert (stream.info.width, stream.info.height, stream.info.rotation) == (368, 640, 90)
        shapes = {frame.image.shape for frame in stream}
        assert shapes == {(640, 368, 3)}
    last = read_video(shared / "data/videos/yard.mp4", frames=slice(375, 400))
    assert last.numbers == (375,)


@pytest.mark.data
def test_pedestrian_stack(shared):
    file = shared / "data/videos/pedestrian.mat"
    truth = scipy.io.loadmat(file)
    for variable in (None, "groundtruth"):
        result = read_video(file, variable=variable)
        expected = truth[variable or "input"].transpose(2, 0, 1)
        assert result.frames.shape == (24, 158, 238, 3)
        assert np.array_equal(result.frames, np.repeat(expected[..., None], 3, -1))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("video.avi", 374, (360, 640)),
        ("video02.avi", 748, (240, 320)),
        ("video03.avi", 1699, (240, 320)),
    ],
)
def test_clips_that_other_readers_choke_on(shared, name, count, size):
    with decode(shared / "data/background-clips" / name) as stream:
        assert (stream.info.height, stream.info.width) == size
        assert sum(1 for _ in stream) == count


@pytest.mark.parametrize(
    ("name", "options"),
    [("x.gif", {}), ("x.webp", {}), ("x.png", {}), ("one.gif", {"save_all": False})],
)
def test_an_animation_of_images_is_called_what_it_is(tmp_path, name, options):
    shades = [PIL.Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (10, 90, 200)]
    more = {"save_all": True, "append_images": shades[1:], **options}
    shades[0].save(tmp_path / name, **more)
    with pytest.raises(VideoError, match="animation of images; convert it to a folder"):
        probe(tmp_path / name)
