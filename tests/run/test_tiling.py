"""Tiles: they cover any size, weights add up, and the result is the whole image's."""

import numpy as np
import pytest
import torch
import toynets
from hypothesis import given
from hypothesis import strategies as st

from rainbench.catalog.registry import load_registry
from rainbench.catalog.weights import find_weights
from rainbench.core.images import read_image
from rainbench.metrics import score_all
from rainbench.networks.load import construct
from rainbench.run.options import RunOptions, resolve_options
from rainbench.run.predict import Predictor
from rainbench.run.tiling import (
    blending_weights,
    iterate_rows,
    receptive_radius,
    restore_tiled,
    tile_side,
    tile_starts,
)

axis = given(
    length=st.integers(1, 700),
    tile=st.integers(64, 200),
    share=st.floats(0, 0.5),
    align=st.sampled_from([1, 4, 16]),
)


@axis
def test_tiles_cover_an_axis_and_their_weights_add_up_to_one(length, tile, share, align):
    overlap = -(-int(share * tile) // align) * align
    side = tile_side(length, tile, overlap, align)
    starts = tile_starts(length, side, overlap, align)
    assert side <= max(tile, 1)
    assert all(start % align == 0 for start in starts)
    assert starts[-1] + side >= length
    gaps = np.diff(starts)
    assert (gaps > 0).all() and (gaps <= max(align, side - overlap)).all()
    total = np.zeros(length)
    for start, weight in zip(starts, blending_weights(length, starts, side, overlap), strict=True):
        total[start : start + len(weight)] += weight
    assert np.abs(total - 1).max() < 1e-6


@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    overlap=st.integers(0, 32),
    batch=st.integers(1, 3),
)
def test_any_size_comes_back_whole(height, width, overlap, batch):
    rainy = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)

    def same(tiles):
        assert 1 <= len(tiles) <= batch
        return tiles / np.float32(255)

    restored = restore_tiled(rainy, same, tile=64, overlap=overlap, batch=batch)
    assert np.abs(restored - rainy / np.float32(255)).max() < 1e-6


def test_rows_come_in_order_and_few_are_held():
    rainy = np.zeros((1000, 90, 3), np.uint8)
    tops = [(top, len(rows)) for top, rows in iterate_rows(rainy, np.float32, tile=100, overlap=20)]
    assert [top for top, _ in tops] == [sum(n for _, n in tops[:i]) for i in range(len(tops))]
    assert sum(rows for _, rows in tops) == 1000
    assert max(rows for _, rows in tops) <= 100


def test_an_overlap_of_twice_the_reach_is_exact_but_for_rounding():
    """A 9x9 mean looks 4 pixels far; a quarter of 16 pixels is not used at all."""
    network = toynets.Blur()
    rainy = np.random.default_rng(0).integers(0, 256, (150, 170, 3), np.uint8)

    def restore(tiles):
        tensor = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255
        return network(tensor).image.permute(0, 2, 3, 1).numpy()

    whole = restore(rainy[None])[0]
    assert np.abs(restore_tiled(rainy, restore, tile=64, overlap=16) - whole).max() < 1e-6
    assert np.abs(restore_tiled(rainy, restore, tile=64, overlap=0) - whole).max() > 0.01


class Pooled(torch.nn.Module):
    def forward(self, rainy):
        from rainbench.networks.base import Restoration

        return Restoration(rainy * rainy.mean((2, 3), keepdim=True))


def test_receptive_radius():
    assert receptive_radius(toynets.Blur()) == 4
    assert receptive_radius(toynets.Pause()) == 0
    assert receptive_radius(Pooled()) is None


