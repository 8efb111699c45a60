"""Time the making of synthetic rain as multiples of the PNG coding that nobody can avoid.

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/synthesis_speed.py --out runs/speed
    python benchmarks/synthesis_speed.py --raindrop DIR   # photographs of the Raindrop set

CPU time of this process, one thread, 720x480, everything in one run: each number is the best of
several repeats, so that other work on the machine matters little. ``streaks`` is drawing, streak
layer and blend, ``physical`` the same of physical streaks (a mean over drawn parameters);
``drops`` is rendering a wet pane; all as multiples of encoding the rainy picture.
``build`` is `rainbench synth-jrsrd` over all pictures (four levels, layers, masks, hashes, tables),
as a multiple of decoding its inputs and encoding its outputs alone, for each further image: what a
build does once (cards, contact sheet) weighs nothing in a set of thousands. Scaling is by
wall clock and means something on an idle machine only: the load is printed. The pictures are the
embedded clean ones, enlarged, unless a folder is given; PNG of enlarged pictures is quicker, which
makes the multiples larger.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from clean_frame_tables import Row, markdown, write_csv

from rainbench.core.images import decode_image, encode_png, read_image, write_png
from rainbench.core.progress import say
from rainbench.rain.drops import DropParameters, render_drops
from rainbench.rain.physical_streaks import draw_physical_parameters, make_physical_streaks
from rainbench.rain.streaks import draw_parameters, make_streaks, screen
from rainbench.rain.transform import Synthesis
from rainbench.synthesis.dataset import SynthPlan, build_set
from rainbench.synthesis.jrsrd import RECREATION, jrsrd_cards, raindrop_scenes
from rainbench.synthesis.mini import CUTS, clean_cut
from rainbench.synthesis.options import JRSRD_LEVELS, SynthOptions

FULL_SET = 861 * 4
LEVEL = 1 / 3
PHYSICAL = 4
"""Draws of physical streaks for each picture: their number varies with rate and exposure."""
TARGETS = {"streaks": 0.7, "physical": 0.7, "drops": 2.5, "build": 1.6}


def cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the best CPU time of several calls, after one that compiles what needs it."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def write_photographs(folder: Path) -> Path:
    """Write enlarged clean pictures, with drops rendered over them, as the authors name theirs."""
    for name in ("data", "gt"):
        (folder / name).mkdir(parents=True)
    for number, name in enumerate(CUTS):
        clean = cv2.resize(clean_cut(name), (720, 480), interpolation=cv2.INTER_CUBIC)
        dropped = render_drops(clean, DropParameters(480), "speed", number).image
        write_png(folder / f"data/{number}_rain.png", dropped)
        write_png(folder / f"gt/{number}_clean.png", clean)
    return folder


def time_parts(folder: Path, repeats: int) -> dict[str, float]:
    """Return seconds of CPU time: PNG, streaks with their blend, drops; means over pictures."""
    sums = dict.fromkeys(("png", "streaks", "physical", "drops"), 0.0)
    files = sorted((folder / "data").iterdir())[:4]
    for number, file in enumerate(files):
        dropped = read_image(file)
        count = itertools.count()

        def rain(picture: np.ndarray = dropped, number: int = number) -> np.ndarray:
            key = ("speed", number)
            drawn = draw_parameters(LEVEL, *key)
            return screen(picture, make_streaks(*picture.shape[:2], drawn, *key).layer)

        rainy = rain()
        sums["png"] += cpu_seconds(lambda file=file, rainy=rainy: encode_png(file, rainy), repeats)
        sums["streaks"] += cpu_seconds(rain, repeats)
        for version in range(PHYSICAL):

            def fall(picture: np.ndarray = dropped, key: object = (number, version)) -> np.ndarray:
                drawn = draw_physical_parameters(None, "speed", key)
                size = picture.shape[:2]
                return screen(picture, make_physical_streaks(*size, drawn, "speed", key).layer)

            sums["physical"] += cpu_seconds(fall, repeats) / PHYSICAL
        sums["drops"] += cpu_seconds(
            lambda picture=dropped, count=count: render_drops(
                picture, DropParameters(480), next(count)
            ),
            repeats,
        )
    return {name: total / len(files) for name, total in sums.items()}


def plan_scenes(raindrop: Path, out: Path, workers: int) -> SynthPlan:
    """Return the plan of ``synth-jrsrd --raindrop``."""
    options = SynthOptions(
        synthesis=Synthesis(kind="joint"), levels=JRSRD_LEVELS, name="speed", workers=workers
    )
    found = raindrop_scenes(raindrop, allow_partial=True)
    return SynthPlan(
        out=out,
        sources=found.scenes,
        inputs=(raindrop,),
        options=options,
        cards=jrsrd_cards(options, rendered=False),
        heading=RECREATION,
    )


@dataclass(frozen=True, slots=True)
class BuildTimes:
    """CPU seconds of a build and of its PNG coding alone, and how many images it makes."""

    build: float
    coding: float
    images: int


def time_build(raindrop: Path, work: Path, repeats: int) -> BuildTimes:
    """Build a set several times and take the best."""
    times, out = [], work
    for repeat in range(repeats + 1):
        out = work / f"{raindrop.name}{repeat}"
        begin = time.process_time()
        report = build_set(plan_scenes(raindrop, out, 1))
        times.append(time.process_time() - begin)
    inputs = [path for path in raindrop.rglob("*.png") if path.parent.name in ("data", "gt")]
    encoded = [path.read_bytes() for path in inputs]
    copied = {"clean", "drop"}
    made = [path for path in out.glob("speed*/*/*.png") if path.parent.name not in copied]
    pictures = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in made]

    def code() -> None:
        for path, data in zip(inputs, encoded, strict=True):
            decode_image(data, path)
        for picture in pictures:
            cv2.imencode(".png", picture)

    images = sum(card.count for card in report.cards)
    return BuildTimes(min(times[1:]), cpu_seconds(code, repeats), images)


def time_workers(raindrop: Path, work: Path) -> dict[int, float]:
    """Return the wall-clock seconds of the whole command on one and on two processes."""
    times = {}
    for workers in (1, 2):
        arguments = ["synth-jrsrd", "--raindrop", raindrop, "--out", work / f"workers{workers}",
                     "--workers", workers, "--allow-partial"]  # fmt: skip
        begin = time.perf_counter()
        command = [sys.executable, "-m", "rainbench", *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)
        times[workers] = time.perf_counter() - begin
    return times


def copies(raindrop: Path, folder: Path, times: int) -> Path:
    """Write a set's pairs several times over, under other numbers."""
    rainy, clean = (sorted((raindrop / name).iterdir()) for name in ("data", "gt"))
    for name in ("data", "gt"):
        (folder / name).mkdir(parents=True)
    for number, (dropped, truth) in enumerate(list(zip(rainy, clean, strict=True)) * times):
        (folder / f"data/{number}_rain.png").write_bytes(dropped.read_bytes())
        (folder / f"gt/{number}_clean.png").write_bytes(truth.read_bytes())
    return folder


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raindrop", type=Path, help="A folder that holds data/ and gt/.")
    parser.add_argument("--out", type=Path, help="Where the table is written as CSV.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--times", type=int, default=6, help="Build each picture so many times.")
    parser.add_argument("--scaling", action="store_true", help="Also on one and two processes.")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        raindrop = given.raindrop or write_photographs(work / "photographs")
        parts = time_parts(raindrop, given.repeats)
        few = copies(raindrop, work / "few", 2)
        many = copies(raindrop, work / "many", given.times)
        small, large = (time_build(folder, work, given.repeats) for folder in (few, many))
        images = large.images - small.images
        build = (large.build - small.build) / images
        coding = (large.coding - small.coding) / images
        fixed = large.build - build * large.images
        rows: list[Row] = [
            {
                "what": what,
                "ms": round(1e3 * seconds, 2),
                "beside": beside,
                "beside_ms": round(1e3 * floor, 2),
                "ratio": round(seconds / floor, 2),
                "target": TARGETS[what],
            }
            for what, seconds, beside, floor in (
                ("streaks", parts["streaks"], "PNG of the result", parts["png"]),
                ("physical", parts["physical"], "PNG of the result", parts["png"]),
                ("drops", parts["drops"], "PNG of the result", parts["png"]),
                ("build", build, "its PNG coding", coding),
            )
        ]
        say(markdown(rows))
        say(f"{FULL_SET} images: {fixed + build * FULL_SET:.0f} s on one core")
        if given.scaling:
            before = os.getloadavg()[0]
            times = time_workers(many, work)
            say(
                f"one process {times[1]:.1f} s, two {times[2]:.1f} s: "
                f"{times[1] / times[2]:.2f} times as fast (load before: {before:.1f})"
            )
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            write_csv(given.out / "synthesis_speed.csv", rows)


if __name__ == "__main__":
    main()
