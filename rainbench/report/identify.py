"""Which metric convention, and which revision of a data set, made a published number?

The images that the number is about (usually the rainy input, which needs no network) are scored
under every protocol; the protocols are ranked by how far they land from the printed number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rainbench.core.images import read_image
from rainbench.core.progress import Advance, unseen
from rainbench.metrics import PROTOCOLS, MeanScore, Score, mean_score, score_all
from rainbench.pairs.layouts import Pair
from rainbench.pairs.load import PairSet
from rainbench.pairs.pictures import load_image, load_pair
from rainbench.report.rows import PUBLISHED_PSNR_TOLERANCE, PUBLISHED_SSIM_TOLERANCE

FAMILIES: Mapping[str, str] = {
    "y601": "luma, 16 to 235",
    "ycv": "luma, 0 to 255",
    "yiq": "luma, 0 to 255",
    "rgb": "RGB",
}
"""What PSNR can tell apart, by the start of a protocol's colour: the planes that are compared."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published pair of numbers.

    Attributes:
        name: What it is called in the answer.
        psnr: In dB, or None.
        ssim: Or None.
        psnr_step: The last digit that is printed: 0.01 for two decimals.
        ssim_step: That of the SSIM.
    """

    name: str
    psnr: float | None
    ssim: float | None
    psnr_step: float = 0.01
    ssim_step: float = 0.001


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explanation of the published numbers: a protocol, and a revision for each of them.

    Attributes:
        protocol: The protocol.
        family: What planes it compares.
        revisions: For each target the data set whose images were scored.
        scores: For each target the mean PSNR and SSIM.
        distance: How far off, in tolerances (0.05 dB, 0.002): the root mean square over all
            numbers; below 1 it would count as a match.
        chance: The probability that some other of the computations, as many as print different
            numbers, lands as near by accident, were each of its numbers anywhere in the range that
            the protocols span on these images.
    """

    protocol: str
    family: str
    revisions: tuple[str, ...]
    scores: tuple[MeanScore, ...]
    distance: float
    chance: float


def family_of(protocol: str) -> str:
    """Return what planes a protocol compares.

    Example:
        >>> family_of("prenet-y"), family_of("raindrop-y"), family_of("rgb-win7")
        ('luma, 16 to 235', 'luma, 0 to 255', 'RGB')
    """
    colour = PROTOCOLS[protocol].colour
    return next(name for start, name in FAMILIES.items() if colour.startswith(start))


def score_images(
    pairs: PairSet,
    files: Mapping[str, Path] | None = None,
    *,
    workers: int = 2,
    advance: Advance = unseen,
) -> dict[str, MeanScore]:
    """Return the means of a data set's rainy images, or of restored ones, under every protocol.

    Args:
        pairs: The data set's copy.
        files: The restored image of each pair by id; pairs without one are passed over. None
            scores the rainy images.
        workers: Threads.
        advance: Called after each image with 1 and the data set's label.
    """

    def score(pair: Pair) -> dict[str, Score]:
        if files is None:
            image, clean = load_pair(pair)
        else:
            image, clean = read_image(files[pair.id]), load_image(pair.clean)
        return score_all(image, clean)

    chosen = [pair for pair in pairs.pairs if files is None or pair.id in files]
    scored = []
    with ThreadPoolExecutor(workers) as pool:
        for scores in pool.map(score, chosen):
            scored.append(scores)
            advance(1, pairs.label)
    return {name: mean_score(each[name] for each in scored) for name in PROTOCOLS}


