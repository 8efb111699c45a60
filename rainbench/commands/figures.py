"""``rainbench figures``: a run's figures for a paper, as PNG and PDF."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainbench.catalog.registry import Registry
from rainbench.commands.options import (
    PLACE,
    cards_option,
    data_option,
    open_registry,
    weights_option,
)
from rainbench.core.errors import RainbenchError
from rainbench.core.progress import progress, say, show
from rainbench.core.text import count_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rainbench.report.figures.draw import Box
    from rainbench.report.rows import Row
    from rainbench.run.plan import PlannedCell


@click.command(
    "figures",
    epilog="""\b
Examples:
  rainbench figures runs/full
  rainbench figures runs/full -d rain100l --image 5 --data DIR --weights DIR
  rainbench figures runs/full -d rain100l -b 'prenet*' -b sian --image 5 --crop 100,60,80 \\
      --data DIR --weights DIR --out paper/figures""",
)
@click.argument("run", type=PLACE, default=Path("runs/latest"))
@click.option("-d", "--dataset", "datasets", multiple=True, metavar="NAME", help="Only this one.")
@click.option(
    "-b", "--baseline", "baselines", multiple=True, metavar="NAME[.TAG]", help="Only these entries."
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="ID",
    help="Image to show; may be repeated. [default: the one whose PSNR is the middle one]",
)
@click.option(
    "--crop",
    "crops",
    multiple=True,
    metavar="X,Y,SIDE",
    help="What to enlarge, at most two. [default: where the entries differ most]",
)
@click.option("--out", type=PLACE, help="Where to. [default: figures in the run]")
@data_option
@weights_option
@cards_option
def command(
    *,
    run: Path,
    datasets: tuple[str, ...],
    baselines: tuple[str, ...],
    images: tuple[str, ...],
    crops: tuple[str, ...],
    out: Path | None,
    data_roots: tuple[Path, ...],
    weight_roots: tuple[Path, ...],
    card_folders: tuple[Path, ...],
) -> None:
    """Draw the figures of the run in folder RUN, for each data set.

    How PSNR spreads over the images; PSNR over parameters, operations and time; and, when the data
    set and the weights are there, an image restored by every entry trained for it with zoomed
    crops, and its error maps. The same run gives the same bytes.
    """
    from rainbench.report.figures.inputs import costs_of, scores_of
    from rainbench.report.figures.plots import draw_costs, draw_distributions
    from rainbench.report.figures.style import save_figure
    from rainbench.report.rows import build_rows
    from rainbench.run.cost import COST_SIDE
    from rainbench.run.results import RunResults

    RunResults.open(run)
    boxes = [_box(crop) for crop in crops]
    if len(boxes) > 2:
        raise RainbenchError("--crop can be given twice at most")
    registry = open_registry(card_folders, run)
    names = [card.name for card in registry.datasets_of(datasets)]
    chosen = {entry.name for entry in registry.entries(baselines)} if baselines else None
    rows = [
        row
        for row in build_rows(run, registry)
        if row.is_default and row.images and (row.trained_for or baselines)
        and row.dataset in (names or [row.dataset]) and (chosen is None or row.entry in chosen)
    ]  # fmt: skip
    if not rows:
        raise RainbenchError(f"{run}: nothing to draw", hint="See `rainbench report`.")
    out = run / "figures" if out is None else out
    for dataset, group in groupby(rows, key=lambda row: row.dataset):
        members = list(group)
        card = registry.datasets[dataset]
        metric = "SSIM" if members[0].psnr is None else "PSNR in dB"
        title = f"{card.title}, {count_of(members[0].images, 'image')}, protocol {card.protocol}"
        figures = {
            "distribution": draw_distributions(scores_of(run, members), metric, title),
        }
        costs, machine = costs_of(run, members, COST_SIDE)
        if any(cost.parameters for cost in costs):
            figures["cost"] = draw_costs(costs, COST_SIDE, machine, title)
            if not machine:
                say(f"{dataset}: times left out, they are not of one machine")
        cells = _cells(registry, dataset, members, data_roots, weight_roots)
        for number, image in enumerate(images or [""]) if cells else ():
            drawn = _draw_pictures(run, cells, members, image, boxes, title)
            figures |= {f"{kind}{number or ''}": figure for kind, figure in drawn.items()}
        if not cells:
            say(f"{dataset}: no pictures; give data set and weights with --data and --weights")
        for kind, figure in figures.items():
            for file in save_figure(figure, out / f"{dataset}-{kind}"):
                show(str(file))


def _box(text: str) -> Box:
    from rainbench.report.figures.draw import Box

    try:
        left, top, side = (int(part) for part in text.split(","))
    except ValueError:
        left = top = side = -1
    if min(left, top) < 0 or side < 4:
        raise RainbenchError(f"--crop {text}", hint="Give X,Y,SIDE in pixels: --crop 100,60,80.")
    return Box(left, top, side)


def _cells(
    registry: Registry,
    dataset: str,
    rows: list[Row],
    data_roots: tuple[Path, ...],
    weight_roots: tuple[Path, ...],
) -> list[PlannedCell]:
    """Return the cells whose pictures can be made, the best entry last."""
    from rainbench.run.plan import make_plan

    entries = {entry.name for entry in registry.entries()}
    plan = make_plan(
        registry,
        datasets=[dataset],
        baselines=[row.entry for row in rows if row.entry in entries],
        data_roots=data_roots,
        weight_roots=weight_roots,
        allow_partial=True,
    )
    order = {row.entry: row.psnr if row.psnr is not None else row.ssim or 0 for row in rows}
    cells = [cell for cell in plan.runnable if cell.entry.name != "identity"]
    return sorted(cells, key=lambda cell: order[cell.entry.name])


def _draw_pictures(
    run: Path,
    cells: list[PlannedCell],
    rows: list[Row],
    image: str,
    boxes: list[Box],
    title: str,
) -> dict[str, Figure]:
    from rainbench.report.figures.draw import draw_error_maps, draw_strip
    from rainbench.report.figures.inputs import choose_boxes, make_panels, typical_image
    from rainbench.run.options import resolve_options

    image = image or typical_image(run, rows, rows[0].protocol)
    with progress("pictures", len(cells)) as advance:
        panels, clean = make_panels(run, cells, image, resolve_options(), advance=advance)
    height, width = clean.shape[:2]
    for box in boxes:
        if box.left + box.side > width or box.top + box.side > height:
            raise RainbenchError(
                f"--crop {box.left},{box.top},{box.side}: image {image} is {width}x{height}"
            )
    title = f"{title}, image {image}: PSNR in dB / SSIM"
    return {
        "strip": draw_strip(panels, clean, boxes or choose_boxes(panels[1:], clean), title),
        "errors": draw_error_maps(panels, clean, title),
    }
