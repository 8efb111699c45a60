"""Findings on claims as tables: one per kind, one row per comparison for machines, and JSON."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

from rainbench.claims.measured import Comparison, Reading, Scored, spread
from rainbench.claims.printed import Spread
from rainbench.claims.readings import PERFECT
from rainbench.claims.verdicts import KINDS, Claim, Finding, TableFinding
from rainbench.report.grid import Cell, Column, Grid
from rainbench.report.stats import LEVEL
from rainbench.report.writers import write_grid

_DIGITS: Mapping[str, int] = {"psnr": 2, "ssim": 4, "dB": 2, "AUC": 3}


def grids_of(
    claims: Sequence[Claim],
    tables: Sequence[TableFinding],
    weights: Sequence[Finding],
    trainings: Sequence[Finding],
    measured: Sequence[Grid],
    spreads: Sequence[Spread],
) -> list[Grid]:
    """Return all tables of a document.

    Args:
        claims: All that were looked at; those that nothing decides are listed at the end.
        tables: What the published tables say.
        weights: What the shipped weights say.
        trainings: What small trainings say.
        measured: The numbers behind the two.
        spreads: Where one name stands for several numbers, which is claim X1.
    """
    decided = {finding.claim.id for finding in tables} | {finding.claim.id for finding in weights}
    decided |= {finding.claim.id for finding in trainings if finding.comparisons}
    left = [claim for claim in claims if claim.id not in decided and not claim.tests]
    grids = [_tables_grid(tables), _tests_grid(claims)]
    grids += [_weights_grid(weights)] if weights else []
    grids += [_trainings_grid(trainings)] if trainings else []
    grids += [*measured, open_grid(left)]
    return [*grids, _spreads_grid(spreads)] if any(claim.id == "X1" for claim in claims) else grids


def _tables_grid(findings: Sequence[TableFinding]) -> Grid:
    rows = []
    for finding in findings:
        claim = finding.claim
        # What fails where something fails, else what holds.
        wrong = [part.text for part in finding.parts if not part.holds]
        numbers = "; ".join(wrong or [part.text for part in finding.parts])
        paper, own = claim.paper or "across papers", claim.own_table or "-"
        rows.append(_cells(claim.id, paper, claim.sentence, finding.verdict, own, numbers))
    return Grid(
        "Claims on the papers' own tables (T)",
        _text_columns("claim", "paper", "sentence", "verdict", "read by hand", "numbers"),
        tuple(rows),
        (
            "Evaluated on the tables of reports/papers. Part: some comparisons hold, others do "
            "not; those are named. Read by hand: what a person found in the papers' tables.",
        ),
    )


def _tests_grid(claims: Sequence[Claim]) -> Grid:
    rows = tuple(
        _cells(claim.id, claim.paper, claim.sentence, test, claim.notes)
        for claim in claims
        for test in claim.tests
    )
    columns = _text_columns("claim", "paper", "sentence", "test", "remark")
    return Grid("Claims shown by tests (P)", columns, rows)


def _weights_grid(findings: Sequence[Finding]) -> Grid:
    rows = []
    for finding in findings:
        for comparison in finding.comparisons:
            ((unit, differences),) = comparison.differences.items()
            mean = _mean(differences, _DIGITS[unit], "+")
            rows.append(_comparison_row(finding, comparison, mean, _agreeing(differences)))
    return Grid(
        "Claims asked of the shipped weights (S)",
        _text_columns(
            "claim", "sentence", "comparison", "difference", "images", "comparison says", "claim"
        ),
        tuple(rows),
        (
            "Differences: mean over the images ± standard deviation, taken image by image; images: "
            "how many differ in the claimed direction. Holds at this scale: a paired Wilcoxon test "
            f"over the images, level {LEVEL:.0%}, each comparison by itself; reversed: likewise in "
            "the other direction; not distinguishable: neither, as always with five images or "
            "fewer. One small network of each kind, trained once, for minutes, and eight small "
            "images, cuts of three photographs: at this scale, no more.",
        ),
    )


def _trainings_grid(findings: Sequence[Finding]) -> Grid:
    rows = []
    for finding in findings:
        if not finding.comparisons:
            note = f"not trained: {', '.join(finding.missing)}"
            rows.append(_cells(finding.claim.id, finding.claim.sentence, *[""] * 4, note))
        for comparison in finding.comparisons:
            means = (
                _mean(comparison.differences[measure], _DIGITS[measure], "+")
                for measure in ("psnr", "ssim")
            )
            rows.append(_comparison_row(finding, comparison, *means))
    return Grid(
        "Claims by small trainings (S)",
        _text_columns(
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


def _comparison_row(finding: Finding, comparison: Comparison, *numbers: str) -> tuple[Cell, ...]:
    claim, compared = finding.claim, f"{comparison.upper} > {comparison.lower}"
    verdicts = comparison.verdict, finding.verdict
    return _cells(claim.id, claim.sentence, compared, *numbers, *verdicts)


def readings_grid(values: Mapping[Reading, Sequence[float]]) -> Grid:
    """Return what was read off the shipped weights."""
    rows = []
    for reading, numbers in values.items():
        digits = _DIGITS[reading.unit]
        mean, lowest = _mean(numbers, digits), f"{min(numbers):.{digits}f}"
        rows.append(_cells(str(reading), reading.unit, mean, lowest, str(len(numbers))))
    columns = (*_text_columns("reading", "unit"), *map(Column, ("mean", "lowest", "images")))
    note = (
        "PSNR under the default protocol of the set. Without rain: the network is given the "
        "clean image. At a strength: rain of that kind comes anew over the clean images. Where it "
        "rains: pixels that no streak changes are put back as they were. AUC: the chance that the "
        "map is higher at a pixel that a streak changes than at another; 0.5 is chance. "
        f"{PERFECT:.0f} dB stands for no error at all."
    )
    return Grid("Readings of the shipped weights", columns, tuple(rows), (note,))


def scores_grid(
    title: str, scores: Mapping[tuple[str, int], Scored], parameters: Mapping[str, int], note: str
) -> Grid:
    """Return what each network reached, over its seeds."""
    rows = []
    for name in sorted({name for name, _ in scores}):
        own = [score for (network, _), score in sorted(scores.items()) if network == name]
        psnr, ssim = [score.psnr for score in own], [score.ssim for score in own]
        seeds = ", ".join(f"{value:.2f}" for value in psnr)
        rows.append(_cells(name, f"{parameters[name]:,}", _mean(psnr, 2), _mean(ssim, 4), seeds))
    numeric = ("parameters", "PSNR, dB", "SSIM", "PSNR of each seed")
    columns = (*_text_columns("network"), *map(Column, numeric))
    return Grid(title, columns, tuple(rows), (note,))


def open_grid(claims: Sequence[Claim]) -> Grid:
    """Return the claims that nothing here decides."""
    rows = []
    for claim in claims:
        paper = claim.paper or "across papers"
        rows.append(_cells(claim.id, paper, claim.sentence, _needed(claim), claim.notes))
    columns = _text_columns("claim", "paper", "sentence", "would need", "remark")
    return Grid("Claims that nothing here decides", columns, tuple(rows))


def _needed(claim: Claim) -> str:
    """Return what would decide a claim, and the option that does where there is one."""
    words = {kind: KINDS[kind] for kind in claim.kinds}
    if claim.on_weights:
        words["S"] = "a look at the shipped weights: --shipped"
    elif claim.by_training:
        words["S"] = f"{KINDS['S']}: --run"
    return "; ".join(words.values())


def _spreads_grid(found: Sequence[Spread]) -> Grid:
    rows = tuple(
        _cells(
            spread.dataset,
            spread.method,
            f"{spread.low[0]:.2f}",
            spread.low[1],
            f"{spread.high[0]:.2f}",
            spread.high[1],
            f"{spread.high[0] - spread.low[0]:.2f}",
        )
        for spread in found
    )
    columns = (
        *_text_columns("data set", "method"),
        Column("PSNR", "lowest"),
        Column("in", "lowest", numeric=False),
        Column("PSNR", "highest"),
        Column("in", "highest", numeric=False),
        Column("apart, dB"),
    )
    return Grid("One name, several numbers (X1)", columns, rows)


def rows_csv(
    tables: Sequence[TableFinding], trainings: Sequence[Finding], weights: Sequence[Finding]
) -> str:
    """Return all findings as CSV, a row per comparison."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("claim", "kind", "paper", "sentence", "verdict", "own_table", "detail"))
    for table in tables:
        claim = table.claim
        for part in table.parts:
            verdict = "holds" if part.holds else "does not hold"
            about = claim.id, "T", claim.paper, claim.sentence, verdict, claim.own_table
            writer.writerow((*about, part.text))
    for finding in (*trainings, *weights):
        claim = finding.claim
        for comparison in finding.comparisons:
            about = claim.id, "S", claim.paper, claim.sentence, comparison.verdict, ""
            compared = f"{comparison.upper} > {comparison.lower}"
            writer.writerow((*about, f"{compared}: {_detail(comparison.differences)}"))
    return text.getvalue()


