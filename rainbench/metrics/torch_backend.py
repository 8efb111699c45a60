"""The scores in plain torch, in float64: a second opinion, and for tensors on a GPU.

The plan, the protocols and the last step are those of the NumPy path; everything between, from
quantising to the means of the SSIM maps, is computed in another way. Both agree to 1e-9, which the
tests check.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rainbench.core.errors import RainbenchError
from rainbench.metrics.colour import LUMAS, OCTAVE_ROUNDS_DOWN, Luma
from rainbench.metrics.prediction import UNIT_LEVELS, check_range, stand_ins
from rainbench.metrics.protocols import PROTOCOLS, get_protocol
from rainbench.metrics.record import Colour, PredictionRule
from rainbench.metrics.score import mean_measured
from rainbench.metrics.ssim import GAUSSIAN_SIDE, UNIFORM_SIDE, GaussianSSIM, constants
from rainbench.metrics.views import Measured, Score, View, Wants, plan_views, read_score


def score_all_torch(
    restored: Tensor, clean: Tensor, protocols: Sequence[str] | None = None
) -> dict[str, Score]:
    """Score one restored picture under every protocol, or under those that are named.

    Args:
        restored: ``(3, H, W)`` or ``(1, 3, H, W)`` RGB: float32 nominally in [0, 1] and not
            clamped, or uint8. On the CPU or a CUDA device.
        clean: uint8, same shape, same device.
        protocols: Names out of `PROTOCOLS`; all of them by default.

    Returns:
        What `rainbench.metrics.score_all` returns for the same picture, to 1e-9.

    Raises:
        RainbenchError: A protocol does not exist, the sizes differ, a type or shape is not one of
            the above, or the prediction has values that are not finite or on another scale.

    Example:
        >>> clean = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
        >>> round(score_all_torch(clean + 1, clean, ["prenet-y"])["prenet-y"].psnr, 3)
        49.453
    """
    chosen = [get_protocol(name) for name in (PROTOCOLS if protocols is None else protocols)]
    restored, clean = _check(restored, clean)
    rules = _rules(restored, [protocol.prediction for protocol in chosen])
    _check_range(restored, clean)
    height, width = clean.shape[1:]
    plan = plan_views(chosen, rules, height, width)
    measured = {view: _measure_view(restored, clean, view, wants) for view, wants in plan.items()}
    return {each.name: read_score(each, measured, rules, height, width) for each in chosen}


def _check_range(restored: Tensor, clean: Tensor) -> None:
    """Refuse what `rainbench.metrics.prediction.check_range` does; most need not leave the GPU."""
    within = bool((restored >= 0).all() and (restored <= 1).all())
    if restored.dtype == torch.uint8 or not within:
        one, other = (each.permute(1, 2, 0).cpu().numpy() for each in (restored, clean))
        check_range(one, other)


def _check(restored: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    if restored.shape != clean.shape:
        raise RainbenchError(
            f"the restored picture is {tuple(restored.shape)} but the clean one is"
            f" {tuple(clean.shape)}"
        )
    if restored.ndim == 4 and len(restored) == 1:
        restored, clean = restored[0], clean[0]
    if restored.ndim != 3 or len(restored) != 3 or restored.numel() == 0:
        raise RainbenchError(
            f"the pictures are {tuple(restored.shape)}, not (3, H, W)",
            hint="Score the pictures of a batch one by one.",
        )
    if clean.dtype != torch.uint8 or restored.dtype not in (torch.uint8, torch.float32):
        raise RainbenchError(
            f"the pictures are {restored.dtype} and {clean.dtype}, not float32 or uint8 and uint8"
        )
    return restored, clean


def _rules(
    restored: Tensor, rules: Sequence[PredictionRule]
) -> dict[PredictionRule, PredictionRule]:
    if restored.dtype == torch.uint8:
        return {rule: "ecnet" if rule == "ecnet" else "round" for rule in rules}
    lowest, highest = float(restored.min()), float(restored.max())
    if not math.isfinite(lowest + highest):
        raise RainbenchError("the restored picture has values that are nan or infinite")
    return stand_ins(rules, lowest, highest)


def _measure_view(restored: Tensor, clean: Tensor, view: View, wants: Wants) -> Measured:
    pictures = _apply_rule(restored, clean, view.rule)
    (x, unit), (y, _) = (_planes(picture, view.colour) for picture in pictures)
    x, y = (_shrink(planes[:, : view.height, : view.width], view) for planes in (x, y))
    return mean_measured([_measure(x[i], y[i], unit, wants) for i in range(len(x))])


def _apply_rule(restored: Tensor, clean: Tensor, rule: PredictionRule) -> tuple[Tensor, Tensor]:
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
    return torch.from_numpy(UNIT_LEVELS).to(picture.device)[picture.long()]


def _planes(picture: Tensor, colour: Colour) -> tuple[Tensor, float]:
    """Return the planes ``(1 or 3, H, W)``, float64, and what one of 255 grey levels is in them."""
    if colour == "rgb":
        return picture.double(), 1.0 if picture.dtype == torch.uint8 else 1 / 255
    luma = LUMAS[colour]
    whole = picture.long()
    sums = sum(weight * whole[i] for i, weight in enumerate(luma.weights)) + luma.offset
    assert isinstance(sums, Tensor)
    if luma.rounding == "none":
        return sums[None].double(), float(luma.unit)
    levels = (2 * sums + luma.unit) // (2 * luma.unit)
    half = (2 * sums) % (2 * luma.unit) == luma.unit
    return torch.where(half, _settle(levels, picture, luma), levels)[None].double(), 1.0


def _settle(levels: Tensor, picture: Tensor, luma: Luma) -> Tensor:
    """Return the levels to take where a luma is half-way between two; ``levels`` rounds up."""
    if luma.rounding == "even":
        return levels - levels % 2
    if luma.rounding == "octave":
        down = torch.zeros_like(levels, dtype=torch.bool)
        for colour in OCTAVE_ROUNDS_DOWN:
            sample = torch.tensor(colour, device=picture.device)[:, None, None]
            down |= (picture == sample).all(dim=0)
        return levels - down.long()
    if luma.rounding == "float32":
        weights = torch.tensor(luma.weights, dtype=torch.float32, device=picture.device)
        weights = weights / torch.full_like(weights, luma.unit)
        red, green, blue = _over_255(picture)
        summed: Tensor = weights[0] * red + weights[1] * green + weights[2] * blue
        return (summed * 255).round().long()
    return levels


def _shrink(planes: Tensor, view: View) -> Tensor:
    factor = view.factor
    if factor == 1:
        return planes
    start = -((factor - 1) // 2) if view.shrinking == "wang" else 0
    for dim in (1, 2):
        side = planes.size(dim)
        outputs = -(-side // factor) if view.shrinking == "wang" else side // factor
        at = torch.arange(start, start + outputs * factor, device=planes.device)
        at = torch.where(at < 0, -1 - at, torch.where(at >= side, 2 * side - 1 - at, at))
        taken = planes.index_select(dim, at)
        split = (*taken.shape[:dim], outputs, factor, *taken.shape[dim + 1 :])
        planes = taken.reshape(split).mean(dim + 1)
    return planes


def _measure(x: Tensor, y: Tensor, unit: float, wants: Wants) -> Measured:
    mse = float((x - y).square().mean()) / (255 * unit) ** 2 if wants.mse else math.nan
    gaussian = GaussianSSIM(math.nan, math.nan, math.nan)
    if wants.gaussian:
        value, contrast = _gaussian_map(x, y, unit)
        border = GAUSSIAN_SIDE // 2
        inner = (slice(border, -border),) * 2
        gaussian = GaussianSSIM(
            float(value[inner].mean()),
            float(torch.where(contrast[inner] > 0, value[inner], 0.0).mean()),
            float(value.mean()),
        )
    uniform = {each: _uniform_mean(x, y, each, unit) for each in wants.ranges}
    return Measured(mse, gaussian, uniform)


def _gaussian_map(x: Tensor, y: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """Return the SSIM map of the zero-padded planes, and its contrast term's numerator."""
    radius = GAUSSIAN_SIDE // 2
    taps = [math.exp(-((k - radius) ** 2) / (2 * 1.5**2)) for k in range(GAUSSIAN_SIDE)]
    moments = torch.nn.functional.pad(_moments(x, y), [radius] * 4)
    mx, my, squares, products = _filter(moments, [tap / sum(taps) for tap in taps])
    c1, c2 = constants(255.0, unit)
    contrast = 2 * (products - mx * my) + c2
    power = mx * mx + my * my
    return (2 * mx * my + c1) * contrast / ((power + c1) * (squares - power + c2)), contrast


def _uniform_mean(x: Tensor, y: Tensor, ssim_range: float, unit: float) -> float:
    if min(x.shape) < UNIFORM_SIDE:
        return math.nan
    mx, my, squares, products = _filter(_moments(x, y), [1 / UNIFORM_SIDE] * UNIFORM_SIDE)
    c1, c2 = constants(ssim_range, unit)
    contrast = 2 * (products - mx * my) * (49 / 48) + c2
    power = mx * mx + my * my
    spread = (squares - power) * (49 / 48) + c2
    return float(((2 * mx * my + c1) * contrast / ((power + c1) * spread)).mean())


def _moments(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([x, y, x * x + y * y, x * y])


def _filter(planes: Tensor, taps: Sequence[float]) -> Tensor:
    """Filter along both axes, only where all taps fit."""
    for dim in (1, 2):
        length = planes.size(dim) - len(taps) + 1
        filtered = taps[0] * planes.narrow(dim, 0, length)
        for k, tap in enumerate(taps[1:], start=1):
            filtered = filtered + tap * planes.narrow(dim, k, length)
        planes = filtered
    return planes
