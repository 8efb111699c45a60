"""Building real pairs: inputs, windows, names, splits; whole builds in this process."""

import csv
import dataclasses
import errno
import inspect
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from rain_clips import pan, rain, tree, write_bad, write_clip
from sequences import psnr

from rainbench.catalog.schema import read_card
from rainbench.core.errors import RainbenchError, StoreError
from rainbench.core.images import read_image, write_png
from rainbench.core.pool import run_all
from rainbench.core.resume import write_record
from rainbench.core.text import parse_size
from rainbench.packaging.names import checked_name
from rainbench.packaging.package import file_facts
from rainbench.packaging.split import choose_test_videos
from rainbench.pairs.load import load_pairs
from rainbench.spa import options as spa_options
from rainbench.spa import plan
from rainbench.spa.builder import build_spa
from rainbench.spa.candidate import Candidate, load_candidate, save_candidate
from rainbench.spa.frames import VideoFrames
from rainbench.spa.inputs import MARKER, content_hash, find_inputs, video_id
from rainbench.spa.layout import AcceptedSequence, lay_out
from rainbench.spa.options import SpaOptions, choose_device, parse_frames
from rainbench.spa.pairs import PairPlan, cut_windows, known_pairs, make_mask, write_pairs
from rainbench.spa.plan import plan_build
from rainbench.spa.review.candidates import find_pictures
from rainbench.spa.review.sequences import load_sequences


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


@pytest.mark.parametrize("ending", ["3gp", "M2TS", "vob", "m2v", "h264", "hevc", "ivf", "asf"])
def test_videos_of_phones_cameras_and_encoders_are_not_passed_over(tmp_path, ending):
    touch(tmp_path / f"videos/clip.{ending}")
    assert labels([tmp_path / "videos"], tmp_path / "out") == [f"clip.{ending}"]


def test_inputs_never_include_what_a_build_wrote(tmp_path):
    videos = tmp_path / "videos"
    touch(videos / "a.mp4", videos / "new/odd.mp4", videos / "new/x/rainy/000.png")
    touch(videos / "new" / MARKER)
    touch(videos / "old/dataset/x.png", videos / "old" / MARKER)
    assert labels([videos], tmp_path / "out") == ["a.mp4"]


@pytest.mark.parametrize(
    "out", ["videos", "videos/out", "videos/frames/out", "away/../videos/x", "link/out"]
)
def test_out_must_not_lie_in_an_input(tmp_path, out):
    touch(tmp_path / "videos/a.mp4", tmp_path / "videos/frames/0.png", tmp_path / "away/b.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "videos")
    with pytest.raises(RainbenchError, match="lies in the input folder"):
        find_inputs([tmp_path / "away/b.mp4", tmp_path / "videos"], tmp_path / out)
    assert labels([tmp_path / "away/b.mp4"], tmp_path / "away/out") == ["b.mp4"]


def test_missing_and_empty_inputs(tmp_path):
    with pytest.raises(RainbenchError, match="no such file"):
        find_inputs([tmp_path / "nowhere"], tmp_path.parent / "out")
    with pytest.raises(RainbenchError, match="no videos found"):
        find_inputs([tmp_path], tmp_path.parent / "out")


def test_ids_differ_for_one_name_and_not_for_one_content(tmp_path):
    touch(tmp_path / "a/v.mp4", tmp_path / "b/v.mp4", tmp_path / "f/0.png")
    (tmp_path / "b/v.mp4").write_bytes(b"other")
    first, second, frames = find_inputs([tmp_path], tmp_path.parent / "out")
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


def written(folder, frames=(4, 9), side=16, same=False):
    rng = np.random.default_rng(3)
    clean = rng.integers(0, 150, (24, 32, 3), np.uint8)
    plan = PairPlan(frames, cut_windows(32, 24, side), 8.0)
    rainy = [clean + (0 if same else 10 * number) for number in (4, 5, 9)]
    nothing = np.zeros((24, 32), bool)
    images = [
        (n, image.astype(np.uint8), nothing) for n, image in zip((4, 5, 9), rainy, strict=True)
    ]
    return write_pairs(folder, images, clean, plan, "key"), plan, clean


def test_written_pairs_are_the_windows(tmp_path):
    pairs, plan, clean = written(tmp_path)
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
    assert known_pairs(tmp_path, plan, "key") == pairs
    assert known_pairs(tmp_path, plan, "another") is None


def test_writing_pairs_continues_with_what_is_there(tmp_path):
    pairs, _, _ = written(tmp_path)
    (tmp_path / "pairs/pairs.json").unlink()
    kept = tmp_path / pairs[0].path("rainy")
    before = kept.stat().st_mtime_ns
    (tmp_path / pairs[1].path("rainy")).unlink()
    (tmp_path / "pairs/rainy/.4_0_0.png.77.part").write_bytes(b"half")
    assert written(tmp_path)[0] == pairs
    assert kept.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:-1] + b"x"])
