"""Comparing a run with the papers and with the golden numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rainbench.catalog.published import load_published, load_reasons
from rainbench.catalog.registry import Registry
from rainbench.core.errors import RainbenchError
from rainbench.core.text import count_of
from rainbench.report.golden import Drift, find_drift, golden_file, missing_images, read_golden
from rainbench.report.grid import Cell, Column, Grid, number
from rainbench.report.rows import NO_REASON, Row, build_rows, set_beside
from rainbench.report.writers import grid_markdown
from rainbench.run.results import CellResult, RunResults


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of every cell that has a number to be compared with.

    Attributes:
        rows: The rows with a published number, and those that failed.
        drifts: Where a number left its golden value.
        guarded: How many values, each a PSNR or an SSIM of one image under one protocol, were
            compared with golden ones.
        wanted: How many should have been, at least.
        stale: The cells that other code than today's computed, each with what changed.
        broken: What could not be compared as it should have been, each with the reason: damaged
            cells and files of golden numbers.
    """

    rows: tuple[Row, ...]
    drifts: tuple[Drift, ...]
    guarded: int
    wanted: int = 0
    stale: tuple[tuple[str, str], ...] = ()
    broken: tuple[tuple[str, str], ...] = ()

    @property
    def states(self) -> dict[str, int]:
        """How many cells are in each state."""
        counts = Counter(row.state for row in self.rows)
        counts["drift"] = len(self.drifts)
        if self.stale:
            counts["stale"] = len(self.stale)
        if self.broken:
            counts["broken"] = len(self.broken)
        return dict(sorted(counts.items()))

    @property
    def unexplained(self) -> tuple[Row, ...]:
        """The gaps that no reason is written down for."""
        return tuple(
            row for row in self.rows if row.state == "gap" and row.note.startswith(NO_REASON)
        )

    @property
    def passed(self) -> bool:
        """Whether nothing drifted, failed, or differs without a reason, and enough was guarded.

        Numbers of other code than today's prove nothing, so they do not pass either.
        """
        failed = any(row.state == "failed" for row in self.rows)
        wrong = self.drifts or self.stale or self.broken or self.unexplained or self.shortage
        return not (wrong or failed)

    @property
    def shortage(self) -> str:
        """What is to be said when fewer values were compared than wanted; else empty."""
        if self.guarded >= self.wanted:
            return ""
        compared = count_of(self.guarded, "value")
        return f"only {compared} compared with golden numbers, at least {self.wanted} wanted"


def compare_run(
    out: Path, registry: Registry, golden: Path | None = None, wanted: int = 0
) -> Comparison:
    """Compare every cell of a run's folder with the papers and the golden numbers.

    Args:
        out: The run's folder.
        registry: The cards.
        golden: A folder of golden numbers; those of the package and of the user when None.
        wanted: How many values have to be compared with golden numbers, at least. Where a folder
            is given, one at least.
    """
    results = RunResults(out)
    rows = _beside_every_paper(build_rows(out, registry), registry)
    failed = {(row.dataset, row.entry) for row in rows if row.state == "failed"}
    drifts: list[Drift] = []
    stale: list[tuple[str, str]] = []
    broken: list[tuple[str, str]] = []
    guarded = 0
    for cell in results.cells():
        name = f"{cell.label} / {cell.entry}"
        if cell.summary is None:
            broken += [] if (cell.dataset, cell.entry) in failed else [(name, cell.failure)]
            continue
        if reason := cell.stale:
            stale.append((name, f"{reason}: run it again"))
        try:
            moved, compared, missing = _beside_golden(cell, golden, registry)
        except RainbenchError as error:
            broken.append((name, error.message))
            continue
        drifts += moved
        guarded += compared
        broken += [(name, missing)] if missing else []
    broken += [("the run", problem) for problem in results.own_problems]
    least = max(wanted, 1) if golden is not None else wanted
    return Comparison(tuple(rows), tuple(drifts), guarded, least, tuple(stale), tuple(broken))


