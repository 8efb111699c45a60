"""The page's pictures: a few images of each data set, restored by every entry, with error maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rainbench.core.errors import RainbenchError, failing_alone
from rainbench.core.images import Image, write_png
from rainbench.core.machine import resolve_device
from rainbench.core.progress import Advance, unseen
from rainbench.pairs.layouts import Pair
from rainbench.pairs.manifest import PairInfo
from rainbench.pairs.pictures import load_pair
from rainbench.report.page.numbers import plain
from rainbench.report.restored import Restorer
from rainbench.run.options import RunOptions
from rainbench.run.plan import Plan, PlannedCell

FOLDER = "report-images"

ERROR_RANGE = 0.2
"""Mean absolute error over R, G and B that the brightest colour stands for, of 1."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The images of a data set to be shown.

    Attributes:
        dataset: The data set's name.
        images: Their ids, in order.
    """

    dataset: str
    images: tuple[str, ...]


def choose_images(dataset: Mapping[str, Any], count: int) -> Wanted:
    """Choose the images to show of a data set: the hardest and the easiest, turn by turn.

    Args:
        dataset: One of `rainbench.report.page.content.page_content`'s data sets.
        count: How many at the most.
    """
    extremes = dataset["extremes"]
    turns = zip(extremes["hardest"], extremes["easiest"], strict=True)
    names = [item["image"] for pair in turns for item in pair]
    if not names:  # a single image is neither
        names = [dataset["only"]] if dataset["only"] else []
    return Wanted(dataset["name"], tuple(dict.fromkeys(names))[:count])


@dataclass(frozen=True, slots=True)
class Restoring:
    """Images of a cell to be restored and kept below the run, see `Restorer`.

    Attributes:
        run: The run's folder.
        cell: The entry on a data set.
        options: How to compute, on the device that the worker has.
        images: The images.
    """

    run: Path
    cell: PlannedCell
    options: RunOptions
    images: tuple[tuple[Pair, PairInfo], ...]

    @property
    def files(self) -> list[Path]:
        """What is read for it."""
        pictures = [source.path for pair, _ in self.images for source in (pair.rainy, pair.clean)]
        return [*pictures, *([self.cell.weights] if self.cell.weights else [])]


def restore_ahead(task: Restoring) -> str:
    """Restore and keep the images of a task; return what keeps it from that, if anything does."""
    try:
        with failing_alone("its pictures"):
            options = replace(task.options, device=resolve_device("auto"))
            restore = Restorer(task.run, task.cell, options)
            for pair, info in task.images:
                restore(pair, *load_pair(pair, info))
    except RainbenchError as error:
        return error.message
    return ""


def restorings(
    run: Path, plan: Plan, wanted: Sequence[Wanted], options: RunOptions
) -> list[Restoring]:
    """Return what `draw_pictures` has to restore, a task for each cell."""
    images = {choice.dataset: choice.images for choice in wanted}
    tasks = []
    for cell in plan.runnable:
        chosen = images.get(cell.pairs.card.name, ())
        found = tuple((pair, info) for pair, info in cell.images if pair.id in chosen)
        if found:
            tasks.append(Restoring(run, cell, options, found))
    return tasks


def draw_pictures(
    run: Path,
    plan: Plan,
    wanted: Sequence[Wanted],
    options: RunOptions,
    *,
    into: Path | None = None,
    advance: Advance = unseen,
    without: Mapping[str, str] | None = None,
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Restore images and write them, their error maps and the networks' maps below a run.

    File names are numbers, whatever the images and entries are called.

    Args:
        run: The run's folder.
        plan: The cells to show; one whose weights are missing is left out.
        wanted: The images of each data set.
        options: How to compute.
        into: The folder in which ``report-images`` receives the pictures; the run's by default.
        advance: Called after each picture with 1 and the entry's name.
        without: Cells that cannot be shown, by their names, and why.

    Returns:
        Per data set the pictures as the page wants them, and what could not be drawn and why.

    Raises:
        RainbenchError: A picture cannot be written.
    """
    shown: dict[str, list[dict[str, Any]]] = {}
    problems: list[str] = []
    for number, choice in enumerate(wanted):
        cells = [cell for cell in plan.runnable if cell.pairs.card.name == choice.dataset]
        if not cells:
            continue
        found = cells[0].pairs
        pairs = {
            pair.id: (pair, info) for pair, info in zip(found.pairs, found.manifest, strict=True)
        }
        items = [
            _Item(into or run, Path(FOLDER) / f"d{number}" / f"i{index}", *pairs[image])
            for index, image in enumerate(choice.images)
            if image in pairs
        ]
        for index, cell in enumerate(cells):
            try:
                with failing_alone("its pictures"):
                    if reason := (without or {}).get(cell.name):
                        raise RainbenchError(reason)
                    restore = Restorer(run, cell, options)
                    for item in items:
                        item.draw(cell.entry.name, restore, index)
                        advance(1, cell.entry.name)
            except RainbenchError as error:
                problems.append(f"{cell.entry.name} on {choice.dataset}: {error.message}")
        shown[choice.dataset] = [item.content() for item in items]
    return shown, problems


