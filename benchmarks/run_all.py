"""How long `rainbench run --all` takes on the embedded sets, and where the time goes.

    python benchmarks/run_all.py --out FOLDER [--rounds 3] [--bare] [-- --threads 1]

Of each round, from nothing and as a user calls it: seconds by the clock and of the processor, until
the end and until the first image is scored, and the seconds that the networks took. With ``--bare``
what the same images take of a processor in nothing but the networks' forward passes, one thread,
the lesser of two; half of it is what two cores cannot be faster than. What is given behind ``--``
goes to `run`. On a machine with other work only the seconds of the processor say something, and
they are some more than on an idle one.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Print the numbers of each round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("more", nargs="*")
    chosen = parser.parse_args()
    for number in range(chosen.rounds):
        out = chosen.out / f"round{number + 1}"
        shutil.rmtree(out, ignore_errors=True)
        print(f"round {number + 1}: {measured(out, chosen.more)}", flush=True)
    if chosen.bare:
        print(f"bare forward passes: {bare():.1f} s of a processor", flush=True)


def measured(out: Path, more: list[str]) -> str:
    """Run once and return what was seen."""
    call = [sys.executable, "-m", "rainbench", "run", "--all", "--device", "cpu"]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [*call, "--out", str(out), *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    first = ""
    while process.poll() is None:
        if not first and _is_begun(out):
            first = f"first image after {time.perf_counter() - began:.2f} s"
            first += f" ({_processor_seconds(process.pid):.2f} s of all cores)"
        time.sleep(0.5 if first else 0.01)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"run ended with {process.returncode}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    networks = sum(
        float(row[1])
        for file in out.glob("cells/*/*/timing.csv")
        for row in list(csv.reader(file.open()))[1:]
    )
    return f"{wall:.1f} s, {spent:.1f} s of all cores; {first}; in networks {networks:.1f} s"


def _is_begun(out: Path) -> bool:
    """Return whether an image is scored: a line stands below a header."""
    return any(file.read_bytes().count(b"\n") > 1 for file in out.glob("cells/*/*/images.csv"))


def _processor_seconds(group: int) -> float:
    """Return what the processes of a group have taken so far; Linux only."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def bare() -> float:
    """Return the processor's seconds for every entry's forward passes on all embedded images."""
    import torch

    from rainbench.catalog.registry import load_registry
    from rainbench.pairs.pictures import load_image
    from rainbench.run.options import resolve_options
    from rainbench.run.plan import make_plan
    from rainbench.run.predict import Predictor

    options = resolve_options("cpu", threads=1)
    plan, total = make_plan(load_registry()), 0.0
    for cell in plan.runnable:
        network = Predictor(cell.entry, cell.weights, options).network
        for pair in cell.pairs.pairs:
            image = torch.from_numpy(load_image(pair.rainy)).permute(2, 0, 1)[None].float() / 255
            image = image.contiguous(memory_format=torch.channels_last)
            seconds = []
            for _ in range(2):
                began = time.process_time()
                with torch.inference_mode():
                    network(image)
                seconds.append(time.process_time() - began)
            total += min(seconds)
    return total


if __name__ == "__main__":
    main()