def rank(
    targets: Sequence[Published], measured: Sequence[Mapping[str, Mapping[str, MeanScore]]]
) -> list[Explanation]:
    """Rank every protocol, with the nearest revision for each target, by its distance.

    Args:
        targets: The published numbers; all are held to have been made under one protocol.
        measured: For each target the means by revision and protocol.
    """
    spans = [
        {revision: _spans(target, scores.values()) for revision, scores in by_revision.items()}
        for target, by_revision in zip(targets, measured, strict=True)
    ]
    found = []
    for protocol in PROTOCOLS:
        revisions, scores = [], []
        for target, by_revision in zip(targets, measured, strict=True):
            nearest = min(by_revision, key=lambda name: _off(target, by_revision[name][protocol]))
            revisions.append(nearest)
            scores.append(by_revision[nearest][protocol])
        squares = [
            square for pair in zip(targets, scores, strict=True) for square in _squares(*pair)
        ]
        accident = math.prod(
            _accident(target, score, span[revision])
            for target, score, span, revision in zip(targets, scores, spans, revisions, strict=True)
        )
        found.append((protocol, tuple(revisions), tuple(scores), _mean_root(squares), accident))
    others = len({printed(targets, scores) for _, _, scores, _, _ in found}) - 1
    explanations = [
        Explanation(
            protocol=protocol,
            family=family_of(protocol),
            revisions=revisions,
            scores=scores,
            distance=distance,
            chance=-math.expm1(others * math.log1p(-min(accident, 1 - 1e-16))),
        )
        for protocol, revisions, scores, distance, accident in found
    ]
    return sorted(explanations, key=lambda explanation: explanation.distance)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the ranking says of the planes that were compared.

    Attributes:
        family: The family that alone agrees in PSNR; empty where none or several do.
        nearest: How far the nearest protocol of each family is off in PSNR, in dB: the greatest
            distance over the targets.
    """

    family: str
    nearest: Mapping[str, float]


def agreeing_family(targets: Sequence[Published], ranked: Iterable[Explanation]) -> Agreement:
    """Say which family of planes the PSNR singles out.

    PSNR alone decides: it hangs on the planes, while SSIM hangs on the window and more.
    """
    nearest: dict[str, float] = {}
    for explanation in ranked:
        off = [
            abs(score.psnr - target.psnr)
            for target, score in zip(targets, explanation.scores, strict=True)
            if target.psnr is not None and score.psnr is not None
        ]
        if off:
            known = nearest.get(explanation.family, math.inf)
            nearest[explanation.family] = min(known, max(off))
    agreeing = [family for family, off in nearest.items() if off <= PUBLISHED_PSNR_TOLERANCE + 1e-9]
    nearest = dict(sorted(nearest.items(), key=lambda item: item[1]))
    return Agreement(agreeing[0] if len(agreeing) == 1 else "", nearest)


def unmatched(targets: Sequence[Published], explanation: Explanation) -> list[str]:
    """Return the numbers in which a explanation is farther off than a match, in words.

    Example:
        >>> score = MeanScore(20.0, 0.91, 4, 0, 20.0)
        >>> best = Explanation("rgb", "RGB", ("x",), (score,), 2.5, 0.1)
        >>> unmatched([Published("x", 20.01, 0.905)], best)
        ['SSIM of x is 0.0050 higher']
    """
    words = []
    for target, score in zip(targets, explanation.scores, strict=True):
        names = [name for name in ("psnr", "ssim") if getattr(target, name) is not None]
        for name, (published, measured, tolerance, _) in zip(
            names, _numbers(target, score), strict=True
        ):
            if abs(measured - published) > tolerance + 1e-9:
                way = "higher" if measured > published else "lower"
                by = abs(measured - published)
                text = f"{by:.2f} dB" if name == "psnr" else f"{by:.4f}"
                words.append(f"{name.upper()} of {target.name} is {text} {way}")
    return words


def _numbers(target: Published, score: MeanScore) -> list[tuple[float, float, float, float]]:
    """Return for each number: published, measured, what counts as a match, the printed step."""
    numbers = []
    if target.psnr is not None:
        measured = math.inf if score.psnr is None else score.psnr
        numbers.append((target.psnr, measured, PUBLISHED_PSNR_TOLERANCE, target.psnr_step))
    if target.ssim is not None:
        measured = math.inf if math.isnan(score.ssim) else score.ssim
        numbers.append((target.ssim, measured, PUBLISHED_SSIM_TOLERANCE, target.ssim_step))
    return numbers


def _squares(target: Published, score: MeanScore) -> list[float]:
    return [
        ((published - measured) / tolerance) ** 2
        for published, measured, tolerance, _ in _numbers(target, score)
    ]


def _off(target: Published, score: MeanScore) -> float:
    return _mean_root(_squares(target, score))


def _mean_root(squares: Sequence[float]) -> float:
    return math.sqrt(sum(squares) / len(squares)) if squares else math.inf


def _spans(target: Published, scores: Iterable[MeanScore]) -> list[float]:
    """Return over what range each number lies under all protocols, the published one included."""
    spans = []
    for column in zip(*(_numbers(target, score) for score in scores), strict=True):
        values = [measured for _, measured, _, _ in column if math.isfinite(measured)]
        values.append(column[0][0])
        spans.append(max(values) - min(values))
    return spans


def _accident(target: Published, score: MeanScore, spans: Sequence[float]) -> float:
    """Return how probable it is that a value anywhere in the range lies as near by accident.

    Nothing can be nearer than half a printed digit.
    """
    chance = 1.0
    for (published, measured, _, step), span in zip(_numbers(target, score), spans, strict=True):
        reach = max(abs(published - measured), step / 2)
        chance *= min(1.0, 2 * reach / span) if span > 0 and math.isfinite(reach) else 1.0
    return chance


def printed(targets: Sequence[Published], scores: Sequence[MeanScore]) -> tuple[float, ...]:
    """Return the numbers in printed digits: computations that print the same are one.

    Args:
        targets: The published numbers.
        scores: A mean for each of them.
    """
    return tuple(
        round(measured / step) if math.isfinite(measured) else math.inf
        for target, score in zip(targets, scores, strict=True)
        for _, measured, _, step in _numbers(target, score)
    )
