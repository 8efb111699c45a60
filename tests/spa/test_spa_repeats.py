"""A slow video in a fast file: each frame votes once and is in one pair, under its own number."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from rain_clips import rain, tree, write_clip

from rainbench.spa.builder import build_spa
from rainbench.spa.candidate import Candidate, load_candidate
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build

FRAMES = 16
FIRST = 6


def build(clip, out, **how):
    options = SpaOptions(layout="pairs", crop=0, review=False, min_psnr=20, **how)
    return build_spa(plan_build([clip], out, options), out, options)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Every frame four times, with a little noise in the repeats, and the build of it."""
    frames = np.repeat(rain("coffee").frames[:FRAMES], 4, axis=0)
    noise = np.random.default_rng(0).integers(-1, 2, frames.shape)
    noise[::4] = 0
    folder = tmp_path_factory.mktemp("slow")
    clip = write_clip(folder / "slow.mp4", np.clip(frames + noise, 0, 255).astype(np.uint8))
    return clip, folder / "out", build(clip, folder / "out", allow_objects=1)


def test_each_frame_is_used_once(slow):
    _, out, report = slow
    (row,) = report.rows
    assert row.frames == f"{FRAMES}/{4 * FRAMES}"
    assert f"one frame in 4 is new: {FRAMES} of {4 * FRAMES} used" in row.reason
    (folder,) = (out / "sequences").iterdir()
    candidate = load_candidate(folder)
    assert candidate.numbers == candidate.used == tuple(range(0, 4 * FRAMES, 4))
    assert candidate.frames == FRAMES and candidate.scene == (0, 4 * FRAMES)


def test_pairs_bear_the_numbers_of_the_video(slow):
    _, out, _ = slow
    with next((out / "dataset").glob("*/metadata.csv")).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(0, 4 * FRAMES, 4))
    assert {row["repeats"] for row in rows} == {"left out"}
    (card,) = (out / "dataset").glob("*.toml")
    assert "each is used once" in card.read_text(encoding="utf-8")


def test_the_clean_frame_is_that_of_the_video_as_filmed(slow, tmp_path):
    _, out, _ = slow
    clip = write_clip(tmp_path / "fast.mp4", rain("coffee").frames[:FRAMES])
    build(clip, tmp_path / "out", allow_objects=1)
    pictures = [next((o / "sequences").glob("*/clean.png")) for o in (out, tmp_path / "out")]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_frames_that_are_decoded_again_and_a_build_that_continues_give_the_same_bytes(
    slow, tmp_path
):
    clip, out, report = slow
    again = build(clip, tmp_path / "out", allow_objects=1, memory=1, workers=2)
    assert again.rows == report.rows
    whole = tree(tmp_path / "out")
    assert whole == tree(out)
    (folder,) = (tmp_path / "out/sequences").iterdir()
    (folder / "pairs/pairs.json").unlink()
    (folder / "record.json").unlink()
    build(clip, tmp_path / "out", allow_objects=1)
    assert tree(tmp_path / "out") == whole


def test_a_span_and_a_number_of_frames_count_in_the_video(slow, tmp_path):
    clip, _, _ = slow
    table = tmp_path / "videos.csv"
    table.write_text(f"video,start,end\n{clip.name},{FIRST},60\n", encoding="utf-8")
    options = SpaOptions(layout="pairs", frames=5, min_psnr=20, allow_objects=1)
    build_spa(plan_build([clip], tmp_path / "out", options, table), tmp_path / "out", options)
    (folder,) = (tmp_path / "out/sequences").iterdir()
    candidate = load_candidate(folder)
    assert candidate.scene == (FIRST, 60) and candidate.first == FIRST
    assert candidate.used == (6, 8, 12, 16, 20)


def test_a_still_scene_without_rain_keeps_its_frames(tmp_path):
    noise = np.random.default_rng(0).integers(0, 3, (30, *rain("coffee").frames[0].shape))
    still = (rain("coffee").frames[:1] // 2 + noise).astype(np.uint8)
    (row,) = build(write_clip(tmp_path / "still.mp4", still), tmp_path / "out").rows
    assert row.frames == "30/30" and "repeat" not in row.reason


def test_a_candidate_of_former_times_has_all_frames(slow, tmp_path):
    _, out, _ = slow
    (folder,) = (out / "sequences").iterdir()
    values = json.loads((folder / "candidate.json").read_text(encoding="utf-8"))
    del values["numbers"]
    candidate = Candidate(**values)
    assert candidate.used == range(FRAMES)
    assert dataclasses.replace(candidate, first=7).used == range(7, 7 + FRAMES)
