"""What a codec took is seen on drawings, too: sharp edges between colours, unlike photographs'."""

import cv2
import numpy as np
import pytest
import skimage.data
from hard_sequences import hard_sequence
from hard_weather import rain_layers
from sequences import Spec, fit_photo
from videos import write_video

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.codec import estimate_codec_loss
from rainbench.frames.sources import as_source
from rainbench.video.read import read_video

HEIGHT, WIDTH, FRAMES = 96, 128, 40


def drawing(seed):
    """Boxes of many colours, their edges as sharp as a lens leaves them."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), 110, np.float32)
    for _ in range(25):
        y, x = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
        height, width = rng.integers(6, HEIGHT // 3, 2)
        picture[y : y + height, x : x + width] = rng.uniform(10, 220, 3)
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


def rainy(scene, seed):
    rng = np.random.default_rng(seed)
    frames = np.repeat(scene[None], FRAMES, axis=0)
    height, width, _ = scene.shape
    for frame in frames:
        for x, y in zip(rng.integers(0, width, 40), rng.integers(0, height, 40), strict=True):
            frame[y : y + 9, x] += 60
    frames += rng.normal(0, 1, frames.shape)
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("crf", [10, 20, 28])
def test_what_a_codec_took_of_sharp_colours_is_seen(tmp_path, seed, crf):
    scene = drawing(seed)
    options = {"crf": str(crf), "preset": "medium"}
    path = tmp_path / "clip.mp4"
    write_video(path, list(rainy(scene, seed)), "libx264", "yuv420p", options=options)
    frames = read_video(path).frames
    clean = extract_clean_frame(frames, "robust")
    lost = estimate_codec_loss(as_source(frames), as_source(frames), clean, 1.5)
    true = float(np.square(clean.levels - scene).mean())
    assert lost.least / 1.5 < true < 1.5 * lost.most


@pytest.mark.parametrize("picture", ["coffee", "astronaut"])
@pytest.mark.parametrize(
    ("encoder", "pixels", "options"),
    [
        ("libx264", "yuv420p", {"crf": "20", "preset": "medium"}),
        ("libx264", "yuv420p", {"crf": "30", "preset": "medium"}),
        ("libx264", "yuv444p", {"crf": "26", "preset": "medium"}),
        ("libx264", "yuv420p", {"crf": "30", "preset": "veryslow", "g": "500"}),
    ],
)
def test_what_a_codec_took_of_a_photograph_is_seen(tmp_path, picture, encoder, pixels, options):
    """As a reader gives it, with its colour enlarged along a curve."""
    scene = fit_photo(getattr(skimage.data, picture)(), 128, 192).astype(np.float32)
    path = tmp_path / "clip.mkv"
    write_video(path, list(rainy(scene, 3)), encoder, pixels, options=options)
    frames = read_video(path).frames
    clean = extract_clean_frame(frames, "robust")
    lost = estimate_codec_loss(as_source(frames), as_source(frames), clean, 1.5)
    assert 0 < float(np.square(clean.levels - scene).mean()) < 1.5 * lost.most


def filmed(scene):
    """Rain of many streaks, and noise of two levels: hardly a sample repeats the one before."""
    rng = np.random.default_rng(3)
    spec = Spec("film", "", FRAMES, rain=2.0)
    frames = np.stack([scene + rain[..., None] for rain in rain_layers(rng, spec, scene.shape[:2])])
    frames += rng.normal(0, 2, frames.shape)
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


def copied(path):
    """Frames as most readers give them, each sample of colour copied to four pixels."""
    import av

    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def most_lost(frames, scene):
    """Return the most that was lost by the estimate, over what was lost."""
    clean = extract_clean_frame(frames, "robust")
    most = estimate_codec_loss(as_source(frames), as_source(frames), clean, 1.5).most
    return most / float(np.square(clean.levels - scene).mean())


@pytest.mark.parametrize(
    ("light", "encoder", "pixels", "options"),
    [
        (1.0, "libx265", "yuv420p", {"crf": "30", "preset": "fast"}),
        (1.0, "libx265", "yuv420p10le", {"crf": "30", "preset": "fast"}),
        (1.0, "mpeg2video", "yuv420p", {"qmin": "4", "qmax": "4"}),
        (0.2, "libx264", "yuv420p", {"crf": "26", "preset": "medium"}),
        (0.2, "libvpx-vp9", "yuv420p", {"crf": "45", "cpu-used": "6"}),
        (0.2, "libsvtav1", "yuv420p", {"crf": "45", "preset": "10"}),
    ],
)
def test_what_a_codec_took_is_seen_where_colour_is_copied(
    tmp_path, light, encoder, pixels, options
):
    scene = light * fit_photo(skimage.data.coffee(), 128, 192).astype(np.float32)
    path = write_video(tmp_path / "clip.mkv", filmed(scene), encoder, pixels, options=options)
    assert most_lost(copied(path), scene) > 1 / 1.5


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("libx264", {"crf": "26", "preset": "ultrafast"}),
        ("mpeg4", {"qmin": "8", "qmax": "8"}),
        ("mpeg2video", {"qmin": "8", "qmax": "8"}),
    ],
)
def test_no_more_is_said_to_be_lost_where_blocks_show(tmp_path, encoder, options):
    """These encoders do not smooth the edges of their blocks."""
    scene = fit_photo(skimage.data.astronaut(), 128, 192).astype(np.float32)
    path = write_video(tmp_path / "clip.mkv", rainy(scene, 3), encoder, options=options)
    assert 1 / 1.5 < most_lost(read_video(path).frames, scene) < 6


def test_a_rendered_scene_that_is_smooth_along_rows_went_through_no_codec():
    """Its pixels tell those to the right of them, as no noise hides them, but not those below."""
    frames = hard_sequence("plain+noiseless", seed=2).frames
    clean = extract_clean_frame(frames, "robust")
    assert estimate_codec_loss(as_source(frames), as_source(frames), clean, 1.5).most == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_taken_where_there_was_no_codec(seed):
    frames = rainy(drawing(seed), seed)
    clean = extract_clean_frame(frames, "robust")
    assert estimate_codec_loss(as_source(frames), as_source(frames), clean, 1.5).most == 0
