"""Data sets of clips: frames in folders and in videos, in order, and what is wrong with them."""

import dataclasses
import os

import numpy as np
import pytest
from rain_clips import rain, write_clip

from rainbench.catalog.registry import load_registry
from rainbench.core.errors import PairError
from rainbench.core.images import pixel_hash, write_png
from rainbench.pairs.layouts import match_layouts
from rainbench.pairs.load import load_pairs
from rainbench.pairs.pictures import load_pair
from rainbench.video import at
from rainbench.video.at import count_frames, frame_at

CARD = """
name = "films"
title = "Films"
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = 0
protocol = "prenet-y"
clips = true
licence = "none"
sources = ["made in the tests"]
citation = "nobody"
"""
FOLDERS = ("rainy/{clip}/{frame:d}.png", "clean/{clip}/{frame:d}.png")
STILL = ("rainy/{clip}/{frame:d}.png", "clean/{clip}.png")
VIDEOS = ("rainy/{clip}.mp4", "clean/{clip}.mp4")
VIDEO_STILL = ("rainy/{clip}.mp4", "clean/{clip}.png")


def films(clip, frames=4):
    """Rainy and clean frames of a clip, those of one clip apart from those of the other."""
    found = rain("coffee" if clip.endswith("b") else "chelsea")
    clean = np.repeat(np.rint(found.truth).astype(np.uint8)[None], frames, 0)
    return found.frames[:frames, :48, :64], clean[:, :48, :64]


def card(tmp_path, patterns, layout="it"):
    folder = tmp_path / "cards"
    folder.mkdir(exist_ok=True)
    rainy, clean = patterns
    text = f'{CARD}\n[[layouts]]\nname = "{layout}"\nrainy = "{rainy}"\nclean = "{clean}"\n'
    (folder / "films.toml").write_text(text)
    return load_registry([folder]).dataset("films")


def write(root, patterns, clips=("a", "b"), frames=4):
    rainy_pattern, clean_pattern = patterns
    for clip in clips:
        rainy, clean = films(clip, frames)
        for pattern, images in ((rainy_pattern, rainy), (clean_pattern, clean)):
            if pattern.endswith(".mp4"):
                write_clip(root / pattern.format(clip=clip), images)
                continue
            for number, image in enumerate(images, 8):
                file = root / pattern.replace("{frame:d}", "{frame:03d}").format(
                    clip=clip, frame=number
                )
                file.parent.mkdir(parents=True, exist_ok=True)
                write_png(file, np.ascontiguousarray(image))
    return root


@pytest.mark.parametrize("patterns", [FOLDERS, STILL, VIDEOS, VIDEO_STILL])
def test_frames_are_pairs_clip_by_clip(tmp_path, patterns):
    found = load_pairs(card(tmp_path, patterns), write(tmp_path / "films", patterns))
    first = 0 if ".mp4" in patterns[0] else 8
    assert [pair.id for pair in found.pairs] == [
        f"{clip}/{first + number}" for clip in "ab" for number in range(4)
    ]
    assert [pair.clip for pair in found.pairs] == list("aaaabbbb")
    for clip in "ab":
        rainy, clean = films(clip)
        mine = [
            (pair, info)
            for pair, info in zip(found.pairs, found.manifest, strict=True)
            if pair.clip == clip
        ]
        for (pair, info), one, other in zip(mine, rainy, clean, strict=True):
            read = load_pair(pair, info)
            assert np.array_equal(read[0], one) and np.array_equal(read[1], other)


def test_clips_of_names_that_are_nearly_the_same_stay_apart(tmp_path):
    root = write(tmp_path / "films", FOLDERS, ("1", "01", "1_2", "10b"))
    found = load_pairs(card(tmp_path, FOLDERS), root)
    clips = [pair.clip for pair in found.pairs]
    assert len(set(clips)) == 4 and len({pair.id for pair in found.pairs}) == 16
    assert all(clips[n : n + 4] == [clips[n]] * 4 for n in (0, 4, 8, 12))


def test_a_frame_that_is_repeated_is_no_mistake(tmp_path):
    root = write(tmp_path / "films", FOLDERS)
    shown = root / "rainy" / "a" / "009.png"
    (root / "rainy" / "a" / "010.png").write_bytes(shown.read_bytes())
    assert len(load_pairs(card(tmp_path, FOLDERS), root).pairs) == 8


def test_a_lost_frame_is_told(tmp_path):
    root = write(tmp_path / "films", FOLDERS)
    (root / "clean" / "a" / "009.png").unlink()
    with pytest.raises(PairError, match=r"a/009\.png has no clean partner"):
        load_pairs(card(tmp_path, FOLDERS), root)


