"""Pairs without a truth: the same pixels, clean images of other scenes, swapped halves."""

import logging
import re
import shutil

import cv2
import numpy as np
import pytest
from embedded import mini_pairs
from small_pairs import card, picture, put, rained

from rainbench.catalog.cards import Layout
from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.catalog.schema import read_card
from rainbench.core.errors import CardError, PairError
from rainbench.core.images import read_image, write_png
from rainbench.pairs.checks import inspect
from rainbench.pairs.layouts import Pair, Source
from rainbench.pairs.load import load_pairs

NAMES = ("1.png", "2.png", "3.png", "4.png")


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "toy", *NAMES)
    return tmp_path / "toy"


def left(folder, *layouts, **changes):
    pairs = load_pairs(card(*layouts, **changes), folder, allow_partial=True)
    return [pair.id for pair in pairs.pairs]


def test_the_same_pixels_are_no_truth(folder):
    shutil.copy(folder / "rainy/2.png", folder / "clean/2.png")
    with pytest.raises(PairError, match=r"rainy/2\.png and .*clean/2\.png have the same pixels"):
        load_pairs(card(), folder)
    assert left(folder) == ["1", "3", "4"]


@pytest.mark.parametrize("source", ["rainy", "clean"])
def test_a_set_of_copies_is_refused_whatever_is_allowed(folder, source):
    for name in NAMES:
        image = read_image(folder / source / name)
        for half in ("rainy", "clean"):
            write_png(folder / half / name, image)
    with pytest.raises(PairError, match="4 problems"):
        load_pairs(card(), folder)
    with pytest.raises(PairError, match=r"no usable pair of toy: .*have the same pixels"):
        load_pairs(card(), folder, allow_partial=True)


def test_the_same_pixels_in_another_form(folder):
    """A copy that was saved again without a loss is a copy still."""
    image = read_image(folder / "rainy/1.png")
    (folder / "clean/1.png").unlink()
    data = b"P6\n%d %d\n255\n" % image.shape[1::-1] + image.tobytes()
    (folder / "clean/1.png").write_bytes(data)
    with pytest.raises(PairError, match="have the same pixels"):
        load_pairs(card(), folder)


def test_equal_halves_of_one_file(folder):
    (folder / "both").mkdir()
    for name in NAMES[:2]:
        image = read_image(folder / "rainy" / name)
        write_png(folder / "both" / name, np.hstack([image, image]))
    layout = Layout(name="x", combined="both/{id}.png")
    with pytest.raises(PairError, match="have the same pixels"):
        load_pairs(card(layout), folder)


def test_a_clean_image_of_another_scene(folder):
    shutil.copy(folder / "clean/1.png", folder / "clean/3.png")
    message = (
        r"clean/3\.png does not show the scene of .*rainy/3\.png: it is a copy of .*clean/1\.png"
    )
    with pytest.raises(PairError, match=message):
        load_pairs(card(), folder)
    assert left(folder) == ["1", "2", "4"]


def test_a_list_that_gives_one_clean_image_twice(folder):
    (folder / "list.txt").write_text(
        "rainy/1.png clean/1.png\nrainy/2.png clean/1.png\nrainy/3.png clean/3.png\n"
    )
    with pytest.raises(PairError, match=r"the scene of .*rainy/2\.png: it is also the partner of"):
        load_pairs(card(Layout(name="list", list_file="list.txt")), folder)


def test_numbers_that_are_shifted_by_one(folder):
    (folder / "clean/1.png").unlink()
    for number in (2, 3, 4):
        (folder / f"clean/{number}.png").rename(folder / f"clean/{number - 1}.png")
    (folder / "rainy/4.png").unlink()
    with pytest.raises(PairError, match=r"clean/2\.png does not show the scene of .*but .*clean/1"):
        load_pairs(card(), folder)


def test_one_clean_image_for_several_rainy_ones_is_right(tmp_path):
    """Whether the layout says so or copies lie under other names, as in MPID."""
    folder = tmp_path / "toy"
    clean = picture(1)
    for half in ("rainy", "clean"):
        (folder / half).mkdir(parents=True)
    for copy in range(1, 9):
        write_png(folder / f"rainy/1_{copy}.png", rained(clean, copy))
        write_png(folder / f"clean/1_{copy}.png", clean)
    write_png(folder / "clean/1.png", clean)
    layouts = (
        Layout(name="x", rainy="rainy/{id}_{copy:d}.png", clean="clean/{id}_{copy:d}.png"),
        Layout(name="y", rainy="rainy/{id}_{copy:d}.png", clean="clean/{id}.png"),
    )
    for layout in layouts:
        assert len(load_pairs(card(layout), folder).pairs) == 8


