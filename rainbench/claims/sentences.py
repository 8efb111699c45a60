"""The papers' claims: their sentences, and what tables, shipped weights and trainings say of them.

``reports/claims.csv`` holds the sentences, a row each. What a sentence means is a function of the
same name: on the published tables in `rainbench.claims.on_tables`, asked of the shipped weights in
`rainbench.claims.on_weights`, tried by small trainings in `rainbench.claims.by_training`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rainbench.catalog.folders import content_root
from rainbench.claims import by_training, on_tables, on_weights
from rainbench.claims.measured import Comparison, summary
from rainbench.claims.printed import Part, Tables
from rainbench.claims.readings import Weights
from rainbench.claims.trainings import Scores, Trainings
from rainbench.core.errors import CardError

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


@dataclass(frozen=True, slots=True)
class Finding:
    """What published tables, shipped weights or small trainings say of a claim.

    Attributes:
        claim: The claim.
        parts: All comparisons; empty where trainings are missing.
        missing: Networks that were not trained with every seed.
    """

    claim: Claim
    parts: tuple[Part | Comparison, ...]
    missing: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """All comparisons in a few words."""
        if not self.parts:
            return "not tried"
        found = summary(part.verdict for part in self.parts)
        return "does not hold" if self.claim.whole and found == "part" else found

    @property
    def disagrees(self) -> bool:
        """Whether arithmetic finds something else than the person who read the tables."""
        return self.claim.own_table not in ("", AGREED[self.verdict])


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
            name, function = row["id"], row["id"].lower()
            if not set(row["kinds"]) <= KINDS.keys():
                raise CardError(f'{file}: {name} has an unknown kind in "{row["kinds"]}"')
            if row["own_table"] not in ("", *AGREED.values()):
                raise CardError(f'{file}: {name} was read as "{row["own_table"]}"')
            claim = Claim(
                id=name,
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
            claims.append(claim)
    return claims


def judge_by_trainings(claim: Claim, scores: Scores, seeds: int) -> Finding:
    """Return what small trainings, by rain, network and seed, say of a claim that they can try."""
    assert claim.by_training is not None
    trained = Trainings(scores, seeds)
    comparisons = tuple(claim.by_training(trained))
    return Finding(claim, () if trained.missing else comparisons, trained.missing)
