"""Networks that are broken in themselves: told by what is broken, in words for people."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

import rainbench as rb


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, rainy):
        return self.mean(rainy)


class HiddenNan(Mean):
    """Whose NaN never reaches the result."""

    def __init__(self, value=float("nan")):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, value]))

    def forward(self, rainy):
        return super().forward(rainy) + torch.nan_to_num(0 * rainy * self.weight[1], nan=0.0)


class Remembering(Mean):
    """Remembers its device by a parameter without values, as many do, and masks by infinity."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.empty(0))
        self.register_buffer("mask", torch.full((2, 2), -torch.inf))


class Wide(nn.Module):
    def __init__(self, width=0):
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.tail = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, rainy):
        return self.tail(self.head(rainy))


class Double(Mean):
    def __init__(self):
        super().__init__()
        torch.set_default_dtype(torch.float64)


class Flat(Mean):
    def forward(self, rainy):
        count, colours, height, width = rainy.shape
        flat = super().forward(rainy).reshape(count, colours, int(height) * int(width))
        return flat.reshape(count, colours, int(height), int(width))


def failure(network, tmp_path, limit=1):
    (note,) = rb.evaluate(network, "mini-streaks", out=tmp_path, limit=limit).failures.values()
    return note


def test_weights_that_are_nan_are_told_even_where_they_do_not_show(tmp_path):
    note = failure(HiddenNan(), tmp_path)
    assert "1 of 2 values of weight are NaN" in note and "diverged" in note
    for network in (HiddenNan(0.0), Remembering()):
        assert not rb.evaluate(network, "mini-streaks", out=tmp_path, limit=1).failures


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_a_layer_of_width_0_is_told_by_its_name(tmp_path):
    assert "head.weight is 0x3x3x3: a layer of width 0" in failure(Wide(), tmp_path)


def test_an_image_that_cannot_be_scored_is_named(tmp_path):
    note = failure(rb.load_model(lambda image: image / 128.0, name="bright"), tmp_path)
    assert "1-astronaut_1" in note and "float values" in note


def test_another_default_type_is_no_function_that_was_replaced(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        results = rb.evaluate(rb.load_model(Double), "mini-streaks", out=tmp_path, limit=1)
    assert not results.failures and "replaced" not in caplog.text
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.filterwarnings("ignore")
def test_exports_of_one_size_are_told_how_to_be_made(tmp_path):
    example = torch.rand(1, 3, 64, 64)
    torch.jit.save(torch.jit.trace(Flat(), example), tmp_path / "net.pt")
    torch.export.save(torch.export.export(Mean(), (example,)), tmp_path / "net.pt2")
    traced = failure(str(tmp_path / "net.pt"), tmp_path / "a")
    assert "torch.jit.script" in traced and "Traceback" not in traced and "192x128" in traced
    exported = failure(str(tmp_path / "net.pt2"), tmp_path / "b")
    assert "exported for other sizes than 192x128" in exported and "dynamic_shapes" in exported
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    for name in ("net.pt", "net.pt2"):
        assert rb.load_model(str(tmp_path / name))(image).shape == image.shape
