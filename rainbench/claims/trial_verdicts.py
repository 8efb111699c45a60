"""Claims tried by small trainings: differences over seeds, and what they allow to say.

All networks of a claim were trained on the same patches for the same seed, so differences are
taken seed by seed. Three seeds are few: where all of them agree and their mean is beyond their
spread, chance alone would have done so in at most one of four comparisons.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rainbench.claims.evaluate import Claim
from rainbench.claims.expressions import MINUS, comparisons, evaluate

HOLDS = "holds at this scale"
REVERSED = "reversed"
OPEN = "not distinguishable"


class Scored(NamedTuple):
    """What one training reached."""

    psnr: float
    ssim: float


Scores = Mapping[tuple[str, int], Scored]
"""What trainings reached, by baseline and seed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One network, or one gain, that should be above another.

    Attributes:
        upper: What should be above.
        lower: What should be below.
        psnr: Their differences in dB, a number per seed.
        ssim: Likewise.
    """

    upper: str
    lower: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """What the differences of PSNR allow to say.

        Example:
            >>> Comparison("a", "b", (0.4, 0.5, 0.3), (0.0, 0.0, 0.0)).verdict
            'holds at this scale'
            >>> Comparison("a", "b", (0.4, -0.1, 0.3), (0.0, 0.0, 0.0)).verdict
            'not distinguishable'
        """
        mean = statistics.fmean(self.psnr)
        clear = len(self.psnr) > 1 and abs(mean) > spread(self.psnr)
        if clear and min(self.psnr) > 0:
            return HOLDS
        if clear and max(self.psnr) < 0:
            return REVERSED
        return OPEN


@dataclass(frozen=True, slots=True)
class TrialFinding:
    """What small trainings say of a claim.

    Attributes:
        claim: The claim.
        comparisons: All of its comparisons; empty where trainings are missing.
        missing: Baselines that were not trained with every seed.
    """

    claim: Claim
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """All comparisons in a few words."""
        if not self.comparisons:
            return "not tried"
        return summary(comparison.verdict for comparison in self.comparisons)


def networks_of(claim: Claim) -> tuple[str, ...]:
    """Return the baselines that a claim's trial needs.

    Example:
        >>> from rainbench.claims.evaluate import load_claims
        >>> networks_of({claim.id: claim for claim in load_claims()}["A3"])
        ('d-daiam', 'daiam', 'daiam-daiam')
    """
    if claim.trial is None:
        return ()
    terms = [
        term
        for group in claim.trial.order
        for expression in group
        for term in expression.split(MINUS)
    ]
    return tuple(dict.fromkeys(term for term in terms if not term.replace(".", "").isdigit()))


def judge_trials(claim: Claim, scores: Scores, seeds: int) -> TrialFinding:
    """Return what small trainings say of a claim.

    Args:
        claim: It has a trial.
        scores: Of its networks on its kind of rain.
        seeds: How many seeds were asked for, from 0 on.
    """
    assert claim.trial is not None
    missing = [
        name
        for name in networks_of(claim)
        if any((name, seed) not in scores for seed in range(seeds))
    ]
    if missing:
        return TrialFinding(claim, (), tuple(missing))
    return TrialFinding(
        claim,
        tuple(
            _compare(upper, lower, scores, seeds) for upper, lower in comparisons(claim.trial.order)
        ),
    )


def _compare(upper: str, lower: str, scores: Scores, seeds: int) -> Comparison:
    def differences(field: int) -> tuple[float, ...]:
        return tuple(
            evaluate(upper, lambda name, seed=seed: scores[name, seed][field])  # type: ignore[misc]
            - evaluate(lower, lambda name, seed=seed: scores[name, seed][field])  # type: ignore[misc]
            for seed in range(seeds)
        )

    return Comparison(upper, lower, differences(0), differences(1))


def summary(verdicts: Iterable[str]) -> str:
    """Return the verdicts of a claim's comparisons as one.

    Example:
        >>> summary([HOLDS, OPEN]), summary([HOLDS, HOLDS]), summary([HOLDS, REVERSED])
        ('holds in part at this scale', 'holds at this scale', 'part holds, part is reversed')
    """
    found = set(verdicts)
    if len(found) == 1:
        return found.pop()
    if found == {HOLDS, OPEN}:
        return "holds in part at this scale"
    if found == {REVERSED, OPEN}:
        return "reversed in part"
    return "part holds, part is reversed"


def spread(values: tuple[float, ...]) -> float:
    """Return the standard deviation of a few numbers; 0 for one.

    Example:
        >>> spread((1.0, 3.0)), spread((2.0,))
        (1.4142135623730951, 0.0)
    """
    return statistics.stdev(values) if len(values) > 1 else 0.0
