"""Everything that a file system can hold: the right pairing or a named problem, never a guess."""

import os
import shutil
import unicodedata

import pytest
from small_pairs import card, case_is_kept, picture, put

from rainbench.catalog.cards import Layout
from rainbench.core.errors import PairError
from rainbench.core.images import write_png
from rainbench.pairs import files as files_module
from rainbench.pairs.copies import find_copies
from rainbench.pairs.files import files_below
from rainbench.pairs.layouts import match_layouts
from rainbench.pairs.load import load_pairs

NUMBER = Layout(name="number", rainy="rainy/{id:d}.png", clean="clean/{id:d}.png")


def ids(folder, *layouts, **options):
    return [pair.id for pair in load_pairs(card(*layouts), folder, **options).pairs]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy"


def test_two_pairs_never_have_one_id(folder):
    put(folder, "cam_1/2.png", "cam/1_2.png", "cam/3.png")
    layout = Layout(name="x", rainy="rainy/{scene}/{id}.png", clean="clean/{scene}/{id}.png")
    assert ids(folder, layout) == ["cam/1_2", "cam/3", "cam_1/2"]
    shutil.rmtree(folder / "rainy/cam_1")
    shutil.rmtree(folder / "clean/cam_1")
    assert ids(folder, layout) == ["cam_1_2", "cam_3"]  # as ever, where it is clear


def test_list_over_scene_folders(folder):
    put(folder, "a/1.png", "a/2.png", "b/1.png", "b/3.png")
    names = ["a/1", "a/2", "b/1", "b/3"]
    (folder / "list.txt").write_text("\n".join(f"rainy/{n}.png clean/{n}.png" for n in names))
    layout = Layout(name="list", list_file="list.txt")
    assert ids(folder, layout) == [f"rainy/{name}.png" for name in names]
    (folder / "list.txt").write_text("rainy/a/2.png clean/a/2.png\nrainy/b/1.png clean/b/1.png")
    assert ids(folder, layout) == ["1", "2"]


def test_case_does_not_matter_but_twins_do(folder):
    put(folder, ("IMG1.PNG", "Img1.png"), ("b.png", "B.png"))
    assert ids(folder) == ["b", "img1"]
    if not case_is_kept(folder):
        return
    write_png(folder / "clean/img1.PNG", picture(7))
    with pytest.raises(PairError, match="are the same member of the data set"):
        load_pairs(card(), folder)
    assert ids(folder, allow_partial=True) == ["b"]


def test_unicode_forms_are_one_name(folder):
    composed, apart = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    put(folder, (composed, apart), "ß.png")
    assert sorted(ids(folder)) == ["ss", "é"]
    write_png(folder / "clean" / composed, picture(8))
    if len(list((folder / "clean").iterdir())) == 3:
        with pytest.raises(PairError, match="are the same member of the data set"):
            load_pairs(card(), folder)


def test_what_systems_and_archives_leave_is_passed_over(folder):
    put(folder, "1.png", "2.png")
    for name in (
        "rainy/._1.png",
        ".DS_Store",
        "rainy/Thumbs.db",
        "clean/desktop.ini",
        "rainy/.x.png",
    ):
        (folder / name).write_bytes(b"\0\5\26\7")
    for name in ("__MACOSX/rainy", "rainy/@eaDir", ".thumbnails", "lost+found", "$RECYCLE.BIN"):
        (folder / name).mkdir(parents=True)
        (folder / name / "._1.png").write_bytes(b"\0\5\26\7")
        (folder / name / "1.png").write_bytes(b"\0\5\26\7")
    anywhere = Layout(name="x", rainy="rainy/{id}", clean="clean/{id}")
    assert ids(folder) == ["1", "2"]
    assert ids(folder, anywhere) == ["1.png", "2.png"]


def test_digits_of_every_kind(folder):
    put(folder, ("٣.png", "3.png"), ("12.png", "０12.png"), ("004.png", "4.png"))
    assert ids(folder, NUMBER) == ["3", "4", "12"]
    put(folder, ("²².png", "²².png"))
    with pytest.raises(PairError, match=r"²²\.png: its number has characters that are no digits"):
        load_pairs(card(NUMBER), folder)
    assert ids(folder, NUMBER, allow_partial=True) == ["3", "4", "12"]


def test_numbers_of_one_value_are_no_guess(folder):
    put(folder, "1.png", "2.png", "01.png", "001.png")
    with pytest.raises(PairError, match="are the same member"):
        load_pairs(card(NUMBER), folder)
    assert ids(folder, NUMBER, allow_partial=True) == ["2"]
    put(folder, "3.png", number=9)
    write_png(folder / "clean/03.png", picture(9))  # even if it is the same picture
    assert ids(folder, NUMBER, allow_partial=True) == ["2"]


@pytest.mark.parametrize("name", [b"\xd3\xea.png", b"a\nb.png", b"\x1b[2J.png", b"c\rd.png"])
def test_names_that_are_no_plain_text_are_named(folder, name):
    put(folder, "1.png", "2.png")
    for half in ("rainy", "clean"):
        try:
            shutil.copy(folder / "rainy/1.png", folder / half / os.fsdecode(name))
        except OSError:
            pytest.skip("this file system has no such names")
    with pytest.raises(PairError, match="its name is not plain text") as caught:
        load_pairs(card(), folder)
    assert str(caught.value).isprintable() or all(
        line.isprintable() for line in str(caught.value).split("\n")
    )
    assert ids(folder, allow_partial=True) == ["1", "2"]


