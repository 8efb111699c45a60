"""How good is a clean frame, when nobody knows the truth? A score in place of a person's judgement.

The paper asks people whether a clean frame is good and adds frames until they say yes. Here three
things that can be seen without the truth stand for it:

- ``cross``: the method on the odd frames against the exact vote on the even ones, and the other way
  round. A method that fails does not agree with one that works.
- ``combined``: the systematic error, taken from where the frames' residuals are most frequent in
  each block; plus a quarter of the squared difference between odd and even frames, the random
  error; plus 1/12 for rounding to 8 bits.
- ``split_half``: the first half of the frames against the second, which also shows slow errors,
  such as a codec's.

Where somebody walks through the scene, that part of the picture is left out of all three, and the
exact vote, which shows the walkers, is replaced by the robust method. ``ghosting`` is the share of
the picture in which they can still be seen; a clean frame with more than a little is rejected.

What all frames have in common, such as mist, colour subsampling or the light's absolute brightness,
cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame, Method
from rainbench.clean_frame.quality.stillness import (
    EVEN,
    ODD,
    StaticCheck,
    check_static,
    clean_part,
    is_static,
    split_in_half,
    to_psnr,
)
from rainbench.core.errors import RainbenchError
from rainbench.frames.exposure import normalise
from rainbench.frames.sources import Frames, FrameSource, as_source, bands, read_band

_PartOf = Callable[[slice, Method], NDArray[np.float32]]

FrameVerdict = Literal["accept", "more", "reject"]
"""Good enough; worth another try with more frames; not a sequence to make a clean frame of."""

GOOD = 40.0
"""Estimated PSNR, in dB, from which a clean frame is accepted. Static scenes reach 46 to 57, while
strong compression (H.264 at CRF 23) allows 39: chosen between them."""

HALVING = 3.0
"""What a clean frame of all frames gains over the comparison of two halves, in dB: a half
has twice the squared random error. The estimate then ranks like the truth (Spearman 0.97)."""

MOST_GHOSTING = 0.03
"""Share of the picture in which people who walk through may still be seen; chosen."""

_GHOSTING_LEVELS = 16.0
"""Levels by which two clean frames must differ in a channel to count as ghosting: far more than
noise; chosen."""

FEWEST = 4
"""Fewest frames that can be judged: two odd and two even ones."""

BLOCK = 16
"""Pixels a side of the blocks whose residuals are counted together: enough samples for a mode."""

_LOOKED_AT = 40
"""Frames whose residuals are counted, spread over the sequence: 10,000 samples a block."""

_REACH, _STEP, _WIDTH = 24.0, 0.125, 0.5
"""Half range, bins and smoothing of the histogram of residuals, in levels; chosen: dry residuals
lie within a few levels, and a mode is wanted to a fraction of one."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said of a clean frame without the truth.

    Attributes:
        estimated_psnr: Estimate of the PSNR of the 8-bit clean frame against the truth, in dB.
        verdict: ``accept``, ``more`` or ``reject``.
        reason: Why not ``accept``, as a sentence without a full stop; else empty.
        split: PSNR between odd and even frames, in dB.
        cross: PSNR between the method on one half and the exact vote on the other, in dB.
        combined: PSNR put together from systematic and random error, in dB.
        split_half: PSNR between the first and the second half, in dB.
        check: Whether the sequence is static.
        ghosting: Share of the picture in which the method on one half of the frames shows something
            other than the robust method on the other half does, where something passes; else 0.
    """

    estimated_psnr: float
    verdict: FrameVerdict
    reason: str
    split: float
    cross: float
    combined: float
    split_half: float
    check: StaticCheck
    ghosting: float = 0.0


def judge_clean_frame(
    frames: Frames,
    clean: CleanFrame,
    *,
    good: float = GOOD,
    threads: int = 1,
    device: str = "cpu",
) -> Judgement:
    """Estimate how good a clean frame is, and say what to do with it.

    Args:
        frames: The frames it was made of, as they were given to
            `rainbench.clean_frame.extract.extract_clean_frame`.
        clean: The clean frame.
        good: Estimated PSNR from which it is accepted, in dB.
        threads: Threads to use.
        device: Where votes are counted; see `rainbench.clean_frame.extract.extract_clean_frame`.

    Raises:
        RainbenchError: There are fewer than 4 frames, or of another size or number than the clean
            frame's.

    Example:
        >>> from rainbench.clean_frame.extract import extract_clean_frame
        >>> video = np.random.default_rng(0).normal(100, 1, (20, 32, 32, 3)).astype(np.uint8)
        >>> judgement = judge_clean_frame(video, extract_clean_frame(video, "exact"))
        >>> judgement.verdict, judgement.estimated_psnr > 45
        ('accept', True)
    """
    source = as_source(frames, least=FEWEST)
    if (source.shape[0], *source.shape[1:3]) != (clean.frames, *clean.image.shape[:2]):
        raise RainbenchError(
            f"a clean frame of {clean.frames} frames of "
            f"{clean.image.shape[1]}x{clean.image.shape[0]} cannot be judged by frames of shape "
            f"{source.shape}",
            hint="Give the very frames that the clean frame was made of.",
        )
    steady = source if clean.exposure is None else normalise(source, clean.exposure)
    part_of = partial(
        clean_part,
        source,
        exposure=clean.exposure,
        percentile=clean.percentile,
        threads=threads,
        device=device,
    )
    split_half = to_psnr(_apart(part_of, clean.method, *split_in_half(source.shape[0])))
    if clean.method == "exact" and clean.vote_share is not None:
        # What the check compares and what the scores compare are the same pictures.
        random = cross = _apart(part_of, "exact", ODD, EVEN)
        check = check_static(steady, clean.vote_share, to_psnr(random), split_half)
    else:
        random, cross = _interleaved(part_of, clean.method)
        check = is_static(steady, threads=threads, device=device)
    ghosting = 0.0
    if check.still is not None:
        first, second = split_in_half(source.shape[0])
        split_half = to_psnr(_apart(part_of, clean.method, first, second, check.still))
        random, cross, ghosting = _around_passers(part_of, clean.method, check.still)
    combined = to_psnr(_systematic(source, clean, check.still) + random / 4 + 1 / 12)
    estimate = min(combined, to_psnr(cross) + HALVING, split_half + HALVING)
    verdict, reason = _decide(estimate, good, check, ghosting)
    return Judgement(
        estimate,
        verdict,
        reason,
        to_psnr(random),
        to_psnr(cross),
        combined,
        split_half,
        check,
        ghosting,
    )


def _apart(
    part_of: _PartOf,
    method: Method,
    one: slice,
    other: slice,
    still: NDArray[np.bool_] | None = None,
) -> float:
    """Return the mean squared difference of two clean frames by one method."""
    return _squared(part_of(one, method), part_of(other, method), still)


def _interleaved(part_of: _PartOf, method: Method) -> tuple[float, float]:
    """Compare odd and even frames, by the method and across methods: two mean squared errors."""
    # Pictures of 4K are large: each is freed as soon as it has been compared.
    odd, even = part_of(ODD, method), part_of(EVEN, method)
    random = _squared(odd, even)
    cross = _squared(odd, part_of(EVEN, "exact"))
    del odd
    cross += _squared(even, part_of(ODD, "exact"))
    return random, cross / 2


def _around_passers(
    part_of: _PartOf, method: Method, still: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Compare odd and even frames as `_interleaved` does, by and with the robust method.

    Returns:
        Two mean squared errors of the still part, and the share of the picture that shows ghosting.
    """
    pictures = [(part_of(part, method), part_of(part, "robust")) for part in (ODD, EVEN)]
    (odd, robust_odd), (even, robust_even) = pictures
    pairs = ((odd, robust_even), (even, robust_odd))
    cross = sum(_squared(one, other, still) for one, other in pairs) / 2
    ghosting = sum(
        float(((np.abs(one - other) > _GHOSTING_LEVELS).any(axis=-1) & ~still).mean())
        for one, other in pairs
    )
    return _squared(odd, even, still), cross, ghosting / 2


