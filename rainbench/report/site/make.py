"""Writing the site: static files that need no network and no server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rainbench.catalog.registry import Registry
from rainbench.core.files import refuse_inside, write_atomically, writing
from rainbench.core.progress import Advance, unseen
from rainbench.report.page.content import page_content
from rainbench.report.page.gallery import Wanted, choose_images, draw_pictures
from rainbench.report.page.make import plan_of
from rainbench.report.page.render import templates
from rainbench.report.site.content import Line, as_json, model_content, pictures_of, read_lines
from rainbench.run.options import RunOptions
from rainbench.version import __version__

_HERE = Path(__file__).parent
_STYLE = _HERE.parent / "page" / "style.css"


def make_site(
    runs: Sequence[Path],
    out: Path,
    registry: Registry,
    *,
    title: str = "Deraining leaderboard",
    data_roots: Sequence[Path] = (),
    weight_roots: Sequence[Path] = (),
    pictures: int = 2,
    options: RunOptions | None = None,
    advance: Advance = unseen,
) -> tuple[Path, list[str]]:
    """Write a site of the results of runs.

    Args:
        runs: Folders of runs.
        out: The site's folder; files of an earlier site are replaced.
        registry: The cards.
        title: What stands above the tables.
        data_roots: Where data sets lie, for pictures.
        weight_roots: Where weights lie, likewise.
        pictures: Images of each data set that the models' pages show.
        options: How they are restored.
        advance: Called after each picture with 1 and the entry's name.

    Returns:
        ``index.html``, and what could not be shown, a sentence each.

    Raises:
        RainbenchError: A run holds no results, or the site cannot be written.
    """
    refuse_inside(out, runs)
    lines = read_lines(runs, registry)
    drawn: dict[str, list[dict[str, Any]]] = {}
    problems: list[str] = []
    with writing(out):
        (out / "models").mkdir(parents=True, exist_ok=True)
        if pictures:
            drawn, problems = _draw(
                runs, out, registry, data_roots, weight_roots, pictures, options, advance
            )
        _write(out, lines, registry, title, drawn)
    return out / "index.html", problems


def _draw(
    runs: Sequence[Path],
    out: Path,
    registry: Registry,
    data_roots: Sequence[Path],
    weight_roots: Sequence[Path],
    pictures: int,
    options: RunOptions | None,
    advance: Advance,
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Draw the pictures of each data set from the first run that has it."""
    drawn: dict[str, list[dict[str, Any]]] = {}
    problems: list[str] = []
    for number, run in enumerate(runs):
        content = page_content(run, registry)
        content["datasets"] = [each for each in content["datasets"] if each["name"] not in drawn]
        plan = plan_of(content, registry, data_roots, weight_roots)
        wanted: list[Wanted] = [choose_images(each, pictures) for each in content["datasets"]]
        place = out / f"pictures-{number}"
        found, wrong = draw_pictures(
            run, plan, wanted, options or RunOptions(), into=place, advance=advance
        )
        problems += wrong
        drawn |= {
            dataset: [_moved(item, place.name) for item in items]
            for dataset, items in found.items()
        }
    return drawn, problems


def _moved(item: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return an item of pictures with addresses from a model's page."""
    entries = {
        name: {"image": f"../{folder}/{each['image']}"} for name, each in item["entries"].items()
    }
    files = {name: f"../{folder}/{item[name]}" for name in ("rainy", "clean")}
    return {**item, **files, "entries": entries}


def _write(
    out: Path,
    lines: Sequence[Line],
    registry: Registry,
    title: str,
    drawn: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    environment = templates(_HERE)
    shared = {
        "title": title,
        "version": __version__,
        "style": _STYLE.read_text(encoding="utf-8"),
        "several": len({line.run for line in lines}) > 1,
    }
    tables = [
        {"card": registry.datasets[name], "lines": list(group)}
        for name, group in groupby(lines, key=lambda line: line.row.dataset)
    ]
    index = environment.get_template("index.html").render(
        **shared, tables=tables, script=(_HERE / "site.js").read_text(encoding="utf-8")
    )
    write_atomically(out / "index.html", index.encode())
    content = json.dumps({"title": title, **as_json(lines)}, indent=1, ensure_ascii=False)
    write_atomically(out / "results.json", (content + "\n").encode())
    by_model = sorted(lines, key=lambda line: line.page)
    for page, group in groupby(by_model, key=lambda line: line.page):
        own = list(group)
        name = own[0].row.entry
        text = environment.get_template("model.html").render(
            **shared, model=model_content(name, own, registry), pictures=pictures_of(name, drawn)
        )
        write_atomically(out / page, text.encode())
