"""Findings on claims as tables: one per kind, one row per comparison for machines, and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rainbench.claims.measured import DIGITS, Comparison, agreeing_text, mean_text
from rainbench.claims.printed import Part, Spread
from rainbench.claims.readings import PERFECT, Reading
from rainbench.claims.sentences import KINDS, Claim, Finding
from rainbench.claims.trainings import Scores, Setting
from rainbench.report.grid import Cell, Column, Grid
from rainbench.report.stats import LEVEL
from rainbench.report.writers import write_grid

ON_TABLES = (
    "Evaluated on the tables of reports/papers. Part: some comparisons hold, others do not; those "
    "are named. Read by hand: what a person found in the papers' tables."
)
ON_WEIGHTS = (
    "Differences: mean over the images ± standard deviation, taken image by image; images: how "
    "many differ in the claimed direction. Holds at this scale: a paired Wilcoxon test over the "
    f"images, level {LEVEL:.0%}, each comparison by itself; reversed: likewise in the other "
    "direction; not distinguishable: neither, as always with five images or fewer. One small "
    "network of each kind, trained once, for minutes, and eight small images, cuts of three "
    "photographs: at this scale, no more."
)
BY_TRAINING = (
    "Differences: mean over the seeds ± standard deviation, taken seed by seed, since all networks "
    "see the same patches for the same seed. Holds at this scale: the PSNR of every seed differs "
    "in the claimed direction and the mean is beyond the standard deviation. Reversed: the same in "
    "the other direction. Not distinguishable: neither. With three seeds chance alone gives one of "
    "the first two in up to one of four comparisons, and networks that are small and hardly "
    "trained need not rank as large ones do that are fully trained."
)
READINGS = (
    "PSNR under the default protocol of the set. Without rain: the network is given the clean "
    "image. At a strength: fresh rain of that kind falls on the clean images. Where it rains: "
    "pixels that no streak changes are put back as they were. AUC: the chance that the map is "
    "higher at a pixel that a streak changes than at another; 0.5 is chance. "
    f"{PERFECT:.0f} dB stands for no error at all."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that is known of some claims.

    Attributes:
        claims: All that were looked at; those that nothing decides are listed at the end.
        tables: What the published tables say.
        weights: What the shipped weights say.
        trainings: What small trainings say.
        readings: The numbers behind what the weights say.
        scores: The tables behind what the trainings say, one for each kind of rain.
        spreads: Where one name stands for several numbers, which is claim X1.
    """

    claims: Sequence[Claim]
    tables: Sequence[Finding] = ()
    weights: Sequence[Finding] = ()
    trainings: Sequence[Finding] = ()
    readings: Mapping[Reading, Sequence[float]] = field(default_factory=dict)
    scores: Sequence[Grid] = ()
    spreads: Sequence[Spread] = ()

    def document(self, title: str, made: str) -> str:
        """Return all tables as one Markdown text; empty ones are left out."""
        found = (*self.tables, *self.weights, *self.trainings)
        decided = {finding.claim.id for finding in found if finding.parts}
        left = [each for each in self.claims if each.id not in decided and not each.tests]
        grids = [
            _tables_grid(self.tables),
            _tests_grid(self.claims),
            _weights_grid(self.weights),
            _trainings_grid(self.trainings),
            _readings_grid(self.readings),
            *self.scores,
            open_grid(left),
        ]
        if any(claim.id == "X1" for claim in self.claims):
            grids.append(_spreads_grid(self.spreads))
        parts = [
            f"## {grid.title}\n\n{write_grid(grid, 'markdown').strip()}"
            for grid in grids
            if grid.rows
        ]
        return "\n\n".join([f"# {title}", made, *parts]) + "\n"

    def rows_csv(self) -> str:
        """Return all findings as CSV, a row per comparison."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("claim", "kind", "paper", "sentence", "verdict", "own_table", "detail"))
        for kind, findings in (("T", self.tables), ("S", (*self.trainings, *self.weights))):
            for finding in findings:
                claim, read = finding.claim, finding.claim.own_table if kind == "T" else ""
                for part in finding.parts:
                    about = claim.id, kind, claim.paper, claim.sentence, part.verdict, read
                    writer.writerow((*about, part.text))
        return text.getvalue()

    def as_plain(self) -> dict[str, object]:
        """Return all findings as plain types for JSON."""
        return {
            "published": [
                {
                    "claim": finding.claim.id,
                    "paper": finding.claim.paper,
                    "sentence": finding.claim.sentence,
                    "verdict": finding.verdict,
                    "own_table": finding.claim.own_table,
                    "parts": [_plain(part) for part in finding.parts],
                }
                for finding in self.tables
            ],
            "trials": [
                {**_plain_measured(each), "missing": each.missing} for each in self.trainings
            ],
            "shipped": [_plain_measured(each) for each in self.weights],
        }


def _plain_measured(finding: Finding) -> dict[str, object]:
    return {
        "claim": finding.claim.id,
        "sentence": finding.claim.sentence,
        "verdict": finding.verdict,
        "comparisons": [_plain(part) for part in finding.parts],
    }


def _plain(part: Part | Comparison) -> dict[str, object]:
    if isinstance(part, Part):
        return {"text": part.text, "holds": part.holds}
    numbers: dict[str, object] = dict(part.differences)
    if "psnr" not in numbers:
        ((unit, values),) = numbers.items()
        numbers = {"differences": values, "unit": unit}
    return {"upper": part.upper, "lower": part.lower, **numbers, "verdict": part.verdict}


def _grid(title: str, heads: str, rows: Iterable[Sequence[str]], *remarks: str) -> Grid:
    """Return a table; ``heads`` stand between bars, those of numbers behind a ``#``."""
    columns = [
        Column(head.removeprefix("#"), numeric=head.startswith("#")) for head in heads.split(" | ")
    ]
    return Grid(title, tuple(columns), tuple(tuple(map(Cell, row)) for row in rows), remarks)


