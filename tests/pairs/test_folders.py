"""Two folders are a data set when their names leave no doubt which images are pairs."""

import os

import pytest
from embedded import mini_pairs

from rainbench.core.errors import RainbenchError
from rainbench.core.images import write_png
from rainbench.pairs.folders import load_folders

NAMES = {
    "the same": ("{n}", "{n}"),
    "rain and norain": ("rain-{n:03d}", "norain-{n:03d}"),
    "endings of both": ("{n}_rain", "{n}_clean"),
    "the clean name inside": ("im_{n}_x2", "im_{n}"),
    "the rainy name inside": ("im{n}", "im{n}_gt"),
    "in folders": ("part/{n}", "gt/{n}"),
    "two numbers": ("scene1_{n}", "scene1_{n}"),
}


def make(folder, rainy="{n}", clean="{n}", numbers=(1, 2, 3, 11)):
    for number, (_, rained, truth) in zip(numbers, mini_pairs(), strict=False):
        for where, name, image in (("a", rainy, rained), ("b", clean, truth)):
            file = folder / where / f"{name.format(n=number)}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_png(file, image[:32, :48].copy())
    return folder / "a", folder / "b"


@pytest.mark.parametrize("what", NAMES)
def test_pairs_by_their_names(tmp_path, what):
    pairs = load_folders(*make(tmp_path, *NAMES[what]))
    assert [pair.rainy.path.stem for pair in pairs.pairs] == [
        NAMES[what][0].format(n=n).rpartition("/")[2] for n in (1, 2, 3, 11)
    ]
    for pair, number in zip(pairs.pairs, (1, 2, 3, 11), strict=True):
        assert pair.clean.path.stem == NAMES[what][1].format(n=number).rpartition("/")[2]
    assert pairs.found == pairs.card.count == 4 and pairs.card.name.endswith("-a")


def test_one_of_each_is_a_pair(tmp_path):
    assert len(load_folders(*make(tmp_path, "street", "truth", [1])).pairs) == 1


def test_some_images(tmp_path):
    folders = make(tmp_path, "rain-{n:03d}", "norain-{n:03d}")
    ids = [pair.id for pair in load_folders(*folders).pairs]
    picked = load_folders(*folders, images=[ids[2], "rain-001"])
    assert [pair.id for pair in picked.pairs] == [ids[0], ids[2]]
    assert picked.found == 4
    with pytest.raises(RainbenchError, match="has no image 7"):
        load_folders(*folders, images=["7"])


@pytest.mark.parametrize("which", ["a", "b"])
def test_what_has_no_partner_is_told(tmp_path, which):
    folders = make(tmp_path)
    (tmp_path / which / "2.png").unlink()
    with pytest.raises(RainbenchError, match=r"2\.png has no"):
        load_folders(*folders)
    left = load_folders(*folders, allow_partial=True)
    assert len(left.pairs) == 3 and len(left.left_out) >= 1


@pytest.mark.parametrize("suffix", [".hdr", ".AVIF", ".heic"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_picture_whose_kind_is_not_read_is_named(tmp_path, suffix, count):
    folders = make(tmp_path, numbers=range(1, count + 1))
    for folder in folders:
        (folder / f"9{suffix}").write_bytes(b"a picture")
    with pytest.raises(RainbenchError, match=rf"9\{suffix}: files that end with \{suffix} are not"):
        load_folders(*folders)
    left = load_folders(*folders, allow_partial=True)
    assert len(left.pairs) == count and len(left.left_out) == 2
    for file in folders[0].glob("*.png"):
        file.unlink()
    with pytest.raises(RainbenchError, match=f"holds no images but such as 9{suffix}"):
        load_folders(*folders)


@pytest.mark.parametrize(("one", "other"), [("A", "a"), ("01", "1"), ("x_1", "x-1")])
def test_names_that_differ_in_case_or_zeros_alone_are_told(tmp_path, one, other):
    folders = make(tmp_path)
    for folder in folders:
        (folder / "1.png").rename(folder / f"{one}.png")
        (folder / "2.png").rename(folder / f"{other}.png")
        if len(list(folder.iterdir())) < 4:
            pytest.skip("this file system does not tell them apart")
    with pytest.raises(RainbenchError, match="have one name but for case") as caught:
        load_folders(*folders)
    assert f"{one}.png" in str(caught.value) and f"{other}.png" in str(caught.value)


@pytest.mark.parametrize("name", [b"\xff\xe9", b"a\nb", b"a\x1b[2Jb"])
@pytest.mark.parametrize("others", [(), (2, 3)])
def test_names_that_are_no_plain_text_are_named(tmp_path, name, others):
    folders = make(tmp_path, numbers=(1, *others))
    for folder in folders:
        try:
            (folder / "1.png").rename(folder / os.fsdecode(name + b".png"))
        except OSError:
            pytest.skip("this file system has no such names")
    with pytest.raises(RainbenchError, match="its name is not plain text") as caught:
        load_folders(*folders)
    assert all(line.isprintable() for line in str(caught.value).split("\n"))
    if others:
        pairs = load_folders(*folders, allow_partial=True).pairs
        assert [pair.id for pair in pairs] == ["2", "3"]


def test_names_that_do_not_tell(tmp_path):
    make(tmp_path, "{n}", "{n}")
    for name, other in (("1", "street"), ("2", "yard"), ("3", "house"), ("11", "tree")):
        (tmp_path / "a" / f"{name}.png").rename(tmp_path / "a" / f"{other}.png")
    with pytest.raises(RainbenchError, match="cannot be told by their names"):
        load_folders(tmp_path / "a", tmp_path / "b")
    with pytest.raises(RainbenchError, match="no such folder"):
        load_folders(tmp_path / "a", tmp_path / "gone")
    with pytest.raises(RainbenchError, match="both --rainy and --clean"):
        load_folders(tmp_path / "a", tmp_path / "a")


def test_folders_that_are_swapped_are_found(tmp_path):
    rainy, clean = make(tmp_path)
    with pytest.raises(RainbenchError, match="seem to be swapped"):
        load_folders(clean, rainy)
