"""What the shipped weights say of claims, as tables, rows for machines and plain types."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from rainbench.claims.probes import PERFECT, ProbeComparison, ProbeFinding, parse_reading
from rainbench.claims.tables import text_columns
from rainbench.claims.trial_verdicts import spread
from rainbench.report.grid import Cell, Column, Grid
from rainbench.report.stats import LEVEL

_DIGITS: Mapping[str, int] = {"dB": 2, "AUC": 3}


def probes_grid(findings: Sequence[ProbeFinding]) -> Grid:
    """Return what the shipped weights say, a row per comparison."""
    rows = tuple(
        (
            Cell(finding.claim.id),
            Cell(finding.claim.claim),
            Cell(f"{comparison.upper} > {comparison.lower}"),
            Cell(_mean(comparison.differences, comparison.unit, "+")),
            Cell(_agreeing(comparison)),
            Cell(comparison.verdict),
            Cell(finding.verdict),
        )
        for finding in findings
        for comparison in finding.comparisons
    )
    return Grid(
        "Claims asked of the shipped weights (S)",
        text_columns(
            "claim", "sentence", "comparison", "difference", "images", "comparison says", "claim"
        ),
        rows,
        (
            "Differences: mean over the images ± standard deviation, taken image by image; images: "
            "how many differ in the claimed direction. Holds at this scale: a paired Wilcoxon test "
            f"over the images, level {LEVEL:.0%}, each comparison by itself; reversed: likewise in "
            "the other direction; not distinguishable: neither, as always with five images or "
            "fewer. One small network of each kind, trained once, for minutes, and eight small "
            "images, cuts of three photographs: at this scale, no more.",
        ),
    )


def readings_grid(values: Mapping[str, Sequence[float]]) -> Grid:
    """Return what was read off the shipped weights, by the text of the reading."""
    rows = []
    for text, numbers in values.items():
        unit = parse_reading(text).unit
        digits = _DIGITS[unit]
        rows.append(
            (
                Cell(text),
                Cell(unit),
                Cell(_mean(numbers, unit)),
                Cell(f"{min(numbers):.{digits}f}"),
                Cell(str(len(numbers))),
            )
        )
    columns = (
        Column("reading", numeric=False),
        Column("unit", numeric=False),
        Column("mean"),
        Column("lowest"),
        Column("images"),
    )
    note = (
        "PSNR under the customary protocol of the set. Without rain: the network is given the "
        "clean image. At a strength: rain of that kind comes anew over the clean images. Where it "
        "rains: pixels that no streak changes are put back as they were. AUC: the chance that the "
        "map is higher at a pixel that a streak changes than at another; 0.5 is chance. "
        f"{PERFECT:.0f} dB stands for no error at all."
    )
    return Grid("Readings of the shipped weights", columns, tuple(rows), (note,))


def probe_rows(findings: Sequence[ProbeFinding]) -> list[tuple[str, ...]]:
    """Return a row per comparison, with the columns of `rainbench.claims.tables.rows_csv`."""
    return [
        (
            finding.claim.id,
            "S",
            finding.claim.paper,
            finding.claim.claim,
            comparison.verdict,
            "",
            f"{comparison.upper} > {comparison.lower}: "
            f"{_mean(comparison.differences, comparison.unit, '+')} {comparison.unit}, "
            f"{_agreeing(comparison)} images",
        )
        for finding in findings
        for comparison in finding.comparisons
    ]


def plain_probes(findings: Sequence[ProbeFinding]) -> list[dict[str, object]]:
    """Return the findings as plain types for JSON."""
    return [
        {
            "claim": finding.claim.id,
            "sentence": finding.claim.claim,
            "verdict": finding.verdict,
            "comparisons": [
                {**dataclasses.asdict(comparison), "verdict": comparison.verdict}
                for comparison in finding.comparisons
            ],
        }
        for finding in findings
    ]


def _agreeing(comparison: ProbeComparison) -> str:
    differences = comparison.differences
    return f"{sum(value > 0 for value in differences)} of {len(differences)}"


def _mean(values: Sequence[float], unit: str, sign: str = "") -> str:
    digits = _DIGITS[unit]
    text = f"{statistics.fmean(values):{sign}.{digits}f}"
    return f"{text} ± {spread(tuple(values)):.{digits}f}" if len(values) > 1 else text