def test_a_damaged_or_edited_pair_is_made_again(tmp_path, damage):
    pairs, plan, _ = written(tmp_path)
    victim = tmp_path / pairs[0].path("mask")
    whole = victim.read_bytes()
    victim.write_bytes(damage(whole))
    assert known_pairs(tmp_path, plan, "key") is None
    assert written(tmp_path)[0] == pairs and victim.read_bytes() == whole
    assert known_pairs(tmp_path, plan, "key") == pairs


@pytest.mark.parametrize("name", ["clean.png", "rainy/000.png", "candidate.json"])
def test_a_candidate_counts_only_while_its_files_are_as_they_were(tmp_path, name):
    picture = np.full((4, 5, 3), 9, np.uint8)
    values = {field.name: "" for field in dataclasses.fields(Candidate)}
    save_candidate(tmp_path, Candidate(**values), picture, [picture])
    assert load_candidate(tmp_path) is not None
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole + b" ")
    assert load_candidate(tmp_path) is None
    (tmp_path / name).unlink()
    assert load_candidate(tmp_path) is None
    (tmp_path / name).write_bytes(whole)
    assert load_candidate(tmp_path) is not None


def test_a_candidate_of_an_earlier_version_is_read(tmp_path):
    """0.1.0 called the exposure ``gains``."""
    picture = np.full((4, 5, 3), 9, np.uint8)
    values = {field.name: "" for field in dataclasses.fields(Candidate)}
    candidate = Candidate(**{**values, "exposure": (0.5, 2.0)})
    save_candidate(tmp_path, candidate, picture, [picture])
    file = tmp_path / "candidate.json"
    file.write_bytes(file.read_bytes().replace(b'"exposure"', b'"gains"'))
    files = [file, tmp_path / "clean.png", tmp_path / "rainy/000.png"]
    write_record(tmp_path / "record.json", candidate.key, files)
    assert load_candidate(tmp_path) == candidate


def test_other_pairs_replace_those_before(tmp_path):
    written(tmp_path)
    pairs, _, _ = written(tmp_path, frames=(5,), side=0)
    assert sorted(path.name for path in (tmp_path / "pairs/rainy").iterdir()) == ["5_0_0.png"]
    assert len(pairs) == 1


def accepted(folder, name="a-s0", video="a", **how):
    pairs, _, _ = written(folder, **how)
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
        (lambda: SpaOptions(min_psnr=float("nan")), "no number of dB"),
        (lambda: SpaOptions(min_psnr=float("inf")), "no number of dB"),
        (lambda: SpaOptions(method="best"), "no clean-frame method"),
        (lambda: parse_frames("ten"), "neither a number nor auto"),
        (lambda: parse_size("2 apples"), "not a size"),
        (lambda: parse_size("0"), "not a size"),
        (lambda: checked_name("Mein Regen"), "mein-regen"),
        (lambda: checked_name("x" * 300), "has 300 letters"),
    ],
)
def test_options_that_will_not_do(make, message):
    with pytest.raises(RainbenchError, match=message):
        make()


@pytest.mark.parametrize(("least", "state"), [(40, "accepted"), (70, "rejected")])
def test_min_psnr_counts_above_what_the_judge_asks_for_too(tmp_path, least, state):
    clip = write_clip(tmp_path / "clip.mp4", rain("coffee").frames)
    options = SpaOptions(method="exact", density="normal", min_psnr=least)
    (row,) = build_spa(
        plan_build([clip], tmp_path / "out", options), tmp_path / "out", options
    ).rows
    assert row.state == state
    assert least <= row.estimated_psnr or "with 40 frames, less than 70" in row.reason


