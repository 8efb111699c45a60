"""What it costs to open, to tabulate and to summarise a run of ten thousand cells.

    python benchmarks/large_run.py --out FOLDER [--sets 100] [--entries 100] [--images 10]

The run is made up: every entry on every set, scores from a rule. Each step is a process of its own;
its seconds, processor time and largest memory are printed and written to ``large_run.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rainbench.api.results import load_results
from rainbench.catalog.folders import run_cards
from rainbench.catalog.registry import load_registry
from rainbench.metrics import PROTOCOLS, Score
from rainbench.report.page.make import make_report
from rainbench.report.tables import write_tables
from rainbench.run.cluster.status import read_standing
from rainbench.run.documents import write_json
from rainbench.run.results import RunResults
from rainbench.run.scores import means_of
from rainbench.run.store import CellStore

CARD = """
name = "{name}"
title = "{name}"
revision = "1"
degradation = ["streaks"]
origin = "synthetic"
split = "test"
count = {count}
protocol = "prenet-y"
sizes = [[64, 48]]
licence = "none"
sources = ["made up"]
citation = "nobody"

[[layouts]]
name = "input-target"
rainy = "input/{{id:d}}.png"
clean = "target/{{id:d}}.png"
"""


def write_run(out: Path, sets: int, entries: int, images: int) -> None:
    """Write a run of made-up scores."""
    (out / "cards").mkdir(parents=True, exist_ok=True)
    manifests: dict[str, str] = {}
    (out / "manifests").mkdir(exist_ok=True)
    for place in range(sets):
        dataset = f"made-{place:03}"
        (out / "cards" / f"{dataset}.toml").write_text(CARD.format(name=dataset, count=images))
        manifest = out / "manifests" / f"{dataset}.csv"
        manifest.write_text("id\n")
        manifests[dataset] = hashlib.sha256(manifest.read_bytes()).hexdigest()
        difficulty = np.random.default_rng(place).normal(0, 2, images)
        for number in range(entries):
            write_cell(out, dataset, number, difficulty)
    write_json(out / "run.json", {"missing": [], "unusable": [], "manifests": manifests})


def write_cell(out: Path, dataset: str, number: int, difficulty: np.ndarray) -> None:
    """Write one cell: the better, the higher its entry's number."""
    entry = f"net{number:03}"
    chance = np.random.default_rng([number, len(difficulty)])
    noise = chance.normal(0, 0.3, (len(difficulty), len(PROTOCOLS)))
    names = [str(image) for image in range(len(difficulty))]
    scores = {
        name: {
            protocol: Score(30 + 0.05 * number + hard + more, 0.9 + 0.001 * more)
            for protocol, more in zip(PROTOCOLS, row, strict=True)
        }
        for name, hard, row in zip(names, difficulty, noise, strict=True)
    }
    facts = {"title": entry, "parameters": 1000, "macs_per_pixel": 10}
    parts = {"dataset": dataset, "entry": entry, "foreign": facts}
    folder = RunResults(out).cell(dataset, entry).folder
    with CellStore(folder, parts, tuple(PROTOCOLS), [(name, name) for name in names]) as store:
        for name, each in scores.items():
            store.append(name, each, 0.01)
        options = {"precision": "fp32", "tile": 0}
        summary = {
            "dataset": dataset, "entry": entry, "variant": "", "variant_note": "",
            "comparable": True, "images": len(names), "complete_set": True, "left_out": [],
            "options": options, "provenance": {},
        }  # fmt: skip
        rounded = {
            name: {p: Score(round(s.psnr, 6), round(s.ssim, 8)) for p, s in each.items()}
            for name, each in scores.items()
        }
        store.complete({**summary, "means": means_of(rounded)})


def steps() -> dict[str, Callable[[Path], object]]:
    """Return what is measured, by name."""

    def registry_of(out: Path):
        return load_registry(run_cards(out))

    def one_set(out: Path) -> str:
        first = min(path.stem for path in (out / "cards").iterdir())
        return str(load_results(out).table(first))

    return {
        "opened": lambda out: repr(load_results(out)),
        "status": lambda out: read_standing(out).images,
        "tables on the way": lambda out: len(write_tables(out, registry_of(out), final=False)),
        "tables at the end": lambda out: len(write_tables(out, registry_of(out))),
        "a data frame": lambda out: len(load_results(out).to_dataframe()),
        "a table of one set": lambda out: len(one_set(out)),
        "problems": lambda out: RunResults(out).problems,
        "report without pictures": lambda out: str(
            make_report(out, registry_of(out), pictures=0).file
        ),
    }


def measure(out: Path, name: str) -> dict[str, object]:
    """Do a step in a process of its own."""
    call = [sys.executable, __file__, "--out", str(out), "--step", name]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Write the run where it is not there, and measure each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--entries", type=int, default=100)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[*steps()])
    parser.add_argument("--step")
    chosen = parser.parse_args()
    out = chosen.out / f"{chosen.sets}x{chosen.entries}x{chosen.images}"
    if chosen.step:
        began, cpu = time.perf_counter(), time.process_time()
        result = steps()[chosen.step](chosen.out)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            json.dumps(
                {
                    "seconds": round(time.perf_counter() - began, 1),
                    "CPU seconds": round(time.process_time() - cpu, 1),
                    "MB": round(peak),
                    "result": str(result)[:60],
                }
            )
        )
        return
    if not (out / "run.json").exists():
        began = time.perf_counter()
        write_run(out, chosen.sets, chosen.entries, chosen.images)
        print(f"written in {time.perf_counter() - began:.0f} s", flush=True)
    found = {}
    for name in chosen.only:
        found[name] = measure(out, name)
        print(f"{name}: {found[name]}", flush=True)
    (chosen.out / "large_run.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
