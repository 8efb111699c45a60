"""Peak memory: against hand counts, and small pictures against larger ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rainbench.catalog.registry import load_registry
from rainbench.construct import construct
from rainbench.run.cost import count_peak, peak_bytes

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
