"""One recording in several files: other containers, its frames as images, a part of it."""

import csv

import pytest
from rain_clips import rain, write_clip

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
