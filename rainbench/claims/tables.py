"""Findings on claims as tables: one per kind, and one row per finding for machines."""

from __future__ import annotations

import csv
import dataclasses
import io
import statistics
from collections.abc import Mapping, Sequence

from rainbench.claims.cells import Spread
from rainbench.claims.evaluate import KINDS, Claim, Finding
from rainbench.claims.trial_verdicts import Scored, TrialFinding, spread
from rainbench.report.grid import Cell, Column, Grid
from rainbench.report.writers import write_grid

AGREED: Mapping[str, str] = {"holds": "yes", "does not hold": "no", "part": "part"}
"""How a verdict is called where a person has read the tables."""

_ROW_COLUMNS = ("claim", "kind", "paper", "sentence", "verdict", "own_table", "detail")


def disagreements(findings: Sequence[Finding]) -> list[Finding]:
    """Return where the arithmetic finds something else than the person who read the tables."""
    return [
        finding
        for finding in findings
        if finding.claim.own_table not in ("", AGREED[finding.verdict])
    ]


def published_grid(findings: Sequence[Finding]) -> Grid:
    """Return what the published tables say."""
    rows = tuple(
        (
            Cell(finding.claim.id),
            Cell(finding.claim.paper or "across papers"),
            Cell(finding.claim.claim),
            Cell(finding.verdict),
            Cell(finding.claim.own_table or "-"),
            Cell("; ".join(_shown(finding))),
        )
        for finding in findings
    )
    return Grid(
        "Claims on the papers' own tables (T)",
        text_columns("claim", "paper", "sentence", "verdict", "read by hand", "numbers"),
        rows,
        (
            "Evaluated on the tables of reports/papers. Part: some comparisons hold, others do "
            "not; those are named. Read by hand: what a person found in the papers' tables.",
        ),
    )


def _shown(finding: Finding) -> list[str]:
    """Return what fails where something fails, else what holds, each comparison in words."""
    wrong = [part.text for part in finding.parts if not part.holds]
    return wrong or [part.text for part in finding.parts]


def trials_grid(findings: Sequence[TrialFinding]) -> Grid:
    """Return what small trainings say, a row per comparison."""
    rows: list[tuple[Cell, ...]] = []
    for finding in findings:
        claim = finding.claim
        if not finding.comparisons:
            note = f"not trained: {', '.join(finding.missing)}"
            rows.append((Cell(claim.id), Cell(claim.claim), *[Cell("")] * 4, Cell(note)))
        for comparison in finding.comparisons:
            rows.append(
                (
                    Cell(claim.id),
                    Cell(claim.claim),
                    Cell(f"{comparison.upper} > {comparison.lower}"),
                    Cell(_mean(comparison.psnr, 2, "+")),
                    Cell(_mean(comparison.ssim, 4, "+")),
                    Cell(comparison.verdict),
                    Cell(finding.verdict),
                )
            )
    return Grid(
        "Claims by small trainings (S)",
        text_columns(
            "claim", "sentence", "comparison", "PSNR, dB", "SSIM", "comparison says", "claim"
        ),
        tuple(rows),
        (
            "Differences: mean over the seeds ± standard deviation, taken seed by seed, since all "
            "networks see the same patches for the same seed. Holds at this scale: the PSNR of "
            "every seed differs in the claimed direction and the mean is beyond the standard "
            "deviation. Reversed: the same in the other direction. Not distinguishable: "
            "neither. With three seeds chance alone gives one of the first two in up to one of "
            "four comparisons, and networks that are small and hardly trained need not rank as "
            "large ones do that are fully trained.",
        ),
    )


def scores_grid(
    title: str, scores: Mapping[tuple[str, int], Scored], parameters: Mapping[str, int], note: str
) -> Grid:
    """Return what each network reached, over its seeds."""
    names = sorted({name for name, _ in scores})
    rows = []
    for name in names:
        own = [score for (network, _), score in sorted(scores.items()) if network == name]
        psnr, ssim = (tuple(score[field] for score in own) for field in (0, 1))
        rows.append(
            (
                Cell(name),
                Cell(f"{parameters[name]:,}"),
                Cell(_mean(psnr, 2)),
                Cell(_mean(ssim, 4)),
                Cell(", ".join(f"{value:.2f}" for value in psnr)),
            )
        )
    columns = (
        Column("network", numeric=False),
        Column("parameters"),
        Column("PSNR, dB"),
        Column("SSIM"),
        Column("PSNR of each seed"),
    )
    return Grid(title, columns, tuple(rows), (note,))


