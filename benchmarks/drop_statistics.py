"""Rendered drops beside photographed ones: seven statistics and the cover, a contact sheet.

For every photograph through drops and its clean image, panes of our own are rendered over the same
clean image, with the default ranges. Where no clean image exists, a network's estimate serves, as
in the study behind our constants (five photographs, DeRaindrop's outputs). Run from the
repository's root:

    python benchmarks/drop_statistics.py raindrop/data raindrop/gt --real raindrop/real

``--real`` holds photographs without clean images (``case1.jpg`` to ``case5.jpg``, those that come
with DeRaindrop): in parts of them, the sharpness of rims and the share of highlights are compared
with those of our drops over the same scenes.

Photographs and clean images are paired in natural order. Writes ``drops.md`` and ``drops.png``;
exits with 1 when the mean of a statistic is off by more than a quarter, or one of the last two by
more than 15 %.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from clean_frame_tables import Row, markdown
from numpy.typing import NDArray
from rain_checks import (
    DROP_PARTS,
    DROP_STATISTICS,
    HIGHLIGHT_STATISTICS,
    drop_statistics,
    rims_and_highlights,
    without_drops,
)

from rainbench.core.files import write_atomically
from rainbench.core.images import IMAGE_SUFFIXES, Image, read_image, write_png
from rainbench.core.progress import say, show
from rainbench.core.text import natural_key
from rainbench.packaging.contact_sheet import SheetRow, make_contact_sheet
from rainbench.rain.drops import DROP_RANGES, draw_drop_parameters, render_drops
from rainbench.rain.ranges import Look

TOLERANCE, HIGHLIGHT_TOLERANCE = 0.25, 0.15
"""How far a mean may be off: of the statistics of pairs, and of rims and highlights."""

CUT = 192, 256
"""Rows and columns of the part of each picture that the sheet shows."""


def load(folder: Path) -> list[Image]:
    """Read the images of a folder in natural order."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return [read_image(path) for path in sorted(paths, key=lambda path: natural_key(path.name))]


def ours(clean: Image, look: Look, *key: int | str) -> Image:
    """Render a pane with the ranges of a look."""
    drawn = draw_drop_parameters("statistics", *key, ranges=DROP_RANGES[look])
    return render_drops(clean, drawn, "statistics", *key, look=look).image


def highlight_rows(folder: Path, look: Look, versions: int) -> list[Row]:
    """Compare rims and highlights in parts of photographs that have no clean image."""
    real, rendered = [], []
    for name, part in DROP_PARTS.items():
        photograph = read_image(folder / name)
        scene = without_drops(photograph)
        real.append((photograph, part))
        rendered += [(ours(scene, look, name, version), part) for version in range(versions)]
    measured, made = rims_and_highlights(real), rims_and_highlights(rendered)
    return [
        {
            "statistic": name,
            "photographs": float(a),
            "deviation": "",
            "ours": float(b),
            "our deviation": "",
            "ratio": float(b / a),
        }
        for name, a, b in zip(HIGHLIGHT_STATISTICS, measured, made, strict=True)
    ]


def table(real: NDArray[np.float64], rendered: NDArray[np.float64]) -> list[Row]:
    """Return mean and deviation of each statistic, and the ratio of the means."""
    rows: list[Row] = []
    for index, name in enumerate(DROP_STATISTICS):
        a, b = real[:, index], rendered[:, index]
        rows.append(
            {
                "statistic": name,
                "photographs": float(a.mean()),
                "deviation": float(a.std()),
                "ours": float(b.mean()),
                "our deviation": float(b.std()),
                "ratio": float(b.mean() / a.mean()),
            }
        )
    return rows


def cut(image: Image) -> Image:
    """Return the middle of a picture."""
    top, left = (max(0, (side - part) // 2) for side, part in zip(image.shape, CUT, strict=False))
    return image[top : top + CUT[0], left : left + CUT[1]]


def main() -> int:
    """Compare the drops of two folders with our own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path, help="Folder of photographs through drops.")
    parser.add_argument("clean", type=Path, help="Folder of their clean images, or estimates.")
    parser.add_argument("--real", type=Path, help="Folder of photographs without clean images.")
    parser.add_argument("--look", choices=("natural", "painted"), default="natural")
    parser.add_argument("--versions", type=int, default=4, help="Panes of ours per photograph.")
    parser.add_argument("--out", type=Path, default=Path("runs/drops"))
    given = parser.parse_args()
    photographs, cleans = load(given.photographs), load(given.clean)
    if len(photographs) != len(cleans) or not photographs:
        parser.error(f"{len(photographs)} photographs but {len(cleans)} clean images")
    real, rendered, sheet = [], [], []
    for number, (photograph, clean) in enumerate(zip(photographs, cleans, strict=True)):
        panes = [ours(clean, given.look, number, version) for version in range(given.versions)]
        real.append(drop_statistics(photograph, clean))
        rendered += [drop_statistics(pane, clean) for pane in panes]
        pictures = [cut(each) for each in (clean, photograph, *panes[:2])]
        sheet.append(SheetRow(f"photograph {number + 1}", pictures))
    rows = table(np.array(real), np.array(rendered))
    allowed = [TOLERANCE] * len(rows)
    if given.real:
        rows += highlight_rows(given.real, given.look, given.versions)
        allowed += [HIGHLIGHT_TOLERANCE] * (len(rows) - len(allowed))
    given.out.mkdir(parents=True, exist_ok=True)
    write_atomically(given.out / "drops.md", (markdown(rows) + "\n").encode())
    columns = ("clean", "photographed drops", "ours", "ours, another pane")
    write_png(given.out / "drops.png", make_contact_sheet(sheet, columns))
    show(markdown(rows))
    off = [
        row["statistic"]
        for row, most in zip(rows, allowed, strict=True)
        if abs(float(row["ratio"]) - 1) > most
    ]
    say(f"off by more than allowed: {', '.join(map(str, off)) or 'none'}")
    return 1 if off else 0


if __name__ == "__main__":
    raise SystemExit(main())
