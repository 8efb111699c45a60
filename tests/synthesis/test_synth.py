"""Synthetic rain: streak layers, mist, masks, and the builds that package them."""

import hashlib

import cv2
import numpy as np
import pytest

from rainbench.core.errors import RainbenchError
from rainbench.core.images import read_image, write_png
from rainbench.rain.masks import exact_soft_mask
from rainbench.rain.mist import FAR, MistParameters, add_mist, pseudo_depth
from rainbench.rain.streaks import draw_parameters, make_streaks, screen
from rainbench.rain.strength import input_psnr
from rainbench.rain.transform import Synthesis
from rainbench.synthesis.dataset import SynthPlan, build_set
from rainbench.synthesis.jrsrd import jrsrd_cards, raindrop_scenes
from rainbench.synthesis.options import JRSRD_LEVELS, SynthOptions


@pytest.fixture(scope="module")
def mean_layers():
    """Mean of the streak layers of each level over a set, white being 1."""
    return [
        np.mean(
            [
                make_streaks(480, 720, draw_parameters(level, "set", n), "set", n).layer.mean()
                for n in range(12)
            ]
        )
        / 255
        for level in JRSRD_LEVELS
    ]


def test_streaks_grow_with_the_level(mean_layers):
    assert (np.diff(mean_layers) > 0.02).all()


def test_streaks_are_as_bright_as_the_prototype(mean_layers):
    np.testing.assert_allclose(mean_layers, [0.015, 0.047, 0.095, 0.166], rtol=0.25)


def test_soft_mask_is_the_normalised_difference():
    one, two = np.random.default_rng(2).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    difference = np.abs(one.astype(int) - two).mean(axis=2)
    span = difference.max() - difference.min()
    np.testing.assert_allclose(
        exact_soft_mask(one, two).values, (difference - difference.min()) / span, atol=1e-6
    )


def test_mist():
    base = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    depth = pseudo_depth(40, 60, "mist")
    assert (add_mist(base, depth, MistParameters(0, (1, 1, 1))).image == base).all()
    some = add_mist(base, depth, MistParameters(0.7, (0.8, 0.85, 0.9)))
    share = some.transmission[..., None] / FAR
    exact = base * share + 255 * np.array((0.8, 0.85, 0.9)) * (1 - share)
    assert np.abs(some.image - exact).max() < 0.51 and share.min() > 0
    thick = add_mist(base, depth, MistParameters(10, (0.8, 0.85, 0.9))).image[depth == FAR]
    assert np.abs(thick - 255 * np.array((0.8, 0.85, 0.9))).max() < 0.52
    veils = [add_mist(base, depth, MistParameters(beta, (1, 1, 1))).image for beta in (0.2, 0.8, 3)]
    assert (np.diff(np.array(veils).astype(int), axis=0) >= 0).all()
    in_depth = some.transmission.ravel()[np.argsort(depth, axis=None, kind="stable")]
    assert (np.diff(in_depth.astype(int)) <= 0).all()


@pytest.fixture
def raindrop(tmp_path):
    """Three small pairs, named as the authors name them."""
    folder = tmp_path / "raindrop"
    pictures = np.random.default_rng(4).integers(0, 200, (3, 2, 48, 64, 3), dtype=np.uint8)
    for name in ("data", "gt"):
        (folder / name).mkdir(parents=True)
    for number, (drops, clean) in enumerate(pictures):
        write_png(folder / "data" / f"{number}_rain.png", drops)
        write_png(folder / "gt" / f"{number}_clean.png", clean)
    return folder


def build(folder, out, workers=1, order=1):
    options = SynthOptions(
        synthesis=Synthesis(kind="joint"), levels=JRSRD_LEVELS, name="again", workers=workers
    )
    scenes = raindrop_scenes(folder, allow_partial=True).scenes[::order]
    cards = jrsrd_cards(options, rendered=False)
    plan = SynthPlan(out=out, sources=scenes, inputs=(folder,), options=options, cards=cards)
    return build_set(plan)


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.*")
        if path.is_file() and path.suffix in (".png", ".csv", ".toml")
    }


