"""One recording in several files: other containers, its frames as images, a part of it."""

import csv

import numpy as np
import pytest
from rain_clips import rain, write_clip
from videos import write_video

from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.packaging.split import same_recordings
from rainbench.spa.builder import build_spa
from rainbench.spa.options import SpaOptions
from rainbench.spa.plan import plan_build


def build(folder, out, **how):
    options = SpaOptions(layout="pairs", crop=0, method="exact", density="normal", **how)
    return build_spa(plan_build([folder], out, options), out, options)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies") / "videos"
    for scene in ("coins", "cup"):
        write_clip(folder / f"{scene}.mp4", rain(scene).frames)
    write_clip(folder / "copy.mkv", rain("coins").frames)
    write_clip(folder / "part.mp4", rain("coins").frames[10:35])
    for number, frame in enumerate(rain("cup").frames):
        (folder / "images").mkdir(exist_ok=True)
        write_png(folder / f"images/{number:02d}.png", frame)
    return folder


@pytest.mark.parametrize("seed", range(3))
def test_no_picture_is_in_both_splits(copies, seed):
    out = copies.parent / "out"  # continued: only the split is another
    report = build(copies, out, test_share=0.5, seed=seed)
    pictures = {}
    for file in (out / "dataset").glob("*/metadata.csv"):
        with file.open(encoding="utf-8") as text:
            pictures[file.parent.name] = [
                row["rainy_pixels_sha256"] for row in csv.DictReader(text)
            ]
    assert len(pictures) == 2
    assert not set.intersection(*map(set, pictures.values()))
    assert sum(map(len, pictures.values())) == 2 * 40
    rows = {row.video: row for row in report.rows}
    assert len({rows[name].split for name in ("coins.mp4", "copy.mkv", "part.mp4")}) == 1
    left_out = [row.reason for row in report.rows if not row.pairs]
    assert len(left_out) == 3
    assert all("the same pictures are in the data set already" in reason for reason in left_out)


def test_a_table_that_has_one_recording_in_both_splits_is_refused(copies, tmp_path):
    (table := tmp_path / "videos.csv").write_text("video,split\ncoins.mp4,test\ncopy.mkv,train\n")
    options = SpaOptions(layout="pairs", crop=0, method="exact", density="normal")
    plan = plan_build([copies], copies.parent / "out", options, table)
    with pytest.raises(
        RainbenchError, match=r"copy\.mkv is to be in the train split and coins\.mp4"
    ):
        build_spa(plan, copies.parent / "out", options)


def test_recordings_are_found_through_others():
    found = same_recordings({"d": ["4"], "c": ["2", "3"], "b": ["1"], "a": ["1", "2"], "e": []})
    assert found == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}


def forms(scene, tmp):
    """A recording as people store it again: each form by its name, the pictures of none equal."""
    import cv2

    frames = list(rain(scene).frames)
    loss = {"crf": "20", "preset": "ultrafast"}
    write_clip(tmp / "as_filmed.mkv", frames)
    write_video(tmp / "h264.mp4", frames, "libx264", "yuv420p", options=loss)
    write_video(tmp / "ten_bit.mkv", frames, "libx264", "yuv420p10le", options=loss)
    write_clip(tmp / "grey.mkv", [frame[..., 1:2].repeat(3, 2) for frame in frames])
    write_clip(tmp / "large.mkv", [cv2.resize(frame, (160, 120)) for frame in frames])
    write_clip(tmp / "mirrored.mkv", [frame[:, ::-1] for frame in frames])
    write_clip(tmp / "cropped.mkv", [frame[4:74, 6:104] for frame in frames])
    write_clip(tmp / "dim.mkv", [frame // 2 for frame in frames])
    write_clip(tmp / "bars.mkv", [np.pad(frame, ((16, 16), (0, 0), (0, 0))) for frame in frames])
    (tmp / "jpeg").mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp / f"jpeg/{number:02d}.jpg"), frame[..., ::-1], [1, 70])


def test_other_forms_of_a_recording_are_in_its_split(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    forms("coins", videos)
    others = ["cup", "coffee", "chelsea"]
    for other in others:
        write_clip(videos / f"{other}.mkv", rain(other).frames)
    report = build(videos, out, test_share=0.5, min_psnr=0, max_frames=2)
    rows = {row.video: row for row in report.rows}
    others = [rows.pop(f"{other}.mkv") for other in others]
    of_coins = list(rows.values())
    assert len(of_coins) == 10 and all(row.state == "accepted" for row in of_coins), of_coins
    assert len({row.split for row in of_coins}) == 1
    assert all("both are in one split" in row.reason for row in of_coins)
    assert {row.split for row in (*of_coins, *others)} == {"train", "test"}
    assert not any("one split" in row.reason for row in others)
    (split,) = {row.split for row in of_coins}
    (card,) = (card for card in report.cards if card.split == split)
    assert "are one recording" in card.notes and "ten_bit.mkv" in card.notes
    with (out / "dataset" / card.name / "metadata.csv").open(encoding="utf-8") as text:
        recordings = {row["video"]: row["recording"] for row in csv.DictReader(text)}
    assert len({recordings[row.video] for row in of_coins}) == 1
