"""What the benchmarks of clean frames share: scores against a float truth, CSV and Markdown."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.metrics.psnr import mean_squared_error, psnr
from rainbench.metrics.ssim import gaussian_ssim

Row = dict[str, str | float | int]

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))


def score(picture: NDArray[np.generic], truth: NDArray[np.floating]) -> tuple[float, float]:
    """Return PSNR (all channels pooled) and SSIM (mean of the channels) of levels 0 to 255."""
    pairs = [(picture[..., c].astype(np.float64), truth[..., c].astype(float)) for c in range(3)]
    error = float(np.mean([mean_squared_error(*pair) for pair in pairs]))
    return psnr(error / 255**2), float(np.mean([gaussian_ssim(*pair).valid for pair in pairs]))


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table; a number keeps two digits, below 1 four."""
    header = list(rows[0])
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_text(row[name]) for name in header) + " |" for row in rows]
    return "\n".join(lines)


def _text(value: str | float) -> str:
    if not isinstance(value, float):
        return str(value)
    if value == float("inf"):
        return "identical"
    return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4f}"


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows of the same columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
