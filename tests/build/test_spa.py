"""Building real pairs: inputs, windows, names, splits; whole builds in this process."""

import os
import re

import numpy as np
import pytest

from rainbench.build.package import file_facts
from rainbench.build.spa_inputs import MARKER, content_hash, find_inputs, video_id
from rainbench.build.spa_layout import AcceptedSequence, choose_test_videos, lay_out
from rainbench.build.spa_options import SpaOptions, data_set_name, parse_frames, parse_size
from rainbench.build.spa_pairs import PairPlan, cut_windows, make_mask, stage_pairs, staged_pairs
from rainbench.build.spa_pool import run_all
from rainbench.errors import RainbenchError
from rainbench.images import read_image


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(path.name).encode())


def labels(paths, out):
    return [item.label for item in find_inputs(paths, out)]


def test_inputs_are_found_at_any_depth_in_natural_order(tmp_path):
    videos = tmp_path / "videos"
    touch(videos / "10.mp4", videos / "2.MOV", videos / "sub dir/ü 雨.mkv", videos / "a.mat")
    touch(videos / "notes.txt", videos / ".hidden.mp4", videos / ".cache/x.mp4")
    touch(videos / "frames/0.png", videos / "frames/1.png", videos / "sub dir/poster.jpg")
    found = labels([videos], tmp_path / "out")
    assert found == ["2.MOV", "10.mp4", "a.mat", "frames", "sub dir/ü 雨.mkv"]
    again = labels([videos, videos / "10.mp4", videos / "sub dir"], tmp_path / "out")
    assert again == found


def test_inputs_never_include_what_a_build_wrote(tmp_path):
    videos = tmp_path / "videos"
    touch(videos / "a.mp4", videos / "out/sequences/x/rainy/000.png", videos / "out/odd.mp4")
    touch(videos / "old/dataset/x.png", videos / "old" / MARKER)
    assert labels([videos], videos / "out") == ["a.mp4"]


@pytest.mark.parametrize(("given", "out"), [("videos", "videos"), ("frames", "frames/out")])
def test_out_must_not_be_an_input(tmp_path, given, out):
    touch(tmp_path / "videos/a.mp4", tmp_path / "frames/0.png")
    with pytest.raises(RainbenchError, match="is an input"):
        find_inputs([tmp_path / given], tmp_path / out)


def test_a_folder_of_images_found_below_is_protected_too(tmp_path):
    touch(tmp_path / "videos/frames/0.png")
    with pytest.raises(RainbenchError, match="folder of images"):
        find_inputs([tmp_path / "videos"], tmp_path / "videos/frames/out")


