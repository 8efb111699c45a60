"""Strict pairing: everything that is wrong with a copy is named, with its file."""

import dataclasses
import errno
import os
import shutil

import cv2
import numpy as np
import pytest
import small_pairs

from rainbench.catalog.cards import Layout, Variant
from rainbench.catalog.folders import readable_folders
from rainbench.core.errors import PairError, RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.pairs.copies import copies_of, find_copies
from rainbench.pairs.layouts import match_layouts
from rainbench.pairs.leaks import find_leaks, fingerprint
from rainbench.pairs.load import load_first_copy, load_pairs
from rainbench.pairs.manifest import manifest_csv
from rainbench.pairs.pictures import load_image

PLAIN = Layout(name="plain", rainy="input/{id:d}.png", clean="target/{id:d}.png")
CARD = dataclasses.replace(small_pairs.CARD, count=5, layouts=(PLAIN,), sizes=((64, 48),))


def card(*layouts, **changes):
    return dataclasses.replace(CARD, layouts=layouts or (PLAIN,), **changes)


def test_a_whole_copy_is_found_in_natural_order(toy):
    pairs = load_pairs(card(), toy / "toy")
    assert [pair.id for pair in pairs.pairs] == ["1", "2", "3", "4", "5"]
    assert pairs.variant is None and pairs.left_out == ()
    assert manifest_csv(pairs.manifest).count("\n") == 6


def test_missing_partner(toy):
    (toy / "toy" / "target" / "3.png").unlink()
    with pytest.raises(PairError, match=r"input/3\.png has no clean partner \(target/3\.png\)"):
        load_pairs(card(), toy / "toy")
    partial = load_pairs(card(), toy / "toy", allow_partial=True)
    assert [pair.id for pair in partial.pairs] == ["1", "2", "4", "5"]
    assert any("4 pairs instead of 5; not found: 3" in text for text in partial.left_out)


def test_missing_rainy_names_the_unmatched_clean_file(toy):
    (toy / "toy" / "input" / "2.png").unlink()
    with pytest.raises(PairError, match=r"instead of 5; not found: 2; .*target/2\.png"):
        load_pairs(card(), toy / "toy")


def test_gaps_in_numbering_are_no_problem_when_the_count_is_right(toy):
    (toy / "toy" / "input" / "2.png").unlink()
    pairs = load_pairs(card(count=4), toy / "toy")
    assert [pair.id for pair in pairs.pairs] == ["1", "3", "4", "5"]


def test_size_mismatch_names_both_files(toy):
    image = read_image(toy / "toy" / "target" / "4.png")
    write_png(toy / "toy" / "target" / "4.png", np.ascontiguousarray(image[:, 1:]))
    with pytest.raises(PairError, match=r"input/4\.png is 64x48 but .*target/4\.png is 63x48"):
        load_pairs(card(), toy / "toy")


@pytest.mark.data
def test_the_reference_pair_of_other_sizes(shared):
    layout = Layout(name="bad", rainy="synthuni_{id}_rainy.png", clean="synthuni_{id}_ori.png")
    with pytest.raises(PairError, match=r"rainy\.png is 3\d\dx3\d\d but .*ori\.png is 3"):
        load_pairs(card(layout, count=1), shared / "data" / "bad")


def test_unreadable_file_is_one_problem_among_others(toy):
    (toy / "toy" / "input" / "1.png").write_bytes(b"not an image")
    (toy / "toy" / "input" / "5.png").write_bytes(b"")
    with pytest.raises(PairError, match="2 problems"):
        load_pairs(card(), toy / "toy")
    assert len(load_pairs(card(), toy / "toy", allow_partial=True).pairs) == 3


def test_same_member_twice(toy):
    image = read_image(toy / "toy" / "input" / "1.png")
    write_png(toy / "toy" / "input" / "01.png", image)
    with pytest.raises(PairError, match="are the same member"):
        load_pairs(card(), toy / "toy")


def test_same_picture_under_two_names(toy):
    write_png(toy / "toy" / "input" / "2.png", read_image(toy / "toy" / "input" / "1.png"))
    with pytest.raises(PairError, match="is the same picture as"):
        load_pairs(card(), toy / "toy")


def test_swapped_folders(toy):
    swapped = Layout(name="swapped", rainy="target/{id:d}.png", clean="input/{id:d}.png")
    with pytest.raises(PairError, match="seem to be swapped"):
        load_pairs(card(swapped), toy / "toy")


