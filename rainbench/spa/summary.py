"""What a build did, a row per sequence and per video that failed: CSV, Markdown, JSON."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

from rainbench.core.escape import escape_formula, markdown
from rainbench.core.text import count_of

SummaryState = Literal["accepted", "rejected", "waiting", "failed", "duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """One line of the summary.

    Attributes:
        video: The video as it was given.
        sequence: The sequence's id; empty for a video of which nothing could be made.
        scene: Which scene of how many, as ``1/2``; empty for such a video too.
        frames: Frames used, of those in the scene, as ``100/376``.
        method: How the clean frame was made.
        percentile: The percentile taken, where there is one.
        vote_share: Share of the pixels that voted for it.
        estimated_psnr: The judge's estimate, in dB.
        verdict: What the judge would do.
        state: What was done.
        split: Where its pairs went.
        pairs: How many there are.
        reason: Why it was not accepted, and what to do.
    """

    video: str
    sequence: str = ""
    scene: str = ""
    frames: str = ""
    method: str = ""
    percentile: int | None = None
    vote_share: float | None = None
    estimated_psnr: float | None = None
    verdict: str = ""
    state: SummaryState
    split: str = ""
    pairs: int = 0
    reason: str = ""


_COLUMNS = tuple(field.name for field in fields(SummaryRow))


def summary_csv(rows: Sequence[SummaryRow]) -> str:
    """Return the summary as CSV text with a header.

    Example:
        >>> row = SummaryRow(video="a.mp4", state="failed", reason="is empty")
        >>> print(summary_csv([row]).splitlines()[1])
        a.mp4,,,,,,,,,failed,,0,is empty
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([escape_formula(text) for text in _texts(row)] for row in rows)
    return text.getvalue()


def summary_markdown(rows: Sequence[SummaryRow]) -> str:
    """Return the summary as a Markdown table, with a line of totals under it."""
    lines = ["| " + " | ".join(name.replace("_", " ") for name in _COLUMNS) + " |"]
    lines.append("|" + "---|" * len(_COLUMNS))
    for row in rows:
        cells = [markdown(text) for text in _texts(row)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", totals(rows)]) + "\n"


def summary_json(rows: Sequence[SummaryRow]) -> list[dict[str, object]]:
    """Return the summary as plain types."""
    return [asdict(row) for row in rows]


def totals(rows: Sequence[SummaryRow]) -> str:
    """Return one line that counts states and pairs.

    Example:
        >>> totals([SummaryRow(video="a", state="accepted", pairs=3, split="test")])
        '1 accepted; 3 pairs (3 test)'
    """
    states = Counter(row.state for row in rows)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    pairs = Counter[str]()
    for row in rows:
        pairs[row.split] += row.pairs
    split = ", ".join(f"{count} {name}" for name, count in sorted(pairs.items()) if count)
    return f"{counted or 'nothing'}; {count_of(sum(pairs.values()), 'pair')}" + (
        f" ({split})" if split else ""
    )


def _texts(row: SummaryRow) -> list[str]:
    values = asdict(row)
    values["vote_share"] = "" if row.vote_share is None else f"{row.vote_share:.3f}"
    values["estimated_psnr"] = "" if row.estimated_psnr is None else f"{row.estimated_psnr:.2f}"
    return ["" if values[name] is None else str(values[name]) for name in _COLUMNS]
