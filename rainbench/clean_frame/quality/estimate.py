"""How good is a clean frame, when nobody knows the truth? A score in place of a person's judgement.

The paper asks people whether a clean frame is good and adds frames until they say yes. Here squared
errors that can be seen without the truth are added up, over every pixel, to an estimate between two
ends; the verdict rests on the lower one.

- Systematic: where the frames' residuals are most frequent in each block (`residuals`).
- Random: the noise over the number of frames that show the scene at each pixel; and rounding.
- By asking the frames (`evidence`): where nothing lasts, where the median of the stretches is
  another, and what changes slowly from one half to the other; where another colour is there for
  long, the seams between it and its surroundings tell which of the two is the scene (`rivals`), and
  edges that no frame shows tell what is patched together from both (`torn`).
- What a codec has taken (`codec`), and the moving of frames to one place (`resampling`).
- The light that cannot be told from the scene's own.

The clean frames of odd and even frames by the robust method share its mistakes, and say nothing new
of it. Where another method is judged, they are compared, and the exact vote on the other half of
the frames must agree with it, unless something passes and most frames bear the clean frame out:
half of the frames may be too few where all are enough.

What all frames have in common, such as mist or the light's absolute brightness, cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rainbench.clean_frame.by_video.backgrounds import VideoMethod
from rainbench.clean_frame.dither import DitheredSource, lacks_noise
from rainbench.clean_frame.extract import CleanFrame, Method
from rainbench.clean_frame.quality.codec import CodecLoss, estimate_codec_loss
from rainbench.clean_frame.quality.enough import FEWEST, check_enough
from rainbench.clean_frame.quality.evidence import DITHERED, Evidence, ask_frames
from rainbench.clean_frame.quality.resampling import estimate_resampling_loss
from rainbench.clean_frame.quality.residuals import systematic_error
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
from rainbench.frames.maps import mean_of, picture_map, strips
from rainbench.frames.sources import Frames, as_source

_PartOf = Callable[[slice, Method], NDArray[np.float32]]

FrameVerdict = Literal["accept", "more", "reject"]
"""Good enough; worth another try with more frames; not a sequence to make a clean frame of."""

GOOD = 40.0
"""Lower end of the estimate, in dB, from which a clean frame is accepted. Static scenes reach 46 to
57, while strong compression (H.264 at CRF 23) allows 39: chosen between them."""

HALVED = 2.0
"""What a clean frame of all frames gains over the comparison of two halves: a half has twice the
squared random error."""

UNSEEN_LIGHT = 0.15
"""What is taken for the usual light, off the truth, over the width of the middle tenth of the
frames' light; chosen: a lamp that swings by a quarter leaves an error of a hundredth."""

UNSURE_LIGHT = 4.1
"""Squared levels, 42 dB, beyond which the light is no error: which one the scene's own is where it
gets dark, say, is a matter of choice, and the frames of the pairs are brought to it."""

_MEANS = ("robust", "mean", "lowrank", *get_args(VideoMethod))
"""Methods that know fractions of a level."""

