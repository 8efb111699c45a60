"""The papers' claims: their sentences, and what tables, shipped weights and trainings say of them.

``reports/claims.csv`` holds the sentences, a row each. What a sentence means is a function of the
same name: on the published tables in `rainbench.claims.on_tables`, asked of the shipped weights in
`rainbench.claims.on_weights`, tried by small trainings in `rainbench.claims.by_training`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rainbench.catalog.published import PublishedCell
from rainbench.catalog.registry import Registry, content_root
from rainbench.claims import by_training, on_tables, on_weights
from rainbench.claims.measured import (
    Comparison,
    Reading,
    Scored,
    Trainings,
    Wanted,
    Weights,
    summary,
)
from rainbench.claims.printed import Part, Tables
from rainbench.core.errors import CardError

Verdict = Literal["holds", "does not hold", "part"]

KINDS: Mapping[str, str] = {
    "T": "arithmetic on the published tables",
    "P": "property of an implementation, shown by a test",
    "S": "small trainings",
    "F": "full training on the public sets",
}

AGREED: Mapping[str, str] = {"holds": "yes", "does not hold": "no", "part": "part"}
"""How a verdict is called where a person has read the tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence of a paper that can be checked.

    Attributes:
        id: Its short name, such as ``A1``.
        paper: Who claims it; empty for one across papers.
        kinds: How it can be checked, see `KINDS`.
        own_table: Whether the paper's own tables support it, as a person read them.
        whole: The sentence is about all of its parts at once, so that one that fails refutes it.
        sentence: What is claimed.
        tests: Of kind P: the tests that show it, ``file::name``.
        notes: What else there is to know.
        on_tables: What it means on the published tables.
        on_weights: What it asks of the shipped weights.
        by_training: What it asks of small trainings.
    """

    id: str
    paper: str
    kinds: str
    own_table: str
    whole: bool
    sentence: str
    tests: tuple[str, ...] = ()
    notes: str = ""
    on_tables: Callable[[Tables], Iterable[Part]] | None = None
    on_weights: Callable[[Weights], list[Comparison]] | None = None
    by_training: Callable[[Trainings], list[Comparison]] | None = None

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What it needs to be read off the shipped weights."""
        weights = Weights()
        if self.on_weights:
            self.on_weights(weights)
        return tuple(weights.asked)

    @property
    def networks(self) -> tuple[Wanted, ...]:
        """What it needs to be trained."""
        trained = Trainings()
        if self.by_training:
            self.by_training(trained)
        return tuple(trained.asked.values())


@dataclass(frozen=True, slots=True)
class TableFinding:
    """What the published tables say of a claim.

    Attributes:
        claim: The claim.
        parts: All comparisons.
    """

    claim: Claim
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether it holds; ``part`` where some of its parts hold and others do not."""
        if all(part.holds for part in self.parts):
            return "holds"
        return (
            "part" if not self.claim.whole and any(p.holds for p in self.parts) else "does not hold"
        )

    @property
    def disagrees(self) -> bool:
        """Whether the arithmetic finds something else than the person who read the tables."""
        return self.claim.own_table not in ("", AGREED[self.verdict])


@dataclass(frozen=True, slots=True)
class Finding:
    """What shipped weights or small trainings say of a claim.

    Attributes:
        claim: The claim.
        comparisons: All comparisons; empty where trainings are missing.
        missing: Networks that were not trained with every seed.
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


def load_claims() -> list[Claim]:
    """Read ``reports/claims.csv``.

    Raises:
        CardError: A row has an unknown kind or an unknown reading of the tables.

    Example:
        >>> load_claims()[0].id
        'A1'
    """
    file = content_root() / "reports" / "claims.csv"
    claims = []
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            function = row["id"].lower()
            claim = Claim(
                id=row["id"],
                paper=row["paper"],
                kinds=row["kinds"],
                own_table=row["own_table"],
                whole=row["whole"] == "yes",
                sentence=row["claim"],
                tests=tuple(row["tests"].split()),
                notes=row["notes"],
                on_tables=getattr(on_tables, function, None),
                on_weights=getattr(on_weights, function, None),
                by_training=getattr(by_training, function, None),
            )
            if not set(claim.kinds) <= KINDS.keys():
                raise CardError(f'{file}: {claim.id} has an unknown kind in "{claim.kinds}"')
            if claim.own_table not in ("", *AGREED.values()):
                raise CardError(f'{file}: {claim.id} was read as "{claim.own_table}"')
            claims.append(claim)
    return claims


def judge_by_tables(
    claim: Claim, published: Sequence[PublishedCell], registry: Registry
) -> TableFinding | None:
    """Return what the published tables say of a claim; None where it is not about them.

    Raises:
        CardError: The claim names a cell that does not exist.
    """
    if claim.on_tables is None:
        return None
    return TableFinding(claim, tuple(claim.on_tables(Tables(published, registry, claim.paper))))


def judge_by_weights(claim: Claim, values: Mapping[Reading, Sequence[float]]) -> Finding:
    """Return what the shipped weights say of a claim, by its readings: a number for each image.

    Raises:
        CardError: It compares readings of different units or of unequally many images, or one that
            is not there.
    """
    assert claim.on_weights is not None
    for reading in claim.readings:
        if reading not in values:
            raise CardError(f"{claim.id}: {reading} was not read")
    return Finding(claim, tuple(claim.on_weights(Weights(values))))


def judge_by_trainings(
    claim: Claim, scores: Mapping[tuple[str, str, int], Scored], seeds: int
) -> Finding:
    """Return what small trainings say of a claim.

    Args:
        claim: One that they can try.
        scores: What was reached, by rain, network and seed.
        seeds: How many seeds were asked for, from 0 on.
    """
    assert claim.by_training is not None
    trained = Trainings(scores, seeds)
    comparisons = claim.by_training(trained)
    missing = trained.missing
    return Finding(claim, () if missing else tuple(comparisons), missing)
