"""What the figures of a run show: which image, which crops, what every entry made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError
from rainbench.core.images import Image
from rainbench.core.progress import Advance, unseen
from rainbench.pairs.pictures import load_pair
from rainbench.report.figures.draw import Box, Panel
from rainbench.report.figures.plots import Cost
from rainbench.report.restored import Restorer
from rainbench.report.rows import Row
from rainbench.report.views import gflops
from rainbench.run.options import RunOptions
from rainbench.run.plan import PlannedCell
from rainbench.run.results import RunResults

CROP_SHARE = 0.25
"""Side of a crop as a share of the shorter side of its picture."""


def typical_image(run: Path, rows: Sequence[Row], protocol: str) -> str:
    """Return the image whose PSNR, the mean over the entries, is the middle one of its data set.

    An image that nobody chose for its looks.

    Args:
        run: The run's folder.
        rows: The entries' rows on one data set.
        protocol: The protocol that decides.

    Raises:
        RainbenchError: No image was scored by all of them.
    """
    tables = [RunResults(run).cell(row.dataset, row.entry).scores for row in rows]
    means = {}
    for image in tables[0] if tables else ():
        values = [table[image][protocol].psnr for table in tables if image in table]
        finite = [value for value in values if value is not None and np.isfinite(value)]
        if len(finite) == len(tables):
            means[image] = float(np.mean(finite))
    if not means:
        raise RainbenchError("no image was scored by all entries", hint="Name one with --image.")
    ordered = sorted(means, key=lambda image: (means[image], image))
    return ordered[len(ordered) // 2]


def choose_boxes(panels: Sequence[Panel], clean: Image, count: int = 2) -> list[Box]:
    """Choose the crops in which what the entries made differs most; they do not overlap.

    Args:
        panels: What the entries made.
        clean: The clean image.
        count: How many at the most.
    """
    height, width = clean.shape[:2]
    side = max(8, round(CROP_SHARE * min(height, width)))
    if len(panels) < 2 or min(height, width) < 2 * side:
        return []
    errors = np.stack(
        [np.abs(panel.image.astype(np.int16) - clean).mean(axis=-1) for panel in panels]
    )
    sums = _window_sums(errors.std(axis=0), side)
    least = 1e-6 * float(sums.max())
    boxes: list[Box] = []
    while len(boxes) < count and sums.max() > least:
        top, left = (int(place) for place in np.unravel_index(np.argmax(sums), sums.shape))
        boxes.append(Box(left, top, side))
        sums[max(0, top - side) : top + side, max(0, left - side) : left + side] = -1
    return sorted(boxes, key=lambda box: box.left)


def _window_sums(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the sum over the square that starts at each pixel."""
    total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    return np.asarray(sums, np.float64)


def make_panels(
    run: Path,
    cells: Sequence[PlannedCell],
    image: str,
    options: RunOptions,
    *,
    advance: Advance = unseen,
) -> tuple[list[Panel], Image]:
    """Return the rainy image and what each entry made of it, and the clean image.

    What was restored before, for the page or another figure, is taken from the run's folder.

    Args:
        run: The run's folder.
        cells: The entries on one data set.
        image: The image's id.
        options: How to compute.
        advance: Called after each picture with 1 and the entry's name.

    Raises:
        RainbenchError: There is no such image, or it cannot be restored.
    """
    card, found = cells[0].pairs.card, cells[0].pairs
    pairs = {pair.id: (pair, info) for pair, info in zip(found.pairs, found.manifest, strict=True)}
    if image not in pairs:
        raise RainbenchError(
            f"{card.name} has no image {image}",
            hint=f"It has {len(pairs)}: {', '.join([*pairs][:3])}, ... See `rainbench check`.",
        )
    pair, info = pairs[image]
    rainy, clean = load_pair(pair, info)
    panels = [Panel("rainy", rainy, *_rainy_score(rainy, clean, card.protocol))]
    for cell in cells:
        restore = Restorer(run, cell, options)
        restored, _ = restore(pair, rainy, clean)
        panels.append(Panel(cell.entry.name, restored, *restore.score(image)))
        advance(1, cell.entry.name)
    return panels, clean


def _rainy_score(rainy: Image, clean: Image, protocol: str) -> tuple[float | None, float]:
    from rainbench.metrics import score_all

    score = score_all(rainy, clean, (protocol,))[protocol]
    return score.psnr, score.ssim


def scores_of(run: Path, rows: Sequence[Row]) -> dict[str, NDArray[np.float64]]:
    """Return each entry's finite PSNR values, or SSIM where the protocol has no PSNR."""
    found = {}
    for row in rows:
        scores = RunResults(run).cell(row.dataset, row.entry).scores
        each = [per_protocol[row.protocol] for per_protocol in scores.values()]
        values = np.array([s.ssim if row.psnr is None else s.psnr for s in each], np.float64)
        if np.isfinite(values).any():
            found[row.entry] = values[np.isfinite(values)]
    return found


def costs_of(run: Path, rows: Sequence[Row], side: int) -> tuple[list[Cost], str]:
    """Return the entries' costs, and the machine of their times; empty where there are several."""
    costs, machines = [], set()
    for row in rows:
        if row.psnr is None or not np.isfinite(row.psnr):
            continue
        operations = gflops(row.macs_per_pixel, side * side)
        costs.append(Cost(row.entry, row.psnr, row.parameters, operations, row.seconds_per_image))
        made = (RunResults(run).cell(row.dataset, row.entry).summary or {}).get("provenance")
        if row.parameters and isinstance(made, dict):
            threads = made.get("threads")
            machines.add(f"{made.get('device')}, {threads} thread{'s' if threads != 1 else ''}")
    return costs, machines.pop() if len(machines) == 1 else ""