SURE = 0.5
"""Share of the frames that must show a usual pixel for the camera to be at rest without more ado:
where all of the picture moves, no pixel is seen more seldom than others."""

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said of a clean frame without the truth.

    Attributes:
        estimated_psnr: Estimate of the PSNR of the 8-bit clean frame against the truth, in dB.
        verdict: ``accept``, ``more`` or ``reject``.
        reason: Why not ``accept``, as a sentence without a full stop; else empty.
        split: PSNR between odd and even frames, in dB; by the exact vote for the robust method.
        cross: PSNR between the method on one half and the exact vote on the other, in dB; for the
            robust method the same as ``split``.
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
    rests: bool = False,
    threads: int = 1,
    device: str = "cpu",
) -> Judgement:
    """Estimate how good a clean frame is, and say what to do with it.

    Args:
        frames: The frames it was made of, as they were given to
            `rainbench.clean_frame.extract.extract_clean_frame`.
        clean: The clean frame.
        good: Lower end of the estimate from which it is accepted, in dB.
        rests: The camera is known to rest, from `rainbench.frames.motion.find_camera_path`.
        threads: Threads to use.
        device: Where votes are counted; see `rainbench.clean_frame.extract.extract_clean_frame`.

    Raises:
        RainbenchError: There are fewer than 4 frames that differ, they are tiny, or of another size
            or number than the clean frame's.

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
    check_enough(source)
    steady = source if clean.exposure is None else normalise(source, clean.exposure)
    part_of = partial(
        clean_part,
        source,
        exposure=clean.exposure,
        percentile=clean.percentile,
        threads=threads,
        device=device,
    )
    flat = lacks_noise(source)
    evidence = ask_frames(DitheredSource(steady) if flat else steady, clean, threads=threads)
    calm = ~evidence.suspect
    systematic = systematic_error(source, clean, calm if not calm.all() else None)
    base = combined = systematic + evidence.random + _rounding(clean, 0 if flat else evidence.noise)
    halves = None
    if clean.method != "robust":
        halves = _interleaved(part_of, clean.method)
        random, across = halves.errors(evidence, enough=source.shape[0] >= ENOUGH)
        combined += max(0.0, random / 4 - evidence.random)
        base = max(combined, across / HALVED)
    bounds = _bounds(
        evidence,
        clean,
        base + estimate_resampling_loss(steady, clean, calm),
        estimate_codec_loss(source, steady, clean, evidence.noise),
    )
    sure = bounds.low >= min(good, GOOD) and evidence.usually >= SURE
    if halves is not None and clean.method == "exact" and clean.vote_share is not None:
        # What the check compares and what the scores compare are the same pictures.
        pair = [part_of(part, "exact") for part in split_in_half(source.shape[0])]
        check = check_static(
            steady, clean.vote_share, halves.split, likeness(*pair), sure=sure, rests=rests
        )
    else:
        share = clean.vote_share if clean.method == "robust" else None  # counted in steady light
        check = is_static(
            steady, share=share, sure=sure, rests=rests, threads=threads, device=device
        )
    ghosting = _ghosting(evidence)
    if clean.method != "robust" and check.still is not None:
        apart = np.abs(clean.levels - part_of(np.s_[:], "robust")).max(axis=-1)
        ghosting = max(ghosting, float(((apart > _GHOSTING_LEVELS) & ~check.still).mean()))
    verdict, reason = _decide(bounds, good, check, ghosting)
    return Judgement(
        bounds.estimate,
        verdict,
        reason,
        check.split if halves is None else halves.split,
        check.split if halves is None else halves.cross,
        to_psnr(combined),
        check.split_half,
        check,
        ghosting,
        bounds.low,
        bounds.high,
        bounds.uncertain,
    )


def _rounding(clean: CleanFrame, noise: float) -> float:
    """Return the squared error of rounding, which a mean of noisy samples shows."""
    if clean.method in _MEANS and noise >= DITHERED:
        return mean_of(lambda one, other: np.square(one - other), clean.image, clean.levels)
    return 1 / 12


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
    wrong, likely, most = (picture_map(evidence.seen.shape, np.float32) for _ in range(3))
    for strip in strips(most.shape):
        rows = strip.rows
        doubt = np.where(evidence.open[rows], evidence.apart[rows], 0)
        wrong[rows] = np.where(evidence.wrong[rows], evidence.apart[rows], 0)
        unsteady = evidence.unsteady[rows]
        most[rows] = np.maximum(np.maximum(doubt, 2 * unsteady), evidence.swaying[rows])
        likely[rows] = np.maximum(wrong[rows], unsteady)
    slow = max(0.0, _mean(evidence.slow)) / 4
    light = 0.0
    if clean.exposure is not None:
        squares = _usual_light_error(clean.exposure) ** 2 * np.mean(np.square(clean.levels))
        light = min(float(squares), UNSURE_LIGHT)
    return _Bounds(
        to_psnr(base + light + 4 * slow + codec.most + _mean(most)),
        to_psnr(base + light / 4 + slow + codec.expected + _mean(likely)),
        to_psnr(base / 2 + codec.least + _mean(wrong) / 2),
        float(evidence.open.mean()),
        _place(most),
    )


def _usual_light_error(exposure: NDArray[np.float64]) -> float:
    """Return by which share the light that is taken for the usual one may be off it.

    Where light wanders slowly its mean is that of a few states, as its quarters show; where most
    frames are in one light, no other comes into question.
    """
    each = exposure.reshape(len(exposure), -1)
    width = np.subtract(*np.quantile(each, (0.55, 0.45), axis=0))
    quarters = [part.mean(axis=0) for part in np.array_split(each, 4)]
    slow = np.std(quarters, axis=0, ddof=1) / 2
    return float(np.maximum(UNSEEN_LIGHT * width, np.minimum(width, slow)).max())


def _place(error: NDArray[np.float32]) -> str:
    """Name the ninth of the picture in which most of an error lies, and the pixels it covers."""
    rows, columns = (np.array_split(np.arange(side), 3) for side in error.shape)
    sums = np.array([[error[np.ix_(r, c)].sum() for c in columns] for r in rows])
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    names = ("upper", "middle", "lower")[row], ("left", "middle", "right")[column]
    name = "middle" if names == ("middle", "middle") else " ".join(names).replace("middle ", "")
    part = error[np.ix_(rows[row], columns[column])]
    (left, right), (top, bottom) = (
        start[0] + np.searchsorted(along.cumsum(), (0.1 * along.sum(), 0.9 * along.sum()))
        for along, start in ((part.sum(axis=0), columns[column]), (part.sum(axis=1), rows[row]))
    )
    return f"{name} (x {left} to {right}, y {top} to {bottom})"


def _ghosting(evidence: Evidence) -> float:
    """Return the share of the picture that clearly shows what passes."""
    return float((evidence.wrong & (evidence.apart > _GHOSTING_LEVELS**2)).mean())


@dataclass(frozen=True, slots=True, eq=False)
class _Halves:
    """How odd and even frames compare: PSNR and squared errors, by the method and across."""

    split: float
    random: NDArray[np.float32]
    cross: float
    across: NDArray[np.float32]

    def errors(self, evidence: Evidence, *, enough: bool) -> tuple[float, float]:
        """Return the mean squared errors where nothing is suspect, by the method and across."""
        # Half of the frames may mistake what passes for the scene where all of them do not.
        passed = evidence.passed & (evidence.seen < CROSSED) & enough
        calm = ~evidence.suspect
        random, across = (
            _mean(np.where(passed, np.minimum(error, 16 * evidence.random), error), calm)
            for error in (self.random, self.across)
        )
        return random, across


def _interleaved(part_of: _PartOf, method: Method) -> _Halves:
    """Compare odd and even frames, by the method and with the exact vote."""
    # Pictures of 4K are large: each is freed as soon as it has been compared.
    odd, even = part_of(ODD, method), part_of(EVEN, method)
    split, random = likeness(odd, even), _squares(odd, even)
    if method == "exact":
        return _Halves(split, random, split, random)
    across = _squares(odd, part_of(EVEN, "exact"))
    del odd
    across += _squares(even, part_of(ODD, "exact"))
    across /= 2
    return _Halves(split, random, to_psnr(_mean(across)), across)


def _decide(
    bounds: _Bounds, good: float, check: StaticCheck, ghosting: float
) -> tuple[FrameVerdict, str]:
    if not check.static:
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
        return "more", f"{at_least(bounds.low)}, less than {good:.1f}{where}"
    return "accept", ""


def at_least(low: float) -> str:
    """Name a lower end, rounded down: 35.98 dB are less than 36.

    Example:
        >>> at_least(35.98)
        'at least 35.9 dB'
    """
    return f"at least {np.floor(10 * low) / 10:.1f} dB"


def _squares(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    squares: NDArray[np.float32] = picture_map(one.shape[:2], np.float32)
    for strip in strips(one.shape):
        squares[strip.rows] = np.square(one[strip.rows] - other[strip.rows]).mean(axis=-1)
    return squares


def _mean(error: NDArray[np.float32], part: NDArray[np.bool_] | None = None) -> float:
    if part is None or not part.any():
        return float(np.mean(error, dtype=np.float64))
    return float(np.mean(error[part], dtype=np.float64))