def _beside_golden(
    cell: CellResult, folder: Path | None, registry: Registry
) -> tuple[list[Drift], int, str]:
    """Return a cell's drifts, how many values were compared, and which images could not be.

    Raises:
        RainbenchError: There are golden numbers that cannot be used.
    """
    file = golden_file(cell.label, cell.entry, folder, registry.folders)
    if not cell.is_plain or not (file.exists() or file.is_symlink()):
        return [], 0, ""
    golden = read_golden(file)
    complete = bool(cell.summary and cell.summary["complete_set"])
    missing = missing_images(golden, cell.scores, complete=complete)
    return *find_drift(golden, cell.label, cell.entry, cell.scores), missing


def _beside_every_paper(rows: Sequence[Row], registry: Registry) -> list[Row]:
    """Return a row per measured cell and paper that reports it, and what failed or is missing."""
    published, reasons = load_published(registry.folders), load_reasons(registry.folders)
    compared: list[Row] = []
    for row in rows:
        if row.state in ("failed", "missing"):
            compared += [row] if row.published or row.state == "failed" else []
            continue
        compared += [
            set_beside(row, cell, reasons)
            for cell in published
            if cell.is_of(row.dataset, row.entry, row.protocol)
        ]
    return compared


def summary_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown for a CI job's page: the verdict, then what failed."""
    verdict = "passed" if comparison.passed else "failed"
    states = ", ".join(f"{count} {state}" for state, count in comparison.states.items() if count)
    guarded = f"{count_of(comparison.guarded, 'value')} compared with golden numbers"
    lines = [f"## Numbers: {verdict}", "", f"{guarded}; {states}." if states else f"{guarded}."]
    if comparison.shortage:
        lines += ["", f"**Too few**: {comparison.shortage}."]
    elif not comparison.guarded:
        lines += ["", "**Nothing was guarded**: no cell of this run has golden numbers."]
    failed = [row for row in comparison.rows if row.state == "failed"]
    bad = [(f"{each.dataset} / {each.entry} / {each.protocol}", "drift", each.message)
           for each in comparison.drifts]  # fmt: skip
    bad += [(cell, "stale", reason) for cell, reason in comparison.stale]
    bad += [(cell, "broken", reason) for cell, reason in comparison.broken]
    bad += [
        (f"{row.dataset} / {row.entry} / {row.protocol}", row.state, row.note)
        for row in (*failed, *comparison.unexplained)
    ]
    if bad:
        lines += ["", _markdown("What failed", ("cell", "state", "what"), bad)]
    if comparison.rows:
        heads = ("cell", "measured", "published", "where", "state", "note")
        beside = _markdown("Beside the papers", heads, [_beside(row) for row in comparison.rows])
        lines += ["", "<details><summary>Every cell beside the papers</summary>", "", beside]
        lines += ["</details>"]
    return "\n".join(lines) + "\n"


def _beside(row: Row) -> tuple[str, ...]:
    reported = row.published
    return (
        f"{row.dataset} / {row.entry} / {row.protocol}",
        f"{number(row.psnr, 2)} / {number(row.ssim, 4)}" if row.images else "",
        f"{number(row.reported_psnr, 2)} / {number(row.reported_ssim, 3)}" if reported else "",
        reported.where if reported else "",
        row.state,
        row.note,
    )


def _markdown(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    columns = tuple(Column(head, numeric=False) for head in heads)
    rows = tuple(tuple(Cell(text) for text in line) for line in lines)
    return grid_markdown(Grid(title, columns, rows))


def describe(comparison: Comparison) -> Sequence[str]:
    """Return the comparison as lines of text, what fails last."""
    lines = []
    for row in comparison.rows:
        beside = f"{row.dataset} / {row.entry} / {row.protocol}"
        reported = row.published
        numbers = ""
        if reported and row.delta_psnr is not None:
            numbers = (
                f" {number(row.psnr, 2)}/{number(row.ssim, 4)} beside "
                f"{number(reported.psnr, 2)}/{number(reported.ssim, 3)} "
                f"({reported.where}, {reported.evidence} protocol)"
            )
        lines.append(f"{row.state:15}{beside}{numbers}{': ' + row.note if row.note else ''}")
    lines += [f"{'stale':15}{cell}: {reason}" for cell, reason in comparison.stale]
    lines += [f"{'broken':15}{cell}: {reason}" for cell, reason in comparison.broken]
    lines += [f"{'drift':15}{drift}" for drift in comparison.drifts]
    return lines
