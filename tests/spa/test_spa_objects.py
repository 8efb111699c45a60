"""Pairs without what is no rain: left out, taken from other frames, or masked where allowed."""

import csv
import dataclasses
import weakref

import numpy as np
import pytest
from rain_clips import FRAMES, rain, tree, write_clip

from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image
from rainbench.spa.builder import build_spa
from rainbench.spa.candidate import Candidate
from rainbench.spa.dataset import plan_all_pairs, share_out
from rainbench.spa.options import SpaOptions
from rainbench.spa.pairs import PairPlan, cut_windows, write_pairs
from rainbench.spa.plan import plan_build
from rainbench.spa.table.entries import NO_ENTRY
from rainbench.spa.video_pairs import hide

CLEAN = np.full((16, 32, 3), 90, np.uint8)
LEFT, RIGHT, NOWHERE = (np.zeros((16, 32), bool) for _ in range(3))
LEFT[4, 5] = RIGHT[4, 25] = True


def pairs_of(folder, masks, most=None, allow=0.0, slots=None):
    frames = ((number, CLEAN, mask) for number, mask in enumerate(masks))
    plan = PairPlan(
        tuple(range(len(masks))) if slots is None else slots,
        cut_windows(32, 16, 16),
        8.0,
        most=most,
        allow_objects=allow,
    )
    return write_pairs(folder, frames, CLEAN, plan, "key")


def places(pairs):
    return [(pair.frame, pair.x) for pair in pairs]


def test_a_window_that_something_hides_is_left_out(tmp_path):
    assert places(pairs_of(tmp_path, [LEFT, NOWHERE, LEFT | RIGHT])) == [(0, 16), (1, 0), (1, 16)]


def test_a_later_frame_takes_the_place_of_a_hidden_one(tmp_path):
    masks = [LEFT, LEFT, NOWHERE, RIGHT, NOWHERE, LEFT | RIGHT]
    pairs = pairs_of(tmp_path, masks, slots=(0, 3, 5))
    assert places(pairs) == [(0, 16), (2, 0), (3, 0), (4, 16)]


def test_frames_are_read_no_further_than_wanted(tmp_path):
    def frames():
        yield 0, CLEAN, NOWHERE
        pytest.fail("read on")

    plan = PairPlan((0,), cut_windows(32, 16, 0), 8.0)
    assert len(write_pairs(tmp_path, frames(), CLEAN, plan, "key")) == 1


def test_a_share_of_objects_is_allowed_and_masked(tmp_path):
    pairs = pairs_of(tmp_path, [LEFT, NOWHERE], allow=1 / 256)
    assert places(pairs) == [(0, 0), (0, 16), (1, 0), (1, 16)]
    assert [pair.object_share for pair in pairs] == [1 / 256, 0, 0, 0]
    mask = read_image(tmp_path / pairs[0].path("objects"))
    assert (mask[..., 0] == 255 * LEFT[:, :16]).all()
    assert not pairs_of(tmp_path / "none", [LEFT | RIGHT] * 2, allow=1 / 257)


def test_a_limited_number_is_spread(tmp_path):
    assert places(pairs_of(tmp_path, [NOWHERE] * 4, most=4)) == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert len(pairs_of(tmp_path, [NOWHERE] * 4, most=3)) == 3


def test_masks_of_the_extraction_are_used():
    thing = np.zeros_like(RIGHT)
    thing[4:8, 22:28] = True
    other = np.where(thing[..., None], np.uint8(20), CLEAN)
    frames = [(7, other), (8, other), (9, CLEAN)]
    objects = {7: LEFT, 8: NOWHERE, 9: LEFT}
    hidden = list(hide(frames, CLEAN, uncertain=thing, objects=objects.__getitem__))
    assert [number for number, _, _ in hidden] == [7, 8, 9]
    assert (hidden[0][2] == LEFT | thing).all() and (hidden[1][2] == thing).all()
    assert (hidden[2][2] == LEFT).all()  # as the clean frame has it


def test_test_pairs_are_shared_out():
    assert share_out(1000, [600, 600]) == [500, 500]
    assert share_out(7, [3, 3, 3]) == [2, 2, 3]
    assert share_out(2, [5, 5, 5]) == [0, 1, 1]
    assert sum(share_out(17, [1, 2, 30])) == 17
    assert share_out(100, [1, 2, 3]) == [1, 2, 3] and share_out(5, []) == []


def walker():
    """Rain, and somebody in red in frames 0 to 27; two frames more are kept clear of them."""
    frames = rain("coffee").frames.copy()
    for number in range(28):
        frames[number, 40:66, number : number + 8] = (190, 30, 40)
    return frames