def _square_or_die(number):
    if number == 13:
        os._exit(9)
    return number * number


def test_a_process_that_dies_takes_no_other_work_along():
    results = run_all(_square_or_die, [1, 13, 3, 4], 2, on_crash=lambda number: -number)
    assert results == [1, -13, 9, 16]


def build(paths, out, **how):
    options = SpaOptions(
        **{"method": "exact", "layout": "pairs", "max_frames": 6, "name": "toy", **how}
    )
    return build_spa(plan_build(paths, out, options), out, options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder of videos of all kinds, built into a folder beside it."""
    videos = tmp_path_factory.mktemp("spa") / "videos"
    good = write_clip(videos / "Hof im Regen 雨.mp4", rain("chelsea").frames)
    write_clip(videos / "a/v.mp4", rain("coffee").frames)
    write_clip(videos / "b/v.mp4", rain("rocket").frames)
    write_clip(videos / "b/z.mp4", rain("rocket").frames)
    write_clip(videos / "cut.mkv", np.concatenate([rain("coins").frames, rain("cup").frames]))
    write_clip(videos / "pan.mp4", pan())
    write_bad(videos / "bad", good)
    for number, frame in enumerate(rain("engine").frames):
        (videos / "frames").mkdir(exist_ok=True)
        write_png(videos / f"frames/{number}.png", frame)
    (videos / "bad/sizes").mkdir()
    for number, side in enumerate((40, 40, 41)):
        write_png(videos / f"bad/sizes/{number}.png", np.full((32, side, 3), 9, np.uint8))
    stack = np.moveaxis(rain("brick").frames[..., 1], 0, 2)
    scipy.io.savemat(videos / "stack.mat", {"input": stack})
    report = build([videos], videos.parent / "out")
    return videos, report, {row.sequence or row.video: row for row in report.rows}


def row_of(built, name):
    _, report, _ = built
    found = [row for row in report.rows if row.video == name]
    assert found, [row.video for row in report.rows]
    return found


@pytest.mark.parametrize(
    ("video", "scene"),
    [("Hof im Regen 雨.mp4", "chelsea"), ("a/v.mp4", "coffee"), ("b/v.mp4", "rocket")],
)
def test_a_static_video_is_accepted_and_its_clean_frame_close(built, video, scene):
    videos, _, _ = built
    (row,) = row_of(built, video)
    assert (row.state, row.scene) == ("accepted", "1/1")
    clean = read_image(videos.parent / "out/sequences" / row.sequence / "clean.png")
    truth = rain(scene).truth
    assert psnr(clean, truth) > max(45, psnr(rain(scene).frames[3], truth) + 15)
    assert abs(row.estimated_psnr - psnr(clean, truth)) < 6


def test_a_cut_makes_two_sequences(built):
    videos, _, _ = built
    rows = row_of(built, "cut.mkv")
    assert [row.scene for row in rows] == ["1/2", "2/2"]
    for row, scene in zip(rows, ("coins", "cup"), strict=True):
        content = json.loads(
            (videos.parent / "out/sequences" / row.sequence / "candidate.json").read_text("utf-8")
        )
        assert content["scene"] == ([0, 40] if scene == "coins" else [40, 80])
        clean = read_image(videos.parent / "out/sequences" / row.sequence / "clean.png")
        assert psnr(clean, rain(scene).truth) > 44


def test_a_moving_camera_is_rejected_with_the_reason(built):
    for row in row_of(built, "pan.mp4"):
        assert row.state == "rejected" and row.pairs == 0
        assert re.search(r"static|moves|too short", row.reason), row.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "is empty"),
        ("text", "text.mp4"),
        ("cut", "cut.mp4"),
        ("one", "single frame"),
        ("sound", "sound.mp4"),
    ],
)
def test_a_bad_file_is_a_line_with_its_reason(built, name, reason):
    (row,) = row_of(built, f"bad/{name}.mp4")
    assert row.state == "failed" and reason in row.reason
    assert "\n  " in row.reason, "no word on what to do"


def test_folders_of_images_and_stacks_are_videos(built):
    videos, _, _ = built
    truths = {"frames": rain("engine").truth, "stack.mat": rain("brick").truth[..., 1:2]}
    for name, truth in truths.items():
        (row,) = row_of(built, name)
        assert row.state == "accepted", row
        clean = read_image(videos.parent / "out/sequences" / row.sequence / "clean.png")
        assert psnr(clean, truth) > 42


def test_frames_that_change_size_are_refused(built):
    (row,) = row_of(built, "bad/sizes")
    assert row.state == "failed"
    assert "2.png is 41x32 but 0.png is 40x32" in row.reason


def test_equal_files_are_taken_once(built):
    (row,) = row_of(built, "b/z.mp4")
    assert row.state == "duplicate" and "b/v.mp4" in row.reason


def test_candidates_keep_the_contract_of_the_review(built):
    videos, report, _ = built
    sequences = load_sequences(videos.parent / "out")
    assert {sequence.name for sequence in sequences} == {
        row.sequence for row in report.rows if row.sequence
    }
    for sequence in sequences:
        assert sequence.state == "undecided" and not sequence.problem
        candidate = sequence.candidate
        assert candidate.verdict in ("accept", "reject") and candidate.round is not None
        assert candidate.frames and candidate.video and candidate.vote_curve
        pictures = find_pictures(sequence.folder)
        assert not pictures.problem and len(pictures.samples) == 5


def test_the_set_loads_and_splits_by_video(built):
    videos, report, _ = built
    root = videos.parent / "out/dataset"
    sources = {}
    for card in report.cards:
        read = read_card(root / f"{card.name}.toml")
        pairs = load_pairs(read, root / card.name)
        assert len(pairs.pairs) == card.count > 0
        with (root / card.name / "metadata.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sources[card.split] = {row["source"] for row in rows}
        for row in rows:
            images = {
                role: read_image(root / card.name / row[role])
                for role in ("rainy", "clean", "mask")
            }
            assert (make_mask(images["rainy"], images["clean"], 8) == images["mask"]).all()
    assert set(sources) == {"train", "test"}
    assert not sources["train"] & sources["test"]
    assert len(sources["train"] | sources["test"]) == 6
    mlcroissant = pytest.importorskip("mlcroissant")
    assert not mlcroissant.Dataset(jsonld=str(root / "croissant.json")).metadata.ctx.issues.errors
    assert read_image(root / "contact_sheet.png").shape[1] > 500


def test_summaries_hold_every_row(built):
    videos, report, _ = built
    with (videos.parent / "out/summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [row.video for row in report.rows]
    assert sum(int(row["pairs"]) for row in rows) == sum(card.count for card in report.cards)
    text = (videos.parent / "out/summary.md").read_text(encoding="utf-8")
    assert all(row.video in text for row in report.rows)


def test_run_again_changes_nothing_and_decodes_nothing(built, monkeypatch):
    videos, report, _ = built
    before = tree(videos.parent / "out")

    def frames_of_bad_files(path, options, scratch):
        assert path.parent.name == "bad"
        return VideoFrames(path, options, scratch)

    monkeypatch.setattr("rainbench.spa.video.VideoFrames", frames_of_bad_files)
    monkeypatch.setattr("rainbench.spa.video_pairs.pick_numbers", None)
    again = build([videos], videos.parent / "out")
    assert again.rows == report.rows
    assert tree(videos.parent / "out") == before


def test_memory_never_changes_the_result(tmp_path):
    clip = write_clip(tmp_path / "v.mp4", rain("coffee").frames)
    quick = {"max_frames": 2, "density": "normal"}
    reports = {
        name: build([clip], tmp_path / name, memory=memory, align=True, **quick)
        for name, memory in (("roomy", 1 << 30), ("again", 800_000), ("on disk", 1))
    }
    assert reports["roomy"].rows == reports["again"].rows == reports["on disk"].rows
    trees = {name: tree(tmp_path / name) for name in reports}
    assert trees["roomy"] == trees["again"] == trees["on disk"]


def test_the_default_method_is_that_of_the_command_line():
    from rainbench.clean_frame.extract import extract_clean_frame
    from rainbench.commands.build_spa import command

    (option,) = [each for each in command.params if each.name == "method"]
    default = inspect.signature(extract_clean_frame).parameters["method"].default
    assert option.default == default == SpaOptions().method == "robust"


def test_a_former_name_of_a_method_is_the_method():
    options = SpaOptions(method="notebook")
    assert options.method == "spanet-reference"
    assert options.candidate_key("a") == SpaOptions(method="spanet-reference").candidate_key("a")


def test_a_device_is_looked_for_only_where_one_can_be(monkeypatch):
    monkeypatch.setattr(spa_options, "has_gpu_driver", lambda: False)
    monkeypatch.setattr(spa_options, "resolve_device", lambda _: pytest.fail("loaded torch"))
    assert choose_device("auto", "exact") == choose_device("auto", "robust") == "cpu"
    monkeypatch.setattr(spa_options, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(spa_options, "resolve_device", {"auto": "cuda"}.__getitem__)
    assert choose_device("auto", "exact") == "cuda"
    assert choose_device("auto", "robust") == "cpu"


def test_the_device_never_changes_the_result(tmp_path, monkeypatch):
    from rainbench.clean_frame import extract_torch as clean_frame_torch

    clip = write_clip(tmp_path / "in/a.mp4", rain("coffee", 24).frames)
    processor = clean_frame_torch.open_device("cpu")
    asked = []

    def open_device(name):
        asked.append(name)
        return processor

    monkeypatch.setattr(clean_frame_torch, "open_device", open_device)
    for device in ("cpu", "cuda"):
        build([clip], tmp_path / device, max_frames=2, density="normal", device=device)
    assert set(asked) == {"cuda"}, "votes went through torch in one of the two"
    assert tree(tmp_path / "cpu") == tree(tmp_path / "cuda")


def test_a_disk_that_fills_up_at_any_moment(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "v.mp4", rain("coffee").frames)
    whole = build([clip], tmp_path / "whole", max_frames=3, density="normal")
    write = Path.write_bytes
    room = failures = 0

    def full(path, data):
        nonlocal room
        room -= 1
        if room < 0:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    while True:
        room = 1 + 3 * failures
        try:
            resumed = build([clip], tmp_path / "full", max_frames=3, density="normal")
            break
        except StoreError as error:
            failures += 1
            assert "cannot be written" in str(error) and "kept" in str(error)
    assert 3 < failures < 20
    assert resumed.rows == whole.rows
    assert tree(tmp_path / "full") == tree(tmp_path / "whole")


def test_the_time_announced_follows_the_machine_and_what_is_asked_for(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "rain.mp4", rain("chelsea").frames)

    def seconds(**asked):
        options = SpaOptions(name="spa-x", workers=1, **asked)
        return plan_build([clip], tmp_path / "out", options).seconds

    monkeypatch.setattr(plan, "_yardstick", lambda: plan._YARDSTICK_SECONDS)
    here, exact, few = seconds(), seconds(method="exact"), seconds(max_frames=2)
    assert plan._START_SECONDS < few < here and exact < here
    monkeypatch.setattr(plan, "_yardstick", lambda: 3 * plan._YARDSTICK_SECONDS)
    assert seconds() == pytest.approx(3 * here)


def test_the_time_announced_counts_processes_and_the_longest_video(tmp_path, monkeypatch):
    """Each process loads all libraries; where one video is long, the others wait for it."""
    short = write_clip(tmp_path / "short.mp4", rain("chelsea").frames[:10])
    long = write_clip(tmp_path / "long.mp4", rain("coffee").frames)
    monkeypatch.setattr(plan, "_yardstick", lambda: plan._YARDSTICK_SECONDS)

    def seconds(*clips, workers):
        options = SpaOptions(name="spa-x", workers=workers)
        return plan_build(clips, tmp_path / "out", options).seconds

    alone, both = seconds(long, workers=1), seconds(short, long, workers=1)
    assert seconds(long, workers=4) == alone < both
    assert seconds(short, long, workers=4) == pytest.approx(alone + plan._PROCESSES_SECONDS)


def test_what_else_the_machine_does_for_a_moment_changes_no_announced_time(monkeypatch):
    calls, compress = [], plan.zlib.compress

    def held_up(data, level):
        calls.append(level)
        time.sleep(0.05)
        for _ in range(3 if len(calls) % 4 else 0):  # as a processor that is slower for a while
            compress(data, level)
        return compress(data, level)

    undisturbed = plan._yardstick()
    monkeypatch.setattr(plan.zlib, "compress", held_up)
    assert plan._yardstick() < 1.8 * undisturbed
    assert len(calls) > 4