def _side_by_side(toy, folder, *, clean_first):
    folder.mkdir()
    for number in range(1, 6):
        halves = [read_image(toy / "toy" / name / f"{number}.png") for name in ("input", "target")]
        write_png(folder / f"{number}.png", np.hstack(halves[::-1] if clean_first else halves))


def test_halves_and_their_order(toy, tmp_path):
    folder = tmp_path / "halves"
    _side_by_side(toy, folder, clean_first=True)
    right = Layout(name="clean-first", combined="{id:d}.png", order="clean-rainy")
    wrong = Layout(name="rainy-first", combined="{id:d}.png", order="rainy-clean")
    pairs = load_pairs(card(right), folder)
    assert np.array_equal(load_image(pairs.pairs[0].rainy), read_image(toy / "toy/input/1.png"))
    with pytest.raises(PairError, match="--layout clean-first"):
        load_pairs(card(wrong, right), folder)
    assert load_pairs(card(wrong, right), folder, layout="clean-first").layout == "clean-first"


def test_many_rainy_files_of_one_clean(toy, tmp_path):
    folder = tmp_path / "copies"
    for name in ("rainy", "clean"):
        (folder / name).mkdir(parents=True)
    for number in (1, 2):
        image = read_image(toy / "toy" / "input" / f"{number}.png")
        for copy in range(1, 15):
            write_png(folder / "rainy" / f"{number}_{copy}.png", np.maximum(image, copy * 4))
        write_png(folder / "clean" / f"{number}.png", read_image(toy / f"toy/target/{number}.png"))
    layout = Layout(name="x", rainy="rainy/{id:d}_{copy:d}.png", clean="clean/{id:d}.png")
    pairs = load_pairs(card(layout, count=28), folder)
    assert [pair.id for pair in pairs.pairs][:3] == ["1_1", "1_2", "1_3"]
    assert pairs.pairs[13].id == "1_14" and pairs.pairs[14].clean.path.name == "2.png"


def test_fields_may_stand_in_another_order(toy, tmp_path):
    folder = tmp_path / "places"
    for name in ("a/rainy", "a/clean"):
        (folder / name).mkdir(parents=True)
    for number in (1, 2, 3, 4, 5):
        for name, kind in (("input", "rainy"), ("target", "clean")):
            image = read_image(toy / "toy" / name / f"{number}.png")
            write_png(folder / "a" / kind / f"{number}.png", image)
    (folder / "a" / "clean").rename(folder / "clean")
    for file in (folder / "clean").iterdir():
        file.rename(file.with_name(f"{file.stem}-a.png"))
    layout = Layout(name="x", rainy="{place}/rainy/{id:d}.png", clean="clean/{id:d}-{place}.png")
    assert next(pair.id for pair in load_pairs(card(layout), folder).pairs) == "a_1"


def test_list_file_may_not_climb_out(toy, tmp_path):
    (toy / "secret.png").write_bytes((toy / "toy" / "input" / "1.png").read_bytes())
    listing = "./input/1.png /target/1.png\n/../secret.png /target/2.png\ninput/3.png\n"
    (toy / "toy" / "pairs.txt").write_text(listing)
    layout = Layout(name="list", list_file="pairs.txt")
    with pytest.raises(PairError) as caught:
        load_pairs(card(layout, count=0), toy / "toy")
    assert "line 2: ../secret.png is not a file of this folder" in str(caught.value)
    assert "line 3: expected a rainy and a clean path" in str(caught.value)
    assert len(load_pairs(card(layout, count=0), toy / "toy", allow_partial=True).pairs) == 1


def test_a_link_that_was_checked_out_as_text_is_followed_but_not_far(toy):
    (toy / "toy" / "target").rename(toy / "elsewhere")
    (toy / "toy" / "target").write_text("../elsewhere\n")
    assert len(load_pairs(card(), toy / "toy").pairs) == 5
    (toy / "elsewhere").rename(toy.parent / "outside")
    (toy / "toy" / "target").write_text("../../outside")
    with pytest.raises(PairError):
        load_pairs(card(), toy / "toy")


def test_a_loop_of_links_ends(toy):
    (toy / "toy" / "input" / "again").symlink_to(toy / "toy")
    assert len(load_pairs(card(), toy / "toy").pairs) == 5


def test_variants_are_named(toy):
    cropped = Variant(name="64x48", sizes=((64, 48),), comparable=True)
    pairs = load_pairs(card(sizes=((65, 49),), variants=(cropped,)), toy / "toy")
    assert pairs.label == "toy@64x48"
    unknown = load_pairs(card(sizes=((65, 49),)), toy / "toy")
    assert unknown.label == "toy@resized" and not unknown.variant.comparable


