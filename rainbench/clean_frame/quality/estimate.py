"""How good is a clean frame, when nobody knows the truth? A score in place of a person's judgement.

The paper asks people whether a clean frame is good and adds frames until they say yes. Here squared
errors that can be seen without the truth are added up, over every pixel, to an estimate between two
ends; the verdict rests on the lower one.

- Systematic: where the frames' residuals are most frequent in each block.
- Random: a quarter of the squared difference between odd and even frames; 1/12 for rounding.
- By asking the frames (`evidence`): where clearly more frames show another colour, where another is
  as likely, where nothing lasts, and what changes slowly from one half to the other.
- What the robust method itself left open, `CleanFrame.uncertain`.
- What a codec has taken (`codec`), and the light that cannot be told from the scene's own.

Where a method other than the robust one is judged, the exact vote on the other half of the frames
must agree with it. Where something passes, and most frames bear the clean frame out, the halves
need not agree: half of the frames may be too few where all are enough.

What all frames have in common, such as mist or the light's absolute brightness, cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.extract import CleanFrame, Method
from rainbench.clean_frame.quality.codec import CodecLoss, estimate_codec_loss
from rainbench.clean_frame.quality.evidence import Evidence, ask_frames, without_specks
from rainbench.clean_frame.quality.stillness import (
    EVEN,
    HIGHEST,
    ODD,
    StaticCheck,
    check_static,
    clean_part,
    is_static,
    likeness,
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
"""Lower end of the estimate, in dB, from which a clean frame is accepted. Static scenes reach 46 to
57, while strong compression (H.264 at CRF 23) allows 39: chosen between them."""

HALVED = 2.0
"""What a clean frame of all frames gains over the comparison of two halves: a half has twice the
squared random error."""

UNSEEN_LIGHT = 0.06
"""What is taken for the usual light, off the truth, over the deviation of the light; chosen: a lamp
that swings by a quarter leaves an error of a hundredth."""

CROSSED = 0.95
"""Share of the frames, see `Evidence.seen`, below which something passes."""

ENOUGH = 20
"""Frames from which such a share can be told from chance; chosen."""

LEAST_UNCERTAIN = 1e-4
"""Share of uncertain pixels that is told of."""

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
        split_half: PSNR between exact votes on the first and the second half, in dB.
        check: Whether the sequence is static.
        ghosting: Share of the picture that shows what passes instead of the scene.
        low: Lower end of the estimate, on which the verdict rests, in dB.
        high: Upper end of the estimate, in dB.
        uncertain: Share of the pixels at which something else may be the scene.
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
    low: float = 0.0
    high: float = HIGHEST
    uncertain: float = 0.0


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
        good: Lower end of the estimate from which it is accepted, in dB.
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
    evidence = ask_frames(steady, clean, threads=threads)
    calm = ~evidence.suspect
    split, cross_all, random, cross = _interleaved(part_of, clean.method)
    if clean.method == "exact" and clean.vote_share is not None:
        # What the check compares and what the scores compare are the same pictures.
        halves = [part_of(part, "exact") for part in split_in_half(source.shape[0])]
        check = check_static(steady, clean.vote_share, split, likeness(*halves))
    else:
        check = is_static(steady, threads=threads, device=device)
    # Half of the frames may mistake what passes for the scene where all of them do not.
    passed = evidence.passed & (evidence.seen < CROSSED) & (source.shape[0] >= ENOUGH)
    for error in (random, cross):
        error[passed] = np.minimum(error[passed], 16 * evidence.random)
    systematic = _systematic(source, clean, calm if not calm.all() else None)
    combined = systematic + max(evidence.random, _mean(random, calm) / 4) + 1 / 12
    # Where the frames bear the robust method out, what differs from it is the exact vote's fault.
    base = combined if clean.method == "robust" else max(combined, _mean(cross, calm) / HALVED)
    bounds = _bounds(evidence, clean, base, estimate_codec_loss(steady, clean))
    ghosting = _ghosting(evidence)
    if clean.method != "robust" and check.still is not None:
        apart = np.abs(clean.levels - part_of(np.s_[:], "robust")).max(axis=-1)
        ghosting = max(ghosting, float(((apart > _GHOSTING_LEVELS) & ~check.still).mean()))
    verdict, reason = _decide(bounds, good, check, ghosting)
    return Judgement(
        bounds.estimate,
        verdict,
        reason,
        split,
        cross_all,
        to_psnr(combined),
        check.split_half,
        check,
        ghosting,
        bounds.low,
        bounds.high,
        bounds.uncertain,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Bounds:
    """Estimates in dB, the share of uncertain pixels, and where the low one loses most."""

    low: float
    estimate: float
    high: float
    uncertain: float
    place: str


def _bounds(evidence: Evidence, clean: CleanFrame, base: float, codec: CodecLoss) -> _Bounds:
    """Put the kinds of evidence together, each a squared error in squared levels."""
    doubt = np.where(evidence.open, evidence.apart, 0)
    uncertain = evidence.open
    if clean.uncertain is not None and clean.other is not None:
        apart = np.square(clean.other - clean.levels).mean(axis=-1)
        left_open = without_specks(clean.uncertain)
        doubt = np.maximum(doubt, np.where(left_open, apart, 0))
        uncertain = uncertain | left_open
    wrong = np.where(evidence.wrong, evidence.apart, 0)
    unsteady = np.where(evidence.unsteady, evidence.spread, 0)
    slow = max(0.0, _mean(evidence.slow)) / 4
    swing = 0.0 if clean.exposure is None else float(np.std(clean.exposure))
    light = (swing * UNSEEN_LIGHT) ** 2 * float(np.mean(np.square(clean.levels)))
    swaying = np.where(evidence.swaying, evidence.spread / 3, 0)
    most = np.maximum(np.maximum(doubt, 2 * unsteady), swaying)
    likely = np.maximum(np.maximum(wrong, doubt / 2), unsteady)
    return _Bounds(
        to_psnr(base + light + 4 * slow + codec.most + _mean(most)),
        to_psnr(base + light / 4 + slow + codec.expected + _mean(likely)),
        to_psnr(base / 2 + codec.least),
        float(uncertain.mean()),
        _place(most),
    )


def _place(error: NDArray[np.float32]) -> str:
    """Name the ninth of the picture in which most of an error lies."""
    rows, columns = (np.array_split(np.arange(side), 3) for side in error.shape)
    sums = np.array([[error[np.ix_(r, c)].sum() for c in columns] for r in rows])
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    names = ("upper", "middle", "lower")[row], ("left", "middle", "right")[column]
    return "middle" if names == ("middle", "middle") else " ".join(names).replace("middle ", "")


def _ghosting(evidence: Evidence) -> float:
    """Return the share of the picture that clearly shows what passes."""
    return float((evidence.wrong & (evidence.apart > _GHOSTING_LEVELS**2)).mean())


def _interleaved(
    part_of: _PartOf, method: Method
) -> tuple[float, float, NDArray[np.float32], NDArray[np.float32]]:
    """Compare odd and even frames, by the method and across methods.

    Returns:
        Two PSNRs and two maps of squared errors.
    """
    # Pictures of 4K are large: each is freed as soon as it has been compared.
    odd, even = part_of(ODD, method), part_of(EVEN, method)
    split, random = likeness(odd, even), _squares(odd, even)
    if method == "exact":
        return split, split, random, random
    cross = _squares(odd, part_of(EVEN, "exact"))
    del odd
    cross += _squares(even, part_of(ODD, "exact"))
    cross /= 2
    return split, to_psnr(_mean(cross)), random, cross


def _decide(
    bounds: _Bounds, good: float, check: StaticCheck, ghosting: float
) -> tuple[FrameVerdict, str]:
    if not check.static and not (check.moving == "scene" and bounds.low >= good):
        return "reject", check.reason
    if ghosting > MOST_GHOSTING:
        return "reject", (
            f"what passes before the scene shows in {100 * ghosting:.1f} % of the picture, most "
            f"in the {bounds.place}: use the method robust, or a longer video"
        )
    if bounds.low < good:
        where = ""
        if bounds.uncertain > LEAST_UNCERTAIN:
            where = (
                f"; {100 * bounds.uncertain:.1f} % of the picture, most in the {bounds.place}, "
                "may be the scene or something that stands before it"
            )
        return "more", f"at least {bounds.low:.1f} dB, less than {good:.1f}{where}"
    return "accept", ""


def _squares(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    squares: NDArray[np.float32] = np.square(one - other).mean(axis=-1)
    return squares


def _mean(error: NDArray[np.float32], part: NDArray[np.bool_] | None = None) -> float:
    if part is None or not part.any():
        return float(np.mean(error, dtype=np.float64))
    return float(np.mean(error[part], dtype=np.float64))


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