def test_receptive_radius_of_prenet_r_by_hand():
    """Each stage has 1 + 1 + 2 * 5 + 1 convolutions of 3x3."""
    network = construct(load_registry().baselines["prenet_r"], {"iterations": 2}).eval()
    assert receptive_radius(network) == 2 * 13


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prenet_r.rain100l", "spanet.rain200l"])
def test_tiles_lose_at_most_a_fiftieth_of_a_decibel(shared, name):
    entry = load_registry().entries([name])[0]
    weights = find_weights(entry, [shared / "weights"])
    window = (slice(0, 120), slice(0, 144))
    rainy = np.ascontiguousarray(read_image(shared / "data/rain100l/input/5.png")[window])
    clean = np.ascontiguousarray(read_image(shared / "data/rain100l/target/5.png")[window])
    whole, tiled = (
        score_all(Predictor(entry, weights, RunOptions(tile=tile))(rainy), clean, ("prenet-y",))
        for tile in (0, 96)
    )
    assert abs(whole["prenet-y"].psnr - tiled["prenet-y"].psnr) <= 0.02


def test_overlap_is_checked_and_part_of_the_key():
    with pytest.raises(Exception, match="--overlap 40 does not fit tiles of 64"):
        resolve_options("cpu", tile=64, overlap=40)
    assert RunOptions(overlap=5).key_parts() == RunOptions().key_parts()
    assert RunOptions(tile=64, overlap=5).key_parts() != RunOptions(tile=64).key_parts()


WHOLE = "tileable = false\n"


def predictor_of(name, **options):
    from rainbench.catalog.registry import load_registry

    (entry,) = load_registry(trusted=True).entries([name])
    return Predictor(entry, None, RunOptions(**options))


def test_what_a_card_says_is_not_tileable_goes_through_whole_and_alone(
    add_network, cards, monkeypatch
):
    """A mean of the image is another one in tiles, with borders, or beside other images."""
    monkeypatch.setenv("RAINBENCH_PATH", str(cards))
    add_network("brighter", "Brighter")
    add_network("brighter-whole", "Brighter", extra=WHOLE)
    rng = np.random.default_rng(2)
    ramp = 1.4 * np.arange(150)[:, None, None] + rng.integers(0, 40, (150, 131, 3))
    pictures = np.stack([ramp, ramp / 3]).astype(np.uint8)
    expected = [picture / 255 + 0.1 * (picture / 255).mean() for picture in pictures]
    assert np.abs(predictor_of("brighter", tile=64)(pictures[0]) - expected[0]).max() > 0.01
    assert np.abs(predictor_of("brighter").restore_batch(pictures)[0] - expected[0]).max() > 0.01
    for options in ({}, {"tile": 64}, {"tile": 64, "overlap": 8}):
        predictor = predictor_of("brighter-whole", **options)
        assert predictor.options == RunOptions() and predictor.overlap == 0
        for picture, wanted in zip(pictures, expected, strict=True):
            assert np.abs(predictor(picture) - wanted).max() < 1e-6
        both = predictor.restore_batch(pictures)
        assert np.abs(both - np.stack(expected)).max() < 1e-6


def test_a_run_in_tiles_says_of_such_a_card_that_there_were_none(rainbench, toy, add_network):
    """So its numbers count as those of whole images, and are kept for a run without tiles."""
    import json

    add_network("brighter-whole", "Brighter", extra=WHOLE)
    out = toy.parent / "out"
    call = ("run", "-b", "brighter-whole", "-b", "median", "-d", "toy", "--data", toy, "--out", out)
    done = rainbench(*call, "--tile", "64", "--trust-cards", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "brighter-whole: restores whole images only" in done.stderr
    found = {
        file.parent.name: json.loads(file.read_text())["options"]["tile"]
        for file in out.rglob("cell.json")
    }
    assert found == {"brighter-whole": 0, "median": 64}
    done = rainbench(*call, "--trust-cards", "--device", "cpu")
    assert "1 done, 1 kept" in done.stdout + done.stderr


def test_a_card_cannot_ask_for_padding_and_forbid_it(add_network, cards):
    from rainbench.catalog.schema import read_card
    from rainbench.core.errors import CardError

    add_network("brighter", "Brighter", extra=WHOLE + "size_multiple = 8\n")
    with pytest.raises(CardError, match="tileable = false says that images are never padded"):
        read_card(cards / "brighter.toml")
