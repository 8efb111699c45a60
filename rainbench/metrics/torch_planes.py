"""The planes that protocols compare, made by torch on any device without waiting for it.

Nothing here looks at a value: no branch, no size depends on what a picture holds. Small tables are
copied to a device once.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from rainbench.metrics.colour import LUMAS, OCTAVE_ROUNDS_DOWN, Luma
from rainbench.metrics.prediction import UNIT_LEVELS
from rainbench.metrics.record import Colour, PredictionRule
from rainbench.metrics.torch_ssim import on_device
from rainbench.metrics.views import View


class Pictures:
    """Two pictures ``(3, H, W)`` under each rule, quantised when a rule is first asked for."""

    def __init__(self, restored: Tensor, clean: Tensor) -> None:
        self._pair = restored, clean
        self._under: dict[PredictionRule, tuple[Tensor, Tensor]] = {}

    def planes(self, view: View) -> tuple[Tensor, Tensor]:
        """Return the planes of a view of both pictures, ``(1 or 3, h, w)`` float64."""
        if view.rule not in self._under:
            self._under[view.rule] = apply_rule(*self._pair, view.rule)
        restored, clean = (
            shrink(to_planes(picture, view.colour)[:, : view.height, : view.width], view)
            for picture in self._under[view.rule]
        )
        return restored, clean


def shape_of(view: View) -> tuple[int, int]:
    """Return the height and width of a view's planes after shrinking."""
    factor = view.factor
    if view.shrinking == "wang":
        return -(-view.height // factor), -(-view.width // factor)
    return view.height // factor, view.width // factor


def unit_of(view: View, eight_bits: bool) -> float:
    """Return what one of 255 grey levels is in a view's planes.

    Args:
        view: The view.
        eight_bits: Whether the restored picture came in 8 bits.
    """
    if view.colour == "rgb":
        floats = view.rule in ("clip", "none") and not eight_bits
        return 1 / 255 if floats else 1.0
    luma = LUMAS[view.colour]
    return float(luma.unit) if luma.rounding == "none" else 1.0


def apply_rule(restored: Tensor, clean: Tensor, rule: PredictionRule) -> tuple[Tensor, Tensor]:
    """Quantise as `rainbench.metrics.prediction.apply_rule` does, in float32."""
    if rule == "ecnet":
        return _ecnet_floor(restored), _ecnet_floor(clean)
    if restored.dtype == torch.uint8:
        return restored, clean
    if rule == "wrap":
        scaled = (restored * 255).clamp(-(2.0**62), 2.0**62)
        return (scaled.long() % 256).byte(), clean
    if rule == "none":
        return restored, _over_255(clean)
    clamped = restored.clamp(0, 1)
    if rule == "clip":
        return clamped, _over_255(clean)
    scaled = clamped * 255
    return (scaled.round() if rule == "round" else scaled).byte(), clean


def _ecnet_floor(picture: Tensor) -> Tensor:
    levels = _over_255(picture) if picture.dtype == torch.uint8 else picture
    signed = (levels - 0.5) / 0.5
    return ((signed + 1) / 2 * 255).clamp(0, 255).floor().byte()


def _over_255(picture: Tensor) -> Tensor:
    """Divide by 255 by table: on a GPU, torch multiplies by a rounded 1/255 instead."""
    return _unit_levels(picture.device)[picture.long()]


def to_planes(picture: Tensor, colour: Colour) -> Tensor:
    """Return the planes of a picture, ``(1 or 3, H, W)`` float64, in the unit of `unit_of`."""
    if colour == "rgb":
        return picture.double()
    luma = LUMAS[colour]
    whole = picture.long()
    sums = sum(weight * whole[i] for i, weight in enumerate(luma.weights)) + luma.offset
    assert isinstance(sums, Tensor)
    if luma.rounding == "none":
        return sums[None].double()
    levels = (2 * sums + luma.unit) // (2 * luma.unit)
    half = (2 * sums) % (2 * luma.unit) == luma.unit
    return torch.where(half, _settle(levels, picture, luma), levels)[None].double()


def _settle(levels: Tensor, picture: Tensor, luma: Luma) -> Tensor:
    """Return the levels to take where a luma is half-way between two; ``levels`` rounds up."""
    if luma.rounding == "even":
        return levels - levels % 2
    if luma.rounding == "octave":
        samples = _octave_colours(picture.device)
        return levels - (picture == samples).all(dim=1).any(dim=0).long()
    if luma.rounding == "float32":
        weights = _float32_weights(luma.weights, luma.unit, picture.device)
        red, green, blue = _over_255(picture)
        summed: Tensor = weights[0] * red + weights[1] * green + weights[2] * blue
        return (summed * 255).round().long()
    return levels


@functools.cache
def _unit_levels(device: torch.device) -> Tensor:
    return on_device(UNIT_LEVELS.tolist(), torch.float32, device)


@functools.cache
def _octave_colours(device: torch.device) -> Tensor:
    return on_device(OCTAVE_ROUNDS_DOWN, torch.uint8, device)[:, :, None, None]


@functools.cache
def _float32_weights(weights: tuple[int, ...], unit: int, device: torch.device) -> Tensor:
    return on_device(weights, torch.float32, device) / on_device([unit], torch.float32, device)


def shrink(planes: Tensor, view: View) -> Tensor:
    """Make planes smaller as `rainbench.metrics.ssim.shrink` does."""
    factor = view.factor
    if factor == 1:
        return planes
    start = -((factor - 1) // 2) if view.shrinking == "wang" else 0
    for dim, outputs in zip((1, 2), shape_of(view), strict=True):
        side = planes.size(dim)
        at = torch.arange(start, start + outputs * factor, device=planes.device)
        at = torch.where(at < 0, -1 - at, torch.where(at >= side, 2 * side - 1 - at, at))
        taken = planes.index_select(dim, at)
        split = (*taken.shape[:dim], outputs, factor, *taken.shape[dim + 1 :])
        planes = taken.reshape(split).mean(dim + 1)
    return planes