def _tables_grid(findings: Sequence[Finding]) -> Grid:
    rows = []
    for finding in findings:
        claim = finding.claim
        # What fails where something fails, else what holds.
        wrong = [part.text for part in finding.parts if part.verdict != "holds"]
        numbers = "; ".join(wrong or [part.text for part in finding.parts])
        about = claim.id, claim.paper or "across papers", claim.sentence, finding.verdict
        rows.append((*about, claim.own_table or "-", numbers))
    heads = "claim | paper | sentence | verdict | read by hand | numbers"
    return _grid("Claims on the papers' own tables (T)", heads, rows, ON_TABLES)


def _tests_grid(claims: Sequence[Claim]) -> Grid:
    rows = [
        (claim.id, claim.paper, claim.sentence, test, claim.notes)
        for claim in claims
        for test in claim.tests
    ]
    heads = "claim | paper | sentence | test | remark"
    return _grid("Claims shown by tests (P)", heads, rows)


def _weights_grid(findings: Sequence[Finding]) -> Grid:
    rows = []
    for finding, part in _comparisons(findings):
        ((unit, differences),) = part.differences.items()
        numbers = mean_text(differences, DIGITS[unit], "+"), agreeing_text(differences)
        rows.append(_comparison_row(finding, part, *numbers))
    heads = "claim | sentence | comparison | difference | images | comparison says | claim"
    return _grid("Claims asked of the shipped weights (S)", heads, rows, ON_WEIGHTS)


def _trainings_grid(findings: Sequence[Finding]) -> Grid:
    rows = []
    for finding in findings:
        if not finding.parts:
            note = f"not trained: {', '.join(finding.missing)}"
            rows.append((finding.claim.id, finding.claim.sentence, *[""] * 4, note))
        for _, part in _comparisons([finding]):
            means = (
                mean_text(part.differences[name], DIGITS[name], "+") for name in ("psnr", "ssim")
            )
            rows.append(_comparison_row(finding, part, *means))
    heads = "claim | sentence | comparison | PSNR, dB | SSIM | comparison says | claim"
    return _grid("Claims by small trainings (S)", heads, rows, BY_TRAINING)