def test_blanks_and_long_names(folder):
    put(folder, " a  b .png", "x" * 220 + ".png", "-1.png", "a,b;c'd\"e.png")
    assert len(ids(folder)) == 4


def test_a_name_that_can_be_read_in_two_ways(folder):
    layout = Layout(name="x", rainy="rainy/{scene}_{copy}.png", clean="clean/{scene}.png")
    put(folder, ("a_1.png", "a.png"), ("x_y_1.png", "x_y.png"))
    assert ids(folder, layout) == ["a_1", "x_y_1"]  # there is only one clean file that fits
    pairs = load_pairs(card(layout), folder).pairs
    assert [pair.clean.path.name for pair in pairs] == ["a.png", "x_y.png"]
    write_png(folder / "clean/x.png", picture(5))
    with pytest.raises(PairError, match=r"can be read in two ways.*x\.png or of .*x_y\.png"):
        load_pairs(card(layout), folder)
    assert ids(folder, layout, allow_partial=True) == ["a_1"]


def test_both_halves_in_one_folder(folder):
    put(folder, ("1.png", "1_gt.png"), ("2.png", "2_gt.png"), rainy=".", clean=".")
    layout = Layout(name="x", rainy="{id}.png", clean="{id}_gt.png")
    assert ids(folder, layout) == ["1", "2"]


def test_an_ending_that_is_not_read_is_the_reason(folder):
    put(folder, "1.png", "2.png")
    for half in ("rainy", "clean"):
        (folder / half / "1.png").rename(folder / half / "1.heic")
        (folder / half / "2.png").rename(folder / half / "2.heic")
    heic = Layout(name="x", rainy="rainy/{id}.heic", clean="clean/{id}.heic")
    with pytest.raises(PairError, match=r"1\.heic: files that end with \.heic are not read"):
        load_pairs(card(heic), folder)
    with pytest.raises(PairError, match=r"matches no layout.*\n.*endings: \.heic \(4\)"):
        load_pairs(card(), folder)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_links_to_nowhere_and_in_circles(folder):
    put(folder, "1.png", "2.png")
    (folder / "notes").symlink_to("/nowhere/at/all")
    (folder / "self").symlink_to("self")
    (folder / "rainy/up").symlink_to(folder)
    assert ids(folder) == ["1", "2"]
    (folder / "rainy/3.png").symlink_to("3.png")
    (folder / "rainy/4.png").symlink_to("/nowhere/4.png")
    for name in ("3.png", "4.png"):
        write_png(folder / "clean" / name, picture(3))
    with pytest.raises(PairError, match=r"(?s)3\.png: cannot be read.*4\.png: is a link to a file"):
        load_pairs(card(), folder)
    assert ids(folder, allow_partial=True) == ["1", "2"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_one_folder_under_two_names(folder):
    put(folder, "1.png", "2.png")
    (folder / "a_link").symlink_to("rainy")  # comes before the folder itself
    (folder / "clear").symlink_to("clean")
    assert ids(folder) == ["1", "2"]
    assert ids(folder, Layout(name="x", rainy="a_link/{id}.png", clean="clear/{id}.png")) == [
        "1",
        "2",
    ]
    (folder.parent / "TOY").symlink_to(folder)
    if case_is_kept(folder):
        assert len(find_copies(card(), [folder.parent, folder])) == 1
    (folder / "scenes").mkdir()
    for name in ("rainy/s", "clean/s"):
        (folder / name).mkdir()
        shutil.move(folder / name.split("/")[0] / "1.png", folder / name)
        (folder / name.replace("/s", "/t")).symlink_to("s")
    layout = Layout(name="x", rainy="rainy/{scene}/{id}.png", clean="clean/{scene}/{id}.png")
    with pytest.raises(PairError, match="is the same picture as"):
        load_pairs(card(layout), folder)
    assert ids(folder, layout, allow_partial=True) == ["s_1"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
@pytest.mark.timeout(20)
def test_folders_full_of_links_to_each_other_end(folder):
    for name in "abcdefghijkl":
        (folder / name).mkdir()
    for name in "abcdefghijkl":
        for other in "abcdefghijkl":
            (folder / name / f"to_{other}").symlink_to(folder / other)
    put(folder, "1.png", "2.png")
    assert ids(folder) == ["1", "2"]


def test_a_folder_that_may_not_be_looked_into(folder, monkeypatch, caplog):
    put(folder, "1.png", "2.png")
    (folder / "private").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(files_module.os, "scandir", refuse)
    locked = "private"  # no pattern leads there
    assert ids(folder) == ["1", "2"]
    locked = "clean"
    with pytest.raises(PairError, match=r"clean: cannot be read: Permission denied"):
        load_pairs(card(), folder)
    locked = "toy"
    with pytest.raises(PairError, match=r"toy: cannot be read: Permission denied"):
        files_below(folder)


def test_a_folder_called_like_an_image(folder):
    put(folder, "1.png")
    (folder / "rainy/2.png").mkdir()
    assert [pair.id for pair in match_layouts(card(), folder)[0].pairs] == ["1"]


def test_a_relative_folder_and_a_link_checked_out_as_text(folder, monkeypatch):
    put(folder, "1.png", "2.png")
    (folder / "clean").rename(folder.parent / "elsewhere")
    (folder / "clean").write_text("../elsewhere")
    monkeypatch.chdir(folder.parent)
    pairs = load_pairs(card(), folder.relative_to(folder.parent))
    assert [info.clean for info in pairs.manifest] == ["elsewhere/1.png", "elsewhere/2.png"]
