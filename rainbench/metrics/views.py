"""Which planes a set of protocols needs, so that each is made and filtered only once.

Most protocols look at the same few planes and differ in the last step. A `View` is a pair of planes
to be compared; `Wants` is what is asked of it; `Measured` is the answer. The plan is the same for
every implementation that fills in the measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rainbench.metrics.psnr import psnr
from rainbench.metrics.record import Colour, PredictionRule, Protocol, Shrinking
from rainbench.metrics.ssim import GaussianSSIM, shrink_factor


class Score(NamedTuple):
    """What one picture scores under one protocol.

    Attributes:
        psnr: dB; None where the protocol has no PSNR.
        ssim: At most 1; nan where the picture is too small for the window.
    """

    psnr: float | None
    ssim: float


class View(NamedTuple):
    """A plane of both pictures (three, for ``rgb``), cut and shrunk.

    Attributes:
        rule: How the prediction is quantised.
        colour: Which plane.
        height: Rows that are left after cutting.
        width: Columns that are left after cutting.
        shrinking: How it is made smaller.
        factor: By how much; 1 for not at all.
    """

    rule: PredictionRule
    colour: Colour
    height: int
    width: int
    shrinking: Shrinking = "none"
    factor: int = 1


@dataclass(slots=True)
class Wants:
    """What is to be measured on a view: the MSE, the Gaussian SSIMs, the uniform SSIMs by L."""

    mse: bool = False
    gaussian: bool = False
    ranges: list[float] = field(default_factory=list)


class Measured(NamedTuple):
    """The measurements of a view, means over its planes.

    Attributes:
        mse: On the scale on which the peak is 1.
        gaussian: The SSIMs under the Gaussian window.
        uniform: SSIM under the uniform window, by L.
    """

    mse: float
    gaussian: GaussianSSIM
    uniform: Mapping[float, float]


RuleNames = Mapping[PredictionRule, PredictionRule]
"""The rule that stands in for each."""


def plan_views(
    protocols: Iterable[Protocol], rules: RuleNames, height: int, width: int
) -> dict[View, Wants]:
    """List the views that these protocols need of a picture, and what they ask of each.

    Views that share their planes follow one another.
    """
    plan: dict[View, Wants] = {}
    for protocol in protocols:
        if protocol.has_psnr:
            plan.setdefault(psnr_view(protocol, rules, height, width), Wants()).mse = True
        wants = plan.setdefault(ssim_view(protocol, rules, height, width), Wants())
        if protocol.window != "uniform":
            wants.gaussian = True
        elif protocol.ssim_range not in wants.ranges:
            wants.ranges.append(protocol.ssim_range)
    return {view: plan[view] for view in sorted(plan)}


def psnr_view(protocol: Protocol, rules: RuleNames, height: int, width: int) -> View:
    """Return the view whose MSE the protocol's PSNR is made of."""
    multiple = protocol.multiple_of
    return View(
        rules[protocol.prediction],
        protocol.colour,
        height // multiple * multiple,
        width // multiple * multiple,
    )


def ssim_view(protocol: Protocol, rules: RuleNames, height: int, width: int) -> View:
    """Return the view on which the protocol takes SSIM."""
    view = psnr_view(protocol, rules, height, width)
    factor = shrink_factor(view.height, view.width, protocol.shrinking)
    return view._replace(
        colour=protocol.ssim_colour or protocol.colour,
        shrinking="none" if factor == 1 else protocol.shrinking,
        factor=factor,
    )


def read_score(
    protocol: Protocol,
    measured: Mapping[View, Measured],
    rules: RuleNames,
    height: int,
    width: int,
) -> Score:
    """Take a protocol's score from the measurements of its views."""
    of_ssim = measured[ssim_view(protocol, rules, height, width)]
    if protocol.window == "uniform":
        ssim = of_ssim.uniform[protocol.ssim_range]
    elif protocol.window == "gaussian-padded":
        ssim = of_ssim.gaussian.padded
    else:
        ssim = of_ssim.gaussian.clipped if protocol.clipped_contrast else of_ssim.gaussian.valid
    if not protocol.has_psnr:
        return Score(None, ssim)
    mse = measured[psnr_view(protocol, rules, height, width)].mse
    return Score(psnr(mse, mse_added=protocol.mse_added, identical=protocol.identical), ssim)