class _Item:
    """One image of a data set: its pictures on disk and their names."""

    def __init__(self, run: Path, folder: Path, pair: Pair, info: PairInfo) -> None:
        self.run, self.folder, self.pair = run, folder, pair
        (run / folder).mkdir(parents=True, exist_ok=True)
        self.rainy, self.clean = load_pair(pair, info)
        self.entries: dict[str, dict[str, Any]] = {}
        self.scores: dict[str, list[float | str | None]] = {}

    def content(self) -> dict[str, Any]:
        """Write the pair itself and return the item as the page wants it."""
        height, width = self.clean.shape[:2]
        return {
            "image": self.pair.id,
            "width": width,
            "height": height,
            "rainy": self._write("rainy", self.rainy),
            "clean": self._write("clean", self.clean),
            "rainy_error": self._write("rainy-error", error_map(self.rainy, self.clean)),
            "entries": self.entries,
            "scores": self.scores,
        }

    def draw(self, entry: str, restore: Restorer, index: int) -> None:
        """Restore the image by one entry and write what is to be seen of it."""
        image, maps = restore(self.pair, self.rainy, self.clean)
        stem = f"e{index}"
        self.scores[entry] = [plain(value) for value in restore.score(self.pair.id)]
        self.entries[entry] = {
            "image": self._write(stem, image),
            "error": self._write(f"{stem}-error", error_map(image, self.clean)),
            "maps": [
                {"name": name, **_map_range(map_), "image": self._write(f"{stem}-map{n}", drawn)}
                for n, (name, map_) in enumerate(maps.items())
                for drawn in [colour_map(map_)]
            ],
        }

    def _write(self, name: str, image: Image) -> str:
        file = self.folder / f"{name}.png"
        write_png(self.run / file, image)
        return file.as_posix()


def error_map(restored: Image, clean: Image) -> Image:
    """Return where and how much a restored image is wrong, on the one scale of all error maps.

    Args:
        restored: ``(H, W, 3)`` uint8.
        clean: The true image, of the same shape and type.

    Returns:
        ``(H, W, 3)`` uint8: black for none, the brightest colour for `ERROR_RANGE` and more.

    Example:
        >>> black = np.zeros((1, 1, 3), np.uint8)
        >>> error_map(black, black)[0, 0].tolist()
        [0, 0, 4]
    """
    error = np.abs(restored.astype(np.int16) - clean).mean(axis=-1) / 255
    return _coloured("inferno", error / ERROR_RANGE)


def colour_map(values: NDArray[np.floating[Any]]) -> Image:
    """Return a network's map in colours: 0 to 1 where it stays inside that, else low to high.

    Example:
        >>> colour_map(np.array([[0.0, 1.0]], np.float32)).shape
        (1, 2, 3)
    """
    limits = _map_range(values)
    low, high = limits["low"], limits["high"]
    return _coloured("viridis", (values.astype(np.float32) - low) / max(high - low, 1e-12))


def _map_range(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    """Return what the ends of the colours stand for, and the least and the most in the map."""
    least, most = (float(f"{end:.3g}") for end in (values.min(), values.max()))
    low, high = (0.0, 1.0) if least >= 0 and most <= 1 else (least, most)
    return {"low": low, "high": high, "least": least, "most": most}


def _coloured(palette: str, shares: NDArray[np.floating[Any]]) -> Image:
    places = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return np.asarray(_palette(palette)[places], np.uint8)


@cache
def _palette(name: str) -> NDArray[np.uint8]:
    import matplotlib

    colours = matplotlib.colormaps[name](np.arange(256))[:, :3]
    return np.asarray(np.rint(colours * 255), np.uint8)