def build(paths, out, **how):
    options = SpaOptions(
        **{"layout": "pairs", "name": "toy", "density": "normal", "test_share": 0.0, **how}
    )
    return build_spa(plan_build(paths, out, options), out, options)


def rows_of(out, name):
    with (out / "dataset" / name / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_few_frames_are_read_ahead():
    """A frame of 4K is 25 MB: those that were looked at must be gone."""
    clean, alive, most = np.full((40, 60, 3), 90, np.uint8), [], 0

    def frames():
        for number in range(30):
            image = clean.copy()
            alive.append(weakref.ref(image))
            yield number, image

    for _ in hide(frames(), clean):
        most = max(most, sum(image() is not None for image in alive))
    assert 3 <= most <= 6


def test_no_pair_shows_a_walker(tmp_path):
    clip = write_clip(tmp_path / "v.mp4", walker())
    report = build([clip], tmp_path / "out")
    (row,) = report.rows
    assert row.state == "accepted" and "30 of 40 pairs left out" in row.reason, row
    assert {int(pair["frame"]) for pair in rows_of(tmp_path / "out", "toy-train")} == set(
        range(30, FRAMES)
    )
    # Crops beside the walker are kept, and fewer frames give as many pairs as they can.
    build([clip], tmp_path / "out", crop=56)
    crops = rows_of(tmp_path / "out", "toy-train")
    assert {int(pair["frame"]) for pair in crops if int(pair["x"]) >= 56} == set(range(FRAMES))
    build([clip], tmp_path / "out", max_frames=2)  # from frames 0 to 19, and 20 to 39
    assert [pair["frame"] for pair in rows_of(tmp_path / "out", "toy-train")] == ["30"]


def test_masks_of_objects_lie_beside_those_of_rain(tmp_path):
    clip = write_clip(tmp_path / "v.mp4", walker())
    for layout in ("pairs", "spa"):
        out = tmp_path / layout
        how = {"layout": layout, "allow_objects": 0.2, "max_frames": 3, "crop": 0}
        build([clip], out, **how)
        pairs = rows_of(out, "toy-train")
        assert len(pairs) == 3 and float(pairs[0]["object_share"]) > 0.01
        mask = read_image(out / "dataset/toy-train" / pairs[0]["objects"])
        assert mask[44:60, 2:6].all()
        assert (mask > 0).mean() == pytest.approx(float(pairs[0]["object_share"]), rel=1e-4)
        before = tree(out)
        build([clip], out, **how)
        assert tree(out) == before
        assert "objects" in (out / "dataset/toy-train.toml").read_text("utf-8")


def test_a_video_whose_every_pair_is_hidden_gives_none(tmp_path):
    frames = rain("coffee").frames.copy()
    for number, frame in enumerate(frames):
        left = 2 * number
        frame[40:66, left : left + 8] = (190, 30, 40)
    report = build([write_clip(tmp_path / "v.mp4", frames)], tmp_path / "out")
    (row,) = report.rows
    assert (row.state, row.pairs) == ("rejected", 0) and "--allow-objects" in row.reason
    assert not (tmp_path / "out/dataset").exists() and not report.cards


@pytest.mark.parametrize("wrong", [{"allow_objects": 1.1}, {"test_pairs": 0}])
def test_options_that_will_not_do(wrong):
    with pytest.raises(RainbenchError, match=r"not a share|too few"):
        SpaOptions(**wrong)


def candidate(name, frames):
    values = {field.name: "" for field in dataclasses.fields(Candidate)}
    return Candidate(
        **{**values, "id": name, "video_id": name, "first": 3, "frames": frames}
        | {"width": 100, "height": 40}
    )


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({"test_pairs": 30, "crop": 20}, [4 * 3, 18]),  # windows of 40: 3 a frame
        ({"test_pairs": 7, "crop": 20}, [3, 4]),
        ({"test_pairs": 10**6, "crop": 20}, [12, 150]),
        ({"crop": 16, "layout": "pairs", "max_frames": 1, "test_pairs": 8}, [4, 4]),
        ({"crop": 0, "layout": "pairs"}, [4, 50]),
    ],
)
def test_as_many_test_pairs_as_asked(how, counts):
    split = [
        (candidate("a", 4), "test"),
        (candidate("b", 50), "test"),
        (candidate("c", 9), "train"),
    ]
    entries = dict.fromkeys("abc", NO_ENTRY)
    plans = [plan for _, _, plan in plan_all_pairs(split, SpaOptions(**how), entries)]
    assert [len(plan.wanted) for plan in plans[:2]] == counts
    assert plans[1].frames[0] == 3 and plans[1].frames[-1] < 53
    if how.get("max_frames") is None:
        assert len(plans[2].frames) == 9, "training pairs are not limited"
