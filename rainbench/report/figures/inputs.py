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
from rainbench.report.restored import Maps, Restorer
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


class Scene:
    """An image of a data set, and what each entry of a run makes of it.

    What was restored before, for the page or another figure, is taken from the run's folder.

    Args:
        run: The run's folder.
        cells: The entries on one data set.
        image: The image's id.
        options: How to compute.

    Raises:
        RainbenchError: There is no such image, or it cannot be read.
    """

    def __init__(
        self, run: Path, cells: Sequence[PlannedCell], image: str, options: RunOptions
    ) -> None:
        card, found = cells[0].pairs.card, cells[0].pairs
        infos = zip(found.pairs, found.manifest, strict=True)
        pairs = {pair.id: (pair, info) for pair, info in infos}
        if image not in pairs:
            raise RainbenchError(
                f"{card.name} has no image {image}",
                hint=f"It has {len(pairs)}: {', '.join([*pairs][:3])}, ... See `rainbench check`.",
            )
        self.image, self._pair, self._protocol = image, pairs[image][0], card.protocol
        self.rainy, self.clean = load_pair(*pairs[image])
        self._restorers = {cell.entry.name: Restorer(run, cell, options) for cell in cells}

    def panels(self, *, advance: Advance = unseen) -> list[Panel]:
        """Return the rainy image and what each entry made of it.

        Args:
            advance: Called after each picture with 1 and the entry's name.

        Raises:
            RainbenchError: An entry cannot restore it.
        """
        panels = [self._scored("rainy", self.rainy)]
        for name, restore in self._restorers.items():
            restored, _ = restore(self._pair, self.rainy, self.clean)
            panels.append(Panel(name, restored, *restore.score(self.image)))
            advance(1, name)
        return panels

    def stages(self, entry: str) -> list[Panel]:
        """Return the rainy image and that of each stage of an entry; none without stages."""
        stages = self._restorers[entry].stages(self.rainy)
        named = [("rainy", self.rainy), *((f"stage {n}", s) for n, s in enumerate(stages, 1))]
        return [self._scored(name, image) for name, image in named] if stages else []

    def maps(self, entry: str) -> Maps:
        """Return the maps of an entry's network, such as its attention, ``(H, W)`` each."""
        return self._restorers[entry](self._pair, self.rainy, self.clean)[1]

    def _scored(self, name: str, image: Image) -> Panel:
        from rainbench.metrics import score_all

        score = score_all(image, self.clean, (self._protocol,))[self._protocol]
        return Panel(name, image, score.psnr, score.ssim)


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