def test_same_bytes_in_any_order_with_any_workers_and_after_an_interruption(raindrop, tmp_path):
    assert build(raindrop, tmp_path / "a").cards[0].count == 12
    first = tree(tmp_path / "a")
    build(raindrop, tmp_path / "b", workers=2)
    assert tree(tmp_path / "b") == first
    build(raindrop, tmp_path / "c", order=-1)
    turned = tree(tmp_path / "c")
    del turned["contact_sheet.png"]  # shows the scenes in their order
    assert turned.items() <= first.items() and len(turned) == len(first) - 1
    next((tmp_path / "b/.build/again-train").glob("*.json")).unlink()
    next((tmp_path / "b/again-train/rainy").glob("*.png")).unlink()
    build(raindrop, tmp_path / "b")
    assert tree(tmp_path / "b") == first


def stored(picture):
    """Return a picture as PNG without compression, whose size does not depend on the content."""
    return cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()


def test_an_input_that_changed_without_changing_its_size_is_made_again(tmp_path):
    folder = tmp_path / "raindrop"
    picture = np.full((48, 64, 3), 90, np.uint8)
    for name, what in (("data", "rain"), ("gt", "clean")):
        (folder / name).mkdir(parents=True)
        (folder / name / f"0_{what}.png").write_bytes(stored(picture))
    build(folder, tmp_path / "a")
    first = tree(tmp_path / "a")
    assert build(folder, tmp_path / "a").results[0].kept
    picture[10:20, 10:20] = 200
    before = (folder / "data/0_rain.png").stat().st_size
    assert (folder / "data/0_rain.png").write_bytes(stored(picture)) == before
    assert not build(folder, tmp_path / "a").results[0].kept
    build(folder, tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b") != first


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:-1] + b"x"])
def test_a_damaged_or_edited_picture_is_made_again(raindrop, tmp_path, damage):
    build(raindrop, tmp_path / "a")
    first = tree(tmp_path / "a")
    victim = next((tmp_path / "a/again-train/rainy").glob("*.png"))
    victim.write_bytes(damage(victim.read_bytes()))
    assert sorted(result.kept for result in build(raindrop, tmp_path / "a").results) == [0, 1, 1]
    assert tree(tmp_path / "a") == first


def test_incomplete_copies_are_refused(raindrop, tmp_path):
    with pytest.raises(RainbenchError, match="3 pairs of raindrop-train instead of 861"):
        raindrop_scenes(raindrop)
    (raindrop / "gt/1_clean.png").unlink()
    with pytest.raises(RainbenchError, match="has no clean partner"):
        raindrop_scenes(raindrop)
    with pytest.raises(RainbenchError, match="one lies inside the other"):
        build(raindrop, raindrop / "out")


def test_a_picture_of_16_bits_is_named_and_nothing_is_packaged(raindrop, tmp_path):
    cv2.imwrite(str(raindrop / "data/1_rain.png"), np.zeros((48, 64, 3), np.uint16))
    report = build(raindrop, tmp_path / "a")
    assert not report.cards and "16 bits" in report.left_out[0]


@pytest.mark.parametrize("level", [-0.1, 1.2])
def test_levels_are_shares(level):
    with pytest.raises(RainbenchError, match="a level is a noise amount"):
        SynthOptions(synthesis=Synthesis(kind="joint"), levels=(level,))


@pytest.mark.data
def test_strength_of_each_level_on_photographs(shared):
    files = sorted((shared / "data/clean/bsds500-test").glob("*.jpg"))[::14]
    windows = ((26, 29), (20.5, 23.5), (17, 20), (14, 17))
    for level, (low, high) in zip(JRSRD_LEVELS, windows, strict=True):
        found = []
        for number, clean in enumerate(map(read_image, files)):
            drawn = draw_parameters(level, number, level)
            layer = make_streaks(*clean.shape[:2], drawn, number, level).layer
            found.append(input_psnr(screen(clean, layer), clean)[0])
        assert low < np.median(found) < high


@pytest.mark.data
@pytest.mark.parametrize(("order", "low", "high"), [("paper", 0.8, 1), ("physical", -1, 0.4)])
def test_streaks_lie_over_or_behind_the_drops(shared, order, low, high):
    clean = read_image(shared / "data/raindrop/gt/0_clean.png")
    scene = Synthesis(kind="joint", order=order).prepare(clean, 0)
    pair = scene.rain(0.4, 1)
    core = scene.alpha > 229
    change = (pair.rainy.astype(int) - scene.dropped).mean(axis=2)
    assert low < np.corrcoef(pair.streaks[core], change[core])[0, 1] < high
