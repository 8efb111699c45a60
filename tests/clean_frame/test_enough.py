"""Stills, hanging videos and tiny frames are refused, not judged to be perfect."""

import numpy as np
import pytest
from sequences import HELD_OUT, make_sequence

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.enough import stands_still
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.frames.sources import as_source
from rainbench.spa.builder import build_spa
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build


@pytest.fixture(scope="module")
def rainy():
    return make_sequence(HELD_OUT[0], 48, 64).frames[:30]


def judged(frames):
    return judge_clean_frame(frames, extract_clean_frame(frames))


@pytest.mark.parametrize("moving", [0, 1, 4, 14])
def test_a_video_that_hangs_is_not_taken_for_a_perfect_clean_frame(rainy, moving):
    hangs = np.concatenate([rainy[:moving], np.repeat(rainy[29:], 30 - moving, axis=0)])
    with pytest.raises(RainbenchError, match=f"{30 - moving} of 30 frames in a row are the same"):
        judged(hangs)


def test_few_pictures_that_take_turns_are_too_few(rainy):
    with pytest.raises(RainbenchError, match="only 3 of 30 frames are new"):
        judged(np.repeat(rainy[:3], 10, axis=0))


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (9, 40), (40, 9)])
def test_tiny_frames_are_refused_by_their_size(size):
    frames = np.random.default_rng(0).integers(0, 255, (20, *size, 3)).astype(np.uint8)
    with pytest.raises(RainbenchError, match=f"the frames are {size[1]}x{size[0]}: too small"):
        judged(frames)


def test_a_nearly_black_video_is_judged():
    frames = np.zeros((20, 48, 64, 3), np.uint8)
    frames[::2, 20, 20] = 60
    judged(frames)


def test_one_row_that_differs_is_found_in_any_band():
    frames = np.zeros((12, 90, 16, 3), np.uint8)
    frames[5:, 89] = 1
    assert stands_still(as_source(frames)).startswith("7 of 12 frames")
    frames[[2, 7, 9], 3] += 1
    assert stands_still(as_source(frames)) == ""


def test_a_build_refuses_a_still_and_goes_on_after_a_title(tmp_path, rainy):
    for name in ("still", "title"):
        (tmp_path / name).mkdir()
    for number in range(30):
        write_png(tmp_path / f"still/{number:02}.png", rainy[0])
        write_png(tmp_path / f"title/1{number:02}.png", rainy[number])
    for number in range(20):
        write_png(tmp_path / f"title/0{number:02}.png", rainy[0])
    options = SpaOptions(layout="pairs", crop=0, min_psnr=10, density="sparse", frames="paper")
    out = tmp_path / "out"
    plan = plan_build([tmp_path / "still", tmp_path / "title"], out, options)
    still, title = sorted(build_spa(plan, out, options).rows, key=lambda row: row.video)
    assert (still.state, still.pairs) == ("failed", 0)
    assert "are the same picture" in still.reason
    assert title.state != "failed"
