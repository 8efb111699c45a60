"""Size and loading time of the report of a large run: 40 entries on 10 data sets of 1,000 images.

The scores are made up; cells, page and browser are real. Loading is measured in a headless
Chromium with chromedriver, where there is one: from the request to the drawn summary.

    python benchmarks/report_page.py [--images 1000]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rainbench.catalog.registry import load_registry
from rainbench.metrics import PROTOCOLS
from rainbench.report.page.make import make_report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))


def write_run(out: Path, entries: list[str], datasets: list[str], images: int) -> None:
    """Write complete cells of made-up scores."""
    random = np.random.default_rng(0)
    names = list(PROTOCOLS)
    for dataset in datasets:
        hardness = random.normal(0, 3, (images, 1))
        for entry in entries:
            folder = out / "cells" / dataset / entry
            folder.mkdir(parents=True)
            psnr = 28 + hardness + random.normal(0, 1.5, (images, len(names)))
            ssim = 1 / (1 + np.exp(-psnr / 12))
            lines = ["image,protocol,psnr,ssim"]
            for image in range(images):
                for index, name in enumerate(names):
                    shown = f"{psnr[image, index]:.6f}" if PROTOCOLS[name].has_psnr else ""
                    lines.append(f"{image},{name},{shown},{ssim[image, index]:.8f}")
            (folder / "images.csv").write_text("\n".join(lines) + "\n")
            (folder / "timing.csv").write_text("image,seconds\n0,0.5\n")
            means = {
                name: {
                    "psnr": float(psnr[:, index].mean()) if PROTOCOLS[name].has_psnr else None,
                    "ssim": float(ssim[:, index].mean()),
                    "identical": 0,
                    "psnr_of_others": None,
                }
                for index, name in enumerate(names)
            }
            summary = {
                "dataset": dataset, "variant": "", "variant_note": "", "comparable": True,
                "entry": entry, "images": images, "complete_set": True, "left_out": [],
                "means": means, "options": {"device": "cpu", "precision": "fp32", "tile": 0},
                "provenance": {"device": "x86_64"}, "key": "",
            }  # fmt: skip
            (folder / "cell.json").write_text(json.dumps(summary))


def loading_seconds(file: Path) -> float | None:
    """Return how long a browser takes to draw the page, or None without one."""
    from webdriver import Browser, find_browser

    if find_browser() is None:
        return None
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        try:
            started = time.perf_counter()
            browser.open(file.as_uri())
            browser.wait("document.body.dataset.ready == 'true'", seconds=60)
            return time.perf_counter() - started
        finally:
            browser.quit()


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    images = parser.parse_args().images
    registry = load_registry()
    entries = [entry.name for entry in registry.entries()][:40]
    datasets = [card.name for card in registry.datasets.values() if card.split == "test"][:10]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        write_run(run, entries, datasets, images)
        started = time.process_time()
        report = make_report(run, registry, pictures=0)
        spent = time.process_time() - started
        size = report.file.stat().st_size
        print(f"{len(entries)} entries x {len(datasets)} data sets x {images} images")
        print(f"made in {spent:.0f} s of CPU time, {size / 1e6:.2f} MB")
        print(f"drawn by a browser in {loading_seconds(report.file)} s")


if __name__ == "__main__":
    main()
