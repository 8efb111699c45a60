"""Pictures that were changed on the way: swapped, moved, of other levels; one pair or all."""

import logging

import cv2
import numpy as np
import pytest
from small_pairs import card

from rainbench.catalog.folders import content_root
from rainbench.catalog.registry import load_registry
from rainbench.core.errors import PairError
from rainbench.core.images import read_image, write_png
from rainbench.pairs.load import load_pairs

KINDS = ("streaks", "drops", "mist", "joint")


def degradation(kind):
    return load_registry().dataset(f"mini-{kind}").degradation


@pytest.fixture
def copy(tmp_path):
    """Return a function that copies a mini set, each pair under a number."""

    def make(kind, change=lambda number, rainy, clean: (rainy, clean)):
        source = content_root() / "datasets" / "mini" / kind
        for half in ("rainy", "clean"):
            (tmp_path / kind / half).mkdir(parents=True)
        for number, file in enumerate(sorted((source / "rainy").iterdir())):
            scene = file.stem.rpartition("_")[0]
            pair = read_image(file), read_image(source / "clean" / f"{scene}.png")
            rainy, clean = change(number, *pair)
            write_png(tmp_path / kind / f"rainy/{number}.png", np.ascontiguousarray(rainy))
            write_png(tmp_path / kind / f"clean/{number}.png", np.ascontiguousarray(clean))
        return tmp_path / kind

    return make


def swapped(number, rainy, clean):
    return clean, rainy


def only(change, side, which=3):
    def apply(number, *pair):
        return tuple(
            change(image) if number == which and name == side else image
            for name, image in zip(("rainy", "clean"), pair, strict=True)
        )

    return apply


@pytest.mark.parametrize("origin", ["synthetic", "real"])
@pytest.mark.parametrize("kind", KINDS)
def test_halves_of_every_kind_of_rain_that_are_swapped(copy, kind, origin, caplog):
    own = card(degradation=degradation(kind), origin=origin)
    folder = copy(kind, swapped)
    if origin == "synthetic":
        with pytest.raises(PairError, match="swapped"):
            load_pairs(own, folder)
    elif kind == "mist":
        load_pairs(own, folder)
        assert "rainy and clean seem to be swapped" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", ["synthetic", "real"])
def test_right_halves_of_every_kind_are_not_suspected(copy, kind, origin, caplog):
    with caplog.at_level(logging.WARNING):
        load_pairs(card(degradation=degradation(kind), origin=origin), copy(kind))
    assert caplog.text == ""


def mist(clean, depth, air=220.0):
    seen = np.exp(-depth * np.linspace(1, 0.4, len(clean)))[:, None, None]
    return (clean * seen + air * (1 - seen)).astype(np.uint8)


