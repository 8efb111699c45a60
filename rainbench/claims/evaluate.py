"""The papers' claims: which of them their own published tables support.

``reports/claims.toml`` holds the claims as data. A claim of kind T is a list of checks on the cells
of ``reports/papers``: an order, a place in a column, a difference, an equality. Nothing is trained
for that, see `rainbench.claims.trial_verdicts` for what is and `rainbench.claims.probes` for what
asks weights that are there.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from rainbench.catalog.published import PublishedCell
from rainbench.catalog.registry import Registry, content_root
from rainbench.catalog.schema import record_from_table
from rainbench.catalog.terms import LossTerm
from rainbench.claims.cells import SECOND, SEPARATOR, Metric, Tables
from rainbench.claims.expressions import MINUS, comparisons, evaluate
from rainbench.core.errors import CardError

Kind = Literal["T", "P", "S", "F"]
Verdict = Literal["holds", "does not hold", "part"]

_ROUNDING = 1e-9

KINDS: Mapping[Kind, str] = {
    "T": "arithmetic on the published tables",
    "P": "property of an implementation, shown by a test",
    "S": "small trainings",
    "F": "full training on the public sets",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check on published cells; exactly one of `order`, `best`, `equal` and `value` is given.

    A cell is named ``table | data set | method | variant``, the variant left out where it is
    empty; ``paper table`` where it stands in another paper's table than the claim's. What may stand
    in the place of a cell: a number, ``A minus B``, ``second to CELL`` (the best other one of its
    column) and ``parameters of BASELINE``.

    Attributes:
        metrics: Which of the two numbers of a cell it is about; each one is a part by itself.
        order: Groups from the top down: all of a group are above all of the next.
        best: Cells that are strictly the best of their columns.
        equal: Pairs of cells that print the same number.
        value: Pairs of an expression and the number that is stated of it, as it is printed.
    """

    metrics: tuple[Metric, ...] = ("psnr", "ssim")
    order: tuple[tuple[str, ...], ...] = ()
    best: tuple[str, ...] = ()
    equal: tuple[tuple[str, str], ...] = ()
    value: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrialVariant:
    """A baseline that is trained with other losses than those of its card.

    Attributes:
        name: What the order of the trial and its tables call it; no baseline's own name.
        baseline: The baseline.
        losses: In the place of its recipe's.
    """

    name: str
    baseline: str
    losses: tuple[LossTerm, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrialSetting:
    """How a claim is tried by small trainings.

    Attributes:
        rain: What comes onto the clean images.
        order: Groups of baselines or variants, or of differences of two, from the best down.
        arguments: Of all networks, beside the width.
        variants: Baselines with other losses than their own.
    """

    rain: Literal["streaks", "drops", "mist", "joint"]
    order: tuple[tuple[str, ...], ...]
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)
    variants: tuple[TrialVariant, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence of a paper that can be checked.

    Attributes:
        id: Its short name, such as ``A1``.
        paper: Who claims it; empty for one across papers.
        claim: What is claimed.
        kinds: How it can be checked.
        own_table: Whether the paper's own tables support it, as a person read them.
        whole: The sentence is about all of its parts at once, so that one that fails refutes it.
        checks: Of kind T.
        trial: Of kind S, by small trainings.
        probe: Of kind S, asked of the shipped weights: orders of readings, each with its groups
            from the top down, see `rainbench.claims.probes.Reading`.
        tests: Of kind P: the tests that show it, ``file::name``.
        notes: What else there is to know.
    """

    id: str
    claim: str
    kinds: tuple[Kind, ...]
    paper: str = ""
    own_table: Literal["", "yes", "no", "part"] = ""
    whole: bool = False
    checks: tuple[Check, ...] = ()
    trial: TrialSetting | None = None
    probe: tuple[tuple[tuple[str, ...], ...], ...] = ()
    tests: tuple[str, ...] = ()
    notes: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One comparison of a claim.

    Attributes:
        text: With its numbers.
        holds: Whether it is so.
    """

    text: str
    holds: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What the published tables say of a claim.

    Attributes:
        claim: The claim.
        verdict: ``part`` where some of its parts hold and others do not.
        parts: All of them.
    """

    claim: Claim
    verdict: Verdict
    parts: tuple[Part, ...]


def load_claims() -> list[Claim]:
    """Read ``reports/claims.toml``.

    Raises:
        CardError: It breaks the rules of `Claim`.

    Example:
        >>> load_claims()[0].id
        'A1'
    """
    file = content_root() / "reports" / "claims.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    claims = [record_from_table(Claim, claim, file) for claim in table["claims"]]
    for claim in claims:
        for check in claim.checks:
            given = [check.order, check.best, check.equal, check.value]
            if sum(map(bool, given)) != 1:
                raise CardError(
                    f"{file}: a check of {claim.id} needs one of order, best, equal, value"
                )
    return claims


def judge(claim: Claim, published: Sequence[PublishedCell], registry: Registry) -> Finding | None:
    """Return what the published tables say of a claim; None where it has no checks of them.

    Raises:
        CardError: The claim names a cell that does not exist.
    """
    tables = Tables(published, registry, claim.paper)
    parts = tuple(part for check in claim.checks for part in _parts(check, tables))
    if not parts:
        return None
    verdict: Verdict = "part"
    if all(part.holds for part in parts):
        verdict = "holds"
    elif claim.whole or not any(part.holds for part in parts):
        verdict = "does not hold"
    return Finding(claim, verdict, parts)


def _parts(check: Check, tables: Tables) -> Iterator[Part]:
    for metric in check.metrics:
        if check.order:
            yield _order(check, tables, metric)
        for name in check.best:
            second = f"{SECOND}{name}"
            gain = tables.value(name, metric) - tables.value(second, metric)
            sign = ">" if gain > 0 else "=" if gain == 0 else "<"
            texts = tables.text(name, metric), tables.text(second, metric)
            where = f"{metric.upper()} on {tables.cell(name).dataset}"
            yield Part(f"{where}: {f' {sign} '.join(texts)}", gain > 0)
        for pair in check.equal:
            same = tables.value(pair[0], metric) == tables.value(pair[1], metric)
            texts = tables.text(pair[0], metric), tables.text(pair[1], metric)
            yield Part(f"{metric.upper()}: {(' = ' if same else ' ≠ ').join(texts)}", same)
        for expression, stated in check.value:
            digits = len(stated.partition(".")[2])
            printed = f"{_worth(expression, tables, metric):.{digits}f}"
            text = f"{_terms(expression, tables, metric)} = {printed}, stated: {stated}"
            yield Part(text, printed == stated)


def _order(check: Check, tables: Tables, metric: Metric) -> Part:
    """Compare the groups of an order; what fails is named, or all numbers if nothing does."""
    label = f"{metric.upper()}{_where(check, tables)}"
    wrong = [
        f"{_shown(upper, tables, metric)} is not above {_shown(lower, tables, metric)}"
        for upper, lower in comparisons(check.order)
        if not _worth(upper, tables, metric) > _worth(lower, tables, metric) + _ROUNDING
    ]
    if wrong:
        return Part(f"{label}: {'; '.join(wrong)}", False)
    groups = [
        ", ".join(_shown(expression, tables, metric) for expression in group)
        for group in check.order
    ]
    return Part(f"{label}: {' > '.join(groups)}", True)


def _where(check: Check, tables: Tables) -> str:
    """Return the data set of an order's cells, where it is one."""
    terms = {
        term.removeprefix(SECOND)
        for group in check.order
        for expression in group
        for term in expression.split(MINUS)
    }
    datasets = {tables.cell(term).dataset for term in terms if SEPARATOR in term}
    return f" on {datasets.pop()}" if len(datasets) == 1 else ""


def _worth(expression: str, tables: Tables, metric: Metric) -> float:
    return evaluate(expression, lambda name: tables.value(name, metric))


def _terms(expression: str, tables: Tables, metric: Metric) -> str:
    return " - ".join(tables.text(term, metric) for term in expression.split(MINUS))


def _shown(expression: str, tables: Tables, metric: Metric) -> str:
    """Return an expression with its numbers; what a difference is worth follows in brackets."""
    text = _terms(expression, tables, metric)
    if MINUS not in expression:
        return text
    return f"{text} ({_worth(expression, tables, metric):+.4g})"


def missing_tests(claim: Claim, root: Path) -> list[str]:
    """Return those tests of a claim that do not exist below a checkout's root."""
    lost = []
    for test in claim.tests:
        file, _, name = test.partition("::")
        path = root / file
        if not path.is_file() or f"def {name}(" not in path.read_text(encoding="utf-8"):
            lost.append(test)
    return lost
