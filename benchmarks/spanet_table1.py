"""Table 1 of SPANet made again: ten synthetic rain videos, every clean-frame method.

The paper laid ten bought rain videos over ten pictures; here rain is rendered (sparse to dense)
over ten photographs of a folder, without noise as in the paper, and with camera noise and flicker.
Run from the repository's root:

    python benchmarks/spanet_table1.py PHOTOS --out runs/table1      # 480x320, minutes
    python benchmarks/spanet_table1.py PHOTOS --out runs/table1 --size 160x112

The scores of every video are written as soon as they are known, and the tables after each video. A
run that was interrupted goes on where it stopped; a new ``--out`` computes everything again.

Scores are against the float truth. The paper's SSIM window and range are not stated; SSIM is that
of Wang 2004 and, as ``SSIM (L = 2)``, what SPANet's own script computes. A picture equal to the
truth has no PSNR: it is counted as identical and left out of the mean.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from clean_frame_tables import Row, markdown, score, write_csv
from sequences import HELD_OUT, STATIC, RainSequence, Spec, make_sequence

from rainbench.catalog.published import load_published
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.core.files import write_atomically
from rainbench.core.images import read_image
from rainbench.core.progress import say
from rainbench.metrics.ssim import uniform_ssim

METHODS = ("mean", "min", "median", "mode", "spanet-reference", "exact", "robust")
EVERY = 10
"""Of the rainy input every tenth frame is scored."""

SPECS = tuple(
    replace(spec, seed=100 + number) for number, spec in enumerate((*STATIC, HELD_OUT[1]))
)


def scores(picture: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Return PSNR, SSIM and SSIM (L = 2)."""
    wide = [
        uniform_ssim(picture[..., c].astype(float), truth[..., c].astype(float), (510.0,))[0]
        for c in range(3)
    ]
    return (*score(picture, truth), float(np.mean(wide)))


def score_video(sequence: RainSequence) -> dict[str, tuple[float, float, float]]:
    """Score the rainy frames and every method on one video."""
    frames, truth = sequence.frames, sequence.truth
    each = [scores(frame, truth) for frame in frames[::EVERY]]
    found = {
        "rainy input, average": tuple(np.mean(each, axis=0)),
        "rainy input, best frame": max(each),
    }
    for method in METHODS:
        clean = extract_clean_frame(frames, method)
        found[method] = scores(clean.image, truth)
    found["robust, float"] = scores(clean.levels, truth)
    return found


def video_rows(setting: str, spec: Spec, photo: Path, size: tuple[int, int]) -> list[Row]:
    """Render a video and return a row for each method."""
    sequence = make_sequence(spec, *size, read_image(photo))
    video: Row = {"setting": setting, "photo": photo.stem, "frames": spec.frames}
    video["rainy"] = round(sequence.coverage, 4)
    return [
        video
        | {"method": method, "psnr": round(psnr, 4)}
        | {"ssim": round(ssim, 6), "ssim_l2": round(wide, 6)}
        for method, (psnr, ssim, wide) in score_video(sequence).items()
    ]


def known_rows(
    store: Path, setting: str, spec: Spec, photo: Path, size: tuple[int, int]
) -> list[Row]:
    """Return the rows of a video as they were stored for it, made and stored if need be."""
    made_of = {"spec": asdict(spec), "photo": photo.name, "size": list(size)}
    file = store / f"{setting.replace(' ', '-')}-{spec.name}.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["made_of"] == made_of:
            return stored["rows"]
    except (OSError, ValueError, KeyError):
        pass
    say(f"{setting}: {photo.name}")
    rows = video_rows(setting, spec, photo, size)
    store.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps({"made_of": made_of, "rows": rows}, indent=1).encode())
    return rows


def choose_photos(folder: Path) -> list[Path]:
    """Return as many photographs as there are videos, evenly spread over a folder."""
    kinds = {".jpg", ".jpeg", ".png"}
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in kinds)
    if len(files) < len(SPECS):
        raise SystemExit(f"{folder} holds {len(files)} pictures, {len(SPECS)} needed")
    return [files[i] for i in np.linspace(0, len(files) - 1, len(SPECS)).astype(int)]


def main() -> None:
    """Render, score, write ``table1.csv``, ``videos.csv`` and ``table1.md``, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("photos", type=Path, help="folder of clean pictures; ten are taken")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="480x320", help="WIDTHxHEIGHT")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    photos = choose_photos(options.photos)
    videos: list[Row] = []
    for setting in ("noise-free", "camera noise"):
        for spec, photo in zip(SPECS, photos, strict=True):
            if setting == "noise-free":
                spec = replace(spec, noise=0.0, flicker=0.0, whole_levels=True)  # noqa: PLW2901
            videos += known_rows(options.out / "videos", setting, spec, photo, (height, width))
            table = published() + measured(videos)
            write_csv(options.out / "videos.csv", videos)
            write_csv(options.out / "table1.csv", table)
            (options.out / "table1.md").write_text(markdown(table) + "\n", encoding="utf-8")
    print(markdown(table))


def published() -> list[Row]:
    """Return the rows of the paper."""
    return [
        {
            "of": "SPANet, Table 1",
            "method": f"{cell.method}, {cell.variant}",
            "PSNR": cell.psnr,
            "SSIM": cell.ssim,
            "SSIM (L = 2)": "",
            "worst PSNR": "",
            "identical": "",
        }
        for cell in load_published()
        if cell.paper == "SPANet" and cell.table == "T1"
    ]


def measured(videos: list[Row]) -> list[Row]:
    """Return the means over the videos."""
    table: list[Row] = []
    for setting, method in dict.fromkeys((row["setting"], row["method"]) for row in videos):
        mine = [r for r in videos if (r["setting"], r["method"]) == (setting, method)]
        psnr = np.array([float(row["psnr"]) for row in mine])
        finite = psnr[np.isfinite(psnr)]
        table.append(
            {
                "of": f"measured, {setting}",
                "method": method,
                "PSNR": round(float(finite.mean()), 2) if finite.size else "",
                "SSIM": round(float(np.mean([float(row["ssim"]) for row in mine])), 4),
                "SSIM (L = 2)": round(float(np.mean([float(row["ssim_l2"]) for row in mine])), 4),
                "worst PSNR": round(float(psnr.min()), 2),
                "identical": f"{len(psnr) - len(finite)} of {len(psnr)}",
            }
        )
    return table


if __name__ == "__main__":
    main()
