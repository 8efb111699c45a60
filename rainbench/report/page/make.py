"""Making the report of a run: its numbers, its pictures, the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rainbench.catalog.cards import DatasetCard
from rainbench.catalog.registry import Registry
from rainbench.core.files import writing
from rainbench.core.pool import Pool
from rainbench.core.progress import Advance, unseen
from rainbench.report.page.content import page_content
from rainbench.report.page.gallery import (
    ERROR_RANGE,
    Restoring,
    choose_images,
    draw_pictures,
    restore_ahead,
    restorings,
)
from rainbench.report.page.render import write_page
from rainbench.run.options import RunOptions
from rainbench.run.plan import Plan, PlannedCell, make_plan
from rainbench.run.results import RunResults


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written.

    Attributes:
        file: The page.
        pictures: How many images are shown.
        problems: What could not be shown, and why.
    """

    file: Path
    pictures: int
    problems: tuple[str, ...]


def make_report(
    run: Path,
    registry: Registry,
    *,
    data_roots: Sequence[Path] = (),
    weight_roots: Sequence[Path] = (),
    pictures: int = 4,
    options: RunOptions | None = None,
    advance: Advance = unseen,
    pool: Callable[[Sequence[Path]], Pool] | None = None,
) -> Report:
    """Write the page of a run into its folder.

    Args:
        run: The run's folder.
        registry: The cards.
        data_roots: Where data sets lie; pictures of those that are not found are left out.
        weight_roots: Where weights lie, likewise.
        pictures: How many images of each data set are shown.
        options: How they are computed.
        advance: Called after each picture with 1 and the entry's name.
        pool: Gives what restores images elsewhere, a task for each entry on a data set, where all
            of the files are in sight.

    Raises:
        RainbenchError: The folder holds no results, or cannot be written.
    """
    RunResults.open(run)
    content = page_content(run, registry)
    wanted = [choose_images(dataset, pictures) for dataset in content["datasets"]]
    plan = plan_of(content, registry, data_roots, weight_roots) if pictures else Plan(())
    options = options or RunOptions()
    with writing(run):
        without = _restored_by(pool, restorings(run, plan, wanted, options)) if pool else {}
        drawn, problems = draw_pictures(
            run, plan, wanted, options, advance=advance, without=without
        )
    problems = [f"{card.name}: {reason}" for card, reason in plan.unusable] + problems
    if pictures:
        problems += _without_cards(run, registry)
    content |= {"pictures": drawn, "problems": problems, "error_range": ERROR_RANGE}
    file = write_page(run, content)
    return Report(file, sum(map(len, drawn.values())), tuple(problems))


def _restored_by(
    pool: Callable[[Sequence[Path]], Pool], tasks: Sequence[Restoring]
) -> dict[str, str]:
    """Restore images elsewhere; return by the cell's name what could not be, and why."""
    if not tasks:
        return {}
    files = list(dict.fromkeys(file for task in tasks for file in task.files))
    problems = pool(files)(restore_ahead, tasks, on_crash=lambda _: "its process died")
    return {
        task.cell.name: problem for task, problem in zip(tasks, problems, strict=True) if problem
    }


def _without_cards(run: Path, registry: Registry) -> list[str]:
    """Return a sentence for each entry of a run that nothing here knows: it cannot be run again."""
    known = {entry.name for entry in registry.entries()}
    said: dict[str, str] = {}
    for cell in RunResults(run).cells():
        if cell.summary is None or cell.entry in known:
            continue
        if cell.is_of_folder:
            beside = f"rainbench run -b NAME -d {cell.dataset} --out {run}"
            said[cell.entry] = (
                f"{cell.entry}: was scored from a folder, whose images are not kept; `{beside}` "
                "sets other entries beside it, with pictures"
            )
        else:
            said[cell.entry] = (
                f"{cell.entry}: has no card; to see its pictures give the network as in the run, "
                "with -b"
            )
    return [said[name] for name in sorted(said)]


def plan_of(
    content: Mapping[str, Any],
    registry: Registry,
    data_roots: Sequence[Path],
    weight_roots: Sequence[Path],
) -> Plan:
    """Return the plan of the complete cells whose entries have cards.

    Args:
        content: What `rainbench.report.page.content.page_content` returned.
        registry: The cards.
        data_roots: Where data sets lie.
        weight_roots: Where weights lie.
    """
    entries = {entry.name for entry in registry.entries()}
    cells: list[PlannedCell] = []
    unusable: list[tuple[DatasetCard, str]] = []
    for dataset in content["datasets"]:
        complete = {cell["entry"] for cell in dataset["cells"] if cell["images"]} & entries
        if not complete:
            continue
        plan = make_plan(
            registry,
            datasets=[dataset["name"]],
            baselines=sorted(complete),
            data_roots=data_roots,
            weight_roots=weight_roots,
            allow_partial=True,
        )
        cells += plan.cells
        unusable += plan.unusable
    return Plan(tuple(cells), tuple(unusable))
