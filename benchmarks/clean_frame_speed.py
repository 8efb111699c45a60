"""Time the clean-frame methods beside a plain per-pixel loop and the decoder, single-threaded.

Run from the repository's root:

    OMP_NUM_THREADS=1 python benchmarks/clean_frame_speed.py --out runs/speed
    python benchmarks/clean_frame_speed.py --part 1   # the loop on all rows of 1280x720 too
    python benchmarks/clean_frame_speed.py --part 0   # without the loop

CPU time of this process is compared, all in one run: the best of several repeats for the fast code,
one for the loop. A sample is one channel of one pixel of one frame. ``loop`` carries out the steps
of SPANet's published code in one process: luma of the whole video in float64, a loop over pixels
with NumPy inside, votes as floats, NumPy's percentile. At 1280x720 it runs on a quarter of the rows
and its time is multiplied by four. ``decode`` turns an H.264 file of the same frames
(CRF 23, one thread) into RGB: by FFmpeg through PyAV, and through OpenCV. ``judge`` judges the
clean frame of ``robust``, as ``build-spa`` does, which knows by then whether the camera rests.
``coded`` are its frames as rainbench reads them.

Wanted of the decoder's CPU: robust 1.0, judge 0.5. Reached in three runs on an idle machine, beside
OpenCV, mostly the faster of the two: robust 1.7 to 2.2 at 1280x720, 1.1 to 1.9 at 480x320 with 200
and 300 frames, to 4.9 with 100; of coded frames 1.9 to 2.8, 1.1 to 1.7, and to 5.1. Judge 0.7 to
1.1, 0.6 to 1.3, and to 2.7; of coded frames 0.7 to 0.9, 0.9 to 1.6, and to 3.3. What is
left of robust is 1.3 passes of means, two sorts of each channel in one pass, the vote of half of
the pixels and the noise; what is left at 480x320 alone are samples whose number does not depend on
the size; what coded frames take more are places that change with the codec's errors.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from clean_frame_tables import Row, markdown, write_csv
from sequences import STATIC, make_sequence

from rainbench.clean_frame.extract import extract_clean_frame
from rainbench.clean_frame.quality.estimate import judge_clean_frame
from rainbench.core.progress import say
from rainbench.video.read import read_video

SIZES = ((100, 320, 480), (100, 720, 1280), (200, 320, 480), (300, 320, 480))
METHODS = ("exact", "spanet-reference", "mode", "median", "min", "robust")


def published_luma(frames: np.ndarray) -> np.ndarray:
    """Return the luma of ``(N, H, W, 3)`` frames as the published steps give it, in 8 bits.

    The published code forms it as a matrix product, whose order of summation is the linear algebra
    library's and differs between machines: about one colour in 3,600 is then truncated to another
    level. Here, as in `rainbench.clean_frame.spanet_reference`, the three products are rounded to
    float64 and added from left to right, which is the same on every machine.
    """
    red, green, blue = np.moveaxis(frames.astype(np.float64), -1, 0)
    luma = red * 0.299 + green * 0.587 + blue * 0.114
    luma[:, :, 1:] += 128  # meant for the two colour planes, added to all columns but the first
    return luma.astype(np.int64).astype(np.uint8)


def published_loop(frames: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Carry out the published steps pixel by pixel: the image, the percentile, the votes."""
    count, height, width, _ = frames.shape
    luma = published_luma(frames)
    percentiles = np.arange(101)
    curve = np.zeros(101)
    for row in range(2):
        for column in range(4):
            top, bottom = height / 2 * row, height / 2 * (row + 1)
            left, right = width / 4 * column, width / 4 * (column + 1)
            votes = np.zeros((int(bottom - top) * int(right - left), 101))
            pixels = ((y, x) for y in _whole(top, bottom) for x in _whole(left, right))
            for vote, (y, x) in zip(votes, pixels, strict=False):
                samples = luma[:, y, x]
                mode = np.bincount(samples).argmax()
                places = np.flatnonzero(np.sort(samples) == mode)
                low, high = places[0] / count * 100, places[-1] / count * 100
                vote[:] = (percentiles >= low) & (percentiles <= high)
            curve += votes.sum(axis=0)
    percentile = int(curve.argmax())
    return np.percentile(frames, percentile, axis=0).astype(np.uint8), percentile, curve