def test_rainy_images_of_one_picture(folder):
    shutil.copy(folder / "rainy/1.png", folder / "rainy/2.png")
    with pytest.raises(PairError, match=r"is the same picture as .*with another clean image"):
        load_pairs(card(), folder)
    assert left(folder) == ["3", "4"]  # nothing tells which of the two is right
    shutil.copy(folder / "clean/1.png", folder / "clean/2.png")
    assert left(folder) == ["1", "3", "4"]


def test_a_rainy_image_among_the_clean_ones(folder):
    shutil.copy(folder / "rainy/1.png", folder / "clean/2.png")
    with pytest.raises(
        PairError, match=r"clean/2\.png, which should be clean, is the same picture"
    ):
        load_pairs(card(), folder)
    assert left(folder) == ["3", "4"]


def test_one_swapped_pair_is_found_among_right_ones(folder):
    (folder / "rainy/2.png").rename(folder / "x.png")
    (folder / "clean/2.png").rename(folder / "rainy/2.png")
    (folder / "x.png").rename(folder / "clean/2.png")
    for origin in ("synthetic", "real"):
        with pytest.raises(PairError, match=r"clean/2\.png is .*rainy/2\.png with bright streaks"):
            load_pairs(card(origin=origin), folder)
        assert left(folder, origin=origin) == ["1", "3", "4"]


def test_no_right_pair_is_suspected():
    """All kinds of rain over photographs, and the photographs among each other."""
    registry = load_registry()
    for dataset in registry.datasets.values():
        if dataset.embedded:
            found = load_pairs(dataset, content_root() / "datasets" / dataset.embedded)
            assert found.left_out == () and len(found.pairs) == dataset.count
    pair = Pair("1", Source(content_root()), Source(content_root()))
    images = [(rainy, clean) for _, rainy, clean in mini_pairs()]
    for index, (rainy, _) in enumerate(images):
        for other, (_, clean) in enumerate(images):
            if rainy.shape == clean.shape:
                found = inspect(pair, rainy, clean, streaks=True)
                assert found.strange is (index != other)
                assert not found.swapped


def test_pictures_below_the_window_of_ssim_are_noted(folder, caplog):
    write_png(folder / "rainy/2.png", read_image(folder / "rainy/2.png")[:8].copy())
    write_png(folder / "clean/2.png", read_image(folder / "clean/2.png")[:8].copy())
    with caplog.at_level(logging.WARNING):
        load_pairs(card(), folder)
    assert "toy: 1 pair with a side below SSIM's window of 11 pixels" in caplog.text
    assert "rainy/2.png (32x8)" in caplog.text


@pytest.mark.parametrize("half", ["rainy", "clean"])
def test_a_pair_of_which_one_is_gray_is_named(folder, half, caplog):
    file = folder / half / "2.png"
    image = read_image(file)
    write_png(file, image[..., 1].copy())
    with caplog.at_level(logging.WARNING):
        load_pairs(card(), folder)
    assert "1 pair with one picture in gray" in caplog.text and str(file) in caplog.text


