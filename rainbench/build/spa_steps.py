"""INTERIM adaptor: scenes, density, judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rainbench.build.clean_frame import CleanFrame, Method, extract_clean_frame
from rainbench.build.sources import FrameSource, take_frames
from rainbench.build.spa_options import Density
from rainbench.build.spa_sequence import Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    estimated_psnr: float | None
    verdict: Verdict
    reason: str
    static: bool


def estimate_density(source: FrameSource) -> Density:
    return "normal"


def judge(source: FrameSource, clean: CleanFrame, method: Method) -> Judgement:
    odd, even = take_frames(source, np.s_[1::2]), take_frames(source, np.s_[::2])
    n = source.shape[0]
    if n < 4:
        return Judgement(None, "reject", "too few frames", False)
    a = extract_clean_frame(odd, method).levels
    b = extract_clean_frame(even, "exact").levels
    mse = float(((a - b) ** 2).mean())
    psnr = 10 * np.log10(255**2 / max(mse, 1e-3)) + 3
    half = n // 2
    c = extract_clean_frame(take_frames(source, np.s_[:half]), method).levels
    e = extract_clean_frame(take_frames(source, np.s_[half:]), method).levels
    halves = 10 * np.log10(255**2 / max(float(((c - e) ** 2).mean()), 1e-3)) + 3
    gap = psnr - halves
    if gap > 6 or (clean.vote_share is not None and clean.vote_share < 0.2):
        return Judgement(psnr, "reject", f"not a static sequence (gap {gap:.1f} dB)", False)
    if psnr < 38:
        return Judgement(psnr, "more", f"noisy: {psnr:.1f} dB", True)
    return Judgement(psnr, "accept", "", True)