def _comparisons(findings: Sequence[Finding]) -> list[tuple[Finding, Comparison]]:
    return [
        (finding, part)
        for finding in findings
        for part in finding.parts
        if isinstance(part, Comparison)
    ]


def _comparison_row(finding: Finding, part: Comparison, *numbers: str) -> tuple[str, ...]:
    claim, compared = finding.claim, f"{part.upper} > {part.lower}"
    return (claim.id, claim.sentence, compared, *numbers, part.verdict, finding.verdict)


def _readings_grid(values: Mapping[Reading, Sequence[float]]) -> Grid:
    rows = []
    for reading, numbers in values.items():
        digits = DIGITS[reading.unit]
        mean, lowest = mean_text(numbers, digits), f"{min(numbers):.{digits}f}"
        rows.append((str(reading), reading.unit, mean, lowest, str(len(numbers))))
    heads = "reading | unit | #mean | #lowest | #images"
    return _grid("Readings of the shipped weights", heads, rows, READINGS)


def scores_grid(
    rain: str, scores: Scores, setting: Setting, parameters: Mapping[str, int], budget: str
) -> Grid:
    """Return what each network reached on a kind of rain, over its seeds.

    Args:
        rain: The kind.
        scores: All that was reached; at least one training is of this kind.
        setting: What they were trained on.
        parameters: Of each network.
        budget: What each was given, in words.
    """
    own = {key[1:]: result for key, result in sorted(scores.items()) if key[0] == rain}
    rows = []
    for name in dict.fromkeys(name for name, _ in own):
        results = [result for (network, _), result in own.items() if network == name]
        psnr, ssim = [each.best_psnr for each in results], [each.best_ssim for each in results]
        seeds = ", ".join(f"{value:.2f}" for value in psnr)
        count = f"{parameters[name]:,}"
        rows.append((name, count, mean_text(psnr, 2), mean_text(ssim, 4), seeds))
    before, hours = setting.before, sum(each.seconds for each in own.values()) / 3600
    note = (
        f"{setting.source.label}; scored on {setting.validation.label}, "
        f"{setting.validation.protocol}. Rainy input {before.psnr:.2f} dB / "
        f"{before.ssim:.4f}. Leak check against {setting.split.leak_check}. Budget: "
        f"{budget}; {hours:.2f} hours by the clock, whatever ran beside."
    )
    heads = "network | #parameters | #PSNR, dB | #SSIM | #PSNR of each seed"
    return _grid(f"Small trainings on {rain}", heads, rows, note)


def open_grid(claims: Sequence[Claim]) -> Grid:
    """Return the claims that nothing here decides."""
    rows = [
        (claim.id, claim.paper or "across papers", claim.sentence, _needed(claim), claim.notes)
        for claim in claims
    ]
    heads = "claim | paper | sentence | would need | remark"
    return _grid("Claims that nothing here decides", heads, rows)


def _needed(claim: Claim) -> str:
    """Return what would decide a claim, and the option that does where there is one."""
    words = {kind: KINDS[kind] for kind in claim.kinds}
    if claim.on_weights:
        words["S"] = "a look at the shipped weights: --shipped"
    elif claim.by_training:
        words["S"] = f"{KINDS['S']}: --run"
    return "; ".join(words.values())


def _spreads_grid(found: Sequence[Spread]) -> Grid:
    rows = [
        (
            each.dataset, each.method, f"{each.low[0]:.2f}", each.low[1], f"{each.high[0]:.2f}",
            each.high[1], f"{each.high[0] - each.low[0]:.2f}",
        )
        for each in found
    ]  # fmt: skip
    heads = "data set | method | #lowest PSNR | lowest in | #highest PSNR | highest in | #apart, dB"
    return _grid("One name, several numbers (X1)", heads, rows)