def _whole(begin: float, end: float) -> range:
    return range(int(begin), int(end))


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """The least CPU time of a call."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def loop_seconds(frames: np.ndarray, part: int) -> float:
    """Time the loop on one part of the rows; its result must be that of ``spanet-reference``."""
    rows = np.ascontiguousarray(frames[:, : frames.shape[1] // part])
    begin = time.process_time()
    image, percentile, curve = published_loop(rows)
    seconds = time.process_time() - begin
    clean = extract_clean_frame(rows, "spanet-reference")
    assert clean.percentile == percentile
    assert (clean.image == image).all()
    assert (clean.vote_curve == curve).all()
    return seconds * frames.shape[1] / rows.shape[1]


def write_h264(path: Path, frames: np.ndarray) -> None:
    """Encode frames as a phone would."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "23", "threads": "1"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def decode_av(path: Path) -> int:
    """Decode and convert to RGB by PyAV; the number of frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.thread_count = "NONE", 1
        return sum(1 for frame in container.decode(0) if frame.to_ndarray(format="rgb24").size)


def decode_cv2(path: Path) -> int:
    """Decode by OpenCV (to BGR); the number of frames."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count = 0
    while video.read()[0]:
        count += 1
    video.release()
    return count


def measure(count: int, height: int, width: int, part: int, repeats: int) -> list[Row]:
    """Time everything at one size, a row for each."""
    spec = STATIC[2] if count == 100 else STATIC[6]
    frames = make_sequence(spec, height, width).frames
    frames = np.ascontiguousarray(np.resize(frames, (count, *frames.shape[1:])))
    size = f"{count} x {width}x{height}"
    seconds: dict[str, float] = {}
    if part and count == 100:
        rows = 1 if height == SIZES[0][1] else part
        name = "loop" if rows == 1 else f"loop (1/{rows} of the rows, times {rows})"
        say(f"{size}: {name}")
        seconds[name] = loop_seconds(frames, rows)
    loop = next(iter(seconds.values()), None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rain.mp4"
        write_h264(path, frames)
        for name, decoder in (("decode, PyAV", decode_av), ("decode, OpenCV", decode_cv2)):
            say(f"{size}: {name}")
            assert decoder(path) == count
            seconds[name] = cpu_seconds(lambda decoder=decoder: decoder(path), min(repeats, 5))
        coded = np.asarray(read_video(path).frames)
    decoding = min(seconds["decode, PyAV"], seconds["decode, OpenCV"])
    for method in METHODS:
        say(f"{size}: {method}")
        extract_clean_frame(frames[:, :8], method)
        often = min(repeats, 3) if method == "robust" else repeats
        seconds[method] = cpu_seconds(
            lambda method=method: extract_clean_frame(frames, method), often
        )
    few = min(repeats, 3)
    say(f"{size}: robust, coded")
    seconds["robust, coded"] = cpu_seconds(lambda: extract_clean_frame(coded, "robust"), few)
    for name, given in (("judge", frames), ("judge, coded", coded)):
        say(f"{size}: {name}")
        clean = extract_clean_frame(given, "robust")
        judge_clean_frame(given[:, :32], extract_clean_frame(given[:, :32], "robust"))
        seconds[name] = cpu_seconds(
            lambda given=given, clean=clean: judge_clean_frame(given, clean, rests=True), few
        )
    return [
        {
            "size": size,
            "what": name,
            "CPU s": round(spent, 5),
            "ns/sample": round(1e9 * spent / frames.size, 3),
            "times faster than the loop": round(loop / spent, 1) if loop else "",
            "of the decoder's CPU": round(spent / decoding, 3),
        }
        for name, spent in seconds.items()
    ]


def main() -> None:
    """Print and store a line for each size and method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, help="folder for speed.csv and speed.md")
    parser.add_argument("--part", type=int, default=4, help="the loop runs on 1/PART of 720 rows")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows: list[Row] = []
    for size in SIZES:
        rows += measure(*size, part=options.part, repeats=options.repeats)
    print(markdown(rows))
    if options.out:
        write_csv(options.out / "speed.csv", rows)
        (options.out / "speed.md").write_text(markdown(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
