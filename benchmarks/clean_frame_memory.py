"""How much memory a clean frame of a long 4K video takes, decoder and all workers included.

A clip of rain over a still scene is made in a temporary folder, and read in two ways: frame by
frame into `rainbench.frames.cache.collect` and `extract_clean_frame`, and as an H.264 file through
``rainbench build-spa``, with alignment, exposure and judge. Run from the repository's root:

    python benchmarks/clean_frame_memory.py --out runs/memory               # 300 x 3840x2160
    python benchmarks/clean_frame_memory.py --frames 60 --size 1280x720     # a minute
    python benchmarks/clean_frame_memory.py --only exact --memory 512MB
    python benchmarks/clean_frame_memory.py --only "build-spa robust" --memory 512MB --most 700

Every run is a process of its own. Its memory is the sum over it and all its descendants of their
proportional share of resident pages (PSS of ``/proc``), looked at ten times a second: what is
shared between decoder and reader counts once, what the system caches of files not at all. Time is
the CPU time of all of them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from clean_frame_tables import Row, markdown, write_csv

from rainbench.core.machine import default_memory
from rainbench.core.progress import say
from rainbench.core.text import parse_size

STREAMED = ("exact", "robust")
BUILDS = {
    "build-spa exact": ["--method", "exact"],
    "build-spa robust": ["--method", "robust"],
    "build-spa exact, aligned": ["--method", "exact", "--align"],
}
PAUSE = 0.1


def rainy_frames(count: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Yield frames ``(H, W, 3)`` uint8 of streaks that fall over a still scene."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(30, 170, (height // 40 + 2, width // 40 + 2, 3)).astype(np.float32)
    scene = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    scene += rng.normal(0, 6, (height, width, 1))
    scene = np.clip(scene, 20, 190).astype(np.uint8)
    drops = (rng.uniform(size=(height, width)) < 0.004).astype(np.float32)
    streaks = cv2.filter2D(drops, -1, np.full((21, 1), 70, np.float32))
    streaks = np.repeat(np.clip(streaks, 0, 120).astype(np.uint8)[..., None], 3, axis=2)
    for _ in range(count):
        down, right = rng.integers(height), rng.integers(width)
        yield cv2.add(scene, np.roll(streaks, (int(down), int(right)), axis=(0, 1)))


def write_h264(path: Path, frames: Iterator[np.ndarray], height: int, width: int) -> None:
    """Encode frames in a hurry."""
    with av.open(str(path), "w") as container:
        options = {"crf": "23", "preset": "ultrafast", "threads": "1"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def extract_streamed(method: str, memory: int, count: int, height: int, width: int) -> None:
    """Make a clean frame of frames that come one by one."""
    from rainbench.clean_frame.extract import extract_clean_frame
    from rainbench.frames.cache import collect

    with collect(rainy_frames(count, height, width), memory) as source:
        extract_clean_frame(source, method)


def tree_memory(root: int) -> int:
    """Return the bytes that a process and its descendants hold, shared pages counted once."""
    own, children = 0, ""
    try:
        lines = Path(f"/proc/{root}/smaps_rollup").read_text().splitlines()
        own = sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        tasks = Path(f"/proc/{root}/task").iterdir()
        children = " ".join((task / "children").read_text() for task in tasks)
    except OSError:
        pass  # It has just ended.
    return own + sum(tree_memory(int(child)) for child in children.split())


def watch(call: list[str]) -> tuple[int, float, float]:
    """Run a command; return its peak memory in bytes, and its CPU and wall time in seconds."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(call, stdout=subprocess.DEVNULL) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(PAUSE)
    if process.returncode:
        raise SystemExit(f"{' '.join(call)} ended with {process.returncode}")
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begin
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return peak, cpu, wall


def main() -> None:
    """Print and store a line for each way and each budget."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", default="3840x2160", help="WIDTHxHEIGHT")
    parser.add_argument(
        "--memory", action="append", default=[], help="budget; a quarter of the RAM and 512MB"
    )
    parser.add_argument("--only", default="", help="only the runs with this in their name")
    parser.add_argument(
        "--folder", type=Path, help="of clip and frame cache; the system's temporary one"
    )
    parser.add_argument("--out", type=Path, help="folder for memory.csv and memory.md")
    parser.add_argument("--most", type=int, help="MB; a run that takes more is an error")
    parser.add_argument("--streamed", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    if options.streamed:
        memory = parse_size(options.memory[0])
        extract_streamed(options.streamed, memory, options.frames, height, width)
        return
    budgets = options.memory or [f"{default_memory() >> 20}MB", "512MB"]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["TMPDIR"] = folder
        clip = Path(folder) / "rain.mp4"
        if any(options.only in name for name in BUILDS):
            say(f"writing {options.frames} frames of {options.size}")
            write_h264(clip, rainy_frames(options.frames, height, width), height, width)
        for memory in budgets:
            me = [sys.executable, __file__, "--frames", str(options.frames)]
            me += ["--size", options.size, "--memory", memory]
            calls = {f"streamed, {method}": [*me, "--streamed", method] for method in STREAMED}
            cli = [sys.executable, "-c", "from rainbench.cli import main; main()", "build-spa"]
            for name, how in BUILDS.items():
                out = Path(folder) / f"{name} {memory}"
                calls[name] = [*cli, str(clip), "--out", str(out), "--memory", memory, *how]
                calls[name] += ["--frames", str(options.frames), "--max-frames", "2"]
                calls[name] += ["--layout", "pairs", "--workers", "1"]
            for name, call in calls.items():
                if options.only not in name:
                    continue
                say(f"{name}, --memory {memory}")
                peak, cpu, wall = watch(call)
                rows.append(
                    {
                        "what": f"{name}, {options.frames} x {options.size}",
                        "--memory": memory,
                        "peak MB": round(peak / 1e6),
                        "CPU s": round(cpu, 1),
                        "wall s": round(wall, 1),
                    }
                )
                print(markdown(rows[-1:]).splitlines()[-1], flush=True)
    print(markdown(rows))
    if options.out:
        write_csv(options.out / "memory.csv", rows)
        (options.out / "memory.md").write_text(markdown(rows) + "\n", encoding="utf-8")
    if options.most and any(int(row["peak MB"]) > options.most for row in rows):
        raise SystemExit(f"more than {options.most} MB")


if __name__ == "__main__":
    main()
