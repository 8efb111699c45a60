"""What a protocol record says: the parts of a PSNR/SSIM convention, and the values they take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

PredictionRule = Literal["truncate", "round", "wrap", "clip", "none", "ecnet"]
"""What happens to a float prediction before it is scored.

- ``truncate``: clamped to [0, 1], times 255 in float32, cut towards zero.
- ``round``: the same, rounded to nearest, ties to even (as ``numpy.rint`` and OpenCV's saving do).
- ``wrap``: times 255 in float32, cut towards zero, modulo 256: a cast without a clamp.
- ``clip``: clamped to [0, 1] and left at that.
- ``none``: used as it is, overshoot included.
- ``ecnet``: to [-1, 1] and back in float32, then cut, the clean picture too; this round trip lowers
  63 of the 256 levels by one.
"""

Colour = Literal["rgb", "y601", "y601-octave", "y601-even", "ycv", "yiq", "yiq-float32"]
"""The plane, or planes, that are compared; see `rainbench.metrics.colour`.

- ``rgb``: the three channels; SSIM is their mean, PSNR has one MSE pooled over them.
- ``y601``: MATLAB's luma, 16..235, not rounded.
- ``y601-octave``, ``y601-even``: the same to 8 bits; the suffix says how the 194 colours that lie
  half-way between two levels are rounded.
- ``ycv``: OpenCV's luma, 0..255, 8 bits.
- ``yiq``, ``yiq-float32``: .299/.587/.114 over 0..255; not rounded, and rounded from a float32 sum.
"""

Window = Literal["gaussian", "gaussian-padded", "uniform"]
"""SSIM's window.

- ``gaussian``: 11x11, sigma 1.5, population moments, only where the window fits in the image.
- ``gaussian-padded``: the same with five zeros around the image, its border included.
- ``uniform``: 7x7, sample moments (49/48), only where the window fits.
"""

Shrinking = Literal["none", "wang", "avg-pool"]
"""What is done to large images before SSIM; see `rainbench.metrics.ssim.shrink`.

- ``wang``: Wang's ``ssim.m``; factor min(H, W)/256, halves rounded away from zero.
- ``avg-pool``: plain block means; halves rounded to even.
"""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to turn a prediction and a clean picture into PSNR and SSIM.

    Attributes:
        name: How it is called everywhere.
        version: Raised when a change of this record or of its code changes a value.
        title: One line for lists.
        prediction: The rule by which a float prediction is quantised. An 8-bit prediction is taken
            as it is (``ecnet`` excepted, which alters 8-bit pictures as well).
        colour: What PSNR compares.
        window: SSIM's window.
        source: Whose code this is.
        ssim_colour: What SSIM compares; None where it is the same.
        ssim_range: SSIM's L on the scale 0..255. 510 is the ``L = 2`` of pictures in 0..1.
        shrinking: How large images are made smaller before SSIM.
        multiple_of: Height and width are cut to a multiple of this, the top left corner kept.
        has_psnr: False where the authors' code has no PSNR: `Score.psnr` is then None.
        mse_added: Added to the MSE (on the scale 0..1) before PSNR is taken.
        clipped_contrast: Whether SSIM's contrast term is clipped at 0.
        identical: PSNR of two identical pictures, in dB.
        repository: Where that code is, or None.
        conventions: The published computations that agree with it within their own arithmetic.
        warning: What to know before its values are compared with anything; empty if nothing.
    """

    name: str
    version: int
    title: str
    prediction: PredictionRule
    colour: Colour
    window: Window
    source: str
    ssim_colour: Colour | None = None
    ssim_range: float = 255.0
    shrinking: Shrinking = "none"
    multiple_of: int = 1
    has_psnr: bool = True
    mse_added: float = 0.0
    clipped_contrast: bool = False
    identical: float = math.inf
    repository: str | None = None
    conventions: tuple[str, ...] = ()
    warning: str = ""
