"""Fit what a codec took to the traces that it leaves (`rainbench.clean_frame.quality.codec`).

Run from the repository's root, on a folder of photographs:

    PYTHONPATH=tests/helpers python benchmarks/fit_codec.py PHOTOS --out runs/codec --number 600

Each photograph is filmed in rain, by day or by night, goes through an encoder and is read as
this package or as most others read it. ``traces.csv`` receives a line for each as it is made, and a
run goes on where it ended; the weights are printed, and how far off they are on photographs that
were left out.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import av
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

PARTS = 8
"""Parts of the photographs of which one is left out in turn."""

SMALLER = 0.75
"""What photographs are shrunk by, so that nothing is left of the blocks of their own JPEG."""

X265 = {"x265-params": "log-level=none:pools=none:frame-threads=1"}
X264 = [
    ("libx264", "yuv420p", {"crf": str(crf), "preset": preset})
    for crf in (5, 10, 14, 17, 20, 23, 26, 29, 32, 35, 38, 41)
    for preset in ("ultrafast", "veryfast", "medium")
]
SLOW = [
    ("libx264", "yuv420p", {"crf": str(crf), "preset": "veryslow", "g": "500"})
    for crf in (20, 24, 28, 32, 36)
]
X264_FORMATS = [
    ("libx264", pixels, {"crf": str(crf)})
    for pixels in ("yuv444p", "yuv422p", "yuv420p10le")
    for crf in (16, 20, 24, 28, 32)
]
X265_FORMATS = [
    ("libx265", pixels, {"crf": str(crf), "preset": preset, **X265})
    for pixels in ("yuv420p", "yuv420p10le")
    for crf, preset in (
        (18, "fast"), (22, "medium"), (25, "ultrafast"), (28, "medium"),
        (31, "fast"), (34, "ultrafast"), (37, "medium"), (40, "fast"),
    )
]  # fmt: skip
GOOGLE = [
    *(
        (
            "libvpx-vp9",
            "yuv420p",
            {"crf": str(crf), "b": "0", "cpu-used": "6", "deadline": deadline},
        )
        for crf in (20, 27, 34, 42, 50)
        for deadline in ("good", "realtime")
    ),
    *(
        ("libvpx", "yuv420p", {"crf": str(crf), "b": "20000000", "cpu-used": "4"})
        for crf in (10, 18, 26, 34, 42)
    ),
    *(
        ("libsvtav1", pixels, {"crf": str(crf), "preset": str(preset), "svtav1-params": "lp=1"})
        for pixels in ("yuv420p", "yuv420p10le")
        for crf, preset in ((20, 8), (26, 10), (32, 9), (38, 11), (44, 8), (50, 10))
    ),
]
MPEG = [
    (name, pixels, {"qmin": str(q), "qmax": str(q), "g": group})
    for name, pixels, group in (
        ("mpeg4", "yuv420p", "12"),
        ("mpeg4", "yuv420p", "250"),
        ("mpeg2video", "yuv420p", "12"),
    )
    for q in (2, 4, 6, 9, 13)
]
ENCODERS = [*X264, *SLOW, *X264_FORMATS, *X265_FORMATS, *GOOGLE, *MPEG]


def view(photo: Path, rng: np.random.Generator) -> tuple[NDArray[np.float32], float]:
    """Return a part of a photograph, in one of several lights, and the light."""
    scene = read_image(photo).astype(np.float32)
    if scene.shape[0] > scene.shape[1]:
        scene = np.ascontiguousarray(np.rot90(scene))
    scene = cv2.resize(scene, None, fx=SMALLER, fy=SMALLER, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.7:
        top = rng.integers(scene.shape[0] - 160 + 1)
        left = rng.integers(scene.shape[1] - 240 + 1)
        scene = scene[top : top + 160, left : left + 240]
    scene = scene[: scene.shape[0] // 2 * 2, : scene.shape[1] // 2 * 2]
    if rng.random() < 0.2:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.5, 1.3))
    kind = rng.choice(["dark", "normal", "normal", "bright"])
    if kind == "dark":
        return scene * np.float32(rng.uniform(0.08, 0.4)), 0.4
    if kind == "bright":
        return 255 - (255 - scene) * np.float32(rng.uniform(0.5, 0.8)), 1.2
    return 5 + np.float32(0.95) * scene, 1.2


def film(scene: NDArray[np.float32], light: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Film a scene in rain, with noise of one of several widths, of the sensor or of the light."""
    count = int(rng.choice([30, 40, 60, 60, 90, 120]))
    rain, angle = rng.choice([0.3, 0.7, 1.2, 2.5]), rng.uniform(-15, 15)
    spec = Spec("film", "", count, rain=rain, brightness=light, angle=angle)
    noise = rng.choice([0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
    width = noise * (np.sqrt(np.maximum(scene, 4) / 110) if rng.random() < 0.3 else 1)
    layers = rain_layers(rng, spec, scene.shape[:2])
    frames = [
        scene + layer[..., None] + width * rng.standard_normal(scene.shape, np.float32)
        for layer in layers
    ]
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


def read(file: Path, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Read a film, its colour enlarged along a curve or by copies."""
    if rng.random() < 0.5:
        return read_video(file).frames
    with av.open(str(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def measure(photo: Path, number: int, folder: Path) -> list[float]:
    """Return the traces of one film, and the logarithm of the squared error it was made with."""
    rng = np.random.default_rng(number)
    scene, light = view(photo, rng)
    name, pixels, options = ENCODERS[int(rng.integers(len(ENCODERS)))]
    frames = film(scene, light, rng)
    file = write_video(folder / "film.mkv", frames, name, pixels, options=options)
    source = as_source(read(file, rng))
    clean = extract_clean_frame(source, "robust")
    luma = clean.levels @ codec._LUMA
    known = codec._logarithms(luma, codec._some_frames(source), *codec._variances(source, luma))
    return [*known.tolist(), float(np.log(np.square(clean.levels - scene).mean()))]


def fit(rows: NDArray[np.float64]) -> None:
    """Print the weights, and how far off they are on what was left out."""
    least, most = np.quantile(rows[:, 1:-1], (0.01, 0.99), axis=0)
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
    parser.add_argument("--number", type=int, default=600)
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
