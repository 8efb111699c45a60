"""Claims asked of the weights that are shipped: readings of their outputs, compared by image.

Nothing is trained: a claim gives orders of readings, each one a number per image of an embedded
set, and what should be above what is compared image by image. The words are those of the small
trainings; where three seeds have to agree there, a test over the images decides here.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence

from rainbench.claims.evaluate import Claim
from rainbench.claims.expressions import MINUS, comparisons, evaluate
from rainbench.claims.trial_verdicts import HOLDS, OPEN, REVERSED, summary
from rainbench.core.errors import CardError
from rainbench.report.stats import LEVEL, paired_test

PERFECT = 99.0
"""The PSNR in dB that stands for an output without any error."""

SCENES = "mini-streaks"
"""The embedded set over whose clean images rain comes anew."""

_READING = re.compile(
    r"(?P<entry>\S+)"
    r"(?: stage (?P<stage>\d+)| map (?P<map>\S+))?"
    r" on (?P<dataset>\S+)"
    r"(?: at (?P<strength>0\.\d+))?"
    r"(?P<view> without rain| where it rains)?"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number per image, by how an entry restores it.

    Written as ``ENTRY on SET``: the PSNR of the restored images, under the set's customary
    protocol. ``ENTRY stage 2 on SET``: that of what its second stage returns. ``ENTRY map NAME on
    SET``: the area under the curve (AUC) by which a map of the network tells the pixels that
    streaks change from all others. ``... on SET without rain``: the network is given the clean
    images. ``... on SET where it rains``: pixels that no streak changes are put back as they were
    in the rainy image. ``... on joint at 0.6``: rain of a kind and of a strength comes anew over
    the clean images of `SCENES`.

    Attributes:
        entry: Name of the baseline, with the tag of its weights.
        dataset: Name of an embedded set; with a strength, a kind of rain with streaks.
        stage: Which stage's image, from 1 on; 0 for the network's result.
        map: A map of the network; empty for images.
        strength: Noise amount of the streaks; 0 for the pairs of a set as they are.
        view: ``rain``, ``without rain`` or ``where it rains``.
    """

    entry: str
    dataset: str
    stage: int = 0
    map: str = ""
    strength: float = 0.0
    view: str = "rain"

    @property
    def unit(self) -> str:
        """``dB``, or ``AUC`` of a map."""
        return "AUC" if self.map else "dB"


def parse_reading(text: str) -> Reading:
    """Return what a reading's text means.

    Raises:
        CardError: It is no reading.

    Example:
        >>> reading = parse_reading("sian.streaks-w12 stage 2 on mini-streaks without rain")
        >>> reading.entry, reading.stage, reading.dataset, reading.view
        ('sian.streaks-w12', 2, 'mini-streaks', 'without rain')
    """
    found = _READING.fullmatch(text)
    if found is None:
        raise CardError(
            f'"{text}" is no reading of an entry',
            hint="Write ENTRY [stage N | map NAME] on SET [at STRENGTH] [without rain | "
            "where it rains].",
        )
    return Reading(
        entry=found["entry"],
        dataset=found["dataset"],
        stage=int(found["stage"] or 0),
        map=found["map"] or "",
        strength=float(found["strength"] or 0),
        view=(found["view"] or "rain").strip(),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeComparison:
    """One reading, or one gain, that should be above another.

    Attributes:
        upper: What should be above.
        lower: What should be below.
        differences: A number per image.
        unit: Of the differences.
    """

    upper: str
    lower: str
    differences: tuple[float, ...]
    unit: str

    @property
    def verdict(self) -> str:
        """What the differences allow to say.

        A paired Wilcoxon test, as in the tables of a run: five images or fewer are never enough.

        Example:
            >>> ProbeComparison("a", "b", (0.4, 0.5, 0.3, 0.1, 0.2, 0.6), "dB").verdict
            'holds at this scale'
            >>> ProbeComparison("a", "b", (0.4, 0.5, 0.3), "dB").verdict
            'not distinguishable'
        """
        if paired_test(self.differences, [0.0] * len(self.differences)) >= LEVEL:
            return OPEN
        return HOLDS if statistics.fmean(self.differences) > 0 else REVERSED


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeFinding:
    """What the shipped weights say of a claim.

    Attributes:
        claim: The claim.
        comparisons: All of its comparisons.
    """

    claim: Claim
    comparisons: tuple[ProbeComparison, ...]

    @property
    def verdict(self) -> str:
        """All comparisons in a few words."""
        return summary(comparison.verdict for comparison in self.comparisons)


def readings_of(claims: Iterable[Claim]) -> tuple[str, ...]:
    """Return the readings that claims need, each once, in the order in which they stand.

    Example:
        >>> from rainbench.claims.evaluate import load_claims
        >>> readings_of(claim for claim in load_claims() if claim.id == "D8")
        ('rranet.streaks-w8 on mini-streaks without rain',)
    """
    terms = [
        term
        for claim in claims
        for order in claim.probe
        for group in order
        for expression in group
        for term in expression.split(MINUS)
    ]
    return tuple(dict.fromkeys(term for term in terms if not _is_number(term)))


def judge_probe(claim: Claim, values: Mapping[str, Sequence[float]]) -> ProbeFinding:
    """Return what the shipped weights say of a claim.

    Args:
        claim: It has orders of readings.
        values: Its readings, a number per image; those that are compared belong together image
            by image.

    Raises:
        CardError: It compares readings of different units or of unequally many images.
    """
    return ProbeFinding(
        claim,
        tuple(
            _compare(claim, upper, lower, values)
            for order in claim.probe
            for upper, lower in comparisons(order)
        ),
    )


def _compare(
    claim: Claim, upper: str, lower: str, values: Mapping[str, Sequence[float]]
) -> ProbeComparison:
    terms = [term for text in (upper, lower) for term in text.split(MINUS) if not _is_number(term)]
    counts = {len(values[term]) for term in terms}
    units = {parse_reading(term).unit for term in terms}
    if len(counts) != 1 or len(units) != 1:
        raise CardError(f"{claim.id}: {upper} and {lower} cannot be compared image by image")
    differences = tuple(
        evaluate(upper, lambda name, image=image: values[name][image])  # type: ignore[misc]
        - evaluate(lower, lambda name, image=image: values[name][image])  # type: ignore[misc]
        for image in range(counts.pop())
    )
    return ProbeComparison(upper, lower, differences, units.pop())


def _is_number(term: str) -> bool:
    return term.replace(".", "").isdigit()