def _decide(
    estimate: float, good: float, check: StaticCheck, ghosting: float
) -> tuple[FrameVerdict, str]:
    if not check.static:
        return "reject", check.reason
    if ghosting > MOST_GHOSTING:
        return "reject", (
            f"what passes before the scene shows in {100 * ghosting:.1f} % of the picture: "
            "use the method robust, or a longer video"
        )
    if estimate < good:
        return "more", f"about {estimate:.1f} dB, less than {good:.1f}"
    return "accept", ""


def _squared(
    one: NDArray[np.float32], other: NDArray[np.float32], still: NDArray[np.bool_] | None = None
) -> float:
    squares = np.square(one - other)
    return float(np.mean(squares if still is None else squares[still], dtype=np.float64))


def _systematic(source: FrameSource, clean: CleanFrame, still: NDArray[np.bool_] | None) -> float:
    """Return the mean square of the residuals' modes in blocks, in squared levels.

    At a dry pixel a frame differs from a right clean frame by noise alone, most often by nothing.
    """
    count, height, width, _ = source.shape
    few = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int))
    exposure = np.ones(count) if clean.exposure is None else clean.exposure
    modes = []
    for top, bottom in bands(height, BLOCK):
        band = read_band(source, top, bottom)
        level = clean.levels[top:bottom].mean(axis=-1)
        bins = round(2 * _REACH / _STEP)
        block = np.broadcast_to(np.arange(width) // BLOCK, level.shape)
        counts = np.zeros(-(-width // BLOCK) * bins)
        for n in few:
            residual = band[n].mean(axis=-1, dtype=np.float32) / np.float32(exposure[n]) - level
            place = np.rint((residual + _REACH) / _STEP).astype(np.int64)
            known = (place >= 0) & (place < bins)
            if still is not None:
                known &= still[top:bottom]
            counts += np.bincount((block * bins + place)[known], minlength=counts.size)
        blocks = counts.reshape(-1, bins)
        if still is not None:
            columns = np.arange(0, width, BLOCK)
            blocks = blocks[np.logical_or.reduceat(still[top:bottom].any(axis=0), columns)]
        modes.append(_peaks(blocks) * _STEP - _REACH)
    return float(np.mean(np.square(np.concatenate(modes))))


def _peaks(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each row of counts, smoothed, is largest, to a fraction of a place."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(counts, _WIDTH / _STEP, axis=1)
    row = np.arange(len(smooth))
    peak = np.clip(smooth.argmax(axis=1), 1, smooth.shape[1] - 2)
    left, top, right = smooth[row, peak - 1], smooth[row, peak], smooth[row, peak + 1]
    bend = 2 * top - left - right
    offset = np.divide(right - left, 2 * bend, out=np.zeros(len(row)), where=bend > 0)
    return np.asarray(peak + offset, np.float64)
