"""What the site says: the rows of several runs, by data set and by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rainbench.catalog.bibtex import bibtex
from rainbench.catalog.registry import Entry, Registry
from rainbench.core.errors import RainbenchError
from rainbench.core.text import json_number
from rainbench.pairs.manifest import are_others
from rainbench.report.grid import number
from rainbench.report.rows import Row, build_rows
from rainbench.report.uncertainty import add_statistics
from rainbench.run.results import RunResults


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table of the site.

    Attributes:
        row: The row.
        run: The name of the run that it is of.
        rank: Its place in the table, from 1.
        page: The address of the model's page.
    """

    row: Row
    run: str
    rank: int
    page: str

    @property
    def texts(self) -> dict[str, str]:
        """What stands in the columns."""
        row = self.row
        interval = row.psnr_interval
        reported = f"{number(row.reported_psnr, 2)} / {number(row.reported_ssim, 3)}"
        return {
            "psnr": number(row.psnr, 2),
            "interval": f"[{number(interval.low, 2)}, {number(interval.high, 2)}]"
            if interval
            else "",
            "ssim": number(row.ssim, 4),
            "reported": f"{reported} in {row.published.where}" if row.published else "",
            "state": row.state if row.published else "",
            "parameters": f"{row.parameters:,}" if row.parameters else "",
            "images": str(row.images),
        }


def read_lines(runs: Sequence[Path], registry: Registry) -> list[Line]:
    """Return every finished result of runs under its data set's default protocol, best first.

    Results that two runs have alike stand once; those that differ stand both, each with its run.

    Args:
        runs: Folders of runs.
        registry: The cards.

    Raises:
        RainbenchError: A folder holds no results, none of them is finished, or two runs scored
            different pictures of a data set.
    """
    first: dict[str, Path] = {}
    rows: dict[tuple[str, str, float | None, float | None, int], tuple[Row, str]] = {}
    for run in runs:
        RunResults.open(run)
        found = [row for row in build_rows(run, registry) if row.is_default and row.images]
        for dataset in sorted({row.dataset for row in found}):
            _check_pictures(first.setdefault(dataset, run), run, dataset)
        for row in add_statistics(found, run, groups=False):
            key = (row.dataset, row.entry, row.psnr, row.ssim, row.images)
            rows.setdefault(key, (row, run.resolve().name))
    if not rows:
        raise RainbenchError(
            f"{', '.join(map(str, runs))}: nothing is finished", hint="Run `rainbench run` first."
        )
    ordered = sorted(
        rows.values(),
        key=lambda each: (
            each[0].dataset,
            -(each[0].psnr or 0),
            -(each[0].ssim or 0),
            each[0].entry,
        ),
    )
    lines: list[Line] = []
    for _, group in groupby(ordered, key=lambda each: each[0].dataset):
        lines += [
            Line(row, run, rank, f"models/{row.entry}.html")
            for rank, (row, run) in enumerate(group, start=1)
        ]
    return lines


def _check_pictures(one: Path, other: Path, dataset: str) -> None:
    """Refuse runs on other pictures of one name: their numbers must not be ranked together.

    Runs on a part of the same pictures are told by their number of images.
    """
    before, now = (RunResults(run).pictures(dataset) for run in (one, other))
    if are_others(before, now):
        raise RainbenchError(
            f"{one} and {other} scored different pictures of {dataset}",
            hint="Compare their manifests; make a site of each, or run one of them again on the "
            "other's pictures.",
        )


def model_content(name: str, lines: Sequence[Line], registry: Registry) -> dict[str, Any]:
    """Return what the page of a model says.

    Args:
        name: The entry.
        lines: Its lines.
        registry: The cards.
    """
    entry = {each.name: each for each in registry.entries()}.get(name)
    content: dict[str, Any] = {"name": name, "title": name, "facts": {}, "bibtex": "", "notes": []}
    content["lines"] = [
        {"dataset": registry.datasets[line.row.dataset].title, "line": line, "note": line.row.note}
        for line in lines
    ]
    if entry is None:
        content["notes"] = ["A folder of restored images that somebody else made."]
        return content
    try:
        content["bibtex"] = bibtex(entry.baseline.paper)
    except RainbenchError:  # what nobody published, such as the input itself
        content["bibtex"] = ""
    return {**content, "title": entry.baseline.title, **_facts(entry)}


def _facts(entry: Entry) -> dict[str, Any]:
    card, weights = entry.baseline, entry.weights
    facts = {
        "Paper": card.paper.strip(),
        "Source": card.source,
        "Licence": card.licence,
        "Parameters": f"{entry.parameters:,}",
        "Multiply-adds per pixel": f"{entry.macs_per_pixel:,}" if entry.macs_per_pixel else "",
    }
    notes = [card.notes.strip()]
    if weights is not None:
        facts |= {
            "Weights": weights.tag,
            "Trained on": ", ".join(weights.trained_on),
            "Weights' source": weights.source,
            "Weights' licence": weights.licence,
            "SHA-256": weights.sha256,
            "git's SHA-1": weights.git_sha1,
        }
        notes.append(weights.notes.strip())
    return {
        "facts": {name: text for name, text in facts.items() if text},
        "notes": [note for note in notes if note],
    }


def as_json(lines: Sequence[Line]) -> dict[str, Any]:
    """Return the numbers of the site for machines."""
    return {
        "rows": [
            {
                "dataset": line.row.dataset,
                "variant": line.row.variant,
                "entry": line.row.entry,
                "protocol": line.row.protocol,
                "images": line.row.images,
                "psnr": json_number(line.row.psnr),
                "ssim": json_number(line.row.ssim),
                "rank": line.rank,
                "run": line.run,
                "note": line.row.note,
            }
            for line in lines
        ]
    }


def pictures_of(
    name: str, pictures: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the pictures that a model restored: rainy, restored and clean files with the score.

    Args:
        name: The entry.
        pictures: What `rainbench.report.page.gallery.draw_pictures` returned.
    """
    found = []
    for dataset, items in pictures.items():
        for item in items:
            if name in item["entries"]:
                score = item["scores"].get(name, (None, None))
                found.append(
                    {
                        "dataset": dataset,
                        "image": item["image"],
                        "rainy": item["rainy"],
                        "restored": item["entries"][name]["image"],
                        "clean": item["clean"],
                        "score": " dB / ".join(
                            value if isinstance(value, str) else number(value, digits)
                            for value, digits in zip(score, (2, 4), strict=True)
                        ),
                    }
                )
    return found
