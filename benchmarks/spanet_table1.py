"""Table 1 of SPANet made again: ten synthetic rain videos, clean-frame and video methods.

The paper laid ten bought rain videos over ten pictures; here rain is rendered (sparse to dense)
over ten photographs of a folder, without noise as in the paper, and with camera noise and flicker.
Run from the repository's root:

    python benchmarks/spanet_table1.py PHOTOS --out runs/table1      # 480x320, minutes
    python benchmarks/spanet_table1.py PHOTOS --out runs/table1 --size 160x112

The video methods restore every frame and take minutes where the others take seconds. They see
short clips: the same rain over the middle of the same pictures, without noise, beside the input and
two clean-frame methods on these clips. ``--short 0`` leaves them out.

The scores of every video are written as soon as they are known, and the tables after each video. A
run that was interrupted goes on where it stopped; a new ``--out`` computes everything again.

Scores are against the float truth. The paper's SSIM window and range are not stated; SSIM is that
of Wang 2004 and, as ``SSIM (L = 2)``, what SPANet's own script computes. A picture equal to the
truth has no PSNR: it is counted as identical and left out of the mean.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
from clean_frame_tables import Row, markdown, score, write_csv
from sequences import HELD_OUT, STATIC, RainSequence, Spec, make_sequence

from rainbench.catalog.published import load_published
from rainbench.catalog.registry import Entry, load_registry
from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.core.files import write_atomically
from rainbench.core.images import quantise, read_image
from rainbench.core.progress import say
from rainbench.metrics.ssim import uniform_ssim
from rainbench.video_methods.load import build_restorer, restore_clip

METHODS = ("mean", "min", "median", "mode", "spanet-reference", "exact", "robust")
VIDEO_METHODS = ("jiang2017", "fastderain", "wei2017", "ms-csc")
STATIC_SCENE = {name: {"objects": False} for name in ("wei2017", "ms-csc")}
"""Arguments other than the cards': the pictures of Table 1 stand still, so nothing is masked."""

SHORT_METHODS = ("rainy input", "spanet-reference", "robust", *VIDEO_METHODS)
SHORT_SIZE = (112, 160)
"""Height and width of the short clips."""

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


def score_short(sequence: RainSequence, method: str) -> dict[str, tuple[float, float, float]]:
    """Score one method on a short clip; of every frame's scores the best and the average."""
    if method in METHODS:
        return {method: scores(extract_clean_frame(sequence.frames, method).image, sequence.truth)}
    restored = sequence.frames
    if method in VIDEO_METHODS:
        (entry,) = load_registry().entries([method])
        card = replace(entry.baseline, arguments=entry.arguments | STATIC_SCENE.get(method, {}))
        clip = restore_clip(method, build_restorer(Entry(card, None)), sequence.frames)
        restored = quantise(clip, "round")
    each = [scores(frame, sequence.truth) for frame in restored]
    return {f"{method}, best frame": max(each), f"{method}, average": tuple(np.mean(each, axis=0))}


def short_rows(spec: Spec, photo: Path, method: str) -> list[Row]:
    """Render a short clip and return the rows of a method."""
    sequence = make_sequence(spec, *SHORT_SIZE, read_image(photo))
    return rows_of("short clips", spec, photo, sequence, score_short(sequence, method))


def video_rows(setting: str, spec: Spec, photo: Path, size: tuple[int, int]) -> list[Row]:
    """Render a video and return a row for each method."""
    sequence = make_sequence(spec, *size, read_image(photo))
    return rows_of(setting, spec, photo, sequence, score_video(sequence))


def rows_of(
    setting: str,
    spec: Spec,
    photo: Path,
    sequence: RainSequence,
    found: dict[str, tuple[float, float, float]],
) -> list[Row]:
    """Return a row for each method that was scored on a video."""
    video: Row = {"setting": setting, "photo": photo.stem, "frames": spec.frames}
    video["rainy"] = round(sequence.coverage, 4)
    return [
        video
        | {"method": method, "psnr": round(psnr, 4)}
        | {"ssim": round(ssim, 6), "ssim_l2": round(wide, 6)}
        for method, (psnr, ssim, wide) in found.items()
    ]


def known_rows(file: Path, made_of: dict[str, object], make: Callable[[], list[Row]]) -> list[Row]:
    """Return rows as they were stored for what they are made of, made and stored if need be."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["made_of"] == made_of:
            return stored["rows"]
    except (OSError, ValueError, KeyError):
        pass
    say(file.stem)
    rows = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps({"made_of": made_of, "rows": rows}, indent=1).encode())
    return rows


def noise_free(spec: Spec) -> Spec:
    """Return a video as in the paper: light and camera are perfect."""
    return replace(spec, noise=0.0, flicker=0.0, whole_levels=True)


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
    parser.add_argument("--short", type=int, default=48, help="frames of the short clips")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    videos: list[Row] = []

    def add(
        name: str, spec: Spec, photo: Path, make: Callable[[], list[Row]], **more: object
    ) -> None:
        made_of = {"spec": asdict(spec), "photo": photo.name, **more}
        videos.extend(known_rows(options.out / "videos" / f"{name}.json", made_of, make))
        table = published() + measured(videos)
        write_csv(options.out / "videos.csv", videos)
        write_csv(options.out / "table1.csv", table)
        (options.out / "table1.md").write_text(markdown(table) + "\n", encoding="utf-8")

    films = list(zip(SPECS, choose_photos(options.photos), strict=True))
    for setting in ("noise-free", "camera noise"):
        for spec, photo in films:
            film = noise_free(spec) if setting == "noise-free" else spec
            name = f"{setting.replace(' ', '-')}-{spec.name}"
            make = partial(video_rows, setting, film, photo, (height, width))
            add(name, film, photo, make, size=[height, width])
    for method in SHORT_METHODS if options.short else ():
        for spec, photo in films:
            film = replace(noise_free(spec), frames=options.short)
            make = partial(short_rows, film, photo, method)
            add(f"short-{spec.name}-{method.replace(' ', '-')}", film, photo, make, method=method)
    print(markdown(published() + measured(videos)))


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
