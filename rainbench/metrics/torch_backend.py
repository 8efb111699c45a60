"""The scores in plain torch, in float64: a second opinion, and for tensors on a GPU.

The plan, the protocols and the last step are those of the NumPy path; everything between, from
quantising to the means of the SSIM maps, is computed in another way. Both agree to 1e-9, which the
tests check. All planes of one size are filtered together, and nothing waits for the device: what
comes down is one row of numbers, see `measure`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rainbench.core.errors import RainbenchError
from rainbench.metrics.prediction import check_range, is_odd_range
from rainbench.metrics.protocols import PROTOCOLS, get_protocol
from rainbench.metrics.record import PredictionRule, Protocol
from rainbench.metrics.score import mean_measured
from rainbench.metrics.ssim import GaussianSSIM
from rainbench.metrics.torch_planes import Pictures, shape_of, unit_of
from rainbench.metrics.torch_ssim import gaussian_means, uniform_means
from rainbench.metrics.views import Measured, Score, View, Wants, plan_views, read_score

MOST_PIXELS = 1 << 22
"""Pixels of the planes that are filtered together, at most: they take some 500 bytes each."""


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
    unread = measure(restored, clean, protocols)
    values = unread.values.cpu().numpy()
    lowest, highest = values[:2]
    if not math.isfinite(lowest + highest):
        raise RainbenchError("the restored picture has values that are nan or infinite")
    if restored.dtype == torch.uint8 or is_odd_range(lowest, highest):
        pair = (each.reshape(each.shape[-3:]) for each in (restored, clean))
        one, other = (each.permute(1, 2, 0).cpu().numpy() for each in pair)
        check_range(one, other)
    return unread.scores(values)


@dataclass(frozen=True, slots=True)
class Unread:
    """The measurements of one picture, which may still be under way on the device.

    Attributes:
        values: One row, float64: the lowest and the highest value of the restored picture (nan
            where one of them is), then what `scores` understands.
    """

    values: Tensor
    _protocols: tuple[Protocol, ...]
    _rules: Mapping[PredictionRule, PredictionRule]
    _size: tuple[int, int]
    _plan: _Plan

    def scores(self, values: NDArray[np.float64]) -> dict[str, Score]:
        """Return the scores by protocol.

        Args:
            values: Those of the row, on the host.
        """
        measured = self._plan.read(values[2:])
        return {
            each.name: read_score(each, measured, self._rules, *self._size)
            for each in self._protocols
        }


@torch.inference_mode()
def measure(restored: Tensor, clean: Tensor, protocols: Sequence[str] | None = None) -> Unread:
    """Measure what `score_all_torch` scores, without waiting for the device.

    Whether the restored picture is finite and on the right scale is for the caller to see.

    Args:
        restored: As all that follow, see `score_all_torch`.
        clean: The true picture.
        protocols: Names out of `PROTOCOLS`.

    Raises:
        RainbenchError: A protocol does not exist, or a type or shape is not right.

    Example:
        >>> clean = torch.full((3, 16, 16), 100, dtype=torch.uint8)
        >>> unread = measure(clean / 255, clean, ["rgb"])
        >>> unread.scores(unread.values.numpy())["rgb"].psnr
        inf
    """
    chosen = tuple(get_protocol(name) for name in (PROTOCOLS if protocols is None else protocols))
    restored, clean = _check(restored, clean)
    eight_bits = restored.dtype == torch.uint8
    rules = _rules(chosen, eight_bits)
    height, width = clean.shape[1:]
    plan = _Plan(plan_views(chosen, rules, height, width), eight_bits)
    ends = torch.stack(torch.aminmax(restored)).double()
    values = torch.cat([ends, *plan.measure(Pictures(restored, clean))])
    return Unread(values, chosen, rules, (height, width), plan)


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


def _rules(protocols: Sequence[Protocol], eight_bits: bool) -> dict[PredictionRule, PredictionRule]:
    """Say which rule can stand in for each, whatever the values are."""
    named = [protocol.prediction for protocol in protocols]
    if not eight_bits:
        return {rule: rule for rule in named}
    return {rule: "ecnet" if rule == "ecnet" else "round" for rule in named}


class _Plan:
    """Views in chunks that are measured together, and where each number lies in the row.

    Args:
        views: What is to be measured.
        eight_bits: Whether the restored picture came in 8 bits.
    """

    def __init__(self, views: Mapping[View, Wants], eight_bits: bool) -> None:
        by_shape: dict[tuple[int, int], list[tuple[View, Wants]]] = {}
        for view, wants in views.items():
            by_shape.setdefault(shape_of(view), []).append((view, wants))
        self._chunks = [
            _Chunk(dict(some), eight_bits)
            for (height, width), each in by_shape.items()
            for some in _cut(each, MOST_PIXELS // max(1, height * width))
        ]

    def measure(self, pictures: Pictures) -> list[Tensor]:
        """Return the numbers, a part of the row for each chunk."""
        return [chunk.measure(pictures) for chunk in self._chunks]

    def read(self, values: NDArray[np.float64]) -> dict[View, Measured]:
        """Return the measurements of every view from the numbers of the row."""
        found: dict[View, Measured] = {}
        for chunk in self._chunks:
            own, values = values[: chunk.length], values[chunk.length :]
            found |= chunk.read(own)
        return found


def _cut(views: Sequence[tuple[View, Wants]], most: int) -> list[list[tuple[View, Wants]]]:
    """Cut views into parts of so many planes, or of one view."""
    parts: list[list[tuple[View, Wants]]] = []
    taken = most
    for each in views:
        planes = _planes(each[0])
        if not parts or taken + planes > most:
            parts.append([])
            taken = 0
        parts[-1].append(each)
        taken += planes
    return parts


def _planes(view: View) -> int:
    return 3 if view.colour == "rgb" else 1


class _Chunk:
    """Views whose planes have one size.

    The numbers: the MSE of each plane; three SSIMs of each that wants the Gaussian window, kind by
    kind; and those of each that wants the uniform one, range by range.
    """

    def __init__(self, views: Mapping[View, Wants], eight_bits: bool) -> None:
        self._views = views
        self._units = {view: unit_of(view, eight_bits) for view in views}
        self._gaussian = [view for view, wants in views.items() if wants.gaussian]
        self._uniform = [view for view, wants in views.items() if wants.ranges]
        self._ranges = sorted({each for wants in views.values() for each in wants.ranges})
        self._counts = [sum(map(_planes, some)) for some in (views, self._gaussian, self._uniform)]
        self.length = self._counts[0] + 3 * self._counts[1] + len(self._ranges) * self._counts[2]

    def measure(self, pictures: Pictures) -> Tensor:
        """Return the numbers, on the device."""
        made = {view: pictures.planes(view) for view in self._views}

        def together(views: Sequence[View]) -> tuple[Tensor, Tensor, list[float]]:
            x, y = (torch.cat([made[view][which] for view in views]) for which in (0, 1))
            return x, y, [self._units[view] for view in views for _ in range(_planes(view))]

        x, y, _ = together(list(self._views))
        found = [(x - y).square().mean((1, 2))]
        if self._gaussian:
            found.append(gaussian_means(*together(self._gaussian)).flatten())
        if self._uniform:
            found.append(uniform_means(*together(self._uniform), self._ranges).flatten())
        return torch.cat(found)

    def read(self, values: NDArray[np.float64]) -> dict[View, Measured]:
        """Return the measurements of every view."""
        every, gaussian, uniform = self._counts
        ends = every, every + 3 * gaussian
        errors = values[: ends[0]]
        of_gaussian = values[ends[0] : ends[1]].reshape(3, gaussian)
        of_uniform = values[ends[1] :].reshape(len(self._ranges), uniform)
        places = [0, 0, 0]
        found = {}
        for view, wants in self._views.items():
            scale = (255 * self._units[view]) ** 2
            members = []
            for _ in range(_planes(view)):
                error = float(errors[places[0]]) / scale if wants.mse else math.nan
                ssims = [math.nan] * 3
                if wants.gaussian:
                    ssims = of_gaussian[:, places[1]].tolist()
                by_range = {}
                if wants.ranges:
                    column = dict(zip(self._ranges, of_uniform[:, places[2]].tolist(), strict=True))
                    by_range = {each: column[each] for each in wants.ranges}
                members.append(Measured(error, GaussianSSIM(*ssims), by_range))
                steps = 1, bool(wants.gaussian), bool(wants.ranges)
                places = [place + step for place, step in zip(places, steps, strict=True)]
            found[view] = mean_measured(members)
        return found
