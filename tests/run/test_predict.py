"""Prediction: padding, channel order, range and tiles are undone exactly; errors name the cause."""

import numpy as np
import pytest
import torch
import toynets

from rainbench.catalog.registry import Entry, load_registry
from rainbench.core.errors import CardError, WeightsError
from rainbench.networks.fit import load_weights
from rainbench.run.options import RunOptions, resolve_options
from rainbench.run.predict import PredictionError, Predictor

RAINY = np.random.default_rng(1).integers(0, 256, (70, 101, 3), dtype=np.uint8)


@pytest.fixture
def predictor(cards, add_network):
    def make(network, parameters=0, extra="", **options):
        add_network("net", network, parameters, extra)
        card = load_registry([cards]).baselines["net"]
        return Predictor(Entry(card, None), None, RunOptions(**options))

    return make


def test_channel_order_and_range_reach_the_network_and_are_undone(predictor):
    toynets.Remember.seen.clear()
    predict = predictor("Remember", extra='channel_order = "bgr"\nvalue_range = 255')
    restored = predict(RAINY)
    seen = toynets.Remember.seen[0]
    expected = torch.from_numpy(RAINY[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    assert torch.allclose(seen, expected, atol=1e-4)
    assert np.allclose(restored, RAINY / 255, atol=1e-7)


def test_padding_to_a_multiple_is_reflected_and_cut_off(predictor):
    toynets.Remember.seen.clear()
    restored = predictor("Remember", extra="size_multiple = 16")(RAINY)
    seen = toynets.Remember.seen[0]
    assert seen.shape == (1, 3, 80, 112)
    assert torch.equal(seen[..., 70, :101], seen[..., 68, :101])
    assert np.array_equal(restored, RAINY / np.float32(255))


def test_tiles_cover_the_image_and_agree_inside(predictor):
    whole = predictor("Blur")(np.tile(RAINY, (3, 2, 1)))
    tiled = predictor("Blur", tile=96)(np.tile(RAINY, (3, 2, 1)))
    assert tiled.shape == whole.shape
    assert np.abs(tiled - whole).max() < 0.02
    identity = predictor("Remember", tile=64)(RAINY)
    assert np.abs(identity - RAINY / 255).max() < 1e-6


def test_not_finite(predictor):
    with pytest.raises(PredictionError, match="not finite"):
        predictor("NotFinite")(np.zeros((20, 20, 3), np.uint8))


def test_too_small(predictor):
    with pytest.raises(PredictionError, match="at least 32 pixels a side, not 101x20"):
        predictor("Remember", extra="minimum_side = 32")(RAINY[:20])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_returns_float32(predictor, precision):
    restored = predictor("Same", precision=precision)(RAINY)
    assert restored.dtype == np.float32
    assert np.abs(restored - RAINY / 255).max() < 0.01


@pytest.mark.parametrize(
    ("network", "parameters", "extra", "message"),
    [
        ("Nowhere", 0, "", "cannot be found"),
        ("Shift", 4, "", "says 4 parameters, but toynets:Shift has 3"),
        ("Shift", 3, "[arguments]\npuase = 1", "does not take these arguments"),
    ],
)
def test_cards_that_do_not_fit_their_class(predictor, network, parameters, extra, message):
    with pytest.raises(CardError, match=message):
        predictor(network, parameters, extra)


def test_another_networks_checkpoint(tmp_path):
    torch.save({"conv.weight": torch.ones(2)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="does not fit Shift"):
        load_weights(toynets.Shift(), tmp_path / "a.pth")
    torch.save({"shift": torch.ones(4)}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="does not fit Shift"):
        load_weights(toynets.Shift(), tmp_path / "b.pth")


def test_options_are_checked():
    assert resolve_options("cpu", tile=0).device == "cpu"
    with pytest.raises(Exception, match="--tile 5 is too small"):
        resolve_options("cpu", tile=5)
    if not torch.cuda.is_available():
        with pytest.raises(Exception, match="no CUDA device"):
            resolve_options("cuda")


def test_threads_are_not_part_of_the_key():
    assert RunOptions(threads=1).key_parts() == RunOptions(threads=8).key_parts()
    assert RunOptions(tile=64).key_parts() != RunOptions().key_parts()