def test_missing_and_empty_inputs(tmp_path):
    with pytest.raises(RainbenchError, match="no such file"):
        find_inputs([tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(RainbenchError, match="no videos found"):
        find_inputs([tmp_path], tmp_path / "out")


def test_ids_differ_for_one_name_and_not_for_one_content(tmp_path):
    touch(tmp_path / "a/v.mp4", tmp_path / "b/v.mp4", tmp_path / "f/0.png")
    (tmp_path / "b/v.mp4").write_bytes(b"other")
    first, second, frames = find_inputs([tmp_path], tmp_path / "out")
    ids = [video_id(item, content_hash(item)) for item in (first, second, frames)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[a-z0-9_-]+-[0-9a-f]{8}", name) for name in ids)
    before = content_hash(frames)
    (tmp_path / "f/0.png").rename(tmp_path / "f/1.png")
    assert content_hash(frames) != before


@pytest.mark.parametrize("size", [(640, 368), (256, 256), (257, 256), (100, 600), (1, 1)])
@pytest.mark.parametrize("side", [0, 64, 256])
def test_windows_cover_every_pixel(size, side):
    width, height = size
    seen = np.zeros((height, width), bool)
    windows = cut_windows(width, height, side)
    for x, y, across, down in windows:
        assert x >= 0 and y >= 0 and x + across <= width and y + down <= height
        assert (across, down) == ((min(side, width), min(side, height)) if side else size)
        seen[y : y + down, x : x + across] = True
    assert seen.all()
    assert len(set(windows)) == len(windows)


def test_mask_counts_the_mean_of_the_channels():
    clean = np.full((1, 3, 3), 100, np.uint8)
    rainy = np.array([[[124, 100, 100], [123, 100, 100], [60, 250, 100]]], np.uint8)
    assert (make_mask(rainy, clean, 8)[0, :, 0] == [255, 0, 255]).all()


def staged(folder, frames=(4, 9), side=16, same=False):
    rng = np.random.default_rng(3)
    clean = rng.integers(0, 150, (24, 32, 3), np.uint8)
    plan = PairPlan(frames, cut_windows(32, 24, side), 8.0)
    rainy = [clean + (0 if same else 10 * number) for number in (4, 5, 9)]
    images = zip((4, 5, 9), (image.astype(np.uint8) for image in rainy), strict=True)
    return stage_pairs(folder, images, clean, plan, "key"), plan, clean


def test_staged_pairs_are_the_windows(tmp_path):
    pairs, plan, clean = staged(tmp_path)
    assert [(pair.frame, pair.x, pair.y) for pair in pairs[:4]] == [
        (4, 0, 0), (4, 16, 0), (4, 0, 8), (4, 16, 8),
    ]  # fmt: skip
    for pair in pairs:
        window = np.s_[pair.y : pair.y + 16, pair.x : pair.x + 16]
        images = {role: read_image(tmp_path / pair.path(role)) for role in pair.facts}
        assert (images["clean"] == clean[window]).all()
        assert (images["rainy"] == clean[window] + 10 * pair.frame).all()
        assert (images["mask"] == 255).all() and pair.rain_share == 1
        for role, facts in pair.facts.items():
            assert facts == file_facts(tmp_path / pair.path(role))
    assert staged_pairs(tmp_path, plan, "key") == pairs
    assert staged_pairs(tmp_path, plan, "another") is None


def test_staging_goes_on_with_what_is_there(tmp_path):
    pairs, _, _ = staged(tmp_path)
    (tmp_path / "pairs/pairs.json").unlink()
    kept = tmp_path / pairs[0].path("rainy")
    before = kept.stat().st_mtime_ns
    (tmp_path / pairs[1].path("rainy")).unlink()
    (tmp_path / "pairs/rainy/.4_0_0.png.77.part").write_bytes(b"half")
    assert staged(tmp_path)[0] == pairs
    assert kept.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.part"))


def test_other_pairs_replace_those_before(tmp_path):
    staged(tmp_path)
    pairs, _, _ = staged(tmp_path, frames=(5,), side=0)
    assert sorted(path.name for path in (tmp_path / "pairs/rainy").iterdir()) == ["5_0_0.png"]
    assert len(pairs) == 1


def accepted(folder, name="a-s0", video="a", **how):
    pairs, _, _ = staged(folder, **how)
    return AcceptedSequence(name, video, folder, pairs, {"method": "exact"})


def test_names_are_those_of_spa_data(tmp_path):
    sequences = [accepted(tmp_path / "a"), accepted(tmp_path / "b", "b-s0", "b", side=8)]
    train = [record for record, _, _ in lay_out(sequences, "spa", "train")]
    first = train[0].files
    assert first["rainy"] == "real_world/000/000-4/000-4_0_0.png"
    assert first["clean"] == "real_world_gt/000/000_0_0.png"
    patterns = {
        "rainy": r"real_world/(\d{3})/\1-(\d+)/\1-\2_\d+_\d+\.png",
        "clean": r"real_world_gt/(\d{3})/\1_\d+_\d+\.png",
    }
    for record in train:
        for role, pattern in patterns.items():
            assert re.fullmatch(pattern, record.files[role])
    test = [record for record, _, _ in lay_out(sequences[:1], "spa", "test")]
    assert test[3].files["rainy"] == "real_test_1000/rain/003.png"
    assert test[3].files["clean"] == "real_test_1000/gt/003gt.png"


def test_equal_rainy_pictures_are_taken_once(tmp_path):
    sequence = accepted(tmp_path, same=True)
    records = list(lay_out([sequence], "pairs", "train"))
    assert len(sequence.pairs) == 8 and len(records) == 4
    assert {record.parameters["frame"] for record, _, _ in records} == {4}


def test_choice_of_test_videos():
    videos = [f"video-{number}" for number in range(20)]
    chosen = choose_test_videos(videos, 0.25, seed=1)
    assert len(chosen) == 5 and chosen < set(videos)
    assert choose_test_videos(videos[::-1] * 2, 0.25, seed=1) == chosen
    assert choose_test_videos(videos, 0.25, seed=2) != chosen
    assert len(choose_test_videos(videos, 0.01, seed=1)) == 1
    assert len(choose_test_videos(videos, 0.999, seed=1)) == 19
    assert choose_test_videos(videos, 1, seed=1) == set(videos)
    assert choose_test_videos(videos, 0, seed=1) == frozenset()
    assert len(chosen - choose_test_videos([*videos, "new"], 0.25, seed=1)) <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpaOptions(frames=1), "too few"),
        (lambda: SpaOptions(crop=3), "too small"),
        (lambda: SpaOptions(test_share=1.5), "not a share"),
        (lambda: SpaOptions(method="best"), "no clean-frame method"),
        (lambda: parse_frames("ten"), "neither a number nor auto"),
        (lambda: parse_size("2 apples"), "not a size"),
        (lambda: parse_size("0"), "not a size"),
        (lambda: data_set_name("Mein Regen", None), "mein-regen"),
    ],
)
def test_options_that_will_not_do(make, message):
    with pytest.raises(RainbenchError, match=message):
        make()


def _square_or_die(number):
    if number == 13:
        os._exit(9)
    return number * number


def test_a_process_that_dies_takes_no_other_work_along():
    results = run_all(_square_or_die, [1, 13, 3, 4], 2, on_crash=lambda number: -number)
    assert results == [1, -13, 9, 16]