def test_one_pattern_for_both_is_refused(tmp_path):
    text = (content_root() / "datasets/rain12.toml").read_text(encoding="utf-8")
    changed = re.sub(r'(?m)^clean = ".*"$', 'clean = "in/{id:d}.png"', text)
    changed = re.sub(r'(?m)^rainy = ".*"$', 'rainy = "in/{id:d}.png"', changed)
    (tmp_path / "rain12.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(CardError, match="are the same pattern"):
        read_card(tmp_path / "rain12.toml")


def test_two_sizes_are_named(folder):
    write_png(folder / "clean/2.png", read_image(folder / "clean/2.png")[:20].copy())
    with pytest.raises(PairError, match=r"rainy/2\.png is 32x24 but .*clean/2\.png is 32x20"):
        load_pairs(card(), folder)
    assert left(folder) == ["1", "3", "4"]


def test_one_file_that_a_pattern_gives_to_several_is_never_suspected(tmp_path):
    """Heavy rain of three strengths may hide a smooth scene in one version and not in another."""
    (tmp_path / "rainy").mkdir()
    (tmp_path / "clean").mkdir()
    for scene in (1, 2):
        truth = picture(scene) // 8 + 100
        write_png(tmp_path / f"clean/{scene}.png", truth)
        for copy, strength in enumerate((2, 100, 155)):
            noise = np.random.default_rng(copy).random(truth.shape[:2]) < 0.5
            rainy = np.minimum(truth + strength * noise[..., None], 255).astype(np.uint8)
            write_png(tmp_path / f"rainy/{scene}_{copy}.png", rainy)
    layout = Layout(name="y", rainy="rainy/{id}_{copy:d}.png", clean="clean/{id}.png")
    assert len(load_pairs(card(layout), tmp_path).pairs) == 6


def smooth(number, cells=3, strength=110.0):
    """A picture without an edge: a few random colours and what lies between them."""
    few = np.random.default_rng(number).random((cells, cells, 3)).astype(np.float32)
    large = cv2.resize(few, (128, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(large * strength + 60, 0, 255).astype(np.uint8)


def streaked(clean, number, share=0.01):
    """Streaks that hide every edge of a smooth picture."""
    drops = np.random.default_rng(1000 + number).random(clean.shape[:2]) < share
    streaks = np.minimum(cv2.filter2D(drops.astype(np.float32), -1, np.eye(11)), 1)
    return np.clip(clean + 100 * streaks[..., None], 0, 255).astype(np.uint8)


def foggy(clean, number):
    top, bottom = np.random.default_rng(number).uniform((0.3, 0.6), (0.4, 0.9))
    seen = np.linspace(top, bottom, len(clean))[:, None, None]
    return (clean * seen + 220 * (1 - seen)).astype(np.uint8)


def frames(number):
    """A picture that changes from frame to frame by almost nothing."""
    return np.roll(smooth(0), number, axis=1)


def smooth_set(folder, order, scene=smooth, rain=streaked):
    """Write eight pairs, the clean images in another order; -1 leaves a pair out."""
    for half in ("rainy", "clean"):
        (folder / half).mkdir(parents=True)
    for number, other in enumerate(order):
        if other >= 0:
            write_png(folder / f"rainy/{number}.png", rain(scene(number), number))
            write_png(folder / f"clean/{number}.png", scene(other))
    return folder


ORDERS = {
    "by one": (1, 2, 3, 4, 5, 6, 7, 0),
    "a line is missing": (1, 2, 3, 4, 5, 6, 7, -1),
    "from the middle on": (0, 1, 2, 3, 5, 6, 7, -1),
    "back": (-1, 0, 1, 2, 3, 4, 5, 6),
    "by three": (3, 4, 5, 6, 7, 0, 1, 2),
    "reversed": (7, 6, 5, 4, 3, 2, 1, 0),
    "two exchanged": (1, 0, 2, 3, 4, 5, 6, 7),
    "as sorted as text": (0, 1, 5, 2, 6, 3, 7, 4),
}


@pytest.mark.parametrize("share", [0.003, 0.02])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_smooth_pictures_in_another_order(tmp_path, order, share):
    def rain(clean, number):
        return streaked(clean, number, share)

    folder = smooth_set(tmp_path / "toy", order, rain=rain)
    with pytest.raises(
        PairError, match=r"clean/\d\.png does not show the scene of .*, but .*clean/"
    ):
        load_pairs(card(), folder)


RIGHT = {
    "light rain": (smooth, lambda clean, number: streaked(clean, number, 0.002)),
    "heavy rain": (smooth, lambda clean, number: streaked(clean, number, 0.05)),
    "fog": (smooth, foggy),
    "fog and rain": (smooth, lambda clean, number: streaked(foggy(clean, number), number)),
    "almost no contrast": (lambda number: smooth(number, strength=12), streaked),
    "gradients": (lambda number: smooth(number, cells=2), streaked),
    "gradients in fog": (lambda number: smooth(number, cells=2), foggy),
    "frames of a video": (frames, streaked),
    "one colour": (lambda number: np.full((96, 128, 3), 90 + number, np.uint8), streaked),
}


@pytest.mark.parametrize(("scene", "rain"), RIGHT.values(), ids=RIGHT)
def test_smooth_pictures_in_the_right_order(tmp_path, scene, rain):
    folder = smooth_set(tmp_path / "toy", range(8), scene, rain)
    degradation = ("mist",) if rain is foggy else ("streaks",)  # which do not add detail
    assert len(load_pairs(card(degradation=degradation), folder).pairs) == 8