def tests_grid(claims: Sequence[Claim]) -> Grid:
    """Return the claims that a test shows."""
    rows = tuple(
        (Cell(claim.id), Cell(claim.paper), Cell(claim.claim), Cell(test), Cell(claim.notes))
        for claim in claims
        for test in claim.tests
    )
    columns = text_columns("claim", "paper", "sentence", "test", "remark")
    return Grid("Claims shown by tests (P)", columns, rows)


def open_grid(claims: Sequence[Claim]) -> Grid:
    """Return the claims that nothing here decides."""
    rows = tuple(
        (
            Cell(claim.id),
            Cell(claim.paper or "across papers"),
            Cell(claim.claim),
            Cell(_needed(claim)),
            Cell(claim.notes),
        )
        for claim in claims
    )
    columns = text_columns("claim", "paper", "sentence", "would need", "remark")
    return Grid("Claims that nothing here decides", columns, rows)


def _needed(claim: Claim) -> str:
    """Return what would decide a claim, and the option that does where there is one."""
    words = {kind: KINDS[kind] for kind in claim.kinds}
    if claim.probe:
        words["S"] = "a look at the shipped weights: --shipped"
    elif claim.trial:
        words["S"] = f"{KINDS['S']}: --run"
    return "; ".join(words.values())


def spreads_grid(found: Sequence[Spread]) -> Grid:
    """Return where one name stands for several numbers."""
    rows = tuple(
        (
            Cell(spread.dataset),
            Cell(spread.method),
            Cell(f"{spread.low[0]:.2f}"),
            Cell(spread.low[1]),
            Cell(f"{spread.high[0]:.2f}"),
            Cell(spread.high[1]),
            Cell(f"{spread.high[0] - spread.low[0]:.2f}"),
        )
        for spread in found
    )
    columns = (
        Column("data set", numeric=False),
        Column("method", numeric=False),
        Column("PSNR", "lowest"),
        Column("in", "lowest", numeric=False),
        Column("PSNR", "highest"),
        Column("in", "highest", numeric=False),
        Column("apart, dB"),
    )
    return Grid("One name, several numbers (X1)", columns, rows)


def rows_csv(
    findings: Sequence[Finding],
    tried: Sequence[TrialFinding],
    others: Sequence[tuple[str, ...]] = (),
) -> str:
    """Return all findings as CSV, a row per comparison; other rows follow as they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_ROW_COLUMNS)
    for finding in findings:
        claim = finding.claim
        for part in finding.parts:
            holds = "holds" if part.holds else "does not hold"
            writer.writerow(
                (claim.id, "T", claim.paper, claim.claim, holds, claim.own_table, part.text)
            )
    for trial in tried:
        claim = trial.claim
        for comparison in trial.comparisons:
            detail = (
                f"{comparison.upper} > {comparison.lower}: PSNR {_mean(comparison.psnr, 3, '+')} "
                f"SSIM {_mean(comparison.ssim, 5, '+')}"
            )
            writer.writerow(
                (claim.id, "S", claim.paper, claim.claim, comparison.verdict, "", detail)
            )
    writer.writerows(others)
    return text.getvalue()


def as_plain(findings: Sequence[Finding], tried: Sequence[TrialFinding]) -> dict[str, object]:
    """Return all findings as plain types for JSON."""
    return {
        "published": [
            {
                "claim": finding.claim.id,
                "paper": finding.claim.paper,
                "sentence": finding.claim.claim,
                "verdict": finding.verdict,
                "own_table": finding.claim.own_table,
                "parts": [{"text": part.text, "holds": part.holds} for part in finding.parts],
            }
            for finding in findings
        ],
        "trials": [
            {
                "claim": trial.claim.id,
                "sentence": trial.claim.claim,
                "verdict": trial.verdict,
                "missing": trial.missing,
                "comparisons": [
                    {**dataclasses.asdict(comparison), "verdict": comparison.verdict}
                    for comparison in trial.comparisons
                ],
            }
            for trial in tried
        ],
    }


def document(title: str, grids: Sequence[Grid], made: str) -> str:
    """Return tables as one Markdown text; empty ones are left out."""
    parts = [
        f"## {grid.title}\n\n{write_grid(grid, 'markdown').strip()}" for grid in grids if grid.rows
    ]
    return "\n\n".join([f"# {title}", made, *parts]) + "\n"


def _mean(values: Sequence[float], digits: int, sign: str = "") -> str:
    text = f"{statistics.fmean(values):{sign}.{digits}f}"
    return f"{text} ± {spread(tuple(values)):.{digits}f}" if len(values) > 1 else text


def text_columns(*titles: str) -> tuple[Column, ...]:
    """Return columns of text."""
    return tuple(Column(title, numeric=False) for title in titles)
