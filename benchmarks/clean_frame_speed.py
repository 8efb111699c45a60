"""Time the clean-frame methods beside a plain per-pixel loop, single-threaded, in one run.

Run from the repository's root:

    python benchmarks/clean_frame_speed.py             # 100 x 480x320 and 100 x 1280x720
    python benchmarks/clean_frame_speed.py --part 8    # the slow loop on an eighth of the rows

CPU time is compared, the best of several repeats for the fast code. A sample is one channel of
one pixel of one frame. ``loop`` carries out the published steps (Python loops over pixels and
percentiles, NumPy for colour and percentile) in one process.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "build"))

from slow_reference import slow_notebook

from rainbench.build.clean_frame import extract_clean_frame


def some_rain(count, height, width):
    """Noise and bright samples over a random picture: sorting networks do not care which."""
    rng = np.random.default_rng(0)
    scene = rng.integers(10, 200, (height, width, 3), np.uint8)
    frames = np.empty((count, height, width, 3), np.uint8)
    for frame in frames:
        noise = rng.integers(0, 4, (height, width, 1), np.uint8)
        rain = 40 * (rng.random((height, width, 1)) < 0.3)
        frame[:] = scene + noise + rain.astype(np.uint8)
    return frames


def cpu_seconds(work, repeats):
    """The least CPU time of a call."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    """Print a line for each size and method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", type=int, default=1, help="run the slow loop on 1/PART of rows")
    parser.add_argument("--no-loop", action="store_true", help="leave the slow loop out")
    options = parser.parse_args()
    print(f"{'size':>18} {'method':>10} {'CPU s':>9} {'ns/sample':>10} {'x loop':>8}")
    for count, height, width in (
        (100, 320, 480),
        (100, 720, 1280),
        (200, 320, 480),
        (300, 320, 480),
    ):
        frames = some_rain(count, height, width)
        size = f"{count} x {width}x{height}"
        slow = None
        if not options.no_loop and count == 100:
            part = np.ascontiguousarray(frames[:, : height // options.part])
            slow = cpu_seconds(lambda part=part: slow_notebook(part), 1) * height / part.shape[1]
            print(f"{size:>18} {'loop':>10} {slow:9.3f} {1e9 * slow / frames.size:10.2f} {1:8.1f}")
        for method in ("exact", "notebook", "mode", "median"):
            extract_clean_frame(frames[:, :8], method)
            fast = cpu_seconds(lambda f=frames, m=method: extract_clean_frame(f, m), 5)
            ratio = f"{slow / fast:8.0f}" if slow else " " * 8
            print(f"{size:>18} {method:>10} {fast:9.4f} {1e9 * fast / frames.size:10.3f} {ratio}")


if __name__ == "__main__":
    main()
