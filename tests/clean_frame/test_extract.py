import numpy as np
import pytest
from slow_reference import rain_on_noise

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.core.errors import RainbenchError

METHODS = ["exact", "robust", "spanet-reference", "mode", "median", "mean", "min"]


@pytest.mark.parametrize("method", METHODS)
def test_image_and_levels_agree(method):
    clean = extract_clean_frame(rain_on_noise(30), method)
    assert clean.image.dtype == np.uint8
    assert clean.levels.dtype == np.float32
    assert clean.levels.shape == clean.image.shape == (5, 13, 3)
    assert np.abs(clean.levels - clean.image).max() <= 0.5


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("median", lambda f: np.floor(np.median(f, axis=0) + 0.5)),
        ("mean", lambda f: np.floor(f.mean(axis=0) + 0.5)),
        ("min", lambda f: f.min(axis=0)),
    ],
)
@pytest.mark.parametrize("count", [2, 25, 100])
def test_references_equal_numpy(method, expected, count):
    frames = rain_on_noise(count)
    clean = extract_clean_frame(frames, method, threads=2, band_rows=2)
    assert (clean.image == expected(frames)).all()


def test_fixed_percentile():
    frames = rain_on_noise(100)
    clean = extract_clean_frame(frames, "percentile", percentile=30)
    assert np.abs(clean.levels - np.percentile(frames, 30, axis=0)).max() < 1e-3


def test_one_black_frame_does_not_spoil_a_noise_free_sequence():
    scene = np.random.default_rng(5).integers(20, 200, (12, 20, 3), np.uint8)
    frames = np.repeat(scene[None], 100, axis=0)
    rng = np.random.default_rng(6)
    rain = 50 * (rng.random((100, 12, 20, 1)) < 0.35)
    frames = (frames + rain).astype(np.uint8)
    frames[41] = 0
    clean = extract_clean_frame(frames, "exact")
    assert (clean.image == scene).all()
    assert clean.vote_share is not None and clean.vote_share > 0.95
    lowest = extract_clean_frame(frames, "exact", ties="lowest")
    assert not (lowest.image == scene).all()


def test_rain_mask_is_where_a_frame_is_brighter():
    frames = rain_on_noise(60)
    clean = extract_clean_frame(frames, "exact")
    mask = clean.rain_mask(frames[7], threshold=10)
    brighter = frames[7].mean(-1) - clean.levels.mean(-1)
    assert (mask == (brighter > 10)).all()
    assert not clean.rain_mask(clean.image).any()
    with pytest.raises(RainbenchError, match="own sequence"):
        clean.rain_mask(frames[7][:-1])


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), "0 frames"),
        (np.zeros((1, 4, 4, 3), np.uint8), "1 frame,"),
        (np.zeros((9, 4, 4), np.uint8), r"shape \(9, 4, 4\)"),
        (np.zeros((9, 4, 4, 4), np.uint8), "not \\(N, H, W, 3\\)"),
        (np.zeros((9, 4, 4, 3), np.float32), "float32, not uint8"),
        (np.zeros((9, 0, 4, 3), np.uint8), "no pixels"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "frame 1 is 5x4"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)], "frame 1 is not"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.int64)], "frame 1 holds int64"),
        ([], "0 frames"),
        ("video.mp4", "str is not a sequence"),
        (None, "NoneType"),
    ],
)
def test_bad_frames_are_refused_with_a_hint(frames, words):
    with pytest.raises(RainbenchError, match=words) as caught:
        extract_clean_frame(frames, "exact")
    assert caught.value.hint


def test_bad_options_are_refused():
    frames = rain_on_noise(5)
    with pytest.raises(RainbenchError, match="no clean-frame method 'best'"):
        extract_clean_frame(frames, "best")
    with pytest.raises(RainbenchError, match="percentile 101"):
        extract_clean_frame(frames, "percentile", percentile=101)
    with pytest.raises(RainbenchError, match="percentile None"):
        extract_clean_frame(frames, "percentile")
    with pytest.raises(RainbenchError, match="percentile 30"):
        extract_clean_frame(frames, "exact", percentile=30)


def test_a_source_that_breaks_its_promise_is_named():
    class Source:
        shape = (5, 4, 4, 3)
        band_rows = 2

        def band(self, top, bottom):
            return np.zeros((5, 1, 4, 3), np.uint8)

    with pytest.raises(RainbenchError, match=r"rows 0 to 2 .* \(5, 1, 4, 3\)"):
        extract_clean_frame(Source(), "exact")