def test_empty_and_foreign_folders(tmp_path, toy):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PairError, match=r"is empty \(toy\)"):
        load_pairs(card(), tmp_path / "empty")
    with pytest.raises(PairError, match="matches no layout"):
        load_pairs(card(), toy)
    with pytest.raises(PairError, match="no layout called plian"):
        load_pairs(card(), toy / "toy", layout="plian")


def test_copies_are_found_by_name_without_regard_to_case(toy):
    (toy / "toy").rename(toy / "TOY")
    assert find_copies(card(), [toy]) == [toy / "TOY"]
    assert find_copies(card(), [toy / "TOY"]) == [toy / "TOY"]
    assert find_copies(card(name="other"), [toy]) == []
    assert find_copies(card(name="other"), [toy / "TOY"], only_one_wanted=True) == [toy / "TOY"]


def test_the_layout_with_most_pairs_wins(toy):
    poor = Layout(name="poor", rainy="input/{id}.png", clean="input/{id}.png")
    best = match_layouts(card(poor, card().layouts[0]), toy / "toy")[0]
    assert best.layout.name == "plain"


def test_leaks_exact_and_near(toy, tmp_path):
    first = load_pairs(card(), toy / "toy")
    again = tmp_path / "again"
    for name in ("input", "target"):
        (again / name).mkdir(parents=True)
    for number in (1, 2):
        for name in ("input", "target"):
            image = read_image(toy / "toy" / name / f"{number}.png")
            if number == 2:
                code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
                image = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]
            write_png(again / name / f"{number + 6}.png", np.ascontiguousarray(image))
    second = load_pairs(card(count=2), again)
    leaks = find_leaks(first, second)
    assert [(leak.first, leak.second, leak.exact) for leak in leaks] == [
        ("1", "7", True),
        ("2", "8", False),
    ]


def test_fingerprints_tell_pictures_apart(toy):
    prints = [fingerprint(read_image(toy / f"toy/target/{n}.png")) for n in range(1, 6)]
    distances = [np.count_nonzero(a != b) for i, a in enumerate(prints) for b in prints[i + 1 :]]
    assert min(distances) > 40


def _second_copy(toy, name="Toy"):
    """A whole copy in a second folder, and a damaged one in the first."""
    other = toy.parent / "other"
    shutil.copytree(toy / "toy", other / name)
    (toy / "toy" / "input" / "3.png").write_bytes(b"not an image")
    return other


def test_a_broken_copy_does_not_hide_a_whole_one(toy, caplog):
    other = _second_copy(toy)
    copies = copies_of(card(), [toy, other], only=True)
    assert [copy.parent for copy in copies] == [toy, other]
    for partial in (False, True):
        caplog.clear()
        pairs = load_first_copy(card(), copies, allow_partial=partial)
        assert pairs.folder == other / "Toy" and pairs.left_out == ()
        assert "input/3.png" in caplog.text and str(other / "Toy") in caplog.text


def test_a_whole_copy_under_another_name_stands_behind_a_broken_one(toy):
    other = _second_copy(toy, "downloaded") / "downloaded"
    assert load_first_copy(card(), copies_of(card(), [toy, other], only=True)).folder == other
    assert copies_of(card(), [toy, other], only=False) == [toy / "toy"]


def test_of_broken_copies_alone_each_is_named_or_the_first_taken(toy):
    other = _second_copy(toy)
    (other / "Toy" / "target" / "2.png").unlink()
    copies = copies_of(card(), [toy, other], only=True)
    with pytest.raises(PairError, match=r"(?s)input/3\.png.*target/2\.png"):
        load_first_copy(card(), copies)
    assert load_first_copy(card(), copies, allow_partial=True).folder == toy / "toy"


def test_a_folder_that_cannot_be_read_is_passed_over(toy, monkeypatch, caplog):
    scandir = os.scandir

    def refuse(folder):
        if "locked" in str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    locked = toy.parent / "locked"
    shutil.copytree(toy, locked)
    assert readable_folders([locked, toy]) == [toy]
    assert "locked: cannot be read: Permission denied; it is left out" in caplog.text
    with pytest.raises(RainbenchError, match="locked: cannot be read"):
        readable_folders([locked])
    with pytest.raises(RainbenchError, match="nowhere: there is no such folder"):
        readable_folders([toy, toy / "nowhere"])
    copies = [locked / "toy", toy / "toy"]
    assert load_first_copy(card(), copies).folder == toy / "toy"
