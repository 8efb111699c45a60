"""Pairs with an orientation flag: the same way up for everybody, or refused."""

import io
import json
import logging

import numpy as np
import PIL.Image
import pytest
from small_pairs import card, picture, put, rained

from rainbench.catalog.cards import Layout
from rainbench.core.errors import ImageError, PairError
from rainbench.core.images import read_image, write_png
from rainbench.core.orientation import as_stored, find_orientation
from rainbench.pairs.load import load_pairs
from rainbench.pairs.pictures import load_pair

NAMES = ("1.png", "2.png", "3.png")


def flagged(image, flag):
    """Return a PNG that shows an image once it is turned by its flag."""
    exif = PIL.Image.Exif()
    exif[0x0112] = flag
    data = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(as_stored(image, flag))).save(data, "PNG", exif=exif)
    assert find_orientation(data.getvalue()) == flag
    return data.getvalue()


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "toy", *NAMES)
    return tmp_path / "toy"


def flag(folder, half, name, value):
    file = folder / half / name
    file.write_bytes(flagged(read_image(file), value))


@pytest.mark.parametrize("value", range(2, 9))
def test_pairs_of_one_flag_are_turned_and_noted(folder, value, caplog):
    plain = load_pairs(card(), folder)
    for name in NAMES:
        flag(folder, "rainy", name, value)
        flag(folder, "clean", name, value)
    with caplog.at_level(logging.WARNING):
        found = load_pairs(card(), folder)
    assert found.manifest == plain.manifest
    assert "3 pairs with an orientation flag (EXIF)" in caplog.text
    rainy, clean = load_pair(found.pairs[0], found.manifest[0])
    assert np.array_equal(clean, picture(1)) and np.array_equal(rainy, rained(picture(1), 1))


@pytest.mark.parametrize("half", ["rainy", "clean"])
@pytest.mark.parametrize("value", range(2, 9))
def test_pairs_of_two_flags_are_refused(folder, half, value):
    flag(folder, half, "2.png", value)
    with pytest.raises(PairError, match=r"rainy/2\.png: has the orientation flag "):
        load_pairs(card(), folder)
    found = load_pairs(card(), folder, allow_partial=True)
    assert [pair.id for pair in found.pairs] == ["1", "3"]


def test_files_of_two_halves_are_refused(folder):
    (folder / "both").mkdir()
    halves = [read_image(folder / half / "1.png") for half in ("rainy", "clean")]
    (folder / "both/1.png").write_bytes(flagged(np.hstack(halves), 3))
    layout = Layout(name="x", combined="both/{id}.png")
    with pytest.raises(PairError, match=r"both/1\.png: holds two images side by side and has the"):
        load_pairs(card(layout), folder)


def test_a_flag_that_appears_while_a_run_goes_on(folder):
    found = load_pairs(card(), folder)
    for half in ("rainy", "clean"):
        stored = np.ascontiguousarray(as_stored(read_image(folder / half / "1.png"), 3))
        (folder / half / "1.png").write_bytes(flagged(stored, 3))
    with pytest.raises(ImageError, match="changed while the run was going on"):
        load_pair(found.pairs[0], found.manifest[0])


@pytest.fixture
def turned_toy(toy):
    """The toy data set, all of its files with a flag."""
    for half in ("input", "target"):
        for number in range(1, 6):
            flag(toy / "toy", half, f"{number}.png", 6)
    return toy


def rows(rainbench, *call):
    done = rainbench(*call, "-d", "toy", "--json")
    assert done.returncode == 0, done.stderr
    return [(row["protocol"], row["psnr"], row["ssim"]) for row in json.loads(done.stdout)["rows"]]


def test_every_command_turns_by_the_same_rule(rainbench, turned_toy, tmp_path, pairs_on_disk):
    data = ("--data", turned_toy)
    run = rows(rainbench, "run", "-b", "identity", *data, "--out", "o", "--device", "cpu")
    restored = tmp_path / "restored"
    done = rainbench("derain", "identity", turned_toy / "toy/input", "--out", restored,
                     "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert np.array_equal(read_image(restored / "1.png"), read_image(pairs_on_disk / "input/1.png"))
    for number in (1, 2):  # a program that keeps the flag, and one that turns
        flag(tmp_path, "restored", f"{number}.png", 6)
    assert rows(rainbench, "score", restored, *data, "--out", "o", "--name", "same") == run


@pytest.mark.parametrize("value", [3, 6])
@pytest.mark.parametrize("keeps", [False, True])
def test_restored_images_of_another_way_up_are_refused(rainbench, toy, tmp_path, value, keeps):
    """A program that forgets the flag of its input, or keeps it though it turned the picture."""
    (tmp_path / "restored").mkdir()
    for number in range(1, 6):
        image = read_image(toy / f"toy/input/{number}.png")
        stored = np.ascontiguousarray(as_stored(image, value))
        file = tmp_path / f"restored/{number}.png"
        if keeps:
            write_png(file, image)
            exif = PIL.Image.Exif()
            exif[0x0112] = value
            PIL.Image.fromarray(image).save(file, exif=exif)
        else:
            write_png(file, stored)
            for half in ("input", "target"):
                flag(toy / "toy", half, f"{number}.png", value)
    done = rainbench("score", tmp_path / "restored", "-d", "toy", "--data", toy, "--name", "x")
    assert done.returncode == 2
    assert "shows the scene another way up than" in done.stderr
