"""Cost columns against hand counts: operations from the layers, peak memory from the tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rainbench.catalog.registry import load_registry
from rainbench.networks.load import construct
from rainbench.report.views import gflops
from rainbench.run import cost
from rainbench.run.cost import COST_SIDE, count_peak, peak_bytes
from rainbench.run.options import RunOptions
from rainbench.run.plan import make_plan

MAP = 64 * 64 * 4
"""Bytes of one channel of a 64x64 picture."""


class Chain(nn.Module):
    """Four pointwise steps; ``keep`` holds on to every result, as a dense block does."""

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, features):
        kept = []
        for _ in range(4):
            features = features + 1
            if self.keep:
                kept.append(features)
        return features


def test_what_is_no_longer_needed_is_not_counted():
    with torch.inference_mode():
        picture = torch.empty(1, 3, 64, 64)
        # The picture, the last result and the next one; every result when all are kept.
        assert count_peak(Chain(keep=False), picture) == 3 * 3 * MAP
        assert count_peak(Chain(keep=True), picture) == 5 * 3 * MAP


def test_views_and_changes_in_place_take_nothing():
    with torch.inference_mode():
        picture = torch.empty(1, 3, 64, 64)
        assert count_peak(nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True)), picture) == 3 * MAP


def test_weights_count():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1))
    weights = 4 * sum(parameter.numel() for parameter in network.parameters())
    with torch.inference_mode():
        assert count_peak(network, torch.rand(1, 3, 64, 64)) == weights + (3 + 8 + 3) * MAP


def test_a_network_that_refuses_small_pictures_keeps_its_scores(monkeypatch):
    def refuse(*_):
        raise RuntimeError("needs 480x320")

    entry = load_registry().entries(["dam.streaks-w16"])[0]
    monkeypatch.setattr("rainbench.run.cost._KNOWN", {})
    monkeypatch.setattr("rainbench.run.cost.count_peak", refuse)
    assert peak_bytes(entry) == 0


@pytest.mark.parametrize(
    "name", ["nasnet.streaks-w16", "prenet_r.streaks-w16", "dam.streaks-w16", "spanet.streaks-w16"]
)
def test_small_pictures_tell_of_a_larger_one(name):
    entry = load_registry().entries([name])[0]
    network = construct(entry.baseline, entry.arguments).eval().requires_grad_(False)
    counted = count_peak(network, torch.zeros(1, 3, 224, 224))
    assert peak_bytes(entry, 224) == pytest.approx(counted, rel=0.002)
    assert peak_bytes(entry) > 4 * entry.parameters


def conv(inputs, outputs, side=3):
    """Multiply-adds of a convolution for one pixel."""
    return inputs * outputs * side**2


PRENET = 6 * (  # stages
    conv(6, 32)  # f_in sees the rainy image and the last result
    + conv(32 + 32, 4 * 32)  # the four gates see the features and the hidden state
    + 5 * 2 * conv(32, 32)  # five residual blocks
    + conv(32, 3)
)
NEURON_ATTENTION = 64 * 3**2 + conv(64, 64, 1)  # depthwise and pointwise
NASNET = (
    conv(3, 64)
    + 3 * (18 * (conv(64, 64) + conv(128, 64) + NEURON_ATTENTION) + conv(64, 64))
    + conv(3 * 64, 64) + conv(64, 64, 1) + NEURON_ATTENTION  # the fusion of the stages
    + conv(64, 64) + conv(64, 3)
)  # fmt: skip
SPANET = (
    conv(3, 32)
    + (3 + 12 + 2) * (conv(32, 32, 1) + conv(32, 32) + conv(32, 32, 1))
    + 4 * (conv(32, 32) + 2 * conv(4 * 32, 32) + conv(32, 1, 1))  # four looks, two IRNNs each
    + conv(32, 3)
)


@pytest.mark.parametrize(
    ("name", "by_hand", "shown"),
    [
        ("prenet", PRENET, 529.99),
        ("nasnet", NASNET, 3405.00),
        ("spanet", SPANET, 275.31),
    ],
)
def test_operations_counted_by_hand(name, by_hand, shown):
    """From the layers of the papers, two operations per multiply-add, at 512x512."""
    card = load_registry().baselines[name]
    assert card.macs_per_pixel == by_hand
    assert gflops(card.macs_per_pixel) == pytest.approx(shown, abs=0.005)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        construct(card, card.arguments)(torch.empty(1, 3, COST_SIDE, COST_SIDE))
    # The first stage's gates need not look at a hidden state that is zero, nor forget it.
    spared = conv(64, 4 * 32) - conv(32, 3 * 32) if name == "prenet" else 0
    assert counter.get_total_flops() == 2 * (by_hand - spared) * COST_SIDE**2


@pytest.fixture
def plan_of_mini():
    registry = load_registry()

    def make(*names):
        return make_plan(
            registry, datasets=("mini-streaks",), baselines=names, data_roots=[], weight_roots=[]
        )

    return make


def test_the_estimate_is_by_what_networks_take_not_by_their_multiply_adds(
    plan_of_mini, monkeypatch
):
    """Times are made up: one network takes 20 times what its multiply-adds say."""
    plan = plan_of_mini("dam.streaks-w16", "spanet.streaks-w16")
    options = RunOptions()
    monkeypatch.setattr(cost, "network_speed", lambda _options: 1e9)
    falls_short = {"dam.streaks-w16": 20.0, "spanet.streaks-w16": 2.0}

    def taken(cell, _options):
        pixels = cost.TRIED_SIDE**2
        return falls_short[cell.entry.name] * cell.entry.macs_per_pixel * pixels / 1e9

    monkeypatch.setattr(cost, "_seconds_of", taken)
    expected = sum(
        cost.pixels_of(cell)
        * (
            cost.SCORING_SECONDS_PER_PIXEL
            + falls_short[cell.entry.name] * cell.entry.macs_per_pixel / 1e9
        )
        for cell in plan.runnable
    )
    assert cost.estimate_seconds(plan, options) == pytest.approx(expected)


def test_trying_networks_ends_with_its_share_of_the_run(plan_of_mini, monkeypatch):
    plan = plan_of_mini("dam.streaks-w16", "spanet.streaks-w16", "nasnet.streaks-w16")
    monkeypatch.setattr(cost, "network_speed", lambda _options: 1e12)
    monkeypatch.setattr(cost, "LEAST_TRYING", 0.0)
    tried = []

    def taken(cell, _options):
        tried.append(cell.entry.name)
        return 4 * cell.entry.macs_per_pixel * cost.TRIED_SIDE**2 / 1e12

    monkeypatch.setattr(cost, "_seconds_of", taken)
    monkeypatch.setattr(cost, "TRYING", 0.0)
    seconds = cost.estimate_seconds(plan, RunOptions())
    assert len(tried) == 1  # and the others are taken to fall short as much
    macs = sum(cell.entry.macs_per_pixel * cost.pixels_of(cell) for cell in plan.runnable)
    pixels = sum(cost.pixels_of(cell) for cell in plan.runnable)
    assert seconds == pytest.approx(4 * macs / 1e12 + cost.SCORING_SECONDS_PER_PIXEL * pixels)


def test_a_network_that_cannot_be_tried_is_no_reason_to_end(plan_of_mini, monkeypatch):
    plan = plan_of_mini("dam.streaks-w16")

    def fails(*_):
        raise RuntimeError("no memory")

    monkeypatch.setattr("rainbench.run.predict.Predictor", fails)
    assert cost.estimate_seconds(plan, RunOptions()) > 0


def test_a_network_that_would_take_long_is_not_tried(monkeypatch):
    """What its card says has to do: a trial of minutes would hold up even a dry run."""
    tried = []
    monkeypatch.setattr(cost, "network_speed", lambda _: 1e6)
    monkeypatch.setattr(cost, "_seconds_of", lambda cell, _: tried.append(cell) or 1.0)
    plan = make_plan(
        load_registry(), datasets=["mini-streaks"], baselines=["dam.streaks-w16"], limit=1
    )
    assert cost.estimate_seconds(plan, RunOptions()) > 60
    assert tried == []
