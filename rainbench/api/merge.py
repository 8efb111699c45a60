"""Several runs as one: their finished cells in one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rainbench.core.errors import RainbenchError
from rainbench.core.files import read_regular_file, refuse_inside, sweep, unfinished, writing
from rainbench.run.results import CellResult, RunResults, lock_run
from rainbench.run.scores import LARGEST_FILE


def merge_runs(runs: Sequence[Path], out: Path) -> None:
    """Copy the finished cells of several runs into one folder.

    What a run did not finish is left out. A cell that stands in several runs is taken once, if
    its numbers depend on the same things in all of them.

    Args:
        runs: Folders of runs.
        out: Where to; what it holds already stays, and counts as one of the runs.

    Raises:
        RainbenchError: A folder holds no results, or two runs scored one entry in different ways,
            or on different pictures of one data set; nothing is copied then.
        StoreError: The folder cannot be written.
    """
    if not runs:
        raise RainbenchError("no run to merge was given")
    refuse_inside(out, runs)
    with lock_run(out):
        _merge(runs, out)


def _merge(runs: Sequence[Path], out: Path) -> None:
    sources = [RunResults.open(run) for run in runs]
    before = [RunResults(out)] if (out / "cells").is_dir() else []
    taken: dict[tuple[str, str], CellResult] = {}
    manifests: dict[str, tuple[Path, bytes]] = {}
    for results in (*before, *sources):
        for cell in results.cells():
            if cell.problem:
                raise RainbenchError(f"{results.folder}: {cell.problem}")
            if cell.summary is None:
                continue
            _plain_files(cell.folder)
            _check_manifest(results.folder, cell.dataset, manifests)
            # Another object of it, which holds nothing that was read.
            first = taken.setdefault((cell.dataset, cell.entry), CellResult(cell.folder))
            if first.folder != cell.folder:
                _check_same(CellResult(first.folder), cell)
    with writing(out):
        sweep(out)
        for (dataset, entry), cell in taken.items():
            target = out / "cells" / dataset / entry
            if cell.folder == target:
                continue
            if os.path.lexists(target):  # not finished here
                shutil.rmtree(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            half = unfinished(target)
            _copy(cell.folder, half)
            half.rename(target)
        for run in runs:
            for card in sorted((run / "cards").glob("*.toml")):
                (out / "cards").mkdir(exist_ok=True)
                (out / "cards" / card.name).write_bytes(read_regular_file(card, LARGEST_FILE))
        (out / "manifests").mkdir(exist_ok=True)
        for dataset, (_, content) in manifests.items():
            (out / "manifests" / f"{dataset}.csv").write_bytes(content)


def _plain_files(folder: Path) -> list[Path]:
    """Return the files of a cell, by their paths in its folder.

    Raises:
        RainbenchError: There is a link in it, a pipe or a device: a run from somebody else may hold
            links to what is none of it.
    """
    files = []
    for item in sorted(folder.rglob("*")):
        if item.is_symlink() or not (item.is_file() or item.is_dir()):
            raise RainbenchError(
                f"{item}: is a link, a pipe or a device, which no run writes",
                hint="Remove it, or put the file that is meant in its place.",
            )
        if item.is_file():
            files.append(item.relative_to(folder))
    return files


def _copy(folder: Path, target: Path) -> None:
    for file in _plain_files(folder):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / file, target / file)


def _check_manifest(run: Path, dataset: str, known: dict[str, tuple[Path, bytes]]) -> None:
    try:
        content = read_regular_file(run / "manifests" / f"{dataset}.csv", LARGEST_FILE)
    except OSError:  # of a scored folder there is none
        return
    first, before = known.setdefault(dataset, (run, content))
    if before != content:
        raise RainbenchError(
            f"{first} and {run} scored different pictures of {dataset}",
            hint="Compare their manifests; runs with another --limit or another copy of a data "
            "set cannot become one.",
        )


def _check_same(one: CellResult, other: CellResult) -> None:
    """Refuse two results of one entry on one data set that differ."""
    differing = differing_parts(one, other)
    if differing:
        raise RainbenchError(
            f"{one.folder} and {other.folder} differ in {', '.join(differing)}",
            hint="Leave out one of the two runs.",
        )
    if one.scores != other.scores:
        raise RainbenchError(
            f"{one.folder} and {other.folder} hold different numbers of the same images",
            hint="They come of different machines or versions, see `provenance` in their "
            "cell.json; leave out one of the two runs.",
        )


def differing_parts(one: CellResult, other: CellResult) -> list[str]:
    """Return the names of what two cells' numbers depend on and have different values of."""
    parts = one.parts, other.parts
    names = {**parts[0], **parts[1]}
    return [name for name in names if parts[0].get(name) != parts[1].get(name)]