def test_a_frame_lost_on_both_sides_is_told(tmp_path, caplog):
    root = write(tmp_path / "films", FOLDERS, frames=6)
    load_pairs(card(tmp_path, FOLDERS), root, limit=2)
    assert "hole" not in caplog.text
    for side in ("rainy", "clean"):
        (root / side / "a" / "010.png").unlink()
    load_pairs(card(tmp_path, FOLDERS), root)
    assert "films: 1 hole in the numbers of frames, such as between a/9 and a/11" in caplog.text


def test_videos_of_other_lengths_are_told(tmp_path):
    root = write(tmp_path / "films", VIDEOS)
    write_clip(root / "clean" / "b.mp4", films("b", 3)[1])
    with pytest.raises(PairError, match=r"b\.mp4 has 4 frames but .*b\.mp4 has 3"):
        load_pairs(card(tmp_path, VIDEOS), root)


def test_a_broken_video_is_told_and_the_others_are_found(tmp_path):
    root = write(tmp_path / "films", VIDEOS)
    file = root / "rainy" / "a.mp4"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(PairError, match=r"rainy/a\.mp4"):
        load_pairs(card(tmp_path, VIDEOS), root)
    found = load_pairs(card(tmp_path, VIDEOS), root, allow_partial=True)
    assert {pair.clip for pair in found.pairs} == {"b"} and found.left_out


def test_what_is_wrong_with_every_frame_of_a_video_is_said_once(tmp_path):
    root = write(tmp_path / "films", VIDEOS)
    write_clip(root / "clean" / "b.mp4", films("b")[1][:, :40])
    with pytest.raises(PairError, match="has 1 problem:"):
        load_pairs(card(tmp_path, VIDEOS), root)


def test_pictures_have_no_partner_in_a_video(tmp_path):
    patterns = FOLDERS[0], VIDEOS[1]
    root = write(tmp_path / "films", patterns)
    with pytest.raises(PairError, match=r"has videos for clean images but pictures") as found:
        load_pairs(card(tmp_path, patterns), root)
    assert "corrupt" not in str(found.value)


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_video_whose_name_is_no_text_is_told(tmp_path):
    root = write(tmp_path / "films", VIDEOS, ("a", "b\x1b[31m\n1"))
    with pytest.raises(PairError, match="its name is not plain text") as found:
        load_pairs(card(tmp_path, VIDEOS), root)
    assert "\x1b" not in str(found.value)


def test_a_video_that_was_replaced_is_read_again(tmp_path):
    frames = rain("chelsea").frames
    file = write_clip(tmp_path / "x.mp4", frames[:4])
    assert np.array_equal(frame_at(file, 1), frames[1])
    write_clip(file, frames[5:9])
    assert np.array_equal(frame_at(file, 1), frames[6])


def test_a_set_of_images_has_no_videos(tmp_path):
    folder = tmp_path / "films"
    write(folder, VIDEOS)
    images = dataclasses.replace(card(tmp_path, VIDEOS), clips=False)
    match = match_layouts(images, folder)[0]
    assert not match.pairs and "are not read" in match.problems[0]


def test_a_frame_by_its_number(tmp_path, monkeypatch):
    """In any order; forwards every frame is decoded once."""
    frames = rain("chelsea").frames[:30]
    file = write_clip(tmp_path / "x.mp4", frames)
    decoded = []
    known = at.decode
    monkeypatch.setattr(at, "decode", lambda path: decoded.append(path) or known(path))
    assert count_frames(file) == 30
    del decoded[:]
    for number in (0, 1, 3, 2, 4, 9, 7, 29):
        assert np.array_equal(frame_at(file, number), frames[number])
    assert len(decoded) == 1
    assert pixel_hash(frame_at(file, 2)) == pixel_hash(frames[2])
    assert len(decoded) == 2


@pytest.mark.parametrize("name", ["nturain", "rainsynlight25", "rainsyncomplex25", "rainsynall100"])
def test_the_cards_of_public_sets_read_their_layouts(tmp_path, name):
    public = load_registry().dataset(name)
    assert public.clips
    layout = public.layouts[0]
    write(tmp_path / name, (layout.rainy, layout.clean)) if layout.rainy.endswith(
        "png"
    ) else _as_jpeg_names(tmp_path / name, layout)
    assert len(match_layouts(public, tmp_path / name)[0].pairs) == 8


def _as_jpeg_names(root, layout):
    for pattern in (layout.rainy, layout.clean):
        for clip in ("a1", "b1"):
            for number in range(4):
                file = root / pattern.replace("{frame:d}", f"{number:05d}").format(clip=clip)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
