"""Peak memory counted from shapes: against hand counts and against what is alive in a real pass."""

from __future__ import annotations

import torch
from torch import nn

from rainbench.catalog.registry import load_registry
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
        picture = torch.empty(1, 3, 64, 64, device="meta")
        # The picture, the last result and the next one; every result when all are kept.
        assert count_peak(Chain(keep=False), picture) == 3 * 3 * MAP
        assert count_peak(Chain(keep=True), picture) == 5 * 3 * MAP


def test_views_and_changes_in_place_take_nothing():
    with torch.inference_mode():
        picture = torch.empty(1, 3, 64, 64, device="meta")
        assert count_peak(nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True)), picture) == 3 * MAP


def test_weights_count_and_no_values_are_needed():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1))
    weights = 4 * sum(parameter.numel() for parameter in network.parameters())
    real = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        on_cpu = count_peak(network, real)
        on_meta = count_peak(network.to("meta"), real.to("meta"))
    assert on_cpu == on_meta == weights + (3 + 8 + 3) * MAP


def test_a_wider_network_needs_more_and_the_same_each_time():
    registry = load_registry()
    narrow, wide = registry.entries(["nasnet.streaks-w16", "prenet_r.rain100l"])
    assert peak_bytes(narrow, 64) == peak_bytes(narrow, 64) > 4 * narrow.parameters
    assert peak_bytes(wide, 128) > 3 * peak_bytes(wide, 64)
