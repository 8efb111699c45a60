"""``rainbench figures``: a run's figures for a paper, as PNG and PDF."""

from __future__ import annotations

from collections.abc import Mapping
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


KINDS = ("distribution", "cost", "strip", "errors", "differences", "maps", "stages")
USUAL = KINDS[:4]


@click.command(
    "figures",
    epilog="""\b
Examples:
  rainbench figures runs/full
  rainbench figures runs/full -d rain100l --image 5 --data DIR --weights DIR
  rainbench figures runs/full -d rain100l -b 'prenet*' -b sian --image 5 --crop 100,60,80 \\
      --data DIR --weights DIR --out paper/figures
  rainbench figures runs/full -d rain100l -b sian --kind stages --kind maps --data DIR --weights DIR
  rainbench figures --video rain.mp4 --pixel 120,80 --out paper/figures
  rainbench figures --attention-parameters --out paper/figures""",
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
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help=f"Only these; may be repeated. [default: {', '.join(USUAL)}]",
)
@click.option(
    "--video",
    type=PLACE,
    help="Draw how the clean frame of this video comes about instead: the votes (SPANet, Fig. 3c).",
)
@click.option("--pixel", metavar="X,Y", help="And the luma of this pixel over time (Fig. 2b).")
@click.option(
    "--attention-parameters",
    is_flag=True,
    help="Draw the parameters of two kinds of attention instead (NASNet, Fig. 5).",
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
    kinds: tuple[str, ...],
    video: Path | None,
    pixel: str | None,
    attention_parameters: bool,
    out: Path | None,
    data_roots: tuple[Path, ...],
    weight_roots: tuple[Path, ...],
    card_folders: tuple[Path, ...],
) -> None:
    """Draw the figures of the run in folder RUN, for each data set.

    How PSNR spreads over the images; PSNR over parameters, operations and time; and, when the data
    set and the weights are there, an image restored by every entry trained for it with zoomed
    crops, and its error maps. On demand: what each entry took away from the rainy image
    (differences), its attention (maps), and the image after each of its stages (stages). The same
    run gives the same bytes.
    """
    if pixel is not None and video is None:
        raise RainbenchError("--pixel needs --video", hint="For example: --video rain.mp4.")
    if video is not None or attention_parameters:
        from rainbench.commands.figures_alone import draw_attention, draw_video

        out = Path("figures") if out is None else out
        drawn = draw_video(video, pixel) if video is not None else draw_attention()
        _save(drawn, out)
        return
    from rainbench.report.figures.inputs import costs_of, scores_of
    from rainbench.report.figures.plots import draw_costs, draw_distributions
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
    wanted = set(kinds or USUAL)
    for dataset, group in groupby(rows, key=lambda row: row.dataset):
        members = list(group)
        card = registry.datasets[dataset]
        metric = "SSIM" if members[0].psnr is None else "PSNR in dB"
        title = f"{card.title}, {count_of(members[0].images, 'image')}, protocol {card.protocol}"
        figures = {}
        if "distribution" in wanted:
            scores = scores_of(run, members)
            figures["distribution"] = draw_distributions(scores, metric, title)
        costs, machine = costs_of(run, members, COST_SIDE) if "cost" in wanted else ([], "")
        if any(cost.parameters for cost in costs):
            figures["cost"] = draw_costs(costs, COST_SIDE, machine, title)
            if not machine:
                say(f"{dataset}: times left out, they are not of one machine")
        pictures = wanted - {"distribution", "cost"}
        cells = _cells(registry, dataset, members, data_roots, weight_roots) if pictures else []
        for number, image in enumerate(images or [""]) if cells else ():
            drawn = _draw_pictures(run, cells, members, image, boxes, title, pictures)
            figures |= {f"{kind}{number or ''}": figure for kind, figure in drawn.items()}
        if pictures and not cells:
            say(f"{dataset}: no pictures; give data set and weights with --data and --weights")
        _save({f"{dataset}-{kind}": figure for kind, figure in figures.items()}, out)


def _save(figures: Mapping[str, Figure], out: Path) -> None:
    from rainbench.report.figures.style import save_figure

    for name, figure in figures.items():
        for file in save_figure(figure, out / name):
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
    wanted: set[str],
) -> dict[str, Figure]:
    from rainbench.report.figures.draw import Panel, draw_error_maps, draw_maps, draw_strip
    from rainbench.report.figures.inputs import Scene, choose_boxes, typical_image
    from rainbench.run.options import resolve_options

    image = image or typical_image(run, rows, rows[0].protocol)
    scene = Scene(run, cells, image, resolve_options())
    height, width = scene.clean.shape[:2]
    for box in boxes:
        if box.left + box.side > width or box.top + box.side > height:
            raise RainbenchError(
                f"--crop {box.left},{box.top},{box.side}: image {image} is {width}x{height}"
            )
    figures = {}
    title = f"{title}, image {image}: PSNR in dB / SSIM"
    if wanted & {"strip", "errors", "differences"}:
        with progress("pictures", len(cells)) as advance:
            panels = scene.panels(advance=advance)
        if "strip" in wanted:
            chosen = boxes or choose_boxes(panels[1:], scene.clean)
            figures["strip"] = draw_strip(panels, scene.clean, chosen, title)
        if "errors" in wanted:
            figures["errors"] = draw_error_maps(panels, scene.clean, title)
        if "differences" in wanted:
            figures["differences"] = draw_error_maps(panels, scene.rainy, title, "change")
    for cell in cells:
        name = cell.entry.name
        if "maps" in wanted and (maps := scene.maps(name)):
            rainy = Panel("rainy", scene.rainy)
            figures[f"maps-{name}"] = draw_maps(rainy, maps, f"{name}, image {image}: maps")
        if "stages" in wanted and (stages := scene.stages(name)):
            figures[f"stages-{name}"] = draw_strip(stages, scene.clean, boxes, f"{name}, {title}")
    return figures