def _detail(differences: Mapping[str, Sequence[float]]) -> str:
    if "psnr" in differences:
        psnr, ssim = (_mean(differences[name], n, "+") for name, n in (("psnr", 3), ("ssim", 5)))
        return f"PSNR {psnr} SSIM {ssim}"
    ((unit, values),) = differences.items()
    return f"{_mean(values, _DIGITS[unit], '+')} {unit}, {_agreeing(values)} images"


def as_plain(
    tables: Sequence[TableFinding], trainings: Sequence[Finding], weights: Sequence[Finding]
) -> dict[str, object]:
    """Return all findings as plain types for JSON."""
    return {
        "published": [
            {
                "claim": finding.claim.id,
                "paper": finding.claim.paper,
                "sentence": finding.claim.sentence,
                "verdict": finding.verdict,
                "own_table": finding.claim.own_table,
                "parts": [{"text": part.text, "holds": part.holds} for part in finding.parts],
            }
            for finding in tables
        ],
        "trials": [{**_plain(finding), "missing": finding.missing} for finding in trainings],
        "shipped": [_plain(finding) for finding in weights],
    }


def _plain(finding: Finding) -> dict[str, object]:
    def numbers(comparison: Comparison) -> dict[str, object]:
        if "psnr" in comparison.differences:
            return dict(comparison.differences)
        ((unit, values),) = comparison.differences.items()
        return {"differences": values, "unit": unit}

    return {
        "claim": finding.claim.id,
        "sentence": finding.claim.sentence,
        "verdict": finding.verdict,
        "comparisons": [
            {
                "upper": comparison.upper,
                "lower": comparison.lower,
                **numbers(comparison),
                "verdict": comparison.verdict,
            }
            for comparison in finding.comparisons
        ],
    }


def document(title: str, grids: Sequence[Grid], made: str) -> str:
    """Return tables as one Markdown text; empty ones are left out."""
    parts = [
        f"## {grid.title}\n\n{write_grid(grid, 'markdown').strip()}" for grid in grids if grid.rows
    ]
    return "\n\n".join([f"# {title}", made, *parts]) + "\n"


def _agreeing(differences: Sequence[float]) -> str:
    return f"{sum(value > 0 for value in differences)} of {len(differences)}"


def _mean(values: Sequence[float], digits: int, sign: str = "") -> str:
    text = f"{statistics.fmean(values):{sign}.{digits}f}"
    return f"{text} ± {spread(values):.{digits}f}" if len(values) > 1 else text


def _cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(map(Cell, texts))


def _text_columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, numeric=False) for title in titles)