@pytest.mark.parametrize("depth", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("contrast", [1.0, 0.2])
def test_fog_of_any_strength_that_is_swapped(copy, depth, contrast):
    def fog(number, rainy, clean):
        clean = (90 + clean * contrast * 0.6).astype(np.uint8)
        return clean, mist(clean, depth + number / 10)

    with pytest.raises(PairError, match="seem to be swapped"):
        load_pairs(card(degradation=("mist",)), copy("mist", fog))


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_dark_heavy_rain_is_not_taken_for_swapped(copy, share):
    """It takes light and contrast away, and still there are streaks in it."""

    def dark(number, rainy, clean):
        return (clean * share + np.maximum(rainy.astype(float) - clean, 0)).astype(np.uint8), clean

    assert len(load_pairs(card(), copy("streaks", dark)).pairs) == 8


def test_what_cannot_be_told_is_noted(copy, caplog):
    """Noise alone has no direction."""

    def noisy(number, rainy, clean):
        noise = np.random.default_rng(number).integers(-1, 2, clean.shape)
        return np.clip(clean + noise, 0, 255).astype(np.uint8), clean

    with caplog.at_level(logging.WARNING):
        load_pairs(card(degradation=("drops",)), copy("drops", noisy))
    assert "do not tell which of the two folders or halves is rainy" in caplog.text


def test_one_misty_pair_that_is_swapped(copy):
    def one(number, rainy, clean):
        return (clean, mist(clean, 1.2)) if number == 3 else (mist(clean, 1.2), clean)

    with pytest.raises(PairError, match=r"1 problem:\n.*clean/3\.png is .*seen through mist"):
        load_pairs(card(degradation=("mist",)), copy("mist", one))


def enlarged(image, left=4, top=4, right=4, bottom=4):
    height, width = image.shape[:2]
    inner = image[top : height - bottom, left : width - right]
    return cv2.resize(inner, (width, height), interpolation=cv2.INTER_CUBIC)


MOVES = {
    "right": lambda image: np.roll(image, 4, axis=1),
    "up": lambda image: np.roll(image, -4, axis=0),
    "a little": lambda image: np.roll(image, (1, 2), axis=(0, 1)),
    "enlarged": enlarged,
    "enlarged to one side": lambda image: enlarged(image, 5, 0, 0, 0),
}


@pytest.mark.parametrize("side", ["rainy", "clean"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_one_picture_that_was_moved(copy, kind, move, side):
    # So much rain leaves less to compare: then the pair is found by another sign.
    why = "3" if kind == "joint" else rf"{side}/3\.png .*are moved against"
    with pytest.raises(PairError, match=rf"1 problem:\n.*{why}"):
        load_pairs(card(degradation=degradation(kind)), copy(kind, only(move, side)))


@pytest.mark.parametrize("depth", [1.0, 2.0])
def test_one_picture_of_low_contrast_in_fog_that_was_moved(copy, depth):
    def fog(number, rainy, clean):
        clean = (100 + clean * 0.2).astype(np.uint8)
        return np.roll(mist(clean, depth), 4 * (number == 3), axis=1), clean

    with pytest.raises(PairError, match=r"1 problem:\n.*rainy/3\.png .*are moved against"):
        load_pairs(card(degradation=("mist",)), copy("mist", fog))


def test_real_pairs_may_drift_a_little(copy, caplog):
    def drifting(number, rainy, clean):
        return np.roll(rainy, number % 3, axis=1), clean

    with caplog.at_level(logging.WARNING):
        load_pairs(card(origin="real"), copy("streaks", drifting))
    assert "2 pairs moved against each other by up to 2 pixels" in caplog.text


def gamma(power):
    return lambda image: np.rint(255 * (image / 255) ** power).astype(np.uint8)


def bright(factor):
    return lambda image: np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)


LEVELS = {
    "16 to 235": lambda image: np.rint(16 + image * (219 / 255)).astype(np.uint8),
    "gamma 2.2": gamma(2.2),
    "gamma 0.8": gamma(0.8),
    "gamma 1.2": gamma(1.2),
    "darker": bright(0.8),
    "brighter": bright(1.25),
    "lifted": lambda image: np.clip(image + 12.0, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("side", ["rainy", "clean"])
@pytest.mark.parametrize(
    ("origin", "name"),
    [
        *(("synthetic", name) for name in LEVELS),
        *(("real", name) for name in ("16 to 235", "gamma 2.2", "darker", "brighter")),
    ],
)
def test_one_picture_of_other_levels(copy, name, side, origin):
    """Between photographs, the light may have changed a little."""
    with pytest.raises(PairError, match=r"1 problem:\n.*rainy/3\.png and .*clean/3\.png differ"):
        load_pairs(card(origin=origin), copy("streaks", only(LEVELS[name], side)))


@pytest.mark.parametrize("kind", ["drops", "mist", "joint"])
def test_one_rainy_picture_of_lower_levels(copy, kind):
    with pytest.raises(PairError, match=r"1 problem:\n.*3\.png differ otherwise than the other"):
        load_pairs(card(degradation=degradation(kind)), copy(kind, only(gamma(2.2), "rainy")))


def soft(number):
    few = np.random.default_rng(number).random((3, 3, 3)).astype(np.float32)
    large = cv2.resize(few, (128, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(large * 110 + 60, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("depth", [0.5, 1.5])
@pytest.mark.parametrize("order", ["10234567", "12345670", "01235467"])
def test_soft_pictures_in_fog_in_another_order(tmp_path, depth, order):
    for half in ("rainy", "clean"):
        (tmp_path / half).mkdir()
    for number, other in enumerate(map(int, order)):
        write_png(tmp_path / f"rainy/{number}.png", mist(soft(number), depth))
        write_png(tmp_path / f"clean/{number}.png", soft(other))
    with pytest.raises(PairError, match=r"clean/\d\.png does not show the scene of .*rainy"):
        load_pairs(card(degradation=("mist",)), tmp_path)
