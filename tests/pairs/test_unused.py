"""Files that are part of no pair, though they seem to be meant, are not passed over unsaid."""

import logging

import pytest
from small_pairs import card, put

from rainbench.catalog.cards import Layout
from rainbench.pairs.load import load_pairs


def said(folder, caplog, *layouts, **changes):
    with caplog.at_level(logging.WARNING):
        found = load_pairs(card(*layouts, **changes), folder)
    assert len(found.pairs) == 3
    return caplog.text


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "toy", "1.png", "2.png", "3.png")
    return tmp_path / "toy"


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".bmp", ".webp", ".tif"])
def test_another_ending_than_the_layout_has(folder, caplog, suffix):
    for half in ("rainy", "clean"):
        (folder / f"{half}/4{suffix}").write_bytes((folder / f"{half}/1.png").read_bytes())
    text = said(folder, caplog)
    assert "toy: 2 images not used, such as" in text and f"rainy/4{suffix}" in text
    assert "rainy/{id}.png" in text


def test_a_clean_image_without_a_rainy_one(folder, caplog):
    put(folder, "4.png", number=4)
    (folder / "rainy/4.png").unlink()
    text = said(folder, caplog)
    assert "toy: 1 clean image not used" in text and "clean/4.png" in text


def test_files_of_two_halves(folder, caplog):
    layout = Layout(name="x", combined="both/{id}.png")
    (folder / "both").mkdir()
    import numpy as np

    from rainbench.core.images import read_image, write_png

    for name in ("1.png", "2.png", "3.png"):
        halves = [read_image(folder / half / name) for half in ("rainy", "clean")]
        write_png(folder / "both" / name, np.hstack(halves))
    (folder / "both/4.jpg").write_bytes((folder / "both/1.png").read_bytes())
    assert "both/4.jpg" in said(folder, caplog, layout)


def test_nothing_is_said_of_right_sets(folder, caplog):
    (folder / "rainy/readme.txt").write_text("about")
    (folder / "rainy/.hidden.jpg").write_text("x")
    assert said(folder, caplog) == ""
    same = Layout(name="same", rainy="all/{id}.png", clean="all/{id}.bmp")
    for name in ("1", "2", "3"):
        (folder / "all").mkdir(exist_ok=True)
        (folder / f"all/{name}.png").write_bytes((folder / f"rainy/{name}.png").read_bytes())
        (folder / f"all/{name}.bmp").write_bytes((folder / f"clean/{name}.png").read_bytes())
    assert said(folder, caplog, same) == ""
