"""Fit what a codec took to the traces that it leaves (`rainbench.clean_frame.quality.codec`).

Run from the repository's root, on a folder of photographs:

    PYTHONPATH=tests/helpers python benchmarks/fit_codec.py PHOTOS --out runs/codec --number 300

Each photograph is filmed in rain and goes through an encoder. ``traces.csv`` receives a line for
each as it is made, and a run goes on where it ended; the weights are printed, and how far off they
are on photographs that were left out.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
from hard_weather import rain_layers
from numpy.typing import NDArray
from sequences import Spec
from videos import write_video

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality import codec
from rainbench.core.images import read_image
from rainbench.frames.sources import as_source
from rainbench.video.read import read_video

FRAMES, PARTS = 60, 8
"""Frames of a film, and parts of which one is left out in turn."""

X264 = [
    ("libx264", "yuv420p", {"crf": str(crf), "preset": preset})
    for crf in (8, 12, 16, 20, 24, 28, 33, 38, 43)
    for preset in ("veryfast", "medium")
]
SLOW = [
    ("libx264", "yuv420p", {"crf": str(crf), "preset": "veryslow", "g": "500"})
    for crf in (24, 28, 32, 36)
]
OTHERS = [
    *(("libx264", "yuv444p", {"crf": str(crf)}) for crf in (20, 26, 32)),
    *(("libx265", "yuv420p", {"crf": str(crf), "preset": "fast"}) for crf in (22, 28, 34)),
    *(("libvpx-vp9", "yuv420p", {"crf": str(crf), "cpu-used": "6"}) for crf in (25, 38, 50)),
    *(("mjpeg", "yuvj420p", {"qmin": str(q), "qmax": str(q)}) for q in (2, 6, 12, 20, 31)),
]
ENCODERS = [*X264, *SLOW, *OTHERS]


def film(scene: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Film a scene in rain, with noise of one of several widths."""
    angle, rain = rng.uniform(-15, 15), rng.choice([0.5, 1.0, 2.5])
    spec = Spec("film", "", FRAMES, rain=rain, brightness=1.2, angle=angle)
    noise = rng.choice([0.5, 1.0, 1.5, 3.0])
    layers = rain_layers(rng, spec, scene.shape[:2])
    frames = [
        scene + layer[..., None] + noise * rng.standard_normal(scene.shape) for layer in layers
    ]
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


def measure(photo: Path, number: int, folder: Path) -> list[float]:
    """Return the traces of one film, and the logarithm of the squared error it was made with."""
    rng = np.random.default_rng(number)
    scene = read_image(photo).astype(np.float32)
    height, width = (160, 240) if rng.random() < 0.7 else (320, 480)
    if scene.shape[0] > scene.shape[1]:
        scene = np.rot90(scene)
    scene = cv2.resize(np.ascontiguousarray(scene), (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.5, 1.5))
    name, pixels, options = ENCODERS[int(rng.integers(len(ENCODERS)))]
    file = write_video(folder / "film.mkv", film(scene, rng), name, pixels, options=options)
    source = as_source(read_video(file).frames)
    clean = extract_clean_frame(source, "robust")
    luma = clean.levels @ codec._LUMA
    known = codec._logarithms(luma, codec._some_frames(source), *codec._variances(source, luma))
    return [*known.tolist(), float(np.log(np.square(clean.levels - scene).mean()))]


def fit(rows: NDArray[np.float64]) -> None:
    """Print the weights, and how far off they are on what was left out."""
    least, most = np.quantile(rows[:, 1:-1], (0.03, 0.97), axis=0)
    known = np.column_stack([np.ones(len(rows)), rows[:, 1:-1].clip(least, most)])
    wanted = rows[:, -1]
    part = rows[:, 0] % PARTS  # by the photograph
    told = np.empty(len(rows))
    for left_out in range(PARTS):
        own = part == left_out
        told[own] = known[own] @ np.linalg.lstsq(known[~own], wanted[~own], rcond=None)[0]
    off = 10 / np.log(10) * (told - wanted)
    weights = np.linalg.lstsq(known, wanted, rcond=None)[0]
    print("weights", weights.round(3).tolist())
    print("least", least.round(2).tolist(), "most", most.round(2).tolist())
    print(f"{len(rows)} films; on photographs left out off by {off.std():.2f} dB (deviation),")
    print("5 and 95 %:", np.quantile(off, (0.05, 0.95)).round(1).tolist())


def main() -> None:
    """Make the films that are missing, and fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--number", type=int, default=300)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    photos = sorted(path for path in given.photos.iterdir() if path.suffix in (".jpg", ".png"))
    table = given.out / "traces.csv"
    done = len(table.read_text().splitlines()) if table.exists() else 0
    with table.open("a", newline="") as text:
        for number in range(done, given.number):
            photo = number * 7 % len(photos)
            csv.writer(text).writerow([photo, *measure(photos[photo], number, given.out)])
            text.flush()
    fit(np.loadtxt(table, delimiter=",")[: given.number])


if __name__ == "__main__":
    main()
