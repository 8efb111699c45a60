"""Scoring one picture under many protocols at once, and the mean over a data set."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.metrics.colour import LUMAS, Plane, luma_plane, weigh
from rainbench.metrics.prediction import Prediction, apply_rule, check_pair, check_range, used_rules
from rainbench.metrics.protocols import PROTOCOLS, get_protocol
from rainbench.metrics.psnr import mean_squared_error
from rainbench.metrics.record import Colour
from rainbench.metrics.ssim import GaussianSSIM, gaussian_ssim, shrink, uniform_ssim
from rainbench.metrics.views import Measured, Score, View, Wants, plan_views, read_score


def load_kernels() -> None:
    """Import what is compiled, before threads score: a first import beside others can fail.

    Example:
        >>> load_kernels()
    """
    from rainbench.metrics import kernels, plane_kernels  # noqa: F401


@functools.cache
def warm_up() -> None:
    """Score a small picture, once in a process: what is compiled is fetched from its cache then.

    Example:
        >>> warm_up()
    """
    score_all(np.zeros((16, 16, 3), np.float32), np.zeros((16, 16, 3), np.uint8))


def score_all(
    restored: Prediction, clean: Image, protocols: Sequence[str] | None = None
) -> dict[str, Score]:
    """Score one restored picture under every protocol, or under those that are named.

    Each protocol quantises the prediction by its own rule. Planes and filtered moments are shared
    between the protocols; no value depends on which others are asked for. The values are the same
    bytes on every call; several threads may score at once, the work is done outside the
    interpreter lock.

    Args:
        restored: ``(H, W, 3)`` RGB: float32 nominally in [0, 1] and not clamped, as a network
            returns it, or uint8.
        clean: ``(H, W, 3)`` uint8 RGB.
        protocols: Names out of `PROTOCOLS`; all of them by default.

    Returns:
        A score by protocol, in the order of ``protocols``. A picture with a side below the window
        (11 pixels, or 7 for the uniform window) has PSNR and an SSIM of nan there; protocols
        that pad the picture score it as usual. Nothing is left out.

    Raises:
        RainbenchError: A protocol does not exist, the sizes differ, a type or shape is not one of
            the above, or the prediction has values that are not finite or on another scale
            (0..255 as floats).

    Example:
        >>> clean = np.full((16, 16, 3), 100, np.uint8)
        >>> scores = score_all(clean + np.uint8(1), clean, ["prenet-y", "rgb"])
        >>> {name: round(score.psnr, 3) for name, score in scores.items()}
        {'prenet-y': 49.453, 'rgb': 48.131}
        >>> score_all(clean, clean, ["rescan-rgb"])
        {'rescan-rgb': Score(psnr=None, ssim=1.0)}
    """
    chosen = [get_protocol(name) for name in (PROTOCOLS if protocols is None else protocols)]
    check_pair(restored, clean)
    rules = used_rules(restored, [protocol.prediction for protocol in chosen])
    check_range(restored, clean)
    height, width = clean.shape[:2]
    plan = plan_views(chosen, rules, height, width)
    measured: dict[View, Measured] = {}
    for rule, same_rule in groupby(plan, key=lambda view: view.rule):
        planes = _Planes(*apply_rule(restored, clean, rule))
        for colour, views in groupby(same_rule, key=lambda view: view.colour):
            measured |= _measure_colour(planes, colour, {view: plan[view] for view in views})
    return {each.name: read_score(each, measured, rules, height, width) for each in chosen}


class _Planes:
    """The planes of two pictures, made when asked for.

    Keeps the last weighted sums: lumas that differ in rounding only follow one another.
    """

    def __init__(self, restored: Prediction, clean: Prediction) -> None:
        self._pictures = (restored, clean)
        self._weights: tuple[int, int, int] | None = None
        self._weighed: tuple[Plane, ...] = ()

    def pair(self, colour: Colour, channel: int) -> tuple[Plane, Plane, float]:
        """Return a plane of both pictures, and what one of 255 grey levels is in them."""
        if colour == "rgb":
            restored, clean = (
                picture[..., channel].astype(np.float64, order="C") for picture in self._pictures
            )
            return restored, clean, 1.0 if self._pictures[0].dtype == np.uint8 else 1 / 255
        pictures = tuple(picture.astype(np.uint8, copy=False) for picture in self._pictures)
        if self._weights != LUMAS[colour].weights:
            self._weights = LUMAS[colour].weights
            self._weighed = tuple(weigh(picture, colour) for picture in pictures)
        (restored, unit), (clean, _) = (
            luma_plane(picture, colour, weighed)
            for picture, weighed in zip(pictures, self._weighed, strict=True)
        )
        return restored, clean, unit


def _measure_colour(
    planes: _Planes, colour: Colour, views: dict[View, Wants]
) -> dict[View, Measured]:
    """Measure all views of one colour, a plane at a time so that few are held at once."""
    found: dict[View, list[Measured]] = {view: [] for view in views}
    for channel in range(3 if colour == "rgb" else 1):
        restored, clean, unit = planes.pair(colour, channel)
        for view, wants in views.items():
            pair = [
                shrink(plane[: view.height, : view.width], view.factor, view.shrinking)
                for plane in (restored, clean)
            ]
            found[view].append(_measure(pair[0], pair[1], unit, wants))
    return {view: mean_measured(each) for view, each in found.items()}


def _measure(restored: Plane, clean: Plane, unit: float, wants: Wants) -> Measured:
    mse, gaussian = math.nan, GaussianSSIM(math.nan, math.nan, math.nan)
    if wants.mse:
        mse = mean_squared_error(restored, clean) / (255 * unit) ** 2
    if wants.gaussian and clean.size:
        gaussian = gaussian_ssim(restored, clean, unit)
    uniform = uniform_ssim(restored, clean, wants.ranges, unit) if wants.ranges else ()
    return Measured(mse, gaussian, dict(zip(wants.ranges, uniform, strict=True)))


def mean_measured(planes: Sequence[Measured]) -> Measured:
    """Average over the planes of a view, which are of one size: pooled MSE, mean SSIM."""
    if len(planes) == 1:
        return planes[0]
    count = len(planes)
    return Measured(
        sum(plane.mse for plane in planes) / count,
        GaussianSSIM(
            *(sum(each) / count for each in zip(*(p.gaussian for p in planes), strict=True))
        ),
        {key: sum(plane.uniform[key] for plane in planes) / count for key in planes[0].uniform},
    )


class MeanScore(NamedTuple):
    """The plain mean over the pictures of a data set.

    Attributes:
        psnr: Mean PSNR in dB: infinite if any member is, None if the protocol has none.
        ssim: Mean SSIM; nan if any member is.
        images: How many pictures there were.
        identical: How many of them have an infinite PSNR, being identical to their clean picture.
        psnr_of_others: Mean PSNR of the rest; None if nothing is left or there is no PSNR.
    """

    psnr: float | None
    ssim: float
    images: int
    identical: int
    psnr_of_others: float | None


def mean_score(scores: Iterable[Score]) -> MeanScore:
    """Average per-picture scores of one protocol, as every published evaluation does.

    No evaluation pools the MSE over pictures. The sums are exact, so the order of the pictures does
    not matter.

    Args:
        scores: One per picture, all of the same protocol.

    Raises:
        RainbenchError: There are no scores, or only some have a PSNR.

    Example:
        >>> mean_score([Score(30.0, 0.9), Score(math.inf, 1.0)])
        MeanScore(psnr=inf, ssim=0.95, images=2, identical=1, psnr_of_others=30.0)
    """
    members = list(scores)
    if not members:
        raise RainbenchError("there is no mean of no scores")
    ssim = math.fsum(score.ssim for score in members) / len(members)
    psnrs = [score.psnr for score in members if score.psnr is not None]
    if not psnrs:
        return MeanScore(None, ssim, len(members), 0, None)
    if len(psnrs) < len(members):
        raise RainbenchError(
            f"{len(members) - len(psnrs)} of {len(members)} scores have no PSNR",
            hint="Average the scores of one protocol at a time.",
        )
    others = [value for value in psnrs if not math.isinf(value)]
    of_others = math.fsum(others) / len(others) if others else None
    identical = len(psnrs) - len(others)
    mean = math.inf if identical or of_others is None else of_others
    return MeanScore(mean, ssim, len(members), identical, of_others)
